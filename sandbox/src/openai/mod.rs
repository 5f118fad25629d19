//! OpenAI: Chat Completions, Responses, and the list of models.

mod chat;
mod errors;
mod responses;
mod schema;

use axum::http::Method;
use serde_json::{Value, json};

use crate::answers::{self, Question};
use crate::exchange::{Call, Reply, Vendor, is_good_key};
use crate::faults::{FaultKind, FaultRule};
use crate::{World, prices};

pub(crate) use schema::{resolve, types};

/// Prompts that share at least so many leading tokens are served from the cache, in steps of 128.
const CACHED_FROM_TOKENS: u64 = 1024;

pub(crate) struct OpenAi;

impl Vendor for OpenAi {
    fn operation(&self, call: &Call) -> String {
        match (&call.method, call.path.as_str()) {
            (&Method::POST, "chat/completions") => format!("chat_completions:{}", chat::format_name(&call.body)),
            (&Method::POST, "responses") => format!("responses:{}", responses::format_name(&call.body)),
            (_, path) => path.replace('/', "_"),
        }
    }

    fn key_problem(&self, call: &Call) -> Option<Reply> {
        (!is_good_key(call.bearer())).then(|| errors::wrong_key(call.bearer()))
    }

    fn answer(&self, world: &World, call: &Call, spoilt: Option<FaultKind>) -> Reply {
        let reply = match (&call.method, call.path.as_str()) {
            (&Method::POST, "chat/completions") => chat::answer(world, &call.body, spoilt),
            (&Method::POST, "responses") => responses::answer(world, &call.body, spoilt),
            (&Method::GET, "models") => Ok(models(world)),
            (_, path) => Err(errors::no_such_path(path)),
        };
        with_usual_headers(world, reply.unwrap_or_else(|refusal| refusal))
    }

    fn failure(&self, fault: &FaultRule) -> Reply {
        errors::failure(fault.status_or_usual(), fault.variant)
    }
}

/// What is asked of a model, in whichever API.
struct Ask<'a> {
    model: &'a str,
    /// Tokens of instructions and schema, which come before the facts and are the same from call to call.
    prefix_tokens: u64,
    prompt_tokens: u64,
    /// The text of the last message of the user.
    facts: String,
    format: Format<'a>,
    /// Cap on the tokens of reasoning and answer together.
    max_output_tokens: Option<u64>,
    reasoning_effort: Option<&'a str>,
    /// Text that all of the request is in, to draw from.
    whole: String,
}

#[derive(Clone, Copy)]
enum Format<'a> {
    Text,
    JsonObject,
    JsonSchema { name: &'a str, schema: &'a Value },
}

/// What the model makes of it.
struct Completion {
    /// Differs from request to request, alike for the same one.
    id: String,
    content: Option<String>,
    refusal: Option<&'static str>,
    /// The answer ended at the cap.
    is_cut: bool,
    cached_tokens: u64,
    reasoning_tokens: u64,
    /// With those of reasoning.
    output_tokens: u64,
}

impl Ask<'_> {
    fn complete(&self, world: &World, spoilt: Option<FaultKind>) -> Completion {
        let seed = world.seed.of(&["completion", &self.whole]);
        let reasoning_tokens = match self.reasoning_effort {
            Some("none" | "minimal") => 0,
            Some("low") => 64,
            _ => 64 * (1 + seed.of(&["reasoning"]).below(5) as u64),
        };
        let mut content = match self.format {
            Format::JsonSchema { name, schema } => {
                let question = Question { name: Some(name), schema, facts: &self.facts };
                answers::content(world.seed, &question, spoilt == Some(FaultKind::WrongFacts)).to_string()
            }
            Format::JsonObject => json!({"answer": answers::sentence(world.seed, &self.facts)}).to_string(),
            Format::Text => answers::sentence(world.seed, &self.facts),
        };
        let mut is_cut = false;
        let mut refusal = None;
        match spoilt {
            Some(FaultKind::Malformed) => content = answers::malformed(&content),
            Some(FaultKind::Refusal) => refusal = Some("I'm sorry, but I can't help with that request."),
            Some(FaultKind::Cut) => {
                is_cut = true;
                content.truncate(content.floor_char_boundary(content.len() / 2));
            }
            _ => {}
        }
        let room_tokens = self.max_output_tokens.map_or(u64::MAX, |cap| cap.saturating_sub(reasoning_tokens));
        if tokens(content.len()) > room_tokens {
            is_cut = true;
            let room_bytes = usize::try_from(room_tokens * 4).unwrap_or(usize::MAX);
            content.truncate(content.floor_char_boundary(room_bytes));
        }
        let reasoning_tokens = self.max_output_tokens.map_or(reasoning_tokens, |cap| reasoning_tokens.min(cap));
        let said = refusal.map_or(content.len(), str::len);
        let cached_tokens = if self.prefix_tokens < CACHED_FROM_TOKENS { 0 } else { self.prefix_tokens / 128 * 128 };
        Completion {
            id: seed.of(&["id"]).hex(16),
            content: refusal.is_none().then_some(content),
            refusal,
            is_cut,
            cached_tokens,
            reasoning_tokens,
            output_tokens: reasoning_tokens + tokens(said),
        }
    }

    /// The answer's dated snapshot of the model.
    fn snapshot(&self) -> String {
        if self
            .model
            .rsplit('-')
            .next()
            .is_some_and(|end| end.len() == 2 && end.bytes().all(|byte| byte.is_ascii_digit()))
        {
            self.model.to_owned()
        } else {
            format!("{}-2025-08-07", self.model)
        }
    }

    fn bill(&self, completion: &Completion, reply: Reply) -> Reply {
        let limit_tokens = 2_000_000;
        let microusd = prices::openai_call(self.prompt_tokens, completion.cached_tokens, completion.output_tokens);
        reply
            .with_header("x-ratelimit-limit-tokens", &limit_tokens)
            .with_header("x-ratelimit-remaining-tokens", &(limit_tokens - self.prompt_tokens.min(limit_tokens)))
            .with_header("x-ratelimit-reset-tokens", &go_duration(self.prompt_tokens * 60_000 / limit_tokens))
            .billed(
                microusd,
                [
                    ("input_tokens", self.prompt_tokens),
                    ("cached_tokens", completion.cached_tokens),
                    ("output_tokens", completion.output_tokens),
                ],
            )
    }
}

/// A duration as Go writes it: `12ms`, `1.200s`.
fn go_duration(ms: u64) -> String {
    if ms < 1000 { format!("{ms}ms") } else { format!("{}.{:03}s", ms / 1000, ms % 1000) }
}

/// About so many tokens have `bytes` of text.
fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

/// Whether the sandbox plays this model.
fn is_model(name: &str) -> bool {
    name.starts_with("gpt-") || is_fine_tuned(name)
}

fn is_fine_tuned(name: &str) -> bool {
    name.starts_with("ft:gpt-")
}

/// Reasoning models refuse what shapes the output of others.
fn is_reasoning_model(name: &str) -> bool {
    name.starts_with("gpt-5") || name.starts_with("gpt-6")
}

/// The text of a message's content: a string, or parts with a `text` each.
fn content_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

/// The model of the request, if the sandbox plays it.
fn model(body: &Value) -> Result<&str, Reply> {
    let model = body["model"].as_str().ok_or_else(|| errors::missing_parameter("model"))?;
    if is_model(model) { Ok(model) } else { Err(errors::unknown_model(model)) }
}

/// Refuses a request with a parameter that the API does not know, or without a JSON object.
fn known_parameters(body: &Value, known: &[&str]) -> Result<(), Reply> {
    let Some(fields) = body.as_object() else {
        let message = "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP \
                       library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)";
        return Err(errors::invalid(message, None, None));
    };
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            Err(errors::invalid(&format!("Unknown parameter: '{name}'."), Some(name), Some("unknown_parameter")))
        }
        None => Ok(()),
    }
}

/// Reads the name and schema of a format and checks them. `place` is the format's path in the request, for the messages.
fn json_schema<'a>(format: &'a Value, model: &str, place: &str, schema_param: &str) -> Result<Format<'a>, Reply> {
    let name_param = format!("{place}.name");
    let name = format["name"].as_str().ok_or_else(|| errors::missing_parameter(&name_param))?;
    if !(1..=64).contains(&name.len())
        || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    {
        let message = format!(
            "Invalid '{name_param}': string does not match pattern. Expected a string that matches the pattern \
             '^[a-zA-Z0-9_-]+$'."
        );
        return Err(errors::invalid(&message, Some(&name_param), Some("invalid_value")));
    }
    let schema = format.get("schema").ok_or_else(|| errors::missing_parameter(&format!("{place}.schema")))?;
    if format["strict"] == json!(true)
        && let Some(problem) = schema::strict_problem(schema, is_fine_tuned(model))
    {
        let message = format!("Invalid schema for response_format '{name}': {problem}");
        return Err(errors::invalid(&message, Some(schema_param), Some("invalid_json_schema")));
    }
    Ok(Format::JsonSchema { name, schema })
}

/// Checks the strict ones among the functions that the model may call.
fn check_function<'a>(function: &'a Value, model: &str, param: &str) -> Result<&'a str, Reply> {
    let name = function["name"].as_str().unwrap_or_default();
    if function["strict"] == json!(true)
        && let Some(problem) = schema::strict_problem(&function["parameters"], is_fine_tuned(model))
    {
        let message = format!("Invalid schema for function '{name}': {problem}");
        return Err(errors::invalid(&message, Some(param), Some("invalid_function_parameters")));
    }
    Ok(name)
}

fn models(world: &World) -> Reply {
    let created = world.clock.now_ms() / 1000;
    let models = ["gpt-5-mini", "gpt-5-nano", "gpt-5.4-mini"]
        .map(|id| json!({"id": id, "object": "model", "created": created, "owned_by": "openai"}));
    Reply::free(200, json!({"object": "list", "data": models}))
}

fn with_usual_headers(world: &World, reply: Reply) -> Reply {
    let id = world.seed.of(&["request", &world.ledger.entries_so_far().to_string()]).hex(16);
    reply
        .with_header("x-request-id", &format!("req_{id}"))
        .with_header("openai-organization", &"org-sandbox")
        .with_header("openai-processing-ms", &12)
        .with_header("openai-version", &"2020-10-01")
        .with_header("x-ratelimit-limit-requests", &5_000)
        .with_header("x-ratelimit-remaining-requests", &4_999)
        .with_header("x-ratelimit-reset-requests", &"12ms")
}
