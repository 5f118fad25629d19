//! Whose turn it is in a campaign, and how far it is.

use super::Campaign;
use crate::store::searches::small;
use crate::store::{Store, StoreError};
use leadflow_workflows::domain::permits::DAY_MS;

/// How far a campaign is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub open: u32,
    pub ended: u32,
    /// Leads that wait for their turn: ready, good enough, not enrolled in it, and no more than it has room for.
    pub waiting: u32,
}

impl Store {
    /// The ids of leads that wait for their turn, the best first.
    pub(crate) async fn waiting_leads_of_campaign(&self, campaign: &Campaign) -> Result<Vec<String>, StoreError> {
        let most = match campaign.settings.leads {
            None => i64::MAX,
            Some(leads) => (i64::from(leads) - self.enrolled(campaign).await?).max(0),
        };
        sqlx::query_scalar(
            "SELECT l.id FROM leads l WHERE l.tenant = $1 AND l.search_id = $2 AND l.state = 'ready' \
             AND COALESCE(l.score, 0) >= $3 AND NOT EXISTS (SELECT 1 FROM enrollments e \
             WHERE e.tenant = l.tenant AND e.campaign_id = $4 AND e.person_id = l.person_id) \
             ORDER BY COALESCE(l.score, 0) DESC, l.number LIMIT $5",
        )
        .bind(&campaign.tenant)
        .bind(&campaign.search_id)
        .bind(i64::from(campaign.settings.minimum_score))
        .bind(&campaign.id)
        .bind(most)
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
        let room = campaign.settings.leads.map_or(u32::MAX, |leads| leads.saturating_sub(small(open + ended)));
        Ok(Counts { open: small(open), ended: small(ended), waiting: small(without_turn).min(room) })
    }

    async fn enrolled(&self, campaign: &Campaign) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT COUNT(*) FROM enrollments WHERE tenant = $1 AND campaign_id = $2")
            .bind(&campaign.tenant)
            .bind(&campaign.id)
            .fetch_one(self.read())
            .await
            .map_err(|error| self.error(error))
    }

    /// When the enrollments of a campaign on an account started, for two days back; and how many open ones of all campaigns
    /// have neither made nor reserved a contact yet.
    pub(crate) async fn starts_of_account(
        &self,
        campaign: &Campaign,
        account_id: &str,
        now_ms: i64,
    ) -> Result<(Vec<i64>, u32), StoreError> {
        let starts = sqlx::query_scalar(
            "SELECT started_at_ms FROM enrollments WHERE tenant = $1 AND campaign_id = $2 AND started_at_ms > $4 \
             AND (linkedin_account_id = $3 OR (linkedin_account_id IS NULL AND email_account_id = $3))",
        )
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
