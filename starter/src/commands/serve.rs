//! `starter serve`: takes webhooks in.

use super::tell;
use crate::failure::Failure;
use crate::ingress::{Ingress, IngressOptions, UNIPILE_PATH};
use crate::site::{GlobalArgs, Site};
use clap::Args;
use leadflow_activities::outreach::events::Workflows;
use leadflow_worker::cli::asked_to_stop;
use std::net::SocketAddr;
use std::sync::Arc;

/// Take in what Unipile tells: replies, accepted invitations, bounces, lost accounts
///
/// Needs the secret that Unipile sends along, in `UNIPILE_WEBHOOK_SECRET`. Put a proxy with TLS before it.
///
/// Example: starter serve --listen 0.0.0.0:8030
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8030")]
    listen: SocketAddr,
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
        teller: Arc::new(Workflows { client, timings: site.config.timings }),
        clock: site.clock,
        tenant: site.tenant().to_owned(),
        secret,
    })
    .await?;
    tell(&format!("Unipile's events are taken at http://{}{UNIPILE_PATH}", ingress.address()));
    asked_to_stop().await;
    tell("stopping");
    ingress.stop().await;
    store.close().await;
    Ok(())
}
