//! Histories of workflows: read, measured, exported, replayed.

use crate::failure::Failure;
use leadflow_workflows::buyer_group::BuyerGroupRefresh;
use leadflow_workflows::campaign::Campaign;
use leadflow_workflows::enrollment::Enrollment;
use leadflow_workflows::lead_search::LeadSearch;
use leadflow_workflows::reply_reading::ReplyReading;
use leadflow_workflows::sender_account::SenderAccount;
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_client::{
    Client, NamespacedClient, WorkflowDescribeOptions, WorkflowExecutionInfo, WorkflowFetchHistoryOptions,
    WorkflowGetResultOptions, WorkflowHistory,
};
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_sdk::error::WorkflowRegistrationError;
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};

/// One run of a workflow.
pub struct RunHistory {
    pub run_id: String,
    pub events: Vec<HistoryEvent>,
}

/// Waits until a workflow has closed, in whatever way. The store knows of the end of a search one step earlier.
pub async fn until_closed(client: &Client, workflow_id: &str) {
    let handle = client.get_workflow_handle::<LeadSearch>(workflow_id);
    // How it ended is in its history.
    drop(handle.get_result(WorkflowGetResultOptions::default()).await);
}

/// All runs of a workflow that continued as new, the first run first.
pub async fn runs(client: &Client, workflow_id: &str) -> Result<Vec<RunHistory>, Failure> {
    let latest = client.get_workflow_handle::<LeadSearch>(workflow_id);
    let described = latest.describe(WorkflowDescribeOptions::default()).await;
    let described = described.map_err(|error| match error {
        WorkflowInteractionError::NotFound(_) => Failure::Failed(format!(
            "Temporal knows no workflow `{workflow_id}`\nhint: histories are kept for the retention of the namespace"
        )),
        error => not_read(&error),
    })?;
    let mut runs = Vec::new();
    let mut run_id = described.run_id().to_owned();
    while !run_id.is_empty() {
        let events = fetch(client, workflow_id, &run_id).into_events().await;
        let events = events.map_err(|error| not_read(&error))?;
        let before = events.first().and_then(|event| match &event.attributes {
            Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
                Some(started.continued_execution_run_id.clone())
            }
            _ => None,
        });
        runs.push(RunHistory { run_id: std::mem::replace(&mut run_id, before.unwrap_or_default()), events });
    }
    runs.reverse();
    Ok(runs)
}

/// The history of one run in the form that the replayer reads.
pub async fn export(client: &Client, workflow_id: &str, run_id: &str) -> Result<Vec<u8>, Failure> {
    let json = fetch(client, workflow_id, run_id).to_json().await;
    json.map_err(|error| not_read(&error))
}

fn not_read(error: &dyn std::fmt::Display) -> Failure {
    Failure::Unavailable(format!(
        "the history could not be read: {error}\nhint: `starter doctor` shows what is missing"
    ))
}

/// Replays an exported history against this program's workflows.
///
/// # Errors
/// When the text is no history, or when the workflow would now do something else.
pub async fn replay(json: &[u8]) -> Result<(), String> {
    let history = WorkflowHistory::from_json(json).map_err(|error| format!("this is no exported history: {error}"))?;
    let options = every_workflow().map_err(|error| error.to_string())?;
    let replayer = WorkflowReplayer::new(options).map_err(|error| error.to_string())?;
    replayer.replay_workflow(history).await.map(drop).map_err(|error| error.to_string())
}

fn every_workflow() -> Result<WorkflowReplayerOptions, WorkflowRegistrationError> {
    Ok(WorkflowReplayerOptions::new()
        .register_workflow::<LeadSearch>()?
        .register_workflow::<Enrollment>()?
        .register_workflow::<Campaign>()?
        .register_workflow::<SenderAccount>()?
        .register_workflow::<ReplyReading>()?
        .register_workflow::<BuyerGroupRefresh>()?
        .build())
}

fn fetch(client: &Client, workflow_id: &str, run_id: &str) -> WorkflowHistory {
    let run =
        WorkflowExecutionInfo::builder().namespace(client.namespace()).workflow_id(workflow_id).run_id(run_id).build();
    run.bind_untyped(client.clone()).fetch_history(WorkflowFetchHistoryOptions::default())
}
