//! What was answered to a request that had an `Idempotency-Key`, so that a repeat does nothing a second time.

use super::{Store, StoreError};
use futures::FutureExt;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

/// A request that has a key.
#[derive(Clone, Copy, Debug)]
pub struct KeyedRequest<'a> {
    pub tenant: &'a str,
    pub key: &'a str,
    /// Method and path.
    pub route: &'a str,
    /// SHA-256 of the body, as hexadecimal digits.
    pub request_hash: &'a str,
    pub now_ms: i64,
    /// When another attempt may take over, should this one die.
    pub lease_until_ms: i64,
    /// Keys from before are forgotten.
    pub forget_before_ms: i64,
}

/// What is to be done about a request that has a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is this attempt's; what it makes gets this id, also when an earlier attempt has died half-way.
    Ours { result_id: String },
    /// The first request is still running.
    Running,
    /// It was answered before.
    Answered(StoredAnswer),
    /// The key belongs to another request.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    pub status: u16,
    pub location: Option<String>,
    pub content_type: Option<String>,
    pub body: String,
}

impl Store {
    /// Takes a key for a request, or says what became of the request that has it.
    pub async fn claim_key(&self, request: KeyedRequest<'_>) -> Result<Claim, StoreError> {
        self.write(|transaction| {
            async move {
                let KeyedRequest { tenant, key, now_ms, .. } = request;
                sqlx::query("DELETE FROM idempotency_keys WHERE tenant = $1 AND created_at_ms < $2")
                    .bind(tenant)
                    .bind(request.forget_before_ms)
                    .execute(&mut **transaction)
                    .await?;
                let result_id = Uuid::now_v7().to_string();
                let taken = sqlx::query(
                    "INSERT INTO idempotency_keys (tenant, key, route, request_hash, result_id, lease_until_ms, created_at_ms) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, key) DO NOTHING",
                )
                .bind(tenant)
                .bind(key)
                .bind(request.route)
                .bind(request.request_hash)
                .bind(&result_id)
                .bind(request.lease_until_ms)
                .bind(now_ms)
                .execute(&mut **transaction)
                .await?;
                if taken.rows_affected() == 1 {
                    return Ok(Claim::Ours { result_id });
                }
                known(transaction, self.for_update(), request).await
            }
            .boxed()
        })
        .await
    }

    /// Keeps an answer; the first one stays.
    pub async fn keep_answer(&self, tenant: &str, key: &str, answer: &StoredAnswer) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query(
                    "UPDATE idempotency_keys SET status = $3, location = $4, content_type = $5, body = $6 \
                     WHERE tenant = $1 AND key = $2 AND status IS NULL",
                )
                .bind(tenant)
                .bind(key)
                .bind(i64::from(answer.status))
                .bind(answer.location.as_deref())
                .bind(answer.content_type.as_deref())
                .bind(&answer.body)
                .execute(&mut **transaction)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Lets the same request be tried again at once, under the same id, after an answer that is not to be kept.
    pub async fn free_key(&self, tenant: &str, key: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query(
                    "UPDATE idempotency_keys SET lease_until_ms = 0 WHERE tenant = $1 AND key = $2 AND status IS NULL",
                )
                .bind(tenant)
                .bind(key)
                .execute(&mut **transaction)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }
}

/// What became of the request that has the key; an attempt whose lease is over is taken over.
async fn known(
    transaction: &mut AnyConnection,
    for_update: &str,
    request: KeyedRequest<'_>,
) -> Result<Claim, StoreError> {
    let sql = format!(
        "SELECT route, request_hash, result_id, lease_until_ms, status, location, content_type, body \
         FROM idempotency_keys WHERE tenant = $1 AND key = $2{for_update}"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(request.tenant)
        .bind(request.key)
        .fetch_one(&mut *transaction)
        .await?;
    let (route, hash): (String, String) = (row.try_get("route")?, row.try_get("request_hash")?);
    if (route.as_str(), hash.as_str()) != (request.route, request.request_hash) {
        return Ok(Claim::Other);
    }
    if let Some(status) = row.try_get::<Option<i64>, _>("status")? {
        return Ok(Claim::Answered(StoredAnswer {
            status: u16::try_from(status).map_err(|_| StoreError::unreadable("status"))?,
            location: row.try_get("location")?,
            content_type: row.try_get("content_type")?,
            body: row.try_get::<Option<String>, _>("body")?.unwrap_or_default(),
        }));
    }
    if row.try_get::<i64, _>("lease_until_ms")? > request.now_ms {
        return Ok(Claim::Running);
    }
    sqlx::query("UPDATE idempotency_keys SET lease_until_ms = $3 WHERE tenant = $1 AND key = $2")
        .bind(request.tenant)
        .bind(request.key)
        .bind(request.lease_until_ms)
        .execute(transaction)
        .await?;
    Ok(Claim::Ours { result_id: row.try_get("result_id")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::each_backend;

    fn request<'a>(key: &'a str, hash: &'a str, now_ms: i64) -> KeyedRequest<'a> {
        KeyedRequest {
            tenant: "default",
            key,
            route: "POST /v1/searches",
            request_hash: hash,
            now_ms,
            lease_until_ms: now_ms + 100,
            forget_before_ms: now_ms - 1_000,
        }
    }

    #[tokio::test]
    async fn a_key_is_one_request_for_a_time() {
        each_backend(async |store| {
            let claim = async |key, hash, now_ms| store.claim_key(request(key, hash, now_ms)).await.unwrap();
            let Claim::Ours { result_id } = claim("k", "a", 10_000).await else { panic!("a new key is free") };
            assert_eq!(claim("k", "a", 10_001).await, Claim::Running);
            assert_eq!(claim("k", "b", 10_001).await, Claim::Other);
            // The process died: the next attempt makes the same thing.
            assert_eq!(claim("k", "a", 10_100).await, Claim::Ours { result_id: result_id.clone() });
            assert_eq!(claim("k", "a", 10_101).await, Claim::Running);
            store.free_key("default", "k").await.unwrap();
            assert_eq!(claim("k", "a", 10_102).await, Claim::Ours { result_id: result_id.clone() });

            let answer = StoredAnswer {
                status: 202,
                location: Some("/v1/searches/1".into()),
                content_type: None,
                body: "{}".into(),
            };
            store.keep_answer("default", "k", &answer).await.unwrap();
            store.keep_answer("default", "k", &StoredAnswer { status: 500, ..answer.clone() }).await.unwrap();
            assert_eq!(claim("k", "a", 10_900).await, Claim::Answered(answer));
            let elsewhere = KeyedRequest { tenant: "other", ..request("k", "b", 10_900) };
            assert!(matches!(store.claim_key(elsewhere).await.unwrap(), Claim::Ours { .. }));

            let Claim::Ours { result_id: second } = claim("k", "b", 11_001).await else { panic!("forgotten by now") };
            assert_ne!(second, result_id);
        })
        .await;
    }
}
