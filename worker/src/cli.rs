//! The command line of a worker process, shared by the `worker` program and the embedded one.

use crate::telemetry::{Telemetry, TelemetryOptions};
use crate::{run, temporal};
use clap::Parser;
use leadflow_activities::config::Config;
use leadflow_clock::Clock;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// Runs the workflows and activities of leadflow.
#[derive(Parser, Clone, Debug)]
#[command(name = "worker", version, about)]
pub struct WorkerArgs {
    /// Configuration file; without it `leadflow.toml` in the current folder, if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write logs as JSON lines.
    #[arg(long)]
    pub json_logs: bool,
    /// Show metrics to Prometheus, at `http://ADDRESS/metrics`.
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// Clock of a demo or test, as `ORIGIN_MS@SPEED`.
    #[arg(long, hide = true)]
    pub clock: Option<Clock>,
    /// Address of an embedded server, in place of the SDK's configuration.
    #[arg(long, hide = true, value_name = "HOST:PORT")]
    pub temporal: Option<String>,
}

/// Runs until SIGTERM or Ctrl-C. Exit code 2 when it cannot start.
pub async fn main(args: WorkerArgs) -> ExitCode {
    match observed(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn observed(args: WorkerArgs) -> anyhow::Result<()> {
    let options = TelemetryOptions { service: "leadflow-worker", json_logs: args.json_logs, traces: None };
    let telemetry = Telemetry::start(options)?;
    let served = serve(args).await;
    telemetry.stop().await;
    served
}

async fn serve(args: WorkerArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref(), None)?;
    let (client, target) = match &args.temporal {
        Some(address) => temporal::connect_to(address).await?,
        None => temporal::connect().await?,
    };
    info!(address = target.address, namespace = target.namespace, "connected to Temporal");
    let stop = asked_to_stop();
    run(config, client, args.clock.unwrap_or_else(Clock::system), args.metrics, stop).await
}

/// Ends at the first SIGTERM or Ctrl-C from now on: it listens before it is awaited. Where signals cannot be listened
/// to, only SIGKILL ends the process.
pub fn asked_to_stop() -> impl Future<Output = ()> {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
