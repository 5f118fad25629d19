//! Every way in which outreach ends, and what is explained of it.

use crate::{alone, program};
use leadflow_starter::history::replay;
use leadflow_tests::field::disagreements;
use leadflow_tests::lab::Lab;
use leadflow_tests::scenarios::endings::{ENDINGS, play, setup};
use leadflow_tests::scenarios::explained;
use std::collections::BTreeSet;

/// What `starter lead explain` says in the end, and must not say, by scenario.
const EXPLAINED: [(&str, &[&str], &[&str]); 12] = [
    ("completed", &["ended: completed since", "thanks, message: sent at", "last, message: sent at"], &["came back"]),
    ("replied", &["ended: replied since", "replied on LinkedIn", "came back     reply at"], &["last, message: sent"]),
    (
        "declined",
        &["ended: declined since", "hello, invite: sent at", "gone without a connection at"],
        &["thanks, message"],
    ),
    (
        "opted_out",
        &["ended: opted out since", "suppressed    asked for no further contact", "came back     opt out at"],
        &["last, message: sent"],
    ),
    (
        "bounced",
        &["ended: bounced since", "came back     bounce at", "mail, email: sent at"],
        &["mail-again, email: sent"],
    ),
    (
        "failed",
        &["ended: failed since", "thanks, message: refused at", "user unreachable", "it is not tried again"],
        &["last, message: sent"],
    ),
    ("stopped", &["ended: stopped since", "a person stopped the campaign", "(stopped)"], &["thanks, message: sent"]),
    ("paused_and_resumed", &["ended: completed since", "last, message: sent at"], &["held by"]),
    ("migrated", &["ended: completed since", "sequence endings@2", "proof, message: sent at"], &["held by"]),
    ("unknown_settled", &["ended: completed since", "(found)", "last, message: sent at"], &["nobody knows"]),
    ("account_restricted", &["ended: completed since", "thanks, message: sent at"], &["held by"]),
    ("continued_as_new", &["ended: completed since", "last, message: sent at"], &["came back"]),
];

/// What it says while the enrollment is held.
const HELD: [(&str, &str); 3] = [
    ("paused_and_resumed", "held by     the campaign is paused"),
    ("migrated", "held by     the invitation is not accepted yet"),
    ("account_restricted", "held by     LinkedIn has restricted the sender account"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_ending_is_reached_explained_and_replayed() {
    let _alone = alone().await;
    let lab = Lab::start(setup(Some(program()))).await.unwrap();
    let endings = Box::pin(play(&lab)).await.unwrap();
    let played: BTreeSet<_> = endings.iter().map(|ending| (ending.workflow, ending.scenario)).collect();
    let all = ENDINGS.iter().flat_map(|(workflow, scenarios)| scenarios.iter().map(move |one| (*workflow, *one)));
    assert_eq!(played, all.collect());
    assert_eq!(played.len(), endings.len());
    for ending in &endings {
        let name = format!("{}/{}", ending.workflow, ending.scenario);
        for run in &ending.runs {
            replay(run).await.unwrap_or_else(|problem| panic!("{name} does not replay: {problem}"));
        }
        let Some(lead_id) = &ending.lead_id else { continue };
        let text = explained(&lab, lead_id).await.unwrap();
        let (_, said, unsaid) = EXPLAINED.iter().find(|(scenario, ..)| *scenario == ending.scenario).unwrap();
        for part in *said {
            assert!(text.contains(part), "{name}: {part:?} is missing in\n{text}");
        }
        for part in *unsaid {
            assert!(!text.contains(part), "{name}: {part:?} is in\n{text}");
        }
        let hold = HELD.iter().find(|(scenario, _)| *scenario == ending.scenario);
        assert_eq!(hold.is_some(), ending.held.is_some(), "{name}");
        if let (Some((_, hold)), Some(held)) = (hold, &ending.held) {
            assert!(held.contains(hold), "{name}: {hold:?} is missing in\n{held}");
        }
    }
    let mut problems = Vec::new();
    for campaign in lab.stack.store.campaigns(lab.tenant()).await.unwrap() {
        let enrollments = lab.stack.store.enrollments_of_campaign(lab.tenant(), &campaign.id).await.unwrap();
        problems.extend(disagreements(&lab, &enrollments).await.unwrap());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    lab.stop().await.unwrap();
}
