//! A reply wins over everything that is planned.

use crate::{alone, setup};
use leadflow_tests::reply_wins::run;
use std::collections::BTreeMap;
use std::time::Duration;

const OPEN: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_replies_at_once_end_a_hundred_sequences_and_nothing_is_sent_after() {
    let _alone = alone().await;
    let report = run(setup(1.0), OPEN, Duration::ZERO).await.unwrap();
    eprintln!("{report:#?}");
    assert_eq!(report.late_calls, 0, "calls began after the event of a reply was answered");
    assert_eq!(report.states, BTreeMap::from([("replied".to_owned(), OPEN)]));
    assert_eq!((report.open, report.answered, report.closed), (OPEN, OPEN, OPEN));
    assert!(report.calls_per_second > 0, "nothing was under way when the replies came");
}
