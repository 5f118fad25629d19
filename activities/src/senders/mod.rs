//! Sender accounts: the one interface through which people are contacted, in the words of no single provider.
//!
//! Each method is one HTTP call, made once. What follows from an error is its [`Verdict`]; when a call may be made at
//! all is decided elsewhere.

mod error;
mod event;
pub mod unipile;

pub use error::{SendError, Verdict};
pub use event::{EventError, EventKind, ProviderEvent};

use futures::future::BoxFuture;
use leadflow_workflows::domain::outreach::Channel;
use serde::{Deserialize, Serialize};

/// One outward call, exactly as it will be made; stored as JSON text before it is made, and repeated from that text.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SendRequest {
    /// The person is told of the visit. `person` is the public id.
    VisitProfile {
        person: String,
    },
    Invite {
        person_provider_id: String,
        note: Option<String>,
    },
    StartChat {
        person_provider_id: String,
        text: String,
    },
    Message {
        chat_id: String,
        text: String,
    },
    InMail {
        person_provider_id: String,
        subject: String,
        text: String,
    },
    Email {
        to_name: String,
        to_address: String,
        subject: String,
        html: String,
        /// [`MailMessage::id`] or [`Sent::email_id`] of the mail that is answered.
        reply_to: Option<String>,
        /// Name and value.
        headers: Vec<(String, String)>,
    },
}

/// What the provider told of a call that was done. Any id may be missing: then the lists or an event bring it later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Of an email its tracking id, which the sent folder and the events repeat.
    pub message_id: Option<String>,
    /// Of an email, for a later [`SendRequest::Email::reply_to`].
    pub email_id: Option<String>,
    pub chat_id: Option<String>,
    pub invitation_id: Option<String>,
    /// How much of its own limit the provider counts as used, from about half on.
    pub usage_percent: Option<u32>,
    /// After [`SendRequest::VisitProfile`].
    pub profile: Option<ProfileView>,
}

/// A person as an account sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileView {
    /// Belongs to the viewing account.
    pub provider_id: String,
    /// The same for every account, in the canonical form; `None` for a member whose profile is hidden.
    pub public_id: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub headline: Option<String>,
    pub distance: Option<Distance>,
    pub is_connection: bool,
    pub invitation: Option<InvitationState>,
    pub is_open_profile: bool,
    pub can_send_inmail: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    First,
    Second,
    Third,
    OutOfNetwork,
}

/// State of the invitation between an account and a person; ours unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationState {
    Pending,
    Ignored,
    Withdrawn,
    /// The person invited us.
    ReceivedPending,
}

/// A part of a list, and where it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// `None` on the last page.
    pub cursor: Option<String>,
}

/// A pending invitation. One that is gone from the list was accepted, declined or withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentInvitation {
    pub id: String,
    pub person_provider_id: Option<String>,
    pub person_public_id: Option<String>,
    pub text: Option<String>,
    /// Unix milliseconds; some invitations tell only about how many days ago they were sent.
    pub at_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    pub provider_id: String,
    pub public_id: Option<String>,
    /// Unix milliseconds.
    pub created_at_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    pub id: String,
    /// `None` for a group.
    pub person_provider_id: Option<String>,
    /// Of the newest message, in Unix milliseconds.
    pub timestamp_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    pub id: String,
    pub chat_id: String,
    pub sender_id: Option<String>,
    /// Sent from our account, by us or by its owner.
    pub is_ours: bool,
    pub text: Option<String>,
    /// Unix milliseconds.
    pub at_ms: Option<i64>,
}

/// An email of a linked mailbox, sent or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailMessage {
    pub id: String,
    /// The `Message-ID` header.
    pub message_id: Option<String>,
    pub tracking_id: Option<String>,
    pub is_ours: bool,
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub body_plain: String,
    /// `Message-ID` of the mail that it answers.
    pub in_reply_to: Option<String>,
    /// Unix milliseconds.
    pub at_ms: Option<i64>,
    /// Sent by a program: an absence note, a delivery report.
    pub auto_submitted: bool,
    /// As [`EventKind::Mail`] has it.
    pub may_be_automatic: bool,
    /// The address of a delivery report that says that a mail can never be delivered.
    pub bounced_address: Option<String>,
    /// The address of a person who marked a mail of ours as spam.
    pub complaint_address: Option<String>,
}

/// An account that is linked at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    pub id: String,
    pub channel: Channel,
    pub name: String,
    pub status: AccountStatus,
    /// Of a LinkedIn account: its owner, as the sender of its own messages.
    pub owner_provider_id: Option<String>,
    /// Of a mailbox.
    pub address: Option<String>,
    pub is_premium: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    Ok,
    Connecting,
    /// Its owner has to log in again.
    Credentials,
    Permissions,
    Error,
    Stopped,
    Deleted,
}

impl AccountStatus {
    /// Whether the account can send; `None` while that is open.
    pub fn can_send(self) -> Option<bool> {
        match self {
            Self::Ok => Some(true),
            Self::Connecting => None,
            Self::Credentials | Self::Permissions | Self::Error | Self::Stopped | Self::Deleted => Some(false),
        }
    }
}

pub type SendResult<'a, T> = BoxFuture<'a, Result<T, SendError>>;

/// A provider through which accounts contact people. `account` is always the provider's id of the account.
pub trait Sender: Send + Sync {
    /// Contacts somebody. `key` is the same for every repeat of one touch; a provider that knows such keys acts once.
    fn send<'a>(&'a self, account: &'a str, request: &'a SendRequest, key: &'a str) -> SendResult<'a, Sent>;

    /// Looks a person up by public or provider id; they are not told.
    fn profile<'a>(&'a self, account: &'a str, person: &'a str) -> SendResult<'a, ProfileView>;

    fn sent_invitations<'a>(
        &'a self,
        account: &'a str,
        cursor: Option<&'a str>,
    ) -> SendResult<'a, Page<SentInvitation>>;

    fn relations<'a>(&'a self, account: &'a str, cursor: Option<&'a str>) -> SendResult<'a, Page<Relation>>;

    fn chats<'a>(&'a self, account: &'a str, cursor: Option<&'a str>) -> SendResult<'a, Page<Chat>>;

    /// Newest first.
    fn chat_messages<'a>(
        &'a self,
        account: &'a str,
        chat_id: &'a str,
        cursor: Option<&'a str>,
    ) -> SendResult<'a, Page<ChatMessage>>;

    /// Of all chats, newest first.
    fn messages<'a>(&'a self, account: &'a str, cursor: Option<&'a str>) -> SendResult<'a, Page<ChatMessage>>;

    fn emails<'a>(&'a self, account: &'a str, cursor: Option<&'a str>) -> SendResult<'a, Page<MailMessage>>;

    /// Takes an invitation back. One that is no longer pending is [`Verdict::Unreachable`].
    fn withdraw<'a>(&'a self, account: &'a str, invitation_id: &'a str) -> SendResult<'a, ()>;

    /// All LinkedIn accounts and mailboxes of the installation's key.
    fn accounts(&self) -> SendResult<'_, Vec<AccountState>>;

    fn account<'a>(&'a self, account: &'a str) -> SendResult<'a, AccountState>;

    /// Has the events of these accounts (all, when there are none) sent to `url`, with `secret` in a header. Safe to
    /// repeat: what is registered already stays, and what an earlier secret or set of accounts registered for the same
    /// url goes.
    fn register_webhook<'a>(&'a self, url: &'a str, secret: &'a str, accounts: &'a [String]) -> SendResult<'a, ()>;
}
