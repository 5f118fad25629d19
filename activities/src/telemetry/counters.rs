//! What is counted while it happens, by this process, since its start. What the store knows is not counted beside it but
//! read from it: [`super::Metrics`].

use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::outreach::{Action, Hold};
use leadflow_workflows::domain::provider::Provider;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use std::sync::LazyLock;
use std::time::Duration;

/// Seconds. From a webhook that is stored at once to an answer of a model.
const DURATION_BUCKETS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 120.0];

static COUNTERS: LazyLock<Counters> = LazyLock::new(Counters::new);

struct Counters {
    registry: Registry,
    touches: IntCounterVec,
    refusals: IntCounterVec,
    provider_calls: IntCounterVec,
    provider_call_duration: HistogramVec,
    provider_cost: IntCounterVec,
    http_requests: IntCounterVec,
    http_request_duration: HistogramVec,
    webhook_requests: IntCounterVec,
}

impl Counters {
    fn new() -> Self {
        let registry = Registry::new();
        Self {
            touches: counter(
                &registry,
                "leadflow_touches_total",
                "Calls for a contact, by what became of them.",
                &["action", "outcome"],
            ),
            refusals: counter(
                &registry,
                "leadflow_refusals_total",
                "Contacts and paid calls that were due and that a rule held back.",
                &["reason"],
            ),
            provider_calls: counter(
                &registry,
                "leadflow_provider_calls_total",
                "HTTP calls to providers.",
                &["provider", "status", "class"],
            ),
            provider_call_duration: histogram(
                &registry,
                "leadflow_provider_call_duration_seconds",
                "Time from the beginning of a call to a provider to the end of its answer.",
                &["provider"],
            ),
            provider_cost: counter(
                &registry,
                "leadflow_provider_cost_micro_usd_total",
                "Cost of settled calls in millionths of a US dollar; a call without an answer counts with its upper bound.",
                &["provider"],
            ),
            http_requests: counter(
                &registry,
                "leadflow_http_requests_total",
                "Requests that the ingress has answered.",
                &["method", "route", "status"],
            ),
            http_request_duration: histogram(
                &registry,
                "leadflow_http_request_duration_seconds",
                "Time from the head of a request to the head of its answer.",
                &["method", "route"],
            ),
            webhook_requests: counter(
                &registry,
                "leadflow_webhook_requests_total",
                "Webhooks that came in, by what they were answered.",
                &["source", "outcome"],
            ),
            registry,
        }
    }
}

/// All that was counted so far.
pub(super) fn gather() -> Vec<MetricFamily> {
    COUNTERS.registry.gather()
}

/// Counts a call for a contact. `outcome`: `sent`, `refused`, `released` or `unknown`.
pub(crate) fn touch(action: Action, outcome: &'static str) {
    COUNTERS.touches.with_label_values(&[action.name(), outcome]).inc();
}

/// Counts a contact that was due, and that a rule put off.
pub(crate) fn held(hold: &Hold) {
    refused(hold.rule());
}

/// Counts a contact or a paid call that was due and was not made, under a stable word.
pub(crate) fn refused(reason: &'static str) {
    COUNTERS.refusals.with_label_values(&[reason]).inc();
}

/// Counts an ended call to a provider. `status` is `none` without an answer.
pub(super) fn provider_call(provider: Provider, status: &str, class: &str, took: Duration) {
    COUNTERS.provider_calls.with_label_values(&[provider.name(), status, class]).inc();
    COUNTERS.provider_call_duration.with_label_values(&[provider.name()]).observe(took.as_secs_f64());
}

pub(crate) fn cost(provider: Provider, cost: MicroUsd) {
    COUNTERS.provider_cost.with_label_values(&[provider.name()]).inc_by(u64::try_from(cost.0).unwrap_or_default());
}

/// Counts an answered request. `route` is the route's template, never the path.
pub fn http_request(method: &str, route: &str, status: u16, took: Duration) {
    COUNTERS.http_requests.with_label_values(&[method, route, &status.to_string()]).inc();
    COUNTERS.http_request_duration.with_label_values(&[method, route]).observe(took.as_secs_f64());
}

/// Counts an answered webhook.
pub fn webhook_request(source: &str, outcome: &str) {
    COUNTERS.webhook_requests.with_label_values(&[source, outcome]).inc();
}

fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let counter = IntCounterVec::new(Opts::new(name, help), labels);
    register(registry, counter.expect("the name and the labels of a counter are written as Prometheus wants them"))
}

fn histogram(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(DURATION_BUCKETS.to_vec());
    let histogram = HistogramVec::new(options, labels);
    register(registry, histogram.expect("the name and the labels of a histogram are written as Prometheus wants them"))
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect("each metric has a name of its own");
    collector
}
