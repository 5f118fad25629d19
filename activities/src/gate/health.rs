//! The breaker for calls that cost nothing: contacts, and the looks before them.

use super::breaker::{Admission, Breaker};
use super::{CallId, Gate, Health, time};
use crate::store::StoreError;
use leadflow_workflows::domain::provider::Provider;
use sqlx::AnyConnection;

impl Gate {
    /// Until when nobody may call `provider`; `None` when this attempt may, which has a name of its own. After a pause one is
    /// let through, and the others wait for its end.
    pub(crate) async fn open_until(
        &self,
        transaction: &mut AnyConnection,
        provider: Provider,
        attempt: &str,
        now_ms: i64,
    ) -> Result<Option<i64>, StoreError> {
        // Nearly always healthy, and then nobody has to wait for the row.
        if Breaker::lock(&mut *transaction, "", provider).await?.admit(now_ms) == Admission::Call {
            return Ok(None);
        }
        let mut breaker = Breaker::lock(&mut *transaction, self.store.for_update(), provider).await?;
        match breaker.admit(now_ms) {
            Admission::Call => Ok(None),
            Admission::Probe => {
                let until_ms = time::after_real(&self.clock, now_ms, self.lease_ms(provider));
                breaker.probe(&CallId(attempt.to_owned()), until_ms);
                breaker.save(transaction, provider).await?;
                Ok(None)
            }
            Admission::Refused { until_ms } | Admission::Probing { until_ms } => Ok(Some(until_ms)),
        }
    }

    /// Counts the end of an attempt's call. While the breaker is open only that of the attempt that was let through counts.
    pub(crate) async fn call_ended(
        &self,
        transaction: &mut AnyConnection,
        provider: Provider,
        attempt: &str,
        health: Health,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        if health != Health::Bad && Breaker::lock(&mut *transaction, "", provider).await? == Breaker::default() {
            return Ok(());
        }
        let mut breaker = Breaker::lock(&mut *transaction, self.store.for_update(), provider).await?;
        let open_until_ms = time::after_real(&self.clock, now_ms, self.timings.breaker_open_ms);
        breaker.ended(&CallId(attempt.to_owned()), health, open_until_ms);
        breaker.save(transaction, provider).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Budgets;
    use crate::store::Store;
    use crate::store::testing::each_backend;
    use futures::FutureExt;
    use leadflow_clock::Clock;
    use leadflow_workflows::domain::money::MicroUsd;
    use leadflow_workflows::domain::timings::Timings;

    const UNIPILE: Provider = Provider::Unipile;

    /// Its clock stands still, so that a pause and the lease of a probe are one millisecond.
    fn gate(store: &Store) -> Gate {
        let none = MicroUsd::ZERO;
        let budgets = Budgets { installation_per_day: none, tenant_per_day: none, search: none, lead: none };
        Gate::new(store.clone(), Clock::fast(0, 1e-9), budgets, Timings::test())
    }

    async fn open_until(gate: &Gate, attempt: &str, now_ms: i64) -> Option<i64> {
        let asked = gate.store.write(|transaction| gate.open_until(transaction, UNIPILE, attempt, now_ms).boxed());
        asked.await.unwrap()
    }

    async fn end(gate: &Gate, attempt: &str, health: Health, now_ms: i64) {
        let ended =
            gate.store.write(|transaction| gate.call_ended(transaction, UNIPILE, attempt, health, now_ms).boxed());
        ended.await.unwrap();
    }

    #[tokio::test]
    async fn what_does_not_count_leaves_the_row_of_failures_as_it_is() {
        each_backend(async |store| {
            let gate = gate(&store);
            for health in [Health::Bad, Health::Bad, Health::Neutral, Health::Bad, Health::Bad, Health::Neutral] {
                end(&gate, "a", health, 0).await;
            }
            assert_eq!(open_until(&gate, "b", 0).await, None);
            end(&gate, "a", Health::Bad, 0).await;
            assert_eq!(open_until(&gate, "b", 0).await, Some(1));
        })
        .await;
    }

    #[tokio::test]
    async fn a_call_from_before_decides_nothing_while_a_probe_is_out() {
        each_backend(async |store| {
            let gate = gate(&store);
            for _ in 0..5 {
                end(&gate, "before", Health::Bad, 0).await;
            }
            assert_eq!(open_until(&gate, "probe", 1).await, None);
            for health in [Health::Good, Health::Neutral, Health::Bad] {
                end(&gate, "before", health, 1).await;
                assert_eq!(open_until(&gate, "other", 1).await, Some(2), "{health:?}");
            }
            end(&gate, "probe", Health::Neutral, 1).await;
            assert_eq!(open_until(&gate, "other", 1).await, None, "whatever it answered, it is there again");
        })
        .await;
    }
}
