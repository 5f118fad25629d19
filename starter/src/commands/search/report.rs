//! Everything that is known of a search, in one document.

use super::super::rfc3339;
use crate::failure::Failure;
use crate::site::Site;
use crate::watch::phase;
use leadflow_activities::gate::UsageFilter;
use leadflow_activities::store::Store;
use leadflow_activities::store::leads::{Lead, SearchKey};
use leadflow_activities::store::personas::{MarketRow, Persona};
use leadflow_activities::store::searches::{Gap, Progress, Search};
use leadflow_workflows::domain::brief::Brief;
use leadflow_workflows::domain::ids::SearchId;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A search as `show`, `watch` and `start --wait` tell it; as JSON it is their whole output.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SearchReport {
    pub(super) search_id: String,
    pub(super) name: String,
    /// `sandbox` or `live`.
    pub(super) source: String,
    /// `completed`, `completed_with_gaps` or `cancelled` when it has ended, else what it is doing.
    pub(super) status: String,
    pub(super) brief: Brief,
    /// Rows of the list beside the brief.
    pub(super) exclusions: usize,
    pub(super) progress: Progress,
    pub(super) created_at: String,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    /// From the start.
    pub(super) first_lead_seconds: Option<f64>,
    pub(super) seconds: Option<f64>,
    pub(super) cost_microusd: i64,
    pub(super) budget_microusd: i64,
    pub(super) calls: BTreeMap<String, i64>,
    pub(super) personas: Vec<PersonaReport>,
    pub(super) market: Vec<MarketRow>,
    pub(super) gaps: Vec<Gap>,
    pub(super) not_taken: Vec<NotTaken>,
    /// Where the Temporal web UI shows it, while `starter dev` runs.
    pub(super) web_ui: Option<String>,
    #[serde(skip)]
    pub(super) created_at_ms: i64,
    #[serde(skip)]
    pub(super) finished_at_ms: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct PersonaReport {
    #[serde(flatten)]
    pub(super) persona: Persona,
    pub(super) roles: Vec<Persona>,
}

/// People who were found and are no leads, by reason.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct NotTaken {
    pub(super) state: String,
    pub(super) problem: String,
    pub(super) people: usize,
    /// One of them, for `starter lead explain`.
    pub(super) example_lead: String,
}

impl SearchReport {
    pub(crate) async fn read(site: &Site, store: &Store, search: &Search) -> Result<Self, Failure> {
        let (tenant, id) = (search.tenant.as_str(), search.id.as_str());
        let key = SearchKey { tenant, id };
        let missing = || Failure::Failed(format!("search {id} has no progress row; the store is damaged"));
        let progress = store.progress(tenant, id).await?.ok_or_else(missing)?;
        let gate = site.gate(store);
        let budget = gate.budgets(tenant, Some(id)).await?.pop();
        let mut calls = BTreeMap::new();
        let filter = UsageFilter { tenant: Some(tenant), search_id: Some(id), ..UsageFilter::default() };
        for row in gate.usage(filter).await? {
            *calls.entry(row.provider).or_default() += row.calls;
        }
        let mut personas = Vec::new();
        for persona in store.business_personas(tenant, id).await? {
            let roles = store.roles(tenant, id, persona.rank).await?;
            personas.push(PersonaReport { persona, roles });
        }
        let since_start = |at_ms: i64| f64::from(u32::try_from(at_ms - search.created_at_ms).unwrap_or(0)) / 1_000.0;
        Ok(Self {
            search_id: search.id.clone(),
            name: search.name.clone(),
            source: search.source.clone(),
            status: state(search, Some(&progress)),
            brief: search.brief.clone(),
            exclusions: search.exclusions.len(),
            created_at: rfc3339(search.created_at_ms),
            started_at: search.started_at_ms.map(rfc3339),
            finished_at: search.finished_at_ms.map(rfc3339),
            first_lead_seconds: progress.first_lead_at_ms.map(since_start),
            seconds: search.finished_at_ms.map(since_start),
            cost_microusd: gate.cost_of_search(tenant, id).await?.0,
            budget_microusd: budget.map_or(0, |budget| budget.limit.0),
            calls,
            personas,
            market: store.market(tenant, id).await?,
            gaps: store.gaps(tenant, id).await?,
            not_taken: not_taken(store.all_leads(key).await?),
            web_ui: site.web_ui(&SearchId(search.id.clone())),
            created_at_ms: search.created_at_ms,
            finished_at_ms: search.finished_at_ms,
            progress,
        })
    }
}

/// How a search ended, or what it is doing, in one snake_case word.
pub(crate) fn state(search: &Search, progress: Option<&Progress>) -> String {
    match progress.map(phase) {
        _ if search.is_finished() => search.status.clone(),
        _ if search.paused => "paused".into(),
        Some(phase) => phase.replace(' ', "_"),
        None => search.status.clone(),
    }
}

fn not_taken(leads: Vec<Lead>) -> Vec<NotTaken> {
    let mut groups: BTreeMap<(String, String), (usize, String)> = BTreeMap::new();
    for lead in leads.into_iter().filter(|lead| !matches!(lead.state.as_str(), "ready" | "found")) {
        let group = groups.entry((lead.state, lead.problem.unwrap_or_default())).or_insert((0, lead.id));
        group.0 += 1;
    }
    let group = |((state, problem), (people, example_lead))| NotTaken { state, problem, people, example_lead };
    groups.into_iter().map(group).collect()
}
