//! Has the workflows look that an event concerns. What is told twice is read twice and does nothing more.

use super::LEASE;
use crate::store::{Store, StoreError};
use crate::telemetry::traces;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use leadflow_clock::Clock;
use leadflow_workflows::enrollment::Enrollment;
use leadflow_workflows::sender_account::SenderAccount;
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_client::grpc::WorkflowService;
use temporalio_client::tonic::{Code, IntoRequest};
use temporalio_client::{Client, NamespacedClient, WorkflowSignalOptions};
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;

/// Signals that are on their way at once.
const AT_ONCE: usize = 16;

/// Reaches workflows by their ids.
pub trait Teller: Send + Sync {
    /// Has a workflow look. One that is not there needs no telling.
    fn look<'a>(&'a self, workflow_id: &'a str) -> BoxFuture<'a, Result<(), TellError>>;

    /// Starts a workflow in this client's namespace. One that runs, or has run to its end, is left alone.
    fn start(&self, request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>>;
}

/// A workflow could not be told; a sweeper does later.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    #[error("a workflow could not be reached: {0}")]
    Temporal(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Teller for Client {
    fn look<'a>(&'a self, workflow_id: &'a str) -> BoxFuture<'a, Result<(), TellError>> {
        async move {
            let options = WorkflowSignalOptions::default();
            let told = if workflow_id.starts_with("account/") {
                let handle = self.get_workflow_handle::<SenderAccount>(workflow_id);
                handle.signal(SenderAccount::look, (), options).await
            } else {
                self.get_workflow_handle::<Enrollment>(workflow_id).signal(Enrollment::look, (), options).await
            };
            match told {
                Ok(()) | Err(WorkflowInteractionError::NotFound(_)) => Ok(()),
                Err(error) => Err(TellError::Temporal(error.to_string())),
            }
        }
        .boxed()
    }

    fn start(&self, mut request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>> {
        async move {
            request.namespace = self.namespace();
            request.identity = self.identity();
            let started = self.connection().clone().start_workflow_execution(request.into_request()).await;
            match started {
                Ok(_) => Ok(()),
                Err(status) if status.code() == Code::AlreadyExists => Ok(()),
                Err(status) => Err(TellError::Temporal(status.code().to_string())),
            }
        }
        .boxed()
    }
}

/// Tells the workflows that an event concerns, and notes that.
pub async fn tell(
    store: &Store,
    teller: &dyn Teller,
    clock: Clock,
    tenant: &str,
    event_id: &str,
    workflow_ids: &[String],
) -> Result<(), TellError> {
    // Collected first: a future that holds a lazy iterator over borrowed ids cannot be sent between threads.
    let looks: Vec<_> = workflow_ids.iter().map(|id| teller.look(id)).collect();
    let told: Vec<_> = futures::stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
    told.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(store.note_told(tenant, event_id, clock.now_ms()).await?)
}

/// Tells those that whoever stored the event did not; how many events there were.
pub async fn tell_leftovers(
    store: &Store,
    teller: &dyn Teller,
    clock: Clock,
    tenant: &str,
) -> Result<usize, TellError> {
    let now_ms = clock.now_ms();
    let lease_ms = clock.virtual_ms(LEASE);
    let left = store.take_untold(tenant, now_ms, now_ms.saturating_add(lease_ms)).await?;
    let count = left.len();
    let tellings: Vec<_> = left
        .iter()
        .map(|left| {
            let telling = tell(store, teller, clock, tenant, &left.id, &left.tell);
            traces::go_on(left.traceparent.as_deref(), "tell", telling).boxed()
        })
        .collect();
    let told: Vec<_> = futures::stream::iter(tellings).buffer_unordered(AT_ONCE).collect().await;
    told.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(count)
}
