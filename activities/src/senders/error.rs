//! What went wrong with a call through a sender account, and what follows from it.

use crate::providers::error::status_suffix;
use leadflow_workflows::domain::provider::Provider;
use std::time::Duration;

/// A call through a sender account without a good answer.
///
/// Its text holds no key and no personal data: it ends up in histories and logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{provider} {} (`{kind}`{}){}", verdict.sentence(), status_suffix(*status), hint_suffix(self))]
pub struct SendError {
    pub provider: Provider,
    pub verdict: Verdict,
    /// Stable snake_case name: the provider's own where it has one, else `timed_out`, `connection_lost` and the like.
    pub kind: String,
    /// HTTP status; `None` when no complete answer came.
    pub status: Option<u16>,
}

/// What follows from a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As good as an accepted invitation.
    AlreadyConnected,
    /// As good as sent, when the invitation is ours.
    AlreadyInvited,
    /// Not for this person before so much (virtual) time has passed.
    DeferLead { wait: Duration },
    /// Nothing of this kind through this account before so much (virtual) time has passed.
    DeferAccount { wait: Duration, weekly: bool },
    /// Nothing through this account until its owner, or the provider, has mended it.
    PauseAccount { restricted: bool },
    /// Our key or configuration: nothing goes out until a person acts.
    NeedsPerson,
    /// A message needs a connection first.
    NotConnected,
    /// Never for this person on this channel.
    Unreachable,
    /// The account has no credit left for this kind of message.
    NoCredits,
    /// No mail can ever reach this address.
    BadAddress,
    /// Our request is wrong: this step fails.
    Refused,
    /// Definitely not done; the same call may be made again.
    Backoff,
    /// It may have been done or not.
    Unknown,
}

impl SendError {
    /// What a person has to do before calls can work again; `None` when nothing.
    pub fn hint(&self) -> Option<&'static str> {
        match (self.verdict, self.kind.as_str()) {
            (Verdict::NeedsPerson, "missing_credentials") => Some("set a valid key for it and restart the workers"),
            (Verdict::NeedsPerson, "feature_not_subscribed" | "subscription_required") => {
                Some("subscribe to this feature in the provider's dashboard")
            }
            (Verdict::NeedsPerson, "not_understood") => Some("check its base url"),
            (Verdict::NeedsPerson, _) => Some("check the account and the key's rights in the provider's dashboard"),
            (Verdict::PauseAccount { restricted: true }, _) => {
                Some("send nothing by hand either, and ask the account's owner to log in and look")
            }
            (Verdict::PauseAccount { restricted: false }, _) => {
                Some("ask the account's owner to connect it again in the provider's dashboard")
            }
            _ => None,
        }
    }
}

impl Verdict {
    fn sentence(self) -> &'static str {
        match self {
            Self::AlreadyConnected => "says that the two are connected already",
            Self::AlreadyInvited => "says that the person was invited already",
            Self::DeferLead { .. } => "does not permit this for this person now",
            Self::DeferAccount { .. } => "says that the account has reached a limit",
            Self::PauseAccount { restricted: true } => "says that the account is restricted",
            Self::PauseAccount { restricted: false } => "has lost the account",
            Self::NeedsPerson => "refuses all such calls of ours",
            Self::NotConnected => "needs a connection before a message",
            Self::Unreachable => "cannot reach this person",
            Self::NoCredits => "says that the account has no credit left for this",
            Self::BadAddress => "cannot deliver to this address",
            Self::Refused => "refused the request",
            Self::Backoff => "did not do it",
            Self::Unknown => "may have done it or not",
        }
    }
}

fn hint_suffix(error: &SendError) -> String {
    error.hint().map(|hint| format!("; hint: {hint}")).unwrap_or_default()
}
