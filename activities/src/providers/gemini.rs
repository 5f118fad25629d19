//! Gemini: answers grounded in web search, and structured answers.

use super::error::{Class, INVALID_API_KEY, ProviderError};
use super::http::{Answer, Body, Call, Http, SetUpError, parse_wait};
use super::model::{Content, GroundedCall, ModelAnswer, StructuredCall, TokenUsage};
use crate::config::ProviderConfig;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use leadflow_workflows::domain::provider::Provider;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Client of `generateContent`. Makes each call once: retrying is the server's task.
pub struct Gemini {
    http: Http,
    model: String,
}

/// An answer from web results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroundedAnswer {
    pub content: Content,
    /// Web pages that the answer rests on, in the order of the provider.
    pub sources: Vec<Source>,
    /// Whether the web was searched, which has a price of its own.
    pub searched: bool,
    pub usage: TokenUsage,
}

/// A web page behind a grounded answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub title: String,
    /// Leads to the page through a redirect of the provider.
    pub uri: String,
    /// Host of the page itself.
    pub domain: String,
}

impl Gemini {
    /// The base URL includes the version: `https://generativelanguage.googleapis.com/v1beta`.
    pub fn new(config: &ProviderConfig, model: &str, call_timeout: Duration) -> Result<Self, SetUpError> {
        let http = Http::new(Provider::Gemini, config, "x-goog-api-key", "", call_timeout)?;
        Ok(Self { http, model: model.to_owned() })
    }

    /// Asks the model once, with web search. Grounding and a schema exclude each other, so the answer is free text.
    pub async fn grounded(&self, call: &GroundedCall<'_>) -> Result<GroundedAnswer, ProviderError> {
        read_generated(&self.generate(Self::grounded_bytes(call), call.call_id).await?)
    }

    /// Asks the model once, without web search. The content still has to be checked: see
    /// [`super::schema::parse_checked`].
    pub async fn structured(&self, call: &StructuredCall<'_>) -> Result<ModelAnswer, ProviderError> {
        let generated = read_generated(&self.generate(Self::structured_bytes(call), call.call_id).await?)?;
        Ok(ModelAnswer { content: generated.content, usage: generated.usage })
    }

    /// The exact body that [`Self::grounded`] sends, to be hashed together with [`Self::model`], and to bound the cost.
    pub fn grounded_bytes(call: &GroundedCall<'_>) -> Vec<u8> {
        let mut request = request(call.instructions, call.facts, call.max_output_tokens);
        request["tools"] = json!([{ "googleSearch": {} }]);
        request.to_string().into_bytes()
    }

    /// The exact body that [`Self::structured`] sends, to be hashed together with [`Self::model`], and to bound the
    /// cost.
    pub fn structured_bytes(call: &StructuredCall<'_>) -> Vec<u8> {
        let mut request = request(call.instructions, call.facts, call.max_output_tokens);
        request["generationConfig"]["responseMimeType"] = json!("application/json");
        request["generationConfig"]["responseJsonSchema"] = call.schema.clone();
        request.to_string().into_bytes()
    }

    /// The model is part of the URL, not of the body.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether the key works. Free of charge.
    pub async fn check_key(&self) -> Result<(), ProviderError> {
        let call = Call { method: Method::GET, path: &["models"], query: &[], body: None, id: None };
        self.http.send(call).await.and_then(good).map(drop)
    }

    async fn generate(&self, body: Vec<u8>, call_id: &str) -> Result<Answer, ProviderError> {
        let path = ["models", &format!("{}:generateContent", self.model)];
        let call =
            Call { method: Method::POST, path: &path, query: &[], body: Some(Body::Json(body)), id: Some(call_id) };
        self.http.send(call).await.and_then(good)
    }
}

fn request(instructions: &str, facts: &Value, max_output_tokens: u32) -> Value {
    json!({
        "systemInstruction": { "parts": [{ "text": instructions }] },
        "contents": [{ "role": "user", "parts": [{ "text": facts.to_string() }] }],
        "generationConfig": { "maxOutputTokens": max_output_tokens },
    })
}

fn good(answer: Answer) -> Result<Answer, ProviderError> {
    if (200..=299).contains(&answer.status) { Ok(answer) } else { Err(refusal(&answer)) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    #[serde(default)]
    candidates: Vec<Candidate>,
    usage_metadata: Option<UsageMetadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    content: Parts,
    finish_reason: Option<String>,
    #[serde(default)]
    grounding_metadata: GroundingMetadata,
}

#[derive(Default, Deserialize)]
struct Parts {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
    #[serde(default)]
    thought: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroundingMetadata {
    #[serde(default)]
    web_search_queries: Vec<String>,
    #[serde(default)]
    grounding_chunks: Vec<GroundingChunk>,
}

#[derive(Deserialize)]
struct GroundingChunk {
    web: Option<Web>,
}

#[derive(Deserialize)]
struct Web {
    uri: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    domain: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageMetadata {
    #[serde(rename = "promptTokenCount")]
    prompt: u64,
    #[serde(rename = "cachedContentTokenCount")]
    cached_content: u64,
    #[serde(rename = "candidatesTokenCount")]
    candidates: u64,
    #[serde(rename = "thoughtsTokenCount")]
    thoughts: u64,
}

fn read_generated(answer: &Answer) -> Result<GroundedAnswer, ProviderError> {
    let generated = answer.read::<Generated>()?;
    let candidate = generated.candidates.into_iter().next();
    if candidate.is_some() && generated.usage_metadata.is_none() {
        return Err(ProviderError::unreadable(Provider::Gemini, answer.status, "does not say what it used"));
    }
    let tokens = generated.usage_metadata.unwrap_or_default();
    let usage = TokenUsage {
        input: tokens.prompt,
        cached_input: tokens.cached_content,
        output: tokens.candidates.saturating_add(tokens.thoughts),
    };
    // A blocked prompt has no candidate, with status 200.
    let Some(candidate) = candidate else {
        return Ok(GroundedAnswer { content: Content::Filtered, sources: Vec::new(), searched: false, usage });
    };
    let content = match candidate.finish_reason.as_deref() {
        Some("STOP") | None => Content::Text(
            candidate.content.parts.into_iter().filter(|part| !part.thought).map(|part| part.text).collect(),
        ),
        Some("MAX_TOKENS") => Content::Cut,
        Some("SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII") => Content::Filtered,
        // `LANGUAGE`, `OTHER`, calls of tools that nobody offered, and whatever is added later: no answer to this
        // prompt.
        Some(_) => Content::Refusal,
    };
    let grounding = candidate.grounding_metadata;
    let searched = !(grounding.web_search_queries.is_empty() && grounding.grounding_chunks.is_empty());
    let sources = grounding
        .grounding_chunks
        .into_iter()
        .filter_map(|chunk| chunk.web)
        .map(|web| Source { title: web.title, uri: web.uri, domain: web.domain })
        .collect();
    Ok(GroundedAnswer { content, sources, searched, usage })
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    error: Status,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default, rename = "status")]
    name: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Vec<Detail>,
}

/// The union of `ErrorInfo`, `RetryInfo` and `QuotaFailure`, of which each detail is one.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    reason: String,
    retry_delay: String,
    violations: Vec<Violation>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Violation {
    quota_id: String,
}

fn refusal(answer: &Answer) -> ProviderError {
    let Status { name, message, details } = answer.read_error::<ErrorBody>().error;
    let error = |class, kind, text: &str| ProviderError::new(Provider::Gemini, class, kind, Some(answer.status), text);
    let usual = || ProviderError::from_status(Provider::Gemini, answer.status);
    let wrong_key = details.iter().any(|detail| detail.reason == "API_KEY_INVALID");
    match (answer.status, name.as_str()) {
        (400, _) if wrong_key || message.starts_with("API key not valid") => {
            error(Class::PauseProvider, INVALID_API_KEY, "does not accept the key")
        }
        (400, "FAILED_PRECONDITION") => {
            error(Class::Never, "failed_precondition", "does not serve this region or needs billing to be set up")
        }
        (400, _) => usual().with_vendor_text(&message),
        (403, _) => error(Class::PauseProvider, "permission_denied", "does not permit the call with this key"),
        (404, _) => error(Class::Never, "model_not_found", "does not know the model or has retired it")
            .with_vendor_text(&message),
        (429, _) => {
            let mut violations = details.iter().flat_map(|detail| &detail.violations);
            if violations.any(|violation| violation.quota_id.contains("PerDay")) {
                // The provider's day follows the calendar of the real world, whatever clock leadflow runs on.
                error(Class::Defer, "daily_quota_used_up", "has given all that this key may use today")
                    .with_wait_hint(Some(until_pacific_midnight(Timestamp::now())))
            } else {
                usual().with_wait_hint(details.iter().find_map(|detail| parse_wait(&detail.retry_delay)))
            }
        }
        _ => usual(),
    }
}

/// Time until daily quotas are reset.
fn until_pacific_midnight(now: Timestamp) -> Duration {
    let pacific = TimeZone::get("America/Los_Angeles").expect("the time zones are built in");
    let midnight = now.to_zoned(pacific).tomorrow().and_then(|tomorrow| tomorrow.start_of_day());
    let wait = midnight.expect("the calendar goes on for millennia").timestamp().duration_since(now);
    wait.try_into().expect("tomorrow is after now")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daily_quotas_come_back_at_pacific_midnight() {
        for (now, hours) in [
            ("2026-01-15T08:00:00Z", 24),
            ("2026-01-15T07:00:00Z", 1),
            ("2026-07-15T06:00:00Z", 1),
            // The night in which summer time begins is an hour short.
            ("2026-03-08T08:00:00Z", 23),
        ] {
            let wait = until_pacific_midnight(now.parse().expect("an instant"));
            assert_eq!(wait, Duration::from_secs(hours * 3_600), "{now}");
        }
    }
}
