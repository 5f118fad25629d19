//! A provider that fails is left alone for a while, by everybody.

use crate::support::*;
use leadflow_activities::gate::{CallId, Called, Gate, GateError, PaidCall, Settled};
use leadflow_activities::providers::Billed;
use leadflow_activities::store::testing::each_backend;
use leadflow_clock::Clock;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::timings::Timings;
use std::time::Duration;

/// Fails with a server error.
async fn fail(gate: &Gate, request: &str) {
    let error = failure("server_error", Some(500), Billed::No);
    let ended = gate.call(paid_call(request), async |_: CallId| Err::<Settled<u32>, _>(error)).await;
    assert!(matches!(ended, Err(GateError::Provider(_))), "{ended:?}");
}

fn is_open(called: &Called<u32>) -> bool {
    matches!(called, Called::BreakerOpen { .. })
}

#[tokio::test]
async fn five_failures_open_it_and_one_probe_closes_it() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        for number in 0..5 {
            assert_eq!(vendor.calls(), 0);
            fail(&gate, &format!("failing {number}")).await;
        }
        assert!(is_open(&vendor.call(&gate, paid_call("refused")).await.unwrap()));
        let elsewhere = PaidCall { tenant: "other", ..paid_call("refused") };
        assert!(is_open(&vendor.call(&gate, elsewhere).await.unwrap()), "it holds for the whole installation");
        let gemini = PaidCall { provider: Provider::Gemini, ..paid_call("another provider") };
        assert_eq!(vendor.call(&gate, gemini).await.unwrap(), fresh(1));

        // On a standing clock the time without calls is one millisecond, and so is the lease of a probe.
        let later = gate_at(&store, NOON_MS + 1, &PLENTY);
        let probe = async |_: CallId| {
            assert!(is_open(&vendor.call(&later, paid_call("beside the probe")).await.unwrap()));
            Ok(settled(50))
        };
        assert_eq!(later.call(paid_call("probe"), probe).await.unwrap(), fresh(50));
        assert_eq!(vendor.call(&later, paid_call("after")).await.unwrap(), fresh(2));
        assert_books_balance(&store).await;
    })
    .await;
}

#[tokio::test]
async fn a_failing_probe_opens_it_again_and_a_lost_one_is_replaced() {
    each_backend(async |store| {
        let vendor = Vendor::default();
        for number in 0..5 {
            fail(&gate(&store), &format!("failing {number}")).await;
        }
        fail(&gate_at(&store, NOON_MS + 1, &PLENTY), "failing probe").await;
        assert!(is_open(&vendor.call(&gate_at(&store, NOON_MS + 1, &PLENTY), paid_call("a")).await.unwrap()));

        let second = gate_at(&store, NOON_MS + 2, &PLENTY);
        abandon(&second, paid_call("lost probe"), &vendor).await;
        assert!(is_open(&vendor.call(&second, paid_call("b")).await.unwrap()));
        let third = gate_at(&store, NOON_MS + 3, &PLENTY);
        assert_eq!(vendor.call(&third, paid_call("c")).await.unwrap(), fresh(2));
        assert_eq!(vendor.call(&third, paid_call("d")).await.unwrap(), fresh(3));
    })
    .await;
}

#[tokio::test]
async fn it_stays_open_for_the_set_time() {
    each_backend(async |store| {
        // An hour of this clock is a second of real time, and the set time is longer than any machine needs here.
        let timings = Timings { breaker_open_ms: 600_000, ..TIMINGS };
        let gate = Gate::new(store.clone(), Clock::fast(NOON_MS, 3_600.0), PLENTY, timings);
        for number in 0..5 {
            fail(&gate, &format!("failing {number}")).await;
        }
        let longest = Duration::from_millis(timings.breaker_open_ms);
        match Vendor::default().call(&gate, paid_call("refused")).await.unwrap() {
            Called::BreakerOpen { retry_after } => {
                assert!(retry_after <= longest, "{retry_after:?}");
                assert!(retry_after > longest / 4, "{retry_after:?}");
            }
            called => panic!("{called:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn answers_from_the_store_need_no_provider() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        assert_eq!(vendor.call(&gate, paid_call("hello")).await.unwrap(), fresh(1));
        for number in 0..5 {
            fail(&gate, &format!("failing {number}")).await;
        }
        assert_eq!(vendor.call(&gate, paid_call("hello")).await.unwrap(), Called::Cached { value: 1 });
    })
    .await;
}

#[tokio::test]
async fn limits_and_refusals_do_not_count_and_a_success_starts_over() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        for (round, request) in ["one", "two"].into_iter().enumerate() {
            for number in 0..4 {
                fail(&gate, &format!("failing {request} {number}")).await;
            }
            for number in 0..6 {
                let error = failure("rate_limited", Some(429), Billed::No);
                let request = format!("limited {request} {number}");
                let ended = gate.call(paid_call(&request), async |_: CallId| Err::<Settled<u32>, _>(error)).await;
                assert!(matches!(ended, Err(GateError::Provider(_))), "{ended:?}");
            }
            let number = u32::try_from(round).unwrap() + 1;
            assert_eq!(vendor.call(&gate, paid_call(request)).await.unwrap(), fresh(number));
        }
    })
    .await;
}
