//! Whose turn it is in a campaign, and how far it is.

use super::Campaign;
use crate::store::searches::small;
use crate::store::{Store, StoreError};
use leadflow_workflows::domain::permits::DAY_MS;
use sqlx::AssertSqlSafe;

/// Leads that a round looks at: more than its accounts can begin with before the next one.
const READ_AT_ONCE: i64 = 10_000;
/// Enrollments that began. Whoever cannot take part is enrolled and ended in one transaction, before a workflow is started.
const BEGUN: &str = "(e.is_open = 1 OR e.workflow_started_at_ms IS NOT NULL OR EXISTS (SELECT 1 FROM touches t \
     WHERE t.tenant = e.tenant AND t.enrollment_id = e.id AND t.called_at_ms IS NOT NULL))";

/// How far a campaign is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub open: u32,
    pub ended: u32,
    /// Leads that wait for their turn: ready, good enough, not enrolled in it, and no more than it has room for.
    pub waiting: u32,
}

impl Store {
    /// The ids of leads that may be enrolled now, the best first. Those whom another campaign has to itself are not among
    /// them.
    pub(crate) async fn waiting_leads_of_campaign(&self, campaign: &Campaign) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar(
            "SELECT l.id FROM leads l WHERE l.tenant = $1 AND l.search_id = $2 AND l.state = 'ready' \
             AND COALESCE(l.score, 0) >= $3 AND NOT EXISTS (SELECT 1 FROM enrollments e \
             WHERE e.tenant = l.tenant AND e.person_id = l.person_id \
             AND (e.campaign_id = $4 OR (e.is_open = 1 AND (e.is_exclusive = 1 OR $5 = 1)))) \
             ORDER BY COALESCE(l.score, 0) DESC, l.number LIMIT $6",
        )
        .bind(&campaign.tenant)
        .bind(&campaign.search_id)
        .bind(i64::from(campaign.settings.minimum_score))
        .bind(&campaign.id)
        .bind(i64::from(!campaign.settings.allow_parallel))
        .bind(READ_AT_ONCE)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))
    }

    pub async fn campaign_counts(&self, campaign: &Campaign) -> Result<Counts, StoreError> {
        let (open, ended): (i64, i64) = sqlx::query_as(
            "SELECT CAST(COALESCE(SUM(is_open), 0) AS BIGINT), CAST(COALESCE(SUM(1 - is_open), 0) AS BIGINT) \
             FROM enrollments WHERE tenant = $1 AND campaign_id = $2",
        )
        .bind(&campaign.tenant)
        .bind(&campaign.id)
        .fetch_one(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let without_turn: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM leads l WHERE l.tenant = $1 AND l.search_id = $2 AND l.state = 'ready' \
             AND COALESCE(l.score, 0) >= $3 AND NOT EXISTS (SELECT 1 FROM enrollments e \
             WHERE e.tenant = l.tenant AND e.campaign_id = $4 AND e.person_id = l.person_id)",
        )
        .bind(&campaign.tenant)
        .bind(&campaign.search_id)
        .bind(i64::from(campaign.settings.minimum_score))
        .bind(&campaign.id)
        .fetch_one(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let waiting = small(without_turn).min(self.places_left(campaign).await?);
        Ok(Counts { open: small(open), ended: small(ended), waiting })
    }

    /// With how many more leads the campaign may begin.
    pub(crate) async fn places_left(&self, campaign: &Campaign) -> Result<u32, StoreError> {
        match campaign.settings.leads {
            None => Ok(u32::MAX),
            Some(leads) => Ok(leads.saturating_sub(self.leads_begun(campaign).await?)),
        }
    }

    /// Leads that the campaign has begun with; whoever turned out not to be able to take part is none of them.
    pub async fn leads_begun(&self, campaign: &Campaign) -> Result<u32, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM enrollments e WHERE e.tenant = $1 AND e.campaign_id = $2 AND {BEGUN}");
        let begun: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&campaign.tenant)
            .bind(&campaign.id)
            .fetch_one(self.read())
            .await
            .map_err(|error| self.error(error))?;
        Ok(small(begun))
    }

    /// When the enrollments of a campaign on an account started, for two days back; and how many open ones of all campaigns
    /// have neither made nor reserved a contact yet.
    pub(crate) async fn starts_of_account(
        &self,
        campaign: &Campaign,
        account_id: &str,
        now_ms: i64,
    ) -> Result<(Vec<i64>, u32), StoreError> {
        let starts = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT e.started_at_ms FROM enrollments e WHERE e.tenant = $1 AND e.campaign_id = $2 AND e.started_at_ms > $4 \
             AND (e.linkedin_account_id = $3 OR (e.linkedin_account_id IS NULL AND e.email_account_id = $3)) AND {BEGUN}"
        )))
        .bind(&campaign.tenant)
        .bind(&campaign.id)
        .bind(account_id)
        .bind(now_ms - 2 * DAY_MS)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let pending: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM enrollments e WHERE e.tenant = $1 AND e.is_open = 1 AND e.state = 'scheduled' \
             AND (e.linkedin_account_id = $2 OR (e.linkedin_account_id IS NULL AND e.email_account_id = $2)) \
             AND NOT EXISTS (SELECT 1 FROM touches t WHERE t.tenant = e.tenant AND t.enrollment_id = e.id \
             AND t.action <> 'visit_profile' AND t.state <> 'released')",
        )
        .bind(&campaign.tenant)
        .bind(account_id)
        .fetch_one(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok((starts, small(pending)))
    }
}
