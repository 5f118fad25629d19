//! Touches after their call: sent, refused, or in doubt.

use super::Touch;
use crate::store::StoreError;
use leadflow_workflows::domain::outreach::TouchState;
use sqlx::{AnyConnection, AssertSqlSafe};

/// A call that was surely not made is made again after this time.
pub(crate) const AGAIN_MS: i64 = 60_000;

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
            "SELECT COUNT(*) FROM touches WHERE tenant = $1 AND provider_message_id = $3 AND id <> $2 \
             AND account_id = (SELECT account_id FROM touches WHERE tenant = $1 AND id = $2)",
        )
        .bind(tenant)
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

impl Unsent<'_> {
    /// The state that the touch gets, in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Released { .. } => "released",
            Self::Unknown { .. } => "unknown",
        }
    }
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
    let owned = "tenant = $1 AND id = $2 AND token = $3 AND state IN ('calling', 'unknown')";
    let first_call = touch.calls <= 1;
    if let (Unsent::Released { problem, not_before_ms }, true) = (unsent, first_call) {
        let release = "UPDATE touches SET state = 'released', called_at_ms = NULL, call_deadline_ms = NULL, \
             call_begin_by_ms = NULL, token = NULL, settled_at_ms = NULL, deferred_by = $4, not_before_ms = $5, \
             is_live_invite = 0, calls = 0 WHERE";
        sqlx::query(AssertSqlSafe(format!("{release} {owned}")))
            .bind(tenant)
            .bind(&touch.id)
            .bind(token)
            .bind(problem)
            .bind(not_before_ms)
            .execute(transaction)
            .await?;
        return Ok(());
    }
    let (state, settled_by, not_before_ms) = match unsent {
        Unsent::Refused(problem) if first_call => (TouchState::Refused, Some(problem), None),
        // A repeat that was refused leaves the doubt about the first call.
        Unsent::Refused(problem) => (TouchState::Unknown, Some(problem), None),
        // It does not count as the repeat, and is asked about and made again later.
        Unsent::Released { not_before_ms, .. } => {
            (TouchState::Unknown, None, Some(not_before_ms.unwrap_or(0).max(now_ms + AGAIN_MS)))
        }
        Unsent::Unknown { problem, not_before_ms } => (TouchState::Unknown, problem, not_before_ms),
    };
    let settle = "UPDATE touches SET state = $4, settled_by = $5, settled_at_ms = $6, not_before_ms = $7, \
         calls = calls - $8, is_live_invite = CASE WHEN $4 = 'refused' THEN 0 ELSE is_live_invite END WHERE";
    sqlx::query(AssertSqlSafe(format!("{settle} {owned}")))
        .bind(tenant)
        .bind(&touch.id)
        .bind(token)
        .bind(state.name())
        .bind(settled_by)
        .bind((state == TouchState::Refused).then_some(now_ms))
        .bind(not_before_ms)
        .bind(i64::from(matches!(unsent, Unsent::Released { .. })))
        .execute(transaction)
        .await?;
    Ok(())
}
