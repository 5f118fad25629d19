//! What the web says of a persona's market: facts with sources first, then their structure.

use super::personas::{industry, wrong_job};
use super::questions::{Question, Verdict};
use super::{Paid, SearchWork, not_set_up, owner, store_failure};
use crate::gate::{CallId, PaidCall, Settled, UsageNumbers};
use crate::providers::{Content, Gemini, GroundedCall, Source, Usage};
use leadflow_workflows::contract::JobInput;
use leadflow_workflows::domain::answers::MarketInsight;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::search_plan::{Job, Outcome};
use serde_json::json;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

const MAX_OUTPUT_TOKENS: u32 = 4_000;

const FACTS_INSTRUCTIONS: &str = "Answer from web results only. Describe the market of the given industry in the given \
    places for someone who sells what `sell` says: its size with figures, trends of the last year, competitors, and \
    news that open a conversation.";

const INSIGHT_INSTRUCTIONS: &str = "Put the given facts into the fields of the schema. Add nothing that the facts do not \
    say. If `repair` is given, it says what was wrong with your last answer.";

impl SearchWork {
    pub(super) async fn market_facts(&self, ctx: &ActivityContext, input: &JobInput) -> Result<Outcome, ActivityError> {
        let Job::MarketFacts { persona, round } = &input.job else { return Err(wrong_job()) };
        let rank = persona + 1;
        let search = self.load(&input.search).await?;
        let known = self.store.market(&search.tenant, &search.id).await.map_err(store_failure)?;
        if known.iter().any(|market| market.rank == rank) {
            return Ok(Outcome::Stored);
        }
        let Some(client) = &self.clients.gemini else { return Ok(Outcome::Held(not_set_up(Provider::Gemini))) };
        let personas = self.store.business_personas(&search.tenant, &search.id).await.map_err(store_failure)?;
        let business = personas.iter().find(|business| business.rank == rank).ok_or_else(wrong_job)?;
        let facts = json!({ "sell": search.brief.sell, "industry": industry(business), "places": search.brief.places });
        let question = GroundedCall {
            call_id: "",
            instructions: FACTS_INSTRUCTIONS,
            facts: &facts,
            max_output_tokens: MAX_OUTPUT_TOKENS,
        };
        let mut request = client.model().as_bytes().to_vec();
        request.extend(Gemini::grounded_bytes(&question));
        let call = PaidCall {
            tenant: &search.tenant,
            search_id: &search.id,
            lead: None,
            provider: Provider::Gemini,
            operation: "market_facts",
            scope: &search.id,
            repair_round: round.number,
            request: &request,
            bound: Usage::gemini_at_most(request.len(), MAX_OUTPUT_TOKENS, true).cost(&self.config.models),
            owner: owner(ctx),
        };
        let perform = |call_id: CallId| async move {
            let answer = client.grounded(&GroundedCall { call_id: call_id.as_str(), ..question }).await?;
            let used = Usage::Gemini { tokens: answer.usage, searched: answer.searched };
            let text = match answer.content {
                Content::Text(text) if !text.trim().is_empty() => Some(text),
                _ => None,
            };
            Ok(Settled {
                reusable: text.is_some(),
                value: text.map(|text| (text, answer.sources)),
                cost: used.cost(&self.config.models),
                usage: UsageNumbers {
                    input_tokens: answer.usage.input,
                    output_tokens: answer.usage.output,
                    credits: 0,
                },
            })
        };
        let called = self.gate.call(call, perform).await;
        let answer: Option<(String, Vec<Source>)> = match self.settle(ctx, &search, "insights", called).await? {
            Paid::Held(hold) => return Ok(Outcome::Held(hold)),
            Paid::Value(answer) => answer,
        };
        let Some((text, sources)) = answer else {
            return Ok(Outcome::Bad { problem: "the model gave no answer from the web".into() });
        };
        self.store
            .store_market_facts(&search.tenant, &search.id, rank, &text, &json!(sources))
            .await
            .map_err(store_failure)?;
        Ok(Outcome::Stored)
    }

    pub(super) async fn market_insight(
        &self,
        ctx: &ActivityContext,
        input: &JobInput,
    ) -> Result<Outcome, ActivityError> {
        let Job::MarketInsight { persona, round } = &input.job else { return Err(wrong_job()) };
        let rank = persona + 1;
        let search = self.load(&input.search).await?;
        let known = self.store.market(&search.tenant, &search.id).await.map_err(store_failure)?;
        let market = known.iter().find(|market| market.rank == rank).ok_or_else(wrong_job)?;
        if market.insight.is_some() {
            return Ok(Outcome::Stored);
        }
        let question = Question {
            name: "market_insight",
            instructions: INSIGHT_INSTRUCTIONS,
            facts: json!({ "facts": market.facts }),
            asked: &(),
            max_output_tokens: MAX_OUTPUT_TOKENS,
            job: &input.job,
            round,
        };
        let insight: MarketInsight = match self.ask(ctx, &search, question).await? {
            Paid::Held(hold) => return Ok(Outcome::Held(hold)),
            Paid::Value(Verdict::Bad(problem)) => return Ok(Outcome::Bad { problem }),
            Paid::Value(Verdict::Good(insight)) => insight,
        };
        self.store
            .store_market_insight(&search.tenant, &search.id, rank, &json!(insight))
            .await
            .map_err(store_failure)?;
        Ok(Outcome::Stored)
    }
}
