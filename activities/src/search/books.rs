//! The beginning, the end and the losses of a search.

use super::{SearchWork, fault, key, store_failure};
use crate::failpoint::fail_point;
use crate::store::StoreError;
use crate::store::personas::Persona;
use crate::store::searches::Search;
use leadflow_workflows::contract::{FinishInput, GiveUpInput, Prepared, SearchRef, SearchResult, Wishes};
use leadflow_workflows::domain::search_plan::{Job, Outcome, SearchPlan};
use temporalio_sdk::activities::ActivityError;

/// Roles to look for when neither the brief nor a model names any.
const USUAL_ROLES: [&str; 3] = ["Owner", "Managing Director", "General Manager"];
/// Match of a persona that no model has judged.
const UNKNOWN_MATCH: u32 = 50;

impl SearchWork {
    pub(super) async fn prepare(&self, search: &SearchRef) -> Result<Prepared, ActivityError> {
        let stored = self.load(search).await?;
        if stored.is_finished() {
            return Ok(Prepared::AlreadyDone { result: self.result(search, stored.status).await? });
        }
        self.store.start_search(&stored.tenant, &stored.id, self.clock.now_ms()).await.map_err(store_failure)?;
        let want = &stored.brief.want;
        Ok(Prepared::Ready {
            plan: SearchPlan {
                personas: stored.brief.ideal.personas,
                places: u32::try_from(stored.brief.places.len()).unwrap_or(u32::MAX),
                leads: want.leads,
                businesses: want.businesses,
                email: want.email,
                insights: want.insights,
            },
        })
    }

    pub(super) async fn look(&self, search: &SearchRef) -> Result<Wishes, ActivityError> {
        let stored = self.load(search).await?;
        let phase = stored.paused.then_some("paused");
        self.store.show_phase(&stored.tenant, &stored.id, phase, self.clock.now_ms()).await.map_err(store_failure)?;
        Ok(Wishes { paused: stored.paused })
    }

    pub(super) async fn finish(&self, input: &FinishInput) -> Result<SearchResult, ActivityError> {
        let (tenant, id) = (input.search.tenant.as_str(), input.search.search_id.as_str());
        self.gate.presume_open(tenant, id).await.map_err(store_failure)?;
        fail_point("finish-before-store").await;
        let status =
            self.store.finish_search(tenant, id, input.cancelled, self.clock.now_ms()).await.map_err(store_failure)?;
        self.gate.forget_answers(tenant, id).await.map_err(store_failure)?;
        self.result(&input.search, status).await
    }

    async fn result(&self, search: &SearchRef, status: String) -> Result<SearchResult, ActivityError> {
        let (tenant, id) = (search.tenant.as_str(), search.search_id.as_str());
        let progress = self.store.progress(tenant, id).await.map_err(store_failure)?;
        let progress = progress.ok_or_else(|| fault("unknown_search", "the store does not hold this search"))?;
        let cost = self.gate.cost_of_search(tenant, id).await.map_err(store_failure)?;
        Ok(SearchResult { status, leads: progress.leads_ready, gaps: progress.gaps, cost })
    }

    pub(super) async fn give_up(&self, input: &GiveUpInput) -> Result<Outcome, ActivityError> {
        let search = self.load(&input.search).await?;
        let now_ms = self.clock.now_ms();
        let stored = match &input.job {
            Job::BusinessPersonas { .. } => self.personas_of_brief(&search, &input.problem).await,
            Job::DecisionMakers { persona, .. } => self.roles_of_brief(&search, *persona, &input.problem).await,
            Job::Reasons { leads, .. } => {
                self.store.quarantine_leads(key(&search), leads, &input.problem, now_ms).await
            }
            job => {
                let gap = (job.summary(), input.problem.clone());
                self.store.store_gaps(&search.tenant, &search.id, stage(job), &[gap], now_ms).await
            }
        };
        stored.map_err(store_failure)?;
        let (gaps, quarantined) = self.store.losses(key(&search)).await.map_err(store_failure)?;
        Ok(Outcome::GivenUp { gaps, quarantined })
    }

    /// No model would describe the businesses: the brief's industries stand in for its personas.
    async fn personas_of_brief(&self, search: &Search, problem: &str) -> Result<(), StoreError> {
        let industries = &search.brief.ideal.industries;
        let personas: Vec<Persona> = (1..=search.brief.ideal.personas)
            .zip(industries.iter().cycle())
            .map(|(rank, industry)| Persona { rank, title: industry.clone(), match_score: UNKNOWN_MATCH, body: None })
            .collect();
        let gap = ("personas", "business personas", problem);
        self.store.store_personas(&search.tenant, &search.id, None, &personas, Some(gap), self.clock.now_ms()).await
    }

    async fn roles_of_brief(&self, search: &Search, persona: u32, problem: &str) -> Result<(), StoreError> {
        let named = search.brief.ideal.roles.iter().map(String::as_str);
        let usual = USUAL_ROLES.into_iter().filter(|_| search.brief.ideal.roles.is_empty());
        let roles: Vec<Persona> = named
            .chain(usual)
            .zip(1..)
            .map(|(role, rank)| Persona { rank, title: role.to_owned(), match_score: UNKNOWN_MATCH, body: None })
            .collect();
        let item = format!("decision makers of persona {}", persona + 1);
        let gap = ("personas", item.as_str(), problem);
        self.store
            .store_personas(&search.tenant, &search.id, Some(persona + 1), &roles, Some(gap), self.clock.now_ms())
            .await
    }
}

/// The stage of a search that a job belongs to, as gaps and problems name it.
pub(super) fn stage(job: &Job) -> &'static str {
    match job {
        Job::BusinessPersonas { .. } | Job::DecisionMakers { .. } => "personas",
        Job::MarketFacts { .. } | Job::MarketInsight { .. } => "insights",
        Job::Maps { .. } => "businesses",
        Job::People { .. } => "people",
        Job::Emails { .. } => "emails",
        Job::Reasons { .. } => "reasons",
    }
}
