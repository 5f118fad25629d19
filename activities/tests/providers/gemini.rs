use crate::table::{Bench, Row};
use leadflow_activities::providers::schema::strict_schema;
use leadflow_activities::providers::{Class, Content, GroundedCall, Source, StructuredCall, TokenUsage, Usage};
use leadflow_sandbox::{FaultKind, Provider};
use leadflow_workflows::domain::answers::MarketInsight;
use serde_json::{Value, json};
use std::time::Duration;

const CALL_ID: &str = "search-1/market_insight";

fn grounded(facts: &Value) -> GroundedCall<'_> {
    GroundedCall { call_id: CALL_ID, instructions: "Answer from web results only.", facts, max_output_tokens: 2_000 }
}

fn facts() -> Value {
    json!({ "industry": "brewery", "place": "Leipzig" })
}

fn error(code: u16, status: &str, message: &str, details: &Value) -> Value {
    json!({ "error": { "code": code, "status": status, "message": message, "details": details } })
}

fn rows() -> Vec<Row> {
    let none = json!([]);
    let error = |code, status, message| error(code, status, message, &none);
    let with_details = |code, status, message, details: &Value| self::error(code, status, message, details);
    let wrong_key = "API key not valid. Please pass a valid API key.";
    let key_invalid = json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com",
        "metadata": { "service": "generativelanguage.googleapis.com" }
    }]);
    let quota = |retry_delay: &str| {
        json!([
            { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
                { "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "10" }] },
            { "@type": "type.googleapis.com/google.rpc.Help", "links": [{ "description": "x", "url": "https://x.example" }] },
            { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry_delay },
        ])
    };
    let limited = |details: &Value| with_details(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", details);
    vec![
        Row::never(400, error(400, "INVALID_ARGUMENT", "Unknown name \"x\""), "request_refused"),
        Row::pause(400, with_details(400, "INVALID_ARGUMENT", "x", &key_invalid), "invalid_api_key"),
        Row::pause(400, error(400, "INVALID_ARGUMENT", wrong_key), "invalid_api_key"),
        Row::never(400, error(400, "FAILED_PRECONDITION", "Not here"), "failed_precondition"),
        Row::pause(403, error(403, "PERMISSION_DENIED", "Blocked"), "permission_denied"),
        Row::never(404, error(404, "NOT_FOUND", "models/gemini-0 is not found"), "model_not_found"),
        Row::wait_hint(429, limited(&quota("37s")), "rate_limited").hint_ms(37_000),
        Row::wait_hint(429, limited(&quota("1.5s")), "rate_limited").hint_ms(1_500),
        Row::wait_hint(429, limited(&none), "rate_limited"),
        Row::backoff(499, error(499, "CANCELLED", "x"), "timed_out").billed_unknown(),
        Row::backoff(504, error(504, "DEADLINE_EXCEEDED", "x"), "timed_out").billed_unknown(),
        Row::backoff(500, error(500, "INTERNAL", "x"), "server_error"),
        Row::backoff(503, error(503, "UNAVAILABLE", "The model is overloaded."), "overloaded"),
        Row::backoff(502, json!("<html>bad gateway</html>"), "server_error"),
    ]
}

#[tokio::test]
async fn errors_are_classed_by_the_table() {
    let bench = Bench::start().await;
    let gemini = bench.clients.gemini.as_ref().expect("set up");
    let facts = facts();
    for row in rows() {
        bench.answer(Provider::Gemini, row.status, &row.headers, row.body.clone());
        row.check(gemini.grounded(&grounded(&facts)).await.expect_err("refused"));
    }
}

#[tokio::test]
async fn a_daily_quota_waits_for_tomorrow_whatever_the_short_hint_says() {
    let bench = Bench::start().await;
    let gemini = bench.clients.gemini.as_ref().expect("set up");
    let facts = facts();
    let details = json!([
        { "violations": [{ "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier" }] },
        { "retryDelay": "37s" },
    ]);
    let body = error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", &details);
    bench.answer(Provider::Gemini, 429, &[], body.clone());
    let deferred = gemini.grounded(&grounded(&facts)).await.expect_err("used up");
    let wait = deferred.wait_hint.expect("until midnight");
    assert!(wait <= Duration::from_hours(25), "{wait:?}");
    let row = Row::defer(429, body, "daily_quota_used_up");
    row.hint_ms(u64::try_from(wait.as_millis()).expect("a day")).check(leadflow_activities::providers::ProviderError {
        wait_hint: Some(Duration::from_millis(u64::try_from(wait.as_millis()).expect("a day"))),
        ..deferred
    });
}

#[tokio::test]
async fn grounded_and_structured_calls_are_answered_and_billed_as_reckoned() {
    let bench = Bench::start().await;
    let gemini = bench.clients.gemini.as_ref().expect("set up");
    let (schema, facts, models) = (strict_schema::<MarketInsight>(), facts(), crate::table::models());

    let call = grounded(&facts);
    let answer = gemini.grounded(&call).await.expect("answered");
    assert!(matches!(&answer.content, Content::Text(text) if !text.is_empty()), "{answer:?}");
    assert!(answer.searched && !answer.sources.is_empty(), "{answer:?}");
    let entry = bench.last_call();
    assert_eq!(entry.call_id.as_deref(), Some(CALL_ID));
    let cost = Usage::Gemini { tokens: answer.usage, searched: answer.searched }.cost(&models);
    assert_eq!(u64::try_from(cost.0), Ok(entry.billed_microusd));
    let bytes = leadflow_activities::providers::Gemini::grounded_bytes(&call).len();
    assert!(cost <= Usage::gemini_at_most(bytes, call.max_output_tokens, true).cost(&models));

    let call = StructuredCall {
        call_id: CALL_ID,
        schema_name: "market_insight",
        schema: &schema,
        instructions: "Sort what is known.",
        facts: &facts,
        max_output_tokens: 2_000,
    };
    let answer = gemini.structured(&call).await.expect("answered");
    let Content::Text(text) = &answer.content else { panic!("no text: {answer:?}") };
    serde_json::from_str::<MarketInsight>(text).expect("fits the schema");
    let cost = Usage::Gemini { tokens: answer.usage, searched: false }.cost(&models);
    assert_eq!(u64::try_from(cost.0), Ok(bench.last_call().billed_microusd));
}

#[tokio::test]
async fn the_kinds_of_content_are_told_apart() {
    let bench = Bench::start().await;
    let gemini = bench.clients.gemini.as_ref().expect("set up");
    let facts = facts();
    bench.strike(Provider::Gemini, FaultKind::Cut);
    assert_eq!(gemini.grounded(&grounded(&facts)).await.expect("answered").content, Content::Cut);

    for (finish_reason, content) in [
        ("STOP", Content::Text("Two hubs opened.".into())),
        ("MAX_TOKENS", Content::Cut),
        ("SAFETY", Content::Filtered),
        ("RECITATION", Content::Filtered),
        ("BLOCKLIST", Content::Filtered),
        ("PROHIBITED_CONTENT", Content::Filtered),
        ("SPII", Content::Filtered),
        ("LANGUAGE", Content::Refusal),
        ("OTHER", Content::Refusal),
        ("MALFORMED_FUNCTION_CALL", Content::Refusal),
        ("A_REASON_OF_NEXT_YEAR", Content::Refusal),
    ] {
        let body = json!({
            "candidates": [{
                "finishReason": finish_reason,
                "content": { "role": "model", "parts": [
                    { "text": "Let me think.", "thought": true }, { "text": "Two hubs " }, { "text": "opened." }] },
                "groundingMetadata": { "groundingChunks": [
                    { "web": { "uri": "https://redirect.example/a", "title": "News", "domain": "news.example" } },
                    { "retrievedContext": {} },
                ] },
            }],
            "usageMetadata": {
                "promptTokenCount": 21, "candidatesTokenCount": 9, "thoughtsTokenCount": 40, "cachedContentTokenCount": 5,
                "totalTokenCount": 70,
            },
        });
        bench.answer(Provider::Gemini, 200, &[], body);
        let answer = gemini.grounded(&grounded(&facts)).await.expect("answered");
        assert_eq!(answer.content, content, "{finish_reason}");
        assert_eq!(answer.usage, TokenUsage { input: 21, cached_input: 5, output: 49 });
        let source =
            Source { title: "News".into(), uri: "https://redirect.example/a".into(), domain: "news.example".into() };
        assert_eq!((answer.sources, answer.searched), (vec![source], true));
    }
}

#[tokio::test]
async fn a_blocked_prompt_is_an_answer_without_candidates() {
    let bench = Bench::start().await;
    let gemini = bench.clients.gemini.as_ref().expect("set up");
    let facts = facts();
    for body in [
        json!({ "promptFeedback": { "blockReason": "SAFETY" }, "usageMetadata": { "promptTokenCount": 7 } }),
        json!({ "promptFeedback": { "blockReason": "JAILBREAK" }, "candidates": [],
                "usageMetadata": { "promptTokenCount": 7 } }),
    ] {
        bench.answer(Provider::Gemini, 200, &[], body);
        let answer = gemini.grounded(&grounded(&facts)).await.expect("answered");
        assert_eq!(answer.content, Content::Filtered);
        assert_eq!((answer.usage.input, answer.searched), (7, false));
    }
}

#[tokio::test]
async fn the_key_is_checked() {
    let bench = Bench::start().await;
    let gemini = bench.clients.gemini.as_ref().expect("set up");
    gemini.check_key().await.expect("a good key");
    let body = error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", &json!([]));
    bench.answer(Provider::Gemini, 400, &[], body);
    assert_eq!(gemini.check_key().await.expect_err("a wrong key").class, Class::PauseProvider);
}
