//! Has the workflows look that an event concerns. What is told twice is read twice and does nothing more.

use super::LEASE;
use crate::config::Config;
use crate::outreach::reply_reading::start_of;
use crate::store::events::Left;
use crate::store::{Store, StoreError};
use crate::telemetry::traces;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use leadflow_clock::Clock;
use leadflow_workflows::QUEUE;
use leadflow_workflows::buyer_group::{self, BuyerGroupRefresh};
use leadflow_workflows::campaign::{self, Campaign};
use leadflow_workflows::contract::{BuyerGroupInputs, CompanyRef};
use leadflow_workflows::domain::ids::{BusinessId, TenantId};
use leadflow_workflows::domain::timings::Timings;
use leadflow_workflows::enrollment::{self, Enrollment};
use leadflow_workflows::lead_search::{STAGE, TENANT};
use leadflow_workflows::reply_reading;
use leadflow_workflows::sender_account::{self, SenderAccount};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_client::grpc::WorkflowService;
use temporalio_client::tonic::{Code, IntoRequest};
use temporalio_client::{
    Client, NamespacedClient, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowSignalOptions,
    WorkflowStartOptions,
};
use temporalio_common::Priority;
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;
use temporalio_common::search_attributes::SearchAttributes;

/// Signals that are on their way at once.
const AT_ONCE: usize = 16;
/// Events that are taken together.
const BATCH: u16 = 200;
/// How long, in real time, a signal may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Reaches workflows by their ids.
pub trait Teller: Send + Sync {
    /// Has a workflow of a tenant look; whether it is there. One that events begin is started.
    fn look<'a>(&'a self, tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<bool, TellError>>;

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

/// Temporal, for those who tell its workflows.
#[derive(Clone)]
pub struct Workflows {
    pub client: Client,
    /// For the workflows that it starts.
    pub timings: Timings,
    /// Whether a model reads replies.
    pub reads_replies: bool,
}

impl Workflows {
    /// Has the group of a company refreshed, by the workflow that runs or by a new one.
    async fn refresh_group(&self, tenant: &str, workflow_id: &str, business_id: &str) -> Result<(), TellError> {
        let company =
            CompanyRef { tenant: TenantId(tenant.to_owned()), business_id: BusinessId(business_id.to_owned()) };
        let options = WorkflowStartOptions::new(QUEUE, workflow_id)
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .search_attributes(SearchAttributes::new([
                TENANT.value_set(tenant.to_owned()),
                STAGE.value_set("waiting".into()),
            ]))
            .priority(Priority::builder().fairness_key(tenant.to_owned()).build())
            .static_summary("keeps the buyer group of one company up to date")
            .static_details(format!("`starter buyer-group show {business_id}` shows who belongs to it."))
            .build();
        let input = BuyerGroupInputs { company, timings: self.timings };
        let told = self
            .client
            .signal_with_start_workflow(BuyerGroupRefresh::run, input, BuyerGroupRefresh::look, (), options)
            .await;
        told.map(drop).map_err(|error| TellError::Temporal(error.to_string()))
    }
}

impl Teller for Workflows {
    fn look<'a>(&'a self, tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<bool, TellError>> {
        async move {
            let options = WorkflowSignalOptions::default();
            let told = if let Some(business_id) = workflow_id.strip_prefix(buyer_group::PREFIX) {
                return self.refresh_group(tenant, workflow_id, business_id).await.map(|()| true);
            } else if workflow_id.starts_with(sender_account::PREFIX) {
                let handle = self.client.get_workflow_handle::<SenderAccount>(workflow_id);
                handle.signal(SenderAccount::look, (), options).await
            } else if workflow_id.starts_with(campaign::PREFIX) {
                self.client.get_workflow_handle::<Campaign>(workflow_id).signal(Campaign::look, (), options).await
            } else {
                self.client.get_workflow_handle::<Enrollment>(workflow_id).signal(Enrollment::look, (), options).await
            };
            match told {
                Ok(()) => Ok(true),
                Err(WorkflowInteractionError::NotFound(_)) => Ok(false),
                Err(error) => Err(TellError::Temporal(error.to_string())),
            }
        }
        .boxed()
    }

    fn readings(&self) -> Option<Timings> {
        self.reads_replies.then_some(self.timings)
    }

    fn start(&self, mut request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>> {
        async move {
            request.namespace = self.client.namespace();
            request.identity = self.client.identity();
            let started = self.client.connection().clone().start_workflow_execution(request.into_request()).await;
            match started {
                Ok(_) => Ok(()),
                Err(status) if status.code() == Code::AlreadyExists => Ok(()),
                Err(status) => Err(TellError::Temporal(status.code().to_string())),
            }
        }
        .boxed()
    }
}

/// What reaches the workflows of an installation. Without a key of OpenAI, or its stand-in, replies stay unread.
pub fn teller(client: Client, config: &Config) -> Arc<dyn Teller> {
    Arc::new(Workflows { client, timings: config.timings, reads_replies: config.openai.api_key.is_some() })
}

/// Tells one workflow, by what its id begins with. Of an open enrollment it may be gone, which the campaign's next round mends;
/// any other that is not there needs no telling.
pub async fn tell_one(store: &Store, teller: &dyn Teller, tenant: &str, workflow_id: &str) -> Result<(), TellError> {
    if let Some(reply_id) = workflow_id.strip_prefix(reply_reading::PREFIX) {
        if let Some(timings) = teller.readings() {
            teller.start(start_of(tenant, reply_id, timings)?).await?;
        }
    } else if !teller.look(tenant, workflow_id).await?
        && let Some(enrollment_id) = workflow_id.strip_prefix(enrollment::PREFIX)
    {
        store.note_workflow_gone(tenant, enrollment_id).await?;
    }
    tracing::debug!(workflow_id, "told");
    Ok(())
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
    let tellings: Vec<_> = workflow_ids.iter().map(|id| tell_one(store, teller, tenant, id).boxed()).collect();
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
        // Where many events are told of by one signal, it belongs to the trace of the last.
        let workflows: BTreeMap<Whom<'_>, Option<&str>> =
            taken.iter().flat_map(|left| left.whom().map(|whom| (whom, left.traceparent.as_deref()))).collect();
        let reached = reach(store, teller, &workflows).await;
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
async fn reach<'a>(store: &Store, teller: &dyn Teller, workflows: &BTreeMap<Whom<'a>, Option<&str>>) -> Reached<'a> {
    let workflows: Vec<(Whom<'a>, Option<&str>)> = workflows.iter().map(|(whom, trace)| (*whom, *trace)).collect();
    let mut reached = Reached::default();
    for some in workflows.chunks(AT_ONCE) {
        let tellings: Vec<_> = some
            .iter()
            .map(|((tenant, id), traceparent)| {
                let telling = traces::go_on(*traceparent, "tell", tell_one(store, teller, tenant, id));
                tokio::time::timeout(ANSWERS_WITHIN, telling).boxed()
            })
            .collect();
        for ((whom, _), told) in some.iter().zip(futures::future::join_all(tellings).await) {
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
