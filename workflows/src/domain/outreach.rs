//! Words of outreach: actions, states, and what holds a contact back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an account does towards a person. Limits are kept for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    VisitProfile,
    Invite,
    Message,
    Inmail,
    Email,
}

/// How a person is reached, and what an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Linkedin,
    Email,
}

/// Where an enrollment is. The last seven are ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentState {
    Scheduled,
    InviteSent,
    Connected,
    Messaged,
    Completed,
    Replied,
    Declined,
    OptedOut,
    Bounced,
    Failed,
    Stopped,
}

/// Where a touch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TouchState {
    /// Reserved for its time, or to be planned anew once that has lapsed.
    Planned,
    /// Claimed: its call may be on its way.
    Calling,
    Sent,
    /// Surely not done, and never to be.
    Refused,
    /// Nobody knows whether it was done; settled by what the provider shows later, or by a person.
    Unknown,
    /// Given back before any call.
    Released,
}

/// What keeps a step from being done now. With an instant, that is when it will be tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Hold {
    /// The step's own delay, or its place in the day.
    NotDue,
    WaitingForConnection,
    CampaignPaused,
    /// A person held this lead, or the owner of the account wrote by hand. Only the store says why: what a person typed has no
    /// place in a history.
    EnrollmentPaused,
    AccountPaused,
    AccountDisconnected,
    AccountRestricted,
    /// A person has to change something at the provider or in the configuration.
    AccountHeld {
        problem: String,
    },
    /// The provider asked the account to wait.
    AccountDeferred {
        problem: String,
    },
    /// The provider asked to leave this person alone for a while.
    LeadDeferred {
        problem: String,
    },
    /// The person is away, as a note of their mailbox says.
    Absent {
        until_ms: i64,
    },
    SenderHours,
    LeadHours,
    SenderHoliday {
        name: String,
    },
    LeadHoliday {
        name: String,
    },
    DailyLimit {
        action: Action,
        limit: u32,
    },
    WeeklyLimit {
        action: Action,
        limit: u32,
    },
    MonthlyNotes {
        limit: u32,
    },
    WarmUp {
        action: Action,
        limit: u32,
    },
    MinimumGap {
        action: Action,
        gap_ms: i64,
    },
    /// An earlier contact's outcome is not known yet.
    OutcomeUnknown {
        action: Action,
    },
    /// Another campaign's contact is not settled yet.
    OtherContact,
    BreakerOpen,
}

impl Hold {
    /// Stable machine name, as in JSON.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::NotDue => "not_due",
            Self::WaitingForConnection => "waiting_for_connection",
            Self::CampaignPaused => "campaign_paused",
            Self::EnrollmentPaused => "enrollment_paused",
            Self::AccountPaused => "account_paused",
            Self::AccountDisconnected => "account_disconnected",
            Self::AccountRestricted => "account_restricted",
            Self::AccountHeld { .. } => "account_held",
            Self::AccountDeferred { .. } => "account_deferred",
            Self::LeadDeferred { .. } => "lead_deferred",
            Self::Absent { .. } => "absent",
            Self::SenderHours => "sender_hours",
            Self::LeadHours => "lead_hours",
            Self::SenderHoliday { .. } => "sender_holiday",
            Self::LeadHoliday { .. } => "lead_holiday",
            Self::DailyLimit { .. } => "daily_limit",
            Self::WeeklyLimit { .. } => "weekly_limit",
            Self::MonthlyNotes { .. } => "monthly_notes",
            Self::WarmUp { .. } => "warm_up",
            Self::MinimumGap { .. } => "minimum_gap",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::OtherContact => "other_contact",
            Self::BreakerOpen => "breaker_open",
        }
    }
}

impl Action {
    pub const ALL: [Self; 5] = [Self::VisitProfile, Self::Invite, Self::Message, Self::Inmail, Self::Email];

    /// Stable machine name: in the store and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::VisitProfile => "visit_profile",
            Self::Invite => "invite",
            Self::Message => "message",
            Self::Inmail => "inmail",
            Self::Email => "email",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    pub fn channel(self) -> Channel {
        if self == Self::Email { Channel::Email } else { Channel::Linkedin }
    }

    /// How long after a call that may have been made the provider is not yet asked about it: what was done shows late.
    pub fn quiet_ms(self) -> i64 {
        match self {
            Self::Invite => 15 * 60_000,
            Self::Message | Self::Inmail => 2 * 60_000,
            Self::Email | Self::VisitProfile => 60_000,
        }
    }
}

impl Channel {
    pub fn name(self) -> &'static str {
        match self {
            Self::Linkedin => "linkedin",
            Self::Email => "email",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::Linkedin, Self::Email].into_iter().find(|channel| channel.name() == name)
    }
}

impl EnrollmentState {
    pub const ALL: [Self; 11] = [
        Self::Scheduled,
        Self::InviteSent,
        Self::Connected,
        Self::Messaged,
        Self::Completed,
        Self::Replied,
        Self::Declined,
        Self::OptedOut,
        Self::Bounced,
        Self::Failed,
        Self::Stopped,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::InviteSent => "invite_sent",
            Self::Connected => "connected",
            Self::Messaged => "messaged",
            Self::Completed => "completed",
            Self::Replied => "replied",
            Self::Declined => "declined",
            Self::OptedOut => "opted_out",
            Self::Bounced => "bounced",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    pub fn is_end(self) -> bool {
        self >= Self::Completed
    }
}

impl TouchState {
    /// Whether it is no more than a plan, or was one: no call was made, and none is ruled out.
    pub fn is_plan(self) -> bool {
        matches!(self, Self::Planned | Self::Released)
    }

    pub const ALL: [Self; 6] = [Self::Planned, Self::Calling, Self::Sent, Self::Refused, Self::Unknown, Self::Released];

    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Calling => "calling",
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Released => "released",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// The rule in words, as `explain` and lists show it.
impl fmt::Display for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let act = |action: &Action| action.name().replace('_', " ");
        match self {
            Self::NotDue => formatter.write_str("the step is not due yet"),
            Self::WaitingForConnection => formatter.write_str("the invitation is not accepted yet"),
            Self::CampaignPaused => formatter.write_str("the campaign is paused"),
            Self::EnrollmentPaused => formatter.write_str("the lead is paused"),
            Self::AccountPaused => formatter.write_str("the sender account is paused"),
            Self::AccountDisconnected => {
                formatter.write_str("the sender account is disconnected; reconnect it at the provider")
            }
            Self::AccountRestricted => formatter.write_str("LinkedIn has restricted the sender account"),
            Self::AccountHeld { problem } => write!(formatter, "the sender account waits for a person: {problem}"),
            Self::AccountDeferred { problem } => {
                write!(formatter, "the provider asked the sender account to wait ({problem})")
            }
            Self::LeadDeferred { problem } => {
                write!(formatter, "the provider asked to wait with this person ({problem})")
            }
            Self::Absent { .. } => formatter.write_str("the person is away, as their out-of-office note says"),
            Self::SenderHours => formatter.write_str("outside the sender's working hours"),
            Self::LeadHours => formatter.write_str("outside the lead's working hours"),
            Self::SenderHoliday { name } => write!(formatter, "holiday of the sender: {name}"),
            Self::LeadHoliday { name } => write!(formatter, "holiday of the lead: {name}"),
            Self::DailyLimit { action, limit } => {
                write!(formatter, "the account's limit of {limit} {}s in 24 hours", act(action))
            }
            Self::WeeklyLimit { action, limit } => {
                write!(formatter, "the account's limit of {limit} {}s in 7 days", act(action))
            }
            Self::MonthlyNotes { limit } => {
                write!(formatter, "a free account's limit of {limit} invitation notes in 30 days")
            }
            Self::WarmUp { action, limit } => {
                write!(formatter, "the account is warming up: {limit} {}s in 24 hours for now", act(action))
            }
            Self::MinimumGap { action, gap_ms } => {
                write!(formatter, "at least {} s between two {}s of an account", gap_ms / 1000, act(action))
            }
            Self::OutcomeUnknown { action } => {
                write!(formatter, "it is not known yet whether the {} was done", act(action))
            }
            Self::OtherContact => formatter.write_str("another contact with this person is not settled yet"),
            Self::BreakerOpen => formatter.write_str("the provider fails at present"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Histories and stores of before have one.
    #[test]
    fn a_pause_with_a_cause_is_still_read_and_none_is_written() {
        let hold: Hold = serde_json::from_str(r#"{"rule":"enrollment_paused","cause":"by hand"}"#).unwrap();
        assert_eq!(hold, Hold::EnrollmentPaused);
        assert_eq!(serde_json::to_string(&hold).unwrap(), r#"{"rule":"enrollment_paused"}"#);
    }
}
