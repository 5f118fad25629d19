//! One trace: from the webhook that tells of a new connection to the message that it allows, over three processes.

mod collector;
mod tree;

pub use collector::{Collector, Span};
pub use tree::tree;

use crate::field::{HOUR_MS, MONDAY_MS, always, campaign_settings, people, unlimited_settings};
use crate::lab::{LIMIT, Lab, Setup};
use anyhow::Context;
use leadflow_clock::Clock;
use leadflow_sandbox::{UnipileOptions, WebhookOptions};
use leadflow_worker::telemetry::{Telemetry, TelemetryOptions};
use leadflow_workflows::domain::outreach::Channel;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// An hour passes in less than half a second.
const SPEED: f64 = 10_000.0;
/// Where the trace begins, and the call that it is about.
pub const WEBHOOK: &str = "POST /webhooks/unipile";
pub const MESSAGE: &str = "POST /chats";
/// How soon a process sends its spans, in milliseconds.
const SCHEDULE_DELAY_MS: &str = "200";

/// An invitation, and a message to whoever accepts it.
const SEQUENCE: &str = r#"
name = "trace"
stop_on = ["reply", "opt_out", "bounce"]
[[step]]
id = "hello"
invite = "Hi {{ lead.first_name }}, {{ business.name }} caught my eye."
[[step]]
id = "accepted"
wait_for_connection = { timeout = "7d" }
[[step]]
id = "thanks"
after = "1h"
message = "Thanks for connecting, {{ lead.first_name }}. How do you plan your week?"
"#;

/// What a run left behind.
pub struct Recorded {
    /// The spans of one trace, in the order of their beginning.
    pub spans: Vec<Span>,
    /// What the worker wrote.
    pub worker_log: String,
    /// Words that no log and no span may hold: of the person, of the texts, and the secret of the webhooks.
    pub secrets: Vec<String>,
    /// All spans of the run.
    pub all: Vec<Span>,
}

/// Has one person accept an invitation and get a message, with every process sending its spans to a collector here.
pub async fn record(program: Option<PathBuf>) -> anyhow::Result<Recorded> {
    let collector = Collector::start().await?;
    let url = collector.url();
    let options = TelemetryOptions { service: "leadflow-serve", json_logs: false, traces: Some(&url) };
    let telemetry = Telemetry::start(options)?;
    let mut setup = Setup { clock: Clock::fast(MONDAY_MS, SPEED), ..Setup::new(program) };
    setup.sandbox.unipile = UnipileOptions {
        accept_permille: 1_000,
        decline_permille: 0,
        accept_delay_ms: (HOUR_MS, 2 * HOUR_MS),
        reply_permille: 0,
        webhooks: WebhookOptions { relation_delay_ms: (0, 0), ..WebhookOptions::default() },
        ..UnipileOptions::default()
    };
    setup.worker_env = BTreeMap::from([
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", SCHEDULE_DELAY_MS),
        ("RUST_LOG", "info,leadflow_activities=debug,leadflow_worker=debug"),
    ])
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    let lab = Lab::start(setup).await?;
    let mut settings = unlimited_settings(Channel::Linkedin);
    settings.hours = always();
    let account = lab.add_account("acc_li_1", settings).await?;
    let person = people(&["US"], 1)?.remove(0);
    let list = lab.import("one", std::slice::from_ref(&person)).await?;
    let sequence = lab.add_sequence(SEQUENCE).await?;
    lab.start_campaign("one", &list, &sequence, &[account], campaign_settings()).await?;
    let spans = lab
        .until_within(LIMIT, Duration::from_millis(100), "a webhook and a message are in one trace", async || {
            Ok(chosen(&collector.spans()))
        })
        .await?;
    let worker_log = std::fs::read_to_string(lab.stack.folder.logs().join("worker.log"))?;
    let secret = lab.stack.config.webhooks.unipile_secrets.first().cloned().context("the laboratory has webhooks")?;
    lab.stop().await?;
    telemetry.stop().await;
    let trace_id = spans.first().context("a trace has spans")?.trace_id.clone();
    let all = collector.spans();
    let spans = all.iter().filter(|span| span.trace_id == trace_id).cloned().collect();
    let secrets = vec![
        person.first_name,
        person.last_name,
        person.company_name,
        person.email,
        person.linkedin_public_id,
        "caught my eye".into(),
        "Thanks for connecting".into(),
        secret.expose_secret().to_owned(),
    ];
    Ok(Recorded { spans, worker_log, secrets, all })
}

/// The trace that has both ends, when it is complete.
fn chosen(spans: &[Span]) -> Option<Vec<Span>> {
    let message = spans.iter().find(|span| span.name == MESSAGE)?;
    let of_trace = |span: &&Span| span.trace_id == message.trace_id;
    let is_complete = spans.iter().filter(of_trace).any(|span| span.name == WEBHOOK);
    is_complete.then(|| spans.iter().filter(of_trace).cloned().collect())
}
