//! Touches: every outward contact, from its reservation to what became of it. Limits are counted from these rows.

mod after;
mod before;
mod by_hand;
mod claimed;

use super::{Store, StoreError};
use leadflow_workflows::domain::outreach::{Action, TouchState};
use leadflow_workflows::domain::permits::{DAY_MS, MONTH_MS, Use};
use leadflow_workflows::domain::walk::TouchFact;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

pub(crate) use after::{AGAIN_MS, Unsent, settle_sent, settle_unsent};
pub(crate) use before::{
    claim, claim_again, defer_uncalled, end_look, note_done_elsewhere, note_look, refuse_uncalled, release_planned,
    reserve, take_over,
};
pub(crate) use by_hand::{ByHand, note_by_hand};
pub use claimed::Claimed;

/// How long a reservation outlives its instant.
pub(crate) const RESERVATION_LAPSES_MS: i64 = 30 * 60_000;
/// The longest window of any limit.
const LONGEST_WINDOW_MS: i64 = MONTH_MS;
/// A repeat is made so long after the first call at most; the touch then still counts from its first instant on.
const LONGEST_DOUBT_MS: i64 = 15 * DAY_MS;

/// One contact. Instants are UTC milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Touch {
    /// Also the idempotency key at the provider.
    pub id: String,
    pub campaign_id: String,
    pub enrollment_id: String,
    /// Empty once the person's data are erased.
    pub person_id: String,
    pub account_id: String,
    pub step_id: String,
    pub action: Action,
    pub has_note: bool,
    pub state: TouchState,
    pub planned_at_ms: Option<i64>,
    pub token: Option<String>,
    /// The rendered request, as JSON.
    #[serde(skip)]
    pub request: Option<String>,
    /// Why the provider wants it later, and until when.
    pub deferred_by: Option<String>,
    pub not_before_ms: Option<i64>,
    pub called_at_ms: Option<i64>,
    pub call_deadline_ms: Option<i64>,
    pub calls: u32,
    pub settled_at_ms: Option<i64>,
    pub provider_message_id: Option<String>,
    pub provider_chat_id: Option<String>,
    /// How it was settled, or why it was not.
    pub settled_by: Option<String>,
    /// When it was learnt that the invitation is gone without a connection.
    pub declined_at_ms: Option<i64>,
}

/// What a touch belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TouchKey<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) campaign_id: &'a str,
    pub(crate) enrollment_id: &'a str,
    pub(crate) person_id: &'a str,
    pub(crate) account_id: &'a str,
    pub(crate) step_id: &'a str,
    pub(crate) action: Action,
    pub(crate) has_note: bool,
}

/// A claim, written before the call that it allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) token: &'a str,
    pub(crate) request: &'a str,
    pub(crate) called_at_ms: i64,
    /// The call begins before this, or not at all.
    pub(crate) begin_by_ms: i64,
    /// The call has surely ended by then.
    pub(crate) deadline_ms: i64,
}

const COLUMNS: &str = "t.id, t.campaign_id, t.enrollment_id, t.person_id, t.account_id, t.step_id, t.action, t.has_note, \
     t.state, t.planned_at_ms, t.token, t.request, t.deferred_by, t.not_before_ms, t.called_at_ms, t.call_deadline_ms, \
     t.calls, t.settled_at_ms, t.provider_message_id, t.provider_chat_id, t.settled_by, t.declined_at_ms FROM touches t";

impl Store {
    /// The touches of an enrollment, in their order.
    pub async fn touches(&self, tenant: &str, enrollment_id: &str) -> Result<Vec<Touch>, StoreError> {
        self.touches_where(tenant, "AND t.enrollment_id = $2 ORDER BY t.created_at_ms, t.id", enrollment_id).await
    }

    /// Touches of an account that are not settled.
    pub async fn touches_in_doubt(&self, tenant: &str, account_id: &str) -> Result<Vec<Touch>, StoreError> {
        let rest = "AND t.account_id = $2 AND t.state IN ('calling', 'unknown') ORDER BY t.id";
        self.touches_where(tenant, rest, account_id).await
    }

    /// Contacts whose outcome is not known, of which at most so many are counted.
    pub(crate) async fn count_in_doubt(&self, tenant: &str, at_most: i64) -> Result<i64, StoreError> {
        sqlx::query_scalar(
            "SELECT COUNT(*) FROM (SELECT id FROM touches WHERE tenant = $1 AND state IN ('calling', 'unknown') \
             AND person_id <> '' LIMIT $2) AS doubted",
        )
        .bind(tenant)
        .bind(at_most)
        .fetch_one(self.read())
        .await
        .map_err(|error| self.error(error))
    }

    async fn touches_where(&self, tenant: &str, rest: &str, value: &str) -> Result<Vec<Touch>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} WHERE t.tenant = $1 {rest}")))
            .bind(tenant)
            .bind(value)
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_touch).collect()
    }

    /// What counts against the limits of an account at `now_ms`, reservations included.
    pub async fn account_uses(&self, tenant: &str, account_id: &str, now_ms: i64) -> Result<Vec<Use>, StoreError> {
        let mut connection = self.read().acquire().await.map_err(|error| self.error(error))?;
        uses(&mut connection, tenant, account_id, None, now_ms, Some(now_ms - RESERVATION_LAPSES_MS), None).await
    }
}

impl Touch {
    /// What the walk of its enrollment knows of it.
    pub fn fact(&self) -> TouchFact {
        TouchFact {
            action: self.action,
            state: self.state,
            settled_at_ms: self.settled_at_ms,
            problem: self.settled_by.clone(),
        }
    }

    /// Whether nobody knows if it was done.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self.state, TouchState::Calling | TouchState::Unknown)
    }
}

/// What counts against the limits of an account: contacts that were, or may have been, made; and reservations, when they
/// are asked for, by the instant since when they hold. No limit looks beyond its own action, so whoever asks for one need not
/// read the others. `but` leaves out the touch that asks.
pub(crate) async fn uses(
    connection: &mut AnyConnection,
    tenant: &str,
    account_id: &str,
    wanted: Option<Action>,
    now_ms: i64,
    reserved_since_ms: Option<i64>,
    but: Option<&str>,
) -> Result<Vec<Use>, StoreError> {
    let of_action = if wanted.is_some() { "action = $6" } else { "$6 = ''" };
    let rows = sqlx::query(AssertSqlSafe(format!(
        "SELECT action, has_note, called_at_ms AS from_ms, \
         CASE WHEN settled_at_ms IS NOT NULL AND settled_at_ms < call_deadline_ms THEN settled_at_ms \
         ELSE call_deadline_ms END AS until_ms FROM touches \
         WHERE tenant = $1 AND account_id = $2 AND called_at_ms > $3 AND id <> $5 \
         AND state IN ('calling', 'sent', 'unknown') AND {of_action} \
         UNION ALL SELECT action, has_note, planned_at_ms, planned_at_ms FROM touches \
         WHERE tenant = $1 AND account_id = $2 AND state = 'planned' AND planned_at_ms > $4 AND id <> $5 AND {of_action}",
    )))
    .bind(tenant)
    .bind(account_id)
    .bind(now_ms - LONGEST_WINDOW_MS - LONGEST_DOUBT_MS)
    .bind(reserved_since_ms.unwrap_or(i64::MAX))
    .bind(but.unwrap_or_default())
    .bind(wanted.map_or("", Action::name))
    .fetch_all(connection)
    .await?;
    let mut uses = Vec::with_capacity(rows.len());
    for row in &rows {
        let from_ms: i64 = row.try_get("from_ms")?;
        // Without reservations all has begun, also what a clock that was set back since puts into the future.
        let from_ms = if reserved_since_ms.is_none() { from_ms.min(now_ms) } else { from_ms };
        uses.push(Use {
            action: action(row)?,
            has_note: row.try_get::<i64, _>("has_note")? == 1,
            from_ms,
            until_ms: row.try_get::<Option<i64>, _>("until_ms")?.unwrap_or(from_ms),
        });
    }
    uses.sort_by_key(|used| used.from_ms);
    Ok(uses)
}

/// The touches of an enrollment, inside a transaction.
pub(crate) async fn of_enrollment(
    connection: &mut AnyConnection,
    tenant: &str,
    enrollment_id: &str,
) -> Result<Vec<Touch>, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE t.tenant = $1 AND t.enrollment_id = $2 ORDER BY t.created_at_ms, t.id");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(tenant).bind(enrollment_id).fetch_all(connection).await?;
    rows.iter().map(read_touch).collect()
}

/// Whether somebody may still answer: a person of the tenant was contacted since then.
pub(crate) async fn has_contacted(
    connection: &mut AnyConnection,
    tenant: &str,
    since_ms: i64,
) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM touches WHERE tenant = $1 AND person_id <> '' AND called_at_ms > $2 LIMIT 1) t";
    let contacted: i64 = sqlx::query_scalar(sql).bind(tenant).bind(since_ms).fetch_one(connection).await?;
    Ok(contacted > 0)
}

/// The touch of a person that is in doubt, over all campaigns and channels: there is at most one.
pub(crate) async fn in_doubt(
    connection: &mut AnyConnection,
    tenant: &str,
    person_id: &str,
) -> Result<Option<Touch>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE t.tenant = $1 AND t.person_id = $2 AND t.state IN ('calling', 'unknown') LIMIT 1"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).bind(tenant).bind(person_id).fetch_optional(connection).await?;
    row.as_ref().map(read_touch).transpose()
}

/// Whether another touch's invitation to this person may still be accepted.
pub(crate) async fn has_other_live_invite(
    connection: &mut AnyConnection,
    key: TouchKey<'_>,
) -> Result<bool, StoreError> {
    let others: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM touches WHERE tenant = $1 AND person_id = $2 AND is_live_invite = 1 \
         AND NOT (campaign_id = $3 AND step_id = $4)",
    )
    .bind(key.tenant)
    .bind(key.person_id)
    .bind(key.campaign_id)
    .bind(key.step_id)
    .fetch_one(connection)
    .await?;
    Ok(others > 0)
}

fn action(row: &AnyRow) -> Result<Action, StoreError> {
    Action::named(&row.try_get::<String, _>("action")?).ok_or_else(|| StoreError::unreadable("action"))
}

fn read_touch(row: &AnyRow) -> Result<Touch, StoreError> {
    let state: String = row.try_get("state")?;
    Ok(Touch {
        id: row.try_get("id")?,
        campaign_id: row.try_get("campaign_id")?,
        enrollment_id: row.try_get("enrollment_id")?,
        person_id: row.try_get("person_id")?,
        account_id: row.try_get("account_id")?,
        step_id: row.try_get("step_id")?,
        action: action(row)?,
        has_note: row.try_get::<i64, _>("has_note")? == 1,
        state: TouchState::named(&state).ok_or_else(|| StoreError::unreadable("state"))?,
        planned_at_ms: row.try_get("planned_at_ms")?,
        token: row.try_get("token")?,
        request: row.try_get("request")?,
        deferred_by: row.try_get("deferred_by")?,
        not_before_ms: row.try_get("not_before_ms")?,
        called_at_ms: row.try_get("called_at_ms")?,
        call_deadline_ms: row.try_get("call_deadline_ms")?,
        calls: u32::try_from(row.try_get::<i64, _>("calls")?).unwrap_or(u32::MAX),
        settled_at_ms: row.try_get("settled_at_ms")?,
        provider_message_id: row.try_get("provider_message_id")?,
        provider_chat_id: row.try_get("provider_chat_id")?,
        settled_by: row.try_get("settled_by")?,
        declined_at_ms: row.try_get("declined_at_ms")?,
    })
}
