//! Each kind of event on both databases: once, doubled, out of order, and of people nobody knows.

mod person_changes;
mod telling;
mod unsubscribe;
mod world;

use super::*;
use crate::store::Backend;
use crate::store::events::EventFilter;
use crate::store::testing::each_backend;
use futures::future::join_all;
use serde_json::json;

pub(in crate::outreach) use world::{CLOCK_MS, Told, World, clock};

/// The enrollments that an event has look.
fn enrollments(received: &Received) -> Vec<&str> {
    received.tell.iter().map(String::as_str).filter(|id| id.starts_with("enrollment/")).collect()
}

#[tokio::test]
async fn a_reply_ends_the_enrollment_and_gives_its_reservations_back() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let touch = world.touch("e1", "invite", "sent", None, None).await;
        world.touch("e1", "message", "planned", None, None).await;
        let received = world.receive(&world.message("msg_9", "dana", "Thanks, happy to talk.", 0)).await;
        assert!(received.is_new && !received.settled, "{received:?}");
        let reply = store.replies("default", "dana").await.unwrap().remove(0);
        assert_eq!(received.tell, ["enrollment/e1".to_owned(), format!("reply/{}", reply.id)]);
        assert_eq!(world.enrollment("e1").await, ("replied".into(), "replied on LinkedIn".into()));
        assert_eq!(world.touch_states("e1").await, ["sent", "released"]);
        assert_eq!(world.touch_of(&touch).await.0, "sent");
        assert_eq!(
            (reply.kind.as_str(), reply.label, reply.not_read),
            ("reply", None, None),
            "nobody waits for a model"
        );
    })
    .await;
}

#[tokio::test]
async fn an_event_that_comes_twice_acts_once() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let body = world.message("msg_9", "dana", "Thanks", 0);
        let all = join_all((0..6).map(|_| world.receive(&body))).await;
        assert_eq!(all.iter().filter(|received| received.is_new).count(), 1);
        assert!(all.iter().all(|received| received.event_id == all[0].event_id));
        assert_eq!(store.replies("default", "dana").await.unwrap().len(), 1);
        assert_eq!(store.events("default", false, 10).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn old_messages_of_a_history_end_nothing() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.touch("e1", "invite", "sent", None, None).await;
        let old = 40 * 86_400_000;
        world.receive(&world.message("msg_1", "dana", "Long ago", old)).await;
        world.receive(&world.own("msg_2", "dana", "We met once", old)).await;
        assert_eq!(world.enrollment("e1").await.0, "scheduled");
        assert_eq!(world.paused("e1").await, None);
        assert!(store.replies("default", "dana").await.unwrap().is_empty());
        assert_eq!(store.events("default", false, 10).await.unwrap().len(), 2);
    })
    .await;
}

/// Clocks and zones of mail programs are wrong, and webhooks late.
#[tokio::test]
async fn a_reply_counts_whatever_its_writers_clock_says() {
    for age_ms in [2 * 86_400_000, -2 * 86_400_000] {
        each_backend(async |store| {
            let world = World::new(&store).await;
            world.touch("e1", "invite", "sent", None, None).await;
            world.receive(&world.message("msg_1", "dana", "Thanks, not now", age_ms)).await;
            assert_eq!(world.enrollment("e1").await.0, "replied", "{age_ms}");
            assert!(store.replies("default", "dana").await.unwrap()[0].at_ms <= clock().now_ms());
        })
        .await;
    }
}

#[tokio::test]
async fn of_whoever_is_erased_nothing_is_kept_but_their_no() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.touch("e1", "invite", "sent", None, None).await;
        world.run("UPDATE persons SET removed_at_ms = 1 WHERE id = 'dana'").await;
        world.receive(&world.message("msg_1", "dana", "My number is 555 0100", 0)).await;
        assert!(store.replies("default", "dana").await.unwrap().is_empty());
        world.receive(&world.message("msg_2", "dana", "Please do not contact me again.", 0)).await;
        let replies = store.replies("default", "dana").await.unwrap();
        assert_eq!(replies.iter().map(|reply| reply.text.as_str()).collect::<Vec<_>>(), [""]);
        assert!(store.suppression_of("default", "dana").await.unwrap().is_some());
        for event in store.events("default", false, 10).await.unwrap() {
            assert_eq!(event.body, "{}", "{}", event.effect);
        }
    })
    .await;
}

#[tokio::test]
async fn our_own_message_settles_the_contact_in_doubt_and_counts_for_no_reply() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let text = r#"{"kind":"start_chat","person_provider_id":"ACoAAdana","text":"Hello  Dana,\nhow are you?"}"#;
        let touch = world.touch("e1", "message", "unknown", Some(text), None).await;
        let received = world.receive(&world.own("msg_5", "dana", "Hello Dana, how are you?", 0)).await;
        assert!(received.settled, "{received:?}");
        assert_eq!(world.touch_of(&touch).await, ("sent".into(), Some("msg_5".into()), Some("webhook".into())));
        // The same text once more is the echo, whatever its id.
        assert!(!world.receive(&world.own("msg_6", "dana", "Hello Dana, how are you?", 0)).await.settled);
        assert_eq!((world.paused("e1").await, world.enrollment("e1").await.0), (None, "scheduled".into()));
        assert!(store.replies("default", "dana").await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_message_that_was_called_later_is_not_settled_by_an_earlier_one() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let text = r#"{"kind":"message","chat_id":"cht_1","text":"Hello"}"#;
        let touch = world.touch("e1", "message", "unknown", Some(text), None).await;
        world.receive(&world.own("msg_5", "dana", "Hello", 3_600_000)).await;
        assert_eq!(world.touch_of(&touch).await.0, "unknown");
    })
    .await;
}

#[tokio::test]
async fn what_the_owner_types_by_hand_pauses_the_enrollment() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.touch("e1", "message", "planned", None, None).await;
        let received = world.receive(&world.own("msg_7", "dana", "Let us have lunch", 0)).await;
        assert_eq!(received.tell, ["enrollment/e1"]);
        assert_eq!(world.paused("e1").await.as_deref(), Some("the owner wrote by hand"));
        assert_eq!(world.touch_states("e1").await, ["released"]);
        assert_eq!(world.enrollment("e1").await.0, "scheduled");
        assert_eq!(store.replies("default", "dana").await.unwrap()[0].kind, "owner");
    })
    .await;
}

#[tokio::test]
async fn what_the_owner_sends_by_hand_counts_against_the_limits_once() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let text = r#"{"kind":"start_chat","person_provider_id":"ACoAAdana","text":"Hello Dana"}"#;
        world.touch("e1", "message", "sent", Some(text), Some("msg_1")).await;
        let used = async || store.account_uses("default", "a1", clock().now_ms()).await.unwrap().len();
        assert_eq!(used().await, 1);
        for _ in 0..2 {
            world.receive(&world.own("msg_1", "dana", "Hello Dana", 0)).await;
            world.receive(&world.own("msg_2", "dana", "Let us have lunch", 0)).await;
            world.receive(&world.own("msg_3", "ACoAAstranger", "Hello stranger", 0)).await;
            world.receive(&world.own("msg_4", "ACoAAstranger", "Long ago", 40 * 86_400_000)).await;
        }
        assert_eq!(used().await, 3, "the contact, lunch and the stranger");
        assert!(store.touches("default", "e1").await.unwrap().len() == 1, "of whom it was for nothing is kept");
    })
    .await;
}

#[tokio::test]
async fn the_note_of_an_accepted_invitation_is_no_message_by_hand() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let note = r#"{"kind":"invite","person_provider_id":"ACoAAdana","note":"Shall we connect?"}"#;
        world.touch("e1", "invite", "sent", Some(note), Some("inv_1")).await;
        world.receive(&world.own("msg_8", "dana", "Shall we connect?", 0)).await;
        assert_eq!(world.paused("e1").await, None);
    })
    .await;
}

#[tokio::test]
async fn a_connection_settles_the_invitation_and_ends_its_life() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let touch = world.touch("e1", "invite", "unknown", None, None).await;
        let received = world.receive(&world.connected("ACoAAother", Some("dana-whitlock"))).await;
        assert!(received.settled, "{received:?}");
        assert_eq!(received.tell, ["enrollment/e1"]);
        assert_eq!(world.touch_of(&touch).await.0, "sent");
        let row: (i64, String, Option<i64>, String) = sqlx::query_as(
            "SELECT t.is_live_invite, p.provider_id, p.connected_at_ms, p.connected_by FROM touches t \
             JOIN account_people p ON p.person_id = t.person_id WHERE t.id = $1",
        )
        .bind(&touch)
        .fetch_one(store.read())
        .await
        .unwrap();
        assert_eq!((row.0, row.1.as_str(), row.3.as_str()), (0, "ACoAAother", "webhook"));
        assert!(row.2.is_some_and(|at_ms| at_ms >= CLOCK_MS));
        assert!(!world.receive(&world.connected("ACoAAother", Some("dana-whitlock"))).await.is_new);
    })
    .await;
}

#[tokio::test]
async fn a_connection_is_known_however_the_profile_is_written() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.run("UPDATE persons SET linkedin_public_id = 'josé-x' WHERE id = 'dana'").await;
        let received = world.receive(&world.connected("ACoAAother", Some("Jos%C3%A9-X"))).await;
        assert_eq!(received.tell, ["enrollment/e1"]);
    })
    .await;
}

#[tokio::test]
async fn an_opt_out_ends_every_campaign_and_suppresses_every_way() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.enroll("e2", "dana", "c2", "s-none").await;
        let old = 40 * 86_400_000;
        let received = world.receive(&world.message("msg_9", "dana", "Please remove me from your list", old)).await;
        assert_eq!(received.tell, ["enrollment/e1", "enrollment/e2"]);
        for enrollment in ["e1", "e2"] {
            assert_eq!(world.enrollment(enrollment).await.0, "opted_out");
        }
        let mut listed: Vec<String> =
            store.suppressions("default").await.unwrap().into_iter().map(|entry| entry.value).collect();
        listed.sort();
        assert_eq!(listed, ["dana-whitlock", "dana@nordhafen.example"]);
    })
    .await;
}

#[tokio::test]
async fn only_what_stops_the_sequence_ends_the_enrollment() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.enroll("e2", "dana", "c2", "s-none").await;
        let received = world.receive(&world.message("msg_9", "dana", "Thanks", 0)).await;
        assert_eq!(enrollments(&received), ["enrollment/e1", "enrollment/e2"]);
        assert_eq!(world.enrollment("e1").await.0, "replied");
        assert_eq!(world.enrollment("e2").await.0, "scheduled");
    })
    .await;
}

#[tokio::test]
async fn a_colleague_is_left_alone_where_the_campaign_says_so() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.enroll("e3", "kim", "c1", "s-all").await;
        world.enroll("e4", "lou", "c2", "s-all").await;
        let received = world.receive(&world.message("msg_9", "dana", "Thanks", 0)).await;
        assert_eq!(enrollments(&received), ["enrollment/e1", "enrollment/e3"]);
        let kim = world.enrollment("e3").await;
        assert_eq!(kim, ("stopped".into(), "someone at the same company has replied".into()));
        assert_eq!(world.enrollment("e4").await.0, "scheduled");
    })
    .await;
}

#[tokio::test]
async fn a_bounce_ends_only_who_was_mailed_and_buries_the_address() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.enroll("e2", "dana", "c2", "s-all").await;
        let mail = r#"{"kind":"email","to_name":"Dana","to_address":"dana@nordhafen.example","subject":"Kegs","html":"x","reply_to":null,"headers":[]}"#;
        world.touch("e1", "email", "sent", Some(mail), Some("trk_1")).await;
        let report = "Final-Recipient: rfc822; Dana@nordhafen.example\nAction: failed\nStatus: 5.1.1\n";
        let body = world.mail("eml_1", "mailer-daemon@mx.example", "Undelivered Mail", report, None);
        assert_eq!(world.receive(&body).await.tell, ["enrollment/e1", "enrollment/e2"]);
        assert_eq!(world.enrollment("e1").await, ("bounced".into(), "the mail came back".into()));
        assert_eq!(world.enrollment("e2").await.0, "scheduled");
        assert_eq!(store.suppressions("default").await.unwrap()[0].value, "dana@nordhafen.example");
        assert_eq!(store.suppression_of("default", "dana").await.unwrap(), None, "LinkedIn stays open");
    })
    .await;
}

#[tokio::test]
async fn mails_find_their_person_by_address_or_by_what_they_answer() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let mail = r#"{"kind":"email","to_name":"Dana","to_address":"dana@nordhafen.example","subject":"Kegs at Nordhafen","html":"x","reply_to":null,"headers":[]}"#;
        let touch = world.touch("e1", "email", "calling", Some(mail), None).await;
        let settled = world.receive(&world.own_mail("eml_1", "Kegs at Nordhafen", "trk_1", "<m1@senders.example>")).await;
        assert!(settled.settled, "{settled:?}");
        assert_eq!(world.touch_of(&touch).await.1.as_deref(), Some("trk_1"));
        let away = world.mail("eml_2", "dana@nordhafen.example", "Out of office", "Back in May", None);
        assert_eq!(world.receive(&away).await.tell, ["enrollment/e1"]);
        assert_eq!(world.enrollment("e1").await.0, "scheduled", "an absence note ends nothing");
        let alias = world.mail("eml_3", "d.whitlock@private.example", "Re: Kegs", "Tell me more", Some("<m1@senders.example>"));
        assert_eq!(enrollments(&world.receive(&alias).await), ["enrollment/e1"]);
        assert_eq!(world.enrollment("e1").await, ("replied".into(), "replied by email".into()));
    })
    .await;
}

/// Kim answers for Dana.
#[tokio::test]
async fn an_answer_from_somebody_elses_address_is_of_whom_we_wrote_to() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let mail = r#"{"kind":"email","to_name":"Dana","to_address":"dana@nordhafen.example","subject":"Kegs","html":"x","reply_to":null,"headers":[]}"#;
        world.touch("e1", "email", "sent", Some(mail), Some("trk_1")).await;
        world.run("UPDATE touches SET mail_message_id = '<m1@senders.example>'").await;
        let answer = world.mail("eml_1", "kim@nordhafen.example", "Re: Kegs", "We have some", Some("<m1@senders.example>"));
        world.receive(&answer).await;
        assert_eq!(world.enrollment("e1").await.0, "replied");
        assert_eq!(store.replies("default", "dana").await.unwrap().len(), 1);
        assert!(store.replies("default", "kim").await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn whoever_is_away_is_put_off_on_every_channel_and_in_every_campaign() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.enroll("e2", "dana", "c2", "s-none").await;
        world.touch("e1", "message", "planned", None, None).await;
        let away = |id: &str, text: &str| world.mail(id, "dana@nordhafen.example", "Out of office", text, None);
        for _ in 0..2 {
            let received = world.receive(&away("eml_1", "I am back on 16 March 2026.")).await;
            assert_eq!(received.tell, ["enrollment/e1", "enrollment/e2"]);
        }
        assert_eq!(world.touch_states("e1").await, ["released"]);
        assert_eq!(world.enrollment("e1").await.0, "scheduled");
        assert_eq!(absent_until(&store).await.as_deref(), Some("2026-03-16T00:00:00Z"));
        world.receive(&away("eml_2", "Back on 9 March.")).await;
        assert_eq!(absent_until(&store).await.as_deref(), Some("2026-03-16T00:00:00Z"), "the later one holds");
        world.receive(&away("eml_3", "I have left for a year, back on 1 March 2027")).await;
        assert_eq!(absent_until(&store).await.as_deref(), Some("2026-05-01T00:00:00Z"), "60 days at most");
        let kinds: Vec<_> =
            store.replies("default", "dana").await.unwrap().into_iter().map(|reply| reply.kind).collect();
        assert_eq!(kinds, ["out_of_office"; 3]);
    })
    .await;
}

#[tokio::test]
async fn a_note_without_a_date_puts_off_for_a_week_and_a_receipt_for_no_time() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.touch("e1", "message", "planned", None, None).await;
        let receipt = "This is an automated message: we have received your mail. Ticket 4711 of 16 March.";
        let body = world.mail("eml_1", "dana@nordhafen.example", "Re: Kegs", receipt, None);
        assert!(world.receive(&body).await.tell.is_empty());
        assert_eq!(store.replies("default", "dana").await.unwrap()[0].kind, "automatic");
        assert_eq!((absent_until(&store).await, world.touch_states("e1").await), (None, vec!["planned"]));
        let body = world.mail("eml_2", "dana@nordhafen.example", "Out of office", "I am away.", None);
        assert_eq!(world.receive(&body).await.tell, ["enrollment/e1"]);
        assert_eq!(absent_until(&store).await.as_deref(), Some("2026-03-09T00:00:00Z"));
        assert_eq!(world.touch_states("e1").await, ["released"]);
        assert_eq!(world.enrollment("e1").await.0, "scheduled");
    })
    .await;
}

/// Until when Dana is away.
async fn absent_until(store: &Store) -> Option<String> {
    let until_ms: Option<i64> = sqlx::query_scalar("SELECT absent_until_ms FROM persons WHERE id = 'dana'")
        .fetch_one(store.read())
        .await
        .unwrap();
    until_ms.map(|until_ms| jiff::Timestamp::from_millisecond(until_ms).unwrap().to_string())
}

#[tokio::test]
async fn an_echo_of_our_own_mail_is_no_reply_whatever_it_says() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let mail = r#"{"kind":"email","to_name":"Dana","to_address":"dana@nordhafen.example","subject":"Out of office kegs","html":"x","reply_to":null,"headers":[]}"#;
        world.touch("e1", "email", "sent", Some(mail), Some("trk_1")).await;
        for (id, message_id) in [("eml_1", "<m1@senders.example>"), ("eml_2", "<m2@senders.example>")] {
            let echo = world.own_mail(id, "Out of office kegs", "trk_1", message_id);
            assert!(world.receive(&echo).await.tell.is_empty());
        }
        assert!(store.replies("default", "dana").await.unwrap().is_empty());
        assert_eq!((world.enrollment("e1").await.0.as_str(), absent_until(&store).await), ("scheduled", None));
        assert_eq!(world.paused("e1").await, None);
    })
    .await;
}

#[tokio::test]
async fn a_mail_from_the_accounts_own_address_is_ours_whatever_the_provider_calls_it() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.run("UPDATE accounts SET address = 'owner1@senders.example' WHERE id = 'a1'").await;
        let mail = r#"{"kind":"email","to_name":"Dana","to_address":"dana@nordhafen.example","subject":"Kegs","html":"x","reply_to":null,"headers":[]}"#;
        let touch = world.touch("e1", "email", "unknown", Some(mail), None).await;
        let named = world.own_mail("eml_1", "Kegs", "trk_1", "<m1@senders.example>");
        let unnamed = named.replace("mail_sent", "mail_received").replace("\"sent\"", "\"inbox\"");
        assert_ne!(named, unnamed);
        let received = world.receive(&unnamed.replace("owner1@senders", "Owner1@Senders")).await;
        assert!(received.settled, "{received:?}");
        assert_eq!(world.touch_of(&touch).await.0, "sent");
        let stop = world.mail("eml_2", "OWNER1@senders.example", "Re: Kegs", "STOP", Some("<m1@senders.example>"));
        world.receive(&stop).await;
        assert!(store.replies("default", "dana").await.unwrap().is_empty());
        assert!(store.suppressions("default").await.unwrap().is_empty());
        assert_eq!((world.enrollment("e1").await.0, world.paused("e1").await), ("scheduled".into(), None));
    })
    .await;
}

#[tokio::test]
async fn events_of_strangers_are_kept_and_can_be_applied_later() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.receive(&world.message("msg_9", "stranger", "Hello", 0)).await;
        let other = json!({ "AccountStatus": { "account_id": "acc_unknown", "message": "CREDENTIALS" } });
        world.receive(&other.to_string()).await;
        let unmatched = store.events("default", true, 10).await.unwrap();
        assert_eq!(unmatched.len(), 2);
        world.see("stranger", "kim").await;
        world.enroll("e3", "kim", "c2", "s-all").await;
        let event = unmatched.iter().find(|event| event.kind == "message").unwrap();
        let again = reprocess(&store, clock(), "default", event).await.unwrap().unwrap();
        // The second is of a colleague in a campaign that one answer of a company ends.
        assert_eq!((again.is_new, enrollments(&again)), (false, vec!["enrollment/e3", "enrollment/e1"]));
        assert_eq!(reprocess(&store, clock(), "default", event).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn an_event_belongs_to_the_tenant_of_its_account() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let receive = async |body: &str| receive(&store, clock(), "globex", body.as_bytes()).await.unwrap();
        let stored = async |tenant: &str| store.events(tenant, false, 9).await.unwrap().len();
        let received = receive(&world.message("msg_9", "dana", "Thanks", 0)).await;
        assert_eq!(enrollments(&received), ["enrollment/e1"]);
        assert_eq!((stored("default").await, stored("globex").await), (1, 0));

        // An event of nobody's account waits where it went at first, until the account is somebody's.
        let early = world.message("msg_10", "kim", "Hello", 0).replace("acc_1", "acc_2");
        assert!(receive(&early).await.is_new);
        assert_eq!((stored("default").await, stored("globex").await), (1, 1));
        world.add_account("a2", "acc_2", Channel::Linkedin).await;
        world
            .run(
                "INSERT INTO account_people (account_id, tenant, person_id, provider_id) \
                 VALUES ('a2', 'default', 'kim', 'kim')",
            )
            .await;
        world.enroll("e2", "kim", "c2", "s-all").await;
        let again = receive(&early).await;
        assert_eq!((again.is_new, enrollments(&again)), (false, vec!["enrollment/e2"]));
        assert_eq!((stored("default").await, stored("globex").await), (2, 0));
        assert_eq!(world.enrollment("e2").await.0, "replied");
        let third = receive(&early).await;
        assert_eq!((third.is_new, third.event_id), (false, again.event_id));
        assert_eq!((stored("default").await, stored("globex").await), (2, 0));
    })
    .await;
}

/// What had its effect with one tenant does not become another's with the account.
#[tokio::test]
async fn an_event_that_concerned_somebody_stays_with_its_tenant() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let body = world.message("msg_9", "dana", "Thanks", 0);
        world.receive(&body).await;
        world.run("UPDATE accounts SET tenant = 'globex' WHERE id = 'a1'").await;
        let again = world.receive(&body).await;
        assert_eq!((again.is_new, again.tell), (false, vec![]));
        assert_eq!(store.events("default", false, 9).await.unwrap().len(), 1);
        assert!(store.events("globex", false, 9).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_beginning_of_an_id_finds_an_event_whatever_the_order_of_texts() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        if store.backend() == Backend::Postgres {
            // As in a database that was made for a language, which passes over control characters in its order.
            world.run("ALTER TABLE events ALTER COLUMN id TYPE TEXT COLLATE \"und-x-icu\"").await;
        }
        let id = world.receive(&world.message("msg_9", "dana", "Thanks", 0)).await.event_id;
        let found = async |word: &str| {
            let events = store.matching_events("default", word).await.unwrap();
            events.into_iter().map(|event| event.id).collect::<Vec<_>>()
        };
        for word in [&id[..8], &id[..20], id.as_str(), "last"] {
            assert_eq!(found(word).await, std::slice::from_ref(&id), "{word}");
        }
        for word in ["ffffffff", "%", "________"] {
            assert!(found(word).await.is_empty(), "{word}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_lost_account_is_disconnected_and_found_again() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.run("UPDATE campaigns SET state = 'stopped', ended_at_ms = 1 WHERE id = 'c2'").await;
        for campaign in ["c1", "c2"] {
            let uses = format!("('{campaign}', 'default', 'a1')");
            world.run(&format!("INSERT INTO campaign_accounts (campaign_id, tenant, account_id) VALUES {uses}")).await;
        }
        let status =
            |message: &str| json!({ "AccountStatus": { "account_id": "acc_1", "message": message } }).to_string();
        assert_eq!(world.receive(&status("CREDENTIALS")).await.tell, ["account/a1"]);
        let account = store.account("default", "a1").await.unwrap().unwrap();
        assert_eq!(account.state, "disconnected");
        assert_eq!(world.receive(&status("RECONNECTED")).await.tell, ["account/a1", "enrollment/e1", "campaign/c1"]);
        assert_eq!(store.account("default", "a1").await.unwrap().unwrap().state, "active");
        sqlx::query("UPDATE accounts SET state = 'restricted'").execute(store.read()).await.unwrap();
        world.receive(&status("OK")).await;
        assert_eq!(store.account("default", "a1").await.unwrap().unwrap().state, "restricted");
    })
    .await;
}

#[tokio::test]
async fn the_answer_waits_for_a_call_that_may_still_begin() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let touch = world.touch("e1", "invite", "calling", None, None).await;
        let begin_by_ms = clock().now_ms() + 60_000;
        sqlx::query("UPDATE touches SET call_begin_by_ms = $2 WHERE id = $1")
            .bind(&touch)
            .bind(begin_by_ms)
            .execute(store.read())
            .await
            .unwrap();
        let body = world.message("msg_9", "dana", "Thanks", 0);
        assert_eq!(world.receive(&body).await.answer_at_ms, Some(begin_by_ms));
        assert_eq!(world.receive(&body).await.answer_at_ms, Some(begin_by_ms), "for a repeat as well");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_event_is_refused() {
    each_backend(async |store| {
        for body in ["", "[]", r#"{"event":"message_received"}"#] {
            let refused = receive(&store, clock(), "default", body.as_bytes()).await;
            assert!(matches!(refused, Err(ReceiveError::Event(_))), "{body}: {refused:?}");
        }
    })
    .await;
}
