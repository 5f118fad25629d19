use crate::table::{Bench, Row};
use leadflow_activities::providers::{Class, EmailSource, Finder, FinderQuery, Verifier};
use leadflow_sandbox::Provider;
use serde_json::{Value, json};

const QUERY: FinderQuery<'static> =
    FinderQuery { domain: "nordhafen.example", first_name: "Dana", last_name: "Whitlock" };

fn error(status: u16, id: &str) -> Value {
    json!({ "errors": [{ "id": id, "code": status, "details": "dana.whitlock@nordhafen.example (Dana Whitlock)" }] })
}

fn rows() -> Vec<Row> {
    vec![
        Row::defer(222, error(222, "smtp_failure"), "verifier_unavailable"),
        Row::never(400, error(400, "wrong_params"), "parameter_refused"),
        Row::never(400, error(400, "pagination_error"), "parameter_refused"),
        Row::pause(401, error(401, "authentication_failed"), "invalid_api_key"),
        Row::backoff(403, error(403, "too_many_requests"), "rate_limited").benign(),
        Row::never(404, error(404, "not_found"), "not_found"),
        Row::never(422, error(422, "unprocessable"), "unprocessable"),
        Row::pause(429, error(429, "usage_exceeded"), "credits_used_up"),
        Row::never(451, error(451, "claimed_email"), "person_opted_out").benign(),
        Row::backoff(500, error(500, "server_error"), "server_error"),
        Row::backoff(503, json!(null), "overloaded"),
    ]
}

#[tokio::test]
async fn errors_are_classed_by_the_table() {
    let bench = Bench::start().await;
    let hunter = bench.clients.hunter.as_ref().expect("set up");
    for row in rows() {
        bench.answer(Provider::Hunter, row.status, &row.headers, row.body.clone());
        row.check(hunter.verify_email("call-2", "dana.whitlock@nordhafen.example").await.expect_err("refused"));
        row.check(hunter.find_email("call-1", QUERY).await.expect_err("refused"));
    }
}

#[tokio::test]
async fn the_finder_tells_address_score_and_sources() {
    let bench = Bench::start().await;
    let hunter = bench.clients.hunter.as_ref().expect("set up");
    let source = json!({ "domain": "nordhafen.example", "uri": "https://nordhafen.example/team",
                         "extracted_on": "2025-11-02", "last_seen_on": "2026-01-08", "still_on_page": true });
    let data = json!({ "first_name": "Dana", "email": "dana.whitlock@nordhafen.example", "score": 94,
                       "verification": { "date": "2026-01-10", "status": "valid" }, "sources": [source, {}] });
    bench.answer(Provider::Hunter, 200, &[], json!({ "data": data, "meta": {} }));
    let found = hunter.find_email("call-1", QUERY).await.expect("answered");
    let nothing = EmailSource { domain: None, uri: None, extracted_on: None, last_seen_on: None, still_on_page: None };
    let expected = Finder {
        email: Some("dana.whitlock@nordhafen.example".into()),
        score: 94,
        verification: Some("valid".into()),
        sources: vec![
            EmailSource {
                domain: Some("nordhafen.example".into()),
                uri: Some("https://nordhafen.example/team".into()),
                extracted_on: Some("2025-11-02".into()),
                last_seen_on: Some("2026-01-08".into()),
                still_on_page: Some(true),
            },
            nothing,
        ],
    };
    assert_eq!(found, expected);
    assert_eq!(bench.last_call().call_id.as_deref(), Some("call-1"));

    let nobody =
        json!({ "email": null, "score": null, "verification": { "date": null, "status": null }, "sources": null });
    bench.answer(Provider::Hunter, 200, &[], json!({ "data": nobody }));
    let found = hunter.find_email("call-1", QUERY).await.expect("answered");
    assert_eq!(found, Finder { email: None, score: 0, verification: None, sources: Vec::new() });
}

#[tokio::test]
async fn the_verifier_may_still_be_at_work() {
    let bench = Bench::start().await;
    let hunter = bench.clients.hunter.as_ref().expect("set up");
    bench.answer(Provider::Hunter, 202, &[], json!({ "data": { "status": null } }));
    let verify = || hunter.verify_email("call-2", "dana.whitlock@nordhafen.example");
    assert_eq!(verify().await, Ok(Verifier::Pending));
    bench.answer(Provider::Hunter, 200, &[], json!({ "data": { "status": "accept_all", "score": 61 } }));
    assert_eq!(verify().await, Ok(Verifier::Done { status: "accept_all".into(), score: 61 }));
}

#[tokio::test]
async fn the_sandbox_itself_is_understood() {
    let bench = Bench::start().await;
    let hunter = bench.clients.hunter.as_ref().expect("set up");
    hunter.find_email("call-1", QUERY).await.expect("answered");
    assert_eq!(bench.last_call().operation, "email_finder");
    let mut verified = hunter.verify_email("call-2", "dana.whitlock@nordhafen.example").await.expect("answered");
    if verified == Verifier::Pending {
        verified = hunter.verify_email("call-2", "dana.whitlock@nordhafen.example").await.expect("answered");
    }
    assert!(matches!(verified, Verifier::Done { .. }), "{verified:?}");
}

#[tokio::test]
async fn the_key_is_checked() {
    let bench = Bench::start().await;
    let hunter = bench.clients.hunter.as_ref().expect("set up");
    hunter.check_key().await.expect("a good key");
    bench.answer(Provider::Hunter, 401, &[], error(401, "authentication_failed"));
    assert_eq!(hunter.check_key().await.expect_err("a wrong key").class, Class::PauseProvider);
}
