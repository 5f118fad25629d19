//! Buyer groups: changes are coalesced, an hour lies between two refreshes of a company, and the server holds the rate over
//! all companies.

use crate::{alone, program, setup};
use leadflow_starter::history::{self, replay};
use leadflow_tests::field::people;
use leadflow_tests::lab::{Lab, OrSay};
use leadflow_tests::scenarios::groups::{self, Company, GROUP_SCENARIOS, play};
use std::collections::BTreeSet;
use std::time::Duration;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bursts_are_coalesced_and_every_course_replays() {
    let _alone = alone().await;
    let lab = Lab::start(groups::setup(Some(program()))).await.unwrap();
    let endings = Box::pin(play(&lab)).await.unwrap();
    let played: Vec<&str> = endings.iter().map(|ending| ending.scenario).collect();
    assert_eq!(played, GROUP_SCENARIOS);
    for ending in &endings {
        for run in &ending.runs {
            replay(run).await.unwrap_or_else(|problem| panic!("{} does not replay: {problem}", ending.scenario));
        }
    }
    lab.stop().await.unwrap();
}

/// 100 companies at once, at 60 times the usual 10 a minute: ten a second, after ten that the server lets through at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_of_refreshes_holds_over_all_companies_and_workers() {
    const COMPANIES: usize = 100;
    const A_SECOND: usize = 10;
    let _alone = alone().await;
    let mut setup = setup(1.0);
    setup.config.buyer_groups.refreshes_per_minute = 600;
    let lab = Lab::start(setup).await.unwrap();
    let second = lab.stack.spawn_worker(&[]).await.or_say().unwrap();
    let people = people(&["US"], COMPANIES).unwrap();
    lab.import("companies", &people).await.unwrap();
    let mut companies = Vec::new();
    for person in &people {
        companies.push(Company::find(&lab, person).await.unwrap());
    }
    for company in &companies {
        company.ask().await.unwrap();
    }
    lab.until_within(Duration::from_mins(4), Duration::from_millis(250), "every company is refreshed", async || {
        let groups = lab.stack.store.buyer_groups(lab.tenant(), 1_000).await?;
        let refreshed = groups.iter().filter(|group| group.refreshed_at_ms.is_some()).count();
        Ok((refreshed == COMPANIES).then_some(()))
    })
    .await
    .unwrap();
    let mut started = Vec::new();
    for company in &companies {
        assert_eq!(company.logs().await.unwrap().len(), 1);
        let runs = history::runs(&lab.stack.client, &company.workflow_id()).await.or_say().unwrap();
        started.extend(runs.iter().flat_map(|run| opened(&run.events)));
    }
    started.sort_unstable();
    assert_eq!(started.len(), COMPANIES);
    let workers: BTreeSet<&str> = started.iter().map(|(_, worker)| worker.as_str()).collect();
    assert_eq!(workers.len(), 2, "both workers take part");
    let took_ms = started[COMPANIES - 1].0 - started[0].0;
    eprintln!("{COMPANIES} companies at {A_SECOND} a second took {took_ms} ms");
    let least_ms = i64::try_from((COMPANIES - A_SECOND) * 1_000 / A_SECOND).unwrap() - 1_000;
    assert!(took_ms >= least_ms, "{took_ms} ms");
    for (index, (at_ms, _)) in started.iter().enumerate() {
        let within = started[index..].iter().take_while(|(other_ms, _)| other_ms - at_ms < 1_000).count();
        // A burst and what a second brings, and some that a busy server wrote down late.
        assert!(within <= 2 * A_SECOND + A_SECOND / 2, "{within} refreshes began within a second");
    }
    second.stop().await.unwrap();
    lab.stop().await.unwrap();
}

/// When refreshes were opened, by the server's clock in milliseconds, and on which worker.
fn opened(events: &[HistoryEvent]) -> Vec<(i64, String)> {
    let mut opening = BTreeSet::new();
    let mut starts = Vec::new();
    for event in events {
        match &event.attributes {
            Some(Attributes::ActivityTaskScheduledEventAttributes(scheduled))
                if scheduled.activity_type.as_ref().is_some_and(|kind| kind.name == "buyer_group.open") =>
            {
                opening.insert(event.event_id);
            }
            Some(Attributes::ActivityTaskStartedEventAttributes(started))
                if opening.contains(&started.scheduled_event_id) =>
            {
                let time = event.event_time.as_ref().expect("the server dates its events");
                starts.push((time.seconds * 1_000 + i64::from(time.nanos / 1_000_000), started.identity.clone()));
            }
            _ => {}
        }
    }
    starts
}
