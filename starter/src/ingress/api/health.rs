//! Whether the process is up, and whether it can do its work.

use super::super::problem::{Problem, ProblemPart};
use super::call::{Call, Endpoint};
use super::{Api, Shared};
use axum::Json;
use axum::http::StatusCode;
use leadflow_activities::config::Config;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::{QUEUE, QUEUE_BUYER_GROUPS, QUEUE_LONG};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::{Duration, Instant};
use temporalio_client::tonic::IntoRequest;
use temporalio_client::{Client, NamespacedClient};
use temporalio_common::protos::temporal::api::enums::v1::TaskQueueType;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeTaskQueueRequest;
use tokio::sync::Mutex;

/// Longest wait for a part.
const PATIENCE: Duration = Duration::from_secs(3);
/// Anybody may ask, so the parts are asked no more often.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// What was found last, and when.
#[derive(Default)]
pub(super) struct Health(Mutex<Option<(Instant, Vec<Missing>)>>);

/// A part, and what is wrong with it.
type Missing = (String, String);

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Health")]
struct Well {
    /// `ok`.
    status: &'static str,
}

pub(super) fn operations(api: Api) -> Api {
    api.operation(Endpoint::open("/healthz", "health", "Tell that the process is up"), healthy)
        .operation(Endpoint::open("/readyz", "readiness", "Tell whether store, Temporal and workers answer"), ready)
}

async fn healthy(_: Call, (): ()) -> Result<Json<Well>, Problem> {
    Ok(Json(Well { status: "ok" }))
}

async fn ready(call: Call, (): ()) -> Result<Json<Well>, Problem> {
    let missing = missing(&call.shared).await;
    if missing.is_empty() {
        return Ok(Json(Well { status: "ok" }));
    }
    let parts = missing.into_iter().map(|(path, detail)| ProblemPart { path, detail, hint: None });
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not every part that is needed answers");
    Err(problem.with_parts(parts.collect()))
}

async fn missing(shared: &Shared) -> Vec<Missing> {
    let mut last = shared.health.0.lock().await;
    if let Some((asked, missing)) = last.as_ref()
        && asked.elapsed() < ASKED_EVERY
    {
        return missing.clone();
    }
    let store = async {
        match tokio::time::timeout(PATIENCE, shared.store.check()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(("store".to_owned(), error.kind.name().to_owned())),
            Err(_) => Some(("store".to_owned(), "it does not answer".to_owned())),
        }
    };
    let queues = async {
        let Some(client) = shared.link.get() else {
            return vec![Some(("temporal".to_owned(), "it has not been reached yet".to_owned()))];
        };
        let queues = queues(&shared.site.config).into_iter().map(|(queue, kind)| unserved(client, queue, kind));
        futures::future::join_all(queues).await
    };
    let (store, queues) = tokio::join!(store, queues);
    let missing: Vec<_> = store.into_iter().chain(queues.into_iter().flatten()).collect();
    *last = Some((Instant::now(), missing.clone()));
    missing
}

/// The queues that a worker with this configuration serves.
fn queues(config: &Config) -> Vec<(&'static str, TaskQueueType)> {
    let mut queues = vec![
        (QUEUE, TaskQueueType::Workflow),
        (QUEUE, TaskQueueType::Activity),
        (QUEUE_BUYER_GROUPS, TaskQueueType::Activity),
    ];
    queues.extend(Provider::SEARCH.iter().map(|provider| (provider.task_queue(), TaskQueueType::Activity)));
    if config.unipile.api_key.is_some() {
        queues.extend([
            (QUEUE_LONG, TaskQueueType::Workflow),
            (QUEUE_LONG, TaskQueueType::Activity),
            (Provider::Unipile.task_queue(), TaskQueueType::Activity),
        ]);
    }
    queues
}

/// What is wrong with a queue; none when somebody polls it.
async fn unserved(client: &Client, queue: &str, kind: TaskQueueType) -> Option<Missing> {
    let request = DescribeTaskQueueRequest {
        namespace: client.namespace(),
        task_queue: Some(TaskQueue { name: queue.to_owned(), ..TaskQueue::default() }),
        task_queue_type: kind.into(),
        ..DescribeTaskQueueRequest::default()
    };
    let mut service = client.connection().workflow_service();
    let problem = match tokio::time::timeout(PATIENCE, service.describe_task_queue(request.into_request())).await {
        Ok(Ok(described)) if described.get_ref().pollers.is_empty() => "nobody polls it",
        Ok(Ok(_)) => return None,
        Ok(Err(_)) | Err(_) => "Temporal does not answer",
    };
    let kind = if kind == TaskQueueType::Workflow { "workflows" } else { "activities" };
    Some((format!("task_queues.{queue}.{kind}"), problem.to_owned()))
}
