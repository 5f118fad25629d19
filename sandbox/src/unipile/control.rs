//! What tests and curious people can look at and bring about: on [`Sandbox`], and below `/__sandbox/unipile`.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::accounts::{Kind, no_account};
use super::chats::Message;
use super::options::{AccountChange, Behaviour, UnipileOptions};
use super::webhooks::Delivery;
use crate::{Sandbox, World};

impl Sandbox {
    /// Every try to deliver a webhook that has ended, in that order.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.world.unipile.at(self.world.clock.now_ms(), |state| state.post.deliveries.clone())
    }

    /// Replaces the options from now on; what is under way stays as it is.
    pub fn set_unipile_options(&self, options: UnipileOptions) {
        self.world.unipile.at(self.world.clock.now_ms(), |state| state.options = options);
    }

    /// Decides what one person does, by public identifier or address; open invitations are decided on anew.
    pub fn set_unipile_behaviour(&self, person: &str, behaviour: Behaviour) {
        self.world.set_behaviour(person, behaviour);
    }

    /// Disconnects, restricts or restores an account.
    ///
    /// # Errors
    /// When there is no such account or status.
    pub fn change_unipile_account(&self, account: &str, change: &AccountChange) -> Result<()> {
        self.world.change_account(account, change).map_err(|problem| anyhow!(problem))
    }

    /// Makes a person write to the account's owner now, and returns the id of the message or email. `person` is a
    /// public identifier for a LinkedIn account, an address for a mailbox.
    ///
    /// # Errors
    /// When there is no such account or person.
    pub fn unipile_reply(&self, account: &str, person: &str, text: &str) -> Result<String> {
        self.write(account, person, text, false)
    }

    /// The owner writes by hand: no call, no effect in the ledger. Returns the id of the message or email.
    ///
    /// # Errors
    /// When there is no such account or person.
    pub fn unipile_owner_message(&self, account: &str, person: &str, text: &str) -> Result<String> {
        self.write(account, person, text, true)
    }

    /// The owner and a person connect by hand, or the person accepts the open invitation now.
    ///
    /// # Errors
    /// When there is no such account or person, or when both are connected already.
    pub fn unipile_connect_by_hand(&self, account: &str, person: &str) -> Result<()> {
        let now_ms = self.world.clock.now_ms();
        let connected = self.world.unipile.at(now_ms, |state| state.connect_by_hand(now_ms, account, person));
        connected.map_err(|problem| anyhow!(problem))
    }

    fn write(&self, account: &str, person: &str, text: &str, is_ours: bool) -> Result<String> {
        let now_ms = self.world.clock.now_ms();
        let written = self.world.unipile.at(now_ms, |state| {
            let kind = state.accounts.get(account).ok_or_else(|| no_account(account))?.kind;
            if kind == Kind::Mail {
                return Ok(state.write_mail(now_ms, account, &person.to_lowercase(), text, is_ours));
            }
            state.known(account, person)?;
            let chat_id = state.chat_with(account, person, None);
            let text = text.to_owned();
            let (message, kind) =
                if is_ours { (Message::ours(text), "by_hand") } else { (Message::theirs(text), "by_request") };
            state.add_message(now_ms, &chat_id, message, kind).ok_or_else(|| no_account(account))
        });
        written.map_err(|problem| anyhow!(problem))
    }
}

impl World {
    fn set_behaviour(&self, person: &str, behaviour: Behaviour) {
        let now_ms = self.clock.now_ms();
        self.unipile.at(now_ms, |state| {
            state.behaviours.insert(person.to_owned(), behaviour);
            state.replan_answers(now_ms, person);
        });
    }

    fn change_account(&self, account: &str, change: &AccountChange) -> Result<(), String> {
        let now_ms = self.clock.now_ms();
        self.unipile.at(now_ms, |state| state.change_account(now_ms, account, change))
    }
}

pub(crate) fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/", get(counts))
        .route("/deliveries", get(deliveries))
        .route("/options", get(options).post(set_options))
        .route("/accounts/{id}", post(change_account))
        .route("/people/{id}", post(set_behaviour))
}

async fn counts(State(world): State<Arc<World>>) -> Json<Value> {
    let now_ms = world.clock.now_ms();
    Json(world.unipile.at(now_ms, |state| {
        json!({
            "now_ms": now_ms, "bonds": state.bond_counts(now_ms), "chats": state.chats.len(),
            "emails": state.mails.values().map(Vec::len).sum::<usize>(), "scheduled": state.scheduled(),
            "post": state.webhook_counts(), "refusals": state.refusals,
        })
    }))
}

async fn deliveries(State(world): State<Arc<World>>) -> Json<Vec<Delivery>> {
    Json(world.unipile.at(world.clock.now_ms(), |state| state.post.deliveries.clone()))
}

async fn options(State(world): State<Arc<World>>) -> Json<UnipileOptions> {
    Json(world.unipile.at(world.clock.now_ms(), |state| state.options.clone()))
}

async fn set_options(State(world): State<Arc<World>>, request: Request) -> Response {
    with_body(request, r#"{"accept_permille":1000}"#, |options: UnipileOptions| {
        world.unipile.at(world.clock.now_ms(), |state| state.options = options);
        Ok(())
    })
    .await
}

async fn change_account(State(world): State<Arc<World>>, Path(id): Path<String>, request: Request) -> Response {
    with_body(request, r#"{"status":"CREDENTIALS"}"#, |change: AccountChange| world.change_account(&id, &change)).await
}

async fn set_behaviour(State(world): State<Arc<World>>, Path(id): Path<String>, request: Request) -> Response {
    with_body(request, r#"{"accept":"at_once","reply":null}"#, |behaviour: Behaviour| {
        world.set_behaviour(&id, behaviour);
        Ok(())
    })
    .await
}

async fn with_body<T: DeserializeOwned>(
    request: Request,
    example: &str,
    act: impl FnOnce(T) -> Result<(), String>,
) -> Response {
    use axum::extract::FromRequest;
    let done = match Json::<T>::from_request(request, &()).await {
        Ok(Json(body)) => act(body),
        Err(problem) => Err(format!("{}; hint: {example}", problem.body_text())),
    };
    match done {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => (StatusCode::BAD_REQUEST, Json(json!({"error": problem}))).into_response(),
    }
}
