//! What five contacts with one acceptance cost, counted in real histories.

use crate::{alone, setup};
use leadflow_tests::bench::outreach::{MOST_ACTIONS, MOST_EVENTS, Options, run};

const ENROLLMENTS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_contacts_stay_within_events_and_actions() {
    let _alone = alone().await;
    let measured = run(setup(10_000.0), &Options { enrollments: ENROLLMENTS, accounts: 2 }).await.unwrap();
    eprintln!("{measured:#?}");
    assert!(measured.events_per_lead.mean <= MOST_EVENTS, "{:?}", measured.events_per_lead);
    assert!(measured.actions_per_lead.mean <= MOST_ACTIONS, "{:?}", measured.actions_per_lead);
}
