//! What the owner of an account does by hand: it counts against the same limits as the contacts that leadflow makes.

use super::LONGEST_WINDOW_MS;
use crate::store::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::outreach::Action;
use sqlx::AnyConnection;

/// A message or an invitation that no touch explains. Of whom it was for nothing is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByHand<'a> {
    pub(crate) action: Action,
    pub(crate) has_note: bool,
    /// The provider's id of it, by which it counts once.
    pub(crate) provider_message_id: &'a str,
    pub(crate) at_ms: i64,
}

/// Counts what was done by hand, once; what a touch of ours has the id of counts already, and what is older than every limit
/// looks back does not count any more.
pub(crate) async fn note_by_hand(
    connection: &mut AnyConnection,
    (tenant, account_id): (&str, &str),
    done: ByHand<'_>,
    now_ms: i64,
) -> Result<(), StoreError> {
    if done.at_ms < now_ms - LONGEST_WINDOW_MS {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO touches (id, tenant, campaign_id, enrollment_id, person_id, account_id, step_id, action, has_note, state, \
         called_at_ms, call_deadline_ms, calls, settled_at_ms, settled_by, is_live_invite, created_at_ms) \
         SELECT $1, $2, '', '', '', $3, '', $4, $5, 'sent', $6, $6, 0, $6, 'by_hand', 0, $7 WHERE NOT EXISTS \
         (SELECT 1 FROM touches WHERE tenant = $2 AND account_id = $3 AND provider_message_id = $8) ON CONFLICT DO NOTHING",
    )
    .bind(format!("by-hand/{}/{}", account_id, done.provider_message_id))
    .bind(tenant)
    .bind(account_id)
    .bind(done.action.name())
    .bind(i64::from(done.has_note))
    .bind(done.at_ms.min(now_ms))
    .bind(now_ms)
    .bind(done.provider_message_id)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Counts what the lists of an account show to have been done by hand.
    pub(crate) async fn note_all_by_hand<'a>(
        &self,
        tenant: &str,
        account_id: &str,
        all: impl Iterator<Item = ByHand<'a>>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let all: Vec<ByHand<'_>> = all.collect();
        let all = &all;
        if all.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            async move {
                for done in all {
                    note_by_hand(transaction, (tenant, account_id), *done, now_ms).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }
}
