//! Equal requests are paid once, and invalid answers are not kept.

use crate::support::*;
use leadflow_activities::gate::{CallId, Called, PaidCall};
use leadflow_activities::store::testing::each_backend;
use leadflow_workflows::domain::provider::Provider;
use std::time::Duration;

#[tokio::test]
async fn an_equal_request_is_answered_from_the_store() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        assert_eq!(vendor.call(&gate, paid_call("hello")).await.unwrap(), fresh(1));
        let other = PaidCall { owner: owner("activity-2", 1), ..paid_call("hello") };
        assert_eq!(vendor.call(&gate, other).await.unwrap(), Called::Cached { value: 1 });
        assert_eq!(vendor.calls(), 1);
        assert_eq!(log(&store).await, [("settled".to_owned(), COST.0)]);
        assert_books_balance(&store).await;
    })
    .await;
}

#[tokio::test]
async fn whatever_differs_is_another_request() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        let call = paid_call("hello");
        let calls = [
            call,
            PaidCall { tenant: "other", ..call },
            PaidCall { scope: "search-2", ..call },
            PaidCall { repair_round: 1, ..call },
            PaidCall { provider: Provider::Gemini, ..call },
            PaidCall { operation: "personas", ..call },
            PaidCall { request: b"hello!", ..call },
        ];
        for (number, call) in (1..).zip(calls) {
            assert_eq!(vendor.call(&gate, call).await.unwrap(), fresh(number));
        }
        for (number, call) in (1..).zip(calls) {
            assert_eq!(vendor.call(&gate, call).await.unwrap(), Called::Cached { value: number });
        }
    })
    .await;
}

#[tokio::test]
async fn an_invalid_answer_is_paid_but_not_kept() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        let mut invalid = settled(99);
        invalid.reusable = false;
        assert_eq!(gate.call(paid_call("hello"), async |_: CallId| Ok(invalid)).await.unwrap(), fresh(99));
        assert_eq!(vendor.call(&gate, paid_call("hello")).await.unwrap(), fresh(1));
        let outcomes: Vec<String> = sqlx::query_scalar("SELECT outcome FROM api_usage_logs ORDER BY call_id")
            .fetch_all(store.read())
            .await
            .unwrap();
        assert_eq!(outcomes, ["rejected", "ok"]);
        assert_eq!(booked(&store, "search").await, 2 * COST.0);
    })
    .await;
}

#[tokio::test]
async fn the_id_of_a_call_is_known_to_the_vendor_before_it_is_paid() {
    each_backend(async |store| {
        let gate = gate(&store);
        let seen = async |call_id: CallId| {
            let row: (String, i64, String) =
                sqlx::query_as("SELECT state, cost_micro_usd, workflow_id FROM api_usage_logs WHERE call_id = $1")
                    .bind(call_id.as_str())
                    .fetch_one(store.read())
                    .await
                    .unwrap();
            assert_eq!(row, ("reserved".to_owned(), BOUND.0, "search/search-1".to_owned()));
            Ok(settled(call_id.to_string()))
        };
        let Called::Fresh { value, .. } = gate.call(paid_call("hello"), seen).await.unwrap() else {
            panic!("nothing speaks against the call")
        };
        let kept: String =
            sqlx::query_scalar("SELECT call_id FROM api_usage_logs").fetch_one(store.read()).await.unwrap();
        assert_eq!(kept, value);
    })
    .await;
}

#[tokio::test]
async fn another_activity_waits_for_the_answer_that_is_on_its_way() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        let other = PaidCall { owner: owner("activity-2", 7), ..paid_call("hello") };
        let same_attempt = paid_call("hello");
        let slow = async |_: CallId| {
            for call in [other, same_attempt] {
                match vendor.call(&gate, call).await.unwrap() {
                    Called::Elsewhere { retry_after } => {
                        assert!(retry_after > Duration::ZERO && retry_after <= TIMINGS.heartbeat(), "{retry_after:?}");
                    }
                    called => panic!("the same request was made twice: {called:?}"),
                }
            }
            Ok(settled(5))
        };
        assert_eq!(gate.call(paid_call("hello"), slow).await.unwrap(), fresh(5));
        assert_eq!(vendor.call(&gate, other).await.unwrap(), Called::Cached { value: 5 });
        assert_eq!(vendor.calls(), 0);
        assert_books_balance(&store).await;
    })
    .await;
}

#[tokio::test]
async fn a_next_attempt_takes_over_at_once_and_the_lost_call_stays_booked() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        abandon(&gate, paid_call("hello"), &vendor).await;
        let next = PaidCall { owner: owner("activity-1", 2), ..paid_call("hello") };
        assert_eq!(vendor.call(&gate, next).await.unwrap(), fresh(2));
        assert_eq!(log(&store).await, [("presumed".to_owned(), BOUND.0), ("settled".to_owned(), COST.0)]);
        assert_books_balance(&store).await;
    })
    .await;
}

#[tokio::test]
async fn an_attempt_that_was_replaced_does_not_take_over() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        abandon(&gate, PaidCall { owner: owner("activity-1", 3), ..paid_call("hello") }, &vendor).await;
        for attempt in [1, 2, 3] {
            let late = PaidCall { owner: owner("activity-1", attempt), ..paid_call("hello") };
            assert!(matches!(vendor.call(&gate, late).await.unwrap(), Called::Elsewhere { .. }), "{attempt}");
        }
        let mut other_run = paid_call("hello");
        other_run.owner = leadflow_activities::gate::CallOwner { run_id: "run-2", ..owner("activity-1", 9) };
        assert!(matches!(vendor.call(&gate, other_run).await.unwrap(), Called::Elsewhere { .. }));
        assert_eq!(vendor.calls(), 1);
    })
    .await;
}

#[tokio::test]
async fn anyone_takes_over_when_the_lease_is_over() {
    each_backend(async |store| {
        let vendor = Vendor::default();
        abandon(&gate(&store), paid_call("hello"), &vendor).await;
        let other = PaidCall { owner: owner("activity-2", 1), ..paid_call("hello") };
        let later = gate_at(&store, NOON_MS + 1, &PLENTY);
        assert_eq!(vendor.call(&later, other).await.unwrap(), fresh(2));
        assert_eq!(log(&store).await, [("presumed".to_owned(), BOUND.0), ("settled".to_owned(), COST.0)]);
        assert_books_balance(&store).await;
    })
    .await;
}

#[tokio::test]
async fn a_lease_lasts_as_long_as_a_call_may_take() {
    each_backend(async |store| {
        let vendor = Vendor::default();
        for (provider, lease_ms) in [
            (Provider::Openai, TIMINGS.model_call_ms + TIMINGS.heartbeat_ms),
            (Provider::Serper, TIMINGS.search_call_ms + TIMINGS.heartbeat_ms),
        ] {
            // A minute of this clock is a second of real time.
            let clock = leadflow_clock::Clock::fast(NOON_MS, 60.0);
            let gate = leadflow_activities::gate::Gate::new(store.clone(), clock, PLENTY, TIMINGS);
            abandon(&gate, PaidCall { provider, ..paid_call("hello") }, &vendor).await;
            let (started_ms, until_ms): (i64, i64) = sqlx::query_as(
                "SELECT started_at_ms, lease_until_ms FROM results_cache JOIN api_usage_logs
                 ON results_cache.call_id = api_usage_logs.call_id WHERE provider = $1",
            )
            .bind(provider.name())
            .fetch_one(store.read())
            .await
            .unwrap();
            assert_eq!(until_ms - started_ms, i64::try_from(lease_ms).unwrap() * 60);
        }
    })
    .await;
}

#[tokio::test]
async fn a_late_answer_corrects_its_own_booking_and_nothing_else() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        let next = PaidCall { owner: owner("activity-1", 2), ..paid_call("hello") };
        let late = async |_: CallId| {
            assert_eq!(vendor.call(&gate, next).await.unwrap(), fresh(1));
            assert_eq!(log(&store).await[0], ("presumed".to_owned(), BOUND.0));
            Ok(settled(99))
        };
        assert_eq!(gate.call(paid_call("hello"), late).await.unwrap(), fresh(99));
        assert_eq!(log(&store).await, vec![("settled".to_owned(), COST.0); 2]);
        assert_eq!(vendor.call(&gate, paid_call("hello")).await.unwrap(), Called::Cached { value: 1 });
        assert_books_balance(&store).await;
    })
    .await;
}

#[tokio::test]
async fn an_answer_in_the_form_of_another_version_is_asked_for_again() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        let words = async |_: CallId| Ok(settled("forty-two".to_owned()));
        assert_eq!(gate.call(paid_call("hello"), words).await.unwrap(), fresh("forty-two".to_owned()));
        assert_eq!(vendor.call(&gate, paid_call("hello")).await.unwrap(), fresh(1));
        assert_eq!(vendor.call(&gate, paid_call("hello")).await.unwrap(), Called::Cached { value: 1 });
    })
    .await;
}
