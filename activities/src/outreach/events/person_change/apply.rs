//! What a change does.

use super::{Applied, ChangeScope, PersonChange};
use crate::outreach::events::{unmatched, whom};
use crate::store::StoreError;
use crate::store::events::forget_body;
use leadflow_workflows::domain::permits::DAY_MS;

/// Finds the person, whose row is locked from here on, and notes what is known of them.
pub(super) async fn apply_person_change(
    scope: &mut ChangeScope<'_>,
    change: &PersonChange,
) -> Result<Applied, StoreError> {
    let ChangeScope { transaction, for_update, tenant, event_id, now_ms } = scope;
    let (public_id, emails) = (change.person.linkedin_public_id.as_deref(), &change.person.emails);
    let Some(person_id) = whom::known_by(transaction, for_update, tenant, public_id, emails).await? else {
        return Ok(unmatched("the change is about nobody known here"));
    };
    let removed_at_ms: Option<i64> =
        sqlx::query_scalar("SELECT removed_at_ms FROM persons WHERE tenant = $1 AND id = $2")
            .bind(*tenant)
            .bind(&person_id)
            .fetch_one(&mut **transaction)
            .await?;
    let effect = if removed_at_ms.is_some() {
        forget_body(transaction, tenant, event_id).await?;
        "the person asked not to be processed: nothing is kept".to_owned()
    } else {
        let days = (*now_ms - change.occurred_at_ms).max(0) / DAY_MS;
        let word = if change.is_hint { "hint" } else { "change" };
        format!("a {word} about a person known here, {days} days old: noted")
    };
    Ok(Applied { person_id: Some(person_id), effect, ..Applied::default() })
}
