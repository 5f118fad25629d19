//! Has the workflows look that an event concerns. What is told twice is read twice and does nothing more.

use super::LEASE;
use crate::store::{Store, StoreError};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use leadflow_clock::Clock;
use leadflow_workflows::QUEUE;
use leadflow_workflows::buyer_group::{self, BuyerGroupRefresh};
use leadflow_workflows::contract::{BuyerGroupInputs, CompanyRef};
use leadflow_workflows::domain::ids::{BusinessId, TenantId};
use leadflow_workflows::domain::timings::Timings;
use leadflow_workflows::enrollment::Enrollment;
use leadflow_workflows::lead_search::{STAGE, TENANT};
use leadflow_workflows::sender_account::SenderAccount;
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

/// Reaches workflows by their ids.
pub trait Teller: Send + Sync {
    /// Has a workflow of a tenant look. One that is not there needs no telling, unless events begin it: then it is started.
    fn look<'a>(&'a self, tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<(), TellError>>;

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

/// Temporal, for those who tell its workflows.
#[derive(Clone)]
pub struct Workflows {
    pub client: Client,
    /// For the workflows that it starts.
    pub timings: Timings,
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
    fn look<'a>(&'a self, tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<(), TellError>> {
        async move {
            let options = WorkflowSignalOptions::default();
            let told = if let Some(business_id) = workflow_id.strip_prefix(buyer_group::PREFIX) {
                return self.refresh_group(tenant, workflow_id, business_id).await;
            } else if workflow_id.starts_with("account/") {
                let handle = self.client.get_workflow_handle::<SenderAccount>(workflow_id);
                handle.signal(SenderAccount::look, (), options).await
            } else {
                self.client.get_workflow_handle::<Enrollment>(workflow_id).signal(Enrollment::look, (), options).await
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
    let looks: Vec<_> = workflow_ids.iter().map(|id| teller.look(tenant, id)).collect();
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
    let tellings: Vec<_> =
        left.iter().map(|(id, workflow_ids)| tell(store, teller, clock, tenant, id, workflow_ids).boxed()).collect();
    let told: Vec<_> = futures::stream::iter(tellings).buffer_unordered(AT_ONCE).collect().await;
    told.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(count)
}
