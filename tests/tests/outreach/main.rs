//! Outreach end to end: real Temporal server, real worker processes, the sandbox as LinkedIn and mail.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod agreement;
mod buyer_groups;
mod cost;
mod courses;
mod endings;
mod ingress;
mod kills;
mod missing;
mod month;
mod readings;
mod replies;
mod two_tools;

use leadflow_clock::Clock;
use leadflow_tests::field::MONDAY_MS;
use leadflow_tests::lab::Setup;
use std::path::PathBuf;
use tokio::sync::{Mutex, MutexGuard};

/// The laboratories of one process stand in line: two cores are not enough for several.
async fn alone() -> MutexGuard<'static, ()> {
    static LINE: Mutex<()> = Mutex::const_new(());
    LINE.lock().await
}

fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_starter-under-test").into()
}

/// A clock that shows Monday noon and runs so many times as fast.
fn setup(speed: f64) -> Setup {
    Setup { clock: Clock::fast(MONDAY_MS, speed), ..Setup::new(Some(program())) }
}
