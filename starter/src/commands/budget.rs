//! `starter budget`: what may be spent, and lifting it.

use super::{columns, lead, print, print_json, tell};
use crate::failure::Failure;
use crate::launch::Launcher;
use crate::output::figures::{counted, money};
use crate::output::{printable, terminal_width};
use crate::site::{GlobalArgs, Site};
use clap::{Args, Subcommand};
use leadflow_activities::gate::{BudgetRow, BudgetScope, Gate};
use leadflow_activities::store::Store;
use leadflow_activities::store::searches::Search;
use leadflow_workflows::domain::money::MicroUsd;
use serde_json::json;

/// See what may be spent, and raise it
#[derive(Subcommand, Debug)]
pub enum BudgetCommand {
    Show(ShowArgs),
    Raise(RaiseArgs),
}

/// Show limits and what is booked against them
///
/// Example: starter budget show last
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Id of a search or its beginning, name, or `last`; without it only today's budgets
    #[arg(value_name = "SEARCH")]
    search: Option<String>,
}

/// Set a new limit; searches that wait for it go on
///
/// Example: starter budget raise search:last 20
#[derive(Args, Debug)]
pub struct RaiseArgs {
    /// `search:ID`, `tenant`, `installation` or `lead:ID`; those of tenant and installation hold today (UTC)
    scope: String,
    /// The new limit in US dollars
    #[arg(value_name = "USD", allow_negative_numbers = true)]
    usd: f64,
}

pub async fn run(command: BudgetCommand, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    match command {
        BudgetCommand::Show(args) => show(&site, &args, global.json).await,
        BudgetCommand::Raise(args) => raise(&site, &args, global.json).await,
    }
}

async fn show(site: &Site, args: &ShowArgs, json: bool) -> Result<(), Failure> {
    let store = site.store().await?;
    let search = match &args.search {
        Some(word) => Some(site.search(&store, word).await?),
        None => None,
    };
    let rows = site.gate(&store).budgets(site.tenant(), search.as_ref().map(|search| search.id.as_str())).await?;
    if json {
        return print_json(&rows.iter().map(document).collect::<Vec<_>>());
    }
    print(&table(&rows, terminal_width()))
}

fn document(row: &BudgetRow) -> serde_json::Value {
    json!({
        "scope": row.scope, "limit_microusd": row.limit, "booked_microusd": row.booked,
        "left_microusd": row.limit - row.booked,
    })
}

fn table(rows: &[BudgetRow], width: u16) -> String {
    let cells = rows.iter().map(|row| {
        let until = if row.scope.is_daily() { "today (UTC)" } else { "until raised" };
        vec![
            row.scope.to_string(),
            money(row.limit),
            money(row.booked),
            money((row.limit - row.booked).max(MicroUsd::ZERO)),
            until.to_owned(),
        ]
    });
    columns(&["budget of", "limit", "booked", "left", "holds"], &["limit", "booked", "left"], cells, width)
}

async fn raise(site: &Site, args: &RaiseArgs, json: bool) -> Result<(), Failure> {
    let limit = MicroUsd::from_usd(args.usd).ok_or_else(|| {
        Failure::Failed(
            "the limit is not an amount\nhint: write US dollars from 0 to 1000000000, such as `20` or `0.5`".into(),
        )
    })?;
    let store = site.store().await?;
    let (scope, waiting) = scope(site, &store, &args.scope).await?;
    // Before anything is written: a limit that no search hears of is half a job.
    let launcher = if waiting.is_empty() { None } else { Some(site.launcher(store.clone()).await?) };
    let gate = site.gate(&store);
    gate.raise(&scope, limit).await?;
    let told = match launcher {
        Some(launcher) => tell_searches(&launcher, &waiting).await?,
        None => 0,
    };
    let booked = booked(&gate, &scope, site.tenant()).await?;
    if json {
        return print_json(&json!({
            "scope": scope, "limit_microusd": limit, "booked_microusd": booked, "searches_told": told,
        }));
    }
    let booked_text = booked.map_or(String::new(), |booked| format!(", {} of it booked", money(booked)));
    print(&format!("the limit of {scope} is now {}{booked_text}\n", money(limit)))?;
    if told > 0 {
        tell(&format!("{} told to look", counted(told as u64, "running search").replace("searchs", "searches")));
    }
    if booked.is_some_and(|booked| booked >= limit) {
        tell("warning: that is all booked already, so calls go on waiting\nhint: set a higher limit");
    }
    Ok(())
}

/// The budget that is meant, and the unfinished searches that may wait for it.
async fn scope(site: &Site, store: &Store, word: &str) -> Result<(BudgetScope, Vec<Search>), Failure> {
    let tenant = site.tenant().to_owned();
    let running = async || -> Result<Vec<Search>, Failure> {
        let all = store.searches(site.tenant(), u32::MAX).await?;
        Ok(all.into_iter().filter(|search| !search.is_finished()).collect())
    };
    match word.split_once(':').unwrap_or((word, "")) {
        ("installation", "") => Ok((BudgetScope::Installation, running().await?)),
        ("tenant", "") => Ok((BudgetScope::Tenant { tenant }, running().await?)),
        ("search", id) if !id.is_empty() => {
            let search = site.search(store, id).await?;
            let scope = BudgetScope::Search { tenant, search_id: search.id.clone() };
            Ok((scope, if search.is_finished() { vec![] } else { vec![search] }))
        }
        ("lead", id) if !id.is_empty() => {
            let lead = lead::find(site, store, id).await?;
            let search = store.search(site.tenant(), &lead.search_id).await?;
            let waiting = search.into_iter().filter(|search| !search.is_finished()).collect();
            Ok((BudgetScope::Lead { tenant, lead_id: lead.id }, waiting))
        }
        _ => Err(Failure::Failed(format!(
            "there is no budget `{}`\nhint: write `search:ID`, `tenant`, `installation` or `lead:ID`",
            printable(word)
        ))),
    }
}

async fn tell_searches(launcher: &Launcher, searches: &[Search]) -> Result<usize, Failure> {
    for search in searches {
        launcher.look(search).await?;
    }
    Ok(searches.len())
}

async fn booked(gate: &Gate, scope: &BudgetScope, tenant: &str) -> Result<Option<MicroUsd>, Failure> {
    let search_id = match scope {
        BudgetScope::Search { search_id, .. } => Some(search_id.as_str()),
        _ => None,
    };
    let rows = gate.budgets(tenant, search_id).await?;
    Ok(rows.into_iter().find(|row| row.scope == *scope).map(|row| row.booked))
}
