//! The sandbox as a process of its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use leadflow_clock::Clock;
use leadflow_sandbox::{API_KEY, Sandbox, SandboxConfig};
use tokio::signal::unix::{SignalKind, signal};

/// Play OpenAI, Gemini, Serper, Hunter and Unipile on one local port, with fictitious people
#[derive(Debug, Parser)]
#[command(version, after_help = "Example: sandbox --listen 127.0.0.1:0 --model-latency-ms 800")]
struct Arguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Decides all that is invented
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Time that a call to a model takes
    #[arg(long, default_value_t = 0)]
    model_latency_ms: u64,
    /// Time that a call to Serper, Hunter or Unipile takes
    #[arg(long, default_value_t = 0)]
    search_latency_ms: u64,
    /// Clock of answers and ledger, as `ORIGIN_MS@SPEED`; the system's by default
    #[arg(long)]
    clock: Option<Clock>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut terminated = signal(SignalKind::terminate()).context("the sandbox cannot wait for SIGTERM")?;
    let sandbox = Sandbox::start(SandboxConfig {
        address: arguments.listen,
        seed: arguments.seed,
        clock: arguments.clock.unwrap_or_default(),
        search_latency: Duration::from_millis(arguments.search_latency_ms),
        model_latency: Duration::from_millis(arguments.model_latency_ms),
        ..SandboxConfig::default()
    })
    .await?;
    println!("{}", serde_json::json!({"base_url": sandbox.base_url(), "api_key": API_KEY}));
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("the sandbox cannot wait for Ctrl-C")?,
        _ = terminated.recv() => {}
    }
    sandbox.stop().await;
    Ok(())
}
