//! Sender accounts and campaigns on both databases: their states, what pausing and stopping give back, and what is counted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use leadflow_activities::store::Store;
use leadflow_activities::store::accounts::NewAccount;
use leadflow_activities::store::campaigns::{Campaign, MailOutcomes, Migrant, PlannedTouch, StateCount, StepCount};
use leadflow_activities::store::testing::each_backend;
use leadflow_workflows::domain::account::{AccountSettings, CampaignSettings, Hours};
use leadflow_workflows::domain::outreach::{Channel, EnrollmentState};
use leadflow_workflows::domain::permits::Limits;
use std::collections::BTreeMap;

const TENANT: &str = "default";
const DAY_MS: i64 = 86_400_000;

fn account(id: &str, channel: Channel) -> NewAccount {
    NewAccount {
        id: id.into(),
        tenant: TENANT.into(),
        name: format!("name of {id}"),
        channel,
        provider: "unipile".into(),
        provider_account_id: format!("provider's {id}"),
        owner_provider_id: Some(format!("owner of {id}")),
        address: Some(format!("{id}@Lowen.Example")),
        source: "sandbox".into(),
        settings: AccountSettings {
            time_zone: "Europe/Vienna".into(),
            country: "AT".into(),
            hours: Hours::office(),
            limits: Limits::standard(),
            is_free: false,
            from_name: None,
        },
        now_ms: 1,
    }
}

fn campaign(id: &str) -> Campaign {
    Campaign {
        id: id.into(),
        tenant: TENANT.into(),
        name: format!("name of {id}"),
        search_id: "search".into(),
        sequence_id: "version-1".into(),
        source: "sandbox".into(),
        settings: CampaignSettings {
            lead_hours: Hours::office(),
            keep_holidays: true,
            stop_company: false,
            allow_parallel: false,
            starts_per_day: Some(5),
            minimum_score: 50,
            leads: None,
            postal_address: None,
            source_notice: None,
            policy: BTreeMap::from([("DE".into(), BTreeMap::from([(Channel::Email, true)]))]),
        },
        state: "running".into(),
        created_at_ms: 1,
        ended_at_ms: None,
        accounts: vec!["acc-1".into(), "acc-2".into()],
    }
}

async fn run(store: &Store, sql: &'static str) {
    sqlx::raw_sql(sql).execute(store.read()).await.unwrap();
}

/// Three open enrollments and one that has ended, with contacts in every state.
async fn enrolled(store: &Store) {
    for id in ["acc-1", "acc-2"] {
        assert!(store.add_account(&account(id, Channel::Linkedin)).await.unwrap());
    }
    assert!(store.create_campaign(&campaign("camp-1")).await.unwrap());
    run(
        store,
        "INSERT INTO enrollments (id, tenant, campaign_id, lead_id, person_id, sequence_id, linkedin_account_id, state, cause, \
         state_at_ms, is_open, is_exclusive, paused, decisions, started_at_ms, wakes_at_ms) VALUES \
         ('e1', 'default', 'camp-1', 'l1', 'p1', 'version-1', 'acc-1', 'invite_sent', 'c', 1, 1, 1, NULL, '{}', 1, 1), \
         ('e2', 'default', 'camp-1', 'l2', 'p2', 'version-1', 'acc-2', 'scheduled', 'c', 1, 1, 1, 'by hand', '{}', 1, 1), \
         ('e3', 'default', 'camp-1', 'l3', 'p3', 'version-1', 'acc-1', 'scheduled', 'c', 1, 1, 0, NULL, '{}', 1, 1), \
         ('e4', 'default', 'camp-1', 'l4', 'p4', 'version-1', 'acc-1', 'replied', 'c', 1, 0, 1, NULL, '{}', 1, 1); \
         INSERT INTO touches (id, tenant, campaign_id, enrollment_id, person_id, account_id, step_id, action, has_note, state, \
         planned_at_ms, called_at_ms, call_deadline_ms, calls, is_live_invite, created_at_ms) VALUES \
         ('t1', 'default', 'camp-1', 'e1', 'p1', 'acc-1', 'hello', 'invite', 1, 'sent', NULL, 5, 6, 1, 1, 1), \
         ('t2', 'default', 'camp-1', 'e1', 'p1', 'acc-1', 'mail', 'email', 0, 'planned', 90, NULL, NULL, 0, 0, 1), \
         ('t3', 'default', 'camp-1', 'e2', 'p2', 'acc-2', 'hello', 'invite', 1, 'planned', 80, NULL, NULL, 0, 0, 1), \
         ('t4', 'default', 'camp-1', 'e3', 'p3', 'acc-1', 'hello', 'invite', 1, 'unknown', NULL, 7, 8, 1, 1, 1), \
         ('t5', 'default', 'other', 'e9', 'p9', 'acc-2', 'hello', 'invite', 1, 'planned', 70, NULL, NULL, 0, 0, 1); \
         INSERT INTO account_people (account_id, tenant, person_id, connected_at_ms) VALUES ('acc-1', 'default', 'p1', 33)",
    )
    .await;
}

async fn planned(store: &Store) -> Vec<String> {
    sqlx::query_scalar("SELECT id FROM touches WHERE state = 'planned' AND planned_at_ms IS NOT NULL ORDER BY id")
        .fetch_all(store.read())
        .await
        .unwrap()
}

#[tokio::test]
async fn an_account_is_added_once_and_found_by_what_a_person_writes() {
    each_backend(async |store| {
        let new = account("acc-1", Channel::Email);
        assert!(store.add_account(&new).await.unwrap());
        let other = account("other", Channel::Email);
        let same_name = NewAccount { name: new.name.clone(), ..other.clone() };
        let same_link = NewAccount { provider_account_id: new.provider_account_id.clone(), ..other };
        for again in [new.clone(), same_name, same_link] {
            assert!(!store.add_account(&again).await.unwrap(), "{again:?}");
        }
        let stored = store.account(TENANT, "acc-1").await.unwrap().unwrap();
        assert_eq!((stored.settings, stored.channel), (new.settings, Channel::Email));
        assert_eq!((stored.state.as_str(), stored.address.as_deref()), ("active", Some("acc-1@lowen.example")));
        assert_eq!(store.account("stranger", "acc-1").await.unwrap(), None);
        for (word, found) in [("name of acc-1", 1), ("acc-1", 1), ("acc-", 1), ("acc", 0), ("last", 1), ("x", 0)] {
            assert_eq!(store.matching_accounts(TENANT, word).await.unwrap().len(), found, "{word}");
        }
        let marks = BTreeMap::from([("relations".to_owned(), 7)]);
        store.account_was_read(TENANT, "acc-1", &marks, 9).await.unwrap();
        let read = store.account(TENANT, "acc-1").await.unwrap().unwrap();
        assert_eq!((read.marks, read.read_at_ms), (marks, Some(9)));
        store.discard_account(TENANT, "acc-1").await.unwrap();
        assert_eq!(store.accounts(TENANT).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_profile_or_mailbox_has_one_account_and_keeps_it_under_another_id() {
    each_backend(async |store| {
        enrolled(&store).await;
        run(&store, "UPDATE account_people SET provider_id = 'ACoAAp1', provider_chat_id = 'cht_1'").await;
        assert!(store.add_account(&account("mail-1", Channel::Email)).await.unwrap());
        let anew = |name: &str, of: &str, channel| NewAccount {
            id: format!("{name} anew"),
            name: name.into(),
            provider_account_id: "anew".into(),
            ..account(of, channel)
        };
        let profile = |name: &str| NewAccount { address: None, ..anew(name, "acc-1", Channel::Linkedin) };
        let mailbox = |name: &str| NewAccount {
            owner_provider_id: None,
            address: Some("MAIL-1@lowen.example".into()),
            ..anew(name, "mail-1", Channel::Email)
        };
        for again in [profile("other"), profile("name of acc-1"), mailbox("other"), mailbox("name of mail-1")] {
            assert!(!store.add_account(&again).await.unwrap(), "{again:?}");
        }
        let theirs = NewAccount { tenant: "stranger".into(), provider_account_id: "theirs".into(), ..profile("other") };
        assert!(store.add_account(&theirs).await.unwrap(), "each tenant for itself");
        let taken = NewAccount { provider_account_id: "theirs".into(), ..profile("name of acc-1") };
        for other in [profile("other"), profile("name of acc-2"), mailbox("name of acc-1"), taken] {
            assert_eq!(store.relink_account(&other).await.unwrap(), None, "{other:?}");
        }

        let uses = async || store.account_uses(TENANT, "acc-1", 10).await.unwrap();
        let before = uses().await;
        let goes_on = store.relink_account(&profile("name of acc-1")).await.unwrap().unwrap();
        assert_eq!((goes_on.id.as_str(), goes_on.provider_account_id.as_str()), ("acc-1", "anew"));
        assert_eq!(store.account(TENANT, "acc-1").await.unwrap(), Some(goes_on));
        assert!(!before.is_empty());
        assert_eq!(uses().await, before, "its limits count what it did");
        let seen: (String, Option<String>) =
            sqlx::query_as("SELECT provider_id, provider_chat_id FROM account_people WHERE account_id = 'acc-1'")
                .fetch_one(store.read())
                .await
                .unwrap();
        assert_eq!(seen, ("ACoAAp1".into(), None), "chats have other ids now");
        assert_eq!(store.relink_account(&profile("name of acc-1")).await.unwrap(), None, "once");
    })
    .await;
}

#[tokio::test]
async fn of_two_accounts_of_one_profile_that_are_added_at_once_one_is_stored() {
    each_backend(async |store| {
        enrolled(&store).await;
        let [one, other] = ["acc-3", "acc-4"]
            .map(|id| NewAccount { owner_provider_id: Some("kim".into()), ..account(id, Channel::Linkedin) });
        let (one, other) = tokio::join!(store.add_account(&one), store.add_account(&other));
        assert_ne!(one.unwrap(), other.unwrap());
    })
    .await;
}

#[tokio::test]
async fn what_a_person_decided_about_an_account_outlasts_what_the_provider_tells() {
    each_backend(async |store| {
        enrolled(&store).await;
        let state = async || {
            let account = store.account(TENANT, "acc-1").await.unwrap().unwrap();
            (account.state, account.state_reason)
        };
        let tell = async |to: &str| store.set_account_state(TENANT, "acc-1", to, Some("told"), 5).await.unwrap();
        assert!(tell("disconnected").await && !tell("disconnected").await);
        assert!(tell("active").await);

        assert!(store.pause_account(TENANT, "acc-1", 6).await.unwrap());
        assert!(!store.pause_account(TENANT, "acc-1", 7).await.unwrap());
        assert_eq!(planned(&store).await, ["t3", "t5"], "its reservations are given back, no others");
        for told in ["active", "disconnected"] {
            assert!(!tell(told).await, "{told}");
        }
        assert_eq!(state().await, ("paused".into(), Some("a person paused it".into())));
        assert!(tell("restricted").await, "that needs a person, too");
        assert!(store.resume_account(TENANT, "acc-1", 8).await.unwrap());
        assert!(!store.resume_account(TENANT, "acc-1", 8).await.unwrap());
        assert_eq!(state().await, ("active".into(), None));

        run(&store, "UPDATE accounts SET deferred_until_ms = 99, deferred_reason = 'limit' WHERE id = 'acc-1'").await;
        assert!(store.resume_account(TENANT, "acc-1", 8).await.unwrap());
        assert_eq!(store.account(TENANT, "acc-1").await.unwrap().unwrap().deferred_until_ms, None);
    })
    .await;
}

#[tokio::test]
async fn a_campaign_is_stored_once_and_found_by_what_a_person_writes() {
    each_backend(async |store| {
        enrolled(&store).await;
        let new = campaign("camp-1");
        assert_eq!(store.campaign(TENANT, "camp-1").await.unwrap(), Some(new.clone()));
        assert!(!store.create_campaign(&Campaign { id: "camp-2".into(), ..new }).await.unwrap(), "the name is taken");
        assert_eq!(store.campaign("stranger", "camp-1").await.unwrap(), None);
        let later = Campaign { created_at_ms: 2, ..campaign("camp-2") };
        assert!(store.create_campaign(&later).await.unwrap());
        for (word, expected) in [
            ("last", vec!["camp-2"]),
            ("name of camp-1", vec!["camp-1"]),
            ("camp", vec!["camp-2", "camp-1"]),
            ("cam", vec![]),
        ] {
            let found = store.matching_campaigns(TENANT, word).await.unwrap();
            assert_eq!(found.iter().map(|campaign| campaign.id.as_str()).collect::<Vec<_>>(), expected, "{word}");
        }
        store.discard_campaign(TENANT, "camp-2").await.unwrap();
        let left: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM campaign_accounts").fetch_one(store.read()).await.unwrap();
        assert_eq!((store.campaigns(TENANT).await.unwrap().len(), left), (1, 2));
    })
    .await;
}

#[tokio::test]
async fn a_campaign_is_completed_when_its_search_and_everybody_in_it_have_ended() {
    each_backend(async |store| {
        enrolled(&store).await;
        let complete = async || store.complete_campaign(TENANT, "camp-1", 9).await.unwrap();
        assert!(!complete().await, "there is nothing to end yet");
        run(
            &store,
            "INSERT INTO searches (id, tenant, name, source, brief, exclusions, status, wish, created_at_ms) \
             VALUES ('search', 'default', 'search', 'sandbox', '{}', '[]', 'running', 'run', 1)",
        )
        .await;
        run(&store, "UPDATE enrollments SET is_open = 0").await;
        assert!(!complete().await, "the search may find more");
        run(&store, "UPDATE searches SET status = 'completed', finished_at_ms = 8").await;
        run(&store, "UPDATE enrollments SET is_open = 1 WHERE id = 'e3'").await;
        assert!(!complete().await, "one is in it");
        run(&store, "UPDATE enrollments SET is_open = 0").await;
        assert_eq!((complete().await, complete().await), (true, false));
    })
    .await;
}

#[tokio::test]
async fn pausing_and_stopping_give_reservations_back_and_nothing_else() {
    each_backend(async |store| {
        enrolled(&store).await;
        assert!(!store.resume_campaign(TENANT, "camp-1").await.unwrap(), "it runs");
        assert!(store.pause_campaign(TENANT, "camp-1").await.unwrap());
        assert!(!store.pause_campaign(TENANT, "camp-1").await.unwrap());
        assert_eq!(planned(&store).await, ["t5"], "of another campaign");
        assert!(!store.complete_campaign(TENANT, "camp-1", 9).await.unwrap(), "a paused one goes on some day");
        assert!(store.resume_campaign(TENANT, "camp-1").await.unwrap());

        run(&store, "UPDATE touches SET state = 'planned', planned_at_ms = 90 WHERE id = 't2'").await;
        let stopped = store.stop_campaign(TENANT, "camp-1", "a person stopped it", 10).await.unwrap();
        assert_eq!(stopped, Some(vec!["e1".into(), "e2".into(), "e3".into()]));
        assert_eq!(store.stop_campaign(TENANT, "camp-1", "again", 11).await.unwrap(), None);
        assert_eq!(planned(&store).await, ["t5"]);
        let ended = store.campaign(TENANT, "camp-1").await.unwrap().unwrap();
        assert_eq!((ended.state.as_str(), ended.ended_at_ms), ("stopped", Some(10)));
        for enrollment in store.enrollments_of_campaign(TENANT, "camp-1").await.unwrap() {
            let expected = if enrollment.id == "e4" { EnrollmentState::Replied } else { EnrollmentState::Stopped };
            assert_eq!((enrollment.state, enrollment.is_open), (expected, false), "{}", enrollment.id);
        }
        for change in [store.pause_campaign(TENANT, "camp-1").await, store.resume_campaign(TENANT, "camp-1").await] {
            assert!(!change.unwrap(), "what has ended stays so");
        }
        let states: Vec<String> =
            sqlx::query_scalar("SELECT state FROM touches ORDER BY id").fetch_all(store.read()).await.unwrap();
        assert_eq!(states, ["sent", "released", "released", "unknown", "planned"]);
    })
    .await;
}

#[tokio::test]
async fn a_migration_moves_those_who_are_open_and_to_whom_nothing_has_happened_since() {
    each_backend(async |store| {
        enrolled(&store).await;
        let mut migrants = Vec::new();
        for enrollment in store.enrollments_of_campaign(TENANT, "camp-1").await.unwrap() {
            migrants.push(Migrant::new(&enrollment, &store.touches(TENANT, &enrollment.id).await.unwrap()));
        }
        assert_eq!(migrants.len(), 4);
        // Between the look and the move the second is invited, and the third takes a way.
        run(&store, "UPDATE touches SET state = 'sent', planned_at_ms = NULL, called_at_ms = 9 WHERE id = 't3'").await;
        let third = r#"UPDATE enrollments SET decisions = '{"wait":{"to":"mail","at_ms":9}}' WHERE id = 'e3'"#;
        run(&store, third).await;
        let migrate = async || store.migrate_campaign(TENANT, "camp-1", "version-2", &migrants).await.unwrap();
        assert_eq!(migrate().await, ["e1"], "the fourth has ended");
        assert_eq!(migrate().await, [] as [&str; 0], "once");
        assert_eq!(store.campaign(TENANT, "camp-1").await.unwrap().unwrap().sequence_id, "version-2");
        let versions: Vec<String> = sqlx::query_scalar("SELECT sequence_id FROM enrollments ORDER BY id")
            .fetch_all(store.read())
            .await
            .unwrap();
        assert_eq!(versions, ["version-2", "version-1", "version-1", "version-1"]);
        assert_eq!(planned(&store).await, ["t5"], "of the old version of the one that moved");
    })
    .await;
}

#[tokio::test]
async fn figures_count_what_is_stored() {
    each_backend(async |store| {
        enrolled(&store).await;
        let step = |step: &str, action: &str, state: &str, touches| StepCount {
            step: step.into(),
            action: action.into(),
            state: state.into(),
            touches,
        };
        assert_eq!(
            store.campaign_steps(TENANT, "camp-1").await.unwrap(),
            [
                step("hello", "invite", "planned", 1),
                step("hello", "invite", "sent", 1),
                step("hello", "invite", "unknown", 1),
                step("mail", "email", "planned", 1),
            ]
        );
        let state = |state: &str, enrollments, paused| StateCount { state: state.into(), enrollments, paused };
        assert_eq!(
            store.campaign_states(TENANT, "camp-1").await.unwrap(),
            [state("invite_sent", 1, 0), state("replied", 1, 0), state("scheduled", 2, 1)]
        );
        let reserved = |account: &str, action: &str, at_ms| PlannedTouch {
            account_id: account.into(),
            action: action.into(),
            at_ms,
        };
        assert_eq!(
            store.planned_touches(TENANT, "camp-1", 91).await.unwrap(),
            [reserved("acc-2", "invite", 80), reserved("acc-1", "email", 90)]
        );
        assert_eq!(store.planned_touches(TENANT, "camp-1", 90).await.unwrap().len(), 1);
        assert_eq!(
            store.connections_of_campaign(TENANT, "camp-1").await.unwrap(),
            BTreeMap::from([("e1".into(), 33)])
        );
        let people = async |allow_parallel| store.people_in_campaigns(TENANT, allow_parallel).await.unwrap().len();
        assert_eq!((people(true).await, people(false).await), (2, 3), "e3 lets others have the person, too");
        run(
            &store,
            "INSERT INTO leads (id, tenant, search_id, person_id, business_id, state, rank, role_rank, role, evidence, score, \
             created_at_ms) VALUES \
             ('l1', 'default', 'search', 'p1', 'b', 'ready', 1, 1, '', '{}', 90, 1), \
             ('l5', 'default', 'search', 'p5', 'b', 'ready', 1, 1, '', '{}', 50, 1), \
             ('l6', 'default', 'search', 'p6', 'b', 'ready', 1, 1, '', '{}', 49, 1), \
             ('l7', 'default', 'search', 'p7', 'b', 'found', 1, 1, '', '{}', NULL, 1), \
             ('l8', 'default', 'elsewhere', 'p8', 'b', 'ready', 1, 1, '', '{}', 90, 1)",
        )
        .await;
        let waiting = async |minimum_score: u32, leads: Option<u32>| {
            let settings = CampaignSettings { minimum_score, leads, ..campaign("camp-1").settings };
            let asked = Campaign { settings, ..campaign("camp-1") };
            store.campaign_counts(&asked).await.unwrap().waiting
        };
        assert_eq!((waiting(50, None).await, waiting(0, None).await), (1, 2));
        let room = [waiting(0, Some(5)).await, waiting(0, Some(4)).await, waiting(0, Some(3)).await];
        assert_eq!(room, [2, 1, 0], "three have begun, and one ended when it was enrolled");
    })
    .await;
}

#[tokio::test]
async fn bounces_and_complaints_are_those_of_the_account_and_the_time() {
    each_backend(async |store| {
        enrolled(&store).await;
        assert_eq!(store.mail_outcomes(TENANT, "acc-1", 0).await.unwrap(), MailOutcomes::default());
        run(
            &store,
            "INSERT INTO touches (id, tenant, campaign_id, enrollment_id, person_id, account_id, step_id, action, has_note, \
             state, called_at_ms, call_deadline_ms, calls, is_live_invite, created_at_ms) VALUES \
             ('m1', 'default', 'm', 'e', 'p1', 'acc-1', 'mail', 'email', 0, 'sent', 100, 101, 1, 0, 1), \
             ('m2', 'default', 'm', 'e', 'p2', 'acc-1', 'mail', 'email', 0, 'sent', 200, 201, 1, 0, 1), \
             ('m3', 'default', 'm', 'e', 'p3', 'acc-1', 'mail', 'email', 0, 'refused', 200, 201, 1, 0, 1), \
             ('m4', 'default', 'm', 'e', 'p4', 'acc-2', 'mail', 'email', 0, 'sent', 200, 201, 1, 0, 1); \
             INSERT INTO persons (id, tenant, first_name, last_name, title, company, location, email, source) VALUES \
             ('p2', 'default', '', '', '', '', '', 'b@lowen.example', 'sandbox'), \
             ('p4', 'default', '', '', '', '', '', 'd@lowen.example', 'sandbox'); \
             INSERT INTO suppressions (id, tenant, kind, value, reason, origin, created_at_ms) VALUES \
             ('s1', 'default', 'email', 'b@lowen.example', 'spam', 'complaint', 210), \
             ('s2', 'default', 'email', 'd@lowen.example', 'spam', 'complaint', 210); \
             INSERT INTO replies (id, tenant, person_id, account_id, channel, kind, provider_message_id, text, at_ms, \
             received_at_ms) VALUES \
             ('r1', 'default', 'p1', 'acc-1', 'email', 'bounce', 'x1', '', 150, 150), \
             ('r2', 'default', 'p2', 'acc-1', 'email', 'reply', 'x2', '', 250, 250)",
        )
        .await;
        let since = async |since_ms| store.mail_outcomes(TENANT, "acc-1", since_ms).await.unwrap();
        assert_eq!(since(0).await, MailOutcomes { sent: 2, bounced: 1, complained: 1 });
        assert_eq!(since(200).await, MailOutcomes { sent: 1, bounced: 0, complained: 1 });
        assert_eq!(since(DAY_MS).await, MailOutcomes::default());
    })
    .await;
}
