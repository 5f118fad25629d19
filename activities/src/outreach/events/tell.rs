//! Has the workflows look that an event concerns. What is told twice is read twice and does nothing more.

use super::LEASE;
use crate::config::Config;
use crate::outreach::reply_reading::start_of;
use crate::store::events::Left;
use crate::store::{Store, StoreError};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use leadflow_clock::Clock;
use leadflow_workflows::domain::timings::Timings;
use leadflow_workflows::enrollment::Enrollment;
use leadflow_workflows::reply_reading;
use leadflow_workflows::sender_account::SenderAccount;
use std::collections::BTreeSet;
use std::sync::Arc;
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

    /// How patient the reading of a reply by a model is; `None` where no model reads replies.
    fn readings(&self) -> Option<Timings> {
        None
    }
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

/// A Temporal client, of an installation in which a model reads replies.
struct WithReadings {
    client: Client,
    timings: Timings,
}

impl Teller for WithReadings {
    fn look<'a>(&'a self, workflow_id: &'a str) -> BoxFuture<'a, Result<(), TellError>> {
        self.client.look(workflow_id)
    }

    fn start(&self, request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>> {
        self.client.start(request)
    }

    fn readings(&self) -> Option<Timings> {
        Some(self.timings)
    }
}

/// What reaches the workflows of an installation. Without a key of OpenAI, or its stand-in, replies stay unread.
pub fn teller(client: Client, config: &Config) -> Arc<dyn Teller> {
    match config.openai.api_key {
        Some(_) => Arc::new(WithReadings { client, timings: config.timings }),
        None => Arc::new(client),
    }
}

/// Tells one workflow, by what its id begins with.
async fn tell_one(teller: &dyn Teller, tenant: &str, workflow_id: &str) -> Result<(), TellError> {
    match workflow_id.strip_prefix(reply_reading::PREFIX) {
        Some(reply_id) => match teller.readings() {
            Some(timings) => teller.start(start_of(tenant, reply_id, timings)?).await,
            None => Ok(()),
        },
        None => teller.look(workflow_id).await,
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
    let tellings: Vec<_> = workflow_ids.iter().map(|id| tell_one(teller, tenant, id).boxed()).collect();
    let told: Vec<_> = futures::stream::iter(tellings).buffer_unordered(AT_ONCE).collect().await;
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
        let workflows: BTreeSet<Whom<'_>> = taken.iter().flat_map(Left::whom).collect();
        let reached = reach(teller, &workflows).await;
        let is_told = |left: &&Left| left.whom().all(|whom| reached.told.contains(&whom));
        let told: Vec<&str> = taken.iter().filter(is_told).map(|left| left.id.as_str()).collect();
        store.note_told(&told, clock.now_ms()).await?;
        all.told += told.len();
        all.problem = all.problem.or(reached.problem);
        if is_last || told.is_empty() {
            return Ok(all);
        }
    }
}

/// A workflow, after its tenant.
type Whom<'a> = (&'a str, &'a str);

impl Left {
    fn whom(&self) -> impl Iterator<Item = Whom<'_>> {
        self.tell.iter().map(|id| (self.tenant.as_str(), id.as_str()))
    }
}

/// Which workflows were told, and why one was not.
#[derive(Default)]
struct Reached<'a> {
    told: BTreeSet<Whom<'a>>,
    problem: Option<TellError>,
}

/// Gives up when nobody can be told: then it is Temporal that is away, and each try takes its time.
async fn reach<'a>(teller: &dyn Teller, workflows: &BTreeSet<Whom<'a>>) -> Reached<'a> {
    let workflows: Vec<Whom<'a>> = workflows.iter().copied().collect();
    let mut reached = Reached::default();
    for some in workflows.chunks(AT_ONCE) {
        let tellings: Vec<_> = some
            .iter()
            .map(|(tenant, id)| tokio::time::timeout(ANSWERS_WITHIN, tell_one(teller, tenant, id)).boxed())
            .collect();
        for (whom, told) in some.iter().zip(futures::future::join_all(tellings).await) {
            match told {
                Ok(Ok(())) => _ = reached.told.insert(*whom),
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
