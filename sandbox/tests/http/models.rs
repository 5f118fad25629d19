//! OpenAI and Gemini.

use leadflow_sandbox::{Provider, SandboxConfig, prices};
use serde_json::{Value, json};

use crate::{Fixture, chat_body, content, object, reasons_facts, reasons_schema, sent};

/// A change to a good request, and the status, code and parameter of the answer to it.
type Refused = (fn(&mut Value), u16, &'static str, Value);

const GEMINI: &str = "/gemini/v1beta/models/gemini-2.5-flash:generateContent";

#[tokio::test]
async fn wrong_and_missing_keys_get_each_providers_own_answer() {
    let fixture = Fixture::start().await;
    let url = |path| fixture.url(path);
    let post = |path| fixture.client.post(url(path)).json(&json!({}));
    for (request, status, text) in [
        (post("/openai/v1/chat/completions").bearer_auth("sk-wrong"), 401, "invalid_api_key"),
        (post("/openai/v1/chat/completions"), 401, "You didn't provide an API key"),
        (post(GEMINI).header("x-goog-api-key", "wrong"), 400, "API_KEY_INVALID"),
        (post(GEMINI), 403, "PERMISSION_DENIED"),
        (post("/serper/maps").header("x-api-key", "wrong"), 403, "Unauthorized."),
        (post("/serper/maps"), 403, "Unauthorized."),
        (fixture.client.get(url("/hunter/v2/account")).header("x-api-key", "wrong"), 401, "authentication_failed"),
        (fixture.client.get(url("/hunter/v2/account")), 401, "authentication_failed"),
    ] {
        let (answered, body) = sent(request).await;
        assert_eq!(answered, status, "{body}");
        assert!(body.to_string().contains(text), "{body}");
    }
    let ledger = fixture.sandbox.ledger();
    assert_eq!(ledger.len(), 8);
    assert!(ledger.iter().all(|entry| entry.billed_microusd == 0 && entry.units.is_empty()));
}

#[tokio::test]
async fn key_checks_are_free() {
    let fixture = Fixture::start().await;
    for path in ["/openai/v1/models", "/gemini/v1beta/models", "/hunter/v2/account"] {
        let (status, body) = sent(fixture.get(path)).await;
        assert_eq!(status, 200, "{path}: {body}");
    }
    assert!(fixture.sandbox.ledger().iter().all(|entry| entry.status == Some(200) && entry.billed_microusd == 0));
}

#[tokio::test]
async fn a_structured_answer_fits_schema_and_facts_and_is_billed_once_rounded() {
    let fixture = Fixture::start().await;
    let request = fixture.chat("lead_reasons", &reasons_schema(), &reasons_facts(7..=9));
    let response = request.header("x-client-request-id", "call-1").send().await.expect("an answer");
    for header in ["x-request-id", "x-ratelimit-remaining-requests", "x-ratelimit-reset-tokens", "openai-processing-ms"]
    {
        assert!(response.headers().contains_key(header), "{header}");
    }
    let completion: Value = response.json().await.expect("JSON");
    assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    let leads: Vec<_> = content(&completion)["reasons"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|reason| reason["lead"].clone())
        .collect();
    assert_eq!(leads, [7, 8, 9]);

    let entry = fixture.only_entry();
    let usage = |pointer| completion.pointer(pointer).and_then(Value::as_u64).expect("a count");
    let (input, output) = (usage("/usage/prompt_tokens"), usage("/usage/completion_tokens"));
    assert_eq!(entry.operation, "chat_completions:lead_reasons");
    assert_eq!((entry.seq, entry.provider, entry.status), (1, Provider::OpenAi, Some(200)));
    assert_eq!(entry.call_id.as_deref(), Some("call-1"));
    assert_eq!(entry.billed_microusd, prices::openai_call(input, 0, output));
    assert_eq!((entry.units["input_tokens"], entry.units["output_tokens"]), (input, output));
    assert_eq!(entry.request_hash.len(), 64);
}

#[tokio::test]
async fn two_instances_and_any_batching_agree() {
    let (one, other) = (Fixture::start().await, Fixture::start().await);
    let answer = async |fixture: &Fixture, leads| {
        sent(fixture.chat("lead_reasons", &reasons_schema(), &reasons_facts(leads))).await.1
    };
    let (first, second) = (answer(&one, 1..=6).await, answer(&other, 1..=6).await);
    assert_eq!(first["choices"], second["choices"]);
    assert_eq!(first["usage"], second["usage"]);

    let whole = content(&first)["reasons"].as_array().expect("a list").clone();
    let mut parts = content(&answer(&one, 1..=2).await)["reasons"].as_array().expect("a list").clone();
    parts.extend(content(&answer(&one, 3..=6).await)["reasons"].as_array().expect("a list").iter().cloned());
    assert_eq!(whole, parts);
    assert_eq!(one.sandbox.ledger()[0].request_hash, other.sandbox.ledger()[0].request_hash);
    assert_ne!(one.sandbox.ledger()[0].request_hash, one.sandbox.ledger()[1].request_hash);

    let seeded = Fixture::with(SandboxConfig { seed: 2, ..SandboxConfig::default() }).await;
    assert_ne!(first["choices"], answer(&seeded, 1..=6).await["choices"]);
}

#[tokio::test]
async fn chat_requests_are_validated_in_the_apis_words() {
    let fixture = Fixture::start().await;
    let schema = reasons_schema();
    let changed = |change: fn(&mut Value)| {
        let mut body = chat_body("lead_reasons", &reasons_schema(), &json!({}));
        change(&mut body);
        body
    };
    let cases: [Refused; 10] = [
        (|body| body["model"] = Value::Null, 400, "missing_required_parameter", json!("model")),
        (|body| body["messages"] = Value::Null, 400, "missing_required_parameter", json!("messages")),
        (|body| body["model"] = json!("claude"), 404, "model_not_found", Value::Null),
        (|body| body["frobnicate"] = json!(1), 400, "unknown_parameter", json!("frobnicate")),
        (|body| body["max_tokens"] = json!(1), 400, "unsupported_parameter", json!("max_tokens")),
        (|body| body["temperature"] = json!(0.2), 400, "unsupported_value", json!("temperature")),
        (|body| body["response_format"]["type"] = json!("xml"), 400, "invalid_value", json!("response_format.type")),
        (|body| body["messages"][0]["role"] = json!("boss"), 400, "invalid_value", json!("messages[0].role")),
        (
            |body| body["response_format"]["json_schema"]["name"] = json!("no spaces"),
            400,
            "invalid_value",
            json!("response_format.json_schema.name"),
        ),
        (
            |body| body["response_format"]["json_schema"]["schema"]["additionalProperties"] = json!(true),
            400,
            "invalid_json_schema",
            json!("response_format"),
        ),
    ];
    for (change, expected, code, param) in cases {
        let (status, body) = sent(fixture.post("/openai/v1/chat/completions", &changed(change))).await;
        assert_eq!((status.as_u16(), &body["error"]["code"]), (expected, &json!(code)), "{body}");
        assert_eq!(body["error"]["param"], param, "{body}");
        assert_eq!(body["error"]["type"], "invalid_request_error");
    }
    let mut function = schema;
    function["required"] = json!([]);
    let tools = json!([{"type": "function", "function": {"name": "f", "strict": true, "parameters": function}}]);
    let body = json!({"model": "gpt-5-mini", "messages": [{"role": "user", "content": "x"}], "tools": tools});
    let (_, body) = sent(fixture.post("/openai/v1/chat/completions", &body)).await;
    assert_eq!(body["error"]["param"], "tools[0].function.parameters", "{body}");
    let text = "Invalid schema for function 'f': In context=(), 'required' is required to be supplied and to be an array including \
                every key in properties. Missing 'reasons'.";
    assert_eq!(body["error"]["message"], text);
    assert!(fixture.sandbox.ledger().iter().all(|entry| entry.billed_microusd == 0));
}

#[tokio::test]
async fn an_answer_ends_at_the_token_cap() {
    let fixture = Fixture::start().await;
    let mut body = chat_body("lead_reasons", &reasons_schema(), &reasons_facts(1..=20));
    body["max_completion_tokens"] = json!(400);
    let (_, completion) = sent(fixture.post("/openai/v1/chat/completions", &body)).await;
    assert_eq!(completion["choices"][0]["finish_reason"], "length");
    assert!(completion["usage"]["completion_tokens"].as_u64().is_some_and(|tokens| tokens <= 400), "{completion}");
}

#[tokio::test]
async fn the_responses_api_answers_alike() {
    let fixture = Fixture::start().await;
    let format = json!({"type": "json_schema", "name": "lead_reasons", "strict": true, "schema": reasons_schema()});
    let mut body = json!({
        "model": "gpt-5-mini", "instructions": "Use only the given facts.",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": reasons_facts(1..=2).to_string()}]}],
        "text": {"format": format},
    });
    let (status, response) = sent(fixture.post("/openai/v1/responses", &body)).await;
    assert_eq!((status.as_u16(), &response["status"]), (200, &json!("completed")), "{response}");
    let (_, completion) = sent(fixture.chat("lead_reasons", &reasons_schema(), &reasons_facts(1..=2))).await;
    assert_eq!(response["output"][1]["content"][0]["text"], completion["choices"][0]["message"]["content"]);
    assert_eq!(fixture.sandbox.ledger()[0].operation, "responses:lead_reasons");
    assert!(fixture.sandbox.ledger()[0].billed_microusd > 0);

    body["text"]["format"]["schema"]["properties"]["reasons"] = json!({"type": "array"});
    let (_, refused) = sent(fixture.post("/openai/v1/responses", &body)).await;
    assert_eq!(refused["error"]["param"], "text.format.schema");
    assert_eq!(refused["error"]["code"], "invalid_json_schema");
}

#[tokio::test]
async fn gemini_grounds_first_and_structures_then() {
    let fixture = Fixture::start().await;
    let facts = json!({"sell": "kegs", "industry": "brewery", "places": ["Vermont, US"]});
    let ask = json!({
        "contents": [{"role": "user", "parts": [{"text": facts.to_string()}]}], "tools": [{"googleSearch": {}}],
    });
    let (status, answer) = sent(fixture.post(GEMINI, &ask)).await;
    assert_eq!(status, 200, "{answer}");
    let candidate = &answer["candidates"][0];
    let text = candidate["content"]["parts"][0]["text"].as_str().expect("a text");
    assert!(text.contains("brewery") && text.contains("Vermont, US"), "{text}");
    let metadata = &candidate["groundingMetadata"];
    let chunks = metadata["groundingChunks"].as_array().expect("chunks");
    assert!(chunks.iter().all(|chunk| chunk["web"]["domain"].as_str().is_some_and(|host| host.ends_with(".example"))));
    for support in metadata["groundingSupports"].as_array().expect("supports") {
        let index = |name: &str| usize::try_from(support["segment"][name].as_u64().expect("an offset")).expect("small");
        assert_eq!(support["segment"]["text"], text[index("startIndex")..index("endIndex")]);
        assert!(support["groundingChunkIndices"].as_array().is_some_and(|sources| !sources.is_empty()));
    }
    let entry = fixture.only_entry();
    let usage = |name: &str| answer["usageMetadata"][name].as_u64().expect("a count");
    let output = usage("candidatesTokenCount") + usage("thoughtsTokenCount");
    assert_eq!(entry.operation, "generate_content:grounded");
    assert_eq!(entry.billed_microusd, prices::gemini_call(usage("promptTokenCount"), output, true));
    assert_eq!(entry.units["grounded_prompts"], 1);

    let list = json!({"type": "array", "items": {"type": "string"}});
    let schema =
        object(&json!({"market_size": {"type": "string"}, "trends": list, "competitors": list, "hooks": list}));
    let mut ask = json!({
        "contents": [{"parts": [{"text": json!({"facts": text}).to_string()}]}],
        "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": schema},
    });
    let (_, answer) = sent(fixture.post(GEMINI, &ask)).await;
    let insight: Value =
        serde_json::from_str(answer["candidates"][0]["content"]["parts"][0]["text"].as_str().expect("a text"))
            .expect("JSON");
    assert!(text.contains(insight["market_size"].as_str().expect("a text")), "{insight}");
    assert_eq!(insight["trends"].as_array().map(Vec::len), Some(3));

    ask["tools"] = json!([{"googleSearch": {}}]);
    let (status, refused) = sent(fixture.post(GEMINI, &ask)).await;
    assert_eq!((status.as_u16(), &refused["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    let newer = "/gemini/v1beta/models/gemini-3.8-flash:generateContent";
    assert_eq!(sent(fixture.post(newer, &ask)).await.0, 200);
    let unknown = "/gemini/v1beta/models/palm-9:generateContent";
    assert_eq!(sent(fixture.post(unknown, &ask)).await.1["error"]["status"], "NOT_FOUND");
    ask["generationConfig"]["responseSchema"] = json!({"type": "STRING"});
    assert_eq!(sent(fixture.post(newer, &ask)).await.0, 400);
}

#[tokio::test]
async fn it_says_what_it_is() {
    let fixture = Fixture::start().await;
    let (_, about) = sent(fixture.get("/")).await;
    assert!(about["notice"].as_str().is_some_and(|notice| notice.contains("All people are fictitious")));
}
