//! Before a call: is the answer there, may the call be made, and if so, who makes it.

use super::breaker::{Admission, Breaker};
use super::settle::presume;
use super::{CallId, CallOwner, Called, Gate, PaidCall, budget, time};
use crate::store::StoreError;
use futures::FutureExt;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;
use std::fmt::Write;
use std::time::Duration;

/// The primary key of a row in `results_cache`.
pub(super) struct CacheKey {
    tenant: String,
    scope: String,
    repair_round: i64,
    request_sha256: String,
}

pub(super) enum Claim<T> {
    /// The call is booked and nobody else will make it.
    Reserved(Reservation),
    /// The answer is in the cache.
    Answered,
    Refused(Called<T>),
}

pub(super) struct Reservation {
    pub(super) call_id: CallId,
    /// The day whose budgets hold it.
    pub(super) day: String,
}

/// A request whose answer is on its way, or was.
struct Pending {
    call_id: String,
    workflow_id: String,
    run_id: String,
    activity_id: String,
    attempt: i64,
    lease_until_ms: i64,
}

impl Gate {
    /// The stored answer, if there is one that this program can read.
    pub(super) async fn cached<T: DeserializeOwned>(&self, key: &CacheKey) -> Result<Option<T>, StoreError> {
        let select = "SELECT call_id, value FROM results_cache WHERE tenant = $1 AND scope = $2 AND repair_round = $3
                      AND request_sha256 = $4 AND state = 'done'";
        let query = sqlx::query_as(select).bind(&key.tenant).bind(&key.scope);
        let query = query.bind(key.repair_round).bind(&key.request_sha256);
        let row: Option<(String, String)> =
            query.fetch_optional(self.store.read()).await.map_err(|error| self.store.error(error))?;
        let Some((call_id, json)) = row else { return Ok(None) };
        if let Ok(value) = serde_json::from_str(&json) {
            return Ok(Some(value));
        }
        tracing::warn!(call_id, "a stored answer has the form of another version and is asked for again");
        let call_id = &call_id;
        self.store.write(|transaction| forget(transaction, key, call_id).boxed()).await?;
        Ok(None)
    }

    pub(super) async fn claim<T: Send>(&self, call: &PaidCall<'_>, key: &CacheKey) -> Result<Claim<T>, StoreError> {
        self.store.write(|transaction| self.claim_in(transaction, call, key).boxed()).await
    }

    /// Locks budgets, breaker, cache, log, in this order, as settling does.
    async fn claim_in<T>(
        &self,
        transaction: &mut AnyConnection,
        call: &PaidCall<'_>,
        key: &CacheKey,
    ) -> Result<Claim<T>, StoreError> {
        let now_ms = self.clock.now_ms();
        let lease_until_ms = time::after_real(&self.clock, now_ms, self.lease_ms(call.provider));
        let reservation = Reservation { call_id: CallId::new(), day: time::day(now_ms) };

        let locked = self.lock_budgets(transaction, call, &reservation.day).await?;
        let mut breaker = Breaker::lock(transaction, self.store.for_update(), call.provider).await?;
        let pending = match find(transaction, key).await? {
            Some((state, _)) if state == "done" => return Ok(Claim::Answered),
            Some((_, pending)) if pending.is_held_against(call.owner, now_ms) => {
                return Ok(self.elsewhere(now_ms, pending.lease_until_ms));
            }
            open => open.map(|(_, pending)| pending),
        };
        let admission = breaker.admit(now_ms);
        match admission {
            Admission::Call | Admission::Probe => {}
            Admission::Refused { until_ms } => {
                let retry_after = self.clock.real_until(now_ms, until_ms);
                return Ok(Claim::Refused(Called::BreakerOpen { retry_after }));
            }
            Admission::Probing { until_ms } => {
                let retry_after = self.look_again(now_ms, until_ms);
                return Ok(Claim::Refused(Called::BreakerOpen { retry_after }));
            }
        }
        // From the narrowest: its limit needs a person, while a daily one only needs patience.
        if let Some(full) = locked.iter().rev().find(|budget| !budget.has_room_for(call.bound)) {
            let until_ms = full.scope.is_daily().then(|| time::next_day_ms(now_ms));
            return Ok(Claim::Refused(Called::OverBudget { scope: full.scope.clone(), until_ms }));
        }

        let replaced = pending.map(|pending| pending.call_id);
        if !put(transaction, call, key, &reservation, lease_until_ms, replaced.as_deref()).await? {
            // Only at midnight, when two claims lock the budgets of different days.
            return Ok(self.elsewhere(now_ms, lease_until_ms));
        }
        if admission == Admission::Probe {
            breaker.probe(&reservation.call_id, lease_until_ms);
            breaker.save(transaction, call.provider).await?;
        }
        if let Some(call_id) = replaced {
            presume(transaction, call.tenant, &call_id, now_ms).await?;
        }
        budget::book(transaction, call, &reservation.day, call.bound).await?;
        log(transaction, call, &reservation, now_ms).await?;
        Ok(Claim::Reserved(reservation))
    }

    fn elsewhere<T>(&self, now_ms: i64, until_ms: i64) -> Claim<T> {
        Claim::Refused(Called::Elsewhere { retry_after: self.look_again(now_ms, until_ms) })
    }

    /// When to look again for something that ends at `until_ms` at the latest and probably earlier.
    fn look_again(&self, now_ms: i64, until_ms: i64) -> Duration {
        self.clock.real_until(now_ms, until_ms).min(self.timings.heartbeat())
    }
}

impl CacheKey {
    pub(super) fn of(call: &PaidCall<'_>) -> Self {
        let mut digest = Sha256::new();
        for part in [call.provider.name().as_bytes(), b"\0", call.operation.as_bytes(), b"\0", call.request] {
            digest.update(part);
        }
        let request_sha256 = digest.finalize().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes any text");
            text
        });
        Self {
            tenant: call.tenant.to_owned(),
            scope: call.scope.to_owned(),
            repair_round: i64::from(call.repair_round),
            request_sha256,
        }
    }
}

impl Pending {
    /// Whether `owner` has to wait for it. Not for an earlier attempt of itself: there is no such attempt any more.
    fn is_held_against(&self, owner: CallOwner<'_>, now_ms: i64) -> bool {
        let own = self.workflow_id == owner.workflow_id
            && self.run_id == owner.run_id
            && self.activity_id == owner.activity_id
            && self.attempt < i64::from(owner.attempt);
        !own && now_ms < self.lease_until_ms
    }
}

/// The state of a row of the cache, and who made it.
async fn find(transaction: &mut AnyConnection, key: &CacheKey) -> Result<Option<(String, Pending)>, StoreError> {
    let select = "SELECT state, call_id, workflow_id, run_id, activity_id, attempt, lease_until_ms FROM results_cache
                  WHERE tenant = $1 AND scope = $2 AND repair_round = $3 AND request_sha256 = $4";
    let query = sqlx::query_as(select).bind(&key.tenant).bind(&key.scope);
    let query = query.bind(key.repair_round).bind(&key.request_sha256);
    let row: Option<(String, String, String, String, String, i64, i64)> = query.fetch_optional(transaction).await?;
    Ok(row.map(|(state, call_id, workflow_id, run_id, activity_id, attempt, lease_until_ms)| {
        (state, Pending { call_id, workflow_id, run_id, activity_id, attempt, lease_until_ms })
    }))
}

/// Writes the pending row, over that of the call `replaced`; false when another row has come in between.
async fn put(
    transaction: &mut AnyConnection,
    call: &PaidCall<'_>,
    key: &CacheKey,
    reservation: &Reservation,
    lease_until_ms: i64,
    replaced: Option<&str>,
) -> Result<bool, StoreError> {
    let upsert = "INSERT INTO results_cache (tenant, scope, repair_round, request_sha256, state, call_id, workflow_id,
                                             run_id, activity_id, attempt, lease_until_ms)
                  VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7, $8, $9, $10)
                  ON CONFLICT (tenant, scope, repair_round, request_sha256) DO UPDATE SET
                      call_id = excluded.call_id, workflow_id = excluded.workflow_id, run_id = excluded.run_id,
                      activity_id = excluded.activity_id, attempt = excluded.attempt,
                      lease_until_ms = excluded.lease_until_ms
                  WHERE results_cache.call_id = $11 AND results_cache.state = 'pending'";
    let query = sqlx::query(upsert)
        .bind(&key.tenant)
        .bind(&key.scope)
        .bind(key.repair_round)
        .bind(&key.request_sha256)
        .bind(reservation.call_id.as_str())
        .bind(call.owner.workflow_id)
        .bind(call.owner.run_id)
        .bind(call.owner.activity_id)
        .bind(i64::from(call.owner.attempt))
        .bind(lease_until_ms)
        .bind(replaced);
    Ok(query.execute(transaction).await?.rows_affected() == 1)
}

/// Stores the answer of `call_id`, unless another call has taken its place.
pub(super) async fn keep(
    transaction: &mut AnyConnection,
    key: &CacheKey,
    call_id: &str,
    json: &str,
) -> Result<(), StoreError> {
    let update = "UPDATE results_cache SET state = 'done', value = $6 WHERE tenant = $1 AND scope = $2
                  AND repair_round = $3 AND request_sha256 = $4 AND call_id = $5";
    let query = sqlx::query(update).bind(&key.tenant).bind(&key.scope).bind(key.repair_round);
    query.bind(&key.request_sha256).bind(call_id).bind(json).execute(transaction).await?;
    Ok(())
}

/// Removes the row of `call_id`, so that the next one may call.
pub(super) async fn forget(transaction: &mut AnyConnection, key: &CacheKey, call_id: &str) -> Result<(), StoreError> {
    let delete = "DELETE FROM results_cache WHERE tenant = $1 AND scope = $2 AND repair_round = $3
                  AND request_sha256 = $4 AND call_id = $5";
    let query = sqlx::query(delete).bind(&key.tenant).bind(&key.scope).bind(key.repair_round);
    query.bind(&key.request_sha256).bind(call_id).execute(transaction).await?;
    Ok(())
}

async fn log(
    transaction: &mut AnyConnection,
    call: &PaidCall<'_>,
    reservation: &Reservation,
    now_ms: i64,
) -> Result<(), StoreError> {
    let insert = "INSERT INTO api_usage_logs (call_id, tenant, search_id, lead_id, provider, operation, state,
                                              bound_micro_usd, cost_micro_usd, day, started_at_ms, workflow_id, run_id,
                                              activity_id, attempt)
                  VALUES ($1, $2, $3, $4, $5, $6, 'reserved', $7, $7, $8, $9, $10, $11, $12, $13)";
    sqlx::query(insert)
        .bind(reservation.call_id.as_str())
        .bind(call.tenant)
        .bind(call.search_id)
        .bind(call.lead)
        .bind(call.provider.name())
        .bind(call.operation)
        .bind(call.bound.0)
        .bind(&reservation.day)
        .bind(now_ms)
        .bind(call.owner.workflow_id)
        .bind(call.owner.run_id)
        .bind(call.owner.activity_id)
        .bind(i64::from(call.owner.attempt))
        .execute(transaction)
        .await?;
    Ok(())
}
