//! What a provider tells by webhook.

use super::AccountStatus;
use serde::{Deserialize, Serialize};

/// One event of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderEvent {
    /// The same for every delivery of one event. An account's status has none in its body: it gets a new key each time,
    /// because the same status later is news again, and is a hint only.
    pub key: String,
    /// The provider's id of the account.
    pub account: String,
    /// Unix milliseconds. A history that is read again brings old ones.
    pub at_ms: Option<i64>,
    pub what: EventKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// A new first-degree connection, however it came about.
    Connected {
        provider_id: String,
        /// As [`ProfileView::public_id`](super::ProfileView::public_id).
        public_id: Option<String>,
    },
    Message {
        chat_id: String,
        message_id: String,
        sender_provider_id: String,
        /// Sent from our account, by us or by its owner.
        is_ours: bool,
        text: String,
        /// The other party; `None` for our own message to a group.
        person_provider_id: Option<String>,
    },
    Mail {
        /// As [`super::MailMessage::id`].
        email_id: String,
        /// The `Message-ID` header.
        message_id: Option<String>,
        from: String,
        to: Vec<String>,
        subject: String,
        text: String,
        /// `Message-ID` of the mail that it answers.
        in_reply_to: Option<String>,
        tracking_id: Option<String>,
        is_ours: bool,
        /// Its headers are those of answering programs.
        auto_submitted: bool,
        /// Its headers are those of programs, and also of help desks and mailing lists through which people answer.
        #[serde(default)]
        may_be_automatic: bool,
        bounced_address: Option<String>,
        complaint_address: Option<String>,
    },
    Opened {
        tracking_id: Option<String>,
        email_id: Option<String>,
    },
    Clicked {
        tracking_id: Option<String>,
        email_id: Option<String>,
        url: Option<String>,
    },
    AccountStatus {
        status: AccountStatus,
    },
    /// Nothing that outreach acts on.
    Other {
        name: String,
    },
}

/// A body that is no event. The text names what is missing, and holds nothing of the body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    #[error("the event is not a JSON object; hint: the provider has to send JSON, not a form")]
    NotJson,
    #[error("the event has no `{field}`; hint: the fields of the webhook must keep the provider's own names")]
    Missing { field: &'static str },
    #[error("the `{field}` of the event has more than {most} characters")]
    TooLong { field: &'static str, most: usize },
    #[error("a list has more than {most} entries; hint: send it in parts")]
    TooMany { most: usize },
}

impl EventError {
    /// In bytes. Some ids come from whoever wrote a mail, and an index cannot hold any length.
    pub(crate) const LONGEST_ID: usize = 1_000;

    /// An id of a length that can be stored.
    pub(crate) fn check_id(id: String, field: &'static str) -> Result<String, Self> {
        if id.len() > Self::LONGEST_ID { Err(Self::TooLong { field, most: Self::LONGEST_ID }) } else { Ok(id) }
    }
}
