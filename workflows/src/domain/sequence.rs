//! A sequence: a versioned plan of contacts. Its steps are walked by [`super::walk`].

use super::outreach::Action;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A sequence that was checked: every id is unique, every target exists and lies ahead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sequence {
    pub name: String,
    pub stop_on: BTreeSet<StopOn>,
    pub steps: Vec<Step>,
}

/// What ends an enrollment early. An opt-out ends it whatever this says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopOn {
    Reply,
    OptOut,
    Bounce,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Kept across versions, so that nobody gets the same step twice.
    pub id: String,
    /// Time to wait after the step before.
    pub after_ms: i64,
    pub kind: StepKind,
    /// Whether the sequence is completed after this step.
    pub end: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StepKind {
    VisitProfile,
    /// Without a note when that is empty.
    Invite {
        note: String,
    },
    Message {
        text: String,
    },
    Inmail {
        subject: String,
        text: String,
    },
    /// The body is Markdown.
    Email {
        subject: String,
        text: String,
    },
    Wait {
        for_ms: i64,
    },
    /// Goes on once the person is a connection. Without target, the time-out completes the sequence.
    WaitForConnection {
        timeout_ms: i64,
        on_timeout: Option<String>,
    },
    /// Goes to one of two steps; without target, to the next.
    Branch {
        condition: Condition,
        then: Option<String>,
        otherwise: Option<String>,
    },
    End,
}

/// What a branch asks, at the time when it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    Connected,
    HasEmail,
    HasProfile,
}

impl StepKind {
    /// The contact that this step makes, if it makes one.
    pub fn action(&self) -> Option<Action> {
        match self {
            Self::VisitProfile => Some(Action::VisitProfile),
            Self::Invite { .. } => Some(Action::Invite),
            Self::Message { .. } => Some(Action::Message),
            Self::Inmail { .. } => Some(Action::Inmail),
            Self::Email { .. } => Some(Action::Email),
            Self::Wait { .. } | Self::WaitForConnection { .. } | Self::Branch { .. } | Self::End => None,
        }
    }
}

impl Sequence {
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    pub fn position(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id == id)
    }

    /// The actions of all steps.
    pub fn actions(&self) -> BTreeSet<Action> {
        self.steps.iter().filter_map(|step| step.kind.action()).collect()
    }
}
