//! Webhooks: who wants to be told, and the telling.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Answered;
use super::errors::error;
use super::pages::{Bounds, page};
use super::state::{State, between};
use crate::World;
use crate::exchange::{Call, Reply, real_us};

const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a delivery that is overtaken is held back at most.
const HELD_BACK_MS: i64 = 600_000;

pub(super) type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// One try to tell a webhook of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub webhook_id: String,
    /// `new_relation`, `message_received`, `mail_received`, `mail_sent` or `account_status`.
    pub event: String,
    pub account_id: String,
    /// LinkedIn public identifier, or e-mail address; null for the status of an account.
    pub person: Option<String>,
    /// What it is about: a reply's kind, `own`, `by_hand`, `by_request`, `bounce`, `complaint`, `connected`, or a status.
    pub kind: String,
    pub message_id: Option<String>,
    /// 1, or 2 for the second copy of a doubled delivery.
    pub copy: u32,
    /// 1 to 6.
    pub attempt: u32,
    /// When it happened, by the sandbox's clock, in Unix milliseconds.
    pub happened_at_ms: i64,
    /// When this try began, by the sandbox's clock; when it was due, if it was lost.
    pub sent_at_ms: i64,
    /// When the answer was there, by the sandbox's clock.
    pub answered_at_ms: Option<i64>,
    /// When the answer was there, by the system's clock, in Unix microseconds.
    pub answered_real_us: Option<i64>,
    /// Of the answer; null without one.
    pub status: Option<u16>,
    /// Whether the sandbox lost it on purpose.
    pub is_lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    Messaging,
    Email,
    Users,
    AccountStatus,
    EmailTracking,
    CalendarEvent,
}

/// An event to tell all webhooks of that want it.
pub(super) struct Announcement {
    pub(super) account: String,
    pub(super) source: Source,
    pub(super) event: &'static str,
    pub(super) person: Option<String>,
    pub(super) kind: String,
    pub(super) message_id: Option<String>,
    /// Tells events apart where chance is drawn.
    pub(super) key: String,
    pub(super) delay_ms: i64,
    pub(super) body: Value,
}

#[derive(Debug, Default)]
pub(super) struct Post {
    webhooks: Vec<Webhook>,
    /// By due instant.
    parcels: std::collections::BTreeMap<(i64, u64), Parcel>,
    pub(super) deliveries: Vec<Delivery>,
}

#[derive(Clone, Debug)]
struct Webhook {
    id: String,
    asked: Asked,
}

#[derive(Clone, Debug, Deserialize)]
struct Asked {
    request_url: String,
    source: Source,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    account_ids: Vec<String>,
    #[serde(default = "enabled")]
    enabled: bool,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    data: Vec<Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    key: String,
    value: String,
}

/// A delivery that waits for its time.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    url: Uri,
    headers: Vec<Header>,
    body: String,
    about: Delivery,
}

fn enabled() -> bool {
    true
}

pub(super) fn http_client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

impl Webhook {
    fn wants(&self, announcement: &Announcement) -> bool {
        let usual: &[&str] = match self.asked.source {
            Source::Messaging => &["message_received"],
            Source::Email => &["mail_received"],
            Source::Users => &["new_relation"],
            Source::AccountStatus => &["account_status"],
            Source::EmailTracking | Source::CalendarEvent => &[],
        };
        let events = &self.asked.events;
        self.asked.enabled
            && self.asked.source == announcement.source
            && (self.asked.account_ids.is_empty() || self.asked.account_ids.contains(&announcement.account))
            && if events.is_empty() {
                usual.contains(&announcement.event)
            } else {
                events.iter().any(|e| e == announcement.event)
            }
    }
}

impl State {
    pub(super) fn create_webhook(&mut self, call: &Call) -> Answered {
        let asked: Asked = serde_json::from_value(call.body.clone())
            .map_err(|problem| error("invalid_parameters", &problem.to_string()))?;
        if loopback(&asked.request_url).is_none() {
            let detail = "The sandbox tells nobody but this machine; hint: http://127.0.0.1:PORT/PATH";
            return Err(error("invalid_url", detail));
        }
        if !asked.data.is_empty() || asked.format.as_deref().is_some_and(|format| format != "json") {
            return Err(error("feature_not_implemented", "The sandbox sends all fields, as JSON."));
        }
        if let Some(unknown) = asked.account_ids.iter().find(|id| !self.accounts.contains_key(*id)) {
            return Err(error("invalid_parameters", &format!("No account is called {unknown}.")));
        }
        let id = format!("wh_{}", self.number());
        self.post.webhooks.push(Webhook { id: id.clone(), asked });
        Ok(Reply::free(201, json!({"object": "WebhookCreated", "webhook_id": id})))
    }

    pub(super) fn list_webhooks(&mut self, call: &Call) -> Answered {
        let webhooks: Vec<_> = self.post.webhooks.iter().collect();
        page(call, "WebhookList", Bounds::USUAL, webhooks, |webhook| {
            let asked = &webhook.asked;
            let account = |id: &String| {
                let account = self.accounts.get(id);
                json!({
                    "id": id, "name": account.map(super::accounts::Account::owner_name),
                    "type": account.map(super::accounts::Account::type_name),
                })
            };
            let mut view = json!({
                "object": "Webhook", "type": "AUTO", "id": webhook.id, "request_url": asked.request_url, "format": "json",
                "enabled": asked.enabled, "headers": asked.headers, "data": [], "source": source_name(asked.source),
                "account_ids": asked.account_ids.iter().map(account).collect::<Vec<_>>(),
            });
            if let Some(name) = &asked.name {
                view["name"] = json!(name);
            }
            if !asked.events.is_empty() {
                view["events"] = json!(asked.events);
            }
            view
        })
    }

    pub(super) fn delete_webhook(&mut self, id: &str) -> Answered {
        let index = self.post.webhooks.iter().position(|webhook| webhook.id == id);
        let index = index.ok_or_else(|| error("resource_not_found", "No webhook has this id."))?;
        self.post.webhooks.remove(index);
        Ok(Reply::free(200, json!({"object": "WebhookDeleted"})))
    }

    /// Hands a copy of the event to every webhook that wants it, as the options spoil it.
    pub(super) fn announce(&mut self, at_ms: i64, announcement: &Announcement) {
        let options = self.options.webhooks.clone();
        let wanted: Vec<_> = self.post.webhooks.iter().filter(|webhook| webhook.wants(announcement)).cloned().collect();
        for webhook in wanted {
            let Some(url) = loopback(&webhook.asked.request_url) else { continue };
            let seed = self.seed.of(&["webhook", &webhook.id, &announcement.key]);
            let mut body = announcement.body.clone();
            if webhook.asked.source != Source::AccountStatus {
                body["webhook_name"] = json!(webhook.asked.name.clone().unwrap_or_default());
            }
            let held_back = seed.of(&["reorder"]).permille(options.reorder_permille);
            let held_back_ms = if held_back { between(seed.of(&["held back"]), (0, HELD_BACK_MS)) } else { 0 };
            let due_ms = at_ms + announcement.delay_ms + options.delay_ms + held_back_ms;
            let about = Delivery {
                webhook_id: webhook.id,
                event: announcement.event.to_owned(),
                account_id: announcement.account.clone(),
                person: announcement.person.clone(),
                kind: announcement.kind.clone(),
                message_id: announcement.message_id.clone(),
                copy: 1,
                attempt: 1,
                happened_at_ms: at_ms,
                sent_at_ms: due_ms,
                answered_at_ms: None,
                answered_real_us: None,
                status: None,
                is_lost: seed.of(&["loss"]).permille(options.loss_permille),
            };
            if about.is_lost {
                self.post.deliveries.push(about);
                continue;
            }
            let copies = if seed.of(&["double"]).permille(options.double_permille) { 2 } else { 1 };
            for copy in 1..=copies {
                let about = Delivery { copy, ..about.clone() };
                let parcel =
                    Parcel { url: url.clone(), headers: webhook.asked.headers.clone(), body: body.to_string(), about };
                self.send_parcel(due_ms, parcel);
            }
        }
    }

    fn send_parcel(&mut self, due_ms: i64, parcel: Parcel) {
        let number = self.number();
        self.post.parcels.insert((due_ms, number), parcel);
    }

    pub(super) fn take_due_parcels(&mut self, now_ms: i64) -> Vec<Parcel> {
        let later = self.post.parcels.split_off(&(now_ms.saturating_add(1), 0));
        std::mem::replace(&mut self.post.parcels, later).into_values().collect()
    }

    pub(super) fn next_parcel_ms(&self) -> Option<i64> {
        self.post.parcels.keys().next().map(|(due_ms, _)| *due_ms)
    }

    pub(super) fn webhook_counts(&self) -> Value {
        let answered = self.post.deliveries.iter().filter(|delivery| delivery.status == Some(200)).count();
        json!({
            "webhooks": self.post.webhooks.len(), "waiting": self.post.parcels.len(), "answered": answered,
            "lost": self.post.deliveries.iter().filter(|delivery| delivery.is_lost).count(),
            "tries": self.post.deliveries.iter().filter(|delivery| !delivery.is_lost).count(),
        })
    }
}

/// Posts the parcel, notes the answer, and plans another try if it was not 200.
pub(super) async fn deliver(world: Arc<World>, parcel: Parcel) {
    let sent_at_ms = world.clock.now_ms();
    let mut request = Request::new(Full::new(Bytes::from(parcel.body.clone())));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = parcel.url.clone();
    for Header { key, value } in &parcel.headers {
        if let (Ok(name), Ok(value)) = (key.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            request.headers_mut().insert(name, value);
        }
    }
    let answer = tokio::select! {
        answer = tokio::time::timeout(ANSWER_WITHIN, world.unipile.http.request(request)) => answer,
        () = world.stopped() => return,
    };
    let (answered_real_us, now_ms) = (real_us(), world.clock.now_ms());
    let status = answer.ok().and_then(Result::ok).map(|response| response.status().as_u16());
    let about = Delivery {
        sent_at_ms,
        answered_at_ms: status.map(|_| now_ms),
        answered_real_us: status.map(|_| answered_real_us),
        status,
        ..parcel.about
    };
    world.unipile.at(now_ms, |state| {
        let delay_ms =
            usize::try_from(about.attempt - 1).ok().and_then(|tried| state.options.webhooks.retry_delays_ms.get(tried));
        if let Some(delay_ms) = delay_ms.filter(|_| status != Some(200)) {
            let about = Delivery { attempt: about.attempt + 1, ..about.clone() };
            state.send_parcel(now_ms + delay_ms, Parcel { about, ..parcel });
        }
        state.post.deliveries.push(about);
    });
}

fn loopback(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let is_here = matches!(uri.host()?, "127.0.0.1" | "localhost" | "[::1]");
    (uri.scheme_str() == Some("http") && is_here).then_some(uri)
}

fn source_name(source: Source) -> &'static str {
    match source {
        Source::Messaging => "messaging",
        Source::Email => "email",
        Source::Users => "users",
        Source::AccountStatus => "account_status",
        Source::EmailTracking => "email_tracking",
        Source::CalendarEvent => "calendar_event",
    }
}
