//! Campaigns: their settings, their accounts, and what a person wants of them.

mod figures;
mod migration;
mod turns;

use super::searches::{from_json, to_json};
use super::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::account::CampaignSettings;
use leadflow_workflows::domain::outreach::EnrollmentState;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Executor, Row};

pub use figures::{MailOutcomes, PlannedTouch, StateCount, StepCount};
pub use migration::Migrant;
pub use turns::Counts;

/// Leads of one search, a sequence and the accounts that send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    pub id: String,
    pub tenant: String,
    pub name: String,
    /// The search or import whose ready leads it takes.
    pub search_id: String,
    /// The version that new enrollments follow.
    pub sequence_id: String,
    /// `sandbox` or `live`.
    pub source: String,
    pub settings: CampaignSettings,
    /// `running`, `paused`, `stopped` or `completed`.
    pub state: String,
    pub created_at_ms: i64,
    pub ended_at_ms: Option<i64>,
    /// Ids of the accounts among which it rotates.
    pub accounts: Vec<String>,
}

impl Campaign {
    pub fn has_ended(&self) -> bool {
        self.ended_at_ms.is_some()
    }
}

const COLUMNS: &str = "id, tenant, name, search_id, sequence_id, source, settings, state, created_at_ms, ended_at_ms";

impl Store {
    /// Stores a campaign with its accounts; `false` when its name is taken.
    pub async fn create_campaign(&self, new: &Campaign) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                let created = sqlx::query(
                    "INSERT INTO campaigns (id, tenant, name, search_id, sequence_id, source, settings, state, \
                     created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
                )
                .bind(&new.id)
                .bind(&new.tenant)
                .bind(&new.name)
                .bind(&new.search_id)
                .bind(&new.sequence_id)
                .bind(&new.source)
                .bind(to_json(&new.settings))
                .bind(&new.state)
                .bind(new.created_at_ms)
                .execute(&mut **transaction)
                .await?;
                if created.rows_affected() == 0 {
                    return Ok(false);
                }
                for account in &new.accounts {
                    sqlx::query("INSERT INTO campaign_accounts (campaign_id, tenant, account_id) VALUES ($1, $2, $3)")
                        .bind(&new.id)
                        .bind(&new.tenant)
                        .bind(account)
                        .execute(&mut **transaction)
                        .await?;
                }
                Ok(true)
            }
            .boxed()
        })
        .await
    }

    /// Removes a campaign whose workflow could not be started.
    pub async fn discard_campaign(&self, tenant: &str, id: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                for table in
                    ["campaign_accounts WHERE tenant = $1 AND campaign_id", "campaigns WHERE tenant = $1 AND id"]
                {
                    sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} = $2")))
                        .bind(tenant)
                        .bind(id)
                        .execute(&mut **transaction)
                        .await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }

    pub async fn campaign(&self, tenant: &str, id: &str) -> Result<Option<Campaign>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM campaigns WHERE tenant = $1 AND id = $2");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(id)
            .fetch_optional(self.read())
            .await
            .map_err(|error| self.error(error))?;
        match row {
            Some(row) => Ok(Some(self.with_accounts(read_campaign(&row)?).await?)),
            None => Ok(None),
        }
    }

    /// The newest campaigns first.
    pub async fn campaigns(&self, tenant: &str) -> Result<Vec<Campaign>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM campaigns WHERE tenant = $1 ORDER BY created_at_ms DESC, id DESC");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        let mut campaigns = Vec::with_capacity(rows.len());
        for row in &rows {
            campaigns.push(self.with_accounts(read_campaign(row)?).await?);
        }
        Ok(campaigns)
    }

    /// The ids of campaigns that may still begin with leads on an account.
    pub async fn open_campaigns_of_account(&self, tenant: &str, account_id: &str) -> Result<Vec<String>, StoreError> {
        open_campaigns_of_account(self.read(), tenant, account_id).await.map_err(|error| self.error(error))
    }

    async fn with_accounts(&self, mut campaign: Campaign) -> Result<Campaign, StoreError> {
        campaign.accounts = sqlx::query_scalar(
            "SELECT c.account_id FROM campaign_accounts c JOIN accounts a ON a.id = c.account_id AND a.tenant = c.tenant \
             WHERE c.tenant = $1 AND c.campaign_id = $2 ORDER BY a.name",
        )
        .bind(&campaign.tenant)
        .bind(&campaign.id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(campaign)
    }

    /// Campaigns that a person may mean: `last`, a name, or the beginning of an id.
    pub async fn matching_campaigns(&self, tenant: &str, word: &str) -> Result<Vec<Campaign>, StoreError> {
        let mut campaigns = self.campaigns(tenant).await?;
        let word = word.trim();
        if word == "last" {
            campaigns.truncate(1);
        } else if campaigns.iter().any(|campaign| campaign.name == word || campaign.id == word) {
            campaigns.retain(|campaign| campaign.name == word || campaign.id == word);
        } else {
            campaigns.retain(|campaign| word.len() >= 4 && campaign.id.starts_with(word));
        }
        Ok(campaigns)
    }

    /// Has a running campaign contact nobody: what it had reserved is given back. `false` when it was not running.
    pub async fn pause_campaign(&self, tenant: &str, id: &str) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                let paused = change_state(transaction, tenant, id, "running", "paused", None).await?;
                if paused {
                    sqlx::query(
                        "UPDATE touches SET state = 'released', planned_at_ms = NULL \
                         WHERE tenant = $1 AND campaign_id = $2 AND state = 'planned'",
                    )
                    .bind(tenant)
                    .bind(id)
                    .execute(&mut **transaction)
                    .await?;
                }
                Ok(paused)
            }
            .boxed()
        })
        .await
    }

    /// Lets a paused campaign go on. `false` when it was not paused.
    pub async fn resume_campaign(&self, tenant: &str, id: &str) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move { change_state(transaction, tenant, id, "paused", "running", None).await }.boxed()
        })
        .await
    }

    /// Ends a campaign and all of its open enrollments. Returns their ids; `None` when the campaign had ended.
    pub async fn stop_campaign(
        &self,
        tenant: &str,
        id: &str,
        cause: &str,
        now_ms: i64,
    ) -> Result<Option<Vec<String>>, StoreError> {
        self.write(|transaction| {
            async move {
                let mut stopped = false;
                for from in ["running", "paused"] {
                    stopped |= change_state(transaction, tenant, id, from, "stopped", Some(now_ms)).await?;
                }
                if !stopped {
                    return Ok(None);
                }
                let open: Vec<String> = sqlx::query_scalar(
                    "SELECT id FROM enrollments WHERE tenant = $1 AND campaign_id = $2 AND is_open = 1 ORDER BY id",
                )
                .bind(tenant)
                .bind(id)
                .fetch_all(&mut **transaction)
                .await?;
                for enrollment in &open {
                    let state = EnrollmentState::Stopped;
                    super::enrollments::end_enrollment(transaction, tenant, enrollment, state, cause, now_ms).await?;
                }
                Ok(Some(open))
            }
            .boxed()
        })
        .await
    }

    /// Marks a campaign as completed, once nobody waits in it any more. `false` when it was not running, when someone is in
    /// it, or when the search whose leads it takes may still find some.
    pub async fn complete_campaign(&self, tenant: &str, id: &str, now_ms: i64) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                let completed = sqlx::query(
                    "UPDATE campaigns SET state = 'completed', ended_at_ms = $3 \
                     WHERE tenant = $1 AND id = $2 AND state = 'running' \
                     AND NOT EXISTS (SELECT 1 FROM enrollments e WHERE e.tenant = $1 AND e.campaign_id = $2 AND e.is_open = 1) \
                     AND EXISTS (SELECT 1 FROM searches s WHERE s.tenant = $1 AND s.id = campaigns.search_id \
                     AND s.finished_at_ms IS NOT NULL)",
                )
                .bind(tenant)
                .bind(id)
                .bind(now_ms)
                .execute(&mut **transaction)
                .await?;
                Ok(completed.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }
}

/// The state of a campaign, which nobody changes before this transaction ends. Always after the person's lock and before those
/// of enrollments, which a stop of the campaign takes after the campaign's.
pub(crate) async fn state_for_share(
    transaction: &mut AnyConnection,
    for_share: &str,
    tenant: &str,
    id: &str,
) -> Result<Option<String>, StoreError> {
    let sql = format!("SELECT state FROM campaigns WHERE tenant = $1 AND id = $2{for_share}");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).bind(tenant).bind(id).fetch_optional(transaction).await?)
}

/// As [`Store::open_campaigns_of_account`], also in a transaction.
pub(crate) async fn open_campaigns_of_account<'a>(
    executor: impl Executor<'a, Database = Any>,
    tenant: &str,
    account_id: &str,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT c.id FROM campaigns c JOIN campaign_accounts a ON a.campaign_id = c.id AND a.tenant = c.tenant \
         WHERE c.tenant = $1 AND a.account_id = $2 AND c.ended_at_ms IS NULL ORDER BY c.id",
    )
    .bind(tenant)
    .bind(account_id)
    .fetch_all(executor)
    .await
}

async fn change_state(
    transaction: &mut AnyConnection,
    tenant: &str,
    id: &str,
    from: &str,
    to: &str,
    ended_at_ms: Option<i64>,
) -> Result<bool, StoreError> {
    let changed =
        sqlx::query("UPDATE campaigns SET state = $4, ended_at_ms = $5 WHERE tenant = $1 AND id = $2 AND state = $3")
            .bind(tenant)
            .bind(id)
            .bind(from)
            .bind(to)
            .bind(ended_at_ms)
            .execute(transaction)
            .await?;
    Ok(changed.rows_affected() == 1)
}

fn read_campaign(row: &AnyRow) -> Result<Campaign, StoreError> {
    Ok(Campaign {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        name: row.try_get("name")?,
        search_id: row.try_get("search_id")?,
        sequence_id: row.try_get("sequence_id")?,
        source: row.try_get("source")?,
        settings: from_json(&row.try_get::<String, _>("settings")?)?,
        state: row.try_get("state")?,
        created_at_ms: row.try_get("created_at_ms")?,
        ended_at_ms: row.try_get("ended_at_ms")?,
        accounts: Vec::new(),
    })
}
