//! What reading an account goes by: whom it has to do with, its invitations, and up to when its lists were read.

use super::enrollments::lock_person;
use super::touches::settle_sent;
use super::{Store, StoreError};
use futures::FutureExt;
use sqlx::Row;
use std::collections::BTreeMap;

/// A person whom an account has to do with, as it sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) person_id: String,
    pub(crate) public_id: Option<String>,
    pub(crate) provider_id: Option<String>,
    pub(crate) chat_id: Option<String>,
    pub(crate) addresses: Vec<String>,
    pub(crate) is_connected: bool,
    /// Whether the account has, or may have, invited them by a touch.
    pub(crate) is_invited: bool,
}

/// An invitation that is in doubt or not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenInvite {
    pub(crate) touch_id: String,
    pub(crate) campaign_id: String,
    pub(crate) enrollment_id: String,
    pub(crate) person_id: String,
    pub(crate) in_doubt: bool,
    /// When it was sent, as far as that is known.
    pub(crate) at_ms: i64,
}

impl Store {
    /// Everyone whom an account has contacted or looked at.
    pub(crate) async fn contacts(&self, tenant: &str, account_id: &str) -> Result<Vec<Contact>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.id, p.linkedin_public_id, p.email, s.provider_id, s.provider_chat_id, s.connected_at_ms, \
             (SELECT COUNT(*) FROM touches i WHERE i.tenant = $1 AND i.account_id = $2 AND i.person_id = p.id \
             AND i.action = 'invite' AND i.called_at_ms IS NOT NULL) AS invitations \
             FROM persons p LEFT JOIN account_people s ON s.person_id = p.id AND s.account_id = $2 AND s.tenant = p.tenant \
             WHERE p.tenant = $1 AND p.id IN (SELECT person_id FROM touches WHERE tenant = $1 AND account_id = $2 \
             UNION SELECT person_id FROM account_people WHERE tenant = $1 AND account_id = $2) ORDER BY p.id",
        )
        .bind(tenant)
        .bind(account_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let others = sqlx::query(
            "SELECT person_id, email FROM person_emails WHERE tenant = $1 \
             AND person_id IN (SELECT person_id FROM touches WHERE tenant = $1 AND account_id = $2)",
        )
        .bind(tenant)
        .bind(account_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let mut addresses: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in &others {
            addresses.entry(row.try_get("person_id")?).or_default().push(row.try_get("email")?);
        }
        let read = |row: &sqlx::any::AnyRow| {
            let person_id: String = row.try_get("id")?;
            let mut addresses = addresses.get(&person_id).cloned().unwrap_or_default();
            addresses.extend(row.try_get::<Option<String>, _>("email")?.map(|email| email.to_lowercase()));
            Ok(Contact {
                person_id,
                public_id: row.try_get("linkedin_public_id")?,
                provider_id: row.try_get("provider_id")?,
                chat_id: row.try_get("provider_chat_id")?,
                addresses,
                is_connected: row.try_get::<Option<i64>, _>("connected_at_ms")?.is_some(),
                is_invited: row.try_get::<i64, _>("invitations")? > 0,
            })
        };
        rows.iter().map(read).collect()
    }

    /// The invitations of an account that are in doubt or not answered.
    pub(crate) async fn open_invites(&self, tenant: &str, account_id: &str) -> Result<Vec<OpenInvite>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, campaign_id, enrollment_id, person_id, state, called_at_ms, settled_at_ms FROM touches \
             WHERE tenant = $1 AND account_id = $2 AND action = 'invite' AND person_id <> '' AND called_at_ms IS NOT NULL \
             AND (state IN ('calling', 'unknown') OR (state = 'sent' AND is_live_invite = 1)) ORDER BY called_at_ms, id",
        )
        .bind(tenant)
        .bind(account_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let read = |row: &sqlx::any::AnyRow| {
            let called_at_ms: i64 = row.try_get("called_at_ms")?;
            Ok(OpenInvite {
                touch_id: row.try_get("id")?,
                campaign_id: row.try_get("campaign_id")?,
                enrollment_id: row.try_get("enrollment_id")?,
                person_id: row.try_get("person_id")?,
                in_doubt: row.try_get::<String, _>("state")? != "sent",
                at_ms: row.try_get::<Option<i64>, _>("settled_at_ms")?.unwrap_or(called_at_ms).max(called_at_ms),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Settles an invitation in doubt that the provider's list shows. Whether it was in doubt.
    pub(crate) async fn settle_found_invite(
        &self,
        tenant: &str,
        invite: &OpenInvite,
        invitation_id: &str,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                lock_person(transaction, self.for_update(), tenant, &invite.person_id).await?;
                let id = Some(invitation_id);
                settle_sent(transaction, tenant, &invite.touch_id, id, None, "found", now_ms).await
            }
            .boxed()
        })
        .await
    }

    /// Notes that an invitation is gone without a connection. Whether it was live until now.
    pub(crate) async fn note_declined(
        &self,
        tenant: &str,
        invite: &OpenInvite,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                lock_person(transaction, self.for_update(), tenant, &invite.person_id).await?;
                let noted = sqlx::query(
                    "UPDATE touches SET is_live_invite = 0, declined_at_ms = $3 \
                     WHERE tenant = $1 AND id = $2 AND state = 'sent' AND is_live_invite = 1",
                )
                .bind(tenant)
                .bind(&invite.touch_id)
                .bind(now_ms)
                .execute(&mut **transaction)
                .await?;
                Ok(noted.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }

    /// Settles a contact that nothing explains, as a person says. `false` when it was not in doubt, or its call may be on
    /// its way.
    pub async fn settle_by_person(
        &self,
        tenant: &str,
        touch_id: &str,
        was_sent: bool,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                let person: Option<String> =
                    sqlx::query_scalar("SELECT person_id FROM touches WHERE tenant = $1 AND id = $2")
                        .bind(tenant)
                        .bind(touch_id)
                        .fetch_optional(&mut **transaction)
                        .await?;
                let Some(person) = person else { return Ok(false) };
                lock_person(transaction, self.for_update(), tenant, &person).await?;
                let in_doubt: i64 = sqlx::query_scalar(
                    "SELECT COUNT(*) FROM touches WHERE tenant = $1 AND id = $2 \
                     AND (state = 'unknown' OR (state = 'calling' AND call_deadline_ms < $3))",
                )
                .bind(tenant)
                .bind(touch_id)
                .bind(now_ms)
                .fetch_one(&mut **transaction)
                .await?;
                if in_doubt == 0 {
                    return Ok(false);
                }
                if was_sent {
                    return settle_sent(transaction, tenant, touch_id, None, None, "person", now_ms).await;
                }
                let settled = sqlx::query(
                    "UPDATE touches SET state = 'released', settled_by = 'person', settled_at_ms = NULL, is_live_invite = 0, \
                     called_at_ms = NULL, call_deadline_ms = NULL, call_begin_by_ms = NULL, token = NULL, calls = 0 \
                     WHERE tenant = $1 AND id = $2",
                )
                .bind(tenant)
                .bind(touch_id)
                .execute(&mut **transaction)
                .await?;
                Ok(settled.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }
}
