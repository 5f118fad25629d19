//! How the models are asked: one question, one strict schema, one check of the answer.

use super::books::stage;
use super::{Paid, Payer, SearchWork, not_set_up, owner};
use crate::gate::{CallId, Called, GateError, Settled, UsageNumbers};
use crate::providers::schema::{parse_checked, strict_schema};
use crate::providers::{Clients, Content, Gemini, ModelAnswer, OpenAi, ProviderError, StructuredCall, Usage};
use crate::store::searches::Search;
use leadflow_workflows::domain::answers::Checked;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::search_plan::{Job, Round};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// A question to a model.
pub(super) struct Question<'a, A: Checked> {
    /// Name of the schema, and of the operation in the books.
    pub(super) name: &'static str,
    pub(super) instructions: &'static str,
    pub(super) facts: Value,
    pub(super) asked: &'a A::Asked,
    pub(super) max_output_tokens: u32,
    pub(super) job: &'a Job,
    pub(super) round: &'a Round,
}

/// A question as it is put to a model.
pub(crate) struct Asking<'a, A: Checked> {
    /// Name of the schema, and of the operation in the books.
    pub(crate) name: &'static str,
    pub(crate) instructions: &'static str,
    pub(crate) facts: &'a Value,
    pub(crate) asked: &'a A::Asked,
    pub(crate) max_output_tokens: u32,
    pub(crate) repair_round: u32,
}

/// A model's answer after its check. Only good ones are kept.
#[derive(Serialize, Deserialize)]
pub(crate) enum Verdict<A> {
    Good(A),
    /// What is wrong, for the next round; without personal data.
    Bad(String),
}

impl SearchWork {
    /// Asks the provider of the job. `Err` is for the server to retry, or final.
    pub(super) async fn ask<A>(
        &self,
        ctx: &ActivityContext,
        search: &Search,
        question: Question<'_, A>,
    ) -> Result<Paid<Verdict<A>>, ActivityError>
    where
        A: Checked + JsonSchema + Serialize + DeserializeOwned + Send,
        A::Asked: Sync,
    {
        let provider = question.job.provider();
        let mut facts = question.facts;
        if !question.round.problem.is_empty() {
            facts["repair"] = Value::String(question.round.problem.clone());
        }
        let asking = Asking {
            name: question.name,
            instructions: question.instructions,
            facts: &facts,
            asked: question.asked,
            max_output_tokens: question.max_output_tokens,
            repair_round: question.round.number,
        };
        let payer =
            Payer { tenant: &search.tenant, search_id: &search.id, scope: &search.id, lead: None, owner: owner(ctx) };
        let Some(called) = self.put(payer, provider, asking).await else {
            return Ok(Paid::Held(not_set_up(provider)));
        };
        self.settle(ctx, search, stage(question.job), called).await
    }

    /// Puts a question to a model; `None` when its provider is not set up.
    pub(crate) async fn put<A>(
        &self,
        payer: Payer<'_>,
        provider: Provider,
        asking: Asking<'_, A>,
    ) -> Option<Result<Called<Verdict<A>>, GateError>>
    where
        A: Checked + JsonSchema + Serialize + DeserializeOwned + Send,
        A::Asked: Sync,
    {
        let schema = strict_schema::<A>();
        let unnamed = StructuredCall {
            call_id: "",
            schema_name: asking.name,
            schema: &schema,
            instructions: asking.instructions,
            facts: asking.facts,
            max_output_tokens: asking.max_output_tokens,
        };
        let model = Model::of(&self.clients, provider)?;
        let request = model.request(&unnamed);
        let bound = model.at_most(request.len(), asking.max_output_tokens).cost(&self.config.models);
        let call = payer.call(provider, asking.name, asking.repair_round, &request, bound);
        let perform = |call_id: CallId| async move {
            let call = StructuredCall { call_id: call_id.as_str(), ..unnamed };
            let answer = model.structured(&call).await?;
            Ok(self.judge(model.used(&answer), answer, asking.asked))
        };
        Some(self.gate.call(call, perform).await)
    }

    fn judge<A>(&self, used: Usage, answer: ModelAnswer, asked: &A::Asked) -> Settled<Verdict<A>>
    where
        A: Checked + DeserializeOwned,
    {
        // A refusal, a cut answer and broken JSON are three different things, and the next round is told which.
        let verdict = match answer.content {
            Content::Text(text) => match parse_checked::<A>(&text, asked) {
                Ok(good) => Verdict::Good(good),
                Err(problem) => Verdict::Bad(problem.to_string()),
            },
            Content::Refusal => Verdict::Bad("the model refused to answer".into()),
            Content::Cut => Verdict::Bad("the answer was cut off; be shorter".into()),
            Content::Filtered => Verdict::Bad("the provider withheld the answer".into()),
        };
        Settled {
            reusable: matches!(verdict, Verdict::Good(_)),
            value: verdict,
            cost: used.cost(&self.config.models),
            usage: UsageNumbers {
                input_tokens: answer.usage.input,
                output_tokens: answer.usage.output,
                ..UsageNumbers::default()
            },
        }
    }
}

/// A provider that answers structured questions.
#[derive(Clone, Copy)]
enum Model<'a> {
    OpenAi(&'a OpenAi),
    Gemini(&'a Gemini),
}

impl<'a> Model<'a> {
    fn of(clients: &'a Clients, provider: Provider) -> Option<Self> {
        match provider {
            Provider::Openai => clients.openai.as_ref().map(Self::OpenAi),
            Provider::Gemini => clients.gemini.as_ref().map(Self::Gemini),
            Provider::Serper | Provider::Hunter | Provider::Unipile => None,
        }
    }

    /// Everything that decides the answer: Gemini's model is not in the body.
    fn request(self, call: &StructuredCall<'_>) -> Vec<u8> {
        match self {
            Self::OpenAi(client) => client.request_bytes(call),
            Self::Gemini(client) => [client.model().as_bytes(), &Gemini::structured_bytes(call)].concat(),
        }
    }

    fn at_most(self, request_bytes: usize, max_output_tokens: u32) -> Usage {
        match self {
            Self::OpenAi(_) => Usage::openai_at_most(request_bytes, max_output_tokens),
            Self::Gemini(_) => Usage::gemini_at_most(request_bytes, max_output_tokens, false),
        }
    }

    async fn structured(self, call: &StructuredCall<'_>) -> Result<ModelAnswer, ProviderError> {
        match self {
            Self::OpenAi(client) => client.structured(call).await,
            Self::Gemini(client) => client.structured(call).await,
        }
    }

    fn used(self, answer: &ModelAnswer) -> Usage {
        match self {
            Self::OpenAi(_) => Usage::OpenAi(answer.usage),
            Self::Gemini(_) => Usage::Gemini { tokens: answer.usage, searched: false },
        }
    }
}
