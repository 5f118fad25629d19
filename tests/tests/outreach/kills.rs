//! A worker may be killed at any instruction, or hang and go on, while the provider fails before and after the fact.

use crate::{alone, setup};
use leadflow_tests::outreach_kill::{Options, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_and_faults_contact_nobody_twice() {
    let _alone = alone().await;
    let options = Options::short();
    let report = run(setup(20_000.0), &options).await.unwrap();
    eprintln!("{report:#?}");
    assert!(report.problems.is_empty(), "{}", report.problems.join("\n"));
    // All this has only been tried if it happened.
    let shortfalls = report.shortfalls(&options);
    assert!(shortfalls.is_empty(), "{}", shortfalls.join("\n"));
    assert!(report.faults.len() >= 3, "too few kinds of faults came up: {:?}", report.faults);
}
