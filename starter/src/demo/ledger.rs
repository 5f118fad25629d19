//! What the sandbox has on its books: the demo's independent witness.

use leadflow_sandbox::LedgerEntry;
use std::collections::BTreeMap;

/// Calls by provider, all of them.
pub(super) fn calls(entries: &[LedgerEntry]) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    for entry in entries {
        *calls.entry(provider(entry)).or_default() += 1;
    }
    calls
}

/// What all calls together were billed.
pub(super) fn billed(entries: &[LedgerEntry]) -> u64 {
    entries.iter().map(|entry| entry.billed_microusd).sum()
}

/// Requests that were billed more than once: a call that a killed worker had in flight.
pub(super) fn paid_twice(entries: &[LedgerEntry]) -> u64 {
    let mut times: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.billed_microusd > 0) {
        *times.entry((&entry.operation, &entry.request_hash)).or_default() += 1;
    }
    times.values().map(|times| times - 1).sum()
}

fn provider(entry: &LedgerEntry) -> String {
    serde_json::to_value(entry.provider).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
