//! A worker may be killed at any instruction, while providers fail as they like.

use crate::{alone, program};
use leadflow_tests::kill::{Options, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_and_faults_lose_nothing_and_double_nothing() {
    let _alone = alone().await;
    let options = Options::short(Some(program()));
    let report = run(&options).await.unwrap();
    eprintln!("{report:#?}");
    let problems = report.problems(&options);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
