//! A sequence as it is written, before its rules are checked.

use jiff::{Span, SpanRelativeTo, Unit};
use leadflow_workflows::domain::sequence::{Condition, StopOn};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;

/// A sequence as its author writes it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WrittenSequence")]
pub struct Document {
    /// Finds the sequence again: a-z, 0-9, `_` and `-`.
    pub(super) name: String,
    /// What ends an enrollment early; all three when left out.
    pub(super) stop_on: Option<BTreeSet<StopOn>>,
    /// The steps in their order.
    pub(super) step: Vec<StepTable>,
}

/// One of the keys `invite` to `branch`, or `end` alone.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepTable {
    /// Kept across versions, so that nobody gets the same step twice.
    pub(super) id: Option<String>,
    /// Time to wait after the step before, for example "1d".
    pub(super) after: Option<String>,
    /// The note of the invitation; empty for none.
    pub(super) invite: Option<String>,
    /// A LinkedIn message to a connection.
    pub(super) message: Option<String>,
    /// A LinkedIn message to anyone; it costs credits.
    pub(super) inmail: Option<String>,
    /// The body of an email, in Markdown.
    pub(super) email: Option<String>,
    /// Of an email or an InMail.
    pub(super) subject: Option<String>,
    /// Looks at the profile, which the person is told of.
    pub(super) visit_profile: Option<bool>,
    /// A time to wait, for example "2d".
    pub(super) wait: Option<String>,
    /// A table such as `{ timeout = "7d", on_timeout = "mail" }`.
    pub(super) wait_for_connection: Option<WaitTable>,
    /// A table such as `{ if = "has_email", then = "mail" }`.
    pub(super) branch: Option<BranchTable>,
    /// Whether the sequence is completed after this step.
    #[serde(default)]
    pub(super) end: bool,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitTable {
    /// For how long, for example "7d".
    pub(super) timeout: String,
    /// The step to go to then; without one the sequence is completed.
    pub(super) on_timeout: Option<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BranchTable {
    /// What is asked when the branch is reached.
    #[serde(rename = "if")]
    pub(super) condition: Condition,
    /// The step to go to if it holds.
    pub(super) then: Option<String>,
    /// The step to go to if not.
    pub(super) otherwise: Option<String>,
}

impl StepTable {
    /// The keys that say what the step does.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        let kinds = [
            ("invite", self.invite.is_some()),
            ("message", self.message.is_some()),
            ("inmail", self.inmail.is_some()),
            ("email", self.email.is_some()),
            ("visit_profile", self.visit_profile.is_some()),
            ("wait", self.wait.is_some()),
            ("wait_for_connection", self.wait_for_connection.is_some()),
            ("branch", self.branch.is_some()),
        ];
        kinds.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
    }
}

/// `7d`, `36h`, `1d 12h`, `30m`; days have 24 hours.
pub(super) fn milliseconds(text: &str) -> Option<i64> {
    let span: Span = text.trim().parse().ok()?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return None;
    }
    let total =
        span.round(jiff::SpanRound::new().largest(Unit::Millisecond).relative(SpanRelativeTo::days_are_24_hours()));
    Some(total.ok()?.get_milliseconds())
}
