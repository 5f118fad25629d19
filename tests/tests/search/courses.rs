//! The courses that a search can take, on SQLite and on PostgreSQL.

use crate::{alone, program};
use leadflow_activities::config::StoreConfig;
use leadflow_activities::store::testing::each_config;
use leadflow_starter::history;
use leadflow_starter::launch::Start;
use leadflow_tests::books::Books;
use leadflow_tests::lab::{Lab, OrSay, brief};
use leadflow_tests::scenarios::{REFUSED_LEAD, Scenario};
use leadflow_workflows::domain::ids::SearchId;
use leadflow_workflows::lead_search::workflow_id;
use std::collections::BTreeSet;

/// A laboratory whose store is this one, and a search that has run its course there.
async fn played(scenario: Scenario, store: &StoreConfig) -> (Lab, SearchId) {
    let mut setup = scenario.setup(Some(program()));
    setup.config.store = store.clone();
    let lab = Lab::start(setup).await.expect("a laboratory starts");
    let id = scenario.play(&lab).await.unwrap_or_else(|problem| panic!("{}: {problem:#}", scenario.name()));
    let differences = Books::read(&lab).await.expect("the books can be read").differences();
    assert!(differences.is_empty(), "{differences:#?}");
    (lab, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_finds_what_was_wanted_and_says_why() {
    let _alone = alone().await;
    each_config(async |store| {
        let (lab, id) = played(Scenario::Completed, &store).await;
        let leads = lab.leads(&id).await.unwrap();
        assert_eq!(leads.len(), 12);
        for lead in &leads {
            let reason = lead.reason.as_deref().unwrap_or_default();
            assert!(reason.contains(&lead.business), "{lead:?}");
            assert!(lead.score.is_some_and(|score| (1..=100).contains(&score)), "{lead:?}");
        }
        let people: BTreeSet<&str> = leads.iter().map(|lead| lead.linkedin_public_id.as_str()).collect();
        assert_eq!(people.len(), leads.len(), "somebody is there twice");
        assert!(leads.iter().filter(|lead| lead.email.is_some()).count() > leads.len() / 2, "{leads:?}");

        let books = Books::read(&lab).await.unwrap();
        assert_eq!(books.in_state("presumed").count(), 0);
        let cost = lab.launcher().gate.cost_of_search(lab.tenant(), id.as_str()).await.unwrap();
        assert_eq!(u64::try_from(cost.0).unwrap(), books.billed(), "what is shown is not what is billed");
        assert_eq!(books.paid_twice(), 0);
        let progress = lab.progress(&id).await.unwrap();
        assert_eq!((progress.percent, progress.leads_ready, progress.gaps), (100, 12, 0));
        assert_eq!(lab.stack.store.market(lab.tenant(), id.as_str()).await.unwrap().len(), 3);
        lab.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_item_costs_itself_and_nothing_else() {
    let _alone = alone().await;
    each_config(async |store| {
        let (lab, id) = played(Scenario::WithGaps, &store).await;
        let gaps = lab.stack.store.gaps(lab.tenant(), id.as_str()).await.unwrap();
        let item = format!("lead {}", REFUSED_LEAD + 1);
        assert!(gaps.len() == 1 && gaps[0].stage == "reasons" && gaps[0].item == item, "{gaps:?}");
        assert_eq!(gaps[0].problem, "the model refused to answer");
        assert_eq!(lab.leads(&id).await.unwrap().len(), 8, "another lead takes its place");
        lab.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_search_keeps_what_it_found() {
    let _alone = alone().await;
    each_config(async |store| {
        let (lab, id) = played(Scenario::Cancelled, &store).await;
        let leads = lab.leads(&id).await.unwrap();
        assert!(!leads.is_empty() && leads.len() < 30, "{} leads", leads.len());
        assert!(leads.iter().all(|lead| lead.reason.is_some()));
        let all = lab.stack.store.all_leads(lab.key(&id)).await.unwrap();
        assert!(all.iter().all(|lead| lead.state != "found"), "each lead says why it was not taken");
        lab.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_search_rests_and_goes_on_when_told() {
    let _alone = alone().await;
    each_config(async |store| {
        let (lab, id) = played(Scenario::PausedAndResumed, &store).await;
        assert_eq!(lab.leads(&id).await.unwrap().len(), 30);
        lab.stop().await.unwrap();
    })
    .await;
}

/// The scenario itself watches that the bill never exceeds the limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_waits_at_its_budget_and_goes_on_when_it_is_raised() {
    let _alone = alone().await;
    each_config(async |store| {
        let (lab, id) = played(Scenario::OverBudgetAndRaised, &store).await;
        assert_eq!(lab.leads(&id).await.unwrap().len(), 12);
        lab.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_that_continues_as_new_finds_the_same() {
    let _alone = alone().await;
    each_config(async |store| {
        let (mut lab, id) = played(Scenario::ContinuedAsNew, &store).await;
        let runs = history::runs(&lab.stack.client, &workflow_id(&id)).await.or_say().unwrap();
        assert!(runs.len() > 1, "{} runs", runs.len());
        let leads = lab.leads(&id).await.unwrap();

        // Another tenant knows none of these people yet.
        let launcher = lab.launcher_of("other").await.unwrap();
        lab.stack.store = launcher.store.clone();
        "other".clone_into(&mut lab.stack.config.tenant);
        let id = launcher.start(Start::new(brief(Some(30)))).await.or_say().unwrap();
        assert_eq!(lab.finished(&id).await.unwrap(), "completed");
        let runs = history::runs(&lab.stack.client, &workflow_id(&id)).await.or_say().unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!(lab.leads(&id).await.unwrap(), leads);
        lab.stop().await.unwrap();
    })
    .await;
}
