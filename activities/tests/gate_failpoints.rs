//! The named points at which the kill tests end the process: that they are passed, and what a next attempt finds.

#![cfg(feature = "failpoints")]

use leadflow_activities::config::Budgets;
use leadflow_activities::gate::{
    CallId, CallOwner, Called, Gate, GateError, PaidCall, Settled, UsageFilter, UsageNumbers,
};
use leadflow_activities::store::testing::each_backend;
use leadflow_clock::Clock;
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::timings::Timings;
use std::sync::atomic::{AtomicU32, Ordering};

const BOUND: MicroUsd = MicroUsd(1_000);
const COST: MicroUsd = MicroUsd(400);
const LIMIT: MicroUsd = MicroUsd(1_000_000);

/// Calls as attempt `attempt`; the answer is the number of the request at the vendor, from 1.
async fn call(gate: &Gate, point: &str, attempt: u32, vendor: &AtomicU32) -> Result<Called<u32>, GateError> {
    let owner = CallOwner { workflow_id: "search/s", run_id: "r", activity_id: "a", attempt };
    let call = PaidCall {
        tenant: "acme",
        search_id: point,
        lead: None,
        provider: Provider::Openai,
        operation: "personas",
        scope: point,
        repair_round: 0,
        request: b"hello",
        bound: BOUND,
        owner,
    };
    let answer = async |_: CallId| {
        let value = vendor.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Settled { value, cost: COST, usage: UsageNumbers::default(), reusable: true })
    };
    gate.call(call, answer).await
}

#[tokio::test]
async fn a_process_that_ends_at_a_named_point_loses_at_most_its_bound() {
    each_backend(async |store| {
        let budgets = Budgets { installation_per_day: LIMIT, tenant_per_day: LIMIT, search: LIMIT, lead: LIMIT };
        let gate = Gate::new(store.clone(), Clock::system(), budgets, Timings::test());
        for (point, requests, next, presumed) in [
            ("gate-after-reserve", 1, Called::Fresh { value: 1, cost: COST }, BOUND),
            ("gate-after-call", 2, Called::Fresh { value: 2, cost: COST }, BOUND),
            ("gate-after-settle", 1, Called::Cached { value: 1 }, MicroUsd::ZERO),
        ] {
            let vendor = AtomicU32::new(0);
            let (arrived, mut arrival) = tokio::sync::mpsc::unbounded_channel();
            let (release, held) = std::sync::mpsc::channel::<()>();
            let held = std::sync::Mutex::new(held);
            let wait_here = move || {
                arrived.send(()).unwrap();
                // Ends with an error as soon as the other end is dropped.
                held.lock().unwrap().recv().unwrap_err();
            };
            fail::cfg_callback(point, wait_here).unwrap();
            // Dropping the call while it stands at the point is what the end of the process does to it.
            tokio::select! {
                ended = call(&gate, point, 1, &vendor) => panic!("{point} was not passed: {ended:?}"),
                arrived = arrival.recv() => arrived.unwrap(),
            }
            drop(release);
            fail::remove(point);

            assert_eq!(call(&gate, point, 2, &vendor).await.unwrap(), next, "{point}");
            assert_eq!(vendor.load(Ordering::SeqCst), requests, "{point}");
            let usage = gate.usage(UsageFilter { search_id: Some(point), ..UsageFilter::default() }).await.unwrap();
            assert_eq!(usage[0].presumed_cost, presumed, "{point}");
            assert_eq!(usage[0].cost, presumed + COST, "{point}");
        }
    })
    .await;
}
