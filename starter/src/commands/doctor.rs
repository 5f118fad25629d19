//! `starter doctor`: what is there, what is made up, what is missing, and what to do about it.

use super::keys::{self, Key};
use super::{print, print_json, tell};
use crate::embedded::cli::{default_cache_dir, find_or_install};
use crate::embedded::server::SEARCH_ATTRIBUTES;
use crate::failure::Failure;
use crate::site::{GlobalArgs, Site};
use leadflow_activities::providers::Clients;
use leadflow_activities::senders::unipile::Unipile;
use leadflow_activities::store::{Backend, Store};
use leadflow_workflows::QUEUE;
use leadflow_workflows::domain::provider::Provider;
use secrecy::ExposeSecret;
use serde::Serialize;
use std::path::Path;
use temporalio_client::Client;
use temporalio_client::tonic::IntoRequest;
use temporalio_common::protos::temporal::api::enums::v1::TaskQueueType;
use temporalio_common::protos::temporal::api::operatorservice::v1::ListSearchAttributesRequest;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeTaskQueueRequest;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    /// What was found, and what to do about it; one line.
    found: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// Made-up data.
    Sandbox,
    /// Something is missing that not every search needs.
    Missing,
    /// No search can run before this is mended.
    Broken,
}

impl Check {
    fn new(name: &'static str, state: State, found: impl Into<String>) -> Self {
        // Errors have their hint on a line of its own; here everything is one line.
        let found = found.into().replace("\nhint: ", "; hint: ").replace('\n', "; ");
        Self { name, state, found }
    }
}

pub async fn run(global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let mut checks = vec![temporal_cli().await, data_folder(&site)];
    checks.extend(temporal(&site).await);
    checks.extend(store(&site).await);
    checks.extend(providers(&site).await);
    let broken = checks.iter().filter(|check| check.state == State::Broken).count();
    if global.json {
        print_json(&serde_json::json!({ "ok": broken == 0, "checks": checks }))?;
    } else {
        for Check { name, state, found } in &checks {
            let state = match state {
                State::Ok => "ok",
                State::Sandbox => "sandbox",
                State::Missing => "missing",
                State::Broken => "broken",
            };
            print(&format!("{name:<13} {state:<8} {found}\n"))?;
        }
    }
    if broken == 0 {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{broken} of {} checks failed\nhint: the lines that say `broken` tell what to do",
        checks.len()
    )))
}

/// Only the embedded mode needs it, so its absence alone breaks nothing.
async fn temporal_cli() -> Check {
    const NAME: &str = "Temporal CLI";
    match find_or_install(&default_cache_dir(), &tell).await {
        Ok(cli) => Check::new(
            NAME,
            State::Ok,
            format!("{} (version {}, server {})", cli.path.display(), cli.version.cli, cli.version.server),
        ),
        Err(error) => Check::new(NAME, State::Missing, format!("`starter dev` and `starter demo` need it: {error}")),
    }
}

fn data_folder(site: &Site) -> Check {
    const NAME: &str = "data folder";
    match (&site.data, &site.running) {
        (None, _) => Check::new(NAME, State::Missing, "none here; hint: `starter dev` makes one, --data names another"),
        (Some(folder), None) => {
            Check::new(NAME, State::Ok, format!("{}, no `starter dev` runs on it", folder.display()))
        }
        (Some(folder), Some(running)) => Check::new(
            NAME,
            State::Ok,
            format!("{}, used by pid {} since {}", folder.display(), running.pid, running.started_at),
        ),
    }
}

async fn temporal(site: &Site) -> Vec<Check> {
    let (client, target) = match site.temporal().await {
        Ok(connected) => connected,
        Err(Failure::Failed(problem) | Failure::Refused(problem) | Failure::Unavailable(problem)) => {
            return vec![Check::new("Temporal", State::Broken, problem)];
        }
        Err(Failure::Input(mistakes)) => return vec![Check::new("Temporal", State::Broken, mistakes.to_string())],
    };
    let found = format!("{}, namespace {}", target.address, target.namespace);
    vec![
        Check::new("Temporal", State::Ok, found),
        search_attributes(&client, &target.namespace).await,
        worker(&client, &target.namespace).await,
    ]
}

async fn search_attributes(client: &Client, namespace: &str) -> Check {
    const NAME: &str = "attributes";
    let request = ListSearchAttributesRequest { namespace: namespace.to_owned() };
    let known = match client.connection().operator_service().list_search_attributes(request.into_request()).await {
        Ok(known) => known.into_inner().custom_attributes,
        // Some hosted servers do not let their users ask; a search would be refused with a clear text.
        Err(status) => {
            return Check::new(NAME, State::Missing, format!("cannot be listed: {:?}", status.code()));
        }
    };
    let missing: Vec<String> = SEARCH_ATTRIBUTES
        .iter()
        .filter(|(name, _)| !known.contains_key(*name))
        .map(|(name, kind)| format!("--name {name} --type {kind}"))
        .collect();
    if missing.is_empty() {
        return Check::new(
            NAME,
            State::Ok,
            format!("all {} search attributes are registered", SEARCH_ATTRIBUTES.len()),
        );
    }
    Check::new(
        NAME,
        State::Broken,
        format!(
            "search attributes are missing; hint: `temporal operator search-attribute create -n {namespace} {}`",
            missing.join(" ")
        ),
    )
}

async fn worker(client: &Client, namespace: &str) -> Check {
    const NAME: &str = "worker";
    let request = DescribeTaskQueueRequest {
        namespace: namespace.to_owned(),
        task_queue: Some(TaskQueue { name: QUEUE.to_owned(), ..TaskQueue::default() }),
        task_queue_type: TaskQueueType::Workflow.into(),
        ..DescribeTaskQueueRequest::default()
    };
    match client.connection().workflow_service().describe_task_queue(request.into_request()).await {
        Err(status) => Check::new(NAME, State::Missing, format!("cannot be asked for: {:?}", status.code())),
        Ok(described) if described.get_ref().pollers.is_empty() => {
            Check::new(NAME, State::Missing, "none is there; hint: start one with `starter dev` or `worker`")
        }
        Ok(described) => {
            let workers: Vec<String> =
                described.into_inner().pollers.into_iter().map(|poller| poller.identity).collect();
            Check::new(NAME, State::Ok, format!("polls as {}", workers.join(", ")))
        }
    }
}

/// Opens the store, but makes none: looking changes nothing.
async fn store(site: &Site) -> Vec<Check> {
    const NAME: &str = "store";
    let url = site.config.store.url.expose_secret();
    let file = url.strip_prefix("sqlite:").map(|path| Path::new(path.strip_prefix("//").unwrap_or(path)));
    if let Some(file) = file.filter(|file| !file.exists()) {
        let found = format!("sqlite:{} is not there yet; the first use makes it", file.display());
        return vec![Check::new(NAME, State::Ok, found)];
    }
    match Store::connect(&site.config.store).await {
        Ok(store) => {
            let mut checks = vec![Check::new(NAME, State::Ok, store.place())];
            if store.backend() == Backend::Postgres {
                checks.push(row_security(&store).await);
            }
            store.close().await;
            checks
        }
        Err(error) => vec![Check::new(NAME, State::Broken, error.to_string())],
    }
}

/// Everything works without it, so its absence is a warning.
async fn row_security(store: &Store) -> Check {
    const NAME: &str = "row security";
    match store.relies_on_filters().await {
        Ok(false) => Check::new(NAME, State::Ok, "the database itself keeps tenants apart"),
        Ok(true) => Check::new(
            NAME,
            State::Missing,
            "it does not hold for the store's role, a superuser or one with BYPASSRLS; \
             hint: use a role of its own, made by `CREATE ROLE leadflow LOGIN`",
        ),
        Err(error) => Check::new(NAME, State::Missing, format!("cannot be asked for: {error}")),
    }
}

async fn providers(site: &Site) -> Vec<Check> {
    let clients = match Clients::from_config(&site.config) {
        Ok(clients) => clients,
        Err(error) => return vec![Check::new("providers", State::Broken, error.to_string())],
    };
    let sender = match Unipile::from_config(&site.config, site.clock) {
        Ok(sender) => sender,
        Err(error) => return vec![Check::new("providers", State::Broken, error.to_string())],
    };
    let checks = Provider::ALL.map(|provider| provider_check(site, &clients, sender.as_ref(), provider));
    futures::future::join_all(checks).await
}

async fn provider_check(site: &Site, clients: &Clients, sender: Option<&Unipile>, provider: Provider) -> Check {
    let (name, needed_for) = match provider {
        Provider::Openai => ("OpenAI", None),
        Provider::Gemini => ("Gemini", Some("searches with market insights")),
        Provider::Serper => ("Serper", None),
        Provider::Hunter => ("Hunter", Some("searches with work emails")),
        Provider::Unipile => ("Unipile", Some("campaigns")),
    };
    let settings = site.config.provider(provider);
    if settings.api_key.is_none() {
        let hint =
            format!("hint: set {}_API_KEY, or use made-up data with `starter dev`", provider.name().to_uppercase());
        return match needed_for {
            None => Check::new(name, State::Broken, format!("no key, and every search needs it; {hint}")),
            Some(what) => Check::new(name, State::Missing, format!("no key; only {what} need it; {hint}")),
        };
    }
    let state = if settings.sandbox { State::Sandbox } else { State::Ok };
    let kind = if settings.sandbox { "made-up data" } else { "real" };
    let found = format!("{kind}, {} calls a minute", settings.calls_per_minute);
    let key = match sender {
        Some(sender) if provider == Provider::Unipile => keys::check_sender(sender).await,
        _ => keys::check(clients, provider).await,
    };
    match key {
        Key::Accepted => Check::new(name, state, format!("{found}, key accepted")),
        Key::NotChecked => Check::new(name, state, format!("{found}, key not checked: that would cost a credit")),
        Key::Refused(error) => Check::new(name, State::Broken, error.to_string()),
        Key::Unknown(error) => Check::new(name, State::Missing, format!("cannot be asked now: {error}")),
    }
}
