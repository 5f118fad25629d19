//! The commands of `starter`.

use crate::commands::account::{self, AccountCommand};
use crate::commands::audit::{self, AuditCommand};
use crate::commands::budget::{self, BudgetCommand};
use crate::commands::buyer_group::{self, BuyerGroupCommand};
use crate::commands::campaign::{self, CampaignCommand};
use crate::commands::events::{self, EventsCommand};
use crate::commands::history::{self, HistoryCommand};
use crate::commands::lead::{self, LeadCommand};
use crate::commands::reply::{self, ReplyCommand};
use crate::commands::search::{self, SearchCommand};
use crate::commands::sequence::{self, SequenceCommand};
use crate::commands::serve::{self, ServeArgs};
use crate::commands::suppression::{self, SuppressionCommand};
use crate::commands::token::{self, TokenCommand};
use crate::commands::usage::{self, UsageArgs};
use crate::commands::{self, doctor};
use crate::demo::{self, DemoArgs};
use crate::dev::{self, DevArgs};
use crate::embedded::guard::run_guard;
use crate::failure::Failure;
use crate::init::{self, InitArgs};
use crate::site::GlobalArgs;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use leadflow_worker::cli::WorkerArgs;
use std::ffi::OsString;
use std::io::{self, Write};
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
    /// Check what is set up, what is made up, and what is missing
    ///
    /// Example: starter doctor
    Doctor,
    #[command(subcommand)]
    Search(SearchCommand),
    #[command(subcommand)]
    Lead(LeadCommand),
    #[command(subcommand)]
    Account(AccountCommand),
    #[command(subcommand)]
    Campaign(CampaignCommand),
    #[command(subcommand)]
    Sequence(SequenceCommand),
    #[command(subcommand)]
    Suppression(SuppressionCommand),
    #[command(subcommand)]
    Reply(ReplyCommand),
    Serve(ServeArgs),
    #[command(subcommand)]
    Token(TokenCommand),
    #[command(subcommand)]
    Audit(AuditCommand),
    #[command(subcommand)]
    Events(EventsCommand),
    #[command(subcommand)]
    BuyerGroup(BuyerGroupCommand),
    #[command(subcommand)]
    Budget(BudgetCommand),
    Usage(UsageArgs),
    #[command(subcommand)]
    History(HistoryCommand),
    Completions(CompletionsArgs),
    #[command(subcommand, hide = true)]
    Internal(Internal),
}

/// Write the completions of a shell to standard output
///
/// Example: starter completions bash > ~/.local/share/bash-completion/completions/starter
#[derive(Args, Debug)]
struct CompletionsArgs {
    shell: Shell,
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

/// Parses the command line, runs the command, and gives the exit code: 0 done, 1 cancelled, refused or nothing matched,
/// 2 failed or bad input.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
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
        Command::Init(args) => init::run(&args, global.json),
        Command::Doctor => doctor::run(global).await,
        Command::Search(command) => search::run(command, global).await,
        Command::Lead(command) => lead::run(command, global).await,
        Command::Account(command) => account::run(command, global).await,
        Command::Campaign(command) => campaign::run(command, global).await,
        Command::Sequence(command) => sequence::run(command, global).await,
        Command::Suppression(command) => suppression::run(command, global).await,
        Command::Reply(command) => reply::run(command, global).await,
        Command::Serve(args) => serve::run(&args, global).await,
        Command::Token(command) => token::run(command, global).await,
        Command::Audit(command) => audit::run(&command, global).await,
        Command::Events(command) => events::run(command, global).await,
        Command::BuyerGroup(command) => buyer_group::run(command, global).await,
        Command::Budget(command) => budget::run(command, global).await,
        Command::Usage(args) => usage::run(&args, global).await,
        Command::History(command) => history::run(command, global).await,
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "starter", &mut script);
            commands::print(&String::from_utf8_lossy(&script))
        }
        Command::Internal(_) => Err(Failure::Refused("this command is for the program itself".into())),
    }
}

/// Help goes to standard output; a command line that cannot be read ends with a hint like every other mistake.
fn misused(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::MissingSubcommand
    ) {
        error.exit();
    }
    let text = error.render().to_string();
    let text = text.replace("\n  tip: ", "\n  hint: ").replace("For more information, try ", "hint: see ");
    // When even standard error is gone, the exit code has to do.
    let _ = io::stderr().write_all(text.replace("see '--help'.", "see `--help`").as_bytes());
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// Help of every command that a user sees.
    fn help(command: &mut clap::Command, path: &str, text: &mut String) {
        let page = command.clone().term_width(100).render_long_help();
        writeln!(text, "$ {path} --help\n{page}").unwrap();
        for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set()) {
            let path = format!("{path} {}", sub.get_name());
            help(sub, &path, text);
        }
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        let mut command = Cli::command();
        command.build();
        let mut text = String::new();
        help(&mut command, "starter", &mut text);
        for page in text.split("$ starter ").filter(|page| !page.contains("Commands:\n")).skip(1) {
            assert!(page.contains("\nExample: starter "), "{page}");
        }
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
