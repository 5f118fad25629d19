//! `starter serve` under load, killed again and again, and without Temporal.

use crate::{alone, program};
use leadflow_tests::bench::ingress_load;
use leadflow_tests::lab::Setup;
use leadflow_tests::{ingress_chaos, ingress_outage};
use std::collections::BTreeMap;

const EVENTS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_events_are_accepted_stored_and_told() {
    let _alone = alone().await;
    let options = ingress_load::Options::short();
    let measured = ingress_load::run(&Setup::new(Some(program())), &options, false).await.unwrap();
    eprintln!("{measured:#?}");
    let load = &measured.stores[0];
    assert_eq!((load.sent, load.accepted, load.stored, load.lost), (EVENTS, EVENTS, EVENTS, 0));
    assert_eq!(load.histories, options.people, "every workflow has its signals");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_doubles_and_forgeries_leave_each_good_event_done_once() {
    let _alone = alone().await;
    let options = ingress_chaos::Options::short();
    let report = ingress_chaos::run(Setup::new(Some(program())), &options).await.unwrap();
    eprintln!("{report:#?}");
    assert!(report.problems.is_empty(), "{}", report.problems.join("\n"));
    assert_eq!((report.doubled, report.badly_signed, report.malformed), (30, 6, 3));
    assert_eq!(report.answers, BTreeMap::from([(200, options.events + 30), (401, 6), (400, 3)]));
    assert_eq!(report.kills.len(), options.serve_kills + options.worker_kills);
    assert!(report.failed_attempts > 0, "no kill was noticed");
    let states = [("opted_out", 20), ("replied", 40), ("scheduled", 20), ("stopped", 20)];
    assert_eq!(report.states, states.map(|(state, count)| (state.to_owned(), count)).into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_come_while_temporal_is_away_are_answered_and_done_later_in_order() {
    let _alone = alone().await;
    let options = ingress_outage::Options::short();
    let report = ingress_outage::run(Setup::new(Some(program())), &options).await.unwrap();
    eprintln!("{report:#?}");
    assert!(report.problems().is_empty(), "{}", report.problems().join("\n"));
    for outage in &report.outages {
        assert_eq!((outage.people, outage.events), (30, 70));
        assert_eq!(outage.states, BTreeMap::from([("opted_out".to_owned(), 10), ("replied".to_owned(), 20)]));
    }
}
