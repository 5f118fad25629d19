//! The connection to Temporal. It may come after the start: events are taken while Temporal is away.

use crate::failure::Failure;
use futures::FutureExt;
use futures::future::BoxFuture;
use leadflow_activities::config::Config;
use leadflow_activities::outreach::events::{TellError, Teller, Workflows};
use leadflow_workflows::domain::timings::Timings;
use std::sync::{Arc, OnceLock};
use temporalio_client::Client;
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;

/// A client, once there is one.
#[derive(Clone, Default)]
pub struct Link(Arc<OnceLock<Client>>);

impl Link {
    /// The first client stays.
    pub fn set(&self, client: Client) {
        let _ = self.0.set(client);
    }

    pub fn get(&self) -> Option<&Client> {
        self.0.get()
    }

    /// # Errors
    /// Temporal has not been reached yet.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let away = || Failure::Unavailable("Temporal has not been reached since the start".into());
        self.get().cloned().ok_or_else(away)
    }

    /// What tells the workflows of an installation, as soon as it can.
    pub fn teller(&self, config: &Config) -> Arc<dyn Teller> {
        let reads_replies = config.openai.api_key.is_some();
        Arc::new(Late { link: self.clone(), timings: config.timings, reads_replies })
    }
}

impl From<Client> for Link {
    fn from(client: Client) -> Self {
        let link = Self::default();
        link.set(client);
        link
    }
}

struct Late {
    link: Link,
    timings: Timings,
    reads_replies: bool,
}

impl Late {
    fn workflows(&self) -> Result<Workflows, TellError> {
        let client = self.link.client().map_err(|_| TellError::Temporal("no connection yet".into()))?;
        Ok(Workflows { client, timings: self.timings, reads_replies: self.reads_replies })
    }
}

impl Teller for Late {
    fn look<'a>(&'a self, tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<bool, TellError>> {
        async move { self.workflows()?.look(tenant, workflow_id).await }.boxed()
    }

    fn start(&self, request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>> {
        async move { self.workflows()?.start(request).await }.boxed()
    }

    fn readings(&self) -> Option<Timings> {
        self.reads_replies.then_some(self.timings)
    }
}
