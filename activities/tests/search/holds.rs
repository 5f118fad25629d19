//! Calls that cannot be made: the search waits for a person or a date, or the server tries again.

use crate::site::{Site, Step};
use leadflow_activities::config::Config;
use leadflow_activities::gate::BudgetScope;
use leadflow_activities::store::testing::each_backend;
use leadflow_sandbox::{FaultKind, FaultRule};
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::search_plan::{Hold, Job, Outcome};
use secrecy::SecretString;

fn set_key(config: &mut Config, provider: Provider, key: Option<&str>) {
    let settings = match provider {
        Provider::Openai => &mut config.openai,
        Provider::Gemini => &mut config.gemini,
        Provider::Serper => &mut config.serper,
        Provider::Hunter => &mut config.hunter,
        Provider::Unipile => &mut config.unipile,
    };
    settings.api_key = key.map(SecretString::from);
}

#[tokio::test]
async fn a_wrong_or_missing_key_holds_the_search_until_it_is_mended() {
    for step in Step::ALL {
        each_backend(async |store| {
            let mut site = Site::new(&store).await;
            let job = site.reach(step).await;
            let bill = site.bill_micro_usd();
            site.mend(|config| set_key(config, job.provider(), Some("wrong-key")));
            assert_eq!(refused(&site, &job).await, "invalid_api_key", "{step:?}");
            site.mend(|config| set_key(config, job.provider(), None));
            assert_eq!(refused(&site, &job).await, "not_set_up", "{step:?}");
            assert_eq!(site.bill_micro_usd(), bill, "{step:?}");
            assert_eq!(site.settled_micro_usd().await, bill, "{step:?}");

            site.mend(|config| set_key(config, job.provider(), Some("sandbox-key")));
            let outcome = site.attempt(&job, 1).await.unwrap();
            assert!(!matches!(outcome, Outcome::Bad { .. } | Outcome::Held(_)), "{step:?}: {outcome:?}");
        })
        .await;
    }
}

async fn refused(site: &Site, job: &Job) -> String {
    match site.attempt(job, 1).await.unwrap() {
        Outcome::Held(Hold::Refused { provider, problem }) => {
            assert_eq!(provider, job.provider());
            problem
        }
        other => panic!("{job:?}: {other:?}"),
    }
}

#[tokio::test]
async fn a_used_up_budget_holds_the_search_until_it_is_raised() {
    for step in Step::ALL {
        each_backend(async |store| {
            let site = Site::new(&store).await;
            let job = site.reach(step).await;
            let (tenant, search_id) = (site.key().tenant.to_owned(), site.key().id.to_owned());
            let scope = BudgetScope::Search { tenant, search_id };
            let calls = site.ledger().len();
            site.gate().raise(&scope, MicroUsd(site.bill_micro_usd())).await.unwrap();
            let outcome = site.attempt(&job, 1).await.unwrap();
            let Outcome::Held(Hold::OverBudget { budget, sleep_ms: None }) = &outcome else {
                panic!("{step:?}: {outcome:?}")
            };
            assert!(budget.contains("search"), "{step:?}: {budget}");
            assert_eq!(site.ledger().len(), calls, "{step:?} calls beyond its budget");
            let progress = store.progress(site.key().tenant, site.key().id).await.unwrap().unwrap();
            assert_eq!(progress.phase, "over_budget", "{step:?}");

            site.gate().raise(&scope, MicroUsd(500_000_000)).await.unwrap();
            let outcome = site.attempt(&job, 1).await.unwrap();
            assert!(!matches!(outcome, Outcome::Bad { .. } | Outcome::Held(_)), "{step:?}: {outcome:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn an_open_breaker_is_a_failure_that_is_tried_again() {
    for step in Step::ALL {
        each_backend(async |store| {
            let site = Site::new(&store).await;
            let job = site.reach(step).await;
            site.strike(FaultRule { status: Some(500), ..FaultRule::new(step.call().0, FaultKind::Status) });
            let mut failures = 0;
            let failed = loop {
                let failed = site.attempt(&job, failures + 1).await.unwrap_err();
                if failed.kind == "circuit_open" {
                    break failed;
                }
                failures += 1;
                assert_eq!(failed.kind, "server_error", "{step:?}: {failed:?}");
                assert!(failures <= 5, "{step:?}: the breaker does not open");
            };
            assert!(failed.is_retried && failed.delay.is_some_and(|delay| !delay.is_zero()), "{step:?}: {failed:?}");
            let calls = site.ledger().len();
            assert_eq!(site.attempt(&job, failures + 2).await.unwrap_err().kind, "circuit_open", "{step:?}");
            assert_eq!(site.ledger().len(), calls, "{step:?} calls through an open breaker");
        })
        .await;
    }
}
