//! The activities of outreach, and what they all need.

use super::events::Teller;
use crate::config::Config;
use crate::gate::Gate;
use crate::senders::{SendError, Sender};
use crate::store::touches::RESERVATION_LAPSES_MS;
use crate::store::{Backend, Store, StoreError};
use leadflow_clock::Clock;
use leadflow_workflows::contract::{
    AccountAdvice, AccountRef, Advice, CampaignAdvice, CampaignRef, EnrollmentRef, TouchInput, outreach, unipile,
};
use leadflow_workflows::domain::ids::TenantId;
use sqlx::AnyConnection;
use std::sync::Arc;
use std::time::Duration;
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// Everything that the activities of outreach need; built once by the worker, and narrowed to its tenant by each activity.
#[derive(Clone)]
pub struct OutreachWork {
    pub store: Store,
    pub gate: Gate,
    pub sender: Arc<dyn Sender>,
    pub config: Arc<Config>,
    pub clock: Clock,
    /// Starts and tells the workflows of enrollments: a Temporal client.
    pub workflows: Arc<dyn Teller>,
}

/// Activities on the store and on Temporal. Task queue [`leadflow_workflows::QUEUE_LONG`].
pub struct OutreachActivities(pub Arc<OutreachWork>);

#[temporalio_macros::activities]
impl OutreachActivities {
    /// Decides and reserves the next step of an enrollment.
    ///
    /// Safe to repeat: the decision is a function of what is stored, and a step has one reservation, which is moved.
    #[activity(definition = outreach::Advance)]
    pub async fn advance(
        self: Arc<Self>,
        _ctx: ActivityContext,
        enrollment: EnrollmentRef,
    ) -> Result<Advice, ActivityError> {
        self.0.of(&enrollment.tenant).advance(&enrollment).await
    }

    /// Starts the day's enrollments of a campaign and restarts forgotten ones.
    ///
    /// Safe to repeat: a lead has one enrollment in a campaign, an enrollment one workflow, and both are counted before more
    /// are begun.
    #[activity(definition = outreach::Round)]
    pub async fn round(
        self: Arc<Self>,
        _ctx: ActivityContext,
        campaign: CampaignRef,
    ) -> Result<CampaignAdvice, ActivityError> {
        self.0.of(&campaign.tenant).round(&campaign).await
    }
}

/// Activities that call Unipile, for its task queue.
pub struct UnipileActivities(pub Arc<OutreachWork>);

#[temporalio_macros::activities]
impl UnipileActivities {
    /// Makes the contact of one step, or finds out what became of it.
    ///
    /// Safe to repeat: the contact is claimed under the lock of its person before the call. A repeat finds the claim and does
    /// not call: first it waits until the call has surely ended and shows, then it asks the provider. Only what the provider
    /// itself makes single (an email with its key, an invitation) is ever sent again.
    #[activity(definition = unipile::Touch)]
    pub async fn touch(self: Arc<Self>, _ctx: ActivityContext, input: TouchInput) -> Result<Advice, ActivityError> {
        self.0.of(&input.enrollment.tenant).touch(&input).await
    }

    /// Reads what happened on an account.
    ///
    /// Safe to repeat: each fact is stored under the provider's id of it, once.
    #[activity(definition = unipile::ReadAccount)]
    pub async fn read_account(
        self: Arc<Self>,
        ctx: ActivityContext,
        account: AccountRef,
    ) -> Result<AccountAdvice, ActivityError> {
        self.0.of(&account.tenant).read_account(&ctx, &account).await
    }
}

impl OutreachWork {
    /// The same, with the store of one tenant.
    fn of(&self, tenant: &TenantId) -> Self {
        let tenant = tenant.as_str();
        Self { store: self.store.for_tenant(tenant), gate: self.gate.for_tenant(tenant), ..self.clone() }
    }

    /// The present instant: of the database where several machines share one, so that they agree on what is due.
    pub(super) async fn now_ms(&self, transaction: &mut AnyConnection) -> Result<i64, StoreError> {
        now_ms(&self.store, self.clock, transaction).await
    }

    /// How long a reservation outlives its instant: on a fast clock longer, because a worker takes real time to come.
    pub(super) fn lapse_ms(&self) -> i64 {
        RESERVATION_LAPSES_MS + self.virtual_ms(4 * self.config.timings.touch_activity_ms)
    }

    /// How much time passes on the installation's clock while a call may take this long.
    pub(super) fn virtual_ms(&self, real_ms: u64) -> i64 {
        self.clock.virtual_ms(Duration::from_millis(real_ms))
    }

    /// Real milliseconds from `now_ms` to `at_ms`; never zero when there is something to wait for.
    pub(super) fn sleep_ms(&self, now_ms: i64, at_ms: i64) -> u64 {
        let real_ms = u64::try_from(self.clock.real_until(now_ms, at_ms).as_millis()).unwrap_or(u64::MAX);
        if at_ms > now_ms { real_ms.max(1) } else { 0 }
    }
}

/// As [`OutreachWork::now_ms`], for whoever has only parts of it.
pub(super) async fn now_ms(store: &Store, clock: Clock, transaction: &mut AnyConnection) -> Result<i64, StoreError> {
    if store.backend() == Backend::Postgres && clock.is_system() {
        let now = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
        return Ok(sqlx::query_scalar(now).fetch_one(transaction).await?);
    }
    Ok(clock.now_ms())
}

/// The failure of an activity whose store did not work: tried again.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn store_failure(error: StoreError) -> ActivityError {
    let kind = error.kind.name().to_owned();
    ApplicationFailure::builder(error.to_string()).type_name(kind).build().into()
}

/// A question to the provider that has no answer yet: tried again.
pub(super) fn send_failure(error: SendError) -> ActivityError {
    let kind = error.kind.clone();
    ApplicationFailure::builder(error).type_name(kind).build().into()
}

/// Something that cannot happen unless this program is wrong.
pub(super) fn fault(kind: &str, message: &str) -> ActivityError {
    ApplicationFailure::builder(format!("{message}; this is a fault of leadflow"))
        .type_name(kind.to_owned())
        .non_retryable(true)
        .build()
        .into()
}
