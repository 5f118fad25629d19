//! Starts searches and speaks to running ones.

use crate::failure::Failure;
use crate::watch::workflow_has_ended;
use leadflow_activities::config::Config;
use leadflow_activities::gate::{BudgetScope, Gate};
use leadflow_activities::store::Store;
use leadflow_activities::store::searches::{NewSearch, Search};
use leadflow_clock::Clock;
use leadflow_workflows::QUEUE;
use leadflow_workflows::contract::SearchRef;
use leadflow_workflows::domain::brief::Brief;
use leadflow_workflows::domain::exclude::Exclusion;
use leadflow_workflows::domain::ids::{SearchId, TenantId};
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::lead_search::{
    EVENTS_PER_RUN, LeadSearch, LeadSearchInput, PROGRESS, STAGE, TENANT, workflow_id,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use temporalio_client::errors::{WorkflowInteractionError, WorkflowStartError};
use temporalio_client::{
    Client, WorkflowCancelOptions, WorkflowDescribeOptions, WorkflowSignalOptions, WorkflowStartOptions,
};
use temporalio_common::protos::temporal::api::enums::v1::PendingActivityState;
use temporalio_common::search_attributes::SearchAttributes;
use uuid::Uuid;

/// Calls in flight are cut short and the books closed well within this.
const CANCEL_LIMIT: Duration = Duration::from_secs(15);

/// What a search starts with.
#[derive(Clone, Debug)]
pub struct Start {
    /// A new one without. With the same id again it goes on where an attempt was cut off.
    pub id: Option<SearchId>,
    pub brief: Brief,
    pub exclusions: Vec<Exclusion>,
    /// [`EVENTS_PER_RUN`], or less in tests.
    pub events_per_run: u32,
}

impl Start {
    pub fn new(brief: Brief) -> Self {
        Self { id: None, brief, exclusions: Vec::new(), events_per_run: EVENTS_PER_RUN }
    }
}

/// The parts of an installation that can start searches and steer them.
#[derive(Clone)]
pub struct Launcher {
    pub config: Config,
    pub store: Store,
    pub gate: Gate,
    pub client: Client,
    pub clock: Clock,
}

impl Launcher {
    /// Stores a brief and starts its workflow. When the workflow cannot be started, nothing stays behind.
    pub async fn start(&self, start: Start) -> Result<SearchId, Failure> {
        self.check_providers(&start.brief)?;
        let search_id = start.id.unwrap_or_else(|| SearchId(Uuid::now_v7().to_string()));
        let tenant = TenantId(self.config.tenant.clone());
        let brief = start.brief;
        let summary = format!("{}: {}", brief.name, wanted(&brief));
        let details = format!(
            "Looks for {} in {}.\n\n`starter search show {search_id}` shows what it found.",
            brief.ideal.industries.join(", "),
            brief.places.join("; ")
        );
        let budget = brief.want.budget_usd.and_then(MicroUsd::from_usd);
        let new = NewSearch {
            id: search_id.0.clone(),
            tenant: tenant.0.clone(),
            source: source(&self.config),
            brief,
            exclusions: start.exclusions,
            now_ms: self.clock.now_ms(),
        };
        self.store.create_search(&new).await?;
        if let Some(limit) = budget {
            let scope = BudgetScope::Search { tenant: tenant.0.clone(), search_id: search_id.0.clone() };
            self.gate.set_limit(&scope, limit).await?;
        }
        let input = LeadSearchInput {
            search: SearchRef { tenant: tenant.clone(), search_id: search_id.clone() },
            timings: self.config.timings,
            events_per_run: start.events_per_run,
            state: None,
        };
        let options = WorkflowStartOptions::new(QUEUE, workflow_id(&search_id))
            .search_attributes(SearchAttributes::new([
                TENANT.value_set(tenant.0.clone()),
                STAGE.value_set("started".into()),
                PROGRESS.value_set(0),
            ]))
            .static_summary(summary)
            .static_details(details)
            .build();
        let started = self.client.start_workflow(LeadSearch::run, input, options).await;
        if let Err(error) = started
            && !matches!(error, WorkflowStartError::AlreadyStarted { .. })
        {
            self.store.discard_search(&tenant.0, &search_id.0).await?;
            return Err(Failure::Unavailable(format!(
                "the search could not be started: {error}\nhint: `starter doctor` shows what is missing; nothing was stored or paid"
            )));
        }
        Ok(search_id)
    }

    /// Tells a running search to read what is wanted of it. A search whose workflow has ended needs no telling.
    pub async fn look(&self, search: &Search) -> Result<(), Failure> {
        let handle = self.client.get_workflow_handle::<LeadSearch>(workflow_id(&SearchId(search.id.clone())));
        match handle.signal(LeadSearch::look, (), WorkflowSignalOptions::default()).await {
            Ok(()) | Err(WorkflowInteractionError::NotFound(_)) => Ok(()),
            Err(error) => Err(Failure::Unavailable(format!(
                "it is stored, but search {} could not be told: {error}\nhint: the same command again tells it",
                search.id
            ))),
        }
    }

    /// Has a search make no new calls, or go on.
    pub async fn wish(&self, search: &Search, pause: bool) -> Result<(), Failure> {
        if !self.store.wish(&search.tenant, &search.id, pause).await? {
            return Err(ended_before(search));
        }
        self.look(search).await
    }

    /// Ends a search; what was found stays. `false` when it ends only as soon as a worker takes it up.
    pub async fn end(&self, search: &Search, reason: &str) -> Result<bool, Failure> {
        if search.is_finished() {
            return Err(ended_before(search));
        }
        self.cancel(search, reason).await?;
        self.ended(search).await
    }

    /// Waits until the search has closed its books. Where no workflow is left to close them, it is done here.
    async fn ended(&self, search: &Search) -> Result<bool, Failure> {
        let Self { store, gate, client, clock, .. } = self;
        let (tenant, id) = (search.tenant.as_str(), search.id.as_str());
        let begun = Instant::now();
        let mut looks = tokio::time::interval(Duration::from_millis(200));
        while begun.elapsed() < CANCEL_LIMIT {
            looks.tick().await;
            // In this order: a workflow ends after its books are closed.
            let workflow_ended = workflow_has_ended(client, id).await;
            if store.search(tenant, id).await?.is_none_or(|search| search.is_finished()) {
                return Ok(true);
            }
            if workflow_ended {
                gate.presume_open(tenant, id).await?;
                store.finish_search(tenant, id, true, clock.now_ms()).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Cancels a search; what was found stays.
    pub async fn cancel(&self, search: &Search, reason: &str) -> Result<(), Failure> {
        let handle = self.client.get_workflow_handle::<LeadSearch>(workflow_id(&SearchId(search.id.clone())));
        let options = WorkflowCancelOptions::builder().reason(reason.to_owned()).build();
        match handle.cancel(options).await {
            Ok(()) | Err(WorkflowInteractionError::NotFound(_)) => Ok(()),
            Err(error) => Err(Failure::Unavailable(format!(
                "search {} could perhaps not be cancelled: {error}\nhint: the same command again makes sure",
                search.id
            ))),
        }
    }

    fn check_providers(&self, brief: &Brief) -> Result<(), Failure> {
        let needed = [
            (Provider::Openai, true),
            (Provider::Serper, true),
            (Provider::Gemini, brief.want.insights),
            (Provider::Hunter, brief.want.email),
        ];
        let missing: Vec<String> = needed
            .into_iter()
            .filter(|(provider, needed)| *needed && self.config.provider(*provider).api_key.is_none())
            .map(|(provider, _)| format!("{provider} (set {}_API_KEY)", provider.name().to_uppercase()))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "this brief needs providers that are not set up: {}\nhint: set their keys, or try everything on made-up data \
             with `starter dev`",
            missing.join(", ")
        )))
    }
}

pub(crate) fn ended_before(search: &Search) -> Failure {
    Failure::Refused(format!(
        "search {} has ended already\nhint: `starter search show {0}` tells how, `starter search leads {0}` lists what it \
         found",
        search.id
    ))
}

/// `sandbox` as soon as any provider of a search is a stand-in: made-up data never passes for real.
pub fn source(config: &Config) -> &'static str {
    if Provider::SEARCH.iter().any(|provider| config.provider(*provider).sandbox) { "sandbox" } else { "live" }
}

fn wanted(brief: &Brief) -> String {
    match brief.want.leads {
        Some(leads) => format!("{leads} leads"),
        None => "all leads that can be found".into(),
    }
}

/// What the activities of a search wait for, in words: their provider's rate limit, or a retry. Empty for nothing.
pub async fn waits(client: &Client, search_id: &SearchId) -> String {
    let handle = client.get_workflow_handle::<LeadSearch>(workflow_id(search_id));
    let Ok(described) = handle.describe(WorkflowDescribeOptions::default()).await else { return String::new() };
    let (mut limited, mut again) = (BTreeMap::new(), 0);
    for pending in &described.raw().pending_activities {
        if pending.state() != PendingActivityState::Scheduled {
            continue;
        }
        let provider = pending.activity_type.as_ref().and_then(|kind| kind.name.split('.').next());
        match pending.attempt {
            ..=1 => *limited.entry(provider.unwrap_or_default().to_owned()).or_insert(0) += 1,
            _ => again += 1,
        }
    }
    let mut waits: Vec<String> =
        limited.into_iter().map(|(provider, calls)| format!("{calls} wait for the {provider} limit")).collect();
    if again > 0 {
        waits.push(format!("{again} wait to try again"));
    }
    waits.join(", ")
}
