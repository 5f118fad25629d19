//! Calls, answers and books for the tests of the gate.

use leadflow_activities::config::Budgets;
use leadflow_activities::gate::{CallId, CallOwner, Called, Gate, GateError, PaidCall, Settled, UsageNumbers};
use leadflow_activities::providers::{Billed, Class, ProviderError};
use leadflow_activities::store::Store;
use leadflow_clock::Clock;
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::timings::Timings;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

/// 2026-03-14 12:00 UTC.
pub(crate) const NOON_MS: i64 = 1_773_489_600_000;
pub(crate) const MIDNIGHT_MS: i64 = NOON_MS + 12 * 3_600_000;
pub(crate) const BOUND: MicroUsd = MicroUsd(1_000);
pub(crate) const COST: MicroUsd = MicroUsd(400);
pub(crate) const TIMINGS: Timings = Timings::test();
pub(crate) const PLENTY: Budgets = limits(1_000_000_000, 1_000_000_000, 1_000_000_000, 1_000_000_000);

/// Limits of installation, tenant, search and lead, in micro-dollars.
pub(crate) const fn limits(installation: i64, tenant: i64, search: i64, lead: i64) -> Budgets {
    Budgets {
        installation_per_day: MicroUsd(installation),
        tenant_per_day: MicroUsd(tenant),
        search: MicroUsd(search),
        lead: MicroUsd(lead),
    }
}

/// A gate whose clock stands at `now_ms`. Real milliseconds last no time on it, so that a lease is one millisecond.
pub(crate) fn gate_at(store: &Store, now_ms: i64, budgets: &Budgets) -> Gate {
    Gate::new(store.clone(), Clock::fast(now_ms, 1e-9), budgets.clone(), TIMINGS)
}

pub(crate) fn gate(store: &Store) -> Gate {
    gate_at(store, NOON_MS, &PLENTY)
}

pub(crate) fn paid_call(request: &str) -> PaidCall<'_> {
    PaidCall {
        tenant: "acme",
        search_id: "search-1",
        lead: None,
        provider: Provider::Openai,
        operation: "lead_reasons",
        scope: "search-1",
        repair_round: 0,
        request: request.as_bytes(),
        bound: BOUND,
        owner: owner("activity-1", 1),
    }
}

pub(crate) fn owner(activity_id: &str, attempt: u32) -> CallOwner<'_> {
    CallOwner { workflow_id: "search/search-1", run_id: "run-1", activity_id, attempt }
}

/// A valid answer that cost [`COST`].
pub(crate) fn settled<T>(value: T) -> Settled<T> {
    let usage = UsageNumbers { input_tokens: 70, output_tokens: 20, credits: 1 };
    Settled { value, cost: COST, usage, reusable: true }
}

pub(crate) fn failure(kind: &'static str, status: Option<u16>, billed: Billed) -> ProviderError {
    ProviderError {
        provider: Provider::Openai,
        class: Class::Backoff,
        kind,
        status,
        wait_hint: None,
        message: "did not answer".to_owned(),
        billed,
    }
}

/// A provider that counts the requests which reach it.
#[derive(Default)]
pub(crate) struct Vendor {
    calls: AtomicU32,
}

impl Vendor {
    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Calls through `gate`; the answer is the number of the request at this vendor, from 1.
    pub(crate) async fn call(&self, gate: &Gate, call: PaidCall<'_>) -> Result<Called<u32>, GateError> {
        gate.call(call, async |_: CallId| Ok(settled(self.calls.fetch_add(1, Ordering::SeqCst) + 1))).await
    }
}

/// Leaves a call behind whose request was sent and whose answer nobody waits for.
pub(crate) async fn abandon(gate: &Gate, call: PaidCall<'_>, vendor: &Vendor) {
    let (sent, arrived) = tokio::sync::oneshot::channel();
    let calling = gate.call(call, async |_: CallId| {
        vendor.calls.fetch_add(1, Ordering::SeqCst);
        sent.send(()).expect("the test waits for it");
        std::future::pending::<Result<Settled<u32>, ProviderError>>().await
    });
    tokio::select! {
        ended = calling => panic!("the vendor never answers, but the call ended: {ended:?}"),
        arrived = arrived => arrived.expect("the request is sent"),
    }
}

pub(crate) fn fresh<T>(value: T) -> Called<T> {
    Called::Fresh { value, cost: COST }
}

pub(crate) async fn booked(store: &Store, scope: &str) -> i64 {
    let select = "SELECT CAST(COALESCE(SUM(booked_micro_usd), 0) AS BIGINT) FROM budgets WHERE scope = $1";
    sqlx::query_scalar(select).bind(scope).fetch_one(store.read()).await.unwrap()
}

/// States and booked costs of all calls, in the order in which they started.
pub(crate) async fn log(store: &Store) -> Vec<(String, i64)> {
    let select = "SELECT state, cost_micro_usd FROM api_usage_logs ORDER BY call_id";
    sqlx::query_as(select).fetch_all(store.read()).await.unwrap()
}

/// Every budget holds exactly what the calls booked on it show.
pub(crate) async fn assert_books_balance(store: &Store) {
    let calls: Vec<(String, String, Option<String>, String, i64)> =
        sqlx::query_as("SELECT tenant, search_id, lead_id, day, cost_micro_usd FROM api_usage_logs")
            .fetch_all(store.read())
            .await
            .unwrap();
    let mut expected: BTreeMap<[String; 4], i64> = BTreeMap::new();
    for (tenant, search_id, lead_id, day, cost) in calls {
        let mut keys = vec![["", "installation", "", &day], [&tenant, "tenant", "", &day]];
        keys.push([&tenant, "search", &search_id, ""]);
        keys.extend(lead_id.as_deref().map(|lead_id| [&tenant, "lead", lead_id, ""]));
        for key in keys {
            *expected.entry(key.map(str::to_owned)).or_default() += cost;
        }
    }
    let rows: Vec<(String, String, String, String, i64)> =
        sqlx::query_as("SELECT tenant, scope, subject, day, booked_micro_usd FROM budgets WHERE booked_micro_usd <> 0")
            .fetch_all(store.read())
            .await
            .unwrap();
    let booked: BTreeMap<[String; 4], i64> =
        rows.into_iter().map(|(tenant, scope, subject, day, booked)| ([tenant, scope, subject, day], booked)).collect();
    expected.retain(|_, cost| *cost != 0);
    assert_eq!(booked, expected);
}
