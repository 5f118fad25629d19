//! The ingress over HTTP, by hand and with the stand-in's own deliveries.

use super::webhooks::LARGEST_BODY;
use super::*;
use futures::FutureExt;
use futures::future::BoxFuture;
use leadflow_activities::config::Config;
use leadflow_activities::gate::Gate;
use leadflow_activities::outreach::events::{TellError, receive};
use leadflow_activities::senders::Sender;
use leadflow_activities::senders::unipile::{SECRET_HEADER, Unipile};
use leadflow_activities::store::accounts::NewAccount;
use leadflow_activities::store::testing::each_backend;
use leadflow_activities::telemetry::Metrics;
use leadflow_sandbox::{AccountChange, Sandbox, SandboxConfig};
use leadflow_workflows::domain::account::{AccountSettings, Hours};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::domain::permits::Limits;
use leadflow_workflows::domain::timings::Timings;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;

const SECRET: &str = "a-long-random-text";
const EVENT: &str = r#"{"event":"new_relation","account_id":"acc_7Qd","account_type":"LINKEDIN","user_provider_id":"ACoAAAsim001","user_public_identifier":"dana-whitlock"}"#;

/// Remembers who was told, unless it is away.
#[derive(Default)]
pub(super) struct Told {
    list: Mutex<Vec<String>>,
    is_away: AtomicBool,
}

impl Teller for Told {
    fn start(&self, _request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>> {
        futures::future::ready(Ok(())).boxed()
    }

    fn look<'a>(&'a self, _tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<bool, TellError>> {
        if self.is_away.load(Ordering::Relaxed) {
            return async { Err(TellError::Temporal("away".into())) }.boxed();
        }
        self.list.lock().unwrap().push(workflow_id.to_owned());
        async { Ok(true) }.boxed()
    }
}

async fn start(store: &Store, teller: Arc<Told>) -> Ingress {
    let mut config = Config::default();
    config.webhooks.unipile_secrets = vec![SECRET.into()];
    start_with(store, teller, Clock::system(), Doors::from_config(&config).unwrap()).await
}

pub(super) async fn start_with(store: &Store, teller: Arc<dyn Teller>, clock: Clock, doors: Doors) -> Ingress {
    let options = IngressOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        store: store.clone(),
        teller,
        clock,
        tenant: "default".into(),
        doors,
        api: None,
    };
    Ingress::start(options).await.unwrap()
}

async fn post(ingress: &Ingress, secret: Option<&str>, body: impl Into<reqwest::Body>) -> (u16, String, Value) {
    let mut request = client().post(ingress.unipile_url()).body(body).header("content-type", "text/plain");
    if let Some(secret) = secret {
        request = request.header(SECRET_HEADER, secret);
    }
    let response = request.send().await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    (response.status().as_u16(), kind, response.json().await.unwrap())
}

pub(super) fn client() -> reqwest::Client {
    // A second installation of the same provider changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

pub(super) async fn add_account(store: &Store, provider_account_id: &str) {
    let settings = AccountSettings {
        time_zone: "Europe/Berlin".into(),
        country: "DE".into(),
        hours: Hours::office(),
        limits: Limits { actions: BTreeMap::new(), warm_up: None, notes_per_month: None },
        is_free: false,
        from_name: None,
    };
    let new = NewAccount {
        id: "a1".into(),
        tenant: "default".into(),
        name: "a1".into(),
        channel: Channel::Linkedin,
        provider: "unipile".into(),
        provider_account_id: provider_account_id.into(),
        owner_provider_id: None,
        address: None,
        source: "sandbox".into(),
        settings,
        now_ms: 0,
    };
    assert!(store.add_account(&new).await.unwrap());
}

#[tokio::test]
async fn what_is_no_event_of_ours_is_refused_and_not_stored() {
    each_backend(async |store| {
        let ingress = start(&store, Arc::default()).await;
        for secret in [None, Some(""), Some("a-long-random-tex"), Some("a-long-random-text2")] {
            let (status, kind, problem) = post(&ingress, secret, EVENT).await;
            assert_eq!((status, kind.as_str()), (401, "application/problem+json"), "{secret:?}");
            assert_eq!(problem["status"], 401);
        }
        let large = "x".repeat(LARGEST_BODY + 1);
        assert_eq!(post(&ingress, Some(SECRET), large).await.0, 413);
        let (status, _, problem) = post(&ingress, Some(SECRET), r#"{"event":"new_relation","account_id":"a"}"#).await;
        assert_eq!(status, 400);
        assert!(problem["detail"].as_str().unwrap().contains("`user_provider_id`"), "{problem}");
        assert!(store.events("default", false, 10).await.unwrap().is_empty());
        let elsewhere = format!("http://{}/elsewhere", ingress.address());
        assert_eq!(client().get(elsewhere).send().await.unwrap().status(), 404);
        ingress.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_event_is_stored_before_it_is_answered_whatever_its_content_type() {
    each_backend(async |store| {
        let ingress = start(&store, Arc::default()).await;
        for _ in 0..2 {
            let (status, _, body) = post(&ingress, Some(SECRET), EVENT).await;
            assert_eq!((status, body), (200, serde_json::json!({})));
            assert_eq!(store.events("default", true, 10).await.unwrap().len(), 1);
        }
        ingress.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_stand_in_delivers_and_the_workflows_are_told() {
    each_backend(async |store| {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let sender = Unipile::from_config(&Config::sandbox(&sandbox.base_url()), Clock::system()).unwrap().unwrap();
        add_account(&store, "acc_li_1").await;
        let told = Arc::new(Told::default());
        let ingress = start(&store, Arc::clone(&told)).await;
        sender.register_webhook(&ingress.unipile_url(), SECRET, &[]).await.unwrap();
        let lost = AccountChange { status: Some("CREDENTIALS".into()), restricted: None };
        sandbox.change_unipile_account("acc_li_1", &lost).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while told.list.lock().unwrap().is_empty() {
            assert!(Instant::now() < deadline, "nobody was told: {:?}", sandbox.deliveries());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(*told.list.lock().unwrap(), ["account/a1"]);
        assert_eq!(store.account("default", "a1").await.unwrap().unwrap().state, "disconnected");
        ingress.stop().await;
        let event = store.events("default", false, 1).await.unwrap().remove(0);
        assert!(event.signalled_at_ms.is_some(), "{event:?}");
        sandbox.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_an_ingress_left_over_is_told_at_the_next_start() {
    each_backend(async |store| {
        add_account(&store, "acc_7Qd").await;
        let status = r#"{"AccountStatus":{"account_id":"acc_7Qd","account_type":"LINKEDIN","message":"ERROR"}}"#;
        receive(&store, Clock::system(), "default", status.as_bytes()).await.unwrap();
        let told = Arc::new(Told::default());
        let ingress = start(&store, Arc::clone(&told)).await;
        let deadline = Instant::now() + Duration::from_secs(20);
        while store.events("default", false, 1).await.unwrap()[0].signalled_at_ms.is_none() {
            assert!(Instant::now() < deadline, "nobody was told");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(*told.list.lock().unwrap(), ["account/a1"]);
        ingress.stop().await;
    })
    .await;
}

#[tokio::test]
async fn while_temporal_is_away_every_event_is_answered_and_afterwards_all_are_told() {
    each_backend(async |store| {
        add_account(&store, "acc_7Qd").await;
        let told = Arc::new(Told::default());
        told.is_away.store(true, Ordering::Relaxed);
        let ingress = start(&store, Arc::clone(&told)).await;
        for message in ["CREDENTIALS", "OK"].into_iter().cycle().take(41) {
            let status = format!(
                r#"{{"AccountStatus":{{"account_id":"acc_7Qd","account_type":"LINKEDIN","message":"{message}"}}}}"#
            );
            assert_eq!(post(&ingress, Some(SECRET), status).await.0, 200);
        }
        let untold = async || {
            let events = store.events("default", false, 100).await.unwrap();
            assert_eq!(events.len(), 41);
            events.iter().filter(|event| event.signalled_at_ms.is_none()).count()
        };
        assert_eq!(untold().await, 41);
        told.is_away.store(false, Ordering::Relaxed);
        let deadline = Instant::now() + Duration::from_secs(30);
        while untold().await > 0 {
            assert!(Instant::now() < deadline, "not all are told");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let told = told.list.lock().unwrap().clone();
        assert!(!told.is_empty() && told.iter().all(|id| id == "account/a1"), "{told:?}");
        assert_eq!(store.account("default", "a1").await.unwrap().unwrap().state, "disconnected", "the last one counts");
        ingress.stop().await;
    })
    .await;
}

#[tokio::test]
async fn requests_and_webhooks_are_counted_by_route_and_outcome() {
    each_backend(async |store| {
        let ingress = start(&store, Arc::default()).await;
        assert_eq!(post(&ingress, None, EVENT).await.0, 401);
        assert_eq!(post(&ingress, Some(SECRET), EVENT).await.0, 200);
        let nowhere = format!("http://{}/people/dana-whitlock?name=dana", ingress.address());
        assert_eq!(client().get(nowhere).send().await.unwrap().status(), 404);
        let clock = Clock::system();
        let budgets = Config::default().budgets;
        let gate = Gate::new(store.clone(), clock, budgets, Timings::test());
        let text = Metrics { store: store.clone(), gate, clock, tenant: "default".into() }.text().await;
        for series in [
            r#"leadflow_webhook_requests_total{outcome="unauthorized",source="unipile"}"#,
            r#"leadflow_webhook_requests_total{outcome="accepted",source="unipile"}"#,
            r#"leadflow_http_requests_total{method="POST",route="/webhooks/unipile",status="401"}"#,
            r#"leadflow_http_requests_total{method="GET",route="unmatched",status="404"}"#,
            r#"leadflow_http_request_duration_seconds_count{method="POST",route="/webhooks/unipile"}"#,
        ] {
            assert!(text.contains(series), "`{series}` is not in\n{text}");
        }
        assert!(!text.contains("dana"), "{text}");
        ingress.stop().await;
    })
    .await;
}
