//! What Prometheus reads: what the store says at that moment, and what this process has counted.

use super::counters;
use crate::gate::Gate;
use crate::store::{Store, StoreError};
use leadflow_clock::Clock;
use leadflow_workflows::domain::money::MicroUsd;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

/// Rows that are counted at most, so that no look takes long; more is as bad.
const COUNTED_AT_MOST: i64 = 10_000;

/// Reads the metrics of an installation.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Of the whole installation.
    pub store: Store,
    pub gate: Gate,
    pub clock: Clock,
    /// Whose touches and budget are shown. Events are counted over all tenants, because whoever tells of them serves all.
    pub tenant: String,
}

/// Events whose workflows nobody has told yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Untold {
    pub(crate) events: i64,
    pub(crate) oldest_at_ms: Option<i64>,
}

impl Metrics {
    /// All metrics in the text format of Prometheus. When the store does not answer, `leadflow_store_up` is 0 and what only
    /// the store knows is left out.
    pub async fn text(&self) -> String {
        let registry = Registry::new();
        let read = self.read(&registry).await;
        if let Err(error) = &read {
            tracing::warn!(kind = error.kind.name(), "the store could not be read for metrics");
        }
        gauge(&registry, "leadflow_store_up", "Whether the store answered.").set(i64::from(read.is_ok()));
        let mut families = counters::gather();
        families.extend(registry.gather());
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&families, &mut text) {
            tracing::error!(%error, "metrics have no text");
        }
        text
    }

    async fn read(&self, registry: &Registry) -> Result<(), StoreError> {
        let untold = self.store.untold(COUNTED_AT_MOST).await?;
        let in_doubt = self.store.count_in_doubt(&self.tenant, COUNTED_AT_MOST).await?;
        let breakers = self.gate.breakers().await?;
        let budgets = self.gate.budgets(&self.tenant, None).await?;

        gauge(registry, "leadflow_events_untold", "Stored events whose workflows nobody has told yet.")
            .set(untold.events);
        let age_ms = untold.oldest_at_ms.map_or(0, |at_ms| (self.clock.now_ms() - at_ms).max(0));
        gauge(registry, "leadflow_events_untold_oldest_age_seconds", "Age of the oldest event that nobody has told.")
            .set(age_ms / 1_000);
        gauge(
            registry,
            "leadflow_touches_in_doubt",
            "Contacts that were called for and whose outcome is not known yet.",
        )
        .set(in_doubt);
        let open = gauges(registry, "leadflow_breaker_open", "Whether nobody calls the provider (1).", "provider");
        for (provider, is_open) in breakers {
            open.with_label_values(&[provider.as_str()]).set(i64::from(is_open));
        }
        let help = "What may still be spent today, in millionths of a US dollar.";
        let left = gauges(registry, "leadflow_budget_left_micro_usd", help, "scope");
        for budget in budgets {
            let MicroUsd(micro_usd) = budget.limit - budget.booked;
            left.with_label_values(&[budget.scope.name()]).set(micro_usd.max(0));
        }
        Ok(())
    }
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::new(name, help).expect("the name of a gauge is written as Prometheus wants it");
    registry.register(Box::new(gauge.clone())).expect("each metric has a name of its own");
    gauge
}

fn gauges(registry: &Registry, name: &str, help: &str, label: &str) -> IntGaugeVec {
    let gauges = IntGaugeVec::new(Opts::new(name, help), &[label]);
    let gauges = gauges.expect("the name of a gauge is written as Prometheus wants it");
    registry.register(Box::new(gauges.clone())).expect("each metric has a name of its own");
    gauges
}
