//! The breaker for calls that cost nothing: contacts, and what is read from sender accounts.

use super::breaker::{Admission, Breaker, Health};
use super::{CallId, Gate, time};
use crate::store::StoreError;
use leadflow_workflows::domain::provider::Provider;
use sqlx::AnyConnection;

impl Gate {
    /// Until when nobody may call `provider`; `None` when this caller may. After a pause one caller is let through, and the
    /// others wait for its end.
    pub(crate) async fn open_until(
        &self,
        transaction: &mut AnyConnection,
        provider: Provider,
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
                breaker.probe(&CallId::probe(provider), until_ms);
                breaker.save(transaction, provider).await?;
                Ok(None)
            }
            Admission::Refused { until_ms } | Admission::Probing { until_ms } => Ok(Some(until_ms)),
        }
    }

    /// Counts the end of a call: good, or one that speaks against the provider.
    pub(crate) async fn call_ended(
        &self,
        transaction: &mut AnyConnection,
        provider: Provider,
        is_good: bool,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let health = if is_good { Health::Good } else { Health::Bad };
        if is_good && Breaker::lock(&mut *transaction, "", provider).await? == Breaker::default() {
            return Ok(());
        }
        let mut breaker = Breaker::lock(&mut *transaction, self.store.for_update(), provider).await?;
        let open_until_ms = time::after_real(&self.clock, now_ms, self.timings.breaker_open_ms);
        breaker.ended(&CallId::probe(provider), health, open_until_ms);
        breaker.save(transaction, provider).await
    }
}

impl CallId {
    /// There is one probe of a provider at a time, so its name need not tell attempts apart.
    fn probe(provider: Provider) -> Self {
        Self(format!("probe/{provider}"))
    }
}
