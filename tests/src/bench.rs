//! Benchmarks by command: they print and keep what the documents quote.
//!
//! ```sh
//! cargo run --release -p leadflow-tests --bin bench -- search
//! ```

pub mod history;
pub mod machine;
pub mod process;
mod report;
pub mod search;

use crate::kill;
use clap::{Args, Parser, Subcommand};
use leadflow_starter::failure::Failure;
use machine::Machine;
use serde::Serialize;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Measure leadflow, and write docs/measurements/NAME.json
#[derive(Parser, Debug)]
#[command(name = "bench", version, about, disable_help_subcommand = true)]
pub struct BenchArgs {
    /// Print the document instead of a table
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand, Debug)]
enum Bench {
    Search(SearchArgs),
    Kill(KillArgs),
}

/// Kill the worker 20 times in a search of 500 businesses while a fifth of all calls fail
///
/// Example: bench kill --seed 12
#[derive(Args, Debug)]
struct KillArgs {
    /// Decides over kills and faults; the document is kept for the usual one
    #[arg(long)]
    seed: Option<u64>,
}

/// Search 100 and then 1,000 businesses at the real limits
///
/// Example: bench search --json
#[derive(Args, Debug)]
struct SearchArgs {
    /// Other sizes; the document is then only printed
    #[arg(long, value_name = "COUNT", value_delimiter = ',')]
    businesses: Vec<u32>,
    /// Keep stores and logs in this folder
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// A document of `docs/measurements`.
#[derive(Serialize)]
struct Document<T> {
    bench: &'static str,
    machine: Machine,
    #[serde(flatten)]
    measured: T,
}

/// Runs one benchmark.
///
/// # Errors
/// When something cannot be run or written, and [`Failure::Refused`] when a measurement is outside of its limit.
pub async fn run(args: BenchArgs) -> Result<(), Failure> {
    match args.bench {
        Bench::Search(search) => run_search(&search, args.json).await,
        Bench::Kill(kill) => run_kill(&kill, args.json).await,
    }
}

async fn run_search(args: &SearchArgs, json: bool) -> Result<(), Failure> {
    let temporary = tempfile::tempdir()?;
    let folder = args.data.as_deref().unwrap_or_else(|| temporary.path());
    let is_usual = args.businesses.is_empty();
    let sizes = if is_usual { &search::SIZES } else { args.businesses.as_slice() };
    let measured = search::run(folder, sizes).await?;
    let text = report::search(&measured);
    let broken = measured.limits.iter().filter(|limit| !limit.holds);
    let problems: Vec<_> = broken.map(|limit| format!("{} is outside of its limit", limit.what)).collect();
    Document { bench: "search", machine: Machine::here(), measured }.publish(is_usual, json, &text, &problems)
}

async fn run_kill(args: &KillArgs, json: bool) -> Result<(), Failure> {
    let usual = kill::Options::long(None);
    let options = kill::Options { seed: args.seed.unwrap_or(usual.seed), ..usual };
    let measured = kill::run(&options).await?;
    let text = report::kill(&measured);
    let problems = measured.problems(&options);
    Document { bench: "kill", machine: Machine::here(), measured }.publish(args.seed.is_none(), json, &text, &problems)
}

impl<T: Serialize> Document<T> {
    /// Prints it. Keeps it when asked to and when there are no problems, so that documents quote none that failed.
    fn publish(&self, keep: bool, json: bool, text: &str, problems: &[String]) -> Result<(), Failure> {
        if keep && problems.is_empty() {
            self.keep()?;
        }
        let mut out = io::stdout().lock();
        if json {
            writeln!(out, "{}", self.pretty())?;
        } else {
            write!(out, "{}\n{text}", self.machine)?;
        }
        if problems.is_empty() { Ok(()) } else { Err(Failure::Refused(problems.join("\n"))) }
    }

    /// Writes `docs/measurements/NAME.json`.
    fn keep(&self) -> io::Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/measurements");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{}.json", self.bench)), self.pretty() + "\n")
    }

    fn pretty(&self) -> String {
        serde_json::to_string_pretty(self).expect("measurements have text keys only")
    }
}
