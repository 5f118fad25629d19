//! What providers tell, by webhook or in their lists: each event is stored once, and acts in the same transaction.
//!
//! That transaction holds the lock of the person under which contacts are claimed. So whoever claims a contact afterwards
//! sees what the event did, and a call that was claimed before has begun by [`Received::answer_at_ms`]: once an event is
//! answered, no contact that it forbids begins.

mod absence;
mod incoming;
mod own;
mod person_change;
mod tell;
mod unsubscribe;
mod whom;

#[cfg(test)]
pub(super) mod tests;

pub use incoming::meaning;
pub(super) use incoming::{FROM_NOBODY, opted_out};
pub(super) use own::same_text;
pub use person_change::{
    ChangeKind, ChangedPerson, Delivery, PersonChange, Position, parse_person_changes, receive_person_change,
};
pub use tell::{Leftovers, TellError, Teller, Workflows, tell, tell_leftovers, tell_one, teller};
pub use unsubscribe::{knows_unsubscribe_token, unsubscribe};
pub(super) use whom::learn;

use crate::senders::unipile::parse_event;
use crate::senders::{AccountStatus, EventError, EventKind, ProviderEvent};
use crate::store::accounts::{ACCOUNT_COLUMNS, Account, read_account_row, set_account_state};
use crate::store::campaigns::open_campaigns_of_account;
use crate::store::enrollments::lock_account;
use crate::store::events::{Effect, NewEvent, StoredEvent, by_key, call_begins_by, discard, insert, note_effect};
use crate::store::searches::{from_json, to_json};
use crate::store::{Store, StoreError};
use crate::telemetry::traces;
use futures::FutureExt;
use leadflow_clock::Clock;
use leadflow_workflows::domain::ids::{AccountId, CampaignId, EnrollmentId};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::{campaign, enrollment, sender_account};
use sqlx::{AnyConnection, AssertSqlSafe};
use std::time::Duration;
use uuid::Uuid;

/// The provider of accounts; other sources are vendors of people's data, by their names in the configuration.
const SOURCE: &str = "unipile";
/// How long, in real time, who has taken an event has to tell the workflows before somebody else does. What is told twice
/// does no harm.
const LEASE: Duration = Duration::from_secs(5);

/// An event that is stored, now or before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub event_id: String,
    /// Whether it was not known before.
    pub is_new: bool,
    /// Whether it settled a contact whose outcome was not known.
    pub settled: bool,
    /// Ids of workflows that are to look.
    pub tell: Vec<String>,
    /// Contacts that were claimed before may begin until then, so the provider gets no answer earlier.
    pub answer_at_ms: Option<i64>,
}

impl Received {
    /// For this machine's clock, by which the answer waits and which is so much ahead of the store's.
    fn led_by(mut self, lead_ms: i64) -> Self {
        self.answer_at_ms = self.answer_at_ms.map(|at_ms| at_ms.saturating_add(lead_ms));
        self
    }
}

/// Why an event is not stored.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error(transparent)]
    Event(#[from] EventError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How an event came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Webhook,
    /// By reading the provider's lists, which are full of people that are none of our business.
    List,
}

/// Until when the writer of an absence note is away, by its text.
pub fn absent_until_ms(event: &ProviderEvent) -> Option<i64> {
    let (EventKind::Mail { subject, text, .. }, Some(at_ms)) = (&event.what, event.at_ms) else { return None };
    Some(absence::until_ms(subject, text, at_ms))
}

/// What an event did.
#[derive(Clone, Debug, Default)]
struct Applied {
    person_id: Option<String>,
    effect: String,
    tell: Vec<String>,
    settled: bool,
}

/// What an event is applied to.
struct Scope<'t> {
    transaction: &'t mut AnyConnection,
    for_update: &'static str,
    account: &'t Account,
    by: By,
    now_ms: i64,
}

/// Stores and applies the body of a webhook whose secret was right. Events of accounts that are not known go to `tenant`.
pub async fn receive(store: &Store, clock: Clock, tenant: &str, body: &[u8]) -> Result<Received, ReceiveError> {
    let event = parse_event(body)?;
    let received = record(store, clock, tenant, &event, By::Webhook).await?;
    Ok(received.expect("an event that came by itself is kept"))
}

/// Applies a stored event that concerned nobody once more; `None` when it has had its effect.
pub async fn reprocess(
    store: &Store,
    clock: Clock,
    tenant: &str,
    event: &StoredEvent,
) -> Result<Option<Received>, StoreError> {
    if store.knows_event(tenant, &event.source, &event.event_key).await? {
        return Ok(None);
    }
    if event.source != SOURCE {
        return person_change::again(store, clock, tenant, event).await.map(Some);
    }
    record(store, clock, tenant, &from_json(&event.body)?, By::Webhook).await
}

/// Stores and applies an event in one transaction. One that is known does nothing, unless it concerned nobody when it came.
/// `None` for one of a list that concerns nobody.
pub(crate) async fn record(
    store: &Store,
    clock: Clock,
    tenant: &str,
    event: &ProviderEvent,
    by: By,
) -> Result<Option<Received>, StoreError> {
    let account = account(store, &event.account).await?;
    let tenant = account.as_ref().map_or(tenant, |account| &account.tenant);
    let own = &store.for_tenant(tenant);
    let recorded = record_for(own, clock, tenant, account.as_ref(), event, by).await?;
    // What came before its account was anybody's waits with whoever took it in. Through a store that is narrowed to a
    // tenant the database does not let it go.
    let is_free = matches!(recorded, Recorded::Elsewhere(_))
        && account.is_some()
        && store.take_over_event(tenant, SOURCE, &event.key).await?;
    let recorded = if is_free { record_for(own, clock, tenant, account.as_ref(), event, by).await? } else { recorded };
    Ok(match recorded {
        Recorded::Here(received) => received,
        Recorded::Elsewhere(received) => Some(received),
    })
}

/// Where an event is stored by now.
enum Recorded {
    /// With the tenant whose it is; `None` as for [`record`].
    Here(Option<Received>),
    /// With another tenant, where it did nothing.
    Elsewhere(Received),
}

/// [`record`] for a tenant, through the store of that tenant.
async fn record_for(
    store: &Store,
    clock: Clock,
    tenant: &str,
    account: Option<&Account>,
    event: &ProviderEvent,
    by: By,
) -> Result<Recorded, StoreError> {
    // Who takes events in has them told by whoever tells of leftovers, which makes one signal of many.
    let lease_ms = if by == By::Webhook { 0 } else { clock.virtual_ms(LEASE) };
    let body = &to_json(event);
    let traceparent = &traces::traceparent();
    store
        .write(|transaction| {
            async move {
                let (now_ms, lead_ms) = store.now_and_lead_ms(transaction, clock).await?;
                let id = Uuid::now_v7().to_string();
                let new = NewEvent {
                    id: &id,
                    tenant,
                    source: SOURCE,
                    event_key: &event.key,
                    kind: kind(&event.what),
                    account_id: account.map(|account| account.id.as_str()),
                    body,
                    is_hint: false,
                    now_ms,
                    lease_until_ms: now_ms.saturating_add(lease_ms),
                    traceparent: traceparent.as_deref(),
                };
                let (id, is_new) = match keep(transaction, store.for_update(), &new).await? {
                    Kept::Known(received) => return Ok(Recorded::Here(Some(received.led_by(lead_ms)))),
                    Kept::Elsewhere(received) => return Ok(Recorded::Elsewhere(received)),
                    Kept::Unapplied { id, is_new } => (id, is_new),
                };
                let applied = match account {
                    Some(account) => {
                        let for_update = store.for_update();
                        apply(&mut Scope { transaction, for_update, account, by, now_ms }, event).await?
                    }
                    None => unmatched("no such account"),
                };
                if by == By::List
                    && applied.person_id.is_none()
                    && is_new
                    && !matches!(event.what, EventKind::AccountStatus { .. })
                {
                    discard(transaction, tenant, &id).await?;
                    return Ok(Recorded::Here(None));
                }
                let account_id = account.map(|account| account.id.as_str());
                let received = noted(transaction, tenant, id, is_new, account_id, applied, now_ms).await?;
                Ok(Recorded::Here(Some(received.led_by(lead_ms))))
            }
            .boxed()
        })
        .await
}

/// An event in the store, before it is applied.
enum Kept {
    /// It has had its effect.
    Known(Received),
    /// It is with another tenant, who took it in.
    Elsewhere(Received),
    /// It is new, or concerned nobody when it came.
    Unapplied { id: String, is_new: bool },
}

async fn keep(transaction: &mut AnyConnection, for_update: &str, new: &NewEvent<'_>) -> Result<Kept, StoreError> {
    if insert(transaction, new).await? {
        return Ok(Kept::Unapplied { id: new.id.to_owned(), is_new: true });
    }
    let Some(known) = by_key(transaction, new.tenant, new.source, new.event_key, for_update).await? else {
        let event_id = new.id.to_owned();
        let received = Received { event_id, is_new: false, settled: false, tell: Vec::new(), answer_at_ms: None };
        return Ok(Kept::Elsewhere(received));
    };
    if known.person_id.is_none() && known.effect.starts_with(UNMATCHED) {
        return Ok(Kept::Unapplied { id: known.id, is_new: false });
    }
    let person_id = known.person_id.as_deref();
    let answer_at_ms = answer_at_ms(transaction, new.tenant, person_id, &known.tell, new.now_ms).await?;
    let tell = if known.signalled_at_ms.is_none() { known.tell } else { Vec::new() };
    Ok(Kept::Known(Received { event_id: known.id, is_new: false, settled: false, tell, answer_at_ms }))
}

/// Writes down what an event did.
async fn noted(
    transaction: &mut AnyConnection,
    tenant: &str,
    event_id: String,
    is_new: bool,
    account_id: Option<&str>,
    applied: Applied,
    now_ms: i64,
) -> Result<Received, StoreError> {
    let Applied { person_id, effect: text, tell, settled } = &applied;
    let person_id = person_id.as_deref();
    let effect = Effect { account_id, person_id, text, tell };
    let begin_by_ms = note_effect(transaction, tenant, &event_id, &effect, &enrollments(tell), now_ms).await?;
    let answer_at_ms = begin_by_ms.filter(|at_ms| *at_ms > now_ms);
    Ok(Received { event_id, is_new, settled: *settled, tell: applied.tell, answer_at_ms })
}

const UNMATCHED: &str = "unmatched";

fn nothing_kept(person_id: String) -> Applied {
    let effect = "the person asked not to be processed: nothing is kept".into();
    Applied { person_id: Some(person_id), effect, ..Applied::default() }
}

fn unmatched(why: &str) -> Applied {
    Applied { effect: format!("{UNMATCHED}: {why}"), ..Applied::default() }
}

/// The account that an event is about. To whom it belongs, only the store of the whole installation knows.
async fn account(store: &Store, provider_account_id: &str) -> Result<Option<Account>, StoreError> {
    let sql = format!("SELECT {ACCOUNT_COLUMNS} FROM accounts WHERE provider = $1 AND provider_account_id = $2");
    let select = sqlx::query(AssertSqlSafe(sql)).bind(SOURCE).bind(provider_account_id);
    let row = select.fetch_optional(store.read()).await.map_err(|error| store.error(error))?;
    row.as_ref().map(read_account_row).transpose()
}

/// Until when a call may begin that was claimed for this person, or for one of these enrollments.
async fn answer_at_ms(
    transaction: &mut AnyConnection,
    tenant: &str,
    person_id: Option<&str>,
    tell: &[String],
    now_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let begin_by_ms = call_begins_by(transaction, tenant, person_id, &enrollments(tell)).await?;
    Ok(begin_by_ms.filter(|at_ms| *at_ms > now_ms))
}

/// The enrollments among the workflows that are to look.
fn enrollments(tell: &[String]) -> Vec<&str> {
    tell.iter().filter_map(|id| id.strip_prefix(enrollment::PREFIX)).collect()
}

async fn apply(scope: &mut Scope<'_>, event: &ProviderEvent) -> Result<Applied, StoreError> {
    match &event.what {
        EventKind::Connected { provider_id, public_id } => {
            connected(scope, provider_id, public_id.as_deref(), event.at_ms).await
        }
        EventKind::Message { is_ours: true, .. } => own::message(scope, event).await,
        EventKind::Message { .. } => incoming::message(scope, event).await,
        // The provider does not always say that a mail was sent; without that, ours could pass for a reply.
        EventKind::Mail { is_ours, from, .. } if *is_ours || scope.account.writes_from(from) => {
            own::mail(scope, event).await
        }
        EventKind::Mail { .. } => incoming::mail(scope, event).await,
        EventKind::AccountStatus { status } => account_status(scope, *status).await,
        EventKind::Opened { tracking_id, .. } | EventKind::Clicked { tracking_id, .. } => {
            let person_id = match tracking_id {
                Some(tracking_id) => whom::by_tracking(scope, tracking_id).await?,
                None => None,
            };
            Ok(Applied { person_id, effect: "noted".into(), ..Applied::default() })
        }
        EventKind::Other { .. } => Ok(Applied { effect: "nothing to do".into(), ..Applied::default() }),
    }
}

fn kind(what: &EventKind) -> &'static str {
    match what {
        EventKind::Connected { .. } => "connected",
        EventKind::Message { .. } => "message",
        EventKind::Mail { .. } => "mail",
        EventKind::Opened { .. } => "opened",
        EventKind::Clicked { .. } => "clicked",
        EventKind::AccountStatus { .. } => "account_status",
        EventKind::Other { .. } => "other",
    }
}

/// A connection: the invitation is no longer live, and one in doubt was made.
async fn connected(
    scope: &mut Scope<'_>,
    provider_id: &str,
    public_id: Option<&str>,
    at_ms: Option<i64>,
) -> Result<Applied, StoreError> {
    let Some(person_id) = whom::by_profile(scope, provider_id, public_id).await? else {
        return Ok(unmatched("the new connection is nobody known here"));
    };
    let connected_by = if scope.by == By::Webhook { "webhook" } else { "list" };
    sqlx::query(
        "UPDATE account_people SET connected_at_ms = $4, connected_by = $5 \
         WHERE tenant = $1 AND account_id = $2 AND person_id = $3 AND connected_at_ms IS NULL",
    )
    .bind(&scope.account.tenant)
    .bind(&scope.account.id)
    .bind(&person_id)
    // Never later than now, because a wait that has ended by then counts as fulfilled.
    .bind(at_ms.map_or(scope.now_ms, |at_ms| at_ms.min(scope.now_ms)))
    .bind(connected_by)
    .execute(&mut *scope.transaction)
    .await?;
    let settled = own::settle_invites(scope, &person_id, None).await?;
    sqlx::query(
        "UPDATE touches SET is_live_invite = 0, declined_at_ms = NULL \
         WHERE tenant = $1 AND account_id = $2 AND person_id = $3 AND action = 'invite' AND state = 'sent'",
    )
    .bind(&scope.account.tenant)
    .bind(&scope.account.id)
    .bind(&person_id)
    .execute(&mut *scope.transaction)
    .await?;
    let tell = whom::open_enrollments(scope, &person_id).await?.iter().map(|open| workflow_of(&open.id)).collect();
    Ok(Applied { person_id: Some(person_id), effect: "connected".into(), tell, settled })
}

/// A status is a hint without an order: it acts at once, and the account is told to ask the provider.
async fn account_status(scope: &mut Scope<'_>, status: AccountStatus) -> Result<Applied, StoreError> {
    let (tenant, id) = (&scope.account.tenant, &scope.account.id);
    lock_account(scope.transaction, scope.for_update, tenant, id).await?;
    let state: Option<String> = sqlx::query_scalar("SELECT state FROM accounts WHERE tenant = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .fetch_optional(&mut *scope.transaction)
        .await?;
    let mut tell = vec![sender_account::workflow_id(&AccountId(id.clone()))];
    let (state, reason) = match (status.can_send(), state.as_deref()) {
        (Some(false), Some("active")) => ("disconnected", Some(format!("the provider says: {}", word(status)))),
        (Some(true), Some("disconnected")) => ("active", None),
        _ => return Ok(Applied { tell, effect: format!("{}: changes nothing", word(status)), ..Applied::default() }),
    };
    set_account_state(scope.transaction, tenant, id, state, reason.as_deref(), scope.now_ms).await?;
    if state == "active" {
        // What waited for the account goes on now.
        let column = match scope.account.channel {
            Channel::Linkedin => "linkedin_account_id",
            Channel::Email => "email_account_id",
        };
        let waiting: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT id FROM enrollments WHERE tenant = $1 AND {column} = $2 AND is_open = 1 ORDER BY id"
        )))
        .bind(tenant)
        .bind(id)
        .fetch_all(&mut *scope.transaction)
        .await?;
        tell.extend(waiting.iter().map(|id| workflow_of(id)));
        let campaigns = open_campaigns_of_account(&mut *scope.transaction, tenant, id).await?;
        tell.extend(campaigns.into_iter().map(|id| campaign::workflow_id(&CampaignId(id))));
    }
    Ok(Applied { tell, effect: format!("{}: the account is {state}", word(status)), ..Applied::default() })
}

fn word(status: AccountStatus) -> String {
    format!("{status:?}").to_lowercase()
}

fn workflow_of(enrollment_id: &str) -> String {
    enrollment::workflow_id(&EnrollmentId(enrollment_id.to_owned()))
}
