//! How the people, LinkedIn and the webhooks of the stand-in behave.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Rates are out of a thousand; durations and delays are of the sandbox's clock, drawn between both ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnipileOptions {
    /// Of the people whose degree is 1 in the data, so many know an account from the start.
    pub connected_permille: usize,
    pub accept_permille: usize,
    /// The others neither accept nor decline.
    pub decline_permille: usize,
    pub accept_delay_ms: (i64, i64),
    /// After each message, InMail and email.
    pub reply_permille: usize,
    pub reply_delay_ms: (i64, i64),
    /// Weight of each kind of reply. Out of office happens by email only.
    pub reply_kinds: BTreeMap<ReplyKind, usize>,
    /// Emails to known addresses that come back later. Those to unknown addresses all do.
    pub bounce_permille: usize,
    /// Emails that are refused at once, `recipient_rejected`.
    pub reject_permille: usize,
    pub bounce_delay_ms: (i64, i64),
    /// Emails that are reported as spam, to the mailbox that sent them.
    pub complaint_permille: usize,
    pub limits: EnforcedLimits,
    /// How much later invitations, relations, chats, messages and emails show in lists, and an invitation in a profile.
    pub list_lag_ms: i64,
    /// Whether messages and emails must come as a multipart form.
    pub refuse_json: bool,
    pub webhooks: WebhookOptions,
}

/// What LinkedIn lets one account do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnforcedLimits {
    pub invites_per_day: usize,
    pub invites_per_week: usize,
    pub messages_per_day: usize,
    pub profile_views_per_day: usize,
    /// Over 30 days, of free accounts.
    pub free_notes_per_month: usize,
    /// Of paid accounts, for good; InMails to open profiles cost none.
    pub inmail_credits: usize,
    pub answer: OverLimit,
}

/// How the account's limit shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverLimit {
    LimitExceeded,
    CannotResendYet,
    TooManyRequests,
    ProviderError,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookOptions {
    /// Added to every delivery.
    pub delay_ms: i64,
    /// How late `new_relation` is.
    pub relation_delay_ms: (i64, i64),
    /// Deliveries that never happen.
    pub loss_permille: usize,
    /// Deliveries that happen twice.
    pub double_permille: usize,
    /// Deliveries that are held back by up to ten minutes, so that later ones overtake them.
    pub reorder_permille: usize,
    /// Waits before the second to the sixth try of a delivery that was not answered with 200.
    pub retry_delays_ms: [i64; 5],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyKind {
    Positive,
    Negative,
    Question,
    OptOut,
    OutOfOffice,
}

/// What one person does, instead of what the rates say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    pub accept: Option<Accept>,
    /// Delay of the acceptance or of the decline.
    pub accept_after_ms: Option<i64>,
    #[serde(deserialize_with = "reply_or_never")]
    pub reply: ReplyRule,
    /// Whether emails come back.
    pub bounce: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    /// After the usual delay, or after `accept_after_ms`.
    Later,
    AtOnce,
    Never,
    Decline,
}

/// In JSON: absent for the rates, null for never, an object for always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ReplyRule {
    #[default]
    ByRate,
    Never,
    Always(PlannedReply),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedReply {
    pub kind: ReplyKind,
    /// Drawn when null.
    #[serde(default)]
    pub after_ms: Option<i64>,
    /// One that fits the kind when null.
    #[serde(default)]
    pub text: Option<String>,
}

/// A change to an account; null leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountChange {
    /// `OK`, `CREDENTIALS`, `ERROR`, `STOPPED`, `PERMISSIONS` or `CONNECTING`.
    pub status: Option<String>,
    /// By LinkedIn.
    pub restricted: Option<bool>,
}

fn reply_or_never<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ReplyRule, D::Error> {
    let reply = Option::<PlannedReply>::deserialize(deserializer)?;
    Ok(reply.map_or(ReplyRule::Never, ReplyRule::Always))
}

impl Default for UnipileOptions {
    fn default() -> Self {
        Self {
            connected_permille: 500,
            accept_permille: 450,
            decline_permille: 150,
            accept_delay_ms: (HOUR_MS, 3 * DAY_MS),
            reply_permille: 300,
            reply_delay_ms: (10 * MINUTE_MS, DAY_MS),
            reply_kinds: BTreeMap::from([
                (ReplyKind::Positive, 350),
                (ReplyKind::Negative, 250),
                (ReplyKind::Question, 150),
                (ReplyKind::OptOut, 150),
                (ReplyKind::OutOfOffice, 100),
            ]),
            bounce_permille: 40,
            reject_permille: 10,
            bounce_delay_ms: (10_000, 30 * MINUTE_MS),
            complaint_permille: 1,
            limits: EnforcedLimits::default(),
            list_lag_ms: 0,
            refuse_json: false,
            webhooks: WebhookOptions::default(),
        }
    }
}

impl Default for EnforcedLimits {
    fn default() -> Self {
        Self {
            invites_per_day: 100,
            invites_per_week: 200,
            messages_per_day: 150,
            profile_views_per_day: 100,
            free_notes_per_month: 5,
            inmail_credits: 50,
            answer: OverLimit::LimitExceeded,
        }
    }
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            delay_ms: 0,
            relation_delay_ms: (0, 8 * HOUR_MS),
            loss_permille: 0,
            double_permille: 0,
            reorder_permille: 0,
            retry_delays_ms: [10_000, MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS],
        }
    }
}

impl OverLimit {
    pub(super) fn error_type(self) -> &'static str {
        match self {
            Self::LimitExceeded => "limit_exceeded",
            Self::CannotResendYet => "cannot_resend_yet",
            Self::TooManyRequests => "too_many_requests",
            Self::ProviderError => "provider_error",
        }
    }
}

impl ReplyKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Question => "question",
            Self::OptOut => "opt_out",
            Self::OutOfOffice => "out_of_office",
        }
    }

    pub(super) fn texts(self) -> &'static [&'static str] {
        match self {
            Self::Positive => &[
                "Thanks, happy to talk on Tuesday.",
                "Good timing. Can you send me a few details?",
                "Sure, let's talk.",
            ],
            Self::Negative => {
                &["Thanks, but this is not for us.", "We have just signed with somebody else.", "No interest, sorry."]
            }
            Self::Question => &["What does it cost?", "Does it work for a team of our size?", "How did you find me?"],
            Self::OptOut => &["Please remove me from your list.", "Unsubscribe me, please. Do not contact me again."],
            Self::OutOfOffice => &["I am out of the office and will answer when I am back."],
        }
    }
}
