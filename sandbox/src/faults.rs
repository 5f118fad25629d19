//! Injected faults: which call fails, and how.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Provider;
use crate::seed::Seed;

/// Rules by which calls fail. The first rule that matches a call and fires decides; a call without one succeeds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Decides, with the number of the rule and of its matching call, where `probability` strikes.
    pub seed: u64,
    pub rules: Vec<FaultRule>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Any provider when null.
    #[serde(default)]
    pub provider: Option<Provider>,
    /// Beginning of the ledger's `operation`; any when null.
    #[serde(default)]
    pub operation: Option<String>,
    /// Text that the request's body (or the decoded query, for GET) contains.
    #[serde(default)]
    pub body_contains: Option<String>,
    pub kind: FaultKind,
    /// 0 to 1, for each matching call.
    #[serde(default = "always")]
    pub probability: f64,
    /// So many matching calls are left alone first.
    #[serde(default)]
    pub skip: u64,
    /// Fires at most so often; without end when null.
    #[serde(default)]
    pub times: Option<u64>,
    /// For `status` and `status_after`; that of `error_type`, or 503, when null.
    #[serde(default)]
    pub status: Option<u16>,
    /// Which of the provider's failures with this status; its usual one when null.
    #[serde(default)]
    pub variant: Option<FailureVariant>,
    /// Unipile's name of a failure, without the prefix `errors/`: for example `limit_exceeded`.
    #[serde(default)]
    pub error_type: Option<String>,
    /// Answer to `status` and `status_after`; what the provider documents for the status when null.
    #[serde(default)]
    pub body: Option<Value>,
    /// Added to the answer, over the provider's own.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Real time to wait before the fault, beside the sandbox's general latency.
    #[serde(default)]
    pub latency_ms: Option<u64>,
}

/// What happens to the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Answers with `status` and does nothing.
    Status,
    /// Does it and bills it, then answers with `status`.
    StatusAfter,
    /// Does nothing and never answers.
    TimeoutBefore,
    /// Does it and bills it, then never answers.
    TimeoutAfter,
    /// Does nothing and drops the connection.
    Reset,
    /// Succeeds, later.
    Latency,
    /// The content is not JSON.
    Malformed,
    /// A model's answer ends in the middle (`length`, `MAX_TOKENS`); of the other providers, the JSON of the answer.
    Cut,
    /// A model declines (`refusal`, a block for `SAFETY`). Models only.
    Refusal,
    /// A model's answer fits the schema, but not the facts that were asked about. Models only.
    WrongFacts,
}

/// A failure beside the usual one of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureVariant {
    /// OpenAI 429: no money left.
    InsufficientQuota,
    /// Gemini 429: used up until tomorrow, without a hint when to try again.
    PerDay,
    /// Gemini 400: region or billing.
    FailedPrecondition,
    /// Serper 400: no money left.
    NotEnoughCredits,
    /// Serper 400: refused by policy.
    QueryNotAllowed,
}

impl FaultRule {
    /// A rule for every call of `provider`.
    pub fn new(provider: Provider, kind: FaultKind) -> Self {
        Self {
            provider: Some(provider),
            operation: None,
            body_contains: None,
            kind,
            probability: always(),
            skip: 0,
            times: None,
            status: None,
            variant: None,
            error_type: None,
            body: None,
            headers: BTreeMap::new(),
            latency_ms: None,
        }
    }

    /// The status to answer with when nothing else names one.
    pub(crate) fn status_or_usual(&self) -> u16 {
        self.status.unwrap_or(503)
    }

    fn matches(&self, provider: Provider, operation: &str, content: &str) -> bool {
        self.provider.is_none_or(|wanted| wanted == provider)
            && self.operation.as_deref().is_none_or(|prefix| operation.starts_with(prefix))
            && self.body_contains.as_deref().is_none_or(|text| content.contains(text))
            && (provider.is_model() || !matches!(self.kind, FaultKind::Refusal | FaultKind::WrongFacts))
    }
}

impl FaultKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::StatusAfter => "status_after",
            Self::TimeoutBefore => "timeout_before",
            Self::TimeoutAfter => "timeout_after",
            Self::Reset => "reset",
            Self::Latency => "latency",
            Self::Malformed => "malformed",
            Self::Cut => "cut",
            Self::Refusal => "refusal",
            Self::WrongFacts => "wrong_facts",
        }
    }
}

fn always() -> f64 {
    1.0
}

/// The rules in force, with how often each matched and fired.
#[derive(Debug, Default)]
pub(crate) struct FaultSwitch(Mutex<Armed>);

#[derive(Debug, Default)]
struct Armed {
    faults: Faults,
    counts: Vec<Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    matched: u64,
    fired: u64,
}

impl FaultSwitch {
    /// Replaces the rules; counting starts anew.
    pub(crate) fn set(&self, faults: Faults) {
        let counts = vec![Counts::default(); faults.rules.len()];
        *self.armed() = Armed { faults, counts };
    }

    pub(crate) fn get(&self) -> Faults {
        self.armed().faults.clone()
    }

    /// The rule that strikes this call.
    pub(crate) fn strike(&self, provider: Provider, operation: &str, content: &str) -> Option<FaultRule> {
        let mut armed = self.armed();
        let Armed { faults, counts } = &mut *armed;
        let seed = Seed(faults.seed);
        faults.rules.iter().zip(counts).enumerate().find_map(|(index, (rule, counts))| {
            if !rule.matches(provider, operation, content) {
                return None;
            }
            counts.matched += 1;
            let due = counts.matched > rule.skip && rule.times.is_none_or(|times| counts.fired < times);
            #[expect(clippy::cast_precision_loss, reason = "a share of 1 needs no 64 bits")]
            let share = seed.of(&["fault", &index.to_string(), &counts.matched.to_string()]).0 as f64 / u64::MAX as f64;
            let fires = due && (rule.probability >= 1.0 || share < rule.probability);
            fires.then(|| {
                counts.fired += 1;
                rule.clone()
            })
        })
    }

    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(faults: Faults) -> FaultSwitch {
        let switch = FaultSwitch::default();
        switch.set(faults);
        switch
    }

    fn pattern(switch: &FaultSwitch, calls: usize) -> Vec<bool> {
        (0..calls).map(|_| switch.strike(Provider::Serper, "maps", "{}").is_some()).collect()
    }

    #[test]
    fn skip_and_times_bound_a_rule() {
        let rule = FaultRule { skip: 1, times: Some(2), ..FaultRule::new(Provider::Serper, FaultKind::Reset) };
        let switch = switch(Faults { seed: 0, rules: vec![rule] });
        assert_eq!(pattern(&switch, 5), [false, true, true, false, false]);
    }

    #[test]
    fn probability_strikes_alike_for_the_same_seed() {
        let rule = FaultRule { probability: 0.3, ..FaultRule::new(Provider::Serper, FaultKind::Reset) };
        let of = |seed| pattern(&switch(Faults { seed, rules: vec![rule.clone()] }), 1000);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        let struck = of(7).into_iter().filter(|struck| *struck).count();
        assert!((250..350).contains(&struck), "{struck}");
    }

    #[test]
    fn rules_match_by_provider_operation_and_content_in_order() {
        let faults: Faults = serde_json::from_value(serde_json::json!({"rules": [
            {"provider": "openai", "kind": "refusal"},
            {"operation": "email", "kind": "reset"},
            {"body_contains": "Vermont", "kind": "status", "status": 500},
            {"provider": "serper", "kind": "wrong_facts"},
        ]}))
        .expect("valid faults");
        let switch = switch(faults);
        let kind = |provider, operation, content| switch.strike(provider, operation, content).map(|rule| rule.kind);
        assert_eq!(kind(Provider::OpenAi, "chat_completions:lead_reasons", "Vermont"), Some(FaultKind::Refusal));
        assert_eq!(kind(Provider::Hunter, "email_finder", "Vermont"), Some(FaultKind::Reset));
        assert_eq!(kind(Provider::Serper, "maps", "brewery in Vermont"), Some(FaultKind::Status));
        assert_eq!(kind(Provider::Serper, "maps", "brewery in Maine"), None);
    }

    #[test]
    fn unknown_words_are_refused() {
        for faults in
            [r#"{"rule":[]}"#, r#"{"rules":[{"kind":"explode"}]}"#, r#"{"rules":[{"kind":"reset","provider":"x"}]}"#]
        {
            assert!(serde_json::from_str::<Faults>(faults).is_err(), "{faults}");
        }
    }
}
