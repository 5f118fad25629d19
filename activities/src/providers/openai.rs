//! OpenAI: chat completions with a strict JSON schema.

use super::error::{Class, INVALID_API_KEY, ProviderError};
use super::http::{Answer, Body, Call, Http, SetUpError, parse_wait};
use super::model::{Content, ModelAnswer, StructuredCall, TokenUsage};
use crate::config::ProviderConfig;
use jiff::Timestamp;
use leadflow_workflows::domain::provider::Provider;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// An overloaded model needs more time than the first step of the usual backoff.
const OVERLOADED_SHORTEST_WAIT: Duration = Duration::from_secs(5);

/// Client of the chat completions API. Makes each call once: retrying is the server's task.
pub struct OpenAi {
    http: Http,
    model: String,
}

impl OpenAi {
    /// The base URL includes the version: `https://api.openai.com/v1`.
    pub fn new(config: &ProviderConfig, model: &str, call_timeout: Duration) -> Result<Self, SetUpError> {
        let http = Http::new(Provider::Openai, config, "authorization", "Bearer ", call_timeout)?;
        Ok(Self { http, model: model.to_owned() })
    }

    /// Asks the model once. The content still has to be checked: see [`super::schema::parse_checked`].
    pub async fn structured(&self, call: &StructuredCall<'_>) -> Result<ModelAnswer, ProviderError> {
        let answer = self
            .http
            .send(Call {
                method: Method::POST,
                path: &["chat", "completions"],
                query: &[],
                body: Some(Body::Json(self.request_bytes(call))),
                id: Some(call.call_id),
            })
            .await?;
        match answer.status {
            200..=299 => read_completion(&answer),
            _ => Err(refusal(&answer)),
        }
    }

    /// The exact body that [`Self::structured`] sends, to be hashed and to bound the cost. Equal calls have equal
    /// bytes; the call id is no part of it.
    pub fn request_bytes(&self, call: &StructuredCall<'_>) -> Vec<u8> {
        let request = json!({
            "model": self.model,
            "max_completion_tokens": call.max_output_tokens,
            "messages": [
                { "role": "developer", "content": call.instructions },
                { "role": "user", "content": call.facts.to_string() },
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": { "name": call.schema_name, "strict": true, "schema": call.schema },
            },
        });
        request.to_string().into_bytes()
    }

    /// Whether the key works. Free of charge.
    pub async fn check_key(&self) -> Result<(), ProviderError> {
        let call = Call { method: Method::GET, path: &["models"], query: &[], body: None, id: None };
        let answer = self.http.send(call).await?;
        if (200..=299).contains(&answer.status) { Ok(()) } else { Err(refusal(&answer)) }
    }
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    usage: Usage,
}

#[derive(Deserialize)]
struct Choice {
    finish_reason: Option<String>,
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    prompt_tokens_details: Option<PromptTokens>,
}

#[derive(Deserialize)]
struct PromptTokens {
    cached_tokens: Option<u64>,
}

/// A refusal comes first: its finish reason is an ordinary `stop`.
fn read_completion(answer: &Answer) -> Result<ModelAnswer, ProviderError> {
    let completion = answer.read::<Completion>()?;
    let Some(choice) = completion.choices.into_iter().next() else {
        return Err(ProviderError::unreadable(Provider::Openai, answer.status, "has no choices"));
    };
    let refused = choice.message.refusal.is_some_and(|refusal| !refusal.is_empty());
    let content = match choice.finish_reason.as_deref() {
        _ if refused => Content::Refusal,
        Some("length") => Content::Cut,
        Some("content_filter") => Content::Filtered,
        _ => Content::Text(choice.message.content.unwrap_or_default()),
    };
    let usage = TokenUsage {
        input: completion.usage.prompt_tokens,
        cached_input: completion.usage.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0),
        output: completion.usage.completion_tokens,
    };
    Ok(ModelAnswer { content, usage })
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    error: ErrorDetails,
}

#[derive(Default, Deserialize)]
struct ErrorDetails {
    #[serde(default)]
    message: String,
    #[serde(rename = "type")]
    error_type: Option<String>,
    param: Option<String>,
    code: Option<String>,
}

fn refusal(answer: &Answer) -> ProviderError {
    let ErrorDetails { message, error_type, param, code } = answer.read_error::<ErrorBody>().error;
    let (error_type, code) = (error_type.unwrap_or_default(), code.unwrap_or_default());
    let error = |class, kind, text: &str| ProviderError::new(Provider::Openai, class, kind, Some(answer.status), text);
    let usual = || ProviderError::from_status(Provider::Openai, answer.status);
    match (answer.status, code.as_str()) {
        (400, "context_length_exceeded") => error(Class::Never, "context_too_long", "got more input than it can read"),
        (400, "invalid_json_schema" | "invalid_function_parameters") => schema_refused(&message),
        (400, _) if param.as_deref() == Some("response_format") || message.starts_with("Invalid schema for") => {
            schema_refused(&message)
        }
        (
            400,
            "missing_required_parameter"
            | "unknown_parameter"
            | "unsupported_parameter"
            | "unsupported_value"
            | "invalid_value",
        ) => error(Class::Never, "parameter_refused", "refused a parameter").with_vendor_text(&message),
        (401, _) => error(Class::PauseProvider, INVALID_API_KEY, "does not accept the key"),
        (403, "unsupported_country_region_territory") => {
            error(Class::Never, "region_not_supported", "does not serve the region of this machine")
        }
        (404, "model_not_found") => {
            error(Class::Never, "model_not_found", "does not know the model or does not permit it")
                .with_vendor_text(&message)
        }
        (429, _) if code == "insufficient_quota" || error_type == "insufficient_quota" => {
            error(Class::PauseProvider, "insufficient_quota", "has no credit left for this key")
        }
        (429, _) => usual().with_wait_hint(wait_hint(answer, &error_type, &message)),
        (503, _) => {
            let wait = retry_after(answer).unwrap_or_default().max(OVERLOADED_SHORTEST_WAIT);
            usual().with_wait_hint(Some(wait))
        }
        _ => usual(),
    }
}

fn schema_refused(message: &str) -> ProviderError {
    ProviderError::new(Provider::Openai, Class::Never, "schema_refused", Some(400), "refused the schema of the answer")
        .with_vendor_text(message)
}

/// The first of: the retry headers, the reset header of the limit that was hit, the wait named in the text.
fn wait_hint(answer: &Answer, error_type: &str, message: &str) -> Option<Duration> {
    let reset = |what: &str| parse_wait(answer.header(&format!("x-ratelimit-reset-{what}"))?);
    let limit = || match error_type {
        "requests" | "tokens" => reset(error_type),
        _ => reset("requests").max(reset("tokens")),
    };
    let named = || parse_wait(message.split_once("try again in ")?.1.split_whitespace().next()?.trim_end_matches('.'));
    retry_after(answer).or_else(limit).or_else(named)
}

/// `retry-after-ms`, else `retry-after` in seconds or as a date.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let milliseconds = || answer.header("retry-after-ms")?.trim().parse::<f64>().ok().map(|value| value / 1_000.0);
    let seconds = || answer.header("retry-after")?.trim().parse::<f64>().ok();
    let date = || {
        let at = jiff::fmt::rfc2822::parse(answer.header("retry-after")?.trim()).ok()?;
        Duration::try_from(at.timestamp().duration_since(Timestamp::now())).ok()
    };
    milliseconds().or_else(seconds).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).or_else(date)
}
