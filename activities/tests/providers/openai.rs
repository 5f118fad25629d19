use crate::table::{Bench, Row};
use leadflow_activities::providers::schema::strict_schema;
use leadflow_activities::providers::{Class, Content, StructuredCall, TokenUsage, Usage};
use leadflow_sandbox::{FaultKind, Provider};
use leadflow_workflows::domain::answers::{BusinessPersonas, DecisionMakerPersonas, LeadReasons, MarketInsight};
use serde_json::{Value, json};

const CALL_ID: &str = "search-1/business_personas";

fn call<'a>(schema: &'a Value, facts: &'a Value) -> StructuredCall<'a> {
    StructuredCall {
        call_id: CALL_ID,
        schema_name: "business_personas",
        schema,
        instructions: "Propose kinds of businesses to sell to.",
        facts,
        max_output_tokens: 4_000,
    }
}

fn facts() -> Value {
    json!({ "product": "brewing software", "industries": ["brewery"], "places": ["Leipzig"], "count": 2 })
}

fn error(message: &str, error_type: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({ "error": { "message": message, "type": error_type, "param": param, "code": code } })
}

fn invalid(message: &str, param: Option<&str>, code: Option<&str>) -> Value {
    error(message, "invalid_request_error", param, code)
}

fn rows() -> Vec<Row> {
    let schema_text = "Invalid schema for response_format 'x': In context=(), 'required' is required to be supplied.";
    let limit_text = "Rate limit reached for gpt-5-mini in organization org-abc on tokens per min (TPM): Limit 30000, \
                      Used 29000, Requested 2000. Please try again in 2s. Visit https://platform.example to learn more.";
    let limited = |error_type| error(limit_text, error_type, None, Some("rate_limit_exceeded"));
    // The sandbox's own hints are put out of force.
    let unhinted = |row: Row| row.header("retry-after", "").header("retry-after-ms", "");
    let mut rows = vec![
        Row::never(400, invalid(schema_text, Some("response_format"), None), "schema_refused"),
        Row::never(
            400,
            invalid(schema_text, Some("text.format.schema"), Some("invalid_json_schema")),
            "schema_refused",
        ),
        Row::never(400, invalid(schema_text, None, Some("invalid_function_parameters")), "schema_refused"),
        Row::never(
            400,
            invalid("Too many tokens.", Some("messages"), Some("context_length_exceeded")),
            "context_too_long",
        ),
        Row::never(400, invalid("Dana Whitlock <dana@nordhafen.example> is no input", None, None), "request_refused"),
        Row::pause(
            401,
            invalid("Incorrect API key provided: sk-1234.", None, Some("invalid_api_key")),
            "invalid_api_key",
        ),
        Row::never(
            403,
            error("Not here", "request_forbidden", None, Some("unsupported_country_region_territory")),
            "region_not_supported",
        ),
        Row::never(403, invalid("Missing project permission of org-abc", None, None), "permission_denied"),
        Row::never(404, invalid("The model `gpt-0` does not exist", None, Some("model_not_found")), "model_not_found"),
        Row::never(404, json!(null), "not_found"),
        Row::backoff(408, json!(null), "timed_out").billed_unknown(),
        Row::backoff(409, error("Conflict", "conflict_error", None, None), "conflict"),
        Row::never(422, invalid("Dana Whitlock", None, None), "unprocessable"),
        Row::wait_hint(429, limited("tokens"), "rate_limited").header("retry-after-ms", "1500").hint_ms(1_500),
        Row::wait_hint(429, limited("tokens"), "rate_limited").header("retry-after-ms", "").hint_ms(2_000),
        Row::wait_hint(429, limited("tokens"), "rate_limited")
            .header("retry-after-ms", "")
            .header("retry-after", "7")
            .hint_ms(7_000),
        unhinted(Row::wait_hint(429, limited("tokens"), "rate_limited"))
            .header("x-ratelimit-reset-tokens", "6m0s")
            .header("x-ratelimit-reset-requests", "12ms")
            .hint_ms(360_000),
        unhinted(Row::wait_hint(429, limited("requests"), "rate_limited"))
            .header("x-ratelimit-reset-tokens", "6m0s")
            .header("x-ratelimit-reset-requests", "17.167s")
            .hint_ms(17_167),
        unhinted(Row::wait_hint(429, limited("tokens"), "rate_limited")).hint_ms(2_000),
        unhinted(Row::wait_hint(429, error("Slow down", "tokens", None, None), "rate_limited")),
        Row::pause(429, error("You exceeded your quota.", "insufficient_quota", None, None), "insufficient_quota"),
        Row::pause(429, error("You exceeded your quota.", "x", None, Some("insufficient_quota")), "insufficient_quota"),
        Row::backoff(500, error("Sorry about that!", "server_error", None, None), "server_error"),
        Row::backoff(502, json!("<html>bad gateway</html>"), "server_error"),
        Row::backoff(503, error("Slow down", "server_error", None, None), "overloaded").hint_ms(5_000),
        Row::backoff(503, json!(null), "overloaded").header("retry-after", "9").hint_ms(9_000),
        Row::backoff(504, json!(null), "timed_out").billed_unknown(),
        Row::never(307, json!(null), "unexpected_status").header("location", "http://127.0.0.1:1/"),
    ];
    let parameter_codes = [
        "missing_required_parameter",
        "unknown_parameter",
        "unsupported_parameter",
        "unsupported_value",
        "invalid_value",
    ];
    rows.extend(parameter_codes.map(|code| {
        Row::never(
            400,
            invalid("Unsupported value: 'temperature'.", Some("temperature"), Some(code)),
            "parameter_refused",
        )
    }));
    rows
}

#[tokio::test]
async fn errors_are_classed_by_the_table() {
    let bench = Bench::start().await;
    let openai = bench.clients.openai.as_ref().expect("set up");
    let (schema, facts) = (strict_schema::<BusinessPersonas>(), facts());
    for row in rows() {
        bench.answer(Provider::OpenAi, row.status, &row.headers, row.body.clone());
        row.check(openai.structured(&call(&schema, &facts)).await.expect_err("refused"));
    }
}

#[tokio::test]
async fn an_instant_to_retry_after_becomes_a_wait() {
    let bench = Bench::start().await;
    let openai = bench.clients.openai.as_ref().expect("set up");
    let in_a_minute = jiff::Timestamp::now() + std::time::Duration::from_mins(1);
    let date =
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&in_a_minute).expect("this century");
    let headers = [("retry-after-ms", ""), ("retry-after", date.as_str())];
    bench.answer(Provider::OpenAi, 429, &headers, error("Slow down", "tokens", None, None));
    let (schema, facts) = (strict_schema::<BusinessPersonas>(), facts());
    let limited = openai.structured(&call(&schema, &facts)).await.expect_err("limited");
    let wait = limited.wait_hint.expect("a date").as_secs();
    assert!((50..=60).contains(&wait), "{wait} s");
}

#[tokio::test]
async fn the_refused_schema_is_told_in_the_providers_words() {
    let bench = Bench::start().await;
    let openai = bench.clients.openai.as_ref().expect("set up");
    let (schema, facts) = (json!({ "type": "object", "properties": {}, "required": [] }), facts());
    let refused = openai.structured(&call(&schema, &facts)).await.expect_err("not closed");
    assert_eq!((refused.class, refused.kind), (Class::Never, "schema_refused"));
    assert!(
        refused.to_string().contains("'additionalProperties' is required to be supplied and to be false"),
        "{refused}"
    );
}

#[tokio::test]
async fn the_schema_of_every_answer_type_is_accepted() {
    let bench = Bench::start().await;
    let openai = bench.clients.openai.as_ref().expect("set up");
    let facts = facts();
    for schema in [
        strict_schema::<BusinessPersonas>(),
        strict_schema::<DecisionMakerPersonas>(),
        strict_schema::<LeadReasons>(),
        strict_schema::<MarketInsight>(),
    ] {
        openai.structured(&call(&schema, &facts)).await.expect("a strict schema");
    }
}

#[tokio::test]
async fn a_good_call_is_answered_found_again_and_billed_as_reckoned() {
    let bench = Bench::start().await;
    let openai = bench.clients.openai.as_ref().expect("set up");
    let (schema, facts) = (strict_schema::<BusinessPersonas>(), facts());
    let call = call(&schema, &facts);
    let answer = openai.structured(&call).await.expect("answered");
    let Content::Text(text) = &answer.content else { panic!("no text: {answer:?}") };
    serde_json::from_str::<BusinessPersonas>(text).expect("fits the schema");

    let entry = bench.last_call();
    assert_eq!(entry.call_id.as_deref(), Some(CALL_ID));
    assert_eq!(entry.operation, "chat_completions:business_personas");
    let models = crate::table::models();
    let cost = Usage::OpenAi(answer.usage).cost(&models);
    assert_eq!(u64::try_from(cost.0), Ok(entry.billed_microusd));
    assert!(cost <= Usage::openai_at_most(openai.request_bytes(&call).len(), call.max_output_tokens).cost(&models));
    assert_eq!(openai.request_bytes(&call), openai.request_bytes(&StructuredCall { call_id: "other", ..call }));
}

#[tokio::test]
async fn the_kinds_of_content_are_told_apart() {
    let bench = Bench::start().await;
    let openai = bench.clients.openai.as_ref().expect("set up");
    let (schema, facts) = (strict_schema::<BusinessPersonas>(), facts());
    for (fault, content) in [(FaultKind::Refusal, Content::Refusal), (FaultKind::Cut, Content::Cut)] {
        bench.strike(Provider::OpenAi, fault);
        let answer = openai.structured(&call(&schema, &facts)).await.expect("answered");
        assert_eq!(answer.content, content);
        assert!(answer.usage.output > 0, "it was paid for");
    }

    let completion = |finish_reason: &str, refusal: &str| {
        json!({
            "choices": [{ "index": 0, "finish_reason": finish_reason,
                          "message": { "role": "assistant", "content": "{}", "refusal": refusal } }],
            "usage": { "prompt_tokens": 30, "completion_tokens": 4, "prompt_tokens_details": { "cached_tokens": 20 } },
        })
    };
    for (finish_reason, refusal, content) in [
        ("stop", "", Content::Text("{}".into())),
        ("stop", "I cannot help with that", Content::Refusal),
        // A refusal is read first.
        ("length", "I cannot help with that", Content::Refusal),
        ("length", "", Content::Cut),
        ("content_filter", "", Content::Filtered),
    ] {
        bench.answer(Provider::OpenAi, 200, &[], completion(finish_reason, refusal));
        let answer = openai.structured(&call(&schema, &facts)).await.expect("answered");
        assert_eq!(answer.content, content, "{finish_reason}");
        assert_eq!(answer.usage, TokenUsage { input: 30, cached_input: 20, output: 4 });
    }
}

#[tokio::test]
async fn the_key_is_checked() {
    let bench = Bench::start().await;
    let openai = bench.clients.openai.as_ref().expect("set up");
    openai.check_key().await.expect("a good key");
    bench.answer(Provider::OpenAi, 401, &[], invalid("Incorrect API key", None, Some("invalid_api_key")));
    assert_eq!(openai.check_key().await.expect_err("a wrong key").class, Class::PauseProvider);
}
