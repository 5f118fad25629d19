//! `starter campaign`: contacts the leads of a search, shows how far that is, and steers it.

pub mod explain;
mod migrate;
mod review;
#[cfg(test)]
mod review_tests;
pub(crate) mod show;
mod simulate;
pub(crate) mod start;
mod turn;

pub(crate) use review::Review;

use super::{columns, instant, print, print_json, print_list, rfc3339, the_one};
use crate::failure::Failure;
use crate::output::{printable, terminal_width};
use crate::outreach::Outreach;
use crate::site::{GlobalArgs, Site};
use clap::{Args, Subcommand};
use leadflow_activities::store::Store;
use leadflow_activities::store::campaigns::{Campaign, StateCount};
use leadflow_activities::store::sequences::StoredSequence;
use leadflow_workflows::domain::outreach::EnrollmentState;
use migrate::MigrateArgs;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use simulate::SimulateArgs;
use start::StartArgs;

/// Contact the leads of a search, and follow what comes of it
#[derive(Subcommand, Debug)]
pub enum CampaignCommand {
    Start(Box<StartArgs>),
    /// List campaigns, the newest first
    ///
    /// Example: starter campaign list
    List,
    /// Show the funnel of a campaign, step by step, and what is reserved for the next 7 days
    ///
    /// Example: starter campaign show last
    Show(CampaignArg),
    /// Have a campaign contact nobody until it is resumed
    ///
    /// Example: starter campaign pause spring
    Pause(CampaignArg),
    /// Let a paused campaign go on
    ///
    /// Example: starter campaign resume spring
    Resume(CampaignArg),
    /// End a campaign for everyone in it
    ///
    /// Example: starter campaign stop spring
    Stop(CampaignArg),
    Migrate(MigrateArgs),
    Simulate(SimulateArgs),
}

/// Which campaign.
#[derive(Args, Debug)]
pub struct CampaignArg {
    /// Name, id or its beginning, or `last`
    #[arg(value_name = "NAME")]
    campaign: String,
}

pub async fn run(command: CampaignCommand, global: &GlobalArgs) -> Result<(), Failure> {
    match command {
        CampaignCommand::Start(args) => start::run(&args, global).await,
        CampaignCommand::List => list(global).await,
        CampaignCommand::Show(args) => show::run(&args, global).await,
        CampaignCommand::Pause(args) => pause(&args, global).await,
        CampaignCommand::Resume(args) => resume(&args, global).await,
        CampaignCommand::Stop(args) => stop(&args, global).await,
        CampaignCommand::Migrate(args) => migrate::run(&args, global).await,
        CampaignCommand::Simulate(args) => simulate::run(&args, global).await,
    }
}

/// The one campaign that a word means.
pub(super) async fn find(site: &Site, store: &Store, word: &str) -> Result<Campaign, Failure> {
    let found = store.matching_campaigns(site.tenant(), word).await?;
    let (none, many) = ("`starter campaign list` shows them all", "give the name, or more of the id");
    the_one(found, "campaign", word, none, many)
}

/// The one stored version that a word means: NAME for the newest, or NAME@VERSION.
async fn find_sequence(site: &Site, store: &Store, word: &str) -> Result<StoredSequence, Failure> {
    let found = store.matching_sequences(site.tenant(), word).await?;
    let none = "give a file, or NAME@VERSION as `starter sequence list` shows it";
    the_one(found, "sequence", word, none, "give NAME@VERSION as `starter sequence list` shows it")
}

/// Open and ended enrollments.
fn open_and_ended(states: &[StateCount]) -> (u32, u32) {
    let is_end = |state: &&StateCount| EnrollmentState::named(&state.state).is_some_and(EnrollmentState::is_end);
    let ended = states.iter().filter(is_end).map(|state| state.enrollments).sum::<u32>();
    (states.iter().map(|state| state.enrollments).sum::<u32>() - ended, ended)
}

/// A campaign in a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CampaignRow")]
pub(crate) struct Row {
    campaign_id: String,
    name: String,
    /// `running`, `paused`, `stopped` or `completed`.
    state: String,
    /// `sandbox` or `live`.
    source: String,
    search_id: String,
    /// Open enrollments.
    open: u32,
    ended: u32,
    /// Leads that wait for their turn.
    waiting: u32,
    created_at: String,
    #[serde(skip)]
    created_at_ms: i64,
}

impl Row {
    pub(crate) async fn read(store: &Store, campaign: Campaign) -> Result<Self, Failure> {
        let (open, ended) = open_and_ended(&store.campaign_states(&campaign.tenant, &campaign.id).await?);
        Ok(Self {
            waiting: waiting(store, &campaign).await?,
            campaign_id: campaign.id,
            name: campaign.name,
            state: campaign.state,
            source: campaign.source,
            search_id: campaign.search_id,
            open,
            ended,
            created_at: rfc3339(campaign.created_at_ms),
            created_at_ms: campaign.created_at_ms,
        })
    }
}

async fn list(global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let mut rows = Vec::new();
    for campaign in store.campaigns(site.tenant()).await? {
        rows.push(Row::read(&store, campaign).await?);
    }
    let none = "no campaigns yet\nhint: `starter campaign start` begins one on the leads of a search";
    print_list(&rows, global.json, false, none, || table(&rows, terminal_width()))
}

fn table(rows: &[Row], width: u16) -> String {
    let cells = rows.iter().map(|row| {
        vec![
            row.campaign_id.clone(),
            printable(&row.name),
            row.state.clone(),
            row.waiting.to_string(),
            row.open.to_string(),
            row.ended.to_string(),
            instant(row.created_at_ms),
        ]
    });
    let header = ["id", "name", "state", "waiting", "open", "ended", "started"];
    // An id that is broken over lines cannot be copied.
    columns(&header, &["waiting", "open", "ended"], cells, width.max(120))
}

/// Leads that wait for their turn; none in a campaign that has ended.
async fn waiting(store: &Store, campaign: &Campaign) -> Result<u32, Failure> {
    if campaign.has_ended() {
        return Ok(0);
    }
    Ok(store.campaign_counts(campaign).await?.waiting)
}

async fn pause(args: &CampaignArg, global: &GlobalArgs) -> Result<(), Failure> {
    let (outreach, campaign) = found(args, global).await?;
    let told = outreach.pause_campaign(&campaign).await?;
    done(global, &campaign, "paused", told, "is paused: it contacts nobody until `starter campaign resume`")
}

async fn resume(args: &CampaignArg, global: &GlobalArgs) -> Result<(), Failure> {
    let (outreach, campaign) = found(args, global).await?;
    let told = outreach.resume_campaign(&campaign).await?;
    done(global, &campaign, "running", told, "goes on")
}

async fn stop(args: &CampaignArg, global: &GlobalArgs) -> Result<(), Failure> {
    let (outreach, campaign) = found(args, global).await?;
    let told = outreach.stop_campaign(&campaign).await?;
    done(global, &campaign, "stopped", told, "is stopped; what was sent cannot be taken back")
}

/// A campaign, and the means to steer it.
async fn found(args: &CampaignArg, global: &GlobalArgs) -> Result<(Outreach, Campaign), Failure> {
    let site = Site::find(global)?;
    let outreach = site.outreach().await?;
    let campaign = find(&site, &outreach.store, &args.campaign).await?;
    Ok((outreach, campaign))
}

fn done(global: &GlobalArgs, campaign: &Campaign, state: &str, told: usize, text: &str) -> Result<(), Failure> {
    if global.json {
        return print_json(&json!({ "campaign_id": campaign.id, "state": state, "enrollments_told": told }));
    }
    print(&format!("campaign {} {text}; {told} enrollments were told\n", printable(&campaign.name)))
}
