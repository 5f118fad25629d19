//! Leads over all searches and campaigns, with where they are in outreach.

use super::{COLUMNS, Lead, TABLES, read_lead};
use crate::store::{Store, StoreError};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Row};

/// Which leads to list; `None` takes all.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeadFilter<'a> {
    pub search_id: Option<&'a str>,
    pub campaign_id: Option<&'a str>,
    /// Of the lead, or of its enrollment, or `paused`.
    pub state: Option<&'a str>,
    pub at_most: u32,
}

/// A lead with the enrollment of its person: the open one, else the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedLead {
    #[serde(flatten)]
    pub lead: Lead,
    /// Name of the campaign.
    pub campaign: Option<String>,
    /// State of the enrollment, or `paused`.
    pub outreach: Option<String>,
}

impl Store {
    /// The newest lists first, in each the best leads first.
    pub async fn leads(&self, tenant: &str, filter: LeadFilter<'_>) -> Result<Vec<ListedLead>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, c.name AS campaign, \
             CASE WHEN e.is_open = 1 AND e.paused IS NOT NULL THEN 'paused' ELSE e.state END AS outreach {TABLES} \
             LEFT JOIN enrollments e ON e.tenant = l.tenant AND e.id = (SELECT x.id FROM enrollments x \
             WHERE x.tenant = l.tenant AND x.person_id = l.person_id AND ($3 = '' OR x.campaign_id = $3) \
             ORDER BY x.is_open DESC, x.started_at_ms DESC, x.id DESC LIMIT 1) \
             LEFT JOIN campaigns c ON c.tenant = e.tenant AND c.id = e.campaign_id \
             WHERE l.tenant = $1 AND ($2 = '' OR l.search_id = $2) AND ($3 = '' OR e.lead_id = l.id) \
             AND ($4 = '' OR l.state = $4 OR CASE WHEN e.is_open = 1 AND e.paused IS NOT NULL THEN 'paused' ELSE e.state END = $4) \
             ORDER BY l.search_id DESC, COALESCE(l.score, 0) DESC, l.number, l.id LIMIT $5"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(filter.search_id.unwrap_or_default())
            .bind(filter.campaign_id.unwrap_or_default())
            .bind(filter.state.unwrap_or_default())
            .bind(i64::from(filter.at_most))
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        let read = |row| {
            Ok(ListedLead {
                lead: read_lead(row)?,
                campaign: row.try_get("campaign")?,
                outreach: row.try_get("outreach")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// The leads of one person, over all searches and lists.
    pub async fn leads_of_person(&self, tenant: &str, person_id: &str) -> Result<Vec<Lead>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} {TABLES} WHERE l.tenant = $1 AND l.person_id = $2 ORDER BY l.id"
        )))
        .bind(tenant)
        .bind(person_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(read_lead).collect()
    }
}
