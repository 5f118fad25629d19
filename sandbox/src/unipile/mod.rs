//! Unipile v1: LinkedIn accounts and mailboxes of senders, with people who accept, decline, answer and bounce.

mod accounts;
mod chats;
mod control;
mod emails;
mod errors;
mod invites;
mod life;
mod mail;
mod options;
mod pages;
mod people;
mod profiles;
mod state;
mod webhooks;

use axum::http::Method;

use crate::World;
use crate::exchange::{Call, Reply, Vendor, is_good_key};
use crate::faults::{FaultKind, FaultRule};

pub use options::{
    Accept, AccountChange, Behaviour, EnforcedLimits, OverLimit, PlannedReply, ReplyKind, ReplyRule, UnipileOptions,
    WebhookOptions,
};
pub use webhooks::Delivery;

pub(crate) use control::router;
pub(crate) use errors::TABLE as ERRORS;
pub(crate) use life::live;
pub(crate) use people::make_ready;
pub(crate) use state::Network;

/// A good answer, or a refusal.
type Answered = Result<Reply, Reply>;

pub(crate) struct Unipile;

impl Vendor for Unipile {
    fn operation(&self, call: &Call) -> String {
        let name = match Route::of(call) {
            Route::ListAccounts => "list_accounts",
            Route::GetAccount(_) => "get_account",
            Route::GetProfile(_) if call.parameter("notify") == Some("true") => "visit_profile",
            Route::GetProfile(_) => "get_profile",
            Route::SendInvite => "send_invite",
            Route::ListInvites => "list_invites",
            Route::WithdrawInvite(_) => "withdraw_invite",
            Route::ListRelations => "list_relations",
            Route::ListChats => "list_chats",
            Route::GetChat(_) => "get_chat",
            Route::StartChat if chats::is_inmail(call) => "send_inmail",
            Route::StartChat => "start_chat",
            Route::ListChatMessages(_) => "list_chat_messages",
            Route::SendMessage(_) => "send_message",
            Route::ListMessages => "list_messages",
            Route::SendEmail => "send_email",
            Route::ListEmails => "list_emails",
            Route::CreateWebhook => "create_webhook",
            Route::ListWebhooks => "list_webhooks",
            Route::DeleteWebhook(_) => "delete_webhook",
            Route::Unknown => "unknown",
        };
        name.to_owned()
    }

    fn key_problem(&self, call: &Call) -> Option<Reply> {
        let refusal = || errors::error("missing_credentials", "The X-API-KEY is missing or wrong.");
        (!is_good_key(call.header("x-api-key"))).then(refusal)
    }

    fn answer(&self, world: &World, call: &Call, _spoilt: Option<FaultKind>) -> Reply {
        world.unipile.at(call.arrived_at_ms, |state| {
            let answered = match Route::of(call) {
                Route::ListAccounts => state.list_accounts(call),
                Route::GetAccount(id) => state.get_account(id),
                Route::GetProfile(identifier) => state.get_profile(call, identifier),
                Route::SendInvite => state.send_invite(call),
                Route::ListInvites => state.list_invites(call),
                Route::WithdrawInvite(id) => state.withdraw_invite(call, id),
                Route::ListRelations => state.list_relations(call),
                Route::ListChats => state.list_chats(call),
                Route::GetChat(id) => state.get_chat(call, id),
                Route::StartChat => state.start_chat(call),
                Route::ListChatMessages(id) => state.list_chat_messages(call, id),
                Route::SendMessage(id) => state.send_message(call, id),
                Route::ListMessages => state.list_messages(call),
                Route::SendEmail => state.send_email(call),
                Route::ListEmails => state.list_emails(call),
                Route::CreateWebhook => state.create_webhook(call),
                Route::ListWebhooks => state.list_webhooks(call),
                Route::DeleteWebhook(id) => state.delete_webhook(id),
                Route::Unknown => Err(errors::error("resource_not_found", "The sandbox does not play this path.")),
            };
            answered.unwrap_or_else(|refusal| {
                let kind = refusal.body["type"].as_str().unwrap_or_default().trim_start_matches("errors/").to_owned();
                *state.refusals.entry(kind).or_default() += 1;
                refusal
            })
        })
    }

    fn failure(&self, fault: &FaultRule) -> Reply {
        errors::injected(fault)
    }
}

/// What a call asks for; ids are parts of its path.
enum Route<'a> {
    ListAccounts,
    GetAccount(&'a str),
    GetProfile(&'a str),
    SendInvite,
    ListInvites,
    WithdrawInvite(&'a str),
    ListRelations,
    ListChats,
    GetChat(&'a str),
    StartChat,
    ListChatMessages(&'a str),
    SendMessage(&'a str),
    ListMessages,
    SendEmail,
    ListEmails,
    CreateWebhook,
    ListWebhooks,
    DeleteWebhook(&'a str),
    Unknown,
}

impl<'a> Route<'a> {
    fn of(call: &'a Call) -> Self {
        let path: Vec<_> = call.path.trim_end_matches('/').split('/').collect();
        match (call.method.clone(), path.as_slice()) {
            (Method::GET, ["accounts"]) => Self::ListAccounts,
            (Method::GET, ["accounts", id]) => Self::GetAccount(id),
            (Method::POST, ["users", "invite"]) => Self::SendInvite,
            (Method::GET, ["users", "invite", "sent"]) => Self::ListInvites,
            (Method::DELETE, ["users", "invite", "sent", id]) => Self::WithdrawInvite(id),
            (Method::GET, ["users", "relations"]) => Self::ListRelations,
            (Method::GET, ["users", identifier]) => Self::GetProfile(identifier),
            (Method::GET, ["chats"]) => Self::ListChats,
            (Method::POST, ["chats"]) => Self::StartChat,
            (Method::GET, ["chats", id]) => Self::GetChat(id),
            (Method::GET, ["chats", id, "messages"]) => Self::ListChatMessages(id),
            (Method::POST, ["chats", id, "messages"]) => Self::SendMessage(id),
            (Method::GET, ["messages"]) => Self::ListMessages,
            (Method::POST, ["emails"]) => Self::SendEmail,
            (Method::GET, ["emails"]) => Self::ListEmails,
            (Method::POST, ["webhooks"]) => Self::CreateWebhook,
            (Method::GET, ["webhooks"]) => Self::ListWebhooks,
            (Method::DELETE, ["webhooks", id]) => Self::DeleteWebhook(id),
            _ => Self::Unknown,
        }
    }
}
