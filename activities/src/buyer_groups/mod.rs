//! The activities of a buyer group's refresh: company, people, roles, contacts, log.
//!
//! Every stage leaves what it knows in the store and goes on from what is there, so a repeat buys nothing twice and a stage
//! that is lost costs only what it would have brought.

mod contacts;
mod people;
mod roles;

use crate::gate::{BudgetScope, Called, GateError};
use crate::outreach::events::Teller;
use crate::providers::Class;
use crate::search::{Payer, SearchWork, alive, fault, later, owner, store_failure};
use crate::store::buyer_groups::{Company, EndedRefresh, OpenedRefresh};
use leadflow_workflows::contract::{
    CompanyRef, FinishRefresh, Opened, RefreshDone, RefreshRef, StageDone, buyer_group, buyer_group_paid,
};
use std::sync::Arc;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// Everything that a refresh needs; built once by the worker, and narrowed to its tenant by each activity.
pub struct BuyerGroupWork {
    /// Store, gate, clients, clock and configuration, with the pace of the look-up providers.
    pub search: Arc<SearchWork>,
    /// Tells the workflows that a confirmed hint concerns: a Temporal client.
    pub workflows: Arc<dyn Teller>,
}

/// Activities on the store: `open` for its own task queue, `finish` for [`leadflow_workflows::QUEUE`].
pub struct BuyerGroupActivities(pub Arc<BuyerGroupWork>);

#[temporalio_macros::activities]
impl BuyerGroupActivities {
    /// Opens a refresh with all changes so far, if one is due.
    ///
    /// Safe to repeat: a company has one open refresh, which a repeat finds.
    #[activity(definition = buyer_group::Open)]
    pub async fn open(self: Arc<Self>, _ctx: ActivityContext, company: CompanyRef) -> Result<Opened, ActivityError> {
        self.0.of(&company).open(company).await
    }

    /// Closes the books of a refresh and writes its log.
    ///
    /// Safe to repeat: a refresh ends once, and a repeat reads how.
    #[activity(definition = buyer_group::Finish)]
    pub async fn finish(
        self: Arc<Self>,
        _ctx: ActivityContext,
        input: FinishRefresh,
    ) -> Result<RefreshDone, ActivityError> {
        self.0.of(&input.refresh.company).finish(&input).await
    }
}

/// The stages with paid calls, for the task queue of one provider each.
pub struct BuyerGroupPaidActivities(pub Arc<BuyerGroupWork>);

#[temporalio_macros::activities]
impl BuyerGroupPaidActivities {
    /// Finds the people of the company and looks into the hints about them.
    ///
    /// Safe to repeat: a search is stored as it comes and not made again, a person is once in a group, and a hint is
    /// decided once; who is to hear of that is told again.
    #[activity(definition = buyer_group_paid::People)]
    pub async fn people(
        self: Arc<Self>,
        ctx: ActivityContext,
        refresh: RefreshRef,
    ) -> Result<StageDone, ActivityError> {
        alive(&ctx, self.0.of(&refresh.company).people(&ctx, &refresh)).await
    }

    /// Gives the people their roles. Safe to repeat: a title that a model has been asked about is not asked about again.
    #[activity(definition = buyer_group_paid::Roles)]
    pub async fn roles(self: Arc<Self>, ctx: ActivityContext, refresh: RefreshRef) -> Result<StageDone, ActivityError> {
        alive(&ctx, self.0.of(&refresh.company).roles(&ctx, &refresh)).await
    }

    /// Looks up the addresses of those who matter. Safe to repeat: a member is looked up once.
    #[activity(definition = buyer_group_paid::Contacts)]
    pub async fn contacts(
        self: Arc<Self>,
        ctx: ActivityContext,
        refresh: RefreshRef,
    ) -> Result<StageDone, ActivityError> {
        alive(&ctx, self.0.of(&refresh.company).contacts(&ctx, &refresh)).await
    }
}

/// What came of a paid call that did not fail.
enum Bought<T> {
    Value(T),
    /// The refresh goes on without; a text without personal data.
    Without(Missing),
}

/// What a stage goes on without.
#[derive(Clone, Debug)]
struct Missing {
    problem: String,
    can_mend_itself: bool,
}

impl From<Missing> for StageDone {
    fn from(Missing { problem, can_mend_itself }: Missing) -> Self {
        Self { problem: Some(problem), can_mend_itself }
    }
}

impl BuyerGroupWork {
    /// The same, with the store of the tenant whose company it is.
    fn of(&self, company: &CompanyRef) -> Self {
        Self { search: Arc::new(self.search.for_tenant(&company.tenant)), workflows: Arc::clone(&self.workflows) }
    }

    async fn open(&self, company: CompanyRef) -> Result<Opened, ActivityError> {
        let SearchWork { store, gate, config, clock, .. } = &*self.search;
        let (tenant, business_id) = (company.tenant.as_str(), company.business_id.as_str());
        if store.company(tenant, business_id).await.map_err(store_failure)?.is_none() {
            return Ok(Opened::Nothing);
        }
        let rest_ms = i64::try_from(config.timings.buyer_group_rest_ms).unwrap_or(i64::MAX);
        let now_ms = clock.now_ms();
        let opened = store.open_refresh(tenant, business_id, rest_ms, now_ms).await.map_err(store_failure)?;
        Ok(match opened {
            OpenedRefresh::Nothing => Opened::Nothing,
            OpenedRefresh::Wait { until_ms } => Opened::Wait { sleep_ms: self.sleep_ms(now_ms, until_ms) },
            OpenedRefresh::Refresh(refresh_id) => {
                let scope = BudgetScope::Search { tenant: tenant.to_owned(), search_id: refresh_id.clone() };
                gate.set_limit(&scope, config.buyer_groups.refresh).await.map_err(store_failure)?;
                Opened::Refresh(RefreshRef { company, refresh_id })
            }
        })
    }

    async fn finish(&self, input: &FinishRefresh) -> Result<RefreshDone, ActivityError> {
        let SearchWork { store, gate, config, clock, .. } = &*self.search;
        let (tenant, id) = (input.refresh.company.tenant.as_str(), input.refresh.refresh_id.as_str());
        gate.presume_open(tenant, id).await.map_err(store_failure)?;
        let problems: Vec<String> =
            input.problems.iter().map(|lost| format!("{}: {}", lost.stage, lost.problem.replace('_', " "))).collect();
        let again = input.problems.iter().any(|lost| lost.can_mend_itself);
        let ended = EndedRefresh {
            tenant,
            business_id: input.refresh.company.business_id.as_str(),
            refresh_id: id,
            problems: &problems,
            again,
            now_ms: clock.now_ms(),
        };
        let (members, changes, started_at_ms) = store.end_refresh(&ended).await.map_err(store_failure)?;
        gate.forget_answers(tenant, id).await.map_err(store_failure)?;
        let rest_ms = i64::try_from(config.timings.buyer_group_rest_ms).unwrap_or(i64::MAX);
        let sleep_ms = self.sleep_ms(clock.now_ms(), started_at_ms.saturating_add(rest_ms));
        let problems = u32::try_from(problems.len()).unwrap_or(u32::MAX);
        Ok(RefreshDone { members, changes, problems, sleep_ms, again })
    }

    /// Real milliseconds until an instant, and a moment more, so that nobody wakes just before it.
    fn sleep_ms(&self, now_ms: i64, until_ms: i64) -> u64 {
        let real_ms = self.search.clock.real_until(now_ms, until_ms).as_millis();
        u64::try_from(real_ms).unwrap_or(u64::MAX).saturating_add(1)
    }

    async fn company(&self, refresh: &RefreshRef) -> Result<Company, ActivityError> {
        let CompanyRef { tenant, business_id } = &refresh.company;
        let found = self.search.store.company(tenant.as_str(), business_id.as_str()).await.map_err(store_failure)?;
        found.ok_or_else(|| fault("unknown_company", "the store does not hold this company"))
    }

    /// What a paid call comes to. One that only a person, or another day, can make possible is done without; one that may
    /// succeed soon is for the server to retry.
    fn bought<T>(
        &self,
        ctx: &ActivityContext,
        called: Result<Called<T>, GateError>,
    ) -> Result<Bought<T>, ActivityError> {
        let without = |problem: String, can_mend_itself| Ok(Bought::Without(Missing { problem, can_mend_itself }));
        match called {
            Ok(Called::Fresh { value, .. } | Called::Cached { value }) => Ok(Bought::Value(value)),
            // A daily budget is new tomorrow; the one of this refresh is new with the next.
            Ok(Called::OverBudget { scope, .. }) => {
                let is_ours = matches!(scope, BudgetScope::Search { .. });
                let budget = if is_ours { "the refresh".to_owned() } else { scope.to_string() };
                without(format!("over the budget of {budget}"), !is_ours)
            }
            Ok(Called::BreakerOpen { retry_after }) => Err(later("circuit_open", retry_after)),
            Ok(Called::Elsewhere { retry_after }) => Err(later("answer_pending", retry_after)),
            Err(GateError::Provider(error)) if error.needs_a_person() || error.class == Class::Never => {
                without(format!("{} refuses: {}", error.provider, error.kind), false)
            }
            Err(GateError::Provider(error)) => Err(error.into_failure(ctx.info().attempt, &self.search.config.timings)),
            Err(GateError::Store(error)) => Err(store_failure(error)),
        }
    }
}

fn payer<'a>(ctx: &'a ActivityContext, refresh: &'a RefreshRef) -> Payer<'a> {
    let id = refresh.refresh_id.as_str();
    Payer { tenant: refresh.company.tenant.as_str(), search_id: id, scope: id, lead: None, owner: owner(ctx) }
}

fn not_set_up(provider: leadflow_workflows::domain::provider::Provider) -> Missing {
    Missing { problem: format!("{provider} is not set up"), can_mend_itself: false }
}
