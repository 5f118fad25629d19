//! An activity may be cancelled, or its process killed, at any instruction.

use crate::support::*;
use leadflow_activities::gate::{Called, PaidCall};
use leadflow_activities::store::testing::each_backend;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Drops `future` at a point where it waits and `is_enough` says so, given how often it has waited; `None` then.
async fn drop_when<F: Future>(future: F, is_enough: impl Fn(u32) -> bool) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut waited = 0;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            waited += 1;
            if is_enough(waited) { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

#[tokio::test]
async fn a_call_that_is_dropped_anywhere_is_repeated_and_fully_booked() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        let (mut dropped, mut completed) = (0, 0);
        for times in 1..=60 {
            let request = format!("dropped after {times}");
            let before = vendor.calls();
            match drop_when(vendor.call(&gate, paid_call(&request)), |waited| waited == times).await {
                None => dropped += 1,
                Some(called) => {
                    assert_eq!(called.unwrap(), fresh(before + 1));
                    completed += 1;
                }
            }
            let next = PaidCall { owner: owner("activity-1", 2), ..paid_call(&request) };
            match vendor.call(&gate, next).await.unwrap() {
                Called::Fresh { value, .. } | Called::Cached { value } => assert_eq!(value, vendor.calls()),
                other => panic!("after {times}: {other:?}"),
            }
            assert!((1..=2).contains(&(vendor.calls() - before)), "after {times}");
            assert_books_balance(&store).await;
            let billed = i64::from(vendor.calls()) * COST.0;
            assert!(booked(&store, "installation").await >= billed, "after {times}: billed more than booked");
        }
        assert!(dropped >= 5 && completed >= 1, "{dropped} dropped, {completed} completed");
        let open = log(&store).await.into_iter().filter(|(state, _)| state == "reserved").count();
        assert_eq!(open, 0, "the second attempts have found all calls that were lost");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_lost_before_it_is_stored_is_asked_for_again_and_booked_twice() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        let dropped = drop_when(vendor.call(&gate, paid_call("hello")), |_| vendor.calls() == 1).await;
        assert!(dropped.is_none());
        let next = PaidCall { owner: owner("activity-1", 2), ..paid_call("hello") };
        assert_eq!(vendor.call(&gate, next).await.unwrap(), fresh(2));
        assert_eq!(log(&store).await, [("presumed".to_owned(), BOUND.0), ("settled".to_owned(), COST.0)]);
        assert_books_balance(&store).await;
    })
    .await;
}

#[tokio::test]
async fn calls_left_over_by_a_finished_search_are_presumed() {
    each_backend(async |store| {
        let (gate, vendor) = (gate(&store), Vendor::default());
        assert_eq!(vendor.call(&gate, paid_call("answered")).await.unwrap(), fresh(1));
        for request in ["lost", "lost as well"] {
            abandon(&gate, paid_call(request), &vendor).await;
        }
        abandon(&gate, PaidCall { search_id: "search-2", ..paid_call("of another search") }, &vendor).await;
        assert_eq!(gate.presume_open("other", "search-1").await.unwrap(), 0);
        assert_eq!(gate.presume_open("acme", "search-1").await.unwrap(), 2);
        assert_eq!(gate.presume_open("acme", "search-1").await.unwrap(), 0, "safe to repeat");
        let states = log(&store).await.into_iter().map(|(state, _)| state).collect::<Vec<_>>();
        assert_eq!(states, ["settled", "presumed", "presumed", "reserved"]);
        assert_eq!(gate.cost_of_search("acme", "search-1").await.unwrap().0, COST.0 + 2 * BOUND.0);
        assert_books_balance(&store).await;
    })
    .await;
}
