//! Whole searches at the real limits of the models, against stand-ins that take 200 ms to answer.

use super::history::HistorySize;
use super::process::ProcessUsage;
use leadflow_activities::config::Config;
use leadflow_sandbox::{LedgerEntry, SandboxConfig};
use leadflow_starter::failure::Failure;
use leadflow_starter::history;
use leadflow_starter::launch::Start;
use leadflow_starter::stack::{Stack, StackOptions};
use leadflow_workflows::domain::brief::{Brief, Ideal, Want};
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::search_plan::{LANES, PAGE_SIZE, REASON_BATCH};
use leadflow_workflows::lead_search::{LeadSearch, workflow_id};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use temporalio_client::WorkflowGetResultOptions;

/// Businesses of each run.
pub const SIZES: [u32; 2] = [100, 1_000];
/// Of every stand-in.
const LATENCY: Duration = Duration::from_millis(200);
/// Kinds of business that the brief asks for.
const PERSONAS: u32 = 2;
/// Everyone who may have a say there: the more roles, the more leads a business has.
const ROLES: [&str; 11] = [
    "Owner",
    "Co-Owner",
    "Head Brewer",
    "General Manager",
    "Managing Director",
    "Head of Sales",
    "Operations Manager",
    "Taproom Manager",
    "Kitchen Manager",
    "Marketing & Events Manager",
    "Director of Brewing Operations",
];
const IDEAL: &str = "the slowest provider, where a provider takes the longer of (calls - 1) x 60 / calls per minute + \
    latency, and of the serial start + calls x latency / calls in flight; the serial start is the latency of business \
    personas, first map page and first people search. Map pages and market questions need the one before, so one is in \
    flight, of all else 5. Calls are the fewest that do the work: full batches of reasons, full pages of the map";
/// Calls that each need the answer of the one before, until every provider has work.
const SERIAL_CALLS: f64 = 3.0;

/// The part of a document that this benchmark measures.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub latency_ms: u128,
    pub calls_per_minute: BTreeMap<&'static str, u32>,
    /// How `ideal_seconds` comes about.
    pub ideal: &'static str,
    pub runs: Vec<Run>,
    /// The last run's value divided by the first's.
    pub growth: BTreeMap<&'static str, f64>,
    pub limits: Vec<Limit>,
}

/// What one search needed.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub businesses: u32,
    pub leads: u32,
    pub gaps: u32,
    /// From the start to the result, and the least that limits and latency allow.
    pub seconds: f64,
    pub ideal_seconds: f64,
    pub ideal_by_provider: BTreeMap<&'static str, f64>,
    /// Can be just below 1, because the server's limiter begins with a call of credit.
    pub seconds_per_ideal: f64,
    pub first_lead_seconds: f64,
    pub history: HistorySize,
    pub events_per_lead: f64,
    pub payload_bytes_per_lead: f64,
    pub worker_cpu_seconds: f64,
    pub worker_cpu_seconds_per_1000_leads: f64,
    pub worker_peak_mib: f64,
    /// Calls that reached each provider.
    pub calls: BTreeMap<&'static str, u32>,
}

/// A promise, and whether the measurements keep it.
#[derive(Clone, Debug, Serialize)]
pub struct Limit {
    pub what: &'static str,
    pub at_most: f64,
    pub measured: f64,
    pub holds: bool,
}

impl Limit {
    pub(super) fn at_most(what: &'static str, at_most: f64, measured: f64) -> Self {
        Self { what, at_most, measured, holds: measured <= at_most }
    }
}

/// Runs searches of these sizes one after the other, each on a stack of its own below `folder`.
///
/// # Errors
/// When a stack does not start or a search fails.
pub async fn run(folder: &Path, sizes: &[u32]) -> Result<Measured, Failure> {
    let mut runs = Vec::new();
    for businesses in sizes {
        let options = options(folder.join(format!("search-{businesses}")), std::env::current_exe()?);
        runs.push(measure(options, *businesses).await?);
    }
    let config = Config::default();
    Ok(Measured {
        latency_ms: LATENCY.as_millis(),
        calls_per_minute: by_provider(|provider| config.provider(provider).calls_per_minute),
        ideal: IDEAL,
        growth: growth(&runs),
        limits: limits(&runs),
        runs,
    })
}

/// A stack with the limits and timings of production.
fn options(folder: PathBuf, program: PathBuf) -> StackOptions {
    let sandbox = SandboxConfig { search_latency: LATENCY, model_latency: LATENCY, ..SandboxConfig::default() };
    StackOptions { sandbox, headless: true, program: Some(program), ..StackOptions::new(folder, Config::default()) }
}

/// A brief that ends only when its businesses do. Addresses are left out: their look-up has limits of its own.
pub fn brief(businesses: u32) -> Brief {
    let states = [
        "California",
        "Washington",
        "New York",
        "Oregon",
        "Colorado",
        "North Carolina",
        "Wisconsin",
        "Texas",
        "Ohio",
        "Florida",
        "Michigan",
        "Illinois",
        "Maryland",
        "Virginia",
        "Minnesota",
        "Massachusetts",
        "Pennsylvania",
    ];
    Brief {
        name: format!("bench-{businesses}"),
        sell: "CRM for breweries: accounts, kegs and routes on one phone screen".into(),
        ideal: Ideal {
            industries: vec!["brewery".into(), "brewpub".into()],
            roles: ROLES.map(str::to_owned).to_vec(),
            exclude: Vec::new(),
            personas: PERSONAS,
        },
        places: states.iter().map(|state| format!("{state}, US")).collect(),
        want: Want { businesses: Some(businesses), ..Want::default() },
    }
}

/// Runs one search to its end on a new stack, and stops the stack.
///
/// # Errors
/// When the stack does not start or the search fails.
pub async fn measure(options: StackOptions, businesses: u32) -> Result<Run, Failure> {
    let stack = Stack::start(options, &|_| {}).await?;
    let run = measure_on(&stack, businesses).await;
    stack.stop().await?;
    run
}

async fn measure_on(stack: &Stack, businesses: u32) -> Result<Run, Failure> {
    let worker = stack.worker_pid().ok_or_else(|| Failure::Failed("the stack has no worker".into()))?;
    let before = ProcessUsage::of(worker)?;
    let began = Instant::now();
    let search_id = stack.launcher().start(Start::new(brief(businesses))).await?;
    let handle = stack.client.get_workflow_handle::<LeadSearch>(workflow_id(&search_id));
    let result = handle.get_result(WorkflowGetResultOptions::default()).await;
    let seconds = began.elapsed().as_secs_f64();
    let after = ProcessUsage::of(worker)?;

    let result = result.map_err(|error| Failure::Failed(format!("the search failed: {error}")))?;
    let lost = || Failure::Failed("the store does not hold the search that it has run".into());
    let tenant = stack.config.tenant.as_str();
    let search = stack.store.search(tenant, search_id.as_str()).await?.ok_or_else(lost)?;
    let progress = stack.store.progress(tenant, search_id.as_str()).await?.ok_or_else(lost)?;
    let history = HistorySize::of(&history::runs(&stack.client, &workflow_id(&search_id)).await?);
    let ledger = stack.sandbox.as_ref().map(leadflow_sandbox::Sandbox::ledger).unwrap_or_default();
    let (ideal_seconds, ideal_by_provider) = ideal(&stack.config, &ledger, progress.businesses, result.leads);
    let leads = f64::from(result.leads);
    let worker_cpu_seconds = after.cpu_seconds - before.cpu_seconds;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of one run, events and bytes of one search")]
    let (first_lead_ms, events, payload_bytes, peak_kib) = (
        progress.first_lead_at_ms.map_or(0, |at_ms| at_ms - search.created_at_ms) as f64,
        history.events as f64,
        history.payload_bytes as f64,
        after.peak_kib as f64,
    );
    Ok(Run {
        businesses: progress.businesses,
        leads: result.leads,
        gaps: result.gaps,
        seconds,
        ideal_seconds,
        ideal_by_provider,
        seconds_per_ideal: seconds / ideal_seconds,
        first_lead_seconds: first_lead_ms / 1_000.0,
        history,
        events_per_lead: events / leads,
        payload_bytes_per_lead: payload_bytes / leads,
        worker_cpu_seconds,
        worker_cpu_seconds_per_1000_leads: worker_cpu_seconds / leads * 1_000.0,
        worker_peak_mib: peak_kib / 1_024.0,
        calls: calls(&ledger),
    })
}

/// The least time that limits and latency allow, as [`IDEAL`] says, and each provider's share.
fn ideal(config: &Config, ledger: &[LedgerEntry], businesses: u32, leads: u32) -> (f64, BTreeMap<&'static str, f64>) {
    let latency = LATENCY.as_secs_f64();
    let asked = |operation: &str| ledger.iter().filter(|entry| entry.operation.ends_with(operation)).count();
    let roles = u32::try_from(asked(":decision_maker_personas")).unwrap_or(u32::MAX);
    let by_provider = by_provider(|provider| {
        // Calls one after the other, and calls that may go together.
        let (serial, parallel) = match provider {
            Provider::Openai => (0, 1 + roles + leads.div_ceil(REASON_BATCH)),
            Provider::Gemini => (2 * PERSONAS, 0),
            Provider::Serper => (businesses.div_ceil(PAGE_SIZE), businesses),
            Provider::Hunter | Provider::Unipile => return 0.0,
        };
        let per_minute = f64::from(config.provider(provider).calls_per_minute);
        let by_limit = f64::from(serial + parallel - 1) * 60.0 / per_minute + latency;
        let by_latency = (SERIAL_CALLS + f64::from(serial) + f64::from(parallel) / f64::from(LANES)) * latency;
        by_limit.max(by_latency)
    });
    (by_provider.values().copied().fold(0.0, f64::max), by_provider)
}

fn growth(runs: &[Run]) -> BTreeMap<&'static str, f64> {
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return BTreeMap::new() };
    let ratio = |of: fn(&Run) -> f64| of(last) / of(first);
    BTreeMap::from([
        ("businesses", ratio(|run| f64::from(run.businesses))),
        ("leads", ratio(|run| f64::from(run.leads))),
        ("seconds", ratio(|run| run.seconds)),
        ("events_per_lead", ratio(|run| run.events_per_lead)),
        ("payload_bytes_per_lead", ratio(|run| run.payload_bytes_per_lead)),
        ("worker_cpu_seconds_per_1000_leads", ratio(|run| run.worker_cpu_seconds_per_1000_leads)),
        ("worker_peak_mib", ratio(|run| run.worker_peak_mib)),
    ])
}

/// The worst of all runs against what is promised.
fn limits(runs: &[Run]) -> Vec<Limit> {
    let limit = |what, at_most, of: fn(&Run) -> f64| {
        let measured = runs.iter().map(of).fold(0.0, f64::max);
        Limit::at_most(what, at_most, measured)
    };
    #[expect(clippy::cast_precision_loss, reason = "some thousands of events")]
    let longest_run = |run: &Run| run.history.longest_run_events as f64;
    vec![
        limit("seconds per ideal second", 1.25, |run| run.seconds_per_ideal),
        limit("history events per lead", 4.0, |run| run.events_per_lead),
        limit("events of the longest run", 2_000.0, longest_run),
        limit("peak memory of the worker, MiB", 120.0, |run| run.worker_peak_mib),
    ]
}

fn calls(ledger: &[LedgerEntry]) -> BTreeMap<&'static str, u32> {
    by_provider(|provider| {
        let called = ledger.iter().filter(|entry| name_of(entry.provider) == provider.name());
        u32::try_from(called.count()).unwrap_or(u32::MAX)
    })
}

fn name_of(provider: leadflow_sandbox::Provider) -> &'static str {
    match provider {
        leadflow_sandbox::Provider::OpenAi => "openai",
        leadflow_sandbox::Provider::Gemini => "gemini",
        leadflow_sandbox::Provider::Serper => "serper",
        leadflow_sandbox::Provider::Hunter => "hunter",
        leadflow_sandbox::Provider::Unipile => "unipile",
    }
}

fn by_provider<T>(of: impl Fn(Provider) -> T) -> BTreeMap<&'static str, T> {
    Provider::SEARCH.into_iter().map(|provider| (provider.name(), of(provider))).collect()
}
