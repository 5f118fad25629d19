//! What every provider was asked and what it would have billed: the oracle of the tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::Provider;

/// One request that reached a provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// 1, 2, 3 … in the order of arrival, since the ledger was last cleared.
    pub seq: u64,
    /// When it arrived, by the sandbox's clock, in Unix milliseconds.
    pub at_ms: i64,
    /// When it arrived, by the system's clock, in Unix microseconds.
    pub real_at_us: i64,
    pub provider: Provider,
    /// For example `chat_completions:lead_reasons`, `maps` or `email_finder`.
    pub operation: String,
    /// The request header `x-client-request-id`.
    pub call_id: Option<String>,
    /// HTTP status of the answer; null when a fault kept the answer back.
    pub status: Option<u16>,
    pub billed_microusd: u64,
    /// What was billed: `input_tokens`, `cached_tokens`, `output_tokens`, `grounded_prompts`, `credits`, `verifications`.
    pub units: BTreeMap<String, u64>,
    /// SHA-256, in hexadecimal digits, of the request's JSON with sorted keys; of the query for GET.
    pub request_hash: String,
    /// Kind of the fault that was injected.
    pub fault: Option<String>,
    /// What it did to a person; null for reads, and for calls that were refused or repeated.
    pub effect: Option<Effect>,
}

/// Something that a person outside gets to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    pub account_id: String,
    /// LinkedIn public identifier, or e-mail address.
    pub person: String,
    pub kind: EffectKind,
    pub text: Option<String>,
    pub message_id: Option<String>,
    pub invitation_id: Option<String>,
    pub idempotency_key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EffectKind {
    #[serde(rename = "profile_view")]
    ProfileView,
    Invite,
    Message,
    InMail,
    Email,
}

/// An effect with its place in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectEntry {
    /// Of the [`LedgerEntry`].
    pub seq: u64,
    /// When the call arrived, by the sandbox's clock, in Unix milliseconds.
    pub at_ms: i64,
    /// When the call arrived, by the system's clock, in Unix microseconds.
    pub real_at_us: i64,
    pub effect: Effect,
}

/// How busy one provider was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderStats {
    pub calls: u64,
    /// Most calls that were open at the same time.
    pub max_in_flight: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    entries: Vec<LedgerEntry>,
    stats: BTreeMap<Provider, ProviderStats>,
    in_flight: BTreeMap<Provider, u64>,
}

impl Ledger {
    /// Counts a call as open until the guard is dropped.
    pub(crate) fn open(&self, provider: Provider) -> InFlight<'_> {
        let mut pages = self.pages();
        let in_flight = pages.in_flight.entry(provider).or_default();
        *in_flight += 1;
        let now = *in_flight;
        let stats = pages.stats.entry(provider).or_default();
        stats.calls += 1;
        stats.max_in_flight = stats.max_in_flight.max(now);
        InFlight { ledger: self, provider }
    }

    /// Adds `entry` and gives it its number.
    pub(crate) fn record(&self, mut entry: LedgerEntry) {
        let mut pages = self.pages();
        entry.seq = pages.entries.len() as u64 + 1;
        pages.entries.push(entry);
    }

    pub(crate) fn entries(&self) -> Vec<LedgerEntry> {
        self.pages().entries.clone()
    }

    pub(crate) fn effects(&self) -> Vec<EffectEntry> {
        let entry_of = |entry: &LedgerEntry| {
            let effect = entry.effect.clone()?;
            Some(EffectEntry { seq: entry.seq, at_ms: entry.at_ms, real_at_us: entry.real_at_us, effect })
        };
        self.pages().entries.iter().filter_map(entry_of).collect()
    }

    pub(crate) fn entries_so_far(&self) -> usize {
        self.pages().entries.len()
    }

    pub(crate) fn stats(&self) -> BTreeMap<Provider, ProviderStats> {
        self.pages().stats.clone()
    }

    /// Forgets all entries and counts.
    pub(crate) fn clear(&self) {
        let mut pages = self.pages();
        pages.entries.clear();
        pages.stats.clear();
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct InFlight<'a> {
    ledger: &'a Ledger,
    provider: Provider,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(in_flight) = self.ledger.pages().in_flight.get_mut(&self.provider) {
            *in_flight -= 1;
        }
    }
}
