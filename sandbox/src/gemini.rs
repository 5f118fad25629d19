//! Gemini: `generateContent` with web grounding or with a schema, and the list of models.

use axum::http::Method;
use serde_json::{Value, json};

use crate::answers::{self, Question};
use crate::exchange::{Call, Reply, Vendor, is_good_key};
use crate::faults::{FailureVariant, FaultKind, FaultRule};
use crate::{World, prices};

const MODELS: &str = "v1beta/models";

pub(crate) struct Gemini;

impl Vendor for Gemini {
    fn operation(&self, call: &Call) -> String {
        match path_model(call) {
            Some(_) => match Ask::read(&call.body) {
                Ok(Ask { is_grounded: true, .. }) => "generate_content:grounded".into(),
                Ok(Ask { schema: Some(_), .. }) => "generate_content:structured".into(),
                _ => "generate_content:text".into(),
            },
            None => call.path.trim_start_matches("v1beta/").replace('/', "_"),
        }
    }

    fn key_problem(&self, call: &Call) -> Option<Reply> {
        let key = call.header("x-goog-api-key").or_else(|| call.parameter("key"));
        if is_good_key(key) {
            return None;
        }
        if key.is_none() {
            let message = "Method doesn't allow unauthenticated callers (callers without established identity). Please use API \
                           Key or other form of API consumer identity to call this API.";
            return Some(error(403, "PERMISSION_DENIED", message, json!([])));
        }
        let message = "API key not valid. Please pass a valid API key.";
        let details = json!([
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            },
            {"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US", "message": message},
        ]);
        Some(error(400, "INVALID_ARGUMENT", message, details))
    }

    fn answer(&self, world: &World, call: &Call, spoilt: Option<FaultKind>) -> Reply {
        match path_model(call) {
            Some(model) => generate(world, model, &call.body, spoilt).unwrap_or_else(|refusal| refusal),
            None if call.method == Method::GET && call.path == MODELS => models(),
            None => error(404, "NOT_FOUND", "Requested entity was not found.", json!([])),
        }
    }

    fn failure(&self, fault: &FaultRule) -> Reply {
        let (status, variant) = (fault.status_or_usual(), fault.variant);
        let (name, message) = match (status, variant) {
            (400, Some(FailureVariant::FailedPrecondition)) => {
                ("FAILED_PRECONDITION", "User location is not supported for the API use.")
            }
            (400, _) => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
            (403, _) => ("PERMISSION_DENIED", "Your API key is blocked for this service."),
            (404, _) => ("NOT_FOUND", "Requested entity was not found."),
            (429, _) => return exhausted(variant == Some(FailureVariant::PerDay)),
            (499, _) => ("CANCELLED", "The operation was cancelled."),
            (503, _) => ("UNAVAILABLE", "The model is overloaded. Please try again later."),
            (504, _) => ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
            (500.., _) => ("INTERNAL", "An internal error has occurred. Please retry or report."),
            _ => ("UNKNOWN", "The request failed."),
        };
        error(status, name, message, json!([]))
    }
}

/// The model of a `models/MODEL:generateContent` path.
fn path_model(call: &Call) -> Option<&str> {
    let model = call.path.strip_prefix(MODELS)?.strip_prefix('/')?.strip_suffix(":generateContent")?;
    (call.method == Method::POST).then_some(model)
}

/// What is asked, read from a body that may spell its names in camel case or snake case.
struct Ask<'a> {
    prompt: String,
    prompt_tokens: u64,
    is_grounded: bool,
    schema: Option<&'a Value>,
    is_json: bool,
    max_output_tokens: Option<u64>,
}

impl<'a> Ask<'a> {
    fn read(body: &'a Value) -> Result<Self, String> {
        let contents = body["contents"].as_array().filter(|contents| !contents.is_empty());
        let contents = contents.ok_or("* GenerateContentRequest.contents: contents is not specified")?;
        let config = field(body, "generationConfig", "generation_config");
        let (openapi, json_schema) = (
            field(config, "responseSchema", "response_schema"),
            field(config, "responseJsonSchema", "response_json_schema"),
        );
        if !openapi.is_null() && !json_schema.is_null() {
            return Err("response_schema and response_json_schema cannot both be set.".into());
        }
        let schema = [openapi, json_schema].into_iter().find(|schema| !schema.is_null());
        let is_json = field(config, "responseMimeType", "response_mime_type") == "application/json";
        if schema.is_some() && !is_json {
            return Err("response_schema requires response_mime_type to be 'application/json'.".into());
        }
        let last_user = contents.iter().rfind(|content| content["role"] != "model");
        let text = |content: &Value| {
            let parts = content["parts"].as_array().into_iter().flatten();
            parts.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        };
        let system = field(body, "systemInstruction", "system_instruction");
        let tools = body["tools"].as_array().into_iter().flatten();
        let all_bytes = contents.iter().map(|content| text(content).len()).sum::<usize>()
            + text(system).len()
            + schema.map_or(0, |schema| schema.to_string().len());
        Ok(Self {
            prompt: last_user.map(text).unwrap_or_default(),
            prompt_tokens: tokens(all_bytes),
            is_grounded: tools.into_iter().any(|tool| field(tool, "googleSearch", "google_search").is_object()),
            schema,
            is_json,
            max_output_tokens: field(config, "maxOutputTokens", "max_output_tokens").as_u64(),
        })
    }
}

fn generate(world: &World, model: &str, body: &Value, spoilt: Option<FaultKind>) -> Result<Reply, Reply> {
    if !model.starts_with("gemini-") {
        let message = format!(
            "models/{model} is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see \
             the list of available models and their supported methods."
        );
        return Err(error(404, "NOT_FOUND", &message, json!([])));
    }
    let ask = Ask::read(body).map_err(|message| error(400, "INVALID_ARGUMENT", &message, json!([])))?;
    if ask.is_grounded && ask.is_json && (model.starts_with("gemini-1") || model.starts_with("gemini-2")) {
        let message = "Tool use with a response mime type: 'application/json' is unsupported";
        return Err(error(400, "INVALID_ARGUMENT", message, json!([])));
    }
    let seed = world.seed.of(&["gemini", model, &ask.prompt]);
    let response_id = format!("sim-{}", seed.of(&["id"]).hex(12));
    if spoilt == Some(FaultKind::Refusal) {
        let body = json!({
            "promptFeedback": {"blockReason": "SAFETY"},
            "usageMetadata": {"promptTokenCount": ask.prompt_tokens, "totalTokenCount": ask.prompt_tokens},
            "modelVersion": model, "responseId": response_id,
        });
        return Ok(bill(Reply::free(200, body), ask.prompt_tokens, 0, false));
    }

    let grounded = ask.is_grounded.then(|| answers::grounded(world.seed, &ask.prompt));
    let mut text = match (&grounded, ask.schema) {
        (_, Some(schema)) => {
            let question = Question { name: None, schema, facts: &ask.prompt };
            answers::content(world.seed, &question, spoilt == Some(FaultKind::WrongFacts)).to_string()
        }
        (Some(_), None) if spoilt == Some(FaultKind::WrongFacts) => "Nothing is known about this market.".into(),
        (Some(grounded), None) => {
            grounded.sentences.iter().map(|(sentence, _)| sentence.as_str()).collect::<Vec<_>>().join("\n")
        }
        (None, None) if ask.is_json => json!({"answer": answers::sentence(world.seed, &ask.prompt)}).to_string(),
        (None, None) => answers::sentence(world.seed, &ask.prompt),
    };
    if spoilt == Some(FaultKind::Malformed) {
        text = answers::malformed(&text);
    }
    let thought_tokens = 32 * (1 + seed.of(&["thoughts"]).below(6) as u64);
    let room_tokens = ask.max_output_tokens.map_or(u64::MAX, |cap| cap.saturating_sub(thought_tokens));
    let half = if spoilt == Some(FaultKind::Cut) { text.len() / 2 } else { text.len() };
    let end = half.min(usize::try_from(room_tokens.saturating_mul(4)).unwrap_or(usize::MAX));
    let is_cut = end < text.len();
    text.truncate(text.floor_char_boundary(end));

    let answer_tokens = tokens(text.len());
    let mut candidate = json!({
        "index": 0,
        "finishReason": if is_cut { "MAX_TOKENS" } else { "STOP" },
        "content": {"role": "model", "parts": [{"text": text}]},
    });
    if let Some(grounded) = &grounded {
        candidate["groundingMetadata"] = grounding_metadata(grounded, &text);
    }
    let body = json!({
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": ask.prompt_tokens, "candidatesTokenCount": answer_tokens,
            "thoughtsTokenCount": thought_tokens,
            "totalTokenCount": ask.prompt_tokens + answer_tokens + thought_tokens,
        },
        "modelVersion": model, "responseId": response_id,
    });
    Ok(bill(Reply::free(200, body), ask.prompt_tokens, answer_tokens + thought_tokens, ask.is_grounded))
}

/// Sources, and the bytes of the text that each sentence takes; sentences that were cut off have none.
fn grounding_metadata(grounded: &answers::Grounded, text: &str) -> Value {
    let chunks: Vec<_> = grounded
        .hosts
        .iter()
        .map(|host| json!({"web": {"uri": format!("https://{host}/article"), "title": host, "domain": host}}))
        .collect();
    let supports: Vec<_> = grounded
        .sentences
        .iter()
        .filter_map(|(sentence, sources)| {
            let start = text.find(sentence.as_str())?;
            Some(json!({
                "segment": {"startIndex": start, "endIndex": start + sentence.len(), "partIndex": 0, "text": sentence},
                "groundingChunkIndices": sources,
            }))
        })
        .collect();
    json!({
        "webSearchQueries": grounded.queries,
        "searchEntryPoint": {"renderedContent": format!("<div>{}</div>", grounded.queries.join(" · "))},
        "groundingChunks": chunks,
        "groundingSupports": supports,
    })
}

fn bill(reply: Reply, input_tokens: u64, output_tokens: u64, is_grounded: bool) -> Reply {
    let microusd = prices::gemini_call(input_tokens, output_tokens, is_grounded);
    let units = [
        ("input_tokens", input_tokens),
        ("output_tokens", output_tokens),
        ("grounded_prompts", u64::from(is_grounded)),
    ];
    reply.billed(microusd, units)
}

fn models() -> Reply {
    let models = ["gemini-2.5-flash", "gemini-3.8-flash"].map(|name| {
        json!({"name": format!("models/{name}"), "displayName": name, "supportedGenerationMethods": ["generateContent"]})
    });
    Reply::free(200, json!({"models": models}))
}

fn exhausted(is_per_day: bool) -> Reply {
    let quota_id = if is_per_day {
        "GenerateRequestsPerDayPerProjectPerModel"
    } else {
        "GenerateRequestsPerMinutePerProjectPerModel"
    };
    let mut details = vec![
        json!({
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{
                "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests", "quotaId": quota_id,
                "quotaDimensions": {"model": "gemini-2.5-flash", "location": "global"}, "quotaValue": "10",
            }],
        }),
        json!({
            "@type": "type.googleapis.com/google.rpc.Help",
            "links": [{"description": "Learn more about Gemini API quotas", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}],
        }),
    ];
    if !is_per_day {
        details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}));
    }
    let message = "You exceeded your current quota, please check your plan and billing details.";
    error(429, "RESOURCE_EXHAUSTED", message, Value::Array(details))
}

fn error(code: u16, status: &str, message: &str, details: Value) -> Reply {
    let mut error = json!({"code": code, "status": status, "message": message});
    if details.as_array().is_some_and(|details| !details.is_empty()) {
        error["details"] = details;
    }
    Reply::free(code, json!({"error": error}))
}

fn field<'a>(value: &'a Value, camel: &str, snake: &str) -> &'a Value {
    match &value[camel] {
        Value::Null => &value[snake],
        found => found,
    }
}

/// About so many tokens have `bytes` of text.
fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}
