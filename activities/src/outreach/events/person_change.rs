//! What vendors of people's data tell: somebody changed job, was promoted, left.
//!
//! One canonical shape, whatever the vendor; what it does is in `apply`.

mod apply;
mod parse;

pub use parse::{Delivery, parse_person_changes};

use super::{Applied, Kept, Received, keep, noted};
use crate::store::events::{NewEvent, StoredEvent};
use crate::store::searches::{from_json, to_json};
use crate::store::{Store, StoreError};
use crate::telemetry::traces;
use futures::FutureExt;
use leadflow_clock::Clock;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use uuid::Uuid;

/// A change in somebody's working life, or at a company.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PersonChange {
    /// The same for every delivery of one event of a source.
    pub event_key: String,
    pub kind: ChangeKind,
    /// Unix milliseconds; when it was delivered, if the vendor does not say.
    pub occurred_at_ms: i64,
    /// Nobody for what happens at a company.
    pub person: ChangedPerson,
    pub previous: Option<Position>,
    pub current: Option<Position>,
    /// From 0 to 1, as the vendor says.
    pub confidence: Option<f64>,
    /// Anybody could have written it, or it names no facts: it counts when a pull has confirmed it.
    pub is_hint: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    JobChanged,
    Promoted,
    LeftCompany,
    ProfileChanged,
    CompanyHiring,
    CompanyFunding,
    /// Nothing that is acted on.
    Other,
}

/// By what a vendor knows somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedPerson {
    /// The vendor's own id.
    pub external_id: Option<String>,
    pub full_name: Option<String>,
    /// In lower case.
    pub linkedin_public_id: Option<String>,
    /// In lower case.
    pub emails: Vec<String>,
}

/// A job at a company.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub title: Option<String>,
    pub company: Option<String>,
    /// A host without `www.`, in lower case.
    pub domain: Option<String>,
    /// Dates as the vendor writes them, usually `YYYY-MM-DD`.
    pub started_on: Option<String>,
    pub ended_on: Option<String>,
}

impl ChangeKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::JobChanged => "job_changed",
            Self::Promoted => "promoted",
            Self::LeftCompany => "left_company",
            Self::ProfileChanged => "profile_changed",
            Self::CompanyHiring => "company_hiring",
            Self::CompanyFunding => "company_funding",
            Self::Other => "other_change",
        }
    }
}

/// What a change is applied to. The event is stored in the same transaction.
struct ChangeScope<'t> {
    transaction: &'t mut AnyConnection,
    for_update: &'static str,
    tenant: &'t str,
    /// The vendor.
    source: &'t str,
    now_ms: i64,
}

/// Stores and applies a change in one transaction. One that is known does nothing, unless it concerned nobody when it came.
pub async fn receive_person_change(
    store: &Store,
    clock: Clock,
    tenant: &str,
    source: &str,
    change: &PersonChange,
) -> Result<Received, StoreError> {
    let body = &to_json(change);
    let traceparent = &traces::traceparent();
    let store = &store.for_tenant(tenant);
    store
        .write(|transaction| {
            async move {
                let (now_ms, lead_ms) = store.now_and_lead_ms(transaction, clock).await?;
                let id = Uuid::now_v7().to_string();
                let new = NewEvent {
                    id: &id,
                    tenant,
                    source,
                    event_key: &change.event_key,
                    kind: change.kind.name(),
                    account_id: None,
                    body,
                    is_hint: change.is_hint,
                    now_ms,
                    lease_until_ms: now_ms,
                    traceparent: traceparent.as_deref(),
                };
                let (id, is_new) = match keep(transaction, store.for_update(), &new).await? {
                    Kept::Known(received) | Kept::Elsewhere(received) => return Ok(received.led_by(lead_ms)),
                    Kept::Unapplied { id, is_new } => (id, is_new),
                };
                let for_update = store.for_update();
                let mut scope = ChangeScope { transaction, for_update, tenant, source, now_ms };
                let applied = apply::apply_person_change(&mut scope, change).await?;
                let received = noted(transaction, tenant, id.clone(), is_new, None, applied, now_ms).await?;
                Ok(received.led_by(lead_ms))
            }
            .boxed()
        })
        .await
}

/// Applies a stored change again that concerned nobody.
pub(super) async fn again(
    store: &Store,
    clock: Clock,
    tenant: &str,
    event: &StoredEvent,
) -> Result<Received, StoreError> {
    receive_person_change(store, clock, tenant, &event.source, &from_json(&event.body)?).await
}
