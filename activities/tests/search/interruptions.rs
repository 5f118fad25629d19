//! Attempts that end in the middle: the next one completes, and pays only for what is missing.

use crate::site::{BUSINESSES, PATIENT, Site, Step};
use leadflow_activities::store::testing::each_backend;
use leadflow_sandbox::{FaultKind, FaultRule};
use leadflow_workflows::domain::search_plan::Outcome;
use leadflow_workflows::domain::timings::Timings;

/// The second call of a step, or the first of one that makes only one, ends like this; once.
fn rule(step: Step, kind: FaultKind, status: Option<u16>) -> FaultRule {
    let (provider, operation) = step.call();
    let makes_many = matches!(step, Step::Maps | Step::People | Step::Emails);
    FaultRule {
        operation: Some(operation.into()),
        status,
        skip: u64::from(makes_many),
        times: Some(1),
        ..FaultRule::new(provider, kind)
    }
}

/// What an undisturbed search brings.
async fn undisturbed(store: &leadflow_activities::store::Store, step: Step) -> (Site, Outcome) {
    let site = Site::new(store).await;
    let job = site.reach(step).await;
    let outcome = site.attempt(&job, 1).await.unwrap();
    (site, outcome)
}

#[tokio::test]
async fn an_overloaded_provider_is_asked_again_for_what_is_missing() {
    for step in Step::ALL {
        let expected = expected(step).await;
        each_backend(async |store| {
            let site = Site::new(&store).await;
            let job = site.reach(step).await;
            site.strike(rule(step, FaultKind::Status, Some(503)));
            let failed = site.attempt(&job, 1).await.unwrap_err();
            assert_eq!(failed.kind, "overloaded", "{step:?}: {failed:?}");
            assert!(failed.is_retried && failed.delay.is_some(), "{step:?}: {failed:?}");
            assert!(failed.message.contains("status 503"), "{step:?}: {failed:?}");
            assert_eq!(site.attempt(&job, 2).await.unwrap(), expected.outcome, "{step:?}");
            assert_eq!(site.ledger().len(), expected.calls + 1, "{step:?}: one call more, the refused one");
            assert_eq!(site.billed(step), expected.billed, "{step:?}");
            assert_eq!(site.settled_micro_usd().await, site.bill_micro_usd(), "{step:?}");
            // Who answers 503 may have done the work: that call stays booked at its bound.
            assert_eq!(site.presumed().await.len(), 1, "{step:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn an_answer_that_never_came_is_paid_again_and_stays_booked() {
    for step in Step::ALL {
        let expected = expected(step).await;
        each_backend(async |store| {
            let mut site = Site::new(&store).await;
            let job = site.reach(step).await;
            site.strike(rule(step, FaultKind::TimeoutAfter, None));
            site.mend(|config| config.timings = Timings { model_call_ms: 1_500, search_call_ms: 1_500, ..PATIENT });
            let failed = site.attempt(&job, 1).await.unwrap_err();
            assert_eq!(failed.kind, "timed_out", "{step:?}: {failed:?}");
            assert!(failed.is_retried, "{step:?}: {failed:?}");
            site.mend(|config| config.timings = PATIENT);
            assert_eq!(site.attempt(&job, 2).await.unwrap(), expected.outcome, "{step:?}");
            assert_eq!(site.ledger().len(), expected.calls + 1, "{step:?}: only the lost call is made again");
            let lost = site.ledger().into_iter().find(|entry| entry.fault.is_some()).unwrap();
            let lost_micro_usd = i64::try_from(lost.billed_microusd).unwrap();
            let presumed = site.presumed().await;
            assert!(matches!(presumed.as_slice(), [bound] if *bound >= lost_micro_usd), "{step:?}: {presumed:?}");
            assert_eq!(site.settled_micro_usd().await, site.bill_micro_usd() - lost_micro_usd, "{step:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_cancelled_attempt_leaves_what_it_has_to_the_next() {
    for step in [Step::BusinessPersonas, Step::Maps, Step::People, Step::Emails, Step::Reasons] {
        let expected = expected(step).await;
        each_backend(async |store| {
            let site = Site::new(&store).await;
            let job = site.reach(step).await;
            let before = site.ledger().len();
            // The worker stops while the call is on its way.
            site.strike(rule(step, FaultKind::TimeoutAfter, None));
            let failed = site.cancelled_attempt(&job, before + 2 - usize::from(expected.calls - before == 1)).await;
            assert_eq!(failed.unwrap_err().kind, "cancelled", "{step:?}");
            site.heal();
            assert_eq!(site.attempt(&job, 2).await.unwrap(), expected.outcome, "{step:?}");
            // At most the lanes of one activity were on their way; those that had arrived are made twice.
            let again = site.ledger().len() - expected.calls;
            let presumed = site.presumed().await.len();
            assert!(1 <= again && again <= presumed && presumed <= 5, "{step:?}: {again} again, {presumed} presumed");
        })
        .await;
    }
}

#[tokio::test]
async fn one_business_that_the_provider_refuses_is_a_gap_and_no_more() {
    each_backend(async |store| {
        let site = Site::new(&store).await;
        let job = site.reach(Step::People).await;
        site.strike(rule(Step::People, FaultKind::Status, Some(400)));
        let outcome = site.attempt(&job, 1).await.unwrap();
        assert!(matches!(outcome, Outcome::Peopled { leads: 1.., gaps: 1 }), "{outcome:?}");
        let stored = site.snapshot().await;
        assert_eq!(site.attempt(&job, 2).await.unwrap(), outcome);
        assert_eq!(site.snapshot().await, stored);
        let searched = site.ledger().iter().filter(|entry| entry.operation == "search").count();
        assert_eq!(searched, BUSINESSES as usize);
    })
    .await;
}

#[tokio::test]
async fn a_lead_that_the_finder_refuses_keeps_its_place_without_an_address() {
    each_backend(async |store| {
        let site = Site::new(&store).await;
        let job = site.reach(Step::Emails).await;
        site.strike(rule(Step::Emails, FaultKind::Status, Some(422)));
        let outcome = site.attempt(&job, 1).await.unwrap();
        assert!(matches!(outcome, Outcome::Emailed { gaps: 1, .. }), "{outcome:?}");
        let gaps = site.gaps().await;
        assert!(matches!(gaps.as_slice(), [(item, problem)] if item.starts_with("email of lead ") && problem == "unprocessable"), "{gaps:?}");
        let calls = site.ledger().len();
        assert_eq!(site.attempt(&job, 2).await.unwrap(), outcome);
        assert_eq!(site.ledger().len(), calls);
    })
    .await;
}

struct Expected {
    outcome: Outcome,
    calls: usize,
    billed: usize,
}

/// The sandbox answers alike in every run, so one undisturbed run tells what the others have to reach.
async fn expected(step: Step) -> Expected {
    let folder = leadflow_activities::store::testing::TemporaryFolder::new();
    let store = leadflow_activities::store::Store::connect(&folder.config()).await.unwrap();
    let (site, outcome) = undisturbed(&store, step).await;
    let expected = Expected { outcome, calls: site.ledger().len(), billed: site.billed(step) };
    store.close().await;
    expected
}
