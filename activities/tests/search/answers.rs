//! Answers of a model that are no use: each is a value for the workflow, with a problem that the next round is told.

use crate::site::{Site, Step};
use leadflow_activities::store::testing::each_backend;
use leadflow_sandbox::{FaultKind, FaultRule};
use leadflow_workflows::domain::search_plan::{Job, Outcome, Round};

/// What the next round is told of each.
const PROBLEMS: [(FaultKind, &str); 4] = [
    (FaultKind::Refusal, "refused"),
    (FaultKind::Cut, "cut off"),
    (FaultKind::Malformed, "JSON"),
    (FaultKind::WrongFacts, ""),
];

#[tokio::test]
async fn useless_answers_are_bad_until_a_round_brings_a_good_one() {
    for step in [Step::BusinessPersonas, Step::DecisionMakers, Step::Reasons, Step::MarketInsight] {
        each_backend(async |store| {
            let site = Site::new(&store).await;
            let mut job = site.reach(step).await;
            let stored = site.snapshot().await;
            for (kind, words) in PROBLEMS {
                let (provider, operation) = step.call();
                let rule = FaultRule::new(provider, kind);
                site.strike(FaultRule { operation: Some(operation.into()), times: Some(1), ..rule });
                let outcome = site.attempt(&job, 1).await.unwrap();
                let Outcome::Bad { problem } = outcome else { panic!("{step:?}, {kind:?}: {outcome:?}") };
                // Gemini says with the same word that it withholds an answer.
                let is_withheld = step == Step::MarketInsight && kind == FaultKind::Refusal;
                assert!(
                    problem.contains(if is_withheld { "withheld" } else { words }),
                    "{step:?}, {kind:?}: {problem}"
                );
                assert!(!problem.is_empty() && problem.len() < 400, "{step:?}, {kind:?}: {problem}");
                job = next_round(&job, problem);
            }
            // All are paid and written down, but nothing of them is taken in.
            assert_eq!(site.settled_micro_usd().await, site.bill_micro_usd(), "{step:?}");
            let after = site.snapshot().await;
            assert_eq!(after.difference(&stored).find(|row| is_taken_in(row)), None, "{step:?}");

            let outcome = site.attempt(&job, 1).await.unwrap();
            assert!(!matches!(outcome, Outcome::Bad { .. } | Outcome::Held(_)), "{step:?}: {outcome:?}");
            assert_eq!(site.settled_micro_usd().await, site.bill_micro_usd(), "{step:?}");
        })
        .await;
    }
}

/// Whether a row is more than a note that a call was made.
fn is_taken_in(row: &str) -> bool {
    let notes = ["api_usage_logs", "budgets", "breakers", "search_progress"];
    !notes.iter().any(|table| row.starts_with(table))
}

#[tokio::test]
async fn a_market_without_an_answer_is_bad() {
    each_backend(async |store| {
        let site = Site::new(&store).await;
        let job = site.reach(Step::MarketFacts).await;
        site.strike(FaultRule { times: Some(1), ..FaultRule::new(Step::MarketFacts.call().0, FaultKind::Refusal) });
        let outcome = site.attempt(&job, 1).await.unwrap();
        let Outcome::Bad { problem } = outcome else { panic!("{outcome:?}") };
        let mended = site.attempt(&next_round(&job, problem), 1).await.unwrap();
        assert_eq!(mended, Outcome::Stored);
        assert_eq!(site.settled_micro_usd().await, site.bill_micro_usd());
    })
    .await;
}

fn next_round(job: &Job, problem: String) -> Job {
    let mut next = job.clone();
    match &mut next {
        Job::BusinessPersonas { round }
        | Job::DecisionMakers { round, .. }
        | Job::MarketFacts { round, .. }
        | Job::MarketInsight { round, .. }
        | Job::Reasons { round, .. } => *round = Round { number: round.number + 1, problem },
        other => panic!("{other:?} is no question to a model"),
    }
    next
}
