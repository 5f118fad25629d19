//! Touches before their call: reserved, put off, written off, and claimed.

use super::{COLUMNS, Claim, Touch, TouchKey, of_enrollment, read_touch};
use crate::store::StoreError;
use leadflow_workflows::domain::outreach::{Action, TouchState};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Database};
use uuid::Uuid;

/// Reserves a touch for its time, or moves its reservation. A touch that was called is left alone.
pub(crate) async fn reserve(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    planned_at_ms: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    insert(transaction, key, now_ms).await?;
    // Another version of the sequence may do something else under the same id.
    let set = "state = 'planned', planned_at_ms = $5, account_id = $6, enrollment_id = $7, has_note = $8, action = $9";
    update(set, key, UNCALLED)
        .bind(planned_at_ms)
        .bind(key.account_id)
        .bind(key.enrollment_id)
        .bind(i64::from(key.has_note))
        .bind(key.action.name())
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
    settle_uncalled(transaction, key, TouchState::Refused, problem, now_ms).await
}

/// Notes that somebody else made the contact already: it is done, and counts against no limit.
pub(crate) async fn note_done_elsewhere(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    settled_by: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    settle_uncalled(transaction, key, TouchState::Sent, settled_by, now_ms).await
}

async fn settle_uncalled(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    state: TouchState,
    settled_by: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    insert(transaction, key, now_ms).await?;
    update("state = $5, planned_at_ms = NULL, settled_at_ms = $6, settled_by = $7", key, UNCALLED)
        .bind(state.name())
        .bind(now_ms)
        .bind(settled_by)
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
    update("state = 'released', planned_at_ms = NULL, deferred_by = $5, not_before_ms = $6", key, UNCALLED)
        .bind(problem)
        .bind(not_before_ms)
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
    let set = "state = 'calling', token = $5, request = $6, called_at_ms = COALESCE(called_at_ms, $7), \
         call_begin_by_ms = $8, call_deadline_ms = $9, calls = calls + 1, planned_at_ms = NULL, settled_by = NULL, \
         settled_at_ms = NULL, deferred_by = NULL, not_before_ms = NULL, account_id = $10, enrollment_id = $11, \
         has_note = $12, action = $13, is_live_invite = $14";
    let claimed = update(set, key, "state NOT IN ('sent', 'refused')")
        .bind(claim.token)
        .bind(claim.request)
        .bind(claim.called_at_ms)
        .bind(claim.begin_by_ms)
        .bind(claim.deadline_ms)
        .bind(key.account_id)
        .bind(key.enrollment_id)
        .bind(i64::from(key.has_note))
        .bind(key.action.name())
        .bind(i64::from(key.action == Action::Invite))
        .execute(&mut *transaction)
        .await?;
    if claimed.rows_affected() == 0 {
        return Ok(None);
    }
    let select = format!("SELECT {COLUMNS} {OF_KEY}");
    let row = of_key(select, key).fetch_one(transaction).await?;
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

/// Counts a look at a profile, which the provider limits like a contact: until `deadline_ms`, unless [`end_look`] says that
/// it ended sooner. Returns its id.
pub(crate) async fn note_look(
    transaction: &mut AnyConnection,
    key: TouchKey<'_>,
    now_ms: i64,
    deadline_ms: i64,
) -> Result<String, StoreError> {
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
    Ok(id)
}

/// Notes that a look was made by `now_ms`.
pub(crate) async fn end_look(
    transaction: &mut AnyConnection,
    tenant: &str,
    id: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE touches SET settled_at_ms = $3 WHERE tenant = $1 AND id = $2 AND settled_at_ms > $3")
        .bind(tenant)
        .bind(id)
        .bind(now_ms)
        .execute(transaction)
        .await?;
    Ok(())
}

const OF_KEY: &str = "WHERE tenant = $1 AND campaign_id = $2 AND person_id = $3 AND step_id = $4";
/// Touches without any call so far.
const UNCALLED: &str = "state IN ('planned', 'released')";

/// Changes the touch of a key, if it is in such a state. What `set` sets is bound from `$5` on.
fn update<'q>(set: &str, key: TouchKey<'q>, state: &str) -> Query<'q, Any, <Any as Database>::Arguments> {
    of_key(format!("UPDATE touches SET {set} {OF_KEY} AND {state}"), key)
}

fn of_key(sql: String, key: TouchKey<'_>) -> Query<'_, Any, <Any as Database>::Arguments> {
    sqlx::query(AssertSqlSafe(sql)).bind(key.tenant).bind(key.campaign_id).bind(key.person_id).bind(key.step_id)
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
