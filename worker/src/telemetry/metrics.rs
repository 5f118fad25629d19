//! The address that Prometheus reads: one for all metrics of a process, its own and those of the SDK.

use anyhow::{Context, anyhow};
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use leadflow_activities::telemetry::Metrics;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use temporalio_common::telemetry::metrics::CoreMeter;
use temporalio_common::telemetry::{PrometheusExporterOptions, TelemetryOptions, start_prometheus_metric_exporter};
use temporalio_sdk::runtime::RuntimeOptions;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinHandle};

/// Content type of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const SDK_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the SDK counts. Its exporter insists on a port of its own, so that is a free one of this machine, read by
/// [`MetricsEndpoint`] alone. Dropping it ends it.
pub struct SdkMetrics {
    address: SocketAddr,
    meter: Arc<dyn CoreMeter>,
    server: AbortHandle,
}

impl SdkMetrics {
    /// # Errors
    /// When this machine has no free port.
    pub fn start() -> anyhow::Result<Self> {
        let options = PrometheusExporterOptions::builder()
            .socket_addr(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            // As Prometheus names things, and as Temporal's dashboards expect.
            .counters_total_suffix(true)
            .unit_suffix(true)
            .use_seconds_for_durations(true)
            .build();
        let started = start_prometheus_metric_exporter(options).context("the SDK's metrics have no port")?;
        Ok(Self { address: started.bound_addr, meter: started.meter, server: started.abort_handle })
    }

    /// # Errors
    /// Never with these options.
    pub fn runtime(&self) -> anyhow::Result<RuntimeOptions> {
        let telemetry = TelemetryOptions::builder().metrics(Arc::clone(&self.meter)).build();
        RuntimeOptions::builder().telemetry_options(telemetry).build().map_err(anyhow::Error::msg)
    }
}

impl Drop for SdkMetrics {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A running endpoint. Dropping it ends it.
pub struct MetricsEndpoint {
    address: SocketAddr,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Sources {
    own: Metrics,
    sdk: Option<(SocketAddr, reqwest::Client)>,
}

impl MetricsEndpoint {
    /// Answers `GET /metrics`.
    ///
    /// # Errors
    /// When the address is taken or may not be used.
    pub async fn start(address: SocketAddr, own: Metrics, sdk: Option<&SdkMetrics>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            anyhow!("metrics cannot be shown on {address}: {error}\nhint: choose another address with --metrics")
        })?;
        let address = listener.local_addr()?;
        let sdk = sdk.map(|sdk| Ok::<_, anyhow::Error>((sdk.address, client()?))).transpose()?;
        let router = Router::new().route("/metrics", get(text)).with_state(Sources { own, sdk });
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "metrics are no longer shown");
            }
        });
        tracing::info!(%address, "metrics are shown at /metrics");
        Ok(Self { address, server })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetricsEndpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn text(State(sources): State<Sources>) -> Response {
    let mut text = sources.own.text().await;
    if let Some((address, client)) = &sources.sdk {
        match of_sdk(client, *address).await {
            Ok(sdk) => text.push_str(&sdk),
            Err(error) => tracing::warn!(%error, "the SDK's metrics are left out"),
        }
    }
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

async fn of_sdk(client: &reqwest::Client, address: SocketAddr) -> reqwest::Result<String> {
    client.get(format!("http://{address}/metrics")).send().await?.error_for_status()?.text().await
}

/// For this machine alone: without proxy, certificates and cryptography.
fn client() -> anyhow::Result<reqwest::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(SDK_TIMEOUT).build()?)
}
