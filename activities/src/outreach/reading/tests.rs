//! Readings of the stand-in's lists on both databases.

use super::*;
use crate::config::Config;
use crate::outreach::events::receive;
use crate::outreach::events::tests::{CLOCK_MS, Told, World, clock};
use crate::senders::SendRequest;
use crate::senders::unipile::Unipile;
use crate::store::testing::each_backend;
use leadflow_sandbox::{AccountChange, FaultKind, FaultRule, Faults, Provider, Sandbox, SandboxConfig, UnipileOptions};
use leadflow_workflows::domain::outreach::Action;
use leadflow_workflows::domain::timings::Timings;
use serde_json::json;

const DANA: &str = "sim-dana-whitlock-1";

struct Bench<'a> {
    sandbox: Sandbox,
    unipile: Unipile,
    world: World<'a>,
    told: Told,
}

impl<'a> Bench<'a> {
    /// Dana is a person of the stand-in; nobody does anything unless a test says so.
    async fn start(store: &'a Store) -> Self {
        let options = UnipileOptions {
            accept_permille: 0,
            decline_permille: 0,
            reply_permille: 0,
            bounce_permille: 0,
            reject_permille: 0,
            complaint_permille: 0,
            ..UnipileOptions::default()
        };
        let config = SandboxConfig { clock: clock(), unipile: options, ..SandboxConfig::default() };
        let sandbox = Sandbox::start(config).await.unwrap();
        let config = Config::sandbox(&sandbox.base_url());
        let unipile = Unipile::from_config(&config, clock()).unwrap().unwrap();
        let world = World::new(store).await;
        let person = unipile.profile("acc_li_1", DANA).await.unwrap().provider_id;
        world.run("UPDATE accounts SET provider_account_id = 'acc_li_1' WHERE id = 'a1'").await;
        world.run(&format!("UPDATE persons SET linkedin_public_id = '{DANA}' WHERE id = 'dana'")).await;
        world.run(&format!("UPDATE account_people SET provider_id = '{person}' WHERE person_id = 'dana'")).await;
        Self { sandbox, unipile, world, told: Told::default() }
    }

    async fn read(&self) -> AccountAdvice {
        self.read_of("a1").await
    }

    async fn read_of(&self, account: &str) -> AccountAdvice {
        let (store, sender, teller) = (self.world.store, &self.unipile, &self.told);
        let reader = Reader { store, sender, teller, clock: clock(), read_ms: Timings::test().touch_read_ms };
        reader.read("default", account).await.unwrap()
    }

    async fn provider_id(&self) -> String {
        self.unipile.profile("acc_li_1", DANA).await.unwrap().provider_id
    }
}

#[tokio::test]
async fn an_invitation_in_doubt_is_settled_by_the_list_of_pending_ones() {
    each_backend(async |store| {
        let bench = Bench::start(&store).await;
        let touch = bench.world.touch("e1", "invite", "unknown", None, None).await;
        assert_eq!(bench.read().await.settled, 0, "nothing shows");
        assert_eq!(bench.world.touch_of(&touch).await.0, "unknown", "absent is no proof");
        let invite = SendRequest::Invite { person_provider_id: bench.provider_id().await, note: None };
        let id = bench.unipile.send("acc_li_1", &invite, "t").await.unwrap().invitation_id;
        let advice = bench.read().await;
        assert_eq!((advice.state.as_str(), advice.settled), ("active", 1));
        assert_eq!(bench.world.touch_of(&touch).await, ("sent".into(), id, Some("found".into())));
        assert_eq!(bench.told.list(), ["enrollment/e1"]);
        let minutes = advice.sleep_ms / 60_000;
        assert!((270..=450).contains(&minutes), "{minutes}");
    })
    .await;
}

#[tokio::test]
async fn invitations_and_messages_by_hand_count_against_the_limits_once() {
    each_backend(async |store| {
        let bench = Bench::start(&store).await;
        let used = async || {
            let uses = store.account_uses("default", "a1", clock().now_ms()).await.unwrap();
            let of = |action: Action| uses.iter().filter(|used| used.action == action).count();
            (of(Action::Invite), of(Action::Message))
        };
        let stranger = bench.unipile.profile("acc_li_1", "sim-stranger-2").await.unwrap().provider_id;
        for person_provider_id in [bench.provider_id().await, stranger.clone()] {
            let invite = SendRequest::Invite { person_provider_id, note: None };
            bench.unipile.send("acc_li_1", &invite, "t").await.unwrap();
        }
        bench.sandbox.unipile_connect_by_hand("acc_li_1", "sim-stranger-3").unwrap();
        let friend = bench.unipile.profile("acc_li_1", "sim-stranger-3").await.unwrap().provider_id;
        let chat = SendRequest::StartChat { person_provider_id: friend, text: "Hello friend".into() };
        bench.unipile.send("acc_li_1", &chat, "t").await.unwrap();
        for _ in 0..2 {
            bench.read().await;
            assert_eq!(used().await, (2, 1));
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_no_webhook_told_is_learnt_once() {
    each_backend(async |store| {
        let bench = Bench::start(&store).await;
        let touch = bench.world.touch("e1", "invite", "unknown", None, None).await;
        bench.sandbox.unipile_connect_by_hand("acc_li_1", DANA).unwrap();
        let advice = bench.read().await;
        assert_eq!((advice.settled, advice.learnt), (1, 1));
        assert_eq!(bench.world.touch_of(&touch).await.0, "sent");
        assert_eq!(bench.read().await.learnt, 0);
        let event = format!(
            r#"{{"event":"new_relation","account_id":"acc_li_1","user_provider_id":"{}","user_public_identifier":"{DANA}"}}"#,
            bench.provider_id().await
        );
        let late = receive(&store, clock(), "default", event.as_bytes()).await.unwrap();
        assert!(!late.is_new, "the webhook has the same key");
    })
    .await;
}

#[tokio::test]
async fn an_invitation_that_is_gone_without_connection_was_declined() {
    each_backend(async |store| {
        let bench = Bench::start(&store).await;
        let touch = bench.world.touch("e1", "invite", "sent", None, Some("inv_1")).await;
        let declined = async || -> (i64, Option<i64>) {
            sqlx::query_as("SELECT is_live_invite, declined_at_ms FROM touches WHERE id = $1")
                .bind(&touch)
                .fetch_one(store.read())
                .await
                .unwrap()
        };
        bench.read().await;
        assert_eq!(declined().await, (1, None), "too young to say");
        bench.world.run(&format!("UPDATE touches SET called_at_ms = {}", CLOCK_MS - 2 * OVERLAP_MS)).await;
        assert_eq!(bench.read().await.learnt, 1);
        let (live, at_ms) = declined().await;
        assert!(live == 0 && at_ms.is_some_and(|at_ms| at_ms >= CLOCK_MS));
        assert_eq!(bench.told.list(), ["enrollment/e1"]);
    })
    .await;
}

#[tokio::test]
async fn a_profile_is_read_within_the_limits_and_counts_against_them() {
    each_backend(async |store| {
        let bench = Bench::start(&store).await;
        let invite = bench.world.touch("e1", "invite", "sent", None, Some("inv_1")).await;
        let visit = bench.world.touch("e1", "visit_profile", "sent", None, None).await;
        let called = async |touch: &str, at_ms: i64| {
            bench.world.run(&format!("UPDATE touches SET called_at_ms = {at_ms} WHERE id = '{touch}'")).await;
        };
        called(&invite, CLOCK_MS - 2 * OVERLAP_MS).await;
        called(&visit, clock().now_ms()).await;
        assert_eq!(bench.read().await.learnt, 0, "a profile was visited just now");
        called(&visit, CLOCK_MS - 600_000).await;
        assert_eq!(bench.read().await.learnt, 1);
        let looks: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM touches WHERE settled_by = 'look'")
            .fetch_one(store.read())
            .await
            .unwrap();
        assert_eq!(looks, 1);
    })
    .await;
}

#[tokio::test]
async fn messages_that_no_webhook_told_act_as_if_it_had() {
    each_backend(async |store| {
        let bench = Bench::start(&store).await;
        let person = bench.provider_id().await;
        bench.sandbox.unipile_connect_by_hand("acc_li_1", DANA).unwrap();
        let request = SendRequest::StartChat { person_provider_id: person, text: "Hello Dana".into() };
        let text = serde_json::to_string(&request).unwrap();
        let touch = bench.world.touch("e1", "message", "unknown", Some(&text), None).await;
        let sent = bench.unipile.send("acc_li_1", &request, "t").await.unwrap();
        assert_eq!(bench.read().await.settled, 1);
        assert_eq!(bench.world.touch_of(&touch).await, ("sent".into(), sent.message_id, Some("found".into())));
        bench.sandbox.unipile_reply("acc_li_1", DANA, "Thanks, happy to talk").unwrap();
        assert_eq!(bench.read().await.learnt, 1);
        assert_eq!(bench.world.enrollment("e1").await.0, "replied");
        assert_eq!(bench.read().await.learnt, 0);
    })
    .await;
}

/// Dana was invited by one account and writes to another, which knows her by no id.
#[tokio::test]
async fn who_answers_another_account_is_recognised_by_one_look() {
    each_backend(async |store| {
        let bench = Bench::start(&store).await;
        bench.world.touch("e1", "invite", "sent", None, Some("inv_1")).await;
        bench.world.add_account("a2", "acc_li_2", Channel::Linkedin).await;
        let write = async |person: &str| {
            let id = bench.sandbox.unipile_reply("acc_li_2", person, "Thanks, happy to talk").unwrap();
            let sender = bench.unipile.profile("acc_li_2", person).await.unwrap().provider_id;
            let event = json!({
                "event": "message_received", "account_id": "acc_li_2", "account_info": { "user_id": "ACoAAowner0002" },
                "chat_id": format!("cht_{person}"), "message_id": id, "message": "Thanks, happy to talk",
                "sender": { "attendee_provider_id": sender }, "attendees": [{ "attendee_provider_id": sender }],
            });
            let received = receive(&store, clock(), "default", event.to_string().as_bytes()).await.unwrap();
            assert_eq!((received.is_new, received.tell), (true, vec!["account/a2".to_owned()]));
        };
        // What a later reading brings, and how many looks were counted by then.
        let later = async || -> (u32, i64) {
            let ago_ms = CLOCK_MS - 600_000;
            bench
                .world
                .run(&format!(
                    "UPDATE touches SET called_at_ms = {ago_ms}, call_deadline_ms = {ago_ms}, settled_at_ms = {ago_ms} \
                     WHERE settled_by = 'look'"
                ))
                .await;
            let learnt = bench.read_of("a2").await.learnt;
            let looks = "SELECT COUNT(*) FROM touches WHERE account_id = 'a2' AND settled_by = 'look'";
            (learnt, sqlx::query_scalar(looks).fetch_one(store.read()).await.unwrap())
        };
        assert_eq!(later().await, (0, 0), "nobody wrote");
        write(DANA).await;
        write("sim-stranger-2").await;
        let rule = FaultRule::new(Provider::Unipile, FaultKind::Status);
        let no_right = Some("insufficient_permissions".to_owned());
        let rule = FaultRule { operation: Some("get_profile".into()), error_type: no_right, ..rule };
        bench.sandbox.set_faults(Faults { seed: 0, rules: vec![rule] });
        assert_eq!(later().await, (0, 1), "the newest message comes first, and the limits allow one look a minute");
        let sleep_ms = bench.read_of("a2").await.sleep_ms;
        assert!((1_000..=60_000).contains(&sleep_ms), "the next look is not far: {sleep_ms}");
        assert_eq!(later().await, (0, 2), "nobody is given up because a profile is not shown");
        bench.sandbox.set_faults(Faults::default());
        assert_eq!(later().await, (0, 3));
        assert_eq!(bench.world.enrollment("e1").await.0, "scheduled");
        assert_eq!(later().await, (1, 4));
        assert_eq!(bench.world.enrollment("e1").await.0, "replied");
        assert_eq!(bench.told.list(), ["enrollment/e1"]);
        assert_eq!(later().await, (0, 4), "each was looked at until it was shown");
    })
    .await;
}

/// Strangers write to everybody.
#[tokio::test]
async fn nobody_is_looked_at_where_no_answer_is_waited_for() {
    each_backend(async |store| {
        let bench = Bench::start(&store).await;
        bench.world.run("UPDATE enrollments SET is_open = 0").await;
        let event = json!({
            "event": "message_received", "account_id": "acc_li_1", "account_info": { "user_id": "ACoAAowner0001" },
            "chat_id": "cht_1", "message_id": "msg_1", "message": "Hello",
            "sender": { "attendee_provider_id": "ACoAAstranger" },
        });
        receive(&store, clock(), "default", event.to_string().as_bytes()).await.unwrap();
        bench.read().await;
        let looks: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM touches").fetch_one(store.read()).await.unwrap();
        assert_eq!(looks, 0);
        assert_eq!(store.events("default", true, 10).await.unwrap().len(), 1, "it may be looked into some day");
    })
    .await;
}

#[tokio::test]
async fn a_mailbox_is_read_like_a_webhook_tells_it() {
    each_backend(async |store| {
        let bench = Bench::start(&store).await;
        bench.world.add_account("a2", "acc_mail_1", Channel::Email).await;
        let request = SendRequest::Email {
            to_name: "Dana".into(),
            to_address: "dana@nordhafen.example".into(),
            subject: "Kegs at Nordhafen".into(),
            html: "<p>Hello</p>".into(),
            reply_to: None,
            headers: Vec::new(),
        };
        let text = serde_json::to_string(&request).unwrap();
        let touch = bench.world.touch("e1", "email", "unknown", Some(&text), None).await;
        bench.world.run("UPDATE touches SET account_id = 'a2'").await;
        let sent = bench.unipile.send("acc_mail_1", &request, "t").await.unwrap();
        assert_eq!(bench.read_of("a2").await.settled, 1);
        assert_eq!(bench.world.touch_of(&touch).await, ("sent".into(), sent.message_id, Some("found".into())));
        bench.sandbox.unipile_reply("acc_mail_1", "dana@nordhafen.example", "Please unsubscribe me").unwrap();
        bench.read_of("a2").await;
        assert_eq!(bench.world.enrollment("e1").await.0, "opted_out");
    })
    .await;
}

#[tokio::test]
async fn a_lost_account_is_noted_and_its_lists_are_left_alone() {
    each_backend(async |store| {
        let bench = Bench::start(&store).await;
        let change = |status: &str| AccountChange { status: Some(status.into()), restricted: None };
        bench.sandbox.change_unipile_account("acc_li_1", &change("CREDENTIALS")).unwrap();
        assert_eq!(bench.read().await.state, "disconnected");
        bench.sandbox.change_unipile_account("acc_li_1", &change("OK")).unwrap();
        assert_eq!(bench.read().await.state, "active");
        assert_eq!(bench.told.list(), ["enrollment/e1"], "who waited for it goes on");
        assert_eq!(bench.read_of("gone").await.state, "removed");
    })
    .await;
}

#[tokio::test]
async fn only_an_account_that_is_not_shown_changes_its_state() {
    each_backend(async |store| {
        let bench = Bench::start(&store).await;
        for (operation, kind, state) in [
            ("list_", "resource_not_found", "active"),
            ("list_", "disconnected_account", "active"),
            ("list_", "resource_access_restricted", "active"),
            ("get_account", "resource_not_found", "disconnected"),
        ] {
            let rule = FaultRule::new(Provider::Unipile, FaultKind::Status);
            let rule = FaultRule { operation: Some(operation.into()), error_type: Some(kind.into()), ..rule };
            bench.sandbox.set_faults(Faults { seed: 0, rules: vec![rule] });
            assert_eq!(bench.read().await.state, state, "{kind} of {operation}");
            let rests = store.account("default", "a1").await.unwrap().unwrap().deferred_until_ms;
            assert_eq!(rests.is_some(), kind == "disconnected_account", "{kind} of {operation}");
            bench.world.run("UPDATE accounts SET deferred_until_ms = NULL").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_person_settles_what_nothing_explains() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let touch = world.touch("e1", "message", "unknown", None, None).await;
        assert!(store.settle_by_person("default", &touch, false, CLOCK_MS).await.unwrap());
        assert_eq!(world.touch_of(&touch).await, ("released".into(), None, Some("person".into())), "to be sent");
        assert!(!store.settle_by_person("default", &touch, true, CLOCK_MS).await.unwrap(), "it is settled");
        assert!(!store.settle_by_person("default", "no such touch", true, CLOCK_MS).await.unwrap());
        let lost = world.touch("e1", "message", "calling", None, None).await;
        world.run(&format!("UPDATE touches SET call_deadline_ms = {CLOCK_MS} WHERE id = '{lost}'")).await;
        assert!(!store.settle_by_person("default", &lost, true, CLOCK_MS).await.unwrap(), "it may be on its way");
        assert!(store.settle_by_person("default", &lost, false, CLOCK_MS + 1).await.unwrap(), "nobody knows");
        assert_eq!(world.touch_of(&lost).await.0, "released");
    })
    .await;
}
