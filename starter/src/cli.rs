//! The commands of `starter`.

use crate::demo::{self, DemoArgs};
use crate::dev::{self, DevArgs};
use crate::embedded::guard::run_guard;
use crate::failure::Failure;
use crate::init::{self, InitArgs};
use crate::site::GlobalArgs;
use clap::{Parser, Subcommand};
use leadflow_worker::cli::WorkerArgs;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

/// Finds leads and says why, durably: every search is a Temporal workflow
#[derive(Parser, Debug)]
#[command(name = "starter", version, about, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Demo(DemoArgs),
    Dev(DevArgs),
    Init(InitArgs),
    #[command(subcommand, hide = true)]
    Internal(Internal),
}

/// What this program starts of itself.
#[derive(Subcommand, Debug)]
enum Internal {
    /// Keeps a child process from outliving its parent
    Guard {
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    Worker(WorkerArgs),
}

/// Parses the command line, runs the command, and gives the exit code: 0 done, 1 refused or nothing matched, 2 failed or
/// bad input.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Internal(Internal::Guard { program, args }) = cli.command {
        return run_guard(program, args);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::from(error).report(),
    };
    runtime.block_on(async {
        if let Command::Internal(Internal::Worker(args)) = cli.command {
            return leadflow_worker::cli::main(args).await;
        }
        match run(cli).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        }
    })
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Demo(args) => demo::run(&args, global).await,
        Command::Dev(args) => dev::run(&args, global).await,
        Command::Init(args) => Ok(init::run(&args, &mut io::stdout())?),
        Command::Internal(_) => Err(Failure::Refused("this command is for the program itself".into())),
    }
}
