//! Ends a worker process by SIGKILL when it passes a named point for the n-th time.

use anyhow::{Context, ensure};
use leadflow_activities::failpoint::POINTS;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where to die, as `POINT:N`, for example `gate-after-call:3`.
pub const VARIABLE: &str = "LEADFLOW_KILL_AT";

/// Sets up the point that the environment names, if it names one.
pub fn arm() -> anyhow::Result<()> {
    let Ok(text) = std::env::var(VARIABLE) else { return Ok(()) };
    let (point, passage) = text.split_once(':').with_context(|| format!("{VARIABLE} is not `POINT:N`"))?;
    let passage: u32 = passage.parse().with_context(|| format!("{VARIABLE} does not end in a number"))?;
    ensure!(POINTS.contains(&point), "{VARIABLE} names no point; hint: one of {}", POINTS.join(", "));
    let passed = AtomicU32::new(0);
    let die = move || {
        if passed.fetch_add(1, Ordering::SeqCst) + 1 == passage {
            kill(Pid::this(), Signal::SIGKILL).expect("a process may kill itself");
        }
    };
    fail::cfg_callback(point, die).map_err(anyhow::Error::msg)
}

/// The `starter` with kill points.
pub fn main() -> ExitCode {
    match arm() {
        Ok(()) => leadflow_starter::cli::main(),
        Err(error) => leadflow_starter::failure::Failure::from(error).report(),
    }
}

/// For programs that build a laboratory around themselves: their guards, workers and `serve` are they themselves, started
/// again. Call it first, and return what it gives.
pub fn main_if_internal() -> Option<ExitCode> {
    let command = std::env::args_os().nth(1)?;
    ["internal", "serve"].into_iter().any(|ours| command == OsStr::new(ours)).then(main)
}
