//! The providers' books against ours, call by call.

use crate::lab::Lab;
use leadflow_activities::store::Store;
use leadflow_sandbox::{LedgerEntry, Provider};
use std::collections::{BTreeMap, BTreeSet};

/// A row of `api_usage_logs`.
#[derive(Clone, Debug)]
pub struct Call {
    pub call_id: String,
    /// `reserved`, `presumed`, `settled` or `failed`.
    pub state: String,
    pub bound_microusd: u64,
    pub cost_microusd: u64,
}

/// Both books, read when nothing runs any more.
pub struct Books {
    pub ledger: Vec<LedgerEntry>,
    pub calls: Vec<Call>,
}

impl Books {
    pub async fn read(lab: &Lab) -> anyhow::Result<Self> {
        // Unipile bills by the account and month, not by the call: accounts are read, and nothing is booked.
        let ledger = lab.ledger().into_iter().filter(|entry| entry.provider != Provider::Unipile).collect();
        Ok(Self { ledger, calls: calls(lab).await? })
    }

    /// Every difference between the books, in words; none when they agree to the micro-dollar.
    ///
    /// A presumed call stands on our books at its bound and on the provider's at that or less, or not at all.
    pub fn differences(&self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut billed: BTreeMap<&str, u64> = BTreeMap::new();
        for entry in &self.ledger {
            match entry.call_id.as_deref() {
                Some(id) if billed.insert(id, entry.billed_microusd).is_some() => {
                    differences.push(format!("call {id} reached the provider twice"));
                }
                Some(_) => {}
                None => differences.push(format!("entry {} of the ledger names no call", entry.seq)),
            }
        }
        for call in &self.calls {
            let Call { call_id, state, bound_microusd, cost_microusd } = call;
            let billed = billed.remove(call_id.as_str()).unwrap_or(0);
            let agrees = match state.as_str() {
                "settled" => billed == *cost_microusd,
                "failed" => billed == 0 && *cost_microusd == 0,
                "presumed" => billed <= *bound_microusd && cost_microusd == bound_microusd,
                _ => false,
            };
            if !agrees {
                differences.push(format!(
                    "call {call_id} is {state} at {cost_microusd} of at most {bound_microusd}, and was billed {billed}"
                ));
            }
        }
        differences.extend(billed.keys().map(|id| format!("call {id} is on the provider's books alone")));
        differences
    }

    /// What the providers billed.
    pub fn billed(&self) -> u64 {
        billed(&self.ledger)
    }

    /// Our books with each presumed call at what the provider billed for it: what [`Self::billed`] has to equal.
    pub fn booked_without_presumption(&self) -> u64 {
        let presumed: BTreeSet<&str> = self.in_state("presumed").map(|call| call.call_id.as_str()).collect();
        let of_presumed =
            self.ledger.iter().filter(|entry| entry.call_id.as_deref().is_some_and(|id| presumed.contains(id)));
        let known = self.calls.iter().filter(|call| call.state != "presumed").map(|call| call.cost_microusd);
        known.sum::<u64>() + of_presumed.map(|entry| entry.billed_microusd).sum::<u64>()
    }

    pub fn in_state<'a>(&'a self, state: &'a str) -> impl Iterator<Item = &'a Call> {
        self.calls.iter().filter(move |call| call.state == state)
    }

    /// Requests that were paid again, in all, although their first answer was not spoilt by a fault.
    pub fn paid_twice(&self) -> u64 {
        let mut times: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for entry in self.ledger.iter().filter(|entry| entry.billed_microusd > 0 && entry.fault.is_none()) {
            *times.entry((&entry.operation, &entry.request_hash)).or_default() += 1;
        }
        times.values().map(|times| times - 1).sum()
    }
}

pub fn billed(ledger: &[LedgerEntry]) -> u64 {
    ledger.iter().map(|entry| entry.billed_microusd).sum()
}

pub async fn calls(lab: &Lab) -> anyhow::Result<Vec<Call>> {
    let select = "SELECT call_id, state, bound_micro_usd, cost_micro_usd FROM api_usage_logs ORDER BY call_id";
    // Of all tenants: a provider does not know them.
    let store = Store::connect(&lab.stack.config.store).await?;
    let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(select).fetch_all(store.read()).await?;
    store.close().await;
    rows.into_iter()
        .map(|(call_id, state, bound, cost)| {
            Ok(Call { call_id, state, bound_microusd: bound.try_into()?, cost_microusd: cost.try_into()? })
        })
        .collect()
}
