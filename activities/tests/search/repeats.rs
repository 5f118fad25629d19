//! Every activity runs twice: the second time brings the same, pays nothing and changes nothing.

use crate::site::{BUSINESSES, Site, Step, assert_same};
use leadflow_activities::store::testing::each_backend;
use leadflow_workflows::contract::{Prepared, Wishes};
use leadflow_workflows::domain::search_plan::{Job, Outcome, Round};

#[tokio::test]
async fn a_paid_activity_may_run_twice() {
    each_backend(async |store| {
        let site = Site::new(&store).await;
        site.prepare().await;
        for step in Step::ALL {
            let job = site.job(step).await;
            let calls_before = site.ledger().len();
            let first = site.attempt(&job, 1).await.unwrap();
            assert!(!matches!(first, Outcome::Bad { .. } | Outcome::Held(_)), "{step:?}: {first:?}");
            let calls = site.ledger().len();
            assert!(calls > calls_before, "{step:?} pays for something");
            let stored = site.snapshot().await;
            // The same attempt once more, its next attempt, and the same job in another activity.
            for attempt in [1, 2, 1] {
                let again = site.attempt(&job, attempt).await.unwrap();
                assert_same(&format!("{step:?}, attempt {attempt}"), &first, &again);
                assert_eq!(site.ledger().len(), calls, "{step:?}, attempt {attempt} pays again");
                assert_eq!(site.snapshot().await, stored, "{step:?}, attempt {attempt} changes the store");
            }
        }
        assert_eq!(site.settled_micro_usd().await, site.bill_micro_usd());
        assert!(site.leads().await.iter().filter(|lead| lead.number.is_some()).all(|lead| lead.state != "found"));
    })
    .await;
}

#[tokio::test]
async fn what_only_talks_to_the_store_may_run_twice() {
    each_backend(async |store| {
        let site = Site::new(&store).await;
        let prepared = site.prepare().await;
        assert!(matches!(&prepared, Prepared::Ready { plan } if plan.businesses == Some(BUSINESSES)), "{prepared:?}");
        let stored = site.snapshot().await;
        assert_same("prepare", &prepared, &site.prepare().await);
        assert_eq!(site.snapshot().await, stored);

        for paused in [true, false] {
            assert!(store.wish(site.key().tenant, site.key().id, paused).await.unwrap());
            assert_eq!(site.look().await, Wishes { paused });
            let stored = site.snapshot().await;
            assert_eq!(site.look().await, Wishes { paused });
            assert_eq!(site.snapshot().await, stored);
        }

        let reasons = site.reach(Step::Reasons).await;
        site.attempt(&reasons, 1).await.unwrap();
        let calls = site.ledger().len();
        let result = site.finish(false).await;
        assert_eq!(result.status, "completed");
        assert_eq!(result.cost.0, site.bill_micro_usd());
        let stored = site.snapshot().await;
        assert_same("finish", &result, &site.finish(false).await);
        // A late cancel does not turn the end around.
        assert_same("finish", &result, &site.finish(true).await);
        assert_same("prepare", &Prepared::AlreadyDone { result }, &site.prepare().await);
        assert_eq!(site.snapshot().await, stored);
        assert_eq!(site.ledger().len(), calls);
    })
    .await;
}

#[tokio::test]
async fn a_loss_is_written_down_once() {
    each_backend(async |store| {
        let site = Site::new(&store).await;
        site.prepare().await;
        let lost = [
            (Job::BusinessPersonas { round: Round::default() }, false),
            (Job::MarketFacts { persona: 0, round: Round::default() }, true),
            (Job::MarketInsight { persona: 0, round: Round::default() }, true),
            (Job::Maps { persona: 0, place: 0, page: 3, pages: 1 }, true),
            (Job::DecisionMakers { persona: 0, round: Round::default() }, false),
            (Job::People { from: 0, to: 5 }, true),
            (Job::Emails { from: 0, to: 5 }, true),
        ];
        for ((job, is_gap_alone), gaps) in lost.into_iter().zip(1..) {
            let before = site.snapshot().await;
            let outcome = site.give_up(&job, "the model refused to answer").await;
            assert_eq!(outcome, Outcome::GivenUp { gaps, quarantined: 0 }, "{job:?}");
            let stored = site.snapshot().await;
            let new = stored.difference(&before).filter(|row| !row.starts_with("search_progress")).count();
            assert_eq!(new == 1, is_gap_alone, "{job:?}: {new} new rows");
            // The first reason stays.
            assert_eq!(site.give_up(&job, "another problem").await, outcome);
            let without_last_problem = |rows: &std::collections::BTreeSet<String>| -> Vec<String> {
                rows.iter().filter(|row| !row.starts_with("search_progress")).cloned().collect()
            };
            assert_eq!(without_last_problem(&site.snapshot().await), without_last_problem(&stored), "{job:?}");
        }
        // The brief stands in for the personas: what follows can go on without a model.
        let personas = store.business_personas(site.key().tenant, site.key().id).await.unwrap();
        assert_eq!(personas.iter().map(|persona| persona.title.as_str()).collect::<Vec<_>>(), ["brewery"]);
        assert!(!store.roles(site.key().tenant, site.key().id, 1).await.unwrap().is_empty());
        assert_eq!(site.ledger().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn leads_that_are_given_up_are_quarantined_once() {
    each_backend(async |store| {
        let site = Site::new(&store).await;
        site.reach(Step::Reasons).await;
        let lost = Job::Reasons { leads: vec![0, 2], round: Round::default() };
        let outcome = site.give_up(&lost, "the model refused to answer").await;
        assert!(matches!(outcome, Outcome::GivenUp { quarantined, .. } if quarantined >= 2), "{outcome:?}");
        let stored = site.snapshot().await;
        assert_eq!(site.give_up(&lost, "the model refused to answer").await, outcome);
        assert_eq!(site.snapshot().await, stored);
        let states: Vec<_> = site.leads().await.into_iter().take(3).map(|lead| lead.state).collect();
        assert_eq!(states, ["quarantined", "found", "quarantined"]);
        // A reason that comes later does not bring them back.
        let all = site.job(Step::Reasons).await;
        site.attempt(&all, 1).await.unwrap();
        let states: Vec<_> = site.leads().await.into_iter().take(3).map(|lead| lead.state).collect();
        assert_eq!(states, ["quarantined", "ready", "quarantined"]);
    })
    .await;
}
