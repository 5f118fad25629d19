//! Has the workflows look that an event concerns. What is told twice is read twice and does nothing more.

use super::LEASE;
use crate::store::events::Left;
use crate::store::{Store, StoreError};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use leadflow_clock::Clock;
use leadflow_workflows::enrollment::Enrollment;
use leadflow_workflows::sender_account::SenderAccount;
use std::collections::BTreeSet;
use std::time::Duration;
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_client::grpc::WorkflowService;
use temporalio_client::tonic::{Code, IntoRequest};
use temporalio_client::{Client, NamespacedClient, WorkflowSignalOptions};
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;

/// Signals that are on their way at once.
const AT_ONCE: usize = 32;
/// Events that are taken together.
const BATCH: u16 = 200;
/// How long, in real time, a signal may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

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
    event_id: &str,
    workflow_ids: &[String],
) -> Result<(), TellError> {
    // Collected first: a future that holds a lazy iterator over borrowed ids cannot be sent between threads.
    let looks: Vec<_> = workflow_ids.iter().map(|id| teller.look(id)).collect();
    let told: Vec<_> = futures::stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
    told.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(store.note_told(&[event_id], clock.now_ms()).await?)
}

/// What telling of leftovers came to.
#[derive(Debug)]
pub struct Leftovers {
    /// Events whose workflows are told now.
    pub told: usize,
    /// Why others are not. Nothing is lost by it: they are taken again once the lease is over.
    pub problem: Option<TellError>,
}

/// Tells of all stored events, of every tenant, that nobody has told.
///
/// Signals carry nothing, so a workflow that many events concern looks once for all of them, and what is told in another
/// order is still read in the order in which it was stored. A workflow that cannot be told keeps none of the others
/// waiting.
pub async fn tell_leftovers(store: &Store, teller: &dyn Teller, clock: Clock) -> Result<Leftovers, StoreError> {
    let mut all = Leftovers { told: 0, problem: None };
    loop {
        let now_ms = clock.now_ms();
        let taken = store.take_untold(BATCH, now_ms, now_ms.saturating_add(clock.virtual_ms(LEASE))).await?;
        let is_last = taken.len() < usize::from(BATCH);
        let workflow_ids: BTreeSet<&str> = taken.iter().flat_map(|left| &left.tell).map(String::as_str).collect();
        let reached = reach(teller, &workflow_ids).await;
        let is_told = |left: &&Left| left.tell.iter().all(|id| reached.told.contains(id.as_str()));
        let told: Vec<&str> = taken.iter().filter(is_told).map(|left| left.id.as_str()).collect();
        store.note_told(&told, clock.now_ms()).await?;
        all.told += told.len();
        all.problem = all.problem.or(reached.problem);
        if is_last || told.is_empty() {
            return Ok(all);
        }
    }
}

/// Which workflows were told, and why one was not.
#[derive(Default)]
struct Reached<'a> {
    told: BTreeSet<&'a str>,
    problem: Option<TellError>,
}

/// Gives up when nobody can be told: then it is Temporal that is away, and each try takes its time.
async fn reach<'a>(teller: &dyn Teller, workflow_ids: &BTreeSet<&'a str>) -> Reached<'a> {
    let workflow_ids: Vec<&str> = workflow_ids.iter().copied().collect();
    let mut reached = Reached::default();
    for some in workflow_ids.chunks(AT_ONCE) {
        let looks: Vec<_> = some.iter().map(|id| tokio::time::timeout(ANSWERS_WITHIN, teller.look(id))).collect();
        for (id, told) in some.iter().zip(futures::future::join_all(looks).await) {
            match told {
                Ok(Ok(())) => _ = reached.told.insert(id),
                Ok(Err(error)) => reached.problem = Some(error),
                Err(_) => reached.problem = Some(TellError::Temporal("no answer in time".into())),
            }
        }
        if reached.told.is_empty() {
            break;
        }
    }
    reached
}
