//! The log of `starter serve`, alone in its program: what is logged depends on every subscriber of a process.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use futures::FutureExt;
use futures::future::BoxFuture;
use leadflow_activities::config::Config;
use leadflow_activities::outreach::events::{TellError, Teller};
use leadflow_activities::senders::unipile::SECRET_HEADER;
use leadflow_activities::store::accounts::NewAccount;
use leadflow_activities::store::testing::each_backend;
use leadflow_clock::Clock;
use leadflow_starter::ingress::{Doors, Ingress, IngressOptions};
use leadflow_workflows::domain::account::{AccountSettings, Hours};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::domain::permits::Limits;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;
use tracing_subscriber::EnvFilter;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SECRET: &str = "a-long-random-text";
const RELATION: &str = r#"{"event":"new_relation","account_id":"acc_7Qd","account_type":"LINKEDIN","user_provider_id":"ACoAAAsim001","user_public_identifier":"dana-whitlock"}"#;
const INCOMPLETE: &str = r#"{"event":"new_relation","account_id":"acc_7Qd","user_full_name":"Dana Whitlock"}"#;
const STATUS: &str = r#"{"AccountStatus":{"account_id":"acc_7Qd","account_type":"LINKEDIN","message":"ERROR"}}"#;
/// Request id, secret, body, status.
const REQUESTS: [(&str, &str, &str, u16); 4] = [
    ("forged", "a-wrong-text", RELATION, 401),
    ("incomplete", SECRET, INCOMPLETE, 400),
    ("unmatched", SECRET, RELATION, 200),
    ("told", SECRET, STATUS, 200),
];

/// Whatever is logged in this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Remembers who was told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Teller for Told {
    fn start(&self, _request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>> {
        futures::future::ready(Ok(())).boxed()
    }

    fn look<'a>(&'a self, _tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<bool, TellError>> {
        self.0.lock().unwrap().push(workflow_id.to_owned());
        futures::future::ready(Ok(true)).boxed()
    }
}

fn account() -> NewAccount {
    let settings = AccountSettings {
        time_zone: "Europe/Berlin".into(),
        country: "DE".into(),
        hours: Hours::office(),
        limits: Limits { actions: BTreeMap::new(), warm_up: None, notes_per_month: None },
        is_free: false,
        from_name: None,
    };
    NewAccount {
        id: "a1".into(),
        tenant: "default".into(),
        name: "a1".into(),
        channel: Channel::Linkedin,
        provider: "unipile".into(),
        provider_account_id: "acc_7Qd".into(),
        owner_provider_id: None,
        address: None,
        source: "sandbox".into(),
        settings,
        now_ms: 0,
    }
}

#[tokio::test]
async fn every_line_names_its_request_and_none_tells_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    let filter = EnvFilter::new("leadflow_starter=trace,leadflow_activities=trace");
    let lines = leadflow_worker::telemetry::json_lines(filter, move || writer.clone());
    tracing::subscriber::set_global_default(lines).unwrap();
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let client = reqwest::Client::new();
    each_backend(async |store| {
        log.0.lock().unwrap().clear();
        assert!(store.add_account(&account()).await.unwrap());
        let mut config = Config::default();
        config.webhooks.unipile_secrets = vec![SECRET.into()];
        let told = Arc::new(Told::default());
        let ingress = Ingress::start(IngressOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            store: store.clone(),
            teller: told.clone(),
            clock: Clock::system(),
            tenant: "default".into(),
            doors: Doors::from_config(&config).unwrap(),
            api: None,
        })
        .await
        .unwrap();
        for (id, secret, body, status) in REQUESTS {
            let request = client.post(ingress.unipile_url()).body(body).header(SECRET_HEADER, secret);
            let request = request.header("x-request-id", id);
            let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
            let response = request.header("traceparent", traceparent).send().await.unwrap();
            assert_eq!(
                (response.status().as_u16(), response.headers()["x-request-id"].as_bytes()),
                (status, id.as_bytes())
            );
        }
        ingress.stop().await;
        assert_eq!(*told.0.lock().unwrap(), ["account/a1"]);

        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().all(|line| line["span"]["trace_id"] == TRACE), "{text}");
        for (id, _, _, status) in REQUESTS {
            let is_answer = |line: &&Value| line["span"]["request_id"] == id && line["status"] == status;
            assert_eq!(lines.iter().filter(is_answer).count(), 1, "{text}");
        }
        assert!(lines.iter().any(|line| line["message"] == "told" && line["span"]["doing"] == "tell"), "{text}");
        for secret in [SECRET, "a-wrong-text", "dana-whitlock", "Dana", "ACoAAAsim001"] {
            assert!(!text.contains(secret), "`{secret}` is in\n{text}");
        }
    })
    .await;
}
