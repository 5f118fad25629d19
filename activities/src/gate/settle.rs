//! After a call: what it did cost, whether its answer may be used again, and what it says about the provider.

use super::breaker::{Breaker, Health};
use super::claim::{CacheKey, Reservation, forget, keep};
use super::{Gate, PaidCall, Settled, UsageNumbers, budget, time};
use crate::providers::{Billed, ProviderError};
use crate::store::StoreError;
use crate::telemetry::counters;
use futures::FutureExt;
use leadflow_workflows::domain::money::MicroUsd;
use serde::Serialize;
use sqlx::AnyConnection;
use std::time::Duration;

/// The end of a call, as the store keeps it.
pub(super) struct Ending {
    state: &'static str,
    outcome: &'static str,
    status: Option<u16>,
    cost: MicroUsd,
    usage: UsageNumbers,
    latency: Duration,
    /// JSON of an answer that may be used again.
    reusable: Option<String>,
    health: Health,
}

impl Ending {
    pub(super) fn of<T: Serialize>(
        answered: &Result<Settled<T>, ProviderError>,
        bound: MicroUsd,
        latency: Duration,
    ) -> Self {
        match answered {
            Ok(settled) => {
                // An answer that has no JSON form is still paid for and used, but only once.
                let reusable = settled.reusable.then(|| serde_json::to_string(&settled.value).ok()).flatten();
                Self {
                    state: "settled",
                    outcome: if settled.reusable { "ok" } else { "rejected" },
                    status: None,
                    cost: settled.cost,
                    usage: settled.usage,
                    latency,
                    reusable,
                    health: Health::Good,
                }
            }
            Err(error) => {
                let (state, cost) = match error.billed {
                    Billed::No => ("failed", MicroUsd::ZERO),
                    Billed::Unknown => ("presumed", bound),
                };
                Self {
                    state,
                    outcome: error.kind,
                    status: error.status,
                    cost,
                    usage: UsageNumbers::default(),
                    latency,
                    reusable: None,
                    health: if error.counts_for_breaker() { Health::Bad } else { Health::Neutral },
                }
            }
        }
    }
}

impl Gate {
    pub(super) async fn settle(
        &self,
        call: &PaidCall<'_>,
        key: &CacheKey,
        reservation: &Reservation,
        ending: &Ending,
    ) -> Result<(), StoreError> {
        if ending.cost > call.bound {
            let (provider, operation) = (call.provider.name(), call.operation);
            tracing::warn!(provider, operation, cost = %ending.cost, bound = %call.bound, "a call cost more than its bound");
        }
        self.store.write(|transaction| self.settle_in(transaction, call, key, reservation, ending).boxed()).await?;
        counters::cost(call.provider, ending.cost);
        Ok(())
    }

    /// Locks budgets, breaker, cache, log, in this order, as claiming does.
    async fn settle_in(
        &self,
        transaction: &mut AnyConnection,
        call: &PaidCall<'_>,
        key: &CacheKey,
        reservation: &Reservation,
        ending: &Ending,
    ) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        let call_id = &reservation.call_id;
        if ending.cost != call.bound {
            // Also right if others have presumed this call meanwhile: until here it is booked at its bound.
            budget::book(transaction, call, &reservation.day, ending.cost - call.bound).await?;
        }

        let before = Breaker::lock(transaction, self.store.for_update(), call.provider).await?;
        let mut breaker = before.clone();
        let open_until_ms = time::after_real(&self.clock, now_ms, self.timings.breaker_open_ms);
        breaker.ended(call_id, ending.health, open_until_ms);
        if breaker != before {
            breaker.save(transaction, call.provider).await?;
        }

        match &ending.reusable {
            Some(json) => keep(transaction, key, call_id.as_str(), json).await?,
            None => forget(transaction, key, call_id.as_str()).await?,
        }

        let update = "UPDATE api_usage_logs SET state = $2, outcome = $3, status = $4, cost_micro_usd = $5,
                      input_tokens = $6, output_tokens = $7, credits = $8, latency_ms = $9, ended_at_ms = $10
                      WHERE call_id = $1 AND tenant = $11";
        sqlx::query(update)
            .bind(call_id.as_str())
            .bind(ending.state)
            .bind(ending.outcome)
            .bind(ending.status.map(i64::from))
            .bind(ending.cost.0)
            .bind(whole(ending.usage.input_tokens))
            .bind(whole(ending.usage.output_tokens))
            .bind(whole(ending.usage.credits))
            .bind(i64::try_from(ending.latency.as_millis()).unwrap_or(i64::MAX))
            .bind(now_ms)
            .bind(call.tenant)
            .execute(transaction)
            .await?;
        Ok(())
    }

    /// Marks the calls of a search that has ended and whose answers never came; they stay booked at their bounds.
    ///
    /// Returns how many. Safe to repeat, and harmless to a call that still runs: it settles as ever.
    pub async fn presume_open(&self, tenant: &str, search_id: &str) -> Result<u64, StoreError> {
        let now_ms = self.clock.now_ms();
        let update = "UPDATE api_usage_logs SET state = 'presumed', ended_at_ms = $3
                      WHERE tenant = $1 AND search_id = $2 AND state = 'reserved'";
        self.store
            .write(|transaction| {
                async move {
                    let query = sqlx::query(update).bind(tenant).bind(search_id).bind(now_ms);
                    Ok(query.execute(&mut **transaction).await?.rows_affected())
                }
                .boxed()
            })
            .await
    }

    /// Drops the answers that were kept for repeats within a scope that has ended: they may quote people.
    pub async fn forget_answers(&self, tenant: &str, scope: &str) -> Result<(), StoreError> {
        self.store
            .write(|transaction| {
                async move {
                    let query = sqlx::query("DELETE FROM results_cache WHERE tenant = $1 AND scope = $2");
                    query.bind(tenant).bind(scope).execute(&mut **transaction).await?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }
}

/// Marks a call whose answer nobody waits for any more.
pub(super) async fn presume(
    transaction: &mut AnyConnection,
    tenant: &str,
    call_id: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let update = "UPDATE api_usage_logs SET state = 'presumed', ended_at_ms = $3
                  WHERE tenant = $1 AND call_id = $2 AND state = 'reserved'";
    sqlx::query(update).bind(tenant).bind(call_id).bind(now_ms).execute(transaction).await?;
    Ok(())
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
