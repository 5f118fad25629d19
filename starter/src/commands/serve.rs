//! `starter serve`: the HTTP API, and webhooks.

use super::tell;
use crate::failure::Failure;
use crate::ingress::api::{ApiOptions, REQUESTS_PER_MINUTE};
use crate::ingress::{Ingress, IngressOptions, UNIPILE_PATH};
use crate::site::{GlobalArgs, Site};
use clap::Args;
use leadflow_worker::cli::asked_to_stop;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Serve the HTTP API, and take in what Unipile tells: replies, accepted invitations, bounces, lost accounts
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
}

/// Runs until Ctrl-C or SIGTERM.
pub async fn run(args: &ServeArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let secret = site.config.webhook_secret.clone().ok_or_else(|| {
        Failure::Failed(
            "no secret tells real events from forged ones\n\
             hint: set UNIPILE_WEBHOOK_SECRET to a long random text, here and in the webhook's header"
                .into(),
        )
    })?;
    let store = site.store().await?;
    let (client, _) = site.temporal().await?;
    let ingress = Ingress::start(IngressOptions {
        listen: args.listen,
        store: store.clone(),
        teller: Arc::new(client.clone()),
        clock: site.clock,
        tenant: site.tenant().to_owned(),
        secret,
        api: Some(ApiOptions { site: site.clone(), client, requests_per_minute: args.requests_per_minute }),
    })
    .await?;
    tell(&format!("the API is at http://{}/v1", ingress.address()));
    tell(&format!("Unipile's events are taken at http://{}{UNIPILE_PATH}", ingress.address()));
    asked_to_stop().await;
    tell("stopping");
    ingress.stop().await;
    store.close().await;
    Ok(())
}
