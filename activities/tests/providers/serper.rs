use crate::table::{Bench, Row};
use leadflow_activities::providers::{MapsQuery, SearchQuery, Usage};
use leadflow_sandbox::{FaultKind, Provider};
use serde_json::{Value, json};

fn maps_query() -> MapsQuery {
    MapsQuery { q: "brewery in Portland, Oregon".into(), gl: "us".into(), hl: "en".into(), page: 1, ll: None }
}

fn search_query(num: u32) -> SearchQuery {
    let q = r#"site:linkedin.com/in "Nordhafen Logistics" (owner OR "head of planning")"#;
    SearchQuery { q: q.into(), gl: "us".into(), hl: "en".into(), num }
}

fn message(status: u16, message: &str) -> Value {
    json!({ "message": message, "statusCode": status })
}

fn rows() -> Vec<Row> {
    vec![
        Row::pause(400, message(400, "Not enough credits"), "not_enough_credits"),
        Row::never(400, message(400, "Query not allowed. Dana Whitlock"), "query_not_allowed"),
        Row::never(400, message(400, "Missing query parameter: Dana Whitlock"), "request_refused"),
        Row::pause(403, message(403, "Unauthorized."), "invalid_api_key"),
        Row::backoff(429, message(429, "Too many requests"), "rate_limited").benign(),
        Row::backoff(429, json!(null), "rate_limited").benign(),
        Row::backoff(500, message(500, "Internal Server Error"), "server_error"),
        Row::backoff(503, json!("upstream"), "overloaded"),
        Row::backoff(504, json!(null), "timed_out").billed_unknown(),
    ]
}

#[tokio::test]
async fn errors_are_classed_by_the_table() {
    let bench = Bench::start().await;
    let serper = bench.clients.serper.as_ref().expect("set up");
    for row in rows() {
        bench.answer(Provider::Serper, row.status, &row.headers, row.body.clone());
        row.check(serper.maps("call-1", &maps_query()).await.expect_err("refused"));
        row.check(serper.search("call-2", &search_query(10)).await.expect_err("refused"));
    }
}

#[tokio::test]
async fn the_map_is_searched_and_paid_for() {
    let bench = Bench::start().await;
    let serper = bench.clients.serper.as_ref().expect("set up");
    let answer = serper.maps("call-1", &maps_query()).await.expect("answered");
    assert!(!answer.places.is_empty(), "{answer:?}");
    assert!(answer.places.iter().all(|place| place.cid.is_some() && !place.types.is_empty()), "{answer:?}");
    assert!(answer.ll.as_deref().is_some_and(|ll| ll.starts_with('@')), "{answer:?}");
    let entry = bench.last_call();
    assert_eq!((entry.operation.as_str(), entry.call_id.as_deref()), ("maps", Some("call-1")));
    let models = crate::table::models();
    let cost = Usage::Serper { credits: answer.credits }.cost(&models);
    assert_eq!(u64::try_from(cost.0), Ok(entry.billed_microusd));
    assert!(cost <= Usage::serper_maps_at_most().cost(&models));
}

#[tokio::test]
async fn the_web_is_searched_and_paid_for() {
    let bench = Bench::start().await;
    let serper = bench.clients.serper.as_ref().expect("set up");
    let models = crate::table::models();
    for num in [10, 20] {
        let answer = serper.search("call-2", &search_query(num)).await.expect("answered");
        let entry = bench.last_call();
        assert_eq!((entry.operation.as_str(), entry.call_id.as_deref()), ("search", Some("call-2")));
        let cost = Usage::Serper { credits: answer.credits }.cost(&models);
        assert_eq!(u64::try_from(cost.0), Ok(entry.billed_microusd));
        assert!(cost <= Usage::serper_search_at_most().cost(&models));
    }
}

#[tokio::test]
async fn incomplete_results_lose_no_more_than_they_must() {
    let bench = Bench::start().await;
    let serper = bench.clients.serper.as_ref().expect("set up");
    bench.answer(
        Provider::Serper,
        200,
        &[],
        json!({ "organic": [
        { "title": "Dana", "link": "https://linkedin.example/in/dana", "position": "first" },
        { "link": "https://no-title.example" }, { "title": "no link" }, null,
    ] }),
    );
    let answer = serper.search("call-2", &search_query(10)).await.expect("answered");
    assert_eq!(answer.organic.len(), 1);
    assert_eq!(answer.organic[0].link, "https://linkedin.example/in/dana");
    assert_eq!((answer.organic[0].snippet.as_ref(), answer.organic[0].position), (None, None));
    // What the price was is not told, so it counts as the highest.
    assert_eq!(answer.credits, 2);

    bench.answer(
        Provider::Serper,
        200,
        &[],
        json!({ "places": [{ "cid": "1" }, { "title": "Brauhaus" }], "credits": 1 }),
    );
    let answer = serper.maps("call-1", &maps_query()).await.expect("answered");
    assert_eq!(answer.places.iter().map(|place| place.title.as_str()).collect::<Vec<_>>(), ["Brauhaus"]);
    assert_eq!((answer.ll, answer.credits), (None, 1));

    bench.answer(Provider::Serper, 200, &[], json!({ "credits": 1 }));
    assert_eq!(serper.maps("call-1", &maps_query()).await.expect("answered").places, []);
}

#[tokio::test]
async fn an_answer_that_is_not_json_may_have_been_paid_for() {
    let bench = Bench::start().await;
    let serper = bench.clients.serper.as_ref().expect("set up");
    let row = Row::backoff(200, json!(null), "unreadable_answer").billed_unknown();
    for fault in [FaultKind::Malformed, FaultKind::Cut] {
        bench.strike(Provider::Serper, fault);
        row.check(serper.maps("call-1", &maps_query()).await.expect_err("unreadable"));
    }
    bench.answer(Provider::Serper, 200, &[], json!([1]));
    row.check(serper.maps("call-1", &maps_query()).await.expect_err("not an object"));
}
