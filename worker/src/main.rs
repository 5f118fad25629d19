//! Runs a worker against any Temporal server until it is told to stop.

use clap::Parser;
use leadflow_worker::cli::{self, WorkerArgs};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cli::main(WorkerArgs::parse()).await
}
