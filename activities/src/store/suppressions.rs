//! Whom not to contact, on any channel. Checked in the transaction that claims a contact.

use super::enrollments::{end_enrollment, lock_person};
use super::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::outreach::EnrollmentState;
use leadflow_workflows::domain::suppression::{
    SuppressionKind, SuppressionOrigin, SuppressionTarget, domain_and_parents,
};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::BTreeSet;
use uuid::Uuid;

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Suppression {
    pub kind: SuppressionKind,
    pub value: String,
    pub reason: String,
    pub origin: SuppressionOrigin,
    pub created_at_ms: i64,
}

/// What adding entries did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Suppressed {
    pub added: u32,
    /// Entries that were on the list before; they keep their reason.
    pub known: u32,
    /// Ids of the enrollments that ended; their workflows are to be told.
    pub ended: Vec<String>,
}

const COLUMNS: &str = "kind, value, reason, origin, created_at_ms FROM suppressions";

impl Store {
    /// Adds entries and, in the same transaction, ends the open enrollments of everyone whom they mean and gives their
    /// reservations back. No contact with them begins afterwards.
    pub async fn add_suppressions(
        &self,
        tenant: &str,
        targets: &[(SuppressionTarget, String)],
        origin: SuppressionOrigin,
        now_ms: i64,
    ) -> Result<Suppressed, StoreError> {
        self.write(|transaction| {
            async move {
                let mut outcome = Suppressed::default();
                let mut people = BTreeSet::new();
                for (target, reason) in targets {
                    people.extend(people_in_outreach(transaction, tenant, target).await?);
                    let SuppressionTarget { kind, value } = target;
                    if suppress(transaction, tenant, *kind, value, reason, origin, now_ms).await? {
                        outcome.added += 1;
                    } else {
                        outcome.known += 1;
                    }
                }
                for person in people {
                    lock_person(transaction, self.for_update(), tenant, &person).await?;
                    let cause = match suppressed(transaction, tenant, &person).await? {
                        Some(entry) => format!("suppressed by {}: {}", entry.kind.name(), entry.reason),
                        None => continue,
                    };
                    let state = match origin {
                        SuppressionOrigin::OptOut | SuppressionOrigin::Complaint => EnrollmentState::OptedOut,
                        _ => EnrollmentState::Stopped,
                    };
                    outcome.ended.extend(end_open(transaction, tenant, &person, state, &cause, now_ms).await?);
                }
                Ok(outcome)
            }
            .boxed()
        })
        .await
    }

    /// Takes an entry off the list; `false` when it was not on it. What it ended stays ended.
    pub async fn remove_suppression(&self, tenant: &str, target: &SuppressionTarget) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                let removed = sqlx::query("DELETE FROM suppressions WHERE tenant = $1 AND kind = $2 AND value = $3")
                    .bind(tenant)
                    .bind(target.kind.name())
                    .bind(&target.value)
                    .execute(&mut **transaction)
                    .await?;
                Ok(removed.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }

    /// The newest entries first.
    pub async fn suppressions(&self, tenant: &str) -> Result<Vec<Suppression>, StoreError> {
        let sql = format!("SELECT {COLUMNS} WHERE tenant = $1 ORDER BY created_at_ms DESC, kind, value");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_suppression).collect()
    }

    /// What holds a person back, outside of a transaction: for lists and explanations.
    pub async fn suppression_of(&self, tenant: &str, person_id: &str) -> Result<Option<Suppression>, StoreError> {
        let mut connection = self.read().acquire().await.map_err(|error| self.error(error))?;
        suppressed(&mut connection, tenant, person_id).await
    }
}

/// Puts an entry on the list; `false` when it is there already. Ends nothing: the caller does, under the person's lock.
pub(crate) async fn suppress(
    transaction: &mut AnyConnection,
    tenant: &str,
    kind: SuppressionKind,
    value: &str,
    reason: &str,
    origin: SuppressionOrigin,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let added = sqlx::query(
        "INSERT INTO suppressions (id, tenant, kind, value, reason, origin, created_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, kind, value) DO NOTHING",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(tenant)
    .bind(kind.name())
    .bind(value.to_lowercase())
    .bind(reason)
    .bind(origin.name())
    .bind(now_ms)
    .execute(transaction)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// The entry that forbids to contact a person: by profile, by any of their addresses, by the domain of an address or of
/// a business they are a lead at. Someone who asked not to be processed counts as suppressed, entry or not.
pub(crate) async fn suppressed(
    transaction: &mut AnyConnection,
    tenant: &str,
    person_id: &str,
) -> Result<Option<Suppression>, StoreError> {
    let person: Option<(Option<String>, Option<i64>)> =
        sqlx::query_as("SELECT linkedin_public_id, removed_at_ms FROM persons WHERE tenant = $1 AND id = $2")
            .bind(tenant)
            .bind(person_id)
            .fetch_optional(&mut *transaction)
            .await?;
    let Some((linkedin, removed_at_ms)) = person else { return Ok(None) };
    if let Some(created_at_ms) = removed_at_ms {
        return Ok(Some(Suppression {
            kind: SuppressionKind::Linkedin,
            value: linkedin.unwrap_or_default(),
            reason: "the person asked not to be processed".into(),
            origin: SuppressionOrigin::OptOut,
            created_at_ms,
        }));
    }
    let emails: Vec<String> = sqlx::query_scalar(
        "SELECT email FROM person_emails WHERE tenant = $1 AND person_id = $2 \
         UNION SELECT LOWER(email) FROM persons WHERE tenant = $1 AND id = $2 AND email IS NOT NULL",
    )
    .bind(tenant)
    .bind(person_id)
    .fetch_all(&mut *transaction)
    .await?;
    let business_domains: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT b.domain FROM leads l JOIN businesses b ON b.id = l.business_id AND b.tenant = l.tenant \
         WHERE l.tenant = $1 AND l.person_id = $2 AND b.domain IS NOT NULL",
    )
    .bind(tenant)
    .bind(person_id)
    .fetch_all(&mut *transaction)
    .await?;
    let domains: BTreeSet<&str> = emails
        .iter()
        .filter_map(|email| email.rsplit_once('@').map(|(_, domain)| domain))
        .chain(business_domains.iter().map(String::as_str))
        .flat_map(domain_and_parents)
        .collect();
    let named = linkedin.iter().map(|id| (SuppressionKind::Linkedin, id.as_str()));
    let named = named.chain(emails.iter().map(|email| (SuppressionKind::Email, email.as_str())));
    for (kind, value) in named.chain(domains.into_iter().map(|domain| (SuppressionKind::Domain, domain))) {
        let sql = format!("SELECT {COLUMNS} WHERE tenant = $1 AND kind = $2 AND value = $3");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(kind.name())
            .bind(value.to_lowercase())
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(row) = row {
            return read_suppression(&row).map(Some);
        }
    }
    Ok(None)
}

/// Whether this very value is on the list.
pub(crate) async fn is_listed(
    transaction: &mut AnyConnection,
    tenant: &str,
    kind: SuppressionKind,
    value: &str,
) -> Result<bool, StoreError> {
    let entries: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM suppressions WHERE tenant = $1 AND kind = $2 AND value = $3")
            .bind(tenant)
            .bind(kind.name())
            .bind(value.to_lowercase())
            .fetch_one(transaction)
            .await?;
    Ok(entries > 0)
}

/// Whether mail to an address came back. It is given to nobody any more: who has a suppressed address is contacted nowhere.
pub(crate) async fn is_bounced(
    transaction: &mut AnyConnection,
    tenant: &str,
    address: &str,
) -> Result<bool, StoreError> {
    let entries: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM suppressions WHERE tenant = $1 AND kind = $2 AND value = $3 AND origin = $4",
    )
    .bind(tenant)
    .bind(SuppressionKind::Email.name())
    .bind(address.to_lowercase())
    .bind(SuppressionOrigin::Bounce.name())
    .fetch_one(transaction)
    .await?;
    Ok(entries > 0)
}

/// Ends whatever is open for a person whose row is locked; returns the ids of the enrollments.
pub(crate) async fn end_open(
    transaction: &mut AnyConnection,
    tenant: &str,
    person_id: &str,
    state: EnrollmentState,
    cause: &str,
    now_ms: i64,
) -> Result<Vec<String>, StoreError> {
    let open: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM enrollments WHERE tenant = $1 AND person_id = $2 AND is_open = 1 ORDER BY id",
    )
    .bind(tenant)
    .bind(person_id)
    .fetch_all(&mut *transaction)
    .await?;
    for enrollment in &open {
        end_enrollment(transaction, tenant, enrollment, state, cause, now_ms).await?;
    }
    Ok(open)
}

/// People with an open enrollment whom this may mean; [`suppressed`] then tells for certain.
async fn people_in_outreach(
    transaction: &mut AnyConnection,
    tenant: &str,
    target: &SuppressionTarget,
) -> Result<Vec<String>, StoreError> {
    let meant = match target.kind {
        SuppressionKind::Linkedin => "SELECT id FROM persons WHERE tenant = $1 AND linkedin_public_id = $2",
        SuppressionKind::Email => "SELECT person_id FROM person_emails WHERE tenant = $1 AND email = $2",
        SuppressionKind::Domain => {
            "SELECT person_id FROM person_emails WHERE tenant = $1 AND email LIKE '%' || $2 \
             UNION SELECT l.person_id FROM leads l JOIN businesses b ON b.id = l.business_id AND b.tenant = l.tenant \
             WHERE l.tenant = $1 AND b.domain LIKE '%' || $2"
        }
    };
    let people = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT DISTINCT person_id FROM enrollments WHERE tenant = $1 AND is_open = 1 AND person_id IN ({meant})"
    )))
    .bind(tenant)
    .bind(&target.value)
    .fetch_all(transaction)
    .await?;
    Ok(people)
}

fn read_suppression(row: &AnyRow) -> Result<Suppression, StoreError> {
    let (kind, origin): (String, String) = (row.try_get("kind")?, row.try_get("origin")?);
    Ok(Suppression {
        kind: SuppressionKind::named(&kind).ok_or_else(|| StoreError::unreadable("kind"))?,
        value: row.try_get("value")?,
        reason: row.try_get("reason")?,
        origin: SuppressionOrigin::named(&origin).ok_or_else(|| StoreError::unreadable("origin"))?,
        created_at_ms: row.try_get("created_at_ms")?,
    })
}
