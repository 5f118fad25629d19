//! Chats, InMail and profile visits.

use leadflow_sandbox::{EffectKind, EnforcedLimits, ReplyKind, UnipileOptions};
use serde_json::json;

use super::{LINKEDIN, PERSON, calm, eventually, fields, quiet, refused, replies, with};
use crate::sent;
use leadflow_clock::Clock;

#[tokio::test]
async fn a_chat_needs_a_connection_and_there_is_one_per_person() {
    let fixture = calm().await;
    let id = fixture.provider_id(LINKEDIN, PERSON).await;
    assert_eq!(fixture.start_chat(LINKEDIN, &id, "Hello").await, refused("no_connection_with_recipient"));
    fixture.connect(LINKEDIN, PERSON).await;
    let chat = fixture.start_chat(LINKEDIN, &id, "Hello").await.expect("started");
    let chat_id = chat["chat_id"].as_str().expect("an id").to_owned();
    assert_eq!(fixture.start_chat(LINKEDIN, &id, "Hello again").await.expect("the same")["chat_id"], chat["chat_id"]);
    let path = format!("chats/{chat_id}/messages");
    let third = fixture.form(&path, fields(&[("text", "And again"), ("account_id", LINKEDIN)])).await.expect("sent");
    let other = fixture.form(&path, fields(&[("text", "x"), ("account_id", "acc_li_2")])).await;
    assert_eq!(other, refused("account_mismatch"));
    assert_eq!(fixture.form(&path, fields(&[("account_id", LINKEDIN)])).await, refused("missing_parameters"));

    let messages = fixture.unipile(&path).await["items"].clone();
    let texts: Vec<_> = messages.as_array().expect("items").iter().map(|message| message["text"].clone()).collect();
    assert_eq!(texts, ["And again", "Hello again", "Hello"]);
    assert_eq!((&messages[0]["id"], &messages[0]["is_sender"]), (&third["message_id"], &json!(1)));
    let chats = fixture.unipile(&format!("chats?account_id={LINKEDIN}")).await["items"].clone();
    assert_eq!((chats.as_array().map(Vec::len), &chats[0]["attendee_provider_id"]), (Some(1), &json!(id)));
    assert_eq!(fixture.effects(EffectKind::Message), 3);

    let reply = fixture.sandbox.unipile_reply(LINKEDIN, PERSON, "Tell me more").expect("known");
    let by_hand = fixture.sandbox.unipile_owner_message(LINKEDIN, PERSON, "Gladly").expect("known");
    let newest = fixture.unipile(&format!("messages?account_id={LINKEDIN}&limit=2")).await["items"].clone();
    assert_eq!((&newest[0]["id"], &newest[0]["is_sender"]), (&json!(by_hand), &json!(1)));
    assert_eq!(
        (&newest[1]["id"], &newest[1]["is_sender"], &newest[1]["sender_id"]),
        (&json!(reply), &json!(0), &json!(id))
    );
    assert_eq!(fixture.effects(EffectKind::Message), 3, "what people write by hand is no effect of a call");
}

#[tokio::test]
async fn people_reply_in_the_chat() {
    let fixture = calm().await;
    fixture.sandbox.set_unipile_behaviour(PERSON, replies(ReplyKind::OptOut));
    let id = fixture.connect(LINKEDIN, PERSON).await;
    let chat = fixture.start_chat(LINKEDIN, &id, "Hello").await.expect("started");
    let path = format!("chats/{}/messages", chat["chat_id"].as_str().expect("an id"));
    let text = eventually("a reply", async || {
        let newest = fixture.unipile(&path).await["items"][0].clone();
        (newest["is_sender"] == 0).then(|| newest["text"].as_str().expect("a text").to_lowercase())
    });
    let text = text.await;
    assert!(text.contains("remove me") || text.contains("unsubscribe"), "{text}");
}

#[tokio::test]
async fn json_is_taken_unless_it_is_switched_off() {
    let fixture = calm().await;
    let id = fixture.connect(LINKEDIN, PERSON).await;
    let body = json!({"account_id": LINKEDIN, "attendees_ids": [id], "text": "Hello"});
    assert_eq!(sent(fixture.post("/unipile/api/v1/chats", &body)).await.0, 201);
    fixture.sandbox.set_unipile_options(UnipileOptions { refuse_json: true, ..quiet() });
    assert_eq!(sent(fixture.post("/unipile/api/v1/chats", &body)).await.0, 415);
    fixture.start_chat(LINKEDIN, &id, "Hello").await.expect("a form");
}

#[tokio::test]
async fn inmail_costs_credit_and_reaches_those_who_take_it() {
    let limits = EnforcedLimits { inmail_credits: 1, ..EnforcedLimits::default() };
    let fixture = with(UnipileOptions { limits, ..quiet() }, Clock::system()).await;
    let inmail = async |account: &'static str, person: &str| {
        let id = fixture.provider_id(account, person).await;
        let form = [
            ("account_id", account),
            ("attendees_ids", &id),
            ("subject", "Kegs"),
            ("text", "Hi"),
            ("linkedin[inmail]", "true"),
        ];
        fixture.form("chats", fields(&form)).await.map(|_| ())
    };
    let (mut open, mut takers, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..60 {
        let person = format!("sim-a-b-{n}");
        let profile = fixture.profile(LINKEDIN, &person).await;
        let kind = match (profile["is_open_profile"] == true, profile["can_send_inmail"] == true) {
            (true, _) => &mut open,
            (_, true) => &mut takers,
            _ => &mut others,
        };
        kind.push(person);
    }
    assert_eq!(inmail(LINKEDIN, &others[0]).await, refused("not_allowed_inmail"));
    assert_eq!(inmail(LINKEDIN, &takers[0]).await, Ok(()));
    assert_eq!(inmail(LINKEDIN, &takers[1]).await, refused("insufficient_credits"));
    assert_eq!(inmail(LINKEDIN, &open[0]).await, Ok(()));
    assert_eq!(inmail("acc_li_free_1", &takers[0]).await, refused("feature_not_subscribed"));
    assert_eq!(fixture.effects(EffectKind::InMail), 2);
}

#[tokio::test]
async fn only_visits_that_the_person_is_told_of_are_effects() {
    let limits = EnforcedLimits { profile_views_per_day: 2, ..EnforcedLimits::default() };
    let fixture = with(UnipileOptions { limits, ..quiet() }, Clock::system()).await;
    for _ in 0..3 {
        fixture.profile(LINKEDIN, PERSON).await;
    }
    assert!(fixture.sandbox.effects().is_empty());
    let path = format!("/unipile/api/v1/users/{PERSON}?account_id={LINKEDIN}&notify=true&linkedin_sections=*_preview");
    for _ in 0..2 {
        let (_, profile) = sent(fixture.get(&path)).await;
        assert_eq!(profile["work_experience"][0]["current"], true, "{profile}");
    }
    assert_eq!(sent(fixture.get(&path)).await.1["type"], "errors/limit_exceeded");
    assert_eq!(fixture.effects(EffectKind::ProfileView), 2);
}
