//! Touches: every outward contact, from its reservation to what became of it. Limits are counted from these rows.

use super::{Store, StoreError};
use leadflow_workflows::domain::outreach::{Action, TouchState};
use leadflow_workflows::domain::permits::Use;
use leadflow_workflows::domain::walk::TouchFact;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use uuid::Uuid;

/// How long a reservation outlives its instant.
pub(crate) const RESERVATION_LAPSES_MS: i64 = 30 * 60_000;
/// A repeat that was surely not made is made again after this time.
const AGAIN_MS: i64 = 60_000;
/// The longest window of any limit.
const LONGEST_WINDOW_MS: i64 = 30 * 86_400_000;
/// A repeat is made so long after the first call at most; the touch then still counts from its first instant on.
const LONGEST_DOUBT_MS: i64 = 15 * 86_400_000;

/// One contact. Instants are UTC milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
        uses(&mut connection, tenant, account_id, now_ms, Some(now_ms - RESERVATION_LAPSES_MS), None).await
    }
}

impl Touch {
    /// What the walk of its enrollment knows of it.
    pub(crate) fn fact(&self) -> TouchFact {
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
/// are asked for, by the instant since when they hold. `but` leaves out the touch that asks.
pub(crate) async fn uses(
    connection: &mut AnyConnection,
    tenant: &str,
    account_id: &str,
    now_ms: i64,
    reserved_since_ms: Option<i64>,
    but: Option<&str>,
) -> Result<Vec<Use>, StoreError> {
    let rows = sqlx::query(
        "SELECT action, has_note, called_at_ms AS from_ms, \
         CASE WHEN settled_at_ms IS NOT NULL AND settled_at_ms < call_deadline_ms THEN settled_at_ms \
         ELSE call_deadline_ms END AS until_ms FROM touches \
         WHERE tenant = $1 AND account_id = $2 AND called_at_ms > $3 AND id <> $5 \
         AND state IN ('calling', 'sent', 'unknown') \
         UNION ALL SELECT action, has_note, planned_at_ms, planned_at_ms FROM touches \
         WHERE tenant = $1 AND account_id = $2 AND state = 'planned' AND planned_at_ms > $4 AND id <> $5",
    )
    .bind(tenant)
    .bind(account_id)
    .bind(now_ms - LONGEST_WINDOW_MS - LONGEST_DOUBT_MS)
    .bind(reserved_since_ms.unwrap_or(i64::MAX))
    .bind(but.unwrap_or_default())
    .fetch_all(connection)
    .await?;
    let mut uses = Vec::with_capacity(rows.len());
    for row in &rows {
        let from_ms: i64 = row.try_get("from_ms")?;
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

/// Reserves a touch for its time, or moves its reservation. A touch that was called is left alone.
pub(crate) async fn reserve(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    planned_at_ms: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    insert(transaction, key, now_ms).await?;
    sqlx::query(
        "UPDATE touches SET state = 'planned', planned_at_ms = $5, account_id = $6, enrollment_id = $7, has_note = $8 \
         WHERE tenant = $1 AND campaign_id = $2 AND person_id = $3 AND step_id = $4 AND state IN ('planned', 'released')",
    )
    .bind(key.tenant)
    .bind(key.campaign_id)
    .bind(key.person_id)
    .bind(key.step_id)
    .bind(planned_at_ms)
    .bind(key.account_id)
    .bind(key.enrollment_id)
    .bind(i64::from(key.has_note))
    .execute(transaction)
    .await?;
    Ok(())
}

/// Gives the reservations of an enrollment back.
pub(crate) async fn release_planned(
    transaction: &mut AnyConnection,
    tenant: &str,
    enrollment_id: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE touches SET state = 'released', planned_at_ms = NULL \
         WHERE tenant = $1 AND enrollment_id = $2 AND state = 'planned'",
    )
    .bind(tenant)
    .bind(enrollment_id)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Writes a touch off that will never be made, for a reason that needed no call.
pub(crate) async fn refuse_uncalled(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    problem: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    insert(transaction, key, now_ms).await?;
    sqlx::query(
        "UPDATE touches SET state = 'refused', planned_at_ms = NULL, settled_at_ms = $5, settled_by = $6 \
         WHERE tenant = $1 AND campaign_id = $2 AND person_id = $3 AND step_id = $4 AND state IN ('planned', 'released')",
    )
    .bind(key.tenant)
    .bind(key.campaign_id)
    .bind(key.person_id)
    .bind(key.step_id)
    .bind(now_ms)
    .bind(problem)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Puts a touch off that was not called.
pub(crate) async fn defer_uncalled(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    problem: &str,
    not_before_ms: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    insert(transaction, key, now_ms).await?;
    sqlx::query(
        "UPDATE touches SET state = 'released', planned_at_ms = NULL, deferred_by = $5, not_before_ms = $6 \
         WHERE tenant = $1 AND campaign_id = $2 AND person_id = $3 AND step_id = $4 AND state IN ('planned', 'released')",
    )
    .bind(key.tenant)
    .bind(key.campaign_id)
    .bind(key.person_id)
    .bind(key.step_id)
    .bind(problem)
    .bind(not_before_ms)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Notes that somebody else made the contact already: it is done, and counts against no limit.
pub(crate) async fn note_done_elsewhere(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    settled_by: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    insert(transaction, key, now_ms).await?;
    sqlx::query(
        "UPDATE touches SET state = 'sent', planned_at_ms = NULL, settled_at_ms = $5, settled_by = $6 \
         WHERE tenant = $1 AND campaign_id = $2 AND person_id = $3 AND step_id = $4 AND state IN ('planned', 'released')",
    )
    .bind(key.tenant)
    .bind(key.campaign_id)
    .bind(key.person_id)
    .bind(key.step_id)
    .bind(now_ms)
    .bind(settled_by)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Claims a touch for a call. The first instant of a repeat stays: from then on it may have been done.
pub(crate) async fn claim(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    claim: Claim<'_>,
) -> Result<Option<Touch>, StoreError> {
    insert(transaction, key, claim.called_at_ms).await?;
    let claimed = sqlx::query(
        "UPDATE touches SET state = 'calling', token = $5, request = $6, called_at_ms = COALESCE(called_at_ms, $7), \
         call_begin_by_ms = $8, call_deadline_ms = $9, calls = calls + 1, planned_at_ms = NULL, settled_by = NULL, \
         settled_at_ms = NULL, deferred_by = NULL, not_before_ms = NULL, account_id = $10, enrollment_id = $11, \
         has_note = $12, is_live_invite = CASE WHEN action = 'invite' THEN 1 ELSE 0 END \
         WHERE tenant = $1 AND campaign_id = $2 AND person_id = $3 AND step_id = $4 AND state NOT IN ('sent', 'refused')",
    )
    .bind(key.tenant)
    .bind(key.campaign_id)
    .bind(key.person_id)
    .bind(key.step_id)
    .bind(claim.token)
    .bind(claim.request)
    .bind(claim.called_at_ms)
    .bind(claim.begin_by_ms)
    .bind(claim.deadline_ms)
    .bind(key.account_id)
    .bind(key.enrollment_id)
    .bind(i64::from(key.has_note))
    .execute(&mut *transaction)
    .await?;
    if claimed.rows_affected() == 0 {
        return Ok(None);
    }
    let sql =
        format!("SELECT {COLUMNS} WHERE t.tenant = $1 AND t.campaign_id = $2 AND t.person_id = $3 AND t.step_id = $4");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(key.tenant)
        .bind(key.campaign_id)
        .bind(key.person_id)
        .bind(key.step_id)
        .fetch_one(transaction)
        .await?;
    read_touch(&row).map(Some)
}

/// Claims the repeat of a touch that this attempt has taken over: the same row, key and text.
pub(crate) async fn claim_again(
    transaction: &mut AnyConnection,
    tenant: &str,
    touch: &Touch,
    claim: Claim<'_>,
) -> Result<Option<Touch>, StoreError> {
    let claimed = sqlx::query(
        "UPDATE touches SET state = 'calling', call_begin_by_ms = $4, call_deadline_ms = $5, calls = calls + 1, \
         settled_by = NULL, settled_at_ms = NULL, not_before_ms = NULL \
         WHERE tenant = $1 AND id = $2 AND token = $3 AND state IN ('calling', 'unknown')",
    )
    .bind(tenant)
    .bind(&touch.id)
    .bind(claim.token)
    .bind(claim.begin_by_ms)
    .bind(claim.deadline_ms)
    .execute(&mut *transaction)
    .await?;
    if claimed.rows_affected() == 0 {
        return Ok(None);
    }
    let of_enrollment = of_enrollment(transaction, tenant, &touch.enrollment_id).await?;
    Ok(of_enrollment.into_iter().find(|row| row.id == touch.id))
}

/// Takes a touch in doubt over, so that one attempt alone finds out what became of it.
pub(crate) async fn take_over(
    transaction: &mut AnyConnection,
    tenant: &str,
    touch_id: &str,
    seen_token: Option<&str>,
    token: &str,
) -> Result<bool, StoreError> {
    let updated = sqlx::query(
        "UPDATE touches SET token = $4 WHERE tenant = $1 AND id = $2 AND COALESCE(token, '') = $3 \
         AND state IN ('calling', 'unknown')",
    )
    .bind(tenant)
    .bind(touch_id)
    .bind(seen_token.unwrap_or_default())
    .bind(token)
    .execute(transaction)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Notes that a touch was made. Only one in doubt can be settled, and each message of the provider settles one touch.
/// Whether it was settled now.
pub(crate) async fn settle_sent(
    transaction: &mut AnyConnection,
    tenant: &str,
    touch_id: &str,
    provider_message_id: Option<&str>,
    chat_id: Option<&str>,
    settled_by: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    if let Some(message) = provider_message_id {
        let taken: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM touches WHERE provider_message_id = $2 AND id <> $1 \
             AND account_id = (SELECT account_id FROM touches WHERE id = $1)",
        )
        .bind(touch_id)
        .bind(message)
        .fetch_one(&mut *transaction)
        .await?;
        if taken > 0 {
            return Ok(false);
        }
    }
    let settled = sqlx::query(
        "UPDATE touches SET state = 'sent', settled_at_ms = $3, settled_by = $4, \
         provider_message_id = COALESCE($5, provider_message_id), provider_chat_id = COALESCE($6, provider_chat_id) \
         WHERE tenant = $1 AND id = $2 AND state IN ('calling', 'unknown')",
    )
    .bind(tenant)
    .bind(touch_id)
    .bind(now_ms)
    .bind(settled_by)
    .bind(provider_message_id)
    .bind(chat_id)
    .execute(transaction)
    .await?;
    Ok(settled.rows_affected() == 1)
}

/// How the attempt that holds the token leaves its touch, when it was not sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unsent<'a> {
    /// Surely not done, and never to be.
    Refused(&'a str),
    /// Surely not done; to be planned anew, perhaps not before an instant.
    Released { problem: &'a str, not_before_ms: Option<i64> },
    /// Perhaps done. No problem while the provider has not been asked, or is to be asked again; then what it showed.
    Unknown { problem: Option<&'a str>, not_before_ms: Option<i64> },
}

/// Settles a touch that was not, or perhaps not, sent. Does nothing when another attempt or an event was faster.
pub(crate) async fn settle_unsent(
    transaction: &mut AnyConnection,
    tenant: &str,
    touch: &Touch,
    token: &str,
    unsent: Unsent<'_>,
    now_ms: i64,
) -> Result<(), StoreError> {
    const UNKNOWN: &str = "state = 'unknown', settled_by = $4, settled_at_ms = NULLIF($5, $5), not_before_ms = $6";
    let owned = "WHERE tenant = $1 AND id = $2 AND token = $3 AND state IN ('calling', 'unknown')";
    let (set, problem, not_before_ms) = match unsent {
        Unsent::Refused(problem) if touch.calls <= 1 => (
            "state = 'refused', settled_at_ms = $5, settled_by = $4, is_live_invite = 0, not_before_ms = $6",
            Some(problem),
            None,
        ),
        Unsent::Released { problem, not_before_ms } if touch.calls <= 1 => (
            "state = 'released', called_at_ms = NULL, call_deadline_ms = NULL, call_begin_by_ms = NULL, token = NULL, \
             settled_at_ms = NULLIF($5, $5), deferred_by = $4, not_before_ms = $6, \
             is_live_invite = 0, calls = 0",
            Some(problem),
            not_before_ms,
        ),
        // A repeat that was refused leaves the doubt about the first call.
        Unsent::Refused(problem) => (UNKNOWN, Some(problem), None),
        // It does not count as the repeat, and is asked about and made again later.
        Unsent::Released { not_before_ms, .. } => (
            "state = 'unknown', settled_by = NULLIF($4, $4), settled_at_ms = NULLIF($5, $5), not_before_ms = $6, \
             calls = calls - 1",
            Some(""),
            Some(not_before_ms.unwrap_or(0).max(now_ms + AGAIN_MS)),
        ),
        Unsent::Unknown { problem, not_before_ms } => (UNKNOWN, problem, not_before_ms),
    };
    sqlx::query(AssertSqlSafe(format!("UPDATE touches SET {set} {owned}")))
        .bind(tenant)
        .bind(&touch.id)
        .bind(token)
        .bind(problem)
        .bind(now_ms)
        .bind(not_before_ms)
        .execute(transaction)
        .await?;
    Ok(())
}

/// Counts a look at a profile, which the provider limits like a contact.
pub(crate) async fn note_look(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    now_ms: i64,
    deadline_ms: i64,
) -> Result<(), StoreError> {
    let id = Uuid::now_v7().to_string();
    sqlx::query(
        "INSERT INTO touches (id, tenant, campaign_id, enrollment_id, person_id, account_id, step_id, action, has_note, \
         state, called_at_ms, call_deadline_ms, calls, settled_at_ms, is_live_invite, settled_by, created_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'visit_profile', 0, 'sent', $8, $9, 1, $9, 0, 'look', $8)",
    )
    .bind(&id)
    .bind(key.tenant)
    .bind(key.campaign_id)
    .bind(key.enrollment_id)
    .bind(key.person_id)
    .bind(key.account_id)
    .bind(format!("look/{id}"))
    .bind(now_ms)
    .bind(deadline_ms)
    .execute(transaction)
    .await?;
    Ok(())
}

async fn insert(transaction: &mut AnyConnection, key: TouchKey<'_>, now_ms: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO touches (id, tenant, campaign_id, enrollment_id, person_id, account_id, step_id, action, has_note, \
         state, calls, is_live_invite, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'released', 0, 0, $10) \
         ON CONFLICT (campaign_id, person_id, step_id) WHERE person_id <> '' DO NOTHING",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(key.tenant)
    .bind(key.campaign_id)
    .bind(key.enrollment_id)
    .bind(key.person_id)
    .bind(key.account_id)
    .bind(key.step_id)
    .bind(key.action.name())
    .bind(i64::from(key.has_note))
    .bind(now_ms)
    .execute(transaction)
    .await?;
    Ok(())
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
