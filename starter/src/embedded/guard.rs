//! Child processes that cannot outlive us, even when we are killed with SIGKILL.
//!
//! Between us and the program stands a guard: our own executable, as `starter internal guard -- PROGRAM ARGS…`. Its
//! standard input is a pipe whose other end only we hold. When we end, however that happens, the pipe closes, and the
//! guard stops the program. Guard and program are in process groups of their own, so Ctrl-C in a terminal reaches only
//! us, and we stop things in order.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

pub use run::{STOP_TIMEOUT, run_guard};

mod run;

/// Environment variable with a file that the guard locks before it starts the program, and until the program is gone.
const LOCK_ENV: &str = "LEADFLOW_GUARD_LOCK";

/// Written to the guard's standard input to have the program killed.
const KILL_ORDER: u8 = b'k';

/// The program did not start under its guard.
#[derive(Debug, thiserror::Error)]
#[error("`{program}` did not start: {reason}")]
pub struct GuardError {
    pub program: String,
    pub reason: String,
}

/// A command for [`GuardedChild::start`]: `program` with `args` under a guard, where `exe` is an executable that
/// answers `internal guard`.
///
/// Add environment and folder as usual, and standard error, where both output streams of the program go.
pub fn guarded_command<A: AsRef<OsStr>>(
    exe: &Path,
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(exe);
    command.args(["internal", "guard", "--"]).arg(program).args(args);
    command
}

/// Lets the program start only when no other guarded program holds the same file: what an earlier one, whose parent was
/// killed, still has open is closed by then.
pub fn hold_lock(command: &mut Command, file: &Path) {
    command.env(LOCK_ENV, file);
}

/// A program under its guard. Dropping it has the program stopped, without waiting for its end.
#[derive(Debug)]
pub struct GuardedChild {
    guard: Child,
    /// `None` once the guard was told to stop the program.
    orders: Option<ChildStdin>,
    pid: u32,
}

impl GuardedChild {
    /// Starts a [`guarded_command`] and waits until the program runs.
    pub async fn start(mut command: Command) -> Result<Self, GuardError> {
        let program = command.as_std().get_args().nth(3).unwrap_or_default().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        Self::try_start(command).await.map_err(|reason| GuardError { program, reason })
    }

    async fn try_start(mut command: Command) -> Result<Self, String> {
        let mut guard = command.spawn().map_err(|error| format!("its guard cannot be run: {error}"))?;
        let orders = guard.stdin.take();
        let mut answer = String::new();
        if let Some(stdout) = guard.stdout.take() {
            // What follows the answer is not for us, and a guard that never ends would never end it.
            BufReader::new(stdout.take(4_096))
                .read_line(&mut answer)
                .await
                .map_err(|error| format!("its guard does not answer: {error}"))?;
        }
        match answer.trim().split_once(' ') {
            Some(("started", pid)) => {
                let pid = pid.parse().map_err(|_| format!("its guard answers `{}`", answer.trim()))?;
                Ok(Self { guard, orders, pid })
            }
            Some(("failed", reason)) => Err(reason.to_owned()),
            _ => Err("its guard ended before it answered".to_owned()),
        }
    }

    /// The process id of the program itself.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the end of the program. As in a shell, the code is 128 + N when signal N ended it.
    ///
    /// May be dropped and called again.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.guard.wait().await?;
        self.after_the_guard(status);
        Ok(status)
    }

    /// The status as of [`Self::wait`], or `None` while the program runs.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.guard.try_wait()?;
        if let Some(status) = status {
            self.after_the_guard(status);
        }
        Ok(status)
    }

    /// Has the program stopped by SIGTERM, or by SIGKILL when it takes longer than [`STOP_TIMEOUT`], and waits for its
    /// end.
    pub async fn stop(mut self) -> io::Result<ExitStatus> {
        self.orders = None;
        self.wait().await
    }

    /// Kills the program with SIGKILL and waits for its end.
    pub async fn kill(&mut self) -> io::Result<ExitStatus> {
        if let Some(orders) = &mut self.orders {
            // An error means that the guard, and so the program, is gone already.
            let _ = orders.write_all(&[KILL_ORDER]).await;
        }
        self.wait().await
    }

    /// A guard that was itself killed leaves the program behind.
    fn after_the_guard(&self, status: ExitStatus) {
        if status.signal().is_some() {
            signal_group(self.pid, Signal::SIGKILL);
        }
    }
}

/// Signals a program and the processes it started; that they are gone already is fine.
fn signal_group(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = killpg(Pid::from_raw(pid), signal);
    }
}
