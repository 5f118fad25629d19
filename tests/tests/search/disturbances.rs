//! What comes from outside while a search runs: workers that go, keys that are wrong, limits of providers.

use crate::{alone, program, setup};
use leadflow_sandbox::Provider;
use leadflow_starter::history;
use leadflow_tests::books::Books;
use leadflow_tests::lab::{Lab, OrSay, Setup, brief};
use leadflow_workflows::lead_search::workflow_id;
use std::collections::{BTreeMap, BTreeSet};
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_waits_for_a_worker_that_is_gone_for_a_while() {
    let _alone = alone().await;
    let mut lab = Lab::start(setup()).await.unwrap();
    lab.restart_worker(Some("people-before-number:1")).await.unwrap();
    let id = lab.search(brief(Some(20))).await.unwrap();
    lab.worker_died().await.unwrap();
    let calls = lab.ledger().len();
    lab.until("Temporal has missed the worker", async || {
        Ok(lab.pending(&id).await?.iter().any(|activity| activity.attempt > 1).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(lab.ledger().len(), calls, "nobody is there to call");
    lab.restart_worker(None).await.unwrap();
    assert_eq!(lab.finished(&id).await.unwrap(), "completed");
    assert_eq!(lab.leads(&id).await.unwrap().len(), 20);
    let differences = Books::read(&lab).await.unwrap().differences();
    assert!(differences.is_empty(), "{differences:#?}");
    lab.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_waits_until_a_wrong_key_is_mended() {
    let _alone = alone().await;
    let mut lab = Lab::start(setup()).await.unwrap();
    let good = lab.stack.config.openai.api_key.replace("not-the-key".into());
    lab.restart_worker(None).await.unwrap();
    let id = lab.search(brief(Some(5))).await.unwrap();
    let refused = lab.phase(&id, "refused").await.unwrap();
    let problem = refused.problems.values().next().cloned().unwrap_or_default();
    assert!(problem.contains("OpenAI") && problem.contains("invalid_api_key"), "{problem}");
    assert!(lab.ledger().iter().all(|entry| entry.billed_microusd == 0));

    lab.stack.config.openai.api_key = good;
    lab.restart_worker(None).await.unwrap();
    lab.look(&id).await.unwrap();
    assert_eq!(lab.finished(&id).await.unwrap(), "completed");
    assert_eq!(lab.leads(&id).await.unwrap().len(), 5);
    lab.stop().await.unwrap();
}

/// 15 searches ask for their personas at once, and two workers would take them all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_providers_limit_holds_over_all_workers() {
    const CALLS: usize = 15;
    let _alone = alone().await;
    let mut setup = Setup::new(Some(program()));
    setup.config.openai.calls_per_minute = 50;
    let lab = Lab::start(setup).await.unwrap();
    let second = lab.stack.spawn_worker(&[]).await.or_say().unwrap();
    let mut searches = Vec::new();
    for _ in 0..CALLS {
        searches.push(lab.search(brief(Some(1))).await.unwrap());
    }
    lab.until("enough calls are made", async || {
        let made = lab.ledger().iter().filter(|entry| entry.provider == Provider::OpenAi).count();
        Ok((made > CALLS).then_some(()))
    })
    .await
    .unwrap();
    for id in &searches {
        lab.cancel(id).await.unwrap();
    }
    let mut started = Vec::new();
    for id in &searches {
        lab.finished(id).await.unwrap();
        for run in history::runs(&lab.stack.client, &workflow_id(id)).await.or_say().unwrap() {
            started.extend(openai_starts(&run.events));
        }
    }
    started.sort_unstable();
    let workers: BTreeSet<&str> = started[..CALLS].iter().map(|(_, worker)| worker.as_str()).collect();
    assert_eq!(workers.len(), 2, "both workers take part");
    let took_ms = started[CALLS - 1].0 - started[0].0;
    assert!(took_ms >= 15_000, "{CALLS} calls at 50 a minute took {took_ms} ms");
    second.stop().await.unwrap();
    lab.stop().await.unwrap();
}

/// When activities of OpenAI's queue started by the server's clock, in milliseconds, and on which worker.
fn openai_starts(events: &[HistoryEvent]) -> Vec<(i64, String)> {
    let mut ours = BTreeMap::new();
    let mut starts = Vec::new();
    for event in events {
        match &event.attributes {
            Some(Attributes::ActivityTaskScheduledEventAttributes(scheduled)) => {
                let kind = scheduled.activity_type.as_ref().map(|kind| kind.name.clone()).unwrap_or_default();
                ours.insert(event.event_id, kind.starts_with("openai."));
            }
            Some(Attributes::ActivityTaskStartedEventAttributes(started)) if ours[&started.scheduled_event_id] => {
                let time = event.event_time.as_ref().expect("the server dates its events");
                starts.push((time.seconds * 1_000 + i64::from(time.nanos / 1_000_000), started.identity.clone()));
            }
            _ => {}
        }
    }
    starts
}
