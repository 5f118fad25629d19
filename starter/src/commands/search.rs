//! `starter search`: starts searches, shows what they found, and steers them.

mod dry_run;
pub(crate) mod list;
pub(crate) mod report;
mod show;
mod start;
mod steer;

use super::{print_json, tell};
use crate::failure::Failure;
use crate::launch::Launcher;
use crate::output::figures::{counted, money};
use crate::output::{Format, terminal_width, write_leads};
use crate::rows::lead_rows;
use crate::site::{GlobalArgs, Site};
use crate::watch::{Screen, Watch};
use clap::{Args, Subcommand};
use leadflow_activities::store::leads::SearchKey;
use leadflow_activities::store::searches::Search;
use leadflow_workflows::domain::money::MicroUsd;
use report::SearchReport;
use start::StartArgs;
use std::io;

/// Start searches, follow them, and see what they found
#[derive(Subcommand, Debug)]
pub enum SearchCommand {
    Start(StartArgs),
    /// Follow a search until it ends
    ///
    /// Example: starter search watch last
    Watch(SearchArg),
    /// List searches, the newest first
    ///
    /// Example: starter search list
    List,
    /// Show progress, personas, market, gaps and cost of a search
    ///
    /// Example: starter search show brewery-crm
    Show(SearchArg),
    Leads(LeadsArgs),
    /// Stop a search from making new calls until it is resumed
    ///
    /// Example: starter search pause last
    Pause(SearchArg),
    /// Let a paused or refused search go on
    ///
    /// Example: starter search resume last
    Resume(SearchArg),
    /// End a search; what it found stays
    ///
    /// Example: starter search cancel last
    Cancel(SearchArg),
}

/// Which search.
#[derive(Args, Debug)]
pub struct SearchArg {
    /// Id or its beginning, name, or `last`
    #[arg(value_name = "ID")]
    pub search: String,
}

/// List the leads of a search, the best first
///
/// Example: starter search leads last --format csv > leads.csv
#[derive(Args, Debug)]
pub struct LeadsArgs {
    #[command(flatten)]
    search: SearchArg,
    /// How to write them
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub async fn run(command: SearchCommand, global: &GlobalArgs) -> Result<(), Failure> {
    match command {
        SearchCommand::Start(args) => start::run(&args, global).await,
        SearchCommand::Watch(args) => watch(&args, global).await,
        SearchCommand::List => list::run(global).await,
        SearchCommand::Show(args) => show::run(&args, global).await,
        SearchCommand::Leads(args) => leads(&args, global).await,
        SearchCommand::Pause(args) => steer::pause(&args, global).await,
        SearchCommand::Resume(args) => steer::resume(&args, global).await,
        SearchCommand::Cancel(args) => steer::cancel(&args, global).await,
    }
}

async fn leads(args: &LeadsArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let search = site.search(&store, &args.search.search).await?;
    let rows = lead_rows(&store, SearchKey { tenant: &search.tenant, id: &search.id }).await?;
    let format = if global.json { Format::Json } else { args.format };
    let mut text = Vec::new();
    write_leads(&mut text, &mut io::stderr(), &rows, format, terminal_width())?;
    super::print(&String::from_utf8_lossy(&text))?;
    if rows.is_empty() {
        return Err(Failure::Refused(format!(
            "search {} has no leads{}\nhint: `starter search show {0}` says how far it is and what is missing",
            search.id,
            if search.is_finished() { "" } else { " yet" }
        )));
    }
    if format == Format::Table {
        tell(&format!("why one is a lead: starter lead explain {}/RANK", search.id));
    }
    Ok(())
}

async fn watch(args: &SearchArg, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let search = site.search(&store, &args.search).await?;
    let ended =
        if search.is_finished() { search } else { follow(&site.launcher(store.clone()).await?, &search).await? };
    finish(&site, &ended, global).await
}

/// Follows a search until it ends. Ctrl-C ends the watching, not the search.
async fn follow(launcher: &Launcher, search: &Search) -> Result<Search, Failure> {
    let screen = Screen::of_stderr();
    let watch = Watch { launcher, search, leads_shown: usize::MAX };
    tokio::select! {
        ended = watch.follow(&screen, async |_| Ok(())) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            screen.clear();
            let id = &search.id;
            Err(Failure::Refused(format!(
                "no longer watching; the search goes on\nhint: `starter search watch {id}` shows it again, `starter search \
                 cancel {id}` ends it"
            )))
        }
    }
}

/// What a search that has ended came to. A cancelled one is a refusal, for the exit code.
async fn finish(site: &Site, search: &Search, global: &GlobalArgs) -> Result<(), Failure> {
    let report = SearchReport::read(site, &site.store().await?, search).await?;
    if global.json {
        print_json(&report)?;
    } else {
        super::print(&format!(
            "search {} {}: {} with a reason for {}, {}\n",
            search.id,
            search.status.replace('_', " "),
            counted(report.progress.leads_ready.into(), "lead"),
            money(MicroUsd(report.cost_microusd)),
            counted(report.progress.gaps.into(), "gap"),
        ))?;
        tell(&format!("see them: starter search leads {}", search.id));
    }
    match search.status.as_str() {
        "cancelled" => Err(Failure::Refused(format!("search {} was cancelled; what was found stays", search.id))),
        _ => Ok(()),
    }
}
