//! What lists and pages show of campaigns and accounts, counted from enrollments, touches and replies.

use crate::store::searches::small;
use crate::store::{Store, StoreError};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Contacts of one step that are in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepCount {
    pub step: String,
    pub action: String,
    /// State of the touches.
    pub state: String,
    pub touches: u32,
}

/// Enrollments of a campaign in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StateCount {
    pub state: String,
    pub enrollments: u32,
    /// Of these, how many a person or a message typed by hand holds.
    pub paused: u32,
}

/// A contact that is reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTouch {
    pub account_id: String,
    pub action: String,
    pub at_ms: i64,
}

/// What became of the emails of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MailOutcomes {
    pub sent: u32,
    pub bounced: u32,
    /// People who marked one as spam.
    pub complained: u32,
}

impl Store {
    /// Touches of a campaign by step and state.
    pub async fn campaign_steps(&self, tenant: &str, campaign_id: &str) -> Result<Vec<StepCount>, StoreError> {
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT step_id, action, state, COUNT(*) FROM touches WHERE tenant = $1 AND campaign_id = $2 \
             GROUP BY step_id, action, state ORDER BY step_id, state",
        )
        .bind(tenant)
        .bind(campaign_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let read = |(step, action, state, touches)| StepCount { step, action, state, touches: small(touches) };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Enrollments of a campaign by state.
    pub async fn campaign_states(&self, tenant: &str, campaign_id: &str) -> Result<Vec<StateCount>, StoreError> {
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT state, COUNT(*), COUNT(CASE WHEN is_open = 1 THEN paused END) FROM enrollments \
             WHERE tenant = $1 AND campaign_id = $2 GROUP BY state ORDER BY state",
        )
        .bind(tenant)
        .bind(campaign_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let read =
            |(state, enrollments, paused)| StateCount { state, enrollments: small(enrollments), paused: small(paused) };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Contacts of a campaign that are reserved before `until_ms`, in their order.
    pub async fn planned_touches(
        &self,
        tenant: &str,
        campaign_id: &str,
        until_ms: i64,
    ) -> Result<Vec<PlannedTouch>, StoreError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT account_id, action, planned_at_ms FROM touches WHERE tenant = $1 AND campaign_id = $2 \
             AND state = 'planned' AND planned_at_ms < $3 ORDER BY planned_at_ms, id",
        )
        .bind(tenant)
        .bind(campaign_id)
        .bind(until_ms)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(rows.into_iter().map(|(account_id, action, at_ms)| PlannedTouch { account_id, action, at_ms }).collect())
    }

    /// People whom an open enrollment keeps out of another campaign, with the name of the campaign that has them. One that
    /// allows parallel ones is only kept out by those that do not.
    pub async fn people_in_campaigns(
        &self,
        tenant: &str,
        allow_parallel: bool,
    ) -> Result<Vec<(String, String)>, StoreError> {
        sqlx::query_as(
            "SELECT e.person_id, c.name FROM enrollments e JOIN campaigns c ON c.tenant = e.tenant AND c.id = e.campaign_id \
             WHERE e.tenant = $1 AND e.is_open = 1 AND (e.is_exclusive = 1 OR $2 = 0)",
        )
        .bind(tenant)
        .bind(i64::from(allow_parallel))
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))
    }

    /// Since when the people of a campaign's open enrollments are connections of their accounts, by enrollment.
    pub async fn connections_of_campaign(
        &self,
        tenant: &str,
        campaign_id: &str,
    ) -> Result<BTreeMap<String, i64>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT e.id, p.connected_at_ms FROM enrollments e JOIN account_people p ON p.tenant = e.tenant \
             AND p.account_id = e.linkedin_account_id AND p.person_id = e.person_id \
             WHERE e.tenant = $1 AND e.campaign_id = $2 AND e.is_open = 1 AND p.connected_at_ms IS NOT NULL",
        )
        .bind(tenant)
        .bind(campaign_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(rows.into_iter().collect())
    }

    /// What became of an account's emails since then.
    pub async fn mail_outcomes(
        &self,
        tenant: &str,
        account_id: &str,
        since_ms: i64,
    ) -> Result<MailOutcomes, StoreError> {
        let (sent, bounced, complained): (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM touches t WHERE t.tenant = $1 AND t.account_id = $2 AND t.action = 'email' \
              AND t.state = 'sent' AND t.campaign_id <> '' AND t.called_at_ms >= $3), \
             (SELECT COUNT(*) FROM replies r WHERE r.tenant = $1 AND r.account_id = $2 AND r.kind = 'bounce' \
              AND r.received_at_ms >= $3), \
             (SELECT COUNT(DISTINCT p.id) FROM persons p \
              JOIN suppressions s ON s.tenant = p.tenant AND s.kind = 'email' AND s.value = p.email \
              JOIN touches t ON t.tenant = p.tenant AND t.person_id = p.id \
              WHERE p.tenant = $1 AND s.origin = 'complaint' AND s.created_at_ms >= $3 AND t.account_id = $2 \
              AND t.action = 'email' AND t.state = 'sent')",
        )
        .bind(tenant)
        .bind(account_id)
        .bind(since_ms)
        .fetch_one(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(MailOutcomes { sent: small(sent), bounced: small(bounced), complained: small(complained) })
    }
}
