//! `starter demo`: the whole product on made-up data, in one command that ends by itself.

mod ledger;
mod outreach;
mod report;
mod stage;

use crate::failure::Failure;
use crate::launch::Start;
use crate::output::SANDBOX_NOTICE;
use crate::site::GlobalArgs;
use crate::stack::{Stack, StackOptions};
use crate::watch::{Screen, Watch};
use clap::Args;
use leadflow_activities::config::Config;
use leadflow_activities::store::searches::Progress;
use leadflow_clock::Clock;
use leadflow_sandbox::{FaultKind, FaultRule, Faults, Provider, SandboxConfig, UnipileOptions};
use leadflow_worker::cli::asked_to_stop;
use leadflow_workflows::domain::brief::Brief;
use leadflow_workflows::domain::ids::SearchId;
use leadflow_workflows::domain::timings::Timings;
use report::{Kills, Report};
use stage::Stage;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Run a whole lead search and its outreach on made-up data: Temporal server, worker and providers embedded
///
/// The clock runs fast: a day of the outreach takes a few seconds.
///
/// Example: starter demo --kill
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Kill the demo's own worker process in mid-search and in mid-outreach, and compare with a search that nobody disturbs
    #[arg(long)]
    pub kill: bool,
    /// Stay up until Ctrl-C, with the Temporal web UI
    #[arg(long)]
    pub keep: bool,
}

const BRIEF: &str = include_str!("../templates/demo.toml");
const SEED: u64 = 2026;
const HOUR_MS: i64 = 3_600_000;
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
    check_unused(&folder)?;
    let brief = crate::brief_file::parse("demo.toml", BRIEF)?;
    let screen = if global.json { Screen::silent() } else { Screen::of_stderr() };
    let how = if args.kill { ", with kills of the worker on the way" } else { "" };
    screen.say(&format!("demo: `{}` in {}{how}", brief.name, brief.places.join("; ")));
    screen.say(SANDBOX_NOTICE);

    let undisturbed = if args.kill {
        screen.say("first the same search undisturbed, to compare with");
        let stack = Stack::start(options(folder.join("undisturbed"), false), &|what| screen.say(what)).await?;
        let (stack, report) = or_stop(stack, async |stack| search(stack, &brief, 0, &screen).await).await?;
        stack.stop().await?;
        Some(report)
    } else {
        None
    };
    let began = Instant::now();
    let stack = Stack::start(options(folder.clone(), args.keep), &|what| screen.say(what)).await?;
    let setup = stack.ready_to_start.duration_since(began);
    let (mut stack, mut report) = or_stop(stack, async |stack| {
        let mut report = search(stack, &brief, if args.kill { 2 } else { 0 }, &screen).await?;
        screen.say("the leads enter a sequence: LinkedIn first, then email; a day takes 10.8 seconds");
        report.outreach =
            Some(outreach::run(stack, &report.search_id(), args.kill, &mut Stage::new(global.json)).await?);
        Ok(report)
    })
    .await?;
    report.setup_seconds = setup.as_secs_f64();
    report.kills = undisturbed.map(|undisturbed| Kills::compare(&undisturbed, &report));
    if !args.keep {
        stack.stop().await?;
        return report.write(global.json, &folder);
    }
    stack.use_system_clock().await?;
    report.write(global.json, &folder)?;
    screen.say(&format!(
        "the web UI is at {}; Ctrl-C ends everything",
        stack.server.ui_url.as_deref().unwrap_or("(none)")
    ));
    asked_to_stop().await;
    stack.stop().await
}

/// A demo's clock and stand-ins are none for searches and campaigns of another run.
fn check_unused(folder: &Path) -> Result<(), Failure> {
    if !folder.join("leadflow.db").exists() {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "the data folder `{}` is in use already, and the demo needs one of its own\nhint: name a new one with --data, or \
         leave it out; `starter dev --data {0}` shows what is in this one",
        folder.display()
    )))
}

/// Does some work on a stack, which is stopped when the work fails or the user interrupts it.
async fn or_stop<T>(
    mut stack: Stack,
    work: impl AsyncFnOnce(&mut Stack) -> Result<T, Failure>,
) -> Result<(Stack, T), Failure> {
    let done = tokio::select! {
        done = work(&mut stack) => done,
        () = asked_to_stop() => {
            Err(Failure::Refused("the demo was interrupted; all of its processes have ended".into()))
        }
    };
    match done {
        Ok(done) => Ok((stack, done)),
        Err(failure) => {
            stack.stop().await?;
            Err(failure)
        }
    }
}

/// One search on a stack.
async fn search(stack: &mut Stack, brief: &Brief, kills: u32, screen: &Screen) -> Result<Report, Failure> {
    let search_id = stack.launcher().start(Start::new(brief.clone())).await?;
    let ended = follow(stack, &search_id, kills, screen).await?;
    Report::read(stack, &search_id, &ended).await
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

/// So many times as fast as real time: a day takes 10.8 seconds.
const SPEED: f64 = 8_000.0;
/// All of the demo's days are over when it ends, so that nothing of it lies ahead for a `starter dev` on its folder: the
/// clock begins so long ago.
const DAYS_AGO: i64 = 150;

/// A clock that begins on a Monday morning.
fn clock() -> Clock {
    let zone = jiff::tz::TimeZone::get(outreach::TIME_ZONE).unwrap_or(jiff::tz::TimeZone::UTC);
    let day = jiff::Zoned::now().with_time_zone(zone).date().saturating_sub(jiff::Span::new().days(DAYS_AGO));
    let since_monday = i64::from(day.weekday().to_monday_zero_offset());
    let monday = day.saturating_sub(jiff::Span::new().days(since_monday));
    let morning = monday.at(8, 0, 0, 0).in_tz(outreach::TIME_ZONE);
    Clock::fast(morning.map_or(0, |morning| morning.timestamp().as_millisecond()), SPEED)
}

/// Real limits, the latency of real providers, one 429 and one 503 on the way. Only Unipile's calls per minute are those of
/// a faster clock.
fn options(folder: PathBuf, keep: bool) -> StackOptions {
    let timings = Timings { round_activity_ms: 30_000, ..Timings::test() };
    let mut config = Config { timings, ..Config::default() };
    config.unipile.calls_per_minute = 60_000;
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
        unipile: UnipileOptions {
            accept_permille: 500,
            decline_permille: 50,
            accept_delay_ms: (HOUR_MS / 2, 20 * HOUR_MS),
            reply_permille: 250,
            reply_delay_ms: (HOUR_MS / 6, 8 * HOUR_MS),
            ..UnipileOptions::default()
        },
        ..SandboxConfig::default()
    };
    StackOptions { sandbox, clock: clock(), headless: !keep, ..StackOptions::new(folder, config) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_holds_something_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_unused(folder.path()).is_ok());
        std::fs::write(folder.path().join("leadflow.db"), "").unwrap();
        let Err(Failure::Refused(text)) = check_unused(folder.path()) else { panic!("it was not refused") };
        assert!(text.contains("hint: name a new one"), "{text}");
    }

    #[test]
    fn the_clock_begins_on_a_monday_and_stays_in_the_past() {
        let now_ms = clock().now_ms();
        let began = jiff::Timestamp::from_millisecond(now_ms).unwrap();
        let began = began.in_tz(outreach::TIME_ZONE).unwrap();
        assert_eq!(began.weekday(), jiff::civil::Weekday::Monday);
        // Twice as long as search and outreach may take.
        let longest_ms = i64::try_from((LIMIT + outreach::LIMIT).as_millis()).unwrap() * 8_000 * 2;
        assert!(now_ms + longest_ms < jiff::Timestamp::now().as_millisecond());
    }
}
