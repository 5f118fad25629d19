//! Scores and reasons: the rule gives the points, a model writes why.

use super::personas::{industry, wrong_job};
use super::questions::{Question, Verdict};
use super::{Paid, SearchWork, key, store_failure};
use crate::failpoint::fail_point;
use crate::store::leads::{Lead, Written};
use crate::store::personas::Persona;
use crate::store::searches::Search;
use leadflow_workflows::contract::JobInput;
use leadflow_workflows::domain::answers::{AskedReasons, LeadReasons};
use leadflow_workflows::domain::people::fitting_role;
use leadflow_workflows::domain::score::{Score, ScoreFacts, score};
use leadflow_workflows::domain::search_plan::{Job, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// For one lead; a batch may use as many for each.
const OUTPUT_TOKENS_PER_LEAD: u32 = 250;

const INSTRUCTIONS: &str = "For each lead, write in one or two sentences, 60 to 300 characters, why this person at this \
    business is worth contacting about what is sold. Use only the facts of that lead. Name the business exactly as \
    given, and the evidence. Write no greeting and no claim about yourself. `hook` is one question or remark to open a \
    conversation with, or null when the facts give none. Answer every lead once, under its number. If `repair` is given, \
    it says what was wrong with your last answer.";

impl SearchWork {
    pub(super) async fn lead_reasons(&self, ctx: &ActivityContext, input: &JobInput) -> Result<Outcome, ActivityError> {
        let Job::Reasons { leads: numbers, round } = &input.job else { return Err(wrong_job()) };
        let search = self.load(&input.search).await?;
        let (Some(first), Some(last)) = (numbers.iter().min(), numbers.iter().max()) else { return Err(wrong_job()) };
        let mut leads = self.store.waiting_leads(key(&search), *first, last + 1).await.map_err(store_failure)?;
        leads.retain(|lead| lead.number.is_some_and(|number| numbers.contains(&number)));
        if leads.is_empty() {
            let ready =
                self.store.store_reasons(key(&search), &[], self.clock.now_ms()).await.map_err(store_failure)?;
            return Ok(Outcome::Reasoned { ready });
        }
        let personas = self.store.business_personas(&search.tenant, &search.id).await.map_err(store_failure)?;
        let asked = AskedReasons {
            leads: leads.iter().map(|lead| (lead.number.unwrap_or_default(), lead.business.clone())).collect(),
        };
        let facts: Vec<Value> = leads.iter().map(|lead| facts_of(lead, &personas)).collect();
        let question = Question {
            name: "lead_reasons",
            instructions: INSTRUCTIONS,
            facts: json!({ "sell": search.brief.sell, "leads": facts }),
            asked: &asked,
            max_output_tokens: 500 + OUTPUT_TOKENS_PER_LEAD * u32::try_from(leads.len()).unwrap_or(20),
            job: &input.job,
            round,
        };
        let answer: LeadReasons = match self.ask(ctx, &search, question).await? {
            Paid::Held(hold) => return Ok(Outcome::Held(hold)),
            Paid::Value(Verdict::Bad(problem)) => return Ok(Outcome::Bad { problem }),
            Paid::Value(Verdict::Good(answer)) => answer,
        };
        let scores = self.scores(&search, &leads, &personas).await?;
        let written: Vec<Written> = answer
            .reasons
            .into_iter()
            .filter_map(|reason| {
                let score = scores.get(&reason.lead)?.clone();
                Some(Written { number: reason.lead, score, reason: reason.reason, hook: reason.hook })
            })
            .collect();
        fail_point("reasons-before-store").await;
        let ready =
            self.store.store_reasons(key(&search), &written, self.clock.now_ms()).await.map_err(store_failure)?;
        Ok(Outcome::Reasoned { ready })
    }

    async fn scores(
        &self,
        search: &Search,
        leads: &[Lead],
        personas: &[Persona],
    ) -> Result<BTreeMap<u32, Score>, ActivityError> {
        let mut roles: BTreeMap<u32, Vec<Persona>> = BTreeMap::new();
        let mut scores = BTreeMap::new();
        for lead in leads {
            if let Entry::Vacant(unread) = roles.entry(lead.persona_rank) {
                let found = self.store.roles(&search.tenant, &search.id, lead.persona_rank).await;
                unread.insert(found.map_err(store_failure)?);
            }
            let business = personas.iter().find(|persona| persona.rank == lead.persona_rank);
            let role = roles[&lead.persona_rank].iter().find(|role| role.rank == lead.role_rank);
            let category_fits =
                business.is_some_and(|business| fitting_role(&lead.category, [industry(business)]).is_some());
            let facts = ScoreFacts {
                business_match: business.map_or(0, |business| business.match_score),
                category_fits,
                has_website: lead.website.is_some(),
                role_match: role.map_or(0, |role| role.match_score),
                role_position: lead.role_rank.saturating_sub(1),
                employer_agrees: lead.evidence.employer_agrees,
                place_agrees: lead.evidence.place_agrees,
                rating_count: lead.rating_count,
                has_profile: !lead.linkedin_public_id.is_empty(),
                email: lead.email_status,
            };
            scores.insert(lead.number.unwrap_or_default(), score(&facts));
        }
        Ok(scores)
    }
}

/// What the model may speak of: this lead's facts and nothing else, so that batches do not change sentences.
fn facts_of(lead: &Lead, personas: &[Persona]) -> Value {
    let persona = personas.iter().find(|persona| persona.rank == lead.persona_rank);
    let mut evidence = Vec::new();
    if lead.evidence.employer_agrees {
        evidence.push(format!("profile names {} as employer", lead.business));
    }
    if lead.evidence.place_agrees == Some(true) {
        evidence
            .push(format!("profile places them in {}", if lead.city.is_empty() { &lead.region } else { &lead.city }));
    }
    if let (Some(tenths), true) = (lead.rating_tenths, lead.rating_count > 0) {
        evidence.push(format!("rated {}.{} by {} guests on the map", tenths / 10, tenths % 10, lead.rating_count));
    }
    if let Some(domain) = &lead.domain {
        evidence.push(format!("own website {domain}"));
    }
    json!({
        "lead": lead.number,
        "name": format!("{} {}", lead.first_name, lead.last_name),
        "role": lead.role,
        "business": lead.business,
        "category": lead.category,
        "city": lead.city,
        "region": lead.region,
        "rating": lead.rating_tenths.map(|tenths| format!("{}.{}", tenths / 10, tenths % 10)),
        "rating_count": lead.rating_count,
        "evidence": evidence,
        "persona": persona.map(|persona| persona.title.as_str()),
    })
}
