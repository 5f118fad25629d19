//! `starter dev`: everything embedded, over a data folder, until Ctrl-C.

use crate::failure::Failure;
use crate::outreach::Outreach;
use crate::site::{DEFAULT_DATA, GlobalArgs};
use crate::stack::{Part, Stack, StackOptions, tail};
use clap::Args;
use leadflow_activities::config::Config;
use leadflow_worker::cli::asked_to_stop;
use leadflow_worker::telemetry::{Telemetry, TelemetryOptions};
use leadflow_workflows::domain::provider::Provider;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

/// Run Temporal, a worker and stand-ins for missing providers, until Ctrl-C
///
/// Example: starter dev --data leadflow-data
#[derive(Args, Clone, Debug)]
pub struct DevArgs {
    /// Port of Temporal; a free one without
    #[arg(long)]
    pub port: Option<u16>,
    /// Port of the Temporal web UI; a free one without
    #[arg(long)]
    pub ui_port: Option<u16>,
}

/// A worker that cannot stay up is started again after so long.
const RESTART_DELAY: Duration = Duration::from_secs(1);
/// So many times, before the reason is shown instead.
const RESTARTS: u32 = 5;

/// Runs until Ctrl-C or SIGTERM, and stops everything in order.
pub async fn run(args: &DevArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let telemetry = Telemetry::start(TelemetryOptions { service: "leadflow-dev", json_logs: false, traces: None })?;
    let done = up(args, global).await;
    telemetry.stop().await;
    done
}

async fn up(args: &DevArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let folder = global.data.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_DATA));
    let config = Config::load(global.config.as_deref(), Some(&folder))?;
    let options = StackOptions { port: args.port, ui_port: args.ui_port, ..StackOptions::new(folder.clone(), config) };
    let mut stack = Stack::start(options, &|what| drop(writeln!(io::stderr(), "{what}"))).await?;
    let (config, store, client) = (stack.config.clone(), stack.store.clone(), stack.client.clone());
    let outreach = Outreach { config, store, client, clock: stack.clock };
    if let Err(Failure::Unavailable(problem)) = outreach.ensure_all().await {
        writeln!(io::stderr(), "warning: {problem}")?;
    }
    announce(&stack, global.json)?;
    let mut stop = std::pin::pin!(asked_to_stop());
    let mut restarts = 0;
    loop {
        let part = tokio::select! {
            () = &mut stop => break,
            part = stack.ended() => part,
        };
        if part == Part::Server {
            let log = tail(&stack.folder.logs().join("temporal.log"), 5);
            return Err(Failure::Failed(format!("the Temporal server ended by itself; its log ends with\n{log}")));
        }
        restarts += 1;
        if restarts > RESTARTS {
            let log = tail(&stack.folder.logs().join("worker.log"), 5);
            return Err(Failure::Failed(format!("the worker does not stay up; its log ends with\n{log}")));
        }
        tokio::time::sleep(RESTART_DELAY).await;
        stack.start_worker().await?;
    }
    writeln!(io::stderr(), "stopping")?;
    stack.stop().await
}

fn announce(stack: &Stack, json: bool) -> Result<(), Failure> {
    let folder = stack.folder.path().display();
    let ui = stack.server.ui_url.as_deref().unwrap_or_default();
    let sandboxed: Vec<String> = Provider::ALL
        .into_iter()
        .filter(|provider| stack.config.provider(*provider).sandbox)
        .map(|provider| provider.to_string())
        .collect();
    let mut out = io::stdout().lock();
    if json {
        let document = serde_json::json!({
            "data": stack.folder.path(), "temporal_address": stack.server.address, "ui_url": ui,
            "sandbox_url": stack.sandbox.as_ref().map(leadflow_sandbox::Sandbox::base_url), "sandboxed": sandboxed,
        });
        writeln!(out, "{document}")?;
        return Ok(());
    }
    writeln!(out, "data      {folder}")?;
    writeln!(out, "Temporal  {}", stack.server.address)?;
    writeln!(out, "web UI    {ui}")?;
    if !sandboxed.is_empty() {
        writeln!(out, "made up   {} (no key; people are fictitious)", sandboxed.join(", "))?;
    }
    writeln!(out, "next      starter search start --brief brief.toml --wait    (Ctrl-C here stops everything)")?;
    Ok(())
}
