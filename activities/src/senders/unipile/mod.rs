//! Unipile: LinkedIn accounts and mailboxes.

mod errors;
mod events;
mod html;
mod mail;
mod times;
mod webhooks;
mod wire;

pub use events::parse_event;
pub use webhooks::SECRET_HEADER;

use super::{
    AccountState, Chat, ChatMessage, MailMessage, Page, ProfileView, Relation, SendError, SendRequest, SendResult,
    Sender, Sent, SentInvitation, Verdict,
};
use crate::config::{Config, ProviderConfig};
use crate::providers::http::{Answer, Body, Call, Http};
use crate::providers::{ProviderError, SetUpError};
use futures::FutureExt;
use leadflow_clock::Clock;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::timings::Timings;
use reqwest::Method;
use reqwest::multipart::Form;
use serde_json::{Value, json};
use std::time::Duration;

/// Items of a list's page; sent invitations and relations have other bounds than the rest.
const PAGE: &str = "250";
const INVITATIONS_PAGE: &str = "100";
const RELATIONS_PAGE: &str = "1000";
/// Enough to find what was just sent.
const MESSAGES_PAGE: &str = "50";

/// Client of the v1 API. Makes each call once: repeating is decided by who made it.
pub struct Unipile {
    sends: Http,
    reads: Http,
    /// For lists that tell only how long ago something was.
    clock: Clock,
}

impl Unipile {
    /// The base URL is the customer's own and includes the version: `https://api1.unipile.com:13111/api/v1`.
    pub fn new(config: &ProviderConfig, timings: &Timings, clock: Clock) -> Result<Self, SetUpError> {
        let http = |call_ms| Http::new(Provider::Unipile, config, "x-api-key", "", Duration::from_millis(call_ms));
        Ok(Self { sends: http(timings.touch_call_ms)?, reads: http(timings.touch_read_ms)?, clock })
    }

    /// `None` without a key.
    pub fn from_config(config: &Config, clock: Clock) -> Result<Option<Self>, SetUpError> {
        let set_up = || Self::new(&config.unipile, &config.timings, clock);
        config.unipile.api_key.as_ref().map(|_| set_up()).transpose()
    }

    /// Whether the key works. Free of charge.
    pub async fn check_key(&self) -> Result<(), ProviderError> {
        let query = [("limit", "1")];
        let call = Call { method: Method::GET, path: &["accounts"], query: &query, body: None, id: None };
        match self.reads.send(call).await?.status {
            200..=299 => Ok(()),
            status => Err(ProviderError::from_status(Provider::Unipile, status)),
        }
    }

    async fn visit(&self, account: &str, person: &str, key: &str) -> Result<Sent, SendError> {
        let query = [("account_id", account), ("notify", "true")];
        let call = Call { method: Method::GET, path: &["users", person], query: &query, body: None, id: Some(key) };
        let answer = self.write(call).await?;
        let profile = wire::profile(&answer).ok_or_else(|| unreadable(true))?;
        Ok(Sent { profile: Some(profile), ..Sent::default() })
    }

    async fn invite(&self, account: &str, person: &str, note: Option<&str>, key: &str) -> Result<Sent, SendError> {
        let mut body = json!({ "account_id": account, "provider_id": person });
        if let Some(note) = note {
            body["message"] = note.into();
        }
        let body = Some(Body::Json(body.to_string().into_bytes()));
        let call = Call { method: Method::POST, path: &["users", "invite"], query: &[], body, id: Some(key) };
        Ok(wire::sent(&self.write(call).await?))
    }

    async fn post_form(
        &self,
        path: &[&str],
        form: Form,
        key: &str,
        idempotency_key: Option<String>,
    ) -> Result<Sent, SendError> {
        let body = Some(Body::Form { form, idempotency_key });
        let call = Call { method: Method::POST, path, query: &[], body, id: Some(key) };
        Ok(wire::sent(&self.write(call).await?))
    }

    async fn write(&self, call: Call<'_>) -> Result<Value, SendError> {
        let answer = self.sends.send(call).await.map_err(|error| errors::broken(&error, true))?;
        read(&answer, true)
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, SendError> {
        let call = Call { method: Method::GET, path, query, body: None, id: None };
        let answer = self.reads.send(call).await.map_err(|error| errors::broken(&error, false))?;
        read(&answer, false)
    }

    /// A page of a list. Items that say too little are left out.
    async fn page<T>(
        &self,
        path: &[&str],
        account: Option<&str>,
        limit: &str,
        cursor: Option<&str>,
        item: impl Fn(&Value) -> Option<T>,
    ) -> Result<Page<T>, SendError> {
        let mut query = vec![("limit", limit)];
        query.extend(account.map(|account| ("account_id", account)));
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let answer = self.get(path, &query).await?;
        let items = answer["items"].as_array().ok_or_else(|| unreadable(false))?;
        Ok(Page { items: items.iter().filter_map(item).collect(), cursor: wire::text(&answer, "cursor") })
    }

    /// All pages of a short list.
    async fn all<T>(&self, path: &[&str], item: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, SendError> {
        let mut page = self.page(path, None, PAGE, None, &item).await?;
        let mut all = page.items;
        while let Some(cursor) = page.cursor {
            page = self.page(path, None, PAGE, Some(&cursor), &item).await?;
            all.append(&mut page.items);
        }
        Ok(all)
    }
}

impl Sender for Unipile {
    fn send<'a>(&'a self, account: &'a str, request: &'a SendRequest, key: &'a str) -> SendResult<'a, Sent> {
        let form = || Form::new().text("account_id", account.to_owned());
        let chat =
            |person: &str, text: &str| form().text("attendees_ids", person.to_owned()).text("text", text.to_owned());
        match request {
            SendRequest::VisitProfile { person } => self.visit(account, person, key).boxed(),
            SendRequest::Invite { person_provider_id, note } => {
                self.invite(account, person_provider_id, note.as_deref(), key).boxed()
            }
            SendRequest::StartChat { person_provider_id, text } => {
                self.post_form(&["chats"], chat(person_provider_id, text), key, None).boxed()
            }
            SendRequest::InMail { person_provider_id, subject, text } => {
                let form =
                    chat(person_provider_id, text).text("subject", subject.clone()).text("linkedin[inmail]", "true");
                self.post_form(&["chats"], form, key, None).boxed()
            }
            SendRequest::Message { chat_id, text } => {
                // The account guards against a chat of another mailbox.
                let form = form().text("text", text.clone());
                async move { self.post_form(&["chats", chat_id, "messages"], form, key, None).await }.boxed()
            }
            SendRequest::Email { to_name, to_address, subject, html, reply_to, headers } => {
                let to = json!([{ "display_name": to_name, "identifier": to_address }]);
                let headers: Vec<_> =
                    headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
                let mut form =
                    form().text("to", to.to_string()).text("subject", subject.clone()).text("body", html.clone());
                if let Some(reply_to) = reply_to {
                    form = form.text("reply_to", reply_to.clone());
                }
                if !headers.is_empty() {
                    form = form.text("custom_headers", Value::from(headers).to_string());
                }
                self.post_form(&["emails"], form, key, Some(key.to_owned())).boxed()
            }
        }
    }

    fn profile<'a>(&'a self, account: &'a str, person: &'a str) -> SendResult<'a, ProfileView> {
        async move {
            let answer = self.get(&["users", person], &[("account_id", account), ("notify", "false")]).await?;
            wire::profile(&answer).ok_or_else(|| unreadable(false))
        }
        .boxed()
    }

    fn sent_invitations<'a>(
        &'a self,
        account: &'a str,
        cursor: Option<&'a str>,
    ) -> SendResult<'a, Page<SentInvitation>> {
        let now_ms = self.clock.now_ms();
        let item = move |item: &Value| wire::invitation(item, now_ms);
        self.page(&["users", "invite", "sent"], Some(account), INVITATIONS_PAGE, cursor, item).boxed()
    }

    fn relations<'a>(&'a self, account: &'a str, cursor: Option<&'a str>) -> SendResult<'a, Page<Relation>> {
        self.page(&["users", "relations"], Some(account), RELATIONS_PAGE, cursor, wire::relation).boxed()
    }

    fn chats<'a>(&'a self, account: &'a str, cursor: Option<&'a str>) -> SendResult<'a, Page<Chat>> {
        self.page(&["chats"], Some(account), PAGE, cursor, wire::chat).boxed()
    }

    fn chat_messages<'a>(
        &'a self,
        account: &'a str,
        chat_id: &'a str,
        cursor: Option<&'a str>,
    ) -> SendResult<'a, Page<ChatMessage>> {
        async move {
            let path = ["chats", chat_id, "messages"];
            self.page(&path, Some(account), MESSAGES_PAGE, cursor, wire::chat_message).await
        }
        .boxed()
    }

    fn messages<'a>(&'a self, account: &'a str, cursor: Option<&'a str>) -> SendResult<'a, Page<ChatMessage>> {
        self.page(&["messages"], Some(account), PAGE, cursor, wire::chat_message).boxed()
    }

    fn emails<'a>(&'a self, account: &'a str, cursor: Option<&'a str>) -> SendResult<'a, Page<MailMessage>> {
        self.page(&["emails"], Some(account), PAGE, cursor, wire::mail_message).boxed()
    }

    fn withdraw<'a>(&'a self, account: &'a str, invitation_id: &'a str) -> SendResult<'a, ()> {
        async move {
            let query = [("account_id", account)];
            let path = ["users", "invite", "sent", invitation_id];
            let call = Call { method: Method::DELETE, path: &path, query: &query, body: None, id: None };
            self.write(call).await.map(drop)
        }
        .boxed()
    }

    fn accounts(&self) -> SendResult<'_, Vec<AccountState>> {
        self.all(&["accounts"], wire::account).boxed()
    }

    fn account<'a>(&'a self, account: &'a str) -> SendResult<'a, AccountState> {
        async move {
            let answer = self.get(&["accounts", account], &[]).await?;
            wire::account(&answer).ok_or_else(|| unreadable(false))
        }
        .boxed()
    }

    fn register_webhook<'a>(&'a self, url: &'a str, secret: &'a str, accounts: &'a [String]) -> SendResult<'a, ()> {
        self.register(url, secret, accounts).boxed()
    }
}

fn read(answer: &Answer, is_write: bool) -> Result<Value, SendError> {
    if !(200..=299).contains(&answer.status) {
        return Err(errors::refusal(answer, is_write));
    }
    answer.read().map_err(|error| errors::broken(&error, is_write))
}

/// A good answer whose JSON lacks what makes it one.
fn unreadable(is_write: bool) -> SendError {
    let verdict = if is_write { Verdict::Unknown } else { Verdict::Backoff };
    SendError { provider: Provider::Unipile, verdict, kind: "unreadable_answer".into(), status: Some(200) }
}
