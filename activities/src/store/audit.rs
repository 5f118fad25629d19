//! Who did what, by ids only.

use super::{Store, StoreError};
use futures::FutureExt;
use serde::Serialize;
use uuid::Uuid;

/// Something that someone set out to do.
#[derive(Clone, Copy, Debug)]
pub struct NewAuditEntry<'a> {
    pub tenant: &'a str,
    /// Id of a token, or `cli`.
    pub actor: &'a str,
    /// As the OpenAPI document calls it.
    pub action: &'a str,
    /// Id of what it is done to, when that is known before.
    pub subject: Option<&'a str>,
    pub request_id: Option<&'a str>,
    pub now_ms: i64,
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    pub id: String,
    pub at_ms: i64,
    pub actor: String,
    pub action: String,
    pub subject: Option<String>,
    pub request_id: Option<String>,
    /// HTTP status of the answer; none while it runs, when the process died over it, and for the command line.
    pub status: Option<i64>,
}

impl Store {
    /// Writes down what is about to be done, and returns the id of the entry: what is done is never missing here.
    pub async fn audit(&self, new: NewAuditEntry<'_>) -> Result<String, StoreError> {
        let id = Uuid::now_v7().to_string();
        self.write(|transaction| {
            let id = &id;
            async move {
                sqlx::query(
                    "INSERT INTO audit_log (id, tenant, at_ms, actor, action, subject, request_id) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(id)
                .bind(new.tenant)
                .bind(new.now_ms)
                .bind(new.actor)
                .bind(new.action)
                .bind(new.subject)
                .bind(new.request_id)
                .execute(&mut **transaction)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await?;
        Ok(id)
    }

    /// Adds what was answered, and to what it was done when only the answer tells.
    pub async fn audit_answer(
        &self,
        tenant: &str,
        id: &str,
        status: u16,
        subject: Option<&str>,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query(
                    "UPDATE audit_log SET status = $3, subject = COALESCE(subject, $4) WHERE tenant = $1 AND id = $2",
                )
                .bind(tenant)
                .bind(id)
                .bind(i64::from(status))
                .bind(subject)
                .execute(&mut **transaction)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// The newest entries first; `actor` takes only those of one token, or of `cli`.
    pub async fn audit_entries(
        &self,
        tenant: &str,
        actor: Option<&str>,
        at_most: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let sql = "SELECT id, at_ms, actor, action, subject, request_id, status FROM audit_log \
                   WHERE tenant = $1 AND ($2 = '' OR actor = $2) ORDER BY at_ms DESC, id DESC LIMIT $3";
        let rows: Vec<AuditColumns> = sqlx::query_as(sql)
            .bind(tenant)
            .bind(actor.unwrap_or_default())
            .bind(i64::from(at_most))
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        let entry = |(id, at_ms, actor, action, subject, request_id, status)| AuditEntry {
            id,
            at_ms,
            actor,
            action,
            subject,
            request_id,
            status,
        };
        Ok(rows.into_iter().map(entry).collect())
    }
}

type AuditColumns = (String, i64, String, String, Option<String>, Option<String>, Option<i64>);
