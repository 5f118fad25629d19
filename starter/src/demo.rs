//! `starter demo`: the whole product on made-up data, in one command that ends by itself.

mod ledger;
mod report;

use crate::failure::Failure;
use crate::launch::Start;
use crate::output::SANDBOX_NOTICE;
use crate::site::GlobalArgs;
use crate::stack::{Stack, StackOptions};
use crate::watch::{Screen, Watch};
use clap::Args;
use leadflow_activities::config::Config;
use leadflow_activities::store::searches::Progress;
use leadflow_sandbox::{FaultKind, FaultRule, Faults, Provider, SandboxConfig};
use leadflow_worker::cli::asked_to_stop;
use leadflow_workflows::domain::brief::Brief;
use leadflow_workflows::domain::ids::SearchId;
use leadflow_workflows::domain::timings::Timings;
use report::{Kills, Report};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Run a whole lead search on made-up data: Temporal server, worker and providers embedded
///
/// Example: starter demo --kill
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Kill the demo's own worker process twice in mid-search, and compare with a run that nobody disturbs
    #[arg(long)]
    pub kill: bool,
    /// Stay up until Ctrl-C, with the Temporal web UI
    #[arg(long)]
    pub keep: bool,
}

const BRIEF: &str = include_str!("../templates/demo.toml");
const SEED: u64 = 2026;
/// The demo is patient for so long; it takes a fraction of it.
const LIMIT: Duration = Duration::from_mins(5);
/// Leads shown as they come; the table at the end has them all.
const LEADS_SHOWN: usize = 3;

/// Runs the demo and writes its report on standard output.
pub async fn run(args: &DemoArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let folder = match &global.data {
        Some(folder) => folder.clone(),
        None => tempfile::Builder::new().prefix("leadflow-demo-").tempdir()?.keep(),
    };
    let brief = crate::brief_file::parse("demo.toml", BRIEF)?;
    let screen = if global.json { Screen::silent() } else { Screen::of_stderr() };
    let how = if args.kill { ", with two kills of the worker on the way" } else { "" };
    screen.say(&format!("demo: `{}` in {}{how}", brief.name, brief.places.join("; ")));
    screen.say(SANDBOX_NOTICE);

    let undisturbed = if args.kill {
        screen.say("first the same search undisturbed, to compare with");
        Some(search(&folder.join("undisturbed"), &brief, 0, false, &screen).await?.1)
    } else {
        None
    };
    let kills = if args.kill { 2 } else { 0 };
    let (stack, mut report) = search(&folder, &brief, kills, args.keep, &screen).await?;
    if let Some(undisturbed) = undisturbed {
        report.kills = Some(Kills::compare(&undisturbed, &report));
    }
    report.write(global.json, &folder)?;
    if let Some(stack) = stack {
        screen.say(&format!(
            "the web UI is at {}; Ctrl-C ends everything",
            stack.server.ui_url.as_deref().unwrap_or("(none)")
        ));
        asked_to_stop().await;
        stack.stop().await?;
    }
    Ok(())
}

/// One search on a stack of its own. The stack is given back only when it is to stay.
async fn search(
    folder: &Path,
    brief: &Brief,
    kills: u32,
    keep: bool,
    screen: &Screen,
) -> Result<(Option<Stack>, Report), Failure> {
    let began = Instant::now();
    let mut stack = Stack::start(options(folder.to_owned(), keep), &|what| screen.say(what)).await?;
    let ready = stack.ready_to_start;
    let setup = ready.duration_since(began);
    let search_id = stack.launcher().start(Start::new(brief.clone())).await?;
    let ended = tokio::select! {
        ended = follow(&mut stack, &search_id, kills, screen) => ended?,
        () = asked_to_stop() => {
            stack.stop().await?;
            return Err(Failure::Refused("the demo was interrupted; all of its processes have ended".into()));
        }
    };
    let mut report = Report::read(&stack, &search_id, &ended).await?;
    report.setup_seconds = setup.as_secs_f64();
    if keep {
        return Ok((Some(stack), report));
    }
    stack.stop().await?;
    Ok((None, report))
}

/// What the screen saw of a search.
pub(crate) struct Followed {
    pub(crate) first_lead: Option<Duration>,
    pub(crate) all: Duration,
    pub(crate) killed: u32,
}

/// Shows a search until it ends, and kills its worker on the way when asked.
async fn follow(stack: &mut Stack, search_id: &SearchId, kills: u32, screen: &Screen) -> Result<Followed, Failure> {
    let (launcher, ready, logs) = (stack.launcher(), stack.ready_to_start, stack.folder.logs());
    let search = launcher.store.search(&launcher.config.tenant, search_id.as_str()).await?;
    let search = search.ok_or_else(|| Failure::Failed("the search is gone from the store".into()))?;
    let (mut first_lead, mut killed) = (None, 0);
    let watch = Watch { launcher: &launcher, search: &search, leads_shown: LEADS_SHOWN };
    let following = watch.follow(screen, async |progress| {
        if progress.leads_ready > 0 {
            first_lead.get_or_insert_with(|| ready.elapsed());
        }
        // Once while the first leads are written about, once when a third of them are there.
        if killed < kills && is_time_to_kill(progress, killed) {
            killed += 1;
            let pid = stack.worker_pid().unwrap_or_default();
            stack.kill_worker().await?;
            screen
                .say(&format!("worker process {pid} killed with SIGKILL at {} %; a new one starts", progress.percent));
            stack.start_worker().await?;
        }
        Ok(())
    });
    let Ok(ended) = tokio::time::timeout(LIMIT, following).await else {
        let log = crate::stack::tail(&logs.join("worker.log"), 5);
        return Err(Failure::Failed(format!(
            "the search has not ended after {} s; the worker's log ends with\n{log}\nhint: see {}",
            LIMIT.as_secs(),
            logs.display()
        )));
    };
    ended?;
    Ok(Followed { first_lead, all: ready.elapsed(), killed })
}

fn is_time_to_kill(progress: &Progress, killed: u32) -> bool {
    match killed {
        0 => progress.leads >= 5,
        _ => progress.leads_ready >= 20,
    }
}

/// Real limits, the latency of real providers, one 429 and one 503 on the way.
fn options(folder: PathBuf, keep: bool) -> StackOptions {
    let config = Config { timings: Timings::test(), ..Config::default() };
    let rule = |provider, operation: &str, status, skip| FaultRule {
        operation: Some(operation.into()),
        status: Some(status),
        skip,
        times: Some(1),
        ..FaultRule::new(provider, FaultKind::Status)
    };
    let sandbox = SandboxConfig {
        seed: SEED,
        search_latency: Duration::from_millis(150),
        model_latency: Duration::from_millis(400),
        faults: Faults {
            seed: SEED,
            rules: vec![
                rule(Provider::OpenAi, "chat_completions:lead_reasons", 429, 1),
                rule(Provider::Serper, "search", 503, 7),
            ],
        },
        ..SandboxConfig::default()
    };
    StackOptions { sandbox, headless: !keep, ..StackOptions::new(folder, config) }
}
