//! Unipile: invitations, chats, emails, webhooks, and the effects that the ledger lists.

mod emails;
mod errors;
mod invites;
mod messages;
mod webhooks;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use leadflow_clock::Clock;
use leadflow_sandbox::{
    Accept, Behaviour, EffectKind, PlannedReply, ReplyKind, ReplyRule, SandboxConfig, UnipileOptions,
};
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::{Fixture, sent};

const ORIGIN_MS: i64 = 1_768_469_400_000;
const DAY_MS: i64 = 86_400_000;
/// An hour every millisecond.
const FAST: f64 = 3_600_000.0;
const LINKEDIN: &str = "acc_li_1";
const MAIL: &str = "acc_mail_1";
/// Not in the data, so a stranger to every account.
const PERSON: &str = "sim-dana-whitlock-00000a";

/// Nobody does anything that was not asked for.
fn quiet() -> UnipileOptions {
    UnipileOptions {
        accept_permille: 0,
        decline_permille: 0,
        reply_permille: 0,
        bounce_permille: 0,
        reject_permille: 0,
        complaint_permille: 0,
        ..UnipileOptions::default()
    }
}

async fn with(unipile: UnipileOptions, clock: Clock) -> Fixture {
    Fixture::with(SandboxConfig { clock, unipile, ..SandboxConfig::default() }).await
}

async fn calm() -> Fixture {
    with(quiet(), Clock::system()).await
}

fn accepts(accept: Accept) -> Behaviour {
    Behaviour { accept: Some(accept), ..Behaviour::default() }
}

fn replies(kind: ReplyKind) -> Behaviour {
    let reply = ReplyRule::Always(PlannedReply { kind, after_ms: Some(0), text: None });
    Behaviour { reply, bounce: Some(false), ..Behaviour::default() }
}

/// Asks until the answer holds.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    });
    asked.await.unwrap_or_else(|_| panic!("not within 20 s: {what}"))
}

impl Fixture {
    async fn unipile(&self, path: &str) -> Value {
        let (status, body) = sent(self.get(&format!("/unipile/api/v1/{path}"))).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn profile(&self, account: &str, person: &str) -> Value {
        self.unipile(&format!("users/{person}?account_id={account}")).await
    }

    async fn provider_id(&self, account: &str, person: &str) -> String {
        self.profile(account, person).await["provider_id"].as_str().expect("an id").to_owned()
    }

    /// Status and body, or the type of the error.
    async fn invite(&self, account: &str, person: &str, message: Option<&str>) -> Result<Value, String> {
        let provider_id = self.provider_id(account, person).await;
        let body = json!({"account_id": account, "provider_id": provider_id, "message": message});
        taken(sent(self.post("/unipile/api/v1/users/invite", &body)).await)
    }

    async fn connect(&self, account: &str, person: &str) -> String {
        self.sandbox.unipile_connect_by_hand(account, person).expect("a stranger");
        self.provider_id(account, person).await
    }

    async fn form(&self, path: &str, form: Form) -> Result<Value, String> {
        let request = crate::with_key(self.client.post(self.url(&format!("/unipile/api/v1/{path}")))).multipart(form);
        taken(sent(request).await)
    }

    async fn start_chat(&self, account: &str, provider_id: &str, text: &str) -> Result<Value, String> {
        self.form("chats", fields(&[("account_id", account), ("attendees_ids", provider_id), ("text", text)])).await
    }

    async fn email(&self, address: &str, text: &str, key: Option<&str>) -> Result<Value, String> {
        let to = json!([{"display_name": "Dana", "identifier": address}]).to_string();
        let form = fields(&[("account_id", MAIL), ("to", &to), ("subject", "Kegs"), ("body", text)]);
        let mut request = crate::with_key(self.client.post(self.url("/unipile/api/v1/emails"))).multipart(form);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        taken(sent(request).await)
    }

    fn effects(&self, kind: EffectKind) -> usize {
        self.sandbox.effects().iter().filter(|entry| entry.effect.kind == kind).count()
    }

    async fn listen(&self, source: &str, events: &[&str], ear: &Ear) {
        let headers = json!([{"key": "Unipile-Auth", "value": "secret"}]);
        let body = json!({
            "request_url": ear.url, "source": source, "headers": headers, "events": events, "name": "inbox",
        });
        let (status, body) = sent(self.post("/unipile/api/v1/webhooks", &body)).await;
        assert_eq!((status.as_u16(), &body["object"]), (201, &json!("WebhookCreated")), "{body}");
    }
}

fn fields(fields: &[(&str, &str)]) -> Form {
    fields.iter().fold(Form::new(), |form, (name, value)| form.text((*name).to_owned(), (*value).to_owned()))
}

fn taken((status, body): (reqwest::StatusCode, Value)) -> Result<Value, String> {
    if status.is_success() {
        return Ok(body);
    }
    assert_eq!(body["status"], status.as_u16(), "{body}");
    assert!(body["title"].is_string(), "{body}");
    Err(body["type"].as_str().expect("a type").strip_prefix("errors/").expect("the prefix").to_owned())
}

fn refused<T>(kind: &str) -> Result<T, String> {
    Err(kind.to_owned())
}

/// Somebody who takes webhooks.
struct Ear {
    url: String,
    heard: Heard,
}

type Heard = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

impl Ear {
    /// Answers 500 to the first `failures` deliveries.
    async fn open(failures: usize) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let heard = Heard::default();
        let hear = async move |State(heard): State<Heard>, headers: HeaderMap, body: String| {
            let mut heard = heard.lock().expect("no panic");
            heard.push((headers, serde_json::from_str(&body).expect("JSON")));
            if heard.len() <= failures { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
        };
        let router = Router::new().route("/hook", post(hear)).with_state(Arc::clone(&heard));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, heard }
    }

    fn heard(&self) -> Vec<Value> {
        self.heard.lock().expect("no panic").iter().map(|(_, body)| body.clone()).collect()
    }

    async fn hears(&self, count: usize) -> Vec<Value> {
        eventually(&format!("{count} deliveries"), async || Some(self.heard()).filter(|heard| heard.len() >= count))
            .await
    }
}
