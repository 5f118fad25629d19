//! Injected faults, and what the ledger says of them.

use std::time::{Duration, Instant};

use leadflow_clock::Clock;
use leadflow_sandbox::{FailureVariant, FaultKind, FaultRule, Faults, Provider, ProviderStats, SandboxConfig};
use serde_json::{Value, json};

use crate::{Fixture, content, reasons_facts, reasons_schema, sent};

const SHORT: Duration = Duration::from_millis(300);

fn once(provider: Provider, kind: FaultKind) -> FaultRule {
    FaultRule { times: Some(1), ..FaultRule::new(provider, kind) }
}

async fn with_rule(rule: FaultRule) -> Fixture {
    Fixture::with(SandboxConfig { faults: Faults { seed: 7, rules: vec![rule] }, ..SandboxConfig::default() }).await
}

fn chat(fixture: &Fixture) -> reqwest::RequestBuilder {
    fixture.chat("lead_reasons", &reasons_schema(), &reasons_facts(1..=3))
}

fn maps(fixture: &Fixture) -> reqwest::RequestBuilder {
    fixture.post("/serper/maps", &json!({"q": "brewery in Vermont, US"}))
}

#[tokio::test]
async fn statuses_have_the_providers_documented_body() {
    let fixture = Fixture::start().await;
    let gemini = || {
        let body = json!({"contents": [{"parts": [{"text": "x"}]}]});
        fixture.post("/gemini/v1beta/models/gemini-2.5-flash:generateContent", &body)
    };
    let hunter = || fixture.get("/hunter/v2/email-verifier?email=a@b.example");
    let (openai, gem, serp, hunt) = (Provider::OpenAi, Provider::Gemini, Provider::Serper, Provider::Hunter);
    for (provider, status, variant, request, text) in [
        (openai, 429, None, chat(&fixture), "Please try again in 2s."),
        (openai, 429, Some(FailureVariant::InsufficientQuota), chat(&fixture), r#""code":"insufficient_quota""#),
        (openai, 401, None, chat(&fixture), "invalid_api_key"),
        (openai, 500, None, chat(&fixture), "server_error"),
        (openai, 503, None, chat(&fixture), "slow down"),
        (gem, 429, None, gemini(), r#""retryDelay":"2s""#),
        (gem, 429, Some(FailureVariant::PerDay), gemini(), "PerDay"),
        (gem, 503, None, gemini(), "UNAVAILABLE"),
        (serp, 400, Some(FailureVariant::NotEnoughCredits), maps(&fixture), "Not enough credits"),
        (serp, 429, None, maps(&fixture), r#""statusCode":429"#),
        (hunt, 403, None, hunter(), "rate limit"),
        (hunt, 429, None, hunter(), "used all the credits"),
        (hunt, 451, None, hunter(), "stop the processing"),
    ] {
        let rule = FaultRule { status: Some(status), variant, ..once(provider, FaultKind::Status) };
        fixture.sandbox.set_faults(Faults { seed: 0, rules: vec![rule] });
        let (answered, body) = sent(request).await;
        assert_eq!(answered.as_u16(), status);
        assert!(body.to_string().contains(text), "{body}");
        let entry = fixture.sandbox.ledger().pop().expect("an entry");
        assert_eq!((entry.billed_microusd, entry.status, entry.fault.as_deref()), (0, Some(status), Some("status")));
    }
}

#[tokio::test]
async fn a_rule_can_bring_its_own_body_and_headers() {
    let faults: Faults = serde_json::from_value(json!({"seed": 7, "rules": [{
        "provider": "openai", "operation": "chat_completions:lead", "kind": "status", "probability": 1.0, "skip": 0,
        "times": 1, "status": 429, "body": {"own": true}, "headers": {"retry-after": "1"}, "latency_ms": null,
        "body_contains": "Foam 2",
    }]}))
    .expect("valid faults");
    let fixture = Fixture::with(SandboxConfig { faults, ..SandboxConfig::default() }).await;
    let response = chat(&fixture).send().await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"1".parse().expect("a header"))
    );
    assert_eq!(response.json::<Value>().await.expect("JSON"), json!({"own": true}));
    assert_eq!(sent(chat(&fixture)).await.0, 200);
}

#[tokio::test]
async fn a_timeout_before_the_effect_is_not_billed_and_one_after_is() {
    for (kind, is_billed) in [(FaultKind::TimeoutBefore, false), (FaultKind::TimeoutAfter, true)] {
        let fixture = with_rule(once(Provider::OpenAi, kind)).await;
        let error = chat(&fixture).timeout(SHORT).send().await.expect_err("no answer");
        assert!(error.is_timeout(), "{error}");
        let entry = fixture.only_entry();
        assert_eq!((entry.status, entry.billed_microusd > 0), (None, is_billed));
        assert_eq!(sent(chat(&fixture)).await.0, 200);
        fixture.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_failure_after_the_effect_is_billed() {
    let fixture = with_rule(once(Provider::Serper, FaultKind::StatusAfter)).await;
    assert_eq!(sent(maps(&fixture)).await.0, 503);
    let entry = fixture.only_entry();
    assert_eq!((entry.status, entry.billed_microusd, entry.units["credits"]), (Some(503), 1_000, 1));
}

#[tokio::test]
async fn a_reset_drops_the_connection() {
    let fixture = with_rule(once(Provider::Serper, FaultKind::Reset)).await;
    let error = maps(&fixture).send().await.expect_err("no answer");
    assert!(error.is_request() && !error.is_timeout(), "{error:?}");
    let entry = fixture.only_entry();
    assert_eq!((entry.status, entry.billed_microusd, entry.fault.as_deref()), (None, 0, Some("reset")));
    assert_eq!(sent(maps(&fixture)).await.0, 200);
}

#[tokio::test]
async fn contents_are_spoilt_in_four_ways() {
    let spoilt = async |kind| {
        let fixture = with_rule(once(Provider::OpenAi, kind)).await;
        let (status, body) = sent(chat(&fixture)).await;
        assert_eq!(status, 200);
        assert!(fixture.only_entry().billed_microusd > 0);
        body
    };
    let text = |body: &Value| body["choices"][0]["message"]["content"].as_str().expect("content").to_owned();
    let parses = |body: &Value| serde_json::from_str::<Value>(&text(body)).is_ok();

    let malformed = spoilt(FaultKind::Malformed).await;
    assert!(!parses(&malformed) && malformed["choices"][0]["finish_reason"] == "stop");
    let cut = spoilt(FaultKind::Cut).await;
    assert!(!parses(&cut) && cut["choices"][0]["finish_reason"] == "length");
    let refusal = spoilt(FaultKind::Refusal).await;
    assert!(refusal["choices"][0]["message"]["content"].is_null());
    assert!(refusal["choices"][0]["message"]["refusal"].as_str().is_some_and(|text| !text.is_empty()));
    let wrong = spoilt(FaultKind::WrongFacts).await;
    assert_eq!(content(&wrong)["reasons"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn gemini_can_be_blocked_and_cut() {
    let ask = json!({"contents": [{"parts": [{"text": "a question"}]}]});
    let path = "/gemini/v1beta/models/gemini-2.5-flash:generateContent";
    let fixture = with_rule(once(Provider::Gemini, FaultKind::Refusal)).await;
    let (status, blocked) = sent(fixture.post(path, &ask)).await;
    assert_eq!((status.as_u16(), &blocked["promptFeedback"]["blockReason"]), (200, &json!("SAFETY")));
    assert!(blocked.get("candidates").is_none());
    fixture.sandbox.set_faults(Faults { seed: 0, rules: vec![once(Provider::Gemini, FaultKind::Cut)] });
    assert_eq!(sent(fixture.post(path, &ask)).await.1["candidates"][0]["finishReason"], "MAX_TOKENS");
}

#[tokio::test]
async fn search_answers_can_be_malformed() {
    for kind in [FaultKind::Malformed, FaultKind::Cut] {
        let fixture = with_rule(once(Provider::Serper, kind)).await;
        let response = maps(&fixture).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert!(response.json::<Value>().await.is_err());
    }
}

#[tokio::test]
async fn latency_delays_and_shows_how_many_calls_were_open() {
    let fixture = Fixture::with(SandboxConfig { search_latency: SHORT, ..SandboxConfig::default() }).await;
    let started = Instant::now();
    let (one, two, three) = tokio::join!(sent(maps(&fixture)), sent(maps(&fixture)), sent(maps(&fixture)));
    assert!(started.elapsed() >= SHORT && one.1 == two.1 && two.1 == three.1);
    assert_eq!(fixture.sandbox.stats()[&Provider::Serper], ProviderStats { calls: 3, max_in_flight: 3 });
    let rule = FaultRule { latency_ms: Some(200), ..once(Provider::OpenAi, FaultKind::Latency) };
    fixture.sandbox.set_faults(Faults { seed: 0, rules: vec![rule] });
    let started = Instant::now();
    assert_eq!(sent(chat(&fixture)).await.0, 200);
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn the_control_paths_read_and_clear() {
    let clock = Clock::fast(1_768_469_400_000, 1.0);
    let fixture = Fixture::with(SandboxConfig { clock, ..SandboxConfig::default() }).await;
    let faults = json!({"rules": [{"provider": "serper", "kind": "status", "status": 500, "times": 1}]});
    assert_eq!(sent(fixture.post("/__sandbox/faults", &faults)).await.0, 200);
    assert_eq!(sent(fixture.get("/__sandbox/faults")).await.1["rules"][0]["status"], 500);
    assert_eq!(sent(maps(&fixture)).await.0, 500);
    fixture.client.delete(fixture.url("/__sandbox/faults")).send().await.expect("an answer");
    assert_eq!(sent(fixture.get("/__sandbox/faults")).await.1, json!({"seed": 0, "rules": []}));
    let (status, refused) = sent(fixture.post("/__sandbox/faults", &json!({"rules": [{"kind": "explode"}]}))).await;
    assert_eq!(status, 400);
    assert!(
        refused["error"].as_str().is_some_and(|text| text.contains("explode") && text.contains("hint:")),
        "{refused}"
    );

    let (_, ledger) = sent(fixture.get("/__sandbox/ledger")).await;
    assert_eq!(ledger, serde_json::to_value(fixture.sandbox.ledger()).expect("JSON"));
    assert!(ledger[0]["at_ms"].as_i64().is_some_and(|at_ms| (0..60_000).contains(&(at_ms - 1_768_469_400_000))));
    assert_eq!(sent(fixture.get("/__sandbox/stats")).await.1, json!({"serper": {"calls": 1, "max_in_flight": 1}}));
    fixture.client.delete(fixture.url("/__sandbox/ledger")).send().await.expect("an answer");
    assert!(fixture.sandbox.ledger().is_empty());
}

#[tokio::test]
async fn stopping_frees_the_port_even_while_a_call_is_held() {
    let fixture = with_rule(FaultRule::new(Provider::Serper, FaultKind::TimeoutBefore)).await;
    let held = tokio::spawn(maps(&fixture).send());
    while fixture.sandbox.ledger().is_empty() {
        tokio::task::yield_now().await;
    }
    let address = fixture.sandbox.base_url().trim_start_matches("http://").parse().expect("an address");
    fixture.sandbox.stop().await;
    assert!(held.await.expect("no panic").is_err());
    Fixture::with(SandboxConfig { address, ..SandboxConfig::default() }).await;
}
