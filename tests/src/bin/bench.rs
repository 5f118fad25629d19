//! `bench NAME`: measures leadflow and writes `docs/measurements/NAME.json`.

use clap::Parser;
use leadflow_starter::failure::Failure;
use leadflow_tests::bench::{self, BenchArgs};
use leadflow_tests::kill_points;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(ended) = kill_points::main_if_internal() {
        return ended;
    }
    let args = BenchArgs::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(bench::run(args)));
    ended.map_or_else(Failure::report, |()| ExitCode::SUCCESS)
}
