//! The guard process itself.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{KILL_ORDER, LOCK_ENV, signal_group};

/// How long the program has after SIGTERM before it gets SIGKILL.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What the guard can be told.
enum Order {
    Stop,
    Kill,
}

/// The body of the hidden sub-command `internal guard`: runs `program` until it ends or the parent does.
///
/// Ends with the program's own code, or 128 + N when signal N ended it, or 127 when it could not be started.
pub fn run_guard(program: OsString, args: Vec<OsString>) -> ExitCode {
    let mut command = Command::new(program);
    command.args(args);
    let result = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
        let result = runtime.block_on(guard(command));
        // A thread that still waits for the lock must not hold up the end.
        runtime.shutdown_background();
        result
    });
    ExitCode::from(result.unwrap_or_else(|error| {
        answer(&format!("failed {error}"));
        127
    }))
}

async fn guard(mut command: Command) -> io::Result<u8> {
    let mut orders = listen()?;
    let _lock = match std::env::var_os(LOCK_ENV) {
        None => None,
        Some(path) => tokio::select! {
            lock = tokio::task::spawn_blocking(move || lock(path)) => Some(lock??),
            _ = orders.recv() => return Err(io::Error::other("stopped before it started")),
        },
    };
    // The answer goes to standard output, so the program gets standard error for both.
    let output = io::stderr().as_fd().try_clone_to_owned()?;
    command.env_remove(LOCK_ENV).stdin(Stdio::null()).stdout(output).process_group(0);
    let mut program = command.spawn()?;
    let pid = program.id().expect("a child that was not waited for has an id");
    answer(&format!("started {pid}"));
    let status = attend(&mut program, pid, orders).await?;
    Ok(exit_code(status))
}

/// Carries out orders until the program has ended.
async fn attend(program: &mut Child, pid: u32, mut orders: mpsc::Receiver<Order>) -> io::Result<ExitStatus> {
    let mut kill_at: Option<Instant> = None;
    loop {
        tokio::select! {
            status = program.wait() => return status,
            Some(order) = orders.recv() => match order {
                Order::Kill => signal_group(pid, Signal::SIGKILL),
                Order::Stop if kill_at.is_none() => {
                    signal_group(pid, Signal::SIGTERM);
                    kill_at = Some(Instant::now() + STOP_TIMEOUT);
                }
                Order::Stop => {}
            },
            () = sleep_until(kill_at.unwrap_or_else(Instant::now)), if kill_at.is_some() => {
                signal_group(pid, Signal::SIGKILL);
                return program.wait().await;
            }
        }
    }
}

/// Orders from the parent, whose end is an order to stop, and from signals.
fn listen() -> io::Result<mpsc::Receiver<Order>> {
    let (sender, orders) = mpsc::channel(8);
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move { while signals.recv().await.is_some() && sender.send(Order::Stop).await.is_ok() {} });
    }
    let mut parent = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    tokio::spawn(async move {
        while let Ok(byte) = parent.read_u8().await {
            if byte == KILL_ORDER && sender.send(Order::Kill).await.is_err() {
                return;
            }
        }
        let _ = sender.send(Order::Stop).await;
    });
    Ok(orders)
}

fn lock(path: OsString) -> io::Result<File> {
    let file = File::create(path)?;
    file.lock()?;
    Ok(file)
}

/// Tells the parent in one line; when it is gone, nobody needs to know.
fn answer(line: &str) {
    let _ = writeln!(io::stdout(), "{}", line.replace('\n', " "));
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(u8::MAX)
}
