//! Business personas, and the roles to look for inside them.

use super::questions::{Question, Verdict};
use super::{Paid, SearchWork, fault, store_failure};
use crate::store::personas::Persona;
use leadflow_workflows::contract::JobInput;
use leadflow_workflows::domain::answers::{
    AskedBusinessPersonas, AskedDecisionMakers, BusinessPersona, BusinessPersonas, DecisionMakerPersona,
    DecisionMakerPersonas,
};
use leadflow_workflows::domain::search_plan::{Job, Outcome};
use serde::Serialize;
use serde_json::json;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// Roles that the model proposes for one business persona, at most.
const ROLES_AT_MOST: usize = 4;
const MAX_OUTPUT_TOKENS: u32 = 4_000;

const BUSINESS_INSTRUCTIONS: &str = "You plan a search for business customers. Describe the kinds of business that have \
    the most use for what is sold. Give exactly `count` personas, the best first, with ranks 1, 2, 3. \
    demographics.industry must be one of `industries`, word for word, because it is typed into a map search; use each \
    industry before you use one again. Leave out what `exclude` names. Use only the given facts and common knowledge. \
    If `repair` is given, it says what was wrong with your last answer.";

const ROLE_INSTRUCTIONS: &str = "You plan whom to talk to inside a kind of business. Name the job titles of the people who \
    decide about what is sold, as they write them on their profiles, the best first, with ranks 1, 2, 3. If `roles` is \
    not empty, use exactly these titles, each once, in the order of their weight; else name at most `count`. \
    If `repair` is given, it says what was wrong with your last answer.";

impl SearchWork {
    pub(super) async fn business_personas(
        &self,
        ctx: &ActivityContext,
        input: &JobInput,
    ) -> Result<Outcome, ActivityError> {
        let Job::BusinessPersonas { round } = &input.job else { return Err(wrong_job()) };
        let search = self.load(&input.search).await?;
        if !self.store.business_personas(&search.tenant, &search.id).await.map_err(store_failure)?.is_empty() {
            return Ok(Outcome::Stored);
        }
        let ideal = &search.brief.ideal;
        let asked = AskedBusinessPersonas { count: ideal.personas as usize, industries: ideal.industries.clone() };
        let question = Question {
            name: "business_personas",
            instructions: BUSINESS_INSTRUCTIONS,
            facts: json!({
                "sell": search.brief.sell,
                "industries": ideal.industries,
                "places": search.brief.places,
                "roles": ideal.roles,
                "exclude": ideal.exclude,
                "count": ideal.personas,
            }),
            asked: &asked,
            max_output_tokens: MAX_OUTPUT_TOKENS,
            job: &input.job,
            round,
        };
        let answer: BusinessPersonas = match self.ask(ctx, &search, question).await? {
            Paid::Held(hold) => return Ok(Outcome::Held(hold)),
            Paid::Value(Verdict::Bad(problem)) => return Ok(Outcome::Bad { problem }),
            Paid::Value(Verdict::Good(answer)) => answer,
        };
        let stored = |persona: &BusinessPersona| described(persona.rank, &persona.title, persona.match_score, persona);
        let personas: Vec<Persona> = answer.personas.iter().map(stored).collect();
        self.store
            .store_personas(&search.tenant, &search.id, None, &personas, None, self.clock.now_ms())
            .await
            .map_err(store_failure)?;
        Ok(Outcome::Stored)
    }

    pub(super) async fn decision_makers(
        &self,
        ctx: &ActivityContext,
        input: &JobInput,
    ) -> Result<Outcome, ActivityError> {
        let Job::DecisionMakers { persona, round } = &input.job else { return Err(wrong_job()) };
        let rank = persona + 1;
        let search = self.load(&input.search).await?;
        if !self.store.roles(&search.tenant, &search.id, rank).await.map_err(store_failure)?.is_empty() {
            return Ok(Outcome::Stored);
        }
        let businesses = self.store.business_personas(&search.tenant, &search.id).await.map_err(store_failure)?;
        let business = businesses.iter().find(|business| business.rank == rank).ok_or_else(wrong_job)?;
        let roles = &search.brief.ideal.roles;
        let at_most = if roles.is_empty() { ROLES_AT_MOST } else { roles.len() };
        let asked = AskedDecisionMakers { roles: roles.clone(), at_most };
        let question = Question {
            name: "decision_maker_personas",
            instructions: ROLE_INSTRUCTIONS,
            facts: json!({
                "sell": search.brief.sell,
                "business_persona": { "title": business.title, "industry": industry(business) },
                "roles": roles,
                "count": at_most,
            }),
            asked: &asked,
            max_output_tokens: MAX_OUTPUT_TOKENS,
            job: &input.job,
            round,
        };
        let answer: DecisionMakerPersonas = match self.ask(ctx, &search, question).await? {
            Paid::Held(hold) => return Ok(Outcome::Held(hold)),
            Paid::Value(Verdict::Bad(problem)) => return Ok(Outcome::Bad { problem }),
            Paid::Value(Verdict::Good(answer)) => answer,
        };
        let stored =
            |persona: &DecisionMakerPersona| described(persona.rank, &persona.title, persona.match_score, persona);
        let personas: Vec<Persona> = answer.personas.iter().map(stored).collect();
        self.store
            .store_personas(&search.tenant, &search.id, Some(rank), &personas, None, self.clock.now_ms())
            .await
            .map_err(store_failure)?;
        Ok(Outcome::Stored)
    }
}

/// A persona as a model described it.
fn described(rank: u32, title: &str, match_score: u32, answer: &impl Serialize) -> Persona {
    Persona { rank, title: title.to_owned(), match_score, body: serde_json::to_value(answer).ok() }
}

/// What the map search looks for: the persona's industry, or its title where the brief stands in for the model.
pub(super) fn industry(persona: &Persona) -> &str {
    let industry = persona.body.as_ref().and_then(|body| body["demographics"]["industry"].as_str());
    industry.map_or(persona.title.as_str(), str::trim)
}

pub(super) fn wrong_job() -> ActivityError {
    fault("wrong_job", "the workflow gave a job to the wrong activity")
}
