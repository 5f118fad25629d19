//! What holds for every request: keys, limits, ids, and refusals that can be read.

use crate::world::{TENANT, World, brief};
use leadflow_activities::store::api_tokens::Scope;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use std::num::NonZeroU32;

const SEARCHES: &str = "/v1/searches";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_used_once_and_a_bad_request_is_told_why() {
    let world = World::start().await;
    let token = &world.token(TENANT, &[Scope::Read, Scope::Write], None).await;
    repeated(&world, token).await;
    refused(&world, token).await;
    ready(&world).await;
    world.stop().await;
}

async fn repeated(world: &World, token: &str) {
    let start = |key: &str, body: &Value| {
        let request = world.request("post", SEARCHES, Some(token)).header("Idempotency-Key", key).json(body);
        world.answer("post", SEARCHES, request)
    };
    let body = brief();
    // All at once: one of them starts the search, the others find it running or answered.
    let answers = futures::future::join_all((0..8).map(|_| start("k-1", &body))).await;
    let done: Vec<_> = answers.iter().filter(|answer| answer.status == 202).collect();
    assert!(!done.is_empty() && answers.iter().all(|answer| [202, 409].contains(&answer.status)), "{answers:?}");
    let again = start("k-1", &body).await;
    for answer in done {
        assert_eq!((answer.status, &answer.text), (again.status, &again.text));
        assert_eq!(answer.headers["location"], again.headers["location"]);
    }
    assert_eq!(world.store().searches(TENANT, 10).await.unwrap().len(), 1);

    let mut other = brief();
    other["name"] = "others".into();
    assert_eq!(start("k-1", &other).await.status, 422, "the same key with another body");
    let path = again.headers["location"].to_str().unwrap();
    let path = format!("{path}/pause");
    let request = world.request("post", &path, Some(token)).header("Idempotency-Key", "k-1").json(&body);
    assert_eq!(world.answer("post", &path, request).await.status, 422, "the same key on another route");
    let refused = start("k-2", &json!({})).await;
    assert_eq!(
        (refused.status, start("k-2", &json!({})).await.text),
        (422, refused.text),
        "a refusal is repeated, too"
    );
    for key in ["k".repeat(256), "k 3".to_owned()] {
        assert_eq!(start(&key, &body).await.status, 400, "{key}");
    }
    assert_eq!(world.store().searches(TENANT, 10).await.unwrap().len(), 1);
    let done = world.store().audit_entries(TENANT, None, 100).await.unwrap();
    let starts = done.iter().filter(|entry| entry.action == "startSearch" && entry.status == Some(202)).count();
    assert_eq!(starts, 1, "what was only repeated was not done again");
}

async fn refused(world: &World, token: &str) {
    let post = |change: &dyn Fn(RequestBuilder) -> RequestBuilder| {
        world.answer("post", SEARCHES, change(world.request("post", SEARCHES, Some(token))))
    };
    let as_json = |request: RequestBuilder| request.header("content-type", "application/json");
    assert_eq!(post(&|request| request).await.status, 415);
    assert_eq!(post(&|request| as_json(request).body("{")).await.status, 400);
    assert_eq!(post(&|request| as_json(request).body("[".repeat(100_000))).await.status, 400);
    assert_eq!(post(&|request| as_json(request).body("[]")).await.status, 422);
    assert_eq!(post(&|request| as_json(request).body(r#"{"name":"a\u0000b"}"#)).await.status, 422);
    assert_eq!(post(&|request| as_json(request).body(b"\"\xff\"".to_vec())).await.status, 400);
    assert_eq!(post(&|request| as_json(request).body("x".repeat(1024 * 1024 + 1))).await.status, 413);
    let secret = post(&|request| as_json(request).body(r#"{"name": "mara@lowen.example" x}"#)).await;
    assert!(!secret.text.contains("mara"), "{}", secret.text);
    let unknown = world.get("/v1/searches/%00", token).await;
    assert_eq!(unknown.status, 404);

    let request = world.request("get", SEARCHES, Some(token)).header("x-request-id", "abc-1");
    assert_eq!(world.answer("get", SEARCHES, request).await.headers["x-request-id"], "abc-1");
    let request = world.request("get", SEARCHES, Some(token)).header("x-request-id", "a b{}");
    assert_ne!(world.answer("get", SEARCHES, request).await.headers["x-request-id"], "a b{}");

    // What no operation answers.
    for (method, path, status) in [("get", "/v1/nothing", 404), ("delete", SEARCHES, 405)] {
        let answer = world.request(method, path, Some(token)).send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert!(answer.headers().contains_key("x-request-id"));
        assert!(status != 405 || answer.headers().contains_key("allow"));
    }
    let foreign = world.request("get", SEARCHES, Some(token)).header("origin", "https://shop.example");
    let answer = foreign.send().await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"), "no page of another origin may read it");
}

async fn ready(world: &World) {
    let request = world.request("get", "/healthz", None);
    assert_eq!(world.answer("get", "/healthz", request).await.json, json!({ "status": "ok" }));
    // The queues of the worker show up when it polls for the first time.
    world.until("/readyz", "", |answer| (answer.status == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_has_so_many_requests() {
    let world = World::with_rate(NonZeroU32::new(3).unwrap()).await;
    let token = world.token(TENANT, &[Scope::Read], None).await;
    for _ in 0..3 {
        assert_eq!(world.get(SEARCHES, &token).await.status, 200);
    }
    let refused = world.get(SEARCHES, &token).await;
    assert_eq!(refused.status, 429);
    let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&seconds), "a third of a minute at most, not {seconds} s");
    let second = world.token(TENANT, &[Scope::Read], None).await;
    assert_eq!(world.get(SEARCHES, &second).await.status, 200, "another token has its own");
    world.stop().await;
}
