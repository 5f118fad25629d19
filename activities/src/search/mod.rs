//! The activities of a lead search.
//!
//! Every paid call goes through the [`Gate`]: it is reserved before it is made, its answer is kept, and a repeat of the
//! activity finds what is there already instead of paying again.

mod books;
mod emails;
mod insights;
mod maps;
mod people;
mod personas;
pub(crate) mod questions;
mod reasons;

pub(crate) use emails::{Addressee, address_of, status_of};
pub(crate) use people::RESULTS;
pub(crate) use questions::{Asking, Verdict};

use crate::config::Config;
use crate::gate::{CallOwner, Called, Gate, GateError, PaidCall};
use crate::outreach::events::Teller;
use crate::providers::{Class, Clients, ProviderError};
use crate::store::leads::SearchKey;
use crate::store::searches::Search;
use crate::store::{Store, StoreError};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use leadflow_clock::Clock;
use leadflow_workflows::contract::{
    FinishInput, GiveUpInput, JobInput, Prepared, SearchRef, SearchResult, Wishes, paid, search,
};
use leadflow_workflows::domain::ids::{EnrollmentId, TenantId};
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::search_plan::{Hold, Outcome};
use leadflow_workflows::enrollment;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// Calls that may start at once before the pace of a look-up provider holds.
const BURST: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
/// A look-up that still fails at this attempt, while its neighbours work, is given up.
const ITEM_ATTEMPTS: u32 = 8;

/// Everything that the activities of a search need; built once by the worker, and narrowed to its tenant by each activity.
#[derive(Clone)]
pub struct SearchWork {
    pub store: Store,
    pub gate: Gate,
    pub clients: Arc<Clients>,
    pub config: Arc<Config>,
    pub clock: Clock,
    /// Tells the workflows of enrollments that end with what is found: a Temporal client.
    pub workflows: Arc<dyn Teller>,
    pace: Arc<Pace>,
}

/// Look-up providers get many calls from one activity, so the task queue's limit cannot pace them: this does.
struct Pace {
    serper: DefaultDirectRateLimiter,
    hunter: DefaultDirectRateLimiter,
}

impl SearchWork {
    pub fn new(
        store: Store,
        gate: Gate,
        clients: Clients,
        config: Arc<Config>,
        clock: Clock,
        workflows: Arc<dyn Teller>,
    ) -> Self {
        let limiter = |provider| {
            let per_minute = config.provider(provider).calls_per_minute.max(1);
            let every = Duration::from_mins(1) / per_minute;
            let quota = Quota::with_period(every).expect("a minute divided by a call count is more than nothing");
            RateLimiter::direct(quota.allow_burst(BURST))
        };
        let pace = Arc::new(Pace { serper: limiter(Provider::Serper), hunter: limiter(Provider::Hunter) });
        Self { store, gate, clients: Arc::new(clients), config, clock, workflows, pace }
    }

    /// The same, with the store of the tenant whose search it is.
    fn of(&self, search: &SearchRef) -> Self {
        self.for_tenant(&search.tenant)
    }

    /// The same, with the store of one tenant.
    pub(crate) fn for_tenant(&self, tenant: &TenantId) -> Self {
        let tenant = tenant.as_str();
        Self { store: self.store.for_tenant(tenant), gate: self.gate.for_tenant(tenant), ..self.clone() }
    }
}

/// Activities on the store. Task queue [`leadflow_workflows::QUEUE`].
pub struct SearchActivities(pub Arc<SearchWork>);

#[temporalio_macros::activities]
impl SearchActivities {
    /// Reads the brief and marks the search as running.
    ///
    /// Safe to repeat: the first start time stays, and a search that has ended answers with its result.
    #[activity(definition = search::Prepare)]
    pub async fn prepare(self: Arc<Self>, _ctx: ActivityContext, search: SearchRef) -> Result<Prepared, ActivityError> {
        self.0.of(&search).prepare(&search).await
    }

    /// Reads what a person wants. Safe to repeat: it only shows the answer in the progress row.
    #[activity(definition = search::Look)]
    pub async fn look(self: Arc<Self>, _ctx: ActivityContext, search: SearchRef) -> Result<Wishes, ActivityError> {
        self.0.of(&search).look(&search).await
    }

    /// Writes a lost job down. Safe to repeat: a gap has one row for each stage and item, and the first persona stays.
    #[activity(definition = search::GiveUp)]
    pub async fn give_up(self: Arc<Self>, _ctx: ActivityContext, input: GiveUpInput) -> Result<Outcome, ActivityError> {
        self.0.of(&input.search).give_up(&input).await
    }

    /// Closes the books. Safe to repeat: a search ends once, and a repeat reads how.
    #[activity(definition = search::Finish)]
    pub async fn finish(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: FinishInput,
    ) -> Result<SearchResult, ActivityError> {
        self.0.of(&input.search).finish(&input).await
    }
}

/// Activities with paid calls, for the task queue of one provider each.
pub struct PaidActivities(pub Arc<SearchWork>);

#[temporalio_macros::activities]
impl PaidActivities {
    /// Asks for the business personas of a brief.
    ///
    /// Safe to repeat: the answer is kept under its request, and stored personas stay as they are.
    #[activity(definition = paid::BusinessPersonas)]
    pub async fn business_personas(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: JobInput,
    ) -> Result<Outcome, ActivityError> {
        alive(&ctx, self.0.of(&input.search).business_personas(&ctx, &input)).await
    }

    /// Asks for the roles inside one business persona. Safe to repeat, as the business personas are.
    #[activity(definition = paid::DecisionMakers)]
    pub async fn decision_makers(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: JobInput,
    ) -> Result<Outcome, ActivityError> {
        alive(&ctx, self.0.of(&input.search).decision_makers(&ctx, &input)).await
    }

    /// Asks for the reasons of a batch of leads and scores them.
    ///
    /// Safe to repeat: a lead that has its reason is not asked about again, and its first reason stays.
    #[activity(definition = paid::LeadReasons)]
    pub async fn lead_reasons(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: JobInput,
    ) -> Result<Outcome, ActivityError> {
        alive(&ctx, self.0.of(&input.search).lead_reasons(&ctx, &input)).await
    }

    /// Asks the web for the market of one persona. Safe to repeat: the first answer stays.
    #[activity(definition = paid::MarketFacts)]
    pub async fn market_facts(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: JobInput,
    ) -> Result<Outcome, ActivityError> {
        alive(&ctx, self.0.of(&input.search).market_facts(&ctx, &input)).await
    }

    /// Gives the market facts their structure. Safe to repeat: the answer is kept under its request.
    #[activity(definition = paid::MarketInsight)]
    pub async fn market_insight(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: JobInput,
    ) -> Result<Outcome, ActivityError> {
        alive(&ctx, self.0.of(&input.search).market_insight(&ctx, &input)).await
    }

    /// Fetches pages of the map search and numbers their businesses.
    ///
    /// Safe to repeat: a stored page is not fetched again, and a page numbers its businesses in the transaction that
    /// stores it.
    #[activity(definition = paid::Maps)]
    pub async fn maps(self: Arc<Self>, ctx: ActivityContext, input: JobInput) -> Result<Outcome, ActivityError> {
        alive(&ctx, self.0.of(&input.search).maps(&ctx, &input)).await
    }

    /// Searches the web for the people of a range of businesses and numbers them.
    ///
    /// Safe to repeat: each search is stored as it comes and not made again; people are numbered in one transaction that
    /// passes over businesses that it has seen.
    #[activity(definition = paid::People)]
    pub async fn people(self: Arc<Self>, ctx: ActivityContext, input: JobInput) -> Result<Outcome, ActivityError> {
        alive(&ctx, self.0.of(&input.search).people(&ctx, &input)).await
    }

    /// Looks up work emails for a range of leads. Safe to repeat: a lead that was looked up is not looked up again.
    #[activity(definition = paid::Emails)]
    pub async fn emails(self: Arc<Self>, ctx: ActivityContext, input: JobInput) -> Result<Outcome, ActivityError> {
        alive(&ctx, self.0.of(&input.search).emails(&ctx, &input)).await
    }
}

/// Runs an activity with heartbeats, and drops it when it is cancelled or its worker stops: a paid call that is cut
/// short stays booked at its upper bound.
pub(crate) async fn alive<T>(
    ctx: &ActivityContext,
    work: impl Future<Output = Result<T, ActivityError>>,
) -> Result<T, ActivityError> {
    let every = ctx.info().heartbeat_timeout.map_or(Duration::from_secs(5), |timeout| timeout / 3);
    let mut ticks = tokio::time::interval(every);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = ctx.cancelled() => return Err(ActivityError::cancelled()),
            _ = ticks.tick() => {
                // A heartbeat that cannot be sent is not the work's failure; the server will time the attempt out.
                let _ = ctx.record_heartbeat(()).await;
            }
        }
    }
}

/// What came of a paid call, when it did not fail.
enum Paid<T> {
    Value(T),
    /// It cannot be made now.
    Held(Hold),
}

impl SearchWork {
    /// Sorts out what the gate says: a value, a reason to wait for a person, or an error that the server retries.
    async fn settle<T>(
        &self,
        ctx: &ActivityContext,
        search: &Search,
        stage: &str,
        called: Result<Called<T>, GateError>,
    ) -> Result<Paid<T>, ActivityError> {
        match called {
            Ok(Called::Fresh { value, .. } | Called::Cached { value }) => Ok(Paid::Value(value)),
            Ok(Called::OverBudget { scope, until_ms }) => {
                let sleep_ms = until_ms.map(|until| {
                    let real = self.clock.real_until(self.clock.now_ms(), until).as_millis();
                    // A timer needs a length, also at midnight.
                    u64::try_from(real).unwrap_or(u64::MAX).max(1)
                });
                let hold = Hold::OverBudget { budget: scope.to_string(), sleep_ms };
                self.note_hold(search, stage, &hold).await?;
                Ok(Paid::Held(hold))
            }
            Ok(Called::BreakerOpen { retry_after }) => Err(later("circuit_open", retry_after)),
            Ok(Called::Elsewhere { retry_after }) => Err(later("answer_pending", retry_after)),
            Err(GateError::Provider(error)) if error.needs_a_person() => {
                let hold = Hold::Refused { provider: error.provider, problem: error.kind.to_owned() };
                self.note_hold(search, stage, &hold).await?;
                Ok(Paid::Held(hold))
            }
            Err(GateError::Provider(error)) => {
                self.note(search, stage, &error).await?;
                Err(error.into_failure(ctx.info().attempt, &self.config.timings))
            }
            Err(GateError::Store(error)) => Err(store_failure(error)),
        }
    }

    async fn note_hold(&self, search: &Search, stage: &str, hold: &Hold) -> Result<(), ActivityError> {
        let phase = match hold {
            Hold::OverBudget { .. } => "over_budget",
            Hold::Refused { .. } => "refused",
        };
        self.store
            .note_problem(&search.tenant, &search.id, stage, &hold.describe(), Some(phase), self.clock.now_ms())
            .await
            .map_err(store_failure)
    }

    async fn note(&self, search: &Search, stage: &str, error: &ProviderError) -> Result<(), ActivityError> {
        let problem = format!("{}: {}", error.provider, error.kind.replace('_', " "));
        self.store
            .note_problem(&search.tenant, &search.id, stage, &problem, None, self.clock.now_ms())
            .await
            .map_err(store_failure)
    }

    /// Has the workflows of ended enrollments see that. They would by themselves when they wake next, so it is no failure when
    /// Temporal is away.
    pub(crate) async fn tell_ended(&self, tenant: &str, ended: &[String]) {
        for id in ended {
            let workflow_id = enrollment::workflow_id(&EnrollmentId(id.clone()));
            if let Err(error) = self.workflows.look(tenant, &workflow_id).await {
                tracing::warn!(workflow_id, %error, "a workflow was not told that its enrollment has ended");
            }
        }
    }

    async fn load(&self, search: &SearchRef) -> Result<Search, ActivityError> {
        let found =
            self.store.search(search.tenant.as_str(), search.search_id.as_str()).await.map_err(store_failure)?;
        found.ok_or_else(|| fault("unknown_search", "the store does not hold this search"))
    }
}

/// On whose account a paid call is made.
#[derive(Clone, Copy)]
pub(crate) struct Payer<'a> {
    pub(crate) tenant: &'a str,
    /// The search, or what has a budget like one.
    pub(crate) search_id: &'a str,
    /// Within which equal requests share their answer.
    pub(crate) scope: &'a str,
    /// The lead that the call serves alone, if it does.
    pub(crate) lead: Option<&'a str>,
    pub(crate) owner: CallOwner<'a>,
}

impl<'a> Payer<'a> {
    fn call(
        self,
        provider: Provider,
        operation: &'a str,
        repair_round: u32,
        request: &'a [u8],
        bound: MicroUsd,
    ) -> PaidCall<'a> {
        let Self { tenant, search_id, scope, lead, owner } = self;
        PaidCall { tenant, search_id, lead, provider, operation, scope, repair_round, request, bound, owner }
    }
}

/// Who makes a call: a later attempt of the same activity takes over what an earlier one left behind.
pub(crate) fn owner(ctx: &ActivityContext) -> CallOwner<'_> {
    let info = ctx.info();
    CallOwner {
        workflow_id: info.workflow_id.as_deref().unwrap_or_default(),
        run_id: info.workflow_run_id.as_deref().unwrap_or_default(),
        activity_id: &info.activity_id,
        attempt: info.attempt,
    }
}

/// Whether a provider refused this one item, and will answer others.
fn refused_item(error: &ProviderError) -> bool {
    error.class == Class::Never && !error.needs_a_person()
}

fn key(search: &Search) -> SearchKey<'_> {
    SearchKey { tenant: &search.tenant, id: &search.id }
}

/// The store is down or busy: the server tries again.
#[expect(clippy::needless_pass_by_value, reason = "it is the function of every `map_err` on a store")]
pub(crate) fn store_failure(error: StoreError) -> ActivityError {
    ApplicationFailure::builder(error.to_string()).type_name("store_unavailable".to_string()).build().into()
}

/// A provider that the configuration does not set up; a person can mend it while the search waits.
fn not_set_up(provider: Provider) -> Hold {
    Hold::Refused { provider, problem: "not_set_up".into() }
}

/// Something that cannot happen unless this program is wrong.
pub(crate) fn fault(type_name: &str, message: &str) -> ActivityError {
    ApplicationFailure::builder(format!("{message}; this is a fault of leadflow"))
        .type_name(type_name.to_string())
        .non_retryable(true)
        .build()
        .into()
}

pub(crate) fn later(type_name: &str, retry_after: Duration) -> ActivityError {
    ApplicationFailure::builder(type_name.replace('_', " "))
        .type_name(type_name.to_string())
        .next_retry_delay(retry_after)
        .build()
        .into()
}
