//! Logs, traces and metrics of a process: the one place that sets them up, for the worker and for `starter` alike.

mod follow;
mod logs;
mod metrics;

pub use logs::json_lines;
pub use metrics::{MetricsEndpoint, SdkMetrics};

use anyhow::anyhow;
use follow::FollowSignals;
use logs::LogActivities;
use opentelemetry::global;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::env;
use std::sync::Arc;
use temporalio_sdk::SimplePlugin;
use temporalio_sdk::interceptors::ActivityInboundInterceptor;
use temporalio_sdk::opentelemetry::{OpenTelemetryPlugin, WorkflowIdGenerator};
use temporalio_sdk::workflow_interceptors::WorkflowInterceptorConstructor;

/// The variables that turn the export of traces on.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// How a process shows what it does.
#[derive(Clone, Copy, Debug)]
pub struct TelemetryOptions<'a> {
    /// What traces call the process, unless `OTEL_SERVICE_NAME` does.
    pub service: &'static str,
    /// JSON lines in place of readable ones.
    pub json_logs: bool,
    /// Where traces go, over OTLP: a whole URL. Without it the variables of OpenTelemetry decide, which means nowhere by
    /// default.
    pub traces: Option<&'a str>,
}

/// Keep it until the end, and stop it then.
pub struct Telemetry {
    tracers: SdkTracerProvider,
}

impl Telemetry {
    /// Sets logs and traces up, for the whole process. Every process has trace ids, whether it exports traces or not: its
    /// log lines are found by them.
    ///
    /// # Errors
    /// When the variables of OpenTelemetry name an address that is none.
    pub fn start(options: TelemetryOptions<'_>) -> anyhow::Result<Self> {
        logs::to_stderr(options.json_logs);
        let mut resource = Resource::builder();
        if env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(options.service);
        }
        let tracers = SdkTracerProvider::builder()
            // Spans of workflows have the same ids when they are replayed.
            .with_id_generator(WorkflowIdGenerator::default())
            .with_resource(resource.build());
        let is_named = |variable: &&str| env::var_os(variable).is_some_and(|value| !value.is_empty());
        let is_exported = options.traces.is_some() || ENDPOINTS.iter().any(is_named);
        let tracers = if is_exported { tracers.with_batch_exporter(exporter(options.traces)?) } else { tracers };
        let tracers = tracers.build();
        global::set_tracer_provider(tracers.clone());
        Ok(Self { tracers })
    }

    /// Sends what is left, and ends.
    pub async fn stop(self) {
        let stopping = tokio::task::spawn_blocking(move || self.tracers.shutdown());
        if let Ok(Err(error)) = stopping.await {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

fn exporter(endpoint: Option<&str>) -> anyhow::Result<SpanExporter> {
    // An error means that a provider of cryptography is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exporter = SpanExporter::builder().with_http();
    let exporter = match endpoint {
        Some(endpoint) => exporter.with_endpoint(endpoint),
        None => exporter,
    };
    exporter.build().map_err(|error| {
        anyhow!("traces cannot be exported: {error}\nhint: OTEL_EXPORTER_OTLP_ENDPOINT is an http or https URL")
    })
}

/// What a Temporal client and its workers need to be seen, in this order: what comes in passes the SDK's plugin first, what
/// goes out passes it last.
pub(crate) fn plugins() -> [SimplePlugin; 2] {
    let follow = WorkflowInterceptorConstructor::new(|_| FollowSignals::default());
    let logs: Arc<dyn ActivityInboundInterceptor> = Arc::new(LogActivities);
    [
        OpenTelemetryPlugin::builder().propagator(TraceContextPropagator::new()).build(),
        SimplePlugin::builder("leadflow")
            .workflow_interceptors(vec![follow])
            .activity_inbound_interceptors(vec![logs])
            .build(),
    ]
}
