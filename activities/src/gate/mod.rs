//! The gate: the one way to make a call that costs money.
//!
//! A request whose answer is stored is not sent again; one that another activity is waiting for is not sent twice; none
//! is sent to a provider that is down, or beyond a limit. What a call may cost at most is booked before it starts and
//! replaced by what it did cost, so that a process may die at any instruction and the books still never show less than
//! was spent.

mod breaker;
mod budget;
mod claim;
mod health;
mod report;
mod settle;
mod time;

pub(crate) use breaker::Health;
pub use budget::BudgetScope;
pub use report::{BudgetRow, UsageFilter, UsageRow};

use crate::config::Budgets;
use crate::failpoint::fail_point;
use crate::providers::ProviderError;
use crate::store::{Store, StoreError};
use crate::telemetry::counters;
use claim::{CacheKey, Claim};
use leadflow_clock::Clock;
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::timings::Timings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use settle::Ending;
use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

/// Guards all paid calls of one installation. Clones share the store.
#[derive(Clone, Debug)]
pub struct Gate {
    store: Store,
    clock: Clock,
    budgets: Budgets,
    timings: Timings,
}

/// A call that somebody wants to make.
#[derive(Clone, Copy, Debug)]
pub struct PaidCall<'a> {
    pub tenant: &'a str,
    pub search_id: &'a str,
    /// The lead that the call serves alone, if it does.
    pub lead: Option<&'a str>,
    pub provider: Provider,
    /// What the call is for, as in reports: `lead_reasons`.
    pub operation: &'a str,
    /// Within which equal requests share their answer, for example the search.
    pub scope: &'a str,
    /// Counts the tries to get a valid answer; each has its own entry in the cache.
    pub repair_round: u32,
    /// The full request as it will be sent.
    pub request: &'a [u8],
    /// The most that the call can cost.
    pub bound: MicroUsd,
    pub owner: CallOwner<'a>,
}

/// The attempt of an activity that makes a call.
#[derive(Clone, Copy, Debug)]
pub struct CallOwner<'a> {
    pub workflow_id: &'a str,
    pub run_id: &'a str,
    pub activity_id: &'a str,
    /// From 1.
    pub attempt: u32,
}

/// Names one call, here and at the provider. A UUIDv7.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CallId(String);

/// A call that was answered.
#[derive(Clone, Debug)]
pub struct Settled<T> {
    pub value: T,
    pub cost: MicroUsd,
    pub usage: UsageNumbers,
    /// Whether the answer is valid: only then may the same request be answered with it again.
    pub reusable: bool,
}

/// What the provider counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageNumbers {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub credits: u64,
}

/// What became of a [`PaidCall`]. The last three are no errors: the caller comes back later.
#[derive(Clone, Debug, PartialEq)]
pub enum Called<T> {
    /// Called now.
    Fresh { value: T, cost: MicroUsd },
    /// Answered from the store, for nothing.
    Cached { value: T },
    /// The call might exceed the limit of `scope`.
    OverBudget {
        scope: BudgetScope,
        /// When a new day starts for a daily limit; `None` where only [`Gate::raise`] helps.
        until_ms: Option<i64>,
    },
    /// The provider has failed too often in a row. `retry_after` is real time.
    BreakerOpen { retry_after: Duration },
    /// Another activity waits for the answer to the same request. `retry_after` is real time.
    Elsewhere { retry_after: Duration },
}

/// Why a call was not made, or has no answer.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl Gate {
    pub fn new(store: Store, clock: Clock, budgets: Budgets, timings: Timings) -> Self {
        Self { store, clock, budgets, timings }
    }

    /// The same gate for the calls of one tenant, as [`Store::for_tenant`].
    #[must_use]
    pub fn for_tenant(&self, tenant: &str) -> Self {
        Self { store: self.store.for_tenant(tenant), ..self.clone() }
    }

    /// Makes `call` by `perform`, at most once, if nothing speaks against it.
    ///
    /// `perform` sends the request at once, with the given id, and keeps to the time-outs of [`Timings`]; after these
    /// others take an unfinished call for dead. May be dropped at any point and repeated: a next attempt of the same
    /// activity takes over at once, and the dropped call stays booked at its bound as `presumed`.
    ///
    /// # Errors
    /// The provider's error, booked; or the store's, in which case an answer may have been lost and stays booked.
    pub async fn call<T, F, Fut>(&self, call: PaidCall<'_>, perform: F) -> Result<Called<T>, GateError>
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnOnce(CallId) -> Fut,
        Fut: Future<Output = Result<Settled<T>, ProviderError>>,
    {
        let key = CacheKey::of(&call);
        let reservation = loop {
            if let Some(value) = self.cached(&key).await? {
                return Ok(Called::Cached { value });
            }
            match self.claim(&call, &key).await? {
                Claim::Reserved(reservation) => break reservation,
                // Between the two looks another call has brought the answer.
                Claim::Answered => {}
                Claim::Refused(refused) => {
                    match refused {
                        Called::OverBudget { .. } => counters::refused("over_budget"),
                        Called::BreakerOpen { .. } => counters::refused("breaker_open"),
                        Called::Fresh { .. } | Called::Cached { .. } | Called::Elsewhere { .. } => {}
                    }
                    return Ok(refused);
                }
            }
        };
        fail_point("gate-after-reserve").await;
        let started = Instant::now();
        let answered = perform(reservation.call_id.clone()).await;
        fail_point("gate-after-call").await;
        let ending = Ending::of(&answered, call.bound, started.elapsed());
        self.settle(&call, &key, &reservation, &ending).await?;
        fail_point("gate-after-settle").await;
        let Settled { value, cost, .. } = answered?;
        Ok(Called::Fresh { value, cost })
    }

    /// How long others believe that a call is still running, in real milliseconds.
    fn lease_ms(&self, provider: Provider) -> u64 {
        let longest_call_ms = match provider {
            Provider::Openai | Provider::Gemini => self.timings.model_call_ms,
            Provider::Serper | Provider::Hunter => self.timings.search_call_ms,
            Provider::Unipile => self.timings.touch_call_ms,
        };
        longest_call_ms + self.timings.heartbeat_ms
    }
}

impl CallId {
    fn new() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
