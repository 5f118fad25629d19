//! The link in an email by which its recipient ends all contact: an opt-out without words.

use super::{Applied, By, Received, Scope, answer_at_ms, incoming, noted, whom};
use crate::store::accounts::{ACCOUNT_COLUMNS, Account, read_account_row};
use crate::store::events::{NewEvent, insert};
use crate::store::suppressions::{is_listed, suppressed};
use crate::store::unsubscribe_links::UnsubscribeLink;
use crate::store::{Store, StoreError};
use crate::telemetry::traces;
use futures::FutureExt;
use leadflow_clock::Clock;
use leadflow_workflows::domain::suppression::SuppressionKind;
use sqlx::{AnyConnection, AssertSqlSafe};
use uuid::Uuid;

const SOURCE: &str = "unsubscribe";

/// Whether a link of ours has this token.
pub async fn knows_unsubscribe_token(store: &Store, token: &str) -> Result<bool, StoreError> {
    Ok(store.unsubscribe_link(token).await?.is_some())
}

/// Does at once, and in one transaction, what an opt-out by mail does: suppresses everything by which the person is
/// known, and ends their enrollments. `None` for an unknown token.
///
/// Safe to repeat: when nothing is left to suppress or to end, nothing is written. Each click that did something is an
/// event of its own, because an entry that was taken off the list since does not outweigh a new click.
pub async fn unsubscribe(store: &Store, clock: Clock, token: &str) -> Result<Option<Received>, StoreError> {
    let Some(link) = &store.unsubscribe_link(token).await? else { return Ok(None) };
    let received = store
        .write(|transaction| {
            async move {
                let (now_ms, lead_ms) = store.now_and_lead_ms(transaction, clock).await?;
                Ok(opt_out(store, transaction, now_ms, link).await?.led_by(lead_ms))
            }
            .boxed()
        })
        .await?;
    Ok(Some(received))
}

async fn opt_out(
    store: &Store,
    transaction: &mut AnyConnection,
    now_ms: i64,
    link: &UnsubscribeLink,
) -> Result<Received, StoreError> {
    let tenant = link.tenant.as_str();
    let person_id = whom::lock(transaction, store.for_update(), tenant, link.person_id.clone()).await?;
    let id = Uuid::now_v7().to_string();
    if is_done(transaction, link, &person_id).await? {
        let answer_at_ms = answer_at_ms(transaction, tenant, Some(&person_id), &[], now_ms).await?;
        return Ok(Received { event_id: id, is_new: false, settled: false, tell: Vec::new(), answer_at_ms });
    }
    let event_key = format!("{SOURCE}/{id}");
    let traceparent = traces::traceparent();
    let new = NewEvent {
        id: &id,
        tenant,
        source: SOURCE,
        event_key: &event_key,
        kind: "unsubscribed",
        account_id: Some(&link.account_id),
        body: "{}",
        is_hint: false,
        now_ms,
        lease_until_ms: now_ms,
        traceparent: traceparent.as_deref(),
    };
    insert(transaction, &new).await?;
    let account = account(transaction, link).await?;
    let for_update = store.for_update();
    let mut scope = Scope { transaction, for_update, account: &account, by: By::Webhook, now_ms };
    let applied: Applied = incoming::unsubscribed(&mut scope, person_id, &link.address, &event_key).await?;
    noted(transaction, tenant, id, true, Some(&link.account_id), applied, now_ms).await
}

/// Whether address and person are suppressed, and nothing is open.
async fn is_done(transaction: &mut AnyConnection, link: &UnsubscribeLink, person_id: &str) -> Result<bool, StoreError> {
    let open: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM enrollments WHERE tenant = $1 AND person_id = $2 AND is_open = 1")
            .bind(&link.tenant)
            .bind(person_id)
            .fetch_one(&mut *transaction)
            .await?;
    Ok(open == 0
        && is_listed(transaction, &link.tenant, SuppressionKind::Email, &link.address).await?
        && suppressed(transaction, &link.tenant, person_id).await?.is_some())
}

async fn account(transaction: &mut AnyConnection, link: &UnsubscribeLink) -> Result<Account, StoreError> {
    let sql = format!("SELECT {ACCOUNT_COLUMNS} FROM accounts WHERE tenant = $1 AND id = $2");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(&link.tenant).bind(&link.account_id);
    let row = query.fetch_optional(transaction).await?;
    // An account that has sent something is never deleted.
    read_account_row(&row.ok_or_else(|| StoreError::unreadable("account_id"))?)
}
