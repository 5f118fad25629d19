//! People who asked not to be processed.

use crate::site::{Site, Step};
use leadflow_activities::store::testing::each_backend;
use leadflow_sandbox::{FaultKind, FaultRule, Provider};
use leadflow_workflows::domain::search_plan::Outcome;
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test]
async fn a_person_who_objected_is_removed_and_stays_out() {
    for (operation, skip) in [("email_finder", 1), ("email_verifier", 0)] {
        each_backend(async |store| {
            let site = Site::new(&store).await;
            let job = site.reach(Step::Emails).await;
            let before = site.leads().await;
            let mut workflows = BTreeMap::new();
            for lead in &before {
                workflows.insert(lead.id.clone(), site.enroll(lead).await);
            }
            let rule = FaultRule::new(Provider::Hunter, FaultKind::Status);
            site.strike(FaultRule {
                operation: Some(operation.into()),
                status: Some(451),
                skip,
                times: Some(1),
                ..rule
            });
            let outcome = site.attempt(&job, 1).await.unwrap();
            assert!(matches!(outcome, Outcome::Emailed { gaps: 0, quarantined: 1.. }), "{operation}: {outcome:?}");

            let after = site.leads().await;
            let gone: Vec<_> = before.iter().zip(&after).filter(|(_, after)| after.state == "left_out").collect();
            assert!(!gone.is_empty(), "{operation}");
            let ended: BTreeSet<String> = gone.iter().map(|(before, _)| workflows[&before.id].clone()).collect();
            assert_eq!(site.told(), ended, "{operation}");
            let stored = site.snapshot().await;
            for (before, after) in gone {
                assert_eq!(after.problem.as_deref(), Some("the person asked not to be processed"));
                assert!(after.email.is_none() && after.first_name.is_empty() && after.role.is_empty(), "{after:?}");
                let name = format!("{} | {}", before.first_name, before.last_name);
                assert!(!stored.iter().any(|row| row.starts_with("persons") && row.contains(&name)), "{operation}");
                assert_eq!(before.linkedin_public_id, after.linkedin_public_id, "the key keeps the person out");
            }

            site.heal();
            let calls = site.ledger().len();
            assert_eq!(site.attempt(&job, 2).await.unwrap(), outcome, "{operation}");
            assert_eq!(site.ledger().len(), calls, "{operation}: the person is not asked about again");
            assert_eq!(site.snapshot().await, stored, "{operation}");
            let reasons = site.job(Step::Reasons).await;
            site.attempt(&reasons, 1).await.unwrap();
            assert!(site.leads().await.iter().all(|lead| lead.state != "left_out" || lead.reason.is_none()));
        })
        .await;
    }
}
