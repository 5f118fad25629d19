//! What a refresh brings, and that no part of it does anything twice.

use crate::world::{COMPANY, HOUR_MS, KARL, KIM, NOON_MS, ROBIN, TENANT, World, hint};
use leadflow_activities::outreach::events::ChangeKind;
use leadflow_activities::store::Backend;
use leadflow_activities::store::imports::{ImportRow, NewImport};
use leadflow_activities::store::testing::each_backend;
use leadflow_sandbox::{FaultKind, FaultRule, Faults, Job, Provider};
use leadflow_workflows::contract::{Opened, StageDone, StageProblem};
use leadflow_workflows::domain::buyer_group::Stage;
use leadflow_workflows::domain::money::MicroUsd;
use std::collections::BTreeMap;

#[tokio::test]
async fn every_stage_may_run_twice() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        // A hint that comes true, so that there is something to decide and to tell.
        world.enroll(ROBIN, "e1").await;
        world.told_of(&hint("k1", ChangeKind::JobChanged, ROBIN, None)).await;
        let job =
            Job { full_name: "Robin Hart".into(), title: "Head of IT".into(), company: "Northwind Traders".into() };
        world.sandbox.set_job(ROBIN, job);
        let refresh = world.opened().await;
        assert_eq!(world.open().await, Opened::Refresh(refresh.clone()), "it is open already");
        for stage in Stage::ALL {
            let calls_before = world.ledger().len();
            let first = world.stage(stage, &refresh).await;
            assert_eq!(first, StageDone::default(), "{stage}");
            let told = world.told();
            let (calls, stored) = (world.ledger().len(), world.snapshot().await);
            assert!(calls > calls_before, "{stage} pays for something");
            for attempt in [1, 2] {
                assert_eq!(world.try_stage(stage, &refresh, attempt).await, Ok(first.clone()));
                assert_eq!(world.ledger().len(), calls, "{stage}, attempt {attempt} pays again");
                assert_eq!(world.snapshot().await, stored, "{stage}, attempt {attempt} changes the store");
                assert_eq!(world.told(), told, "{stage}: who may not have heard is told again");
            }
        }
        let done = world.finish(&refresh, Vec::new()).await;
        let stored = world.snapshot().await;
        assert_eq!(world.finish(&refresh, Vec::new()).await, done);
        assert_eq!(world.snapshot().await, stored);
        assert_eq!((done.changes, done.problems, done.again), (1, 0, false));

        let log = world.logs().await.remove(0);
        assert_eq!((log.outcome.as_str(), log.changes, log.members), ("completed", 1, done.members));
        assert_eq!(log.cause, "a hint that somebody has changed their job");
        let billed: u64 = world.ledger().iter().map(|entry| entry.billed_microusd).sum();
        assert_eq!(log.cost, MicroUsd(i64::try_from(billed).unwrap()), "the log says what the providers bill");
        assert_eq!(log.calls as usize, world.ledger().iter().filter(|entry| !entry.units.is_empty()).count());
    })
    .await;
}

#[tokio::test]
async fn a_refresh_finds_people_gives_roles_and_looks_addresses_up() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        world.ask().await;
        let done = world.refresh().await;
        assert!(done.members >= 3, "{done:?}");
        let roles: BTreeMap<String, (String, String)> = world
            .members()
            .await
            .into_iter()
            .map(|member| (member.linkedin_public_id.unwrap(), (member.role.unwrap(), member.role_by.unwrap())))
            .collect();
        let by_model = |role: &str| (role.to_owned(), "model".to_owned());
        assert_eq!(roles[KARL], by_model("decision_maker"));
        assert_eq!(roles[ROBIN], by_model("champion"));
        assert_eq!(roles[KIM], by_model("decision_maker"), "a search found her");
        let karl = world.member(KARL).await.unwrap();
        assert_eq!(karl.email.as_deref(), Some("karl.mann@general-mills.example"));
        assert_eq!((karl.left_at_ms, karl.name.as_str()), (None, "Karl Mann"));
        let listed = store.buyer_groups(TENANT, 10).await.unwrap();
        assert_eq!((listed.len(), listed[0].business.as_str(), listed[0].pending), (1, COMPANY, 0));
        assert_eq!((listed[0].members, listed[0].refreshed_at_ms), (done.members, Some(NOON_MS)));
        for word in ["last", "general mills, inc.", "general-mills.example", &listed[0].business_id[..30]] {
            let found = store.matching_companies(TENANT, word).await.unwrap();
            assert!(found.iter().any(|group| group.business == COMPANY), "{word}: {found:?}");
        }
        assert_eq!(store.matching_companies("other", COMPANY).await.unwrap(), [], "of another tenant");
    })
    .await;
}

#[tokio::test]
async fn the_beginning_of_an_id_finds_a_company_whatever_the_order_of_texts() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        let id = world.business_id(COMPANY).await;
        if store.backend() == Backend::Postgres {
            // As in a database that was made for a language, which passes over control characters in its order.
            let alter = "ALTER TABLE businesses ALTER COLUMN id TYPE TEXT COLLATE \"und-x-icu\"";
            sqlx::query(alter).execute(store.read()).await.unwrap();
        }
        let found = store.matching_companies(TENANT, &id[..30]).await.unwrap();
        assert_eq!(found.iter().map(|group| group.business_id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
        assert_eq!(store.matching_companies(TENANT, "ffffffff").await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_company_rests_for_an_hour_and_then_takes_all_that_has_come_in() {
    each_backend(async |store| {
        let mut world = World::start(&store).await;
        assert_eq!(world.open().await, Opened::Nothing, "nobody asked");
        world.ask().await;
        world.refresh().await;
        assert_eq!(world.open().await, Opened::Nothing);
        let calls = world.ledger().len();
        for _ in 0..3 {
            world.ask().await;
        }
        world.at(NOON_MS + HOUR_MS - 1_000);
        assert!(matches!(world.open().await, Opened::Wait { sleep_ms } if sleep_ms > 0));
        world.at(NOON_MS + HOUR_MS);
        let done = world.refresh().await;
        assert_eq!((done.changes, world.logs().await.len()), (3, 2));
        assert_eq!(world.ledger().len(), calls, "what was bought an hour ago is not bought again");
        assert!(done.sleep_ms > 0);
    })
    .await;
}

#[tokio::test]
async fn without_a_model_the_rule_gives_the_roles() {
    each_backend(async |store| {
        let mut world = World::start(&store).await;
        world.ask().await;
        world.mend(|config| config.openai.api_key = None);
        let refresh = world.opened().await;
        world.stage(Stage::People, &refresh).await;
        let done = world.stage(Stage::Roles, &refresh).await;
        assert_eq!(done.problem.as_deref(), Some("OpenAI is not set up"));
        let karl = world.member(KARL).await.unwrap();
        assert_eq!((karl.role.as_deref(), karl.role_by.as_deref()), (Some("decision_maker"), Some("rule")));
        assert!(karl.because.unwrap().contains("decides for the company"));
    })
    .await;
}

#[tokio::test]
async fn everybody_has_a_role_whether_or_not_there_is_room_in_the_question() {
    each_backend(async |store| {
        let mut world = World::start(&store).await;
        let rows = (1..=30)
            .map(|line| ImportRow {
                line,
                linkedin: Some(format!("sim-colleague-{line}")),
                first_name: format!("Colleague {line}"),
                last_name: "Hart".into(),
                role: "Head of Planning".into(),
                business: COMPANY.into(),
                domain: Some("general-mills.example".into()),
                city: "Minneapolis".into(),
                country: "us".into(),
                ..ImportRow::default()
            })
            .collect();
        let new = NewImport { tenant: TENANT.into(), name: "hall".into(), source: "sandbox", rows, now_ms: NOON_MS };
        store.import_leads(&new).await.unwrap();
        let mut api_key = None;
        world.mend(|config| {
            config.buyer_groups.refresh = MicroUsd(5_000_000);
            api_key = config.openai.api_key.take();
        });
        world.ask().await;
        let refresh = world.opened().await;
        world.stage(Stage::People, &refresh).await;
        world.stage(Stage::Roles, &refresh).await;
        let members = world.members().await;
        assert!(members.len() > 30, "{}", members.len());
        assert!(members.iter().all(|member| member.role_by.as_deref() == Some("rule")), "{members:?}");

        world.mend(|config| config.openai.api_key = api_key);
        assert_eq!(world.stage(Stage::Roles, &refresh).await, StageDone::default());
        let asked: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM buyer_group_members WHERE tenant = $1 AND asked_title IS NOT NULL",
        )
        .bind(TENANT)
        .fetch_one(store.read())
        .await
        .unwrap();
        assert_eq!(asked, 20, "as many as one question is about");
        assert!(world.members().await.iter().all(|member| member.role.is_some()));
    })
    .await;
}

#[tokio::test]
async fn a_refusing_model_is_not_asked_again_in_vain() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        world.ask().await;
        let refresh = world.opened().await;
        world.stage(Stage::People, &refresh).await;
        let rule = FaultRule {
            operation: Some("chat_completions:buyer_group_roles".into()),
            ..FaultRule::new(Provider::OpenAi, FaultKind::Refusal)
        };
        world.sandbox.set_faults(Faults { seed: 1, rules: vec![rule] });
        let done = world.stage(Stage::Roles, &refresh).await;
        assert_eq!(done.problem.as_deref(), Some("judged by rule: the model refused to answer"));
        assert!(!done.can_mend_itself);
        assert_eq!(world.member(ROBIN).await.unwrap().role_by.as_deref(), Some("rule"));
        let problems =
            vec![StageProblem { stage: Stage::Roles, problem: done.problem.unwrap(), can_mend_itself: false }];
        world.finish(&refresh, problems).await;
        let log = world.logs().await.remove(0);
        assert_eq!(log.outcome, "completed_with_gaps");
        assert_eq!(log.problems, ["roles: judged by rule: the model refused to answer"]);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_goes_on_without_what_it_cannot_pay() {
    each_backend(async |store| {
        let mut world = World::start(&store).await;
        world.mend(|config| config.buyer_groups.refresh = MicroUsd::ZERO);
        world.ask().await;
        let done = world.refresh().await;
        assert_eq!(world.ledger().len(), 0, "nothing is bought");
        assert_eq!((done.members, done.again), (2, false), "who is known from leads is there");
        let log = world.logs().await.remove(0);
        assert!(log.problems.iter().all(|problem| problem.ends_with("over the budget of the refresh")), "{log:?}");
        assert_eq!((log.problems.len(), log.calls, log.cost), (3, 0, MicroUsd::ZERO));
        assert_eq!(world.member(ROBIN).await.unwrap().role.as_deref(), Some("champion"));
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_is_down_is_tried_again_and_a_lost_stage_brings_another_refresh() {
    each_backend(async |store| {
        let mut world = World::start(&store).await;
        world.ask().await;
        let refresh = world.opened().await;
        let down = FaultRule { status: Some(503), ..FaultRule::new(Provider::Serper, FaultKind::Status) };
        world.sandbox.set_faults(Faults { seed: 1, rules: vec![down] });
        let (_, is_retried) = world.try_stage(Stage::People, &refresh, 1).await.unwrap_err();
        assert!(is_retried);
        // The workflow gives the stage up when its time is over.
        let lost = StageProblem { stage: Stage::People, problem: "timed_out".into(), can_mend_itself: true };
        let done = world.finish(&refresh, vec![lost]).await;
        assert!(done.again);
        assert_eq!(world.logs().await[0].problems, ["people: timed out"]);
        world.sandbox.set_faults(Faults::default());
        world.at(NOON_MS + HOUR_MS);
        assert!(world.refresh().await.members >= 3);
        assert_eq!(world.logs().await[0].cause, "the last refresh had gaps");
    })
    .await;
}
