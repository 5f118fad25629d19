//! The commands that measure the ingress.

use super::ingress_load;
use super::machine::Machine;
use super::{Document, broken, failed, report};
use crate::lab::Setup;
use crate::{ingress_chaos, ingress_outage};
use clap::Args;
use leadflow_starter::failure::Failure;
use std::time::Duration;

/// Post 50 to 500 events a second to `starter serve`, with the store in SQLite and then in PostgreSQL
///
/// Example: bench ingress-load --people 100 --seconds 2 --rate 50 --rate 100
#[derive(Args, Debug)]
pub(super) struct LoadArgs {
    /// Another number of people; the document is then only printed
    #[arg(long, value_name = "COUNT")]
    people: Option<usize>,
    /// Another length of each step; the document is then only printed
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Other events a second, one for each step; the document is then only printed
    #[arg(long, value_name = "EVENTS")]
    rate: Vec<u32>,
}

/// Kill `starter serve` 30 times and the worker 10 times while 5,000 events arrive, some doubled, reordered, forged, malformed
///
/// Example: bench ingress-chaos --events 600 --people 200 --kills 5
#[derive(Args, Debug)]
pub(super) struct ChaosArgs {
    /// Decides over events and kills; the document is then only printed
    #[arg(long)]
    seed: Option<u64>,
    /// Another number of good events, at least two and a half for each of the people; the document is then only printed
    #[arg(long, value_name = "COUNT")]
    events: Option<usize>,
    /// Another number of people; the document is then only printed
    #[arg(long, value_name = "COUNT")]
    people: Option<usize>,
    /// Another number of kills of `starter serve`; the document is then only printed
    #[arg(long, value_name = "COUNT")]
    kills: Option<usize>,
}

/// Take Temporal away for 60 s, twice, while events arrive
///
/// Example: bench ingress-outage --people 100 --seconds 10
#[derive(Args, Debug)]
pub(super) struct OutageArgs {
    /// Another number of people; the document is then only printed
    #[arg(long, value_name = "COUNT")]
    people: Option<usize>,
    /// Another length of each outage; the document is then only printed
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

pub(super) async fn run_load(args: &LoadArgs, json: bool) -> Result<(), Failure> {
    let usual = ingress_load::Options::long();
    let is_usual = args.people.is_none() && args.seconds.is_none() && args.rate.is_empty();
    let options = ingress_load::Options {
        rates: if args.rate.is_empty() { usual.rates } else { args.rate.clone() },
        step: args.seconds.map_or(usual.step, Duration::from_secs),
        people: args.people.unwrap_or(usual.people),
    };
    let measured = ingress_load::run(&Setup::new(None), &options, true).await.map_err(failed)?;
    let (text, problems) = (report::ingress_load(&measured), broken(&measured.limits));
    Document { bench: "ingress-load", machine: Machine::here(), measured }.publish(is_usual, json, &text, &problems)
}

pub(super) async fn run_chaos(args: &ChaosArgs, json: bool) -> Result<(), Failure> {
    let usual = ingress_chaos::Options::long();
    let is_usual = args.seed.is_none() && args.events.is_none() && args.people.is_none() && args.kills.is_none();
    let options = ingress_chaos::Options {
        events: args.events.unwrap_or(usual.events),
        people: args.people.unwrap_or(usual.people),
        serve_kills: args.kills.unwrap_or(usual.serve_kills),
        seed: args.seed.unwrap_or(usual.seed),
        ..usual
    };
    let measured = ingress_chaos::run(Setup::new(None), &options).await.map_err(failed)?;
    let (text, problems) = (report::ingress_chaos(&measured), measured.problems.clone());
    Document { bench: "ingress-chaos", machine: Machine::here(), measured }.publish(is_usual, json, &text, &problems)
}

pub(super) async fn run_outage(args: &OutageArgs, json: bool) -> Result<(), Failure> {
    let usual = ingress_outage::Options::long();
    let is_usual = args.people.is_none() && args.seconds.is_none();
    let options = ingress_outage::Options {
        people: args.people.unwrap_or(usual.people),
        outage: args.seconds.map_or(usual.outage, Duration::from_secs),
    };
    let measured = ingress_outage::run(Setup::new(None), &options).await.map_err(failed)?;
    let (text, problems) = (report::ingress_outage(&measured), measured.problems());
    Document { bench: "ingress-outage", machine: Machine::here(), measured }.publish(is_usual, json, &text, &problems)
}
