//! Groups, members and logs as a person reads them.

use crate::store::searches::{from_json, small};
use crate::store::{Store, StoreError};
use leadflow_workflows::domain::money::MicroUsd;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

/// A company whose group has been asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupSummary {
    pub business_id: String,
    pub business: String,
    pub domain: Option<String>,
    pub source: String,
    pub members: u32,
    pub decision_makers: u32,
    /// Changes that wait for the next refresh.
    pub pending: u32,
    pub refreshed_at_ms: Option<i64>,
}

/// A person of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    pub person_id: String,
    pub name: String,
    pub title: String,
    /// Null before the first judgement.
    pub role: Option<String>,
    /// `rule` or `model`.
    pub role_by: Option<String>,
    pub because: Option<String>,
    pub linkedin_public_id: Option<String>,
    pub email: Option<String>,
    pub left_at_ms: Option<i64>,
}

/// What one refresh came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefreshLog {
    pub id: String,
    pub business_id: String,
    pub cause: String,
    /// Changes that it took together.
    pub changes: u32,
    /// `running`, `completed` or `completed_with_gaps`.
    pub outcome: String,
    /// What it had to do without.
    pub problems: Vec<String>,
    pub members: u32,
    pub calls: u32,
    #[serde(rename = "cost_micro_usd")]
    pub cost: MicroUsd,
    pub started_at_ms: i64,
    pub ended_at_ms: Option<i64>,
}

const SUMMARY: &str = "b.id, b.name, b.domain, b.source, g.refreshed_at_ms, \
     (SELECT COUNT(*) FROM buyer_group_members m WHERE m.tenant = $1 AND m.business_id = b.id AND m.left_at_ms IS NULL) \
     AS members, \
     (SELECT COUNT(*) FROM buyer_group_members m WHERE m.tenant = $1 AND m.business_id = b.id AND m.left_at_ms IS NULL \
      AND m.role = 'decision_maker') AS decision_makers, \
     (SELECT COUNT(*) FROM buyer_group_changes c WHERE c.tenant = $1 AND c.business_id = b.id AND c.refresh_id IS NULL) \
     AS pending FROM businesses b LEFT JOIN buyer_groups g ON g.business_id = b.id AND g.tenant = b.tenant";

impl Store {
    /// Companies with a group, the one that was refreshed last first; those that wait for their first refresh before all.
    pub async fn buyer_groups(&self, tenant: &str, limit: u32) -> Result<Vec<GroupSummary>, StoreError> {
        let sql = format!(
            "SELECT {SUMMARY} WHERE b.tenant = $1 AND g.business_id IS NOT NULL \
             ORDER BY CASE WHEN g.refreshed_at_ms IS NULL THEN 0 ELSE 1 END, g.refreshed_at_ms DESC, b.id LIMIT $2"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(i64::from(limit))
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_summary).collect()
    }

    /// The companies that a word means: a name, a domain, the beginning of an id; `last` is the one refreshed last.
    pub async fn matching_companies(&self, tenant: &str, word: &str) -> Result<Vec<GroupSummary>, StoreError> {
        let rest = if word == "last" {
            "AND g.refreshed_at_ms IS NOT NULL AND $2 <> '' ORDER BY g.refreshed_at_ms DESC, b.id LIMIT 1"
        } else {
            "AND (LOWER(b.name) = LOWER($2) OR b.domain = LOWER($2) \
             OR (LENGTH($2) >= 4 AND SUBSTR(b.id, 1, LENGTH($2)) = $2)) ORDER BY b.id DESC LIMIT 10"
        };
        let sql = format!("SELECT {SUMMARY} WHERE b.tenant = $1 {rest}");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(word)
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_summary).collect()
    }

    /// The people of a group: those who are there first, by role, and by name.
    pub async fn members(&self, tenant: &str, business_id: &str) -> Result<Vec<Member>, StoreError> {
        let rows = sqlx::query(
            "SELECT m.person_id, p.first_name, p.last_name, p.title, m.role, m.role_by, m.because, p.linkedin_public_id, \
             p.email, m.left_at_ms FROM buyer_group_members m \
             JOIN persons p ON p.id = m.person_id AND p.tenant = m.tenant \
             WHERE m.tenant = $1 AND m.business_id = $2 AND p.removed_at_ms IS NULL \
             ORDER BY CASE WHEN m.left_at_ms IS NULL THEN 0 ELSE 1 END, CASE m.role WHEN 'decision_maker' THEN 1 \
             WHEN 'champion' THEN 2 WHEN 'influencer' THEN 3 WHEN 'blocker' THEN 4 WHEN 'introducer' THEN 5 ELSE 6 END, \
             p.last_name, p.first_name, p.id",
        )
        .bind(tenant)
        .bind(business_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(read_member).collect()
    }

    /// The refreshes of a company, the newest first.
    pub async fn refresh_logs(
        &self,
        tenant: &str,
        business_id: &str,
        limit: u32,
    ) -> Result<Vec<RefreshLog>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, business_id, cause, changes, outcome, problems, members, calls, cost_micro_usd, started_at_ms, \
             ended_at_ms FROM buyer_group_refresh_logs WHERE tenant = $1 AND business_id = $2 \
             ORDER BY started_at_ms DESC, id DESC LIMIT $3",
        )
        .bind(tenant)
        .bind(business_id)
        .bind(i64::from(limit))
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(read_log).collect()
    }
}

fn read_summary(row: &AnyRow) -> Result<GroupSummary, StoreError> {
    Ok(GroupSummary {
        business_id: row.try_get("id")?,
        business: row.try_get("name")?,
        domain: row.try_get("domain")?,
        source: row.try_get("source")?,
        members: small(row.try_get("members")?),
        decision_makers: small(row.try_get("decision_makers")?),
        pending: small(row.try_get("pending")?),
        refreshed_at_ms: row.try_get("refreshed_at_ms")?,
    })
}

fn read_member(row: &AnyRow) -> Result<Member, StoreError> {
    let (first, last): (String, String) = (row.try_get("first_name")?, row.try_get("last_name")?);
    Ok(Member {
        person_id: row.try_get("person_id")?,
        name: format!("{first} {last}").trim().to_owned(),
        title: row.try_get("title")?,
        role: row.try_get("role")?,
        role_by: row.try_get("role_by")?,
        because: row.try_get("because")?,
        linkedin_public_id: row.try_get("linkedin_public_id")?,
        email: row.try_get("email")?,
        left_at_ms: row.try_get("left_at_ms")?,
    })
}

fn read_log(row: &AnyRow) -> Result<RefreshLog, StoreError> {
    Ok(RefreshLog {
        id: row.try_get("id")?,
        business_id: row.try_get("business_id")?,
        cause: row.try_get("cause")?,
        changes: small(row.try_get("changes")?),
        outcome: row.try_get("outcome")?,
        problems: from_json(&row.try_get::<String, _>("problems")?)?,
        members: small(row.try_get("members")?),
        calls: small(row.try_get("calls")?),
        cost: MicroUsd(row.try_get("cost_micro_usd")?),
        started_at_ms: row.try_get("started_at_ms")?,
        ended_at_ms: row.try_get("ended_at_ms")?,
    })
}
