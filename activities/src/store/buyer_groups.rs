//! Buyer groups: the people of a company with their roles, why a company is to be refreshed, and the log of each refresh.

mod listed;
mod members;

pub use listed::{GroupSummary, Member, RefreshLog};
pub(crate) use members::{Asked, AtCompany, GivenRole};

use super::searches::{from_json, to_json};
use super::{Store, StoreError};
use futures::FutureExt;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeSet;
use uuid::Uuid;

/// A company, as its refreshes need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Company {
    pub id: String,
    pub cid: String,
    pub name: String,
    pub domain: Option<String>,
    pub category: String,
    pub city: String,
    pub region: String,
    /// ISO 3166-1 code in small letters; empty when unknown.
    pub country: String,
    /// `sandbox` or `live`.
    pub source: String,
    /// What the newest search that found it was to sell; empty without one.
    pub sell: String,
}

/// What asking for a refresh comes to. Instants are UTC milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OpenedRefresh {
    /// It is open under this id, now or since an earlier attempt.
    Refresh(String),
    /// The last one began too lately.
    Wait {
        until_ms: i64,
    },
    Nothing,
}

/// What is written of a refresh that has ended.
#[derive(Clone, Debug)]
pub(crate) struct EndedRefresh<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) business_id: &'a str,
    pub(crate) refresh_id: &'a str,
    /// What it had to do without, stage by stage.
    pub(crate) problems: &'a [String],
    /// Whether another refresh is to follow even if nobody asks.
    pub(crate) again: bool,
    pub(crate) now_ms: i64,
}

impl Store {
    pub async fn company(&self, tenant: &str, business_id: &str) -> Result<Option<Company>, StoreError> {
        let row = sqlx::query(
            "SELECT id, cid, name, domain, category, city, region, country, source FROM businesses \
             WHERE tenant = $1 AND id = $2",
        )
        .bind(tenant)
        .bind(business_id)
        .fetch_optional(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let Some(row) = row else { return Ok(None) };
        let brief: Option<String> = sqlx::query_scalar(
            "SELECT s.brief FROM search_businesses b JOIN searches s ON s.id = b.search_id AND s.tenant = b.tenant \
             WHERE b.tenant = $1 AND b.business_id = $2 ORDER BY s.created_at_ms DESC LIMIT 1",
        )
        .bind(tenant)
        .bind(business_id)
        .fetch_optional(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let brief = brief.map(|brief| from_json::<leadflow_workflows::domain::brief::Brief>(&brief)).transpose()?;
        Ok(Some(Company {
            id: row.try_get("id")?,
            cid: row.try_get("cid")?,
            name: row.try_get("name")?,
            domain: row.try_get("domain")?,
            category: row.try_get("category")?,
            city: row.try_get("city")?,
            region: row.try_get("region")?,
            country: row.try_get("country")?,
            source: row.try_get("source")?,
            sell: brief.map(|brief| brief.sell).unwrap_or_default(),
        }))
    }

    /// Asks for a refresh of a company: it takes place when the next one is allowed.
    pub async fn ask_for_refresh(
        &self,
        tenant: &str,
        business_id: &str,
        cause: &str,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write(|transaction| add_change(transaction, tenant, business_id, None, cause, now_ms).boxed()).await
    }

    /// Opens a refresh with all changes so far, if there are any and `rest_ms` have passed since the last one began.
    ///
    /// Safe to repeat: a refresh that is open stays the one, and takes what has come in since.
    pub(crate) async fn open_refresh(
        &self,
        tenant: &str,
        business_id: &str,
        rest_ms: i64,
        now_ms: i64,
    ) -> Result<OpenedRefresh, StoreError> {
        self.write(|transaction| {
            async move {
                lock_group(transaction, tenant, business_id).await?;
                let last: Option<(String, String, i64)> = sqlx::query_as(
                    "SELECT id, outcome, started_at_ms FROM buyer_group_refresh_logs \
                     WHERE tenant = $1 AND business_id = $2 ORDER BY started_at_ms DESC, id DESC LIMIT 1",
                )
                .bind(tenant)
                .bind(business_id)
                .fetch_optional(&mut **transaction)
                .await?;
                let refresh_id = match last {
                    Some((id, outcome, _)) if outcome == "running" => id,
                    last => {
                        if pending(transaction, tenant, business_id).await? == 0 {
                            return Ok(OpenedRefresh::Nothing);
                        }
                        let until_ms = last.map_or(now_ms, |(_, _, started_at_ms)| started_at_ms + rest_ms);
                        if until_ms > now_ms {
                            return Ok(OpenedRefresh::Wait { until_ms });
                        }
                        add_log(transaction, tenant, business_id, now_ms).await?
                    }
                };
                take_changes(transaction, tenant, business_id, &refresh_id).await?;
                Ok(OpenedRefresh::Refresh(refresh_id))
            }
            .boxed()
        })
        .await
    }

    pub(crate) async fn refresh_started_ms(&self, tenant: &str, refresh_id: &str) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT started_at_ms FROM buyer_group_refresh_logs WHERE tenant = $1 AND id = $2")
            .bind(tenant)
            .bind(refresh_id)
            .fetch_one(self.read())
            .await
            .map_err(|error| self.error(error))
    }

    /// Ends a refresh and writes what it came to; `members` and `changes` of it. A repeat writes nothing new.
    pub(crate) async fn end_refresh(&self, ended: &EndedRefresh<'_>) -> Result<(u32, u32, i64), StoreError> {
        self.write(|transaction| end_refresh(transaction, ended).boxed()).await
    }
}

async fn end_refresh(transaction: &mut AnyConnection, ended: &EndedRefresh<'_>) -> Result<(u32, u32, i64), StoreError> {
    let EndedRefresh { tenant, business_id, refresh_id, now_ms, .. } = *ended;
    lock_group(transaction, tenant, business_id).await?;
    let closed = sqlx::query(
        "UPDATE buyer_group_refresh_logs SET outcome = $4, problems = $5, ended_at_ms = $6, \
         members = (SELECT COUNT(*) FROM buyer_group_members m \
                    WHERE m.tenant = $1 AND m.business_id = $2 AND m.left_at_ms IS NULL), \
         calls = (SELECT COUNT(*) FROM api_usage_logs u WHERE u.tenant = $1 AND u.search_id = $3), \
         cost_micro_usd = (SELECT CAST(COALESCE(SUM(cost_micro_usd), 0) AS BIGINT) FROM api_usage_logs u \
                           WHERE u.tenant = $1 AND u.search_id = $3) \
         WHERE tenant = $1 AND business_id = $2 AND id = $3 AND outcome = 'running'",
    )
    .bind(tenant)
    .bind(business_id)
    .bind(refresh_id)
    .bind(if ended.problems.is_empty() { "completed" } else { "completed_with_gaps" })
    .bind(to_json(ended.problems))
    .bind(now_ms)
    .execute(&mut *transaction)
    .await?;
    if closed.rows_affected() == 1 {
        sqlx::query("UPDATE buyer_groups SET refreshed_at_ms = $3 WHERE tenant = $1 AND business_id = $2")
            .bind(tenant)
            .bind(business_id)
            .bind(now_ms)
            .execute(&mut *transaction)
            .await?;
        if ended.again {
            add_change(transaction, tenant, business_id, None, "the last refresh had gaps", now_ms).await?;
        }
    }
    let row: (i64, i64, i64) = sqlx::query_as(
        "SELECT members, changes, started_at_ms FROM buyer_group_refresh_logs \
         WHERE tenant = $1 AND business_id = $2 AND id = $3",
    )
    .bind(tenant)
    .bind(business_id)
    .bind(refresh_id)
    .fetch_one(&mut *transaction)
    .await?;
    Ok((super::searches::small(row.0), super::searches::small(row.1), row.2))
}

/// Locks the group of a company, which exists from now on.
async fn lock_group(transaction: &mut AnyConnection, tenant: &str, business_id: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO buyer_groups (business_id, tenant) VALUES ($2, $1) \
         ON CONFLICT (business_id) DO UPDATE SET business_id = excluded.business_id",
    )
    .bind(tenant)
    .bind(business_id)
    .execute(transaction)
    .await?;
    Ok(())
}

async fn pending(transaction: &mut AnyConnection, tenant: &str, business_id: &str) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar(
        "SELECT COUNT(*) FROM buyer_group_changes WHERE tenant = $1 AND business_id = $2 AND refresh_id IS NULL",
    )
    .bind(tenant)
    .bind(business_id)
    .fetch_one(transaction)
    .await?;
    Ok(count)
}

async fn add_log(
    transaction: &mut AnyConnection,
    tenant: &str,
    business_id: &str,
    now_ms: i64,
) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    sqlx::query(
        "INSERT INTO buyer_group_refresh_logs (id, tenant, business_id, cause, changes, outcome, problems, started_at_ms) \
         VALUES ($1, $2, $3, '', 0, 'running', '[]', $4)",
    )
    .bind(&id)
    .bind(tenant)
    .bind(business_id)
    .bind(now_ms)
    .execute(transaction)
    .await?;
    Ok(id)
}

/// Puts all changes that wait into a refresh, and says in its row how many there are and of which kinds.
async fn take_changes(
    transaction: &mut AnyConnection,
    tenant: &str,
    business_id: &str,
    refresh_id: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE buyer_group_changes SET refresh_id = $3 WHERE tenant = $1 AND business_id = $2 AND refresh_id IS NULL",
    )
    .bind(tenant)
    .bind(business_id)
    .bind(refresh_id)
    .execute(&mut *transaction)
    .await?;
    let causes: Vec<String> = sqlx::query_scalar(
        "SELECT cause FROM buyer_group_changes WHERE tenant = $1 AND business_id = $2 AND refresh_id = $3 ORDER BY cause",
    )
    .bind(tenant)
    .bind(business_id)
    .bind(refresh_id)
    .fetch_all(&mut *transaction)
    .await?;
    let kinds: BTreeSet<&str> = causes.iter().map(String::as_str).collect();
    sqlx::query("UPDATE buyer_group_refresh_logs SET changes = $3, cause = $4 WHERE tenant = $1 AND id = $2")
        .bind(tenant)
        .bind(refresh_id)
        .bind(i64::try_from(causes.len()).unwrap_or(i64::MAX))
        .bind(kinds.into_iter().collect::<Vec<_>>().join("; "))
        .execute(transaction)
        .await?;
    Ok(())
}

/// Writes down why a company is to be refreshed; whoever commits this tells its workflow.
pub(crate) async fn add_change(
    transaction: &mut AnyConnection,
    tenant: &str,
    business_id: &str,
    person_change_id: Option<&str>,
    cause: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO buyer_group_changes (id, tenant, business_id, person_change_id, cause, at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(tenant)
    .bind(business_id)
    .bind(person_change_id)
    .bind(cause)
    .bind(now_ms)
    .execute(transaction)
    .await?;
    Ok(())
}
