//! Benchmarks by command: they print and keep what the documents quote.
//!
//! ```sh
//! cargo run --release -p leadflow-tests --bin bench -- search
//! ```

pub mod actions;
pub mod history;
mod ingress;
pub mod ingress_load;
pub mod machine;
pub mod open;
pub mod outreach;
pub mod process;
mod report;
pub mod search;
pub mod simulate;

use crate::field::MONDAY_MS;
use crate::lab::Setup;
use crate::reply_wins::{self, ReplyReport};
use crate::{kill, outreach_kill};
use clap::{Args, Parser, Subcommand};
use leadflow_clock::Clock;
use leadflow_starter::failure::Failure;
use leadflow_workflows::domain::timings::Timings;
use machine::Machine;
use search::Limit;
use serde::Serialize;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Slow enough that a machine of two cores keeps up with 1,000 leads at once.
const OUTREACH_SPEED: f64 = 1_500.0;
/// Enrollments of one day begin within an hour, which is three minutes at this speed.
const OPEN_SPEED: f64 = 20.0;
/// As in the small kill test.
const KILL_SPEED: f64 = 20_000.0;

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
    Outreach(OutreachArgs),
    OutreachKill(OutreachKillArgs),
    Reply(ReplyArgs),
    Open(OpenArgs),
    Simulate(SimulateArgs),
    IngressLoad(ingress::LoadArgs),
    IngressChaos(ingress::ChaosArgs),
    IngressOutage(ingress::OutageArgs),
}

/// Take 1,000 leads through five contacts each: history, Temporal actions, CPU time of the worker
///
/// Example: bench outreach --enrollments 100
#[derive(Args, Debug)]
struct OutreachArgs {
    /// Another number, up to 1,200; the document is then only printed
    #[arg(long, value_name = "COUNT")]
    enrollments: Option<usize>,
}

/// Kill the worker 100 times at random, and once at every named point, while two campaigns contact the same 500 people
///
/// Example: bench outreach-kill --kills 20
#[derive(Args, Debug)]
struct OutreachKillArgs {
    /// Decides over kills and faults; the document is kept for the usual one
    #[arg(long)]
    seed: Option<u64>,
    /// Another number in each campaign; the document is then only printed
    #[arg(long, value_name = "COUNT")]
    enrollments: Option<usize>,
    /// Another number of kills at random; the document is then only printed
    #[arg(long, value_name = "COUNT")]
    kills: Option<u32>,
}

/// Have 1,000 people reply, five a second, in the midst of their mails: whether any is contacted after, and how soon it ends
///
/// Example: bench reply --enrollments 200 --every-ms 0
#[derive(Args, Debug)]
struct ReplyArgs {
    /// Another number; the document is then only printed
    #[arg(long, value_name = "COUNT")]
    enrollments: Option<usize>,
    /// Another time from one reply to the next, zero for all at once; the document is then only printed
    #[arg(long, value_name = "MILLISECONDS")]
    every_ms: Option<u64>,
}

/// Open 10,000 enrollments that all wait, and look at the memory of the worker
///
/// Example: bench open --enrollments 500
#[derive(Args, Debug)]
struct OpenArgs {
    /// Another number; the document is then only printed
    #[arg(long, value_name = "COUNT")]
    enrollments: Option<usize>,
}

/// Simulate 10,000 leads on 20 LinkedIn accounts and 20 mailboxes for 30 days
///
/// Example: bench simulate --leads 1000
#[derive(Args, Debug)]
struct SimulateArgs {
    /// Another number; the document is then only printed
    #[arg(long, value_name = "COUNT")]
    leads: Option<usize>,
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
        Bench::Outreach(outreach) => run_outreach(&outreach, args.json).await,
        Bench::OutreachKill(kill) => run_outreach_kill(&kill, args.json).await,
        Bench::Reply(reply) => run_reply(&reply, args.json).await,
        Bench::Open(open) => run_open(&open, args.json).await,
        Bench::Simulate(simulate) => run_simulate(&simulate, args.json),
        Bench::IngressLoad(load) => ingress::run_load(&load, args.json).await,
        Bench::IngressChaos(chaos) => ingress::run_chaos(&chaos, args.json).await,
        Bench::IngressOutage(outage) => ingress::run_outage(&outage, args.json).await,
    }
}

async fn run_search(args: &SearchArgs, json: bool) -> Result<(), Failure> {
    let temporary = tempfile::tempdir()?;
    let folder = args.data.as_deref().unwrap_or_else(|| temporary.path());
    let is_usual = args.businesses.is_empty();
    let sizes = if is_usual { &search::SIZES } else { args.businesses.as_slice() };
    let measured = search::run(folder, sizes).await?;
    let text = report::search(&measured);
    let problems = broken(&measured.limits);
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

async fn run_outreach(args: &OutreachArgs, json: bool) -> Result<(), Failure> {
    let options = outreach::Options { enrollments: args.enrollments.unwrap_or(1_000), accounts: 10 };
    let setup = Setup { clock: Clock::fast(MONDAY_MS, OUTREACH_SPEED), ..production() };
    let measured = outreach::run(setup, &options).await.map_err(failed)?;
    let (text, problems) = (report::outreach(&measured), broken(&measured.limits));
    Document { bench: "outreach", machine: Machine::here(), measured }.publish(
        args.enrollments.is_none(),
        json,
        &text,
        &problems,
    )
}

async fn run_outreach_kill(args: &OutreachKillArgs, json: bool) -> Result<(), Failure> {
    let usual = outreach_kill::Options::long();
    let options = outreach_kill::Options {
        seed: args.seed.unwrap_or(usual.seed),
        people: args.enrollments.unwrap_or(usual.people),
        in_both: args.enrollments.unwrap_or(usual.in_both),
        random_kills: args.kills.unwrap_or(usual.random_kills),
        least_contacts: args.enrollments.map_or(usual.least_contacts, |_| 0),
        ..usual
    };
    let is_usual = args.seed.is_none() && args.enrollments.is_none() && args.kills.is_none();
    let setup = Setup { clock: Clock::fast(MONDAY_MS, KILL_SPEED), ..Setup::new(None) };
    let measured = outreach_kill::run(setup, &options).await.map_err(failed)?;
    let text = report::outreach_kill(&measured);
    let mut problems = measured.problems.clone();
    problems.extend(measured.shortfalls(&options));
    Document { bench: "outreach-kill", machine: Machine::here(), measured }.publish(is_usual, json, &text, &problems)
}

async fn run_reply(args: &ReplyArgs, json: bool) -> Result<(), Failure> {
    let every = Duration::from_millis(args.every_ms.unwrap_or(200));
    let measured = reply_wins::run(Setup::new(None), args.enrollments.unwrap_or(1_000), every).await.map_err(failed)?;
    let ReplyReport { open, answered, closed, late_calls, .. } = measured;
    let mut problems = Vec::new();
    if late_calls > 0 {
        problems.push(format!("{late_calls} calls began after the event of a reply was answered"));
    }
    if answered < open || closed < open {
        problems.push(format!("of {open} replies {answered} were answered, and {closed} workflows ended"));
    }
    let text = report::reply(&measured);
    let keep = args.enrollments.is_none() && args.every_ms.is_none();
    Document { bench: "reply", machine: Machine::here(), measured }.publish(keep, json, &text, &problems)
}

async fn run_open(args: &OpenArgs, json: bool) -> Result<(), Failure> {
    let options = open::Options { enrollments: args.enrollments.unwrap_or(10_000), accounts: 20 };
    let setup = Setup { clock: Clock::fast(MONDAY_MS, OPEN_SPEED), ..production() };
    let measured = open::run(setup, &options).await.map_err(failed)?;
    let (text, problems) = (report::open(&measured), broken(&measured.limits));
    Document { bench: "open", machine: Machine::here(), measured }.publish(
        args.enrollments.is_none(),
        json,
        &text,
        &problems,
    )
}

fn run_simulate(args: &SimulateArgs, json: bool) -> Result<(), Failure> {
    let options = simulate::Options { leads: args.leads.unwrap_or(10_000), accounts: 20, days: 30 };
    let measured = simulate::run(&options).map_err(failed)?;
    let (text, problems) = (report::simulate(&measured), broken(&measured.limits));
    Document { bench: "simulate", machine: Machine::here(), measured }.publish(
        args.leads.is_none(),
        json,
        &text,
        &problems,
    )
}

/// A laboratory with the patience of production.
fn production() -> Setup {
    let mut setup = Setup::new(None);
    setup.config.timings = Timings::production();
    setup
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: anyhow::Error) -> Failure {
    Failure::Failed(format!("{error:#}"))
}

/// What is not as promised, in words.
fn broken(limits: &[Limit]) -> Vec<String> {
    let broken = limits.iter().filter(|limit| !limit.holds);
    broken.map(|limit| format!("{} is outside of its limit", limit.what)).collect()
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
