//! Whom an event concerns, under the lock that contacts are claimed under.

use super::{By, Scope};
use crate::store::accounts::Account;
use crate::store::{Store, StoreError};
use futures::FutureExt;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// An enrollment that may go on.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) id: String,
    pub(super) person_id: String,
    pub(super) sequence_id: String,
    pub(super) started_at_ms: i64,
}

/// The person of a profile, as this account sees it. Found by the public id, the account's own id of them is learnt.
pub(super) async fn by_profile(
    scope: &mut Scope<'_>,
    provider_id: &str,
    public_id: Option<&str>,
) -> Result<Option<String>, StoreError> {
    let seen: Option<String> = sqlx::query_scalar(
        "SELECT person_id FROM account_people WHERE tenant = $1 AND account_id = $2 AND provider_id = $3",
    )
    .bind(&scope.account.tenant)
    .bind(&scope.account.id)
    .bind(provider_id)
    .fetch_optional(&mut *scope.transaction)
    .await?;
    if let Some(person_id) = seen {
        return locked(scope, person_id).await.map(Some);
    }
    let Some(public_id) = public_id else { return Ok(None) };
    let known = sqlx::query_scalar("SELECT id FROM persons WHERE tenant = $1 AND linkedin_public_id = $2")
        .bind(&scope.account.tenant)
        .bind(public_id)
        .fetch_optional(&mut *scope.transaction)
        .await?;
    let Some(person_id) = known else { return Ok(None) };
    let person_id = locked(scope, person_id).await?;
    sqlx::query(
        "INSERT INTO account_people (account_id, tenant, person_id, provider_id) VALUES ($2, $1, $3, $4) \
         ON CONFLICT (account_id, person_id) DO UPDATE SET provider_id = excluded.provider_id",
    )
    .bind(&scope.account.tenant)
    .bind(&scope.account.id)
    .bind(&person_id)
    .bind(provider_id)
    .execute(&mut *scope.transaction)
    .await?;
    Ok(Some(person_id))
}

/// Learns whose profile it is that an account sees under this id. Whether they are known here.
pub(in crate::outreach) async fn learn(
    store: &Store,
    account: &Account,
    provider_id: &str,
    public_id: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    store
        .write(|transaction| {
            async move {
                let mut scope = Scope { transaction, for_update: store.for_update(), account, by: By::List, now_ms };
                Ok(by_profile(&mut scope, provider_id, Some(public_id)).await?.is_some())
            }
            .boxed()
        })
        .await
}

/// The other party of a chat between two.
pub(super) async fn by_chat(scope: &mut Scope<'_>, chat_id: &str) -> Result<Option<String>, StoreError> {
    let person_id = sqlx::query_scalar(
        "SELECT person_id FROM account_people WHERE tenant = $1 AND account_id = $2 AND provider_chat_id = $3",
    )
    .bind(&scope.account.tenant)
    .bind(&scope.account.id)
    .bind(chat_id)
    .fetch_optional(&mut *scope.transaction)
    .await?;
    match person_id {
        Some(person_id) => locked(scope, person_id).await.map(Some),
        None => Ok(None),
    }
}

/// Remembers the chat with a person.
pub(super) async fn note_chat(scope: &mut Scope<'_>, person_id: &str, chat_id: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE account_people SET provider_chat_id = $4 \
         WHERE tenant = $1 AND account_id = $2 AND person_id = $3 AND provider_chat_id IS NULL",
    )
    .bind(&scope.account.tenant)
    .bind(&scope.account.id)
    .bind(person_id)
    .bind(chat_id)
    .execute(&mut *scope.transaction)
    .await?;
    Ok(())
}

pub(super) async fn by_address(scope: &mut Scope<'_>, address: &str) -> Result<Option<String>, StoreError> {
    let emails = [address.to_lowercase()];
    known_by(scope.transaction, scope.for_update, &scope.account.tenant, None, &emails).await
}

/// The person who has this profile, or else one of these addresses; all in lower case.
pub(super) async fn known_by(
    transaction: &mut AnyConnection,
    for_update: &str,
    tenant: &str,
    public_id: Option<&str>,
    emails: &[String],
) -> Result<Option<String>, StoreError> {
    let by_profile = "linkedin_public_id = $2";
    let by_address = "id = (SELECT MIN(known.id) FROM (SELECT id FROM persons WHERE tenant = $1 AND email = $2 \
         UNION ALL SELECT person_id FROM person_emails WHERE tenant = $1 AND email = $2) AS known)";
    let keys = public_id.map(|id| (by_profile, id));
    for (condition, key) in keys.into_iter().chain(emails.iter().map(|email| (by_address, email.as_str()))) {
        if let Some(person_id) = lock_where(transaction, for_update, tenant, condition, key).await? {
            return Ok(Some(person_id));
        }
    }
    Ok(None)
}

/// The person to whom we sent the mail that this one answers, from whatever address they did.
pub(super) async fn by_answered_mail(scope: &mut Scope<'_>, in_reply_to: &str) -> Result<Option<String>, StoreError> {
    by_touch(scope, in_reply_to).await
}

pub(super) async fn by_tracking(scope: &mut Scope<'_>, tracking_id: &str) -> Result<Option<String>, StoreError> {
    by_touch(scope, tracking_id).await
}

async fn by_touch(scope: &mut Scope<'_>, mail_id: &str) -> Result<Option<String>, StoreError> {
    let person_id = sqlx::query_scalar(
        "SELECT person_id FROM touches WHERE tenant = $1 AND account_id = $2 AND person_id <> '' \
         AND (mail_message_id = $3 OR provider_message_id = $3) LIMIT 1",
    )
    .bind(&scope.account.tenant)
    .bind(&scope.account.id)
    .bind(mail_id)
    .fetch_optional(&mut *scope.transaction)
    .await?;
    match person_id {
        Some(person_id) => locked(scope, person_id).await.map(Some),
        None => Ok(None),
    }
}

pub(super) async fn locked(scope: &mut Scope<'_>, person_id: String) -> Result<String, StoreError> {
    lock(scope.transaction, scope.for_update, &scope.account.tenant, person_id).await
}

/// Locks a person, or in their place the one whom they turned out to be.
pub(super) async fn lock(
    transaction: &mut AnyConnection,
    for_update: &str,
    tenant: &str,
    person_id: String,
) -> Result<String, StoreError> {
    Ok(lock_where(transaction, for_update, tenant, "id = $2", &person_id).await?.unwrap_or(person_id))
}

/// [`lock`] for the one person whom a condition on `$2` finds.
async fn lock_where(
    transaction: &mut AnyConnection,
    for_update: &str,
    tenant: &str,
    condition: &str,
    key: &str,
) -> Result<Option<String>, StoreError> {
    let select =
        |condition: &str| format!("SELECT id, merged_into FROM persons WHERE tenant = $1 AND {condition}{for_update}");
    let (mut sql, mut key) = (select(condition), key.to_owned());
    let mut last = None;
    loop {
        let found =
            sqlx::query_as(AssertSqlSafe(sql)).bind(tenant).bind(&key).fetch_optional(&mut *transaction).await?;
        let Some((id, merged_into)): Option<(String, Option<String>)> = found else { return Ok(last) };
        match merged_into {
            Some(survivor) if survivor != id => {
                (sql, key, last) = (select("id = $2"), survivor.clone(), Some(survivor));
            }
            _ => return Ok(Some(id)),
        }
    }
}

/// The open enrollments of a person, in all campaigns.
pub(super) async fn open_enrollments(scope: &mut Scope<'_>, person_id: &str) -> Result<Vec<Open>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, person_id, sequence_id, CASE WHEN state = 'scheduled' AND state_at_ms < started_at_ms \
         THEN state_at_ms ELSE started_at_ms END AS started_at_ms FROM enrollments \
         WHERE tenant = $1 AND person_id = $2 AND is_open = 1 ORDER BY id",
    )
    .bind(&scope.account.tenant)
    .bind(person_id)
    .fetch_all(&mut *scope.transaction)
    .await?;
    rows.iter().map(read_open).collect()
}

/// Open enrollments of others at the businesses where a person is a lead, in campaigns that one answer of a company ends.
/// Their people are locked, too.
pub(super) async fn colleagues(scope: &mut Scope<'_>, person_id: &str) -> Result<Vec<Open>, StoreError> {
    let rows = sqlx::query(
        "SELECT e.id, e.person_id, e.sequence_id, CASE WHEN e.state = 'scheduled' AND e.state_at_ms < e.started_at_ms \
         THEN e.state_at_ms ELSE e.started_at_ms END AS started_at_ms, c.settings FROM enrollments e \
         JOIN leads l ON l.id = e.lead_id AND l.tenant = e.tenant \
         JOIN campaigns c ON c.id = e.campaign_id AND c.tenant = e.tenant \
         WHERE e.tenant = $1 AND e.is_open = 1 AND e.person_id <> $2 \
         AND l.business_id IN (SELECT business_id FROM leads WHERE tenant = $1 AND person_id = $2) \
         ORDER BY e.person_id, e.id",
    )
    .bind(&scope.account.tenant)
    .bind(person_id)
    .fetch_all(&mut *scope.transaction)
    .await?;
    let mut colleagues = Vec::new();
    for row in &rows {
        let settings: leadflow_workflows::domain::account::CampaignSettings =
            crate::store::searches::from_json(&row.try_get::<String, _>("settings")?)?;
        if settings.stop_company {
            let open = read_open(row)?;
            locked(scope, open.person_id.clone()).await?;
            colleagues.push(open);
        }
    }
    Ok(colleagues)
}

fn read_open(row: &sqlx::any::AnyRow) -> Result<Open, StoreError> {
    Ok(Open {
        id: row.try_get("id")?,
        person_id: row.try_get("person_id")?,
        sequence_id: row.try_get("sequence_id")?,
        started_at_ms: row.try_get("started_at_ms")?,
    })
}
