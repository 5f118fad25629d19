//! Webhooks out: what is told, how often, and when the answer came.

use leadflow_clock::Clock;
use leadflow_sandbox::{AccountChange, ReplyKind, UnipileOptions, WebhookOptions};
use serde_json::{Value, json};

use super::{Ear, FAST, LINKEDIN, MAIL, ORIGIN_MS, PERSON, calm, eventually, quiet, replies, with};
use crate::{Fixture, sent};

fn at_once() -> WebhookOptions {
    WebhookOptions { relation_delay_ms: (0, 0), ..WebhookOptions::default() }
}

async fn told(fixture: &Fixture, count: usize) -> Vec<leadflow_sandbox::Delivery> {
    eventually("deliveries", async || Some(fixture.sandbox.deliveries()).filter(|all| all.len() >= count)).await
}

#[tokio::test]
async fn messages_are_told_with_our_own_among_them() {
    let fixture = calm().await;
    fixture.sandbox.set_unipile_behaviour(PERSON, replies(ReplyKind::Positive));
    let ear = Ear::open(0).await;
    fixture.listen("messaging", &[], &ear).await;
    let id = fixture.connect(LINKEDIN, PERSON).await;
    let chat = fixture.start_chat(LINKEDIN, &id, "Hello").await.expect("started");
    let heard = ear.hears(2).await;
    let own = heard.iter().find(|event| event["message_id"] == chat["message_id"]).expect("our own");
    assert_eq!(own["sender"]["attendee_provider_id"], own["account_info"]["user_id"]);
    assert_eq!((&own["event"], &own["webhook_name"]), (&json!("message_received"), &json!("inbox")));
    let theirs = heard.iter().find(|event| event["message_id"] != chat["message_id"]).expect("the reply");
    assert_eq!((&theirs["sender"]["attendee_provider_id"], &theirs["chat_id"]), (&json!(id), &chat["chat_id"]));
    let (headers, _) = ear.heard.lock().expect("no panic")[0].clone();
    assert_eq!(headers.get("unipile-auth").map(AsRef::as_ref), Some(b"secret".as_slice()));
    assert_eq!(headers.get("content-type"), None);

    let deliveries = told(&fixture, 2).await;
    let reply = deliveries.iter().find(|delivery| delivery.kind == "positive").expect("the reply's");
    assert_eq!((reply.status, reply.person.as_deref(), reply.attempt, reply.copy), (Some(200), Some(PERSON), 1, 1));
    let call = fixture.sandbox.effects().remove(0);
    assert!(reply.answered_real_us.is_some_and(|answered| answered > call.real_at_us), "{reply:?}");
    assert!(deliveries.iter().any(|delivery| delivery.kind == "own"));
}

#[tokio::test]
async fn relations_mails_and_account_states_are_told() {
    let fixture = with(UnipileOptions { webhooks: at_once(), ..quiet() }, Clock::system()).await;
    let ear = Ear::open(0).await;
    fixture.listen("users", &["new_relation"], &ear).await;
    fixture.listen("email", &["mail_received", "mail_sent"], &ear).await;
    fixture.listen("account_status", &[], &ear).await;

    let id = fixture.connect(LINKEDIN, PERSON).await;
    let relation = ear.hears(1).await.remove(0);
    assert_eq!((&relation["user_provider_id"], &relation["user_public_identifier"]), (&json!(id), &json!(PERSON)));
    let address = "dana@nowhere.example";
    fixture.sandbox.set_unipile_behaviour(address, replies(ReplyKind::Negative));
    fixture.email(address, "Hello", None).await.expect("sent");
    let heard = ear.hears(3).await;
    let event = |name: &str| heard.iter().find(|event| event["event"] == name).cloned().expect("told");
    assert_eq!(event("mail_received")["from_attendee"]["identifier"], address);
    assert_eq!(event("mail_received")["in_reply_to"]["id"], event("mail_sent")["email_id"]);
    fixture
        .sandbox
        .change_unipile_account(MAIL, &AccountChange { status: Some("CREDENTIALS".into()), restricted: None })
        .expect("a known account");
    let status = json!({"account_id": MAIL, "account_type": "MAIL", "message": "CREDENTIALS"});
    assert_eq!(ear.hears(4).await[3], json!({"AccountStatus": status}));
}

#[tokio::test]
async fn deliveries_are_lost_doubled_and_late_at_the_rates() {
    let run = async |webhooks: WebhookOptions| {
        let fixture = with(UnipileOptions { webhooks, ..quiet() }, Clock::fast(ORIGIN_MS, FAST)).await;
        let ear = Ear::open(0).await;
        fixture.listen("users", &[], &ear).await;
        for n in 0..40 {
            fixture.connect(LINKEDIN, &format!("sim-a-b-{n}")).await;
        }
        (fixture, ear)
    };
    let late = |fixture: &Fixture| {
        let deliveries = fixture.sandbox.deliveries();
        deliveries.iter().map(|delivery| delivery.sent_at_ms - delivery.happened_at_ms).min().expect("one")
    };
    let (fixture, ear) = run(WebhookOptions { double_permille: 1000, delay_ms: 86_400_000, ..at_once() }).await;
    told(&fixture, 80).await;
    assert!(ear.heard().len() == 80 && late(&fixture) >= 86_400_000);
    let second = fixture.sandbox.deliveries().iter().filter(|delivery| delivery.copy == 2).count();
    assert_eq!(second, 40);

    let (fixture, ear) = run(WebhookOptions { loss_permille: 500, ..at_once() }).await;
    let deliveries = told(&fixture, 40).await;
    let lost = deliveries.iter().filter(|delivery| delivery.is_lost && delivery.status.is_none()).count();
    assert!((8..32).contains(&lost), "{lost}");
    assert_eq!(ear.heard().len(), 40 - lost);

    let (fixture, _ear) = run(WebhookOptions { relation_delay_ms: (28_800_000, 28_800_000), ..at_once() }).await;
    told(&fixture, 40).await;
    assert!(late(&fixture) >= 28_800_000);
}

#[tokio::test]
async fn held_back_deliveries_are_overtaken() {
    let webhooks = WebhookOptions { reorder_permille: 500, ..at_once() };
    let fixture = with(UnipileOptions { webhooks, ..quiet() }, Clock::fast(ORIGIN_MS, 6_000.0)).await;
    let ear = Ear::open(0).await;
    fixture.listen("users", &[], &ear).await;
    for n in 0..20 {
        fixture.sandbox.unipile_connect_by_hand(LINKEDIN, &format!("sim-a-b-{n}")).expect("a stranger");
    }
    let order: Vec<Value> = ear.hears(20).await.iter().map(|event| event["user_public_identifier"].clone()).collect();
    let sent: Vec<Value> = (0..20).map(|n| json!(format!("sim-a-b-{n}"))).collect();
    assert_ne!(order, sent);
}

#[tokio::test]
async fn a_delivery_is_tried_six_times() {
    for (failures, tries, last) in [(2, 3, Some(200)), (99, 6, Some(500))] {
        let fixture = with(UnipileOptions { webhooks: at_once(), ..quiet() }, Clock::fast(ORIGIN_MS, FAST)).await;
        let ear = Ear::open(failures).await;
        fixture.listen("users", &[], &ear).await;
        fixture.connect(LINKEDIN, PERSON).await;
        let deliveries = told(&fixture, tries).await;
        assert_eq!(deliveries.iter().map(|delivery| delivery.attempt).max(), u32::try_from(tries).ok());
        assert_eq!(deliveries.last().and_then(|delivery| delivery.status), last);
        let (_, counts) = sent(fixture.get("/__sandbox/unipile")).await;
        assert_eq!((&counts["post"]["tries"], &counts["post"]["waiting"]), (&json!(tries), &json!(0)), "{counts}");
    }
}

#[tokio::test]
async fn only_this_machine_is_told() {
    let fixture = calm().await;
    for url in ["http://hooks.example/x", "https://127.0.0.1/x", "http://127.0.0.1.example/x", "nonsense"] {
        let (_, body) =
            sent(fixture.post("/unipile/api/v1/webhooks", &json!({"request_url": url, "source": "users"}))).await;
        assert_eq!(body["type"], "errors/invalid_url", "{url}");
    }
    let ear = Ear::open(0).await;
    fixture.listen("users", &[], &ear).await;
    let listed = fixture.unipile("webhooks").await["items"][0].clone();
    assert_eq!((&listed["request_url"], &listed["type"]), (&json!(ear.url), &json!("AUTO")));
    let path = format!("/unipile/api/v1/webhooks/{}", listed["id"].as_str().expect("an id"));
    assert_eq!(sent(crate::with_key(fixture.client.delete(fixture.url(&path)))).await.0, 200);
    fixture.connect(LINKEDIN, PERSON).await;
    assert_eq!(fixture.unipile("webhooks").await["items"], json!([]));
    assert_eq!(sent(fixture.get("/__sandbox/unipile")).await.1["post"]["waiting"], 0);
}
