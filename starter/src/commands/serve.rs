//! `starter serve`: the HTTP API, and webhooks.

use super::tell;
use crate::failure::Failure;
use crate::ingress::api::{ApiOptions, REQUESTS_PER_MINUTE};
use crate::ingress::{Doors, Ingress, IngressOptions, Link, UNIPILE_PATH};
use crate::site::{GlobalArgs, Site};
use clap::Args;
use leadflow_activities::store::Store;
use leadflow_activities::telemetry::Metrics;
use leadflow_worker::cli::asked_to_stop;
use leadflow_worker::telemetry::{MetricsEndpoint, Telemetry, TelemetryOptions};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

/// Between two tries to reach Temporal.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Serve the HTTP API, and take webhooks in: replies, connections, bounces, lost accounts, job changes, opt-outs by link
///
/// The API asks for a token of `starter token create`; it describes itself at /v1/openapi.json. Needs the secret that Unipile sends along, in `UNIPILE_WEBHOOK_SECRET`. Put a proxy with TLS before it.
///
/// Example: starter serve --listen 0.0.0.0:8030
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8030")]
    listen: SocketAddr,
    /// Most API requests in a minute for each token
    #[arg(long, value_name = "N", default_value_t = REQUESTS_PER_MINUTE)]
    requests_per_minute: NonZeroU32,
    /// Show metrics to Prometheus, at `http://ADDRESS/metrics`
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Write logs as JSON lines
    #[arg(long)]
    json_logs: bool,
}

/// Runs until Ctrl-C or SIGTERM.
pub async fn run(args: &ServeArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let options = TelemetryOptions { service: "leadflow-serve", json_logs: args.json_logs, traces: None };
    let telemetry = Telemetry::start(options)?;
    let served = serve(args, global).await;
    telemetry.stop().await;
    served
}

async fn serve(args: &ServeArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let doors = Doors::from_config(&site.config)?;
    if !doors.knows_unipile() {
        tell(
            "warning: events of Unipile are refused\nhint: set UNIPILE_WEBHOOK_SECRET, here and in the webhook's header",
        );
    }
    let store = site.installation_store().await?;
    let link = Link::default();
    match site.temporal().await {
        Ok((client, _)) => link.set(client),
        // Events do not wait for it.
        Err(Failure::Unavailable(problem)) => tell(&format!("warning: {problem}")),
        Err(failure) => return Err(failure),
    }
    let _metrics = match args.metrics {
        Some(address) => {
            let gate = site.gate(&store);
            let own = Metrics { store: store.clone(), gate, clock: site.clock, tenant: site.tenant().to_owned() };
            Some(MetricsEndpoint::start(address, own, None).await?)
        }
        None => None,
    };
    let ingress = Ingress::start(IngressOptions {
        listen: args.listen,
        store: store.clone(),
        teller: link.teller(&site.config),
        clock: site.clock,
        tenant: site.tenant().to_owned(),
        doors,
        api: Some(ApiOptions { site: site.clone(), link: link.clone(), requests_per_minute: args.requests_per_minute }),
    })
    .await?;
    tell(&format!("the API is at http://{}/v1", ingress.address()));
    tell(&format!("events are taken at http://{}, Unipile's at {UNIPILE_PATH}", ingress.address()));
    let tenants_store = store.for_tenant(site.tenant());
    tokio::select! {
        () = asked_to_stop() => {}
        () = keep_up(&site, tenants_store, &link) => {}
    }
    tell("stopping");
    ingress.stop().await;
    store.close().await;
    Ok(())
}

/// Reaches Temporal, if that was not possible at the start, and starts the workflows that are missing; then waits for ever.
async fn keep_up(site: &Site, store: Store, link: &Link) {
    let client = loop {
        if let Some(client) = link.get() {
            break client.clone();
        }
        tokio::time::sleep(AGAIN_AFTER).await;
        if let Ok((client, _)) = site.temporal().await {
            tell("Temporal is there now");
            link.set(client);
        } else {
            tracing::warn!("Temporal cannot be reached; events are taken all the same");
        }
    };
    if let Err(Failure::Unavailable(problem)) = site.outreach_with(store, client).ensure_all().await {
        tell(&format!("warning: {problem}"));
    }
    std::future::pending::<()>().await;
}
