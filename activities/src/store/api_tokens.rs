//! Who may use the HTTP API. Of a token only its hash is kept.

use super::searches::{from_json, to_json};
use super::{Store, StoreError};
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use std::collections::BTreeSet;

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Read,
    Write,
    /// Posting events that are not signed.
    Webhooks,
}

/// A token of the HTTP API, without the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiToken {
    pub id: String,
    pub tenant: String,
    /// What a person calls it.
    pub name: String,
    /// SHA-256 of the token, as hexadecimal digits.
    #[serde(skip)]
    pub hash: String,
    pub scopes: BTreeSet<Scope>,
    pub created_at_ms: i64,
    pub expires_at_ms: Option<i64>,
    pub revoked_at_ms: Option<i64>,
    /// Exact to a minute.
    pub last_used_at_ms: Option<i64>,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Webhooks];

    /// Stable machine name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Webhooks => "webhooks",
        }
    }
}

impl ApiToken {
    pub fn is_valid(&self, now_ms: i64) -> bool {
        self.revoked_at_ms.is_none() && self.expires_at_ms.is_none_or(|expires_at_ms| expires_at_ms > now_ms)
    }
}

const SELECT: &str = "SELECT id, tenant, name, hash, scopes, created_at_ms, expires_at_ms, revoked_at_ms, last_used_at_ms \
                      FROM api_tokens WHERE tenant = $1";

impl Store {
    pub async fn add_api_token(&self, token: &ApiToken) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query(
                    "INSERT INTO api_tokens (id, tenant, name, hash, scopes, created_at_ms, expires_at_ms) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(&token.id)
                .bind(&token.tenant)
                .bind(&token.name)
                .bind(&token.hash)
                .bind(to_json(&token.scopes))
                .bind(token.created_at_ms)
                .bind(token.expires_at_ms)
                .execute(&mut **transaction)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    pub async fn api_token(&self, tenant: &str, id: &str) -> Result<Option<ApiToken>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!("{SELECT} AND id = $2")))
            .bind(tenant)
            .bind(id)
            .fetch_optional(self.read())
            .await
            .map_err(|error| self.error(error))?;
        row.as_ref().map(read_token).transpose()
    }

    /// All tokens, the newest first.
    pub async fn api_tokens(&self, tenant: &str) -> Result<Vec<ApiToken>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!("{SELECT} ORDER BY created_at_ms DESC, id DESC")))
            .bind(tenant)
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_token).collect()
    }

    /// Has a token no longer be valid; `false` when it was revoked before.
    pub async fn revoke_api_token(&self, tenant: &str, id: &str, now_ms: i64) -> Result<bool, StoreError> {
        self.mark_api_token(
            "UPDATE api_tokens SET revoked_at_ms = $3 WHERE tenant = $1 AND id = $2 AND revoked_at_ms IS NULL",
            tenant,
            id,
            now_ms,
        )
        .await
    }

    /// Notes that a token was used.
    pub async fn api_token_was_used(&self, tenant: &str, id: &str, now_ms: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE api_tokens SET last_used_at_ms = $3 WHERE tenant = $1 AND id = $2";
        self.mark_api_token(sql, tenant, id, now_ms).await
    }

    async fn mark_api_token(&self, sql: &'static str, tenant: &str, id: &str, now_ms: i64) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                let marked = sqlx::query(sql).bind(tenant).bind(id).bind(now_ms).execute(&mut **transaction).await?;
                Ok(marked.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }
}

fn read_token(row: &AnyRow) -> Result<ApiToken, StoreError> {
    Ok(ApiToken {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        name: row.try_get("name")?,
        hash: row.try_get("hash")?,
        scopes: from_json(&row.try_get::<String, _>("scopes")?)?,
        created_at_ms: row.try_get("created_at_ms")?,
        expires_at_ms: row.try_get("expires_at_ms")?,
        revoked_at_ms: row.try_get("revoked_at_ms")?,
        last_used_at_ms: row.try_get("last_used_at_ms")?,
    })
}
