//! Emails: idempotency, bounces, rejections and answers.

use leadflow_clock::Clock;
use leadflow_sandbox::{EffectKind, ReplyKind, UnipileOptions};
use serde_json::Value;

use super::{FAST, MAIL, ORIGIN_MS, calm, eventually, fields, quiet, refused, replies, with};
use crate::Fixture;

const UNKNOWN: &str = "nobody@nowhere.example";

async fn inbox(fixture: &Fixture) -> Vec<Value> {
    let list = fixture.unipile(&format!("emails?account_id={MAIL}&role=inbox")).await;
    list["items"].as_array().expect("items").clone()
}

async fn arrival(fixture: &Fixture) -> Value {
    eventually("a mail", async || inbox(fixture).await.pop()).await
}

#[tokio::test]
async fn a_key_repeats_the_first_result() {
    let fixture = calm().await;
    let long_key = "k".repeat(256);
    let send = async |text, key| fixture.email(UNKNOWN, text, Some(key)).await;
    let first = send("<p>Hello</p>", "key-1").await.expect("sent");
    assert_eq!(send("<p>Hello</p>", "key-1").await.as_ref(), Ok(&first));
    assert_eq!(send("<p>Other</p>", "key-1").await, refused("idempotency_conflict"));
    assert_eq!(send("<p>Hello</p>", &long_key).await, refused("invalid_parameters"));
    assert_eq!(fixture.effects(EffectKind::Email), 1);
    assert_ne!(send("<p>Hello</p>", "key-2").await.as_ref(), Ok(&first));
    assert_eq!(fixture.effects(EffectKind::Email), 2);
    let effect = fixture.sandbox.effects().remove(0).effect;
    assert_eq!((effect.person.as_str(), effect.idempotency_key.as_deref()), (UNKNOWN, Some("key-1")));
    let ids = (effect.text.as_deref(), effect.message_id.as_deref());
    assert_eq!(ids, (Some("<p>Hello</p>"), first["provider_id"].as_str()));
}

#[tokio::test]
async fn keys_are_forgotten_after_a_day() {
    let fixture = with(quiet(), Clock::fast(ORIGIN_MS, FAST)).await;
    let send = async || fixture.email(UNKNOWN, "Hello", Some("key-1")).await.expect("sent");
    let first = send().await;
    eventually("a forgotten key", async || Some(send().await).filter(|again| *again != first)).await;
    let effects = fixture.sandbox.effects();
    assert!(effects[1].at_ms - effects[0].at_ms >= 24 * 3_600_000, "{effects:?}");
}

#[tokio::test]
async fn unknown_addresses_come_back() {
    let fixture = with(quiet(), Clock::fast(ORIGIN_MS, FAST)).await;
    fixture.email(UNKNOWN, "Hello", None).await.expect("sent");
    let sent = fixture.unipile(&format!("emails?account_id={MAIL}&role=sent")).await["items"][0].clone();
    let bounce = arrival(&fixture).await;
    assert_eq!(bounce["subject"], "Undelivered Mail Returned to Sender");
    assert_eq!(bounce["from_attendee"]["identifier"], "mailer-daemon@nowhere.example");
    assert_eq!(bounce["in_reply_to"]["message_id"], sent["message_id"]);
    let body = bounce["body_plain"].as_str().expect("a body");
    assert!(body.contains(&format!("Final-Recipient: rfc822; {UNKNOWN}")) && body.contains("Status: 5.1.1"), "{body}");
}

#[tokio::test]
async fn known_addresses_are_taken_refused_or_come_back_at_the_rates() {
    let known = async |fixture: &Fixture| {
        let (_, list) = crate::sent(fixture.get("/hunter/v2/domain-search?domain=ring-energy.example&limit=100")).await;
        list["data"]["emails"][0]["value"].as_str().expect("an address").to_owned()
    };
    let fixture = with(quiet(), Clock::fast(ORIGIN_MS, FAST)).await;
    let address = known(&fixture).await;
    fixture.email(&address, "Hello", None).await.expect("sent");

    fixture.sandbox.set_unipile_options(UnipileOptions { reject_permille: 1000, ..quiet() });
    assert_eq!(fixture.email(&address, "Hello", None).await, refused("recipient_rejected"));
    assert_eq!(fixture.effects(EffectKind::Email), 1);

    fixture.sandbox.set_unipile_options(UnipileOptions { complaint_permille: 1000, ..quiet() });
    fixture.email(&address, "Hello", None).await.expect("sent");
    let complaint = arrival(&fixture).await;
    assert!(complaint["body_plain"].as_str().is_some_and(|body| body.contains("Feedback-Type: abuse")), "{complaint}");

    fixture.sandbox.set_unipile_options(UnipileOptions { bounce_permille: 1000, ..quiet() });
    fixture.email(&address, "Hello", None).await.expect("sent");
    eventually("a bounce", async || {
        inbox(&fixture).await.into_iter().find(|mail| mail["subject"] == "Undelivered Mail Returned to Sender")
    })
    .await;
}

#[tokio::test]
async fn people_answer_in_their_way() {
    for (kind, subject, words) in [
        (ReplyKind::OptOut, "Re: Kegs", ["remove me", "unsubscribe"]),
        (ReplyKind::OutOfOffice, "Automatic reply: Kegs", ["out of the office", "out of office"]),
    ] {
        let fixture = calm().await;
        fixture.sandbox.set_unipile_behaviour(UNKNOWN, replies(kind));
        let sent = fixture.email(UNKNOWN, "<p>Hello&amp;<br>bye</p>", None).await.expect("sent");
        let reply = arrival(&fixture).await;
        assert_eq!((&reply["subject"], &reply["from_attendee"]["identifier"]), (&subject.into(), &UNKNOWN.into()));
        let text = reply["body_plain"].as_str().expect("a text").to_lowercase();
        assert!(words.iter().any(|word| text.contains(word)), "{text}");
        assert_eq!(
            reply["headers"].as_array().is_some_and(|headers| !headers.is_empty()),
            kind == ReplyKind::OutOfOffice
        );
        let ours = fixture.unipile(&format!("emails?account_id={MAIL}")).await["items"][1].clone();
        assert_eq!((&ours["tracking_id"], &ours["body_plain"]), (&sent["tracking_id"], &"Hello&\nbye".into()));
        assert_eq!(reply["in_reply_to"]["id"], ours["id"]);
    }
}

#[tokio::test]
async fn wrong_emails_are_refused() {
    let fixture = calm().await;
    let to = r#"[{"identifier":"a@b.example"}]"#;
    for (form, kind) in [
        (vec![("account_id", MAIL), ("body", "x")], "missing_parameters"),
        (vec![("account_id", MAIL), ("to", to)], "missing_parameters"),
        (vec![("account_id", MAIL), ("to", "a@b.example"), ("body", "x")], "invalid_parameters"),
        (vec![("account_id", MAIL), ("to", r#"[{"identifier":"nobody"}]"#), ("body", "x")], "invalid_recipient"),
        (vec![("account_id", MAIL), ("to", to), ("body", "x"), ("reply_to", "none")], "parent_mail_not_found"),
        (vec![("account_id", MAIL), ("to", to), ("body", "x"), ("custom_headers", "x")], "invalid_headers"),
        (vec![("account_id", "acc_li_1"), ("to", to), ("body", "x")], "invalid_account"),
    ] {
        assert_eq!(fixture.form("emails", fields(&form)).await, refused(kind), "{form:?}");
    }
    assert!(fixture.sandbox.effects().is_empty());
}
