//! Chats and their messages.

use serde_json::{Value, json};

use super::Answered;
use super::accounts::{Act, Kind};
use super::errors::error;
use super::invites::DAY_MS;
use super::pages::{Bounds, asked_period, page, timestamp};
use super::people;
use super::state::{Happening, State};
use super::webhooks::{Announcement, Source};
use crate::exchange::{Call, Reply};
use crate::ledger::{Effect, EffectKind};

/// The one chat of an account with a person.
#[derive(Debug)]
pub(super) struct Chat {
    id: String,
    account: String,
    person: String,
    subject: Option<String>,
    /// In the order in which they were sent.
    messages: Vec<Message>,
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    id: String,
    at_ms: i64,
    is_ours: bool,
    text: String,
}

impl Message {
    pub(super) fn theirs(text: String) -> Self {
        Self { id: String::new(), at_ms: 0, is_ours: false, text }
    }

    pub(super) fn ours(text: String) -> Self {
        Self { is_ours: true, ..Self::theirs(text) }
    }
}

impl State {
    pub(super) fn start_chat(&mut self, call: &Call) -> Answered {
        self.check_form(call)?;
        let now_ms = call.arrived_at_ms;
        let account = self.account_of(call, false)?;
        let (account_id, is_paid) = (account.id.clone(), account.kind == Kind::Paid);
        let text = required_text(call)?;
        let attendee = match &call.body["attendees_ids"] {
            Value::String(id) => id.clone(),
            Value::Array(ids) if ids.len() == 1 => ids[0].as_str().unwrap_or_default().to_owned(),
            Value::Array(_) => return Err(error("feature_not_implemented", "The sandbox has no group chats.")),
            _ => return Err(error("missing_parameters", "attendees_ids is required")),
        };
        let unknown = || error("invalid_recipient", "No person has this provider_id for this account.");
        let profile = self.visible(&account_id, &attendee).ok_or_else(unknown)?;
        let person = profile.public_id.clone();
        let is_connected = self.bond(&account_id, &person, profile.degree).connected_at_ms.is_some();
        let (mut kind, mut costs_credit) = (EffectKind::Message, false);
        if !is_connected {
            if !is_inmail(call) {
                return Err(error("no_connection_with_recipient", "The person is not a first-degree connection."));
            }
            kind = EffectKind::InMail;
            costs_credit = self.check_inmail(&account_id, &person, is_paid, now_ms)?;
        }
        self.count_message(&account_id, now_ms)?;
        if costs_credit {
            self.working_account(&account_id)?.count(Act::InMail, now_ms);
        }
        let subject = call.field("subject").map(str::to_owned).filter(|_| kind == EffectKind::InMail);
        let chat_id = self.chat_with(&account_id, &person, subject);
        let effect = self.send(now_ms, &chat_id, text, kind);
        let body = json!({"object": "ChatStarted", "chat_id": chat_id, "message_id": effect.message_id});
        Ok(Reply { effect: Some(effect), ..Reply::free(201, body) })
    }

    /// Whether an InMail to the person costs a credit.
    fn check_inmail(&mut self, account: &str, person: &str, is_paid: bool, now_ms: i64) -> Result<bool, Reply> {
        if self.is_open_profile(person) {
            return Ok(false);
        }
        if !is_paid {
            return Err(error("feature_not_subscribed", "A free account has no InMail."));
        }
        if !self.takes_inmail(person) {
            return Err(error("not_allowed_inmail", "The person does not take InMail."));
        }
        let credits = self.options.limits.inmail_credits;
        if self.working_account(account)?.used(Act::InMail, now_ms, i64::MAX) >= credits {
            return Err(error("insufficient_credits", "The account has no InMail credit left."));
        }
        Ok(true)
    }

    pub(super) fn send_message(&mut self, call: &Call, chat_id: &str) -> Answered {
        self.check_form(call)?;
        let now_ms = call.arrived_at_ms;
        let chat = self.chats.get(chat_id).ok_or_else(|| error("resource_not_found", "No chat has this id."))?;
        let (account, person) = (chat.account.clone(), chat.person.clone());
        let may_write = chat.messages.iter().any(|message| !message.is_ours);
        if call.field("account_id").is_some_and(|named| named != account) {
            return Err(error("account_mismatch", "The chat belongs to another account."));
        }
        self.working_account(&account)?;
        let text = required_text(call)?;
        let degree = self.person(&person).map_or(3, |profile| profile.degree);
        if !may_write && self.bond(&account, &person, degree).connected_at_ms.is_none() {
            return Err(error("cant_send_message", "The person has not answered the InMail."));
        }
        self.count_message(&account, now_ms)?;
        let effect = self.send(now_ms, chat_id, text, EffectKind::Message);
        let body = json!({"object": "MessageSent", "message_id": effect.message_id});
        Ok(Reply { effect: Some(effect), ..Reply::free(201, body) })
    }

    fn count_message(&mut self, account: &str, now_ms: i64) -> Result<(), Reply> {
        let limits = self.options.limits.clone();
        let account = self.working_account(account)?;
        if account.used(Act::Message, now_ms, DAY_MS) >= limits.messages_per_day {
            return Err(error(limits.answer.error_type(), "The account has sent too many messages."));
        }
        account.count(Act::Message, now_ms);
        Ok(())
    }

    /// Puts our message into the chat and lets the person think about it.
    fn send(&mut self, now_ms: i64, chat_id: &str, text: String, kind: EffectKind) -> Effect {
        let message_id = self.add_message(now_ms, chat_id, Message::ours(text.clone()), "own");
        let chat = &self.chats[chat_id];
        let (account_id, person, nth) = (chat.account.clone(), chat.person.clone(), chat.messages.len());
        if let Some(reply) = self.decide_reply(now_ms, &account_id, &person, nth, false) {
            let chat_id = chat_id.to_owned();
            self.schedule(reply.at_ms, Happening::ChatReply { chat_id, kind: reply.kind, text: reply.text });
        }
        Effect { account_id, person, kind, text: Some(text), message_id, invitation_id: None, idempotency_key: None }
    }

    /// Id of the chat with `person`, which is opened if there is none.
    pub(super) fn chat_with(&mut self, account: &str, person: &str, subject: Option<String>) -> String {
        let id = format!("cht_{}", self.seed.of(&["chat", account, person]).hex(16));
        let (account, person) = (account.to_owned(), person.to_owned());
        let opened = || Chat { id: id.clone(), account, person, subject, messages: Vec::new() };
        self.chats.entry(id.clone()).or_insert_with(opened);
        id
    }

    /// Adds the message, announces it as `kind`, and returns its id.
    pub(super) fn add_message(&mut self, at_ms: i64, chat_id: &str, message: Message, kind: &str) -> Option<String> {
        let nth = self.chats.get(chat_id)?.messages.len();
        let id = format!("msg_{}", self.seed.of(&["message", chat_id, &nth.to_string()]).hex(16));
        let chat = self.chats.get_mut(chat_id)?;
        let message = Message { id: id.clone(), at_ms, ..message };
        chat.messages.push(message.clone());
        let (account_id, person) = (chat.account.clone(), chat.person.clone());
        let (account, profile) = (self.accounts.get(&account_id)?, self.person(&person)?);
        let attendee = |attendee_id: &str, name: String, provider_id: String| {
            json!({
                "attendee_id": attendee_id, "attendee_name": name, "attendee_provider_id": provider_id,
                "attendee_profile_url": format!("https://www.linkedin.com/in/{provider_id}/"),
            })
        };
        let them = attendee(&format!("att_{person}"), profile.full_name(), people::provider_id(&account_id, &person));
        let us = attendee(&format!("att_{account_id}"), account.owner_name(), account.owner_id());
        let body = json!({
            "event": "message_received", "account_id": account_id, "account_type": "LINKEDIN",
            "account_info": {"type": "LINKEDIN", "feature": "classic", "user_id": account.owner_id()},
            "chat_id": chat_id, "message_id": id, "timestamp": timestamp(at_ms), "message": message.text, "subject": null,
            "sender": if message.is_ours { &us } else { &them }, "attendees": [&them], "attachments": [],
        });
        let announcement = Announcement {
            key: format!("message {id}"),
            account: account_id,
            source: Source::Messaging,
            event: "message_received",
            person: Some(person),
            kind: kind.to_owned(),
            message_id: Some(id.clone()),
            delay_ms: 0,
            body,
        };
        self.announce(at_ms, &announcement);
        Some(id)
    }

    pub(super) fn list_chats(&mut self, call: &Call) -> Answered {
        let account = self.account_of(call, false)?.id.clone();
        let shown_ms = call.arrived_at_ms - self.options.list_lag_ms;
        let (after_ms, before_ms) = asked_period(call)?;
        let chats = self.chats.values().filter(|chat| chat.account == account);
        let mut chats: Vec<_> = chats
            .filter_map(|chat| Some((chat.last_shown(shown_ms)?.at_ms, chat)))
            .filter(|(at_ms, _)| (after_ms..before_ms).contains(at_ms))
            .collect();
        chats.sort_by_key(|(at_ms, chat)| std::cmp::Reverse((*at_ms, &chat.id)));
        page(call, "ChatList", Bounds::USUAL, chats, |(at_ms, chat)| chat.view(at_ms))
    }

    pub(super) fn get_chat(&mut self, call: &Call, chat_id: &str) -> Answered {
        let shown_ms = call.arrived_at_ms - self.options.list_lag_ms;
        let unknown = || error("resource_not_found", "No chat has this id.");
        let chat = self.chats.get(chat_id).ok_or_else(unknown)?;
        let last = chat.last_shown(shown_ms).ok_or_else(unknown)?;
        let (mut view, account) = (chat.view(last.at_ms), chat.account.clone());
        view["lastMessage"] = self.view_message(chat, last);
        self.working_account(&account)?;
        Ok(Reply::free(200, view))
    }

    pub(super) fn list_chat_messages(&mut self, call: &Call, chat_id: &str) -> Answered {
        let unknown = || error("resource_not_found", "No chat has this id.");
        let account = self.chats.get(chat_id).ok_or_else(unknown)?.account.clone();
        self.working_account(&account)?;
        self.page_of_messages(call, |chat| chat.id == chat_id)
    }

    pub(super) fn list_messages(&mut self, call: &Call) -> Answered {
        let account = self.account_of(call, false)?.id.clone();
        self.page_of_messages(call, |chat| chat.account == account)
    }

    fn page_of_messages(&self, call: &Call, is_meant: impl Fn(&Chat) -> bool) -> Answered {
        let shown_ms = call.arrived_at_ms - self.options.list_lag_ms;
        let (after_ms, before_ms) = asked_period(call)?;
        let chats = self.chats.values().filter(|chat| is_meant(chat));
        let messages =
            chats.flat_map(|chat| chat.messages.iter().enumerate().map(move |(nth, message)| (chat, nth, message)));
        let mut messages: Vec<_> = messages
            .filter(|(_, _, message)| message.at_ms <= shown_ms && (after_ms..before_ms).contains(&message.at_ms))
            .collect();
        messages.sort_by_key(|(_, nth, message)| std::cmp::Reverse((message.at_ms, *nth)));
        page(call, "MessageList", Bounds::USUAL, messages, |(chat, _, message)| self.view_message(chat, message))
    }

    fn view_message(&self, chat: &Chat, message: &Message) -> Value {
        let owner = self.accounts.get(&chat.account).map(super::accounts::Account::owner_id);
        let person = people::provider_id(&chat.account, &chat.person);
        json!({
            "object": "Message", "id": message.id, "provider_id": format!("provider-{}", message.id),
            "account_id": chat.account, "chat_id": chat.id, "chat_provider_id": format!("provider-{}", chat.id),
            "sender_id": if message.is_ours { owner } else { Some(person) },
            "sender_attendee_id": format!("att_{}", if message.is_ours { &chat.account } else { &chat.person }),
            "text": message.text, "timestamp": timestamp(message.at_ms), "is_sender": u8::from(message.is_ours),
            "attachments": [], "reactions": [], "seen": 0, "seen_by": {}, "hidden": 0, "deleted": 0, "edited": 0,
            "is_event": 0, "delivered": 1, "behavior": null, "original": message.text,
        })
    }

    /// Answers with 415 to a body that is no form, where the options say so.
    pub(super) fn check_form(&self, call: &Call) -> Result<(), Reply> {
        let is_form = call.header("content-type").is_some_and(|kind| kind.starts_with("multipart/form-data"));
        if self.options.refuse_json && !is_form {
            return Err(error("unsupported_media_type", "The body must be multipart/form-data."));
        }
        Ok(())
    }
}

impl Chat {
    fn last_shown(&self, shown_ms: i64) -> Option<&Message> {
        self.messages.iter().rev().find(|message| message.at_ms <= shown_ms)
    }

    fn view(&self, last_ms: i64) -> Value {
        let mut view = json!({
            "object": "Chat", "id": self.id, "account_id": self.account, "account_type": "LINKEDIN",
            "provider_id": format!("provider-{}", self.id),
            "attendee_provider_id": people::provider_id(&self.account, &self.person), "name": null, "type": 0,
            "timestamp": timestamp(last_ms), "unread_count": 0, "archived": 0, "muted_until": null, "read_only": 0,
            "folder": ["INBOX", "INBOX_LINKEDIN_CLASSIC"],
        });
        if let Some(subject) = &self.subject {
            view["subject"] = json!(subject);
            view["content_type"] = json!("inmail");
        }
        view
    }
}

/// Whether the call asks for an InMail: `linkedin[inmail]` of a form, or its nested form in JSON.
pub(super) fn is_inmail(call: &Call) -> bool {
    call.field("linkedin[inmail]") == Some("true") || call.body["linkedin"]["inmail"] == true
}

fn required_text(call: &Call) -> Result<String, Reply> {
    call.field("text").map(str::to_owned).ok_or_else(|| error("missing_parameters", "text is required"))
}
