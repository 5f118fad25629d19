//! Campaigns: start them, see what comes of them, steer them.

use super::super::problem::Problem;
use super::Api;
use super::call::{Call, Endpoint};
use super::document::Operation;
use super::input::{Id, Json as Body, Query};
use super::output::{Created, Output};
use super::page::{Page, PageQuery};
use crate::commands::account::words;
use crate::commands::campaign::show::CampaignReport;
use crate::commands::campaign::start::{Chosen, Order, checked_name, opened, refuse_problems};
use crate::commands::campaign::{Review, Row};
use axum::Json;
use axum::response::Response;
use leadflow_activities::store::campaigns::{Campaign, Counts};
use leadflow_workflows::domain::account::CampaignSettings;
use leadflow_workflows::domain::outreach::Channel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) fn operations(api: Api) -> Api {
    api.operation(
        Endpoint::post("/v1/campaigns", "startCampaign", "Contact the leads of a search, or show what that would do"),
        start,
    )
    .operation(Endpoint::get("/v1/campaigns", "listCampaigns", "List campaigns, the newest first"), list)
    .operation(
        Endpoint::get(
            "/v1/campaigns/{campaign_id}",
            "showCampaign",
            "Show the funnel of a campaign, and what is planned",
        ),
        show,
    )
    .operation(
        Endpoint::post("/v1/campaigns/{campaign_id}/pause", "pauseCampaign", "Have a campaign contact nobody"),
        pause,
    )
    .operation(
        Endpoint::post("/v1/campaigns/{campaign_id}/resume", "resumeCampaign", "Let a paused campaign go on"),
        resume,
    )
    .operation(
        Endpoint::post("/v1/campaigns/{campaign_id}/stop", "stopCampaign", "End a campaign for everyone in it"),
        stop,
    )
}

/// A campaign to start.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
struct NewCampaign {
    /// How you call it.
    name: String,
    /// The search or imported list whose ready leads take part.
    search_id: String,
    /// A stored version.
    sequence_id: String,
    /// The accounts that send; they take turns.
    #[schemars(length(min = 1))]
    account_ids: Vec<String>,
    /// Only show what would happen; nothing is stored or sent.
    #[serde(default)]
    dry_run: bool,
    /// Most leads that each account begins with in a day; its limits hold besides.
    starts_per_day: Option<u32>,
    /// Only leads with this score or more.
    #[serde(default)]
    minimum_score: u32,
    /// Most leads in all.
    leads: Option<u32>,
    /// Your postal address, for the end of every email.
    postal_address: Option<String>,
    /// Where the data came from, for the end of every email.
    source_notice: Option<String>,
    /// When leads may be contacted, by their own wall clock: `mon-fri 09:00-17:00` without.
    lead_hours: Option<String>,
    /// Contact people on public holidays, too.
    #[serde(default)]
    no_holidays: bool,
    /// A reply ends the campaign for everyone at the same company.
    #[serde(default)]
    stop_company: bool,
    /// Take people who are in another campaign.
    #[serde(default)]
    allow_parallel: bool,
    /// Channels that the country policy closes and that are to be open, such as `DE=email`.
    #[serde(default)]
    open: Vec<String>,
}

/// A campaign that was steered.
#[derive(Serialize, JsonSchema)]
struct CampaignState {
    campaign_id: String,
    /// `running`, `paused` or `stopped`.
    state: String,
    enrollments_told: usize,
}

/// A campaign that was started.
#[derive(Serialize, JsonSchema)]
struct StartedCampaign {
    campaign_id: String,
    name: String,
    /// `sandbox` or `live`.
    source: String,
    /// Leads that take part.
    leads: usize,
}

enum Started {
    Reviewed(Box<Review>),
    Started(Created<StartedCampaign>),
}

impl Output for Started {
    fn answer(self) -> Response {
        match self {
            Self::Reviewed(review) => Json(review).answer(),
            Self::Started(created) => created.answer(),
        }
    }

    fn describe(operation: &mut Operation<'_>) {
        operation.answer::<Review>(200, "What it would do; nothing was stored.");
        Created::<StartedCampaign>::describe(operation);
    }
}

async fn found(call: &Call, id: &str) -> Result<Campaign, Problem> {
    call.store.campaign(call.tenant(), id).await?.ok_or_else(|| Problem::unknown("campaign"))
}

async fn start(call: Call, Body(new): Body<NewCampaign>) -> Result<Started, Problem> {
    // A repeat after a crash must not find its own name taken.
    if let Some(campaign) = call.store.campaign(call.tenant(), &call.new_id).await? {
        call.outreach()?.start_campaign(&campaign).await?;
        let Counts { open, ended, waiting } = call.store.campaign_counts(&campaign).await?;
        return Ok(started(campaign, (open + ended + waiting) as usize));
    }
    let order = order(&call, &new).await?;
    let review = order.review(&call.store).await?;
    if new.dry_run {
        return Ok(Started::Reviewed(Box::new(review)));
    }
    refuse_problems(&review)?;
    Ok(started(order.start(&call.outreach()?, call.new_id.clone()).await?, review.leads))
}

fn started(campaign: Campaign, leads: usize) -> Started {
    Started::Started(Created {
        location: format!("/v1/campaigns/{}", campaign.id),
        body: StartedCampaign { campaign_id: campaign.id, name: campaign.name, source: campaign.source, leads },
    })
}

/// Everything that a campaign names, found among what the tenant has.
async fn order(call: &Call, new: &NewCampaign) -> Result<Order, Problem> {
    let tenant = call.tenant();
    let mut accounts = Vec::new();
    for id in &new.account_ids {
        accounts.push(call.store.account(tenant, id).await?.ok_or_else(|| Problem::unknown("account"))?);
    }
    if accounts.is_empty() {
        return Err(Problem::content("`account_ids` must name an account that sends"));
    }
    let stored = call.store.sequence(tenant, &new.sequence_id).await?.ok_or_else(|| Problem::unknown("sequence"))?;
    Ok(Order {
        name: checked_name(&new.name)?.to_owned(),
        search: super::searches::found(call, &new.search_id).await?,
        sequence: Chosen::Stored { id: stored.id, sequence: stored.sequence },
        accounts,
        settings: settings(new)?,
    })
}

fn settings(new: &NewCampaign) -> Result<CampaignSettings, Problem> {
    let said = |problem: String| Problem::content(problem.split("\n  hint:").next().unwrap_or_default());
    let mut policy: BTreeMap<String, BTreeMap<Channel, bool>> = BTreeMap::new();
    for word in &new.open {
        let (country, channel) = opened(word).map_err(said)?;
        policy.entry(country).or_default().insert(channel, true);
    }
    Ok(CampaignSettings {
        lead_hours: words::hours(new.lead_hours.as_deref().unwrap_or("mon-fri 09:00-17:00")).map_err(said)?,
        keep_holidays: !new.no_holidays,
        stop_company: new.stop_company,
        allow_parallel: new.allow_parallel,
        starts_per_day: new.starts_per_day,
        minimum_score: new.minimum_score,
        leads: new.leads,
        postal_address: new.postal_address.clone(),
        source_notice: new.source_notice.clone(),
        policy,
    })
}

async fn list(call: Call, Query(page): Query<PageQuery>) -> Result<Json<Page<Row>>, Problem> {
    let campaigns = call.store.campaigns(call.tenant()).await?;
    let page = page.cut(campaigns, |campaign| (campaign.created_at_ms, campaign.id.clone()))?;
    let rows = page.items.into_iter().map(|campaign| Row::read(&call.store, campaign));
    let items = futures::future::try_join_all(rows).await?;
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

async fn show(call: Call, Id(id): Id) -> Result<Json<CampaignReport>, Problem> {
    let campaign = found(&call, &id).await?;
    Ok(Json(CampaignReport::read(&call.store, campaign, call.now_ms()).await?))
}

async fn pause(call: Call, Id(id): Id) -> Result<Json<CampaignState>, Problem> {
    let campaign = found(&call, &id).await?;
    let told = call.outreach()?.pause_campaign(&campaign).await?;
    Ok(steered(campaign, "paused", told))
}

async fn resume(call: Call, Id(id): Id) -> Result<Json<CampaignState>, Problem> {
    let campaign = found(&call, &id).await?;
    let told = call.outreach()?.resume_campaign(&campaign).await?;
    Ok(steered(campaign, "running", told))
}

async fn stop(call: Call, Id(id): Id) -> Result<Json<CampaignState>, Problem> {
    let campaign = found(&call, &id).await?;
    let told = call.outreach()?.stop_campaign(&campaign).await?;
    Ok(steered(campaign, "stopped", told))
}

fn steered(campaign: Campaign, state: &str, enrollments_told: usize) -> Json<CampaignState> {
    Json(CampaignState { campaign_id: campaign.id, state: state.to_owned(), enrollments_told })
}
