//! No limit is exceeded, by however many callers, and a person can lift one.

use crate::support::*;
use futures::future::join_all;
use leadflow_activities::gate::{BudgetScope, CallId, Called, Gate, GateError, PaidCall, Settled};
use leadflow_activities::providers::{Billed, ProviderError};
use leadflow_activities::store::Store;
use leadflow_activities::store::testing::{each_backend, each_config};
use leadflow_workflows::domain::money::MicroUsd;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn tenant() -> BudgetScope {
    BudgetScope::Tenant { tenant: "acme".to_owned() }
}

fn search() -> BudgetScope {
    BudgetScope::Search { tenant: "acme".to_owned(), search_id: "search-1".to_owned() }
}

fn lead() -> BudgetScope {
    BudgetScope::Lead { tenant: "acme".to_owned(), lead_id: "lead-1".to_owned() }
}

fn over(scope: BudgetScope) -> Called<u32> {
    let until_ms = scope.is_daily().then_some(MIDNIGHT_MS);
    Called::OverBudget { scope, until_ms }
}

#[tokio::test]
async fn every_limit_stops_a_call_that_might_exceed_it() {
    each_backend(async |store| {
        let call = PaidCall { lead: Some("lead-1"), ..paid_call("hello") };
        let (enough, short) = (BOUND.0, BOUND.0 - 1);
        for (budgets, scope) in [
            (limits(short, enough, enough, enough), BudgetScope::Installation),
            (limits(enough, short, enough, enough), tenant()),
            (limits(enough, enough, short, enough), search()),
            (limits(enough, enough, enough, short), lead()),
            // The search needs a person, the day only patience.
            (limits(short, short, short, enough), search()),
        ] {
            let vendor = Vendor::default();
            let gate = gate_at(&store, NOON_MS, &budgets);
            assert_eq!(vendor.call(&gate, call).await.unwrap(), over(scope));
            assert_eq!(vendor.calls(), 0);
        }
        assert_eq!(log(&store).await, []);
        let vendor = Vendor::default();
        let gate = gate_at(&store, NOON_MS, &limits(enough, enough, enough, enough));
        assert_eq!(vendor.call(&gate, call).await.unwrap(), fresh(1), "the bound fits exactly");
        assert_eq!(booked(&store, "lead").await, COST.0);
        assert_books_balance(&store).await;
    })
    .await;
}

#[tokio::test]
async fn tenants_searches_and_leads_do_not_share_limits() {
    each_backend(async |store| {
        let vendor = Vendor::default();
        let gate = gate_at(&store, NOON_MS, &limits(1_000_000, 1_500, 1_200, 1_100));
        let call = PaidCall { lead: Some("lead-1"), ..paid_call("a") };
        assert_eq!(vendor.call(&gate, call).await.unwrap(), fresh(1));
        let next = PaidCall { request: b"b", ..call };
        assert_eq!(vendor.call(&gate, next).await.unwrap(), over(lead()));
        assert_eq!(vendor.call(&gate, PaidCall { lead: Some("lead-2"), ..next }).await.unwrap(), over(search()));
        let other_search = PaidCall { lead: None, search_id: "search-2", scope: "search-2", ..call };
        assert_eq!(vendor.call(&gate, other_search).await.unwrap(), fresh(2));
        let third_search = PaidCall { search_id: "search-3", scope: "search-3", ..other_search };
        assert_eq!(vendor.call(&gate, third_search).await.unwrap(), over(tenant()));
        assert_eq!(vendor.call(&gate, PaidCall { tenant: "other", ..third_search }).await.unwrap(), fresh(3));
        assert_books_balance(&store).await;
    })
    .await;
}

#[tokio::test]
async fn a_person_lifts_a_limit() {
    each_backend(async |store| {
        let vendor = Vendor::default();
        let gate = gate_at(&store, NOON_MS, &limits(0, 0, 0, 0));
        let call = PaidCall { lead: Some("lead-1"), ..paid_call("hello") };
        for scope in [lead(), search(), tenant(), BudgetScope::Installation] {
            assert_eq!(vendor.call(&gate, call).await.unwrap(), over(scope.clone()));
            gate.raise(&scope, BOUND).await.unwrap();
        }
        assert_eq!(vendor.call(&gate, call).await.unwrap(), fresh(1));
        let rows = gate.budgets("acme", Some("search-1")).await.unwrap();
        let expected = [BudgetScope::Installation, tenant(), search()].map(|scope| (scope, BOUND, COST));
        assert_eq!(rows.into_iter().map(|row| (row.scope, row.limit, row.booked)).collect::<Vec<_>>(), expected);
    })
    .await;
}

#[tokio::test]
async fn creating_a_search_again_does_not_undo_a_raise() {
    each_backend(async |store| {
        let gate = gate(&store);
        let limit = async || gate.budgets("acme", Some("search-1")).await.unwrap()[2].limit;
        assert_eq!(limit().await, PLENTY.search);
        gate.set_limit(&search(), MicroUsd(5)).await.unwrap();
        assert_eq!(limit().await, MicroUsd(5));
        gate.raise(&search(), MicroUsd(9)).await.unwrap();
        gate.set_limit(&search(), MicroUsd(5)).await.unwrap();
        assert_eq!(limit().await, MicroUsd(9));
        gate.raise(&search(), MicroUsd(7)).await.unwrap();
        assert_eq!(limit().await, MicroUsd(7), "a person may also lower it");
    })
    .await;
}

#[tokio::test]
async fn a_new_day_has_new_daily_budgets() {
    each_backend(async |store| {
        let vendor = Vendor::default();
        let budgets = limits(1_000, 1_000, 2_000, 0);
        let today = gate_at(&store, MIDNIGHT_MS - 1, &budgets);
        let tomorrow = gate_at(&store, MIDNIGHT_MS, &budgets);
        assert_eq!(vendor.call(&today, paid_call("a")).await.unwrap(), fresh(1));
        assert_eq!(vendor.call(&today, paid_call("b")).await.unwrap(), over(tenant()));

        // A call over midnight belongs to the day on which it started.
        today.raise(&tenant(), PLENTY.search).await.unwrap();
        today.raise(&BudgetScope::Installation, PLENTY.search).await.unwrap();
        let over_midnight = async |_: CallId| {
            assert_eq!(vendor.call(&tomorrow, paid_call("c")).await.unwrap(), over(search()));
            tomorrow.raise(&search(), PLENTY.search).await.unwrap();
            assert_eq!(vendor.call(&tomorrow, paid_call("c")).await.unwrap(), fresh(2));
            Ok(settled(77))
        };
        assert_eq!(today.call(paid_call("b"), over_midnight).await.unwrap(), fresh(77));
        let days: Vec<(String, i64)> =
            sqlx::query_as("SELECT day, booked_micro_usd FROM budgets WHERE scope = 'installation' ORDER BY day")
                .fetch_all(store.read())
                .await
                .unwrap();
        assert_eq!(days, [("2026-03-14".to_owned(), 2 * COST.0), ("2026-03-15".to_owned(), COST.0)]);
        assert_eq!(vendor.call(&tomorrow, paid_call("d")).await.unwrap(), over_tomorrow(), "the raise was for a day");
        assert_books_balance(&store).await;
    })
    .await;
}

fn over_tomorrow() -> Called<u32> {
    Called::OverBudget { scope: tenant(), until_ms: Some(MIDNIGHT_MS + 24 * 3_600_000) }
}

#[tokio::test]
async fn a_failure_that_costs_nothing_gives_the_reservation_back() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        let failed = failed_call(&gate, failure("rate_limited", Some(429), Billed::No)).await;
        assert_eq!((failed.kind, failed.status), ("rate_limited", Some(429)));
        assert_eq!(log(&store).await, [("failed".to_owned(), 0)]);
        assert_eq!(booked(&store, "installation").await, 0);
        assert_eq!(vendor.call(&gate, paid_call("hello")).await.unwrap(), fresh(1), "nobody has to wait");
    })
    .await;
}

#[tokio::test]
async fn a_failure_that_may_have_cost_something_stays_booked() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        failed_call(&gate, failure("timed_out", None, Billed::Unknown)).await;
        assert_eq!(log(&store).await, [("presumed".to_owned(), BOUND.0)]);
        assert_eq!(vendor.call(&gate, paid_call("hello")).await.unwrap(), fresh(1), "nobody has to wait");
        assert_eq!(booked(&store, "installation").await, BOUND.0 + COST.0);
        assert_books_balance(&store).await;
    })
    .await;
}

async fn failed_call(gate: &Gate, error: ProviderError) -> ProviderError {
    match gate.call(paid_call("hello"), async |_: CallId| Err::<Settled<u32>, _>(error)).await {
        Err(GateError::Provider(error)) => error,
        ended => panic!("the provider failed, but the gate says {ended:?}"),
    }
}

#[tokio::test]
async fn a_cost_above_the_bound_is_booked_as_it_is() {
    each_backend(async |store| {
        let gate = gate_at(&store, NOON_MS, &limits(1_000, 1_000, 1_000, 0));
        let mut dear = settled(1);
        dear.cost = MicroUsd(5_000);
        gate.call(paid_call("a"), async |_: CallId| Ok(dear)).await.unwrap();
        assert_eq!(booked(&store, "search").await, 5_000);
        let free = PaidCall { bound: MicroUsd::ZERO, ..paid_call("b") };
        assert_eq!(Vendor::default().call(&gate, free).await.unwrap(), over(search()), "an exceeded limit stops all");
    })
    .await;
}

/// What eight tasks of two processes can spend together stays within the limit at every instant, and uses it up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_callers_never_exceed_a_limit() {
    const LIMIT: i64 = 20_000;
    each_config(async |config| {
        for seed in 0..3 {
            // Each round has one tight limit, of another kind.
            let budgets = match seed {
                0 => limits(LIMIT, PLENTY.search.0, PLENTY.search.0, 0),
                1 => limits(2 * LIMIT + LIMIT, LIMIT, PLENTY.search.0, 0),
                _ => limits(PLENTY.search.0, PLENTY.search.0, LIMIT, 0),
            };
            let day_ms = NOON_MS + seed * 24 * 3_600_000;
            let stores = [Store::connect(&config).await.unwrap(), Store::connect(&config).await.unwrap()];
            let tasks = (0..8_usize).map(|task| {
                let gate = gate_at(&stores[task % 2], day_ms, &budgets);
                tokio::spawn(spend_until_refused(gate, format!("search-of-round-{seed}"), task))
            });
            for ended in join_all(tasks).await {
                ended.unwrap();
            }
            let scope = ["installation", "tenant", "search"][usize::try_from(seed).unwrap()];
            let spent: i64 = sqlx::query_scalar(
                "SELECT CAST(SUM(cost_micro_usd) AS BIGINT) FROM api_usage_logs WHERE search_id = $1",
            )
            .bind(format!("search-of-round-{seed}"))
            .fetch_one(stores[0].read())
            .await
            .unwrap();
            assert!((LIMIT - MOST..=LIMIT).contains(&spent), "{scope}: {spent}");
            assert_books_balance(&stores[0]).await;
            join_all(stores.iter().map(Store::close)).await;
        }
    })
    .await;
}

const MOST: i64 = 2_000;

/// Makes calls of random bounds, costs and outcomes until there is no room for even the dearest.
async fn spend_until_refused(gate: Gate, search_id: String, task: usize) {
    let mut random = StdRng::seed_from_u64(u64::try_from(task).unwrap());
    for number in 0.. {
        let bound = MicroUsd(random.random_range(1..=MOST));
        let cost = MicroUsd(random.random_range(0..=bound.0));
        let outcome = random.random_range(0..10);
        let request = format!("{task}/{number}");
        let call = PaidCall { search_id: &search_id, scope: &search_id, bound, ..paid_call(&request) };
        let called = gate
            .call(call, async |_: CallId| {
                tokio::task::yield_now().await;
                match outcome {
                    0 => Err(failure("rate_limited", Some(429), Billed::No)),
                    1 => Err(failure("unreadable_answer", Some(200), Billed::Unknown)),
                    _ => Ok(Settled { cost, ..settled(0) }),
                }
            })
            .await;
        match called {
            Ok(Called::OverBudget { .. }) if bound.0 == MOST => return,
            Ok(Called::OverBudget { .. }) => {
                // Nothing but the dearest call is refused for good.
                let dearest = PaidCall { bound: MicroUsd(MOST), ..call };
                let refused = gate.call(dearest, async |_: CallId| Ok(Settled { cost, ..settled(0) })).await.unwrap();
                if matches!(refused, Called::OverBudget { .. }) {
                    return;
                }
            }
            Ok(Called::Fresh { .. }) | Err(GateError::Provider(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}
