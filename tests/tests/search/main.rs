//! Lead searches end to end: real Temporal server, real worker processes, the sandbox as provider.

mod courses;
mod disturbances;
mod kills;
mod known;

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

fn setup() -> Setup {
    Setup::new(Some(program()))
}
