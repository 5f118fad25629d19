//! `starter lead`: single leads, lists of one's own, and why a person is a lead, or is not.

mod erase;
pub(crate) mod explain;
mod hold;
#[cfg(test)]
pub(super) use explain::tests;
mod import;
mod list;
mod settle;
pub(crate) mod show;
mod stop;

use super::tell;
use crate::failure::Failure;
use crate::output::printable;
use crate::site::{GlobalArgs, Site};
use clap::{Args, Subcommand};
use leadflow_activities::store::Store;
use leadflow_activities::store::leads::{Lead, SearchKey};
use leadflow_activities::store::touches::Claimed;

/// Look at leads, bring your own, and end outreach to one
#[derive(Subcommand, Debug)]
pub enum LeadCommand {
    Import(import::ImportArgs),
    List(list::ListArgs),
    /// Show what is known of a lead's person: addresses, lists, campaigns, and whether they are suppressed
    ///
    /// Example: starter lead show last/1
    Show(LeadArg),
    /// Show why a lead was taken or not: its score point by point, evidence, and what holds it back
    ///
    /// Example: starter lead explain last/1
    Explain(LeadArg),
    Pause(hold::PauseArgs),
    /// Let a paused lead go on, also one whose sender wrote by hand
    ///
    /// Example: starter lead resume last/1
    Resume(LeadArg),
    Settle(settle::SettleArgs),
    Stop(stop::StopArgs),
    Erase(erase::EraseArgs),
}

/// Which lead.
#[derive(Args, Debug)]
pub struct LeadArg {
    /// Id of the lead or its beginning, or SEARCH/RANK as in the list of a search
    #[arg(value_name = "ID")]
    lead: String,
}

pub async fn run(command: LeadCommand, global: &GlobalArgs) -> Result<(), Failure> {
    match command {
        LeadCommand::Import(args) => import::run(&args, global).await,
        LeadCommand::List(args) => list::run(&args, global).await,
        LeadCommand::Show(args) => show::run(&args, global).await,
        LeadCommand::Explain(args) => explain::run(&args, global).await,
        LeadCommand::Pause(args) => hold::pause(&args, global).await,
        LeadCommand::Resume(args) => hold::resume(&args, global).await,
        LeadCommand::Settle(args) => settle::run(&args, global).await,
        LeadCommand::Stop(args) => stop::run(&args, global).await,
        LeadCommand::Erase(args) => erase::run(&args, global).await,
    }
}

/// The one lead that a word means.
pub(super) async fn find(site: &Site, store: &Store, word: &str) -> Result<Lead, Failure> {
    if let Some((search, rank)) = word.rsplit_once('/') {
        let search = site.search(store, search).await?;
        let leads = store.ready_leads(SearchKey { tenant: site.tenant(), id: &search.id }).await?;
        let count = leads.len();
        let index = rank.parse::<usize>().ok().and_then(|rank| rank.checked_sub(1));
        return index.and_then(|index| leads.into_iter().nth(index)).ok_or_else(|| {
            Failure::Refused(format!(
                "search {} has no lead of rank `{rank}`, but {count}\nhint: `starter search leads {0}` lists them",
                search.id
            ))
        });
    }
    let mut found = if word.len() < 4 { Vec::new() } else { store.matching_leads(site.tenant(), word).await? };
    match found.len() {
        0 => Err(Failure::Refused(format!(
            "no lead matches `{}`\nhint: give four letters of its id or more, or SEARCH/RANK as in `starter search leads`",
            printable(word)
        ))),
        1 => Ok(found.remove(0)),
        _ => {
            let some: Vec<String> = found.iter().take(5).map(|lead| format!("  {}", lead.id)).collect();
            Err(Failure::Refused(format!(
                "more than one lead matches `{}`, among them\n{}\nhint: give more of the id",
                printable(word),
                some.join("\n")
            )))
        }
    }
}

/// Has the workflows of enrollments see that they were ended or paused, and waits until none of their contacts can begin any
/// more.
pub(super) async fn tell_ended(site: &Site, store: &Store, ended: &[String]) -> Result<(), Failure> {
    tell_changed(site, ended).await;
    Ok(store.until_begun(site.clock, site.tenant(), Claimed::Enrollments(ended)).await?)
}

/// Has the workflows of enrollments see what was changed. They would by themselves when they wake next, before any contact,
/// so it is no failure when Temporal is away.
pub(super) async fn tell_changed(site: &Site, changed: &[String]) {
    if changed.is_empty() {
        return;
    }
    let told = async { site.outreach().await?.tell_enrollments(changed).await };
    if let Err(Failure::Refused(problem) | Failure::Failed(problem) | Failure::Unavailable(problem)) = told.await {
        tell(&format!("warning: {problem}; it holds all the same, the workflows see it when they wake next"));
    }
}
