//! Two persons turn out to be one: everything points to the older one afterwards. What cannot, because an index allows it
//! once for each person, is ended and stays with the younger, whose row is kept for that.

use super::erase::erase;
use crate::store::StoreError;
use crate::store::enrollments::end_enrollment;
use crate::store::searches::refresh_progress;
use crate::store::suppressions::{end_open, suppressed};
use leadflow_workflows::domain::outreach::EnrollmentState;
use leadflow_workflows::domain::suppression::SuppressionOrigin;
use sqlx::{AnyConnection, AssertSqlSafe};
use std::collections::BTreeMap;

/// Merges `gone` into `keep`; the caller holds the locks of both rows, and at most one has a LinkedIn profile. Returns the
/// ids of the enrollments that this ended.
pub(super) async fn merge(
    transaction: &mut AnyConnection,
    tenant: &str,
    keep: &str,
    gone: &str,
    now_ms: i64,
) -> Result<Vec<String>, StoreError> {
    let mut both = Both { transaction: &mut *transaction, tenant, keep, gone };
    let mut ended = Vec::new();
    let same_campaign = both.end_doubles(&mut ended, now_ms).await?;
    both.end_parallel(&mut ended, now_ms).await?;
    both.move_touches(&same_campaign).await?;
    both.move_enrollments().await?;
    both.move_leads(now_ms).await?;
    both.move_accounts_view().await?;
    both.move_groups().await?;
    for table in ["replies", "events", "person_emails", "person_changes"] {
        both.run(&format!("UPDATE {table} SET person_id = $2 WHERE tenant = $1 AND person_id = $3")).await?;
    }
    let (was_removed, is_in_doubt) = (both.move_person().await?, both.gone_is_in_doubt().await?);
    if was_removed {
        ended.extend(erase(transaction, tenant, keep, now_ms).await?);
    } else if let Some(entry) = suppressed(transaction, tenant, keep).await? {
        let state = match entry.origin {
            SuppressionOrigin::OptOut | SuppressionOrigin::Complaint => EnrollmentState::OptedOut,
            _ => EnrollmentState::Stopped,
        };
        let cause = format!("suppressed by {}: {}", entry.kind.name(), entry.reason);
        ended.extend(end_open(transaction, tenant, keep, state, &cause, now_ms).await?);
    } else if is_in_doubt {
        // The claim of a contact sees one contact in doubt, not this second one.
        let cause = "merged with a person of whom a contact is in doubt, too";
        ended.extend(end_open(transaction, tenant, keep, EnrollmentState::Stopped, cause, now_ms).await?);
    }
    Ok(ended)
}

struct Both<'a> {
    transaction: &'a mut AnyConnection,
    tenant: &'a str,
    keep: &'a str,
    gone: &'a str,
}

impl Both<'_> {
    /// A statement with tenant, the person who stays, and the one who goes as `$1`, `$2` and `$3`.
    async fn run(&mut self, sql: &str) -> Result<(), StoreError> {
        sqlx::query(AssertSqlSafe(sql))
            .bind(self.tenant)
            .bind(self.keep)
            .bind(self.gone)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    async fn end(
        &mut self,
        id: &str,
        merged_with: &str,
        ended: &mut Vec<String>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let cause = format!("merged with {merged_with}");
        let state = EnrollmentState::Stopped;
        if end_enrollment(self.transaction, self.tenant, id, state, &cause, now_ms).await? {
            ended.push(id.to_owned());
        }
        Ok(())
    }

    /// Both are in one campaign: the enrollment of the person who goes ends. Returns the one that stays, by campaign.
    async fn end_doubles(
        &mut self,
        ended: &mut Vec<String>,
        now_ms: i64,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let doubles: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT k.campaign_id, k.id, g.id FROM enrollments k JOIN enrollments g \
             ON g.tenant = k.tenant AND g.campaign_id = k.campaign_id AND g.person_id = $3 \
             WHERE k.tenant = $1 AND k.person_id = $2",
        )
        .bind(self.tenant)
        .bind(self.keep)
        .bind(self.gone)
        .fetch_all(&mut *self.transaction)
        .await?;
        let mut kept = BTreeMap::new();
        for (campaign, stays, double) in doubles {
            self.end(&double, &stays, ended, now_ms).await?;
            kept.insert(campaign, stays);
        }
        Ok(kept)
    }

    /// A campaign that has its people to itself shares them with no other: the newer one ends.
    async fn end_parallel(&mut self, ended: &mut Vec<String>, now_ms: i64) -> Result<(), StoreError> {
        let open: Vec<(String, i64)> = sqlx::query_as(
            "SELECT id, is_exclusive FROM enrollments WHERE tenant = $1 AND person_id IN ($2, $3) AND is_open = 1 \
             ORDER BY started_at_ms, id",
        )
        .bind(self.tenant)
        .bind(self.keep)
        .bind(self.gone)
        .fetch_all(&mut *self.transaction)
        .await?;
        let mut goes_on: Vec<&(String, i64)> = Vec::new();
        for enrollment in &open {
            let blocks = |other: &&&(String, i64)| other.1 == 1 || enrollment.1 == 1;
            match goes_on.iter().find(blocks).map(|other| other.0.clone()) {
                Some(other) => self.end(&enrollment.0, &other, ended, now_ms).await?,
                None => goes_on.push(enrollment),
            }
        }
        Ok(())
    }

    /// In a group where both are, the one who stays has the place.
    async fn move_groups(&mut self) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM buyer_group_members WHERE tenant = $1 AND person_id = $3 AND business_id IN \
             (SELECT business_id FROM buyer_group_members WHERE tenant = $1 AND person_id = $2)",
        )
        .await?;
        self.run("UPDATE buyer_group_members SET person_id = $2 WHERE tenant = $1 AND person_id = $3").await
    }

    async fn move_touches(&mut self, same_campaign: &BTreeMap<String, String>) -> Result<(), StoreError> {
        // One live invitation for each person: the first.
        self.run(
            "UPDATE touches SET is_live_invite = 0 WHERE tenant = $1 AND person_id IN ($2, $3) AND is_live_invite = 1 \
             AND id <> (SELECT id FROM touches WHERE tenant = $1 AND person_id IN ($2, $3) AND is_live_invite = 1 \
             ORDER BY called_at_ms, id LIMIT 1)",
        )
        .await?;
        for (campaign, stays) in same_campaign {
            self.move_touches_of_double(campaign, stays).await?;
        }
        // Two contacts in doubt cannot be one person's: the second is settled where it was made, for the person who goes.
        let others: Vec<String> = (0..same_campaign.len()).map(|index| format!(", ${}", index + 4)).collect();
        let others = others.concat();
        let sql = format!(
            "UPDATE touches SET person_id = $2 WHERE tenant = $1 AND person_id = $3 AND campaign_id NOT IN (''{others}) \
             AND NOT (state IN ('calling', 'unknown') AND EXISTS (SELECT 1 FROM touches k WHERE k.tenant = $1 \
             AND k.person_id = $2 AND k.state IN ('calling', 'unknown')))"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(self.tenant).bind(self.keep).bind(self.gone);
        for campaign in same_campaign.keys() {
            query = query.bind(campaign);
        }
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// Within one campaign, what was done for either is done for both: no step is repeated.
    async fn move_touches_of_double(&mut self, campaign: &str, stays: &str) -> Result<(), StoreError> {
        let done = "state IN ('calling', 'sent', 'unknown')";
        let doubt = "state IN ('calling', 'unknown')";
        for sql in [
            // A step that only the one who goes has done makes room among the steps of the one who stays.
            format!(
                "DELETE FROM touches WHERE tenant = $1 AND person_id = $2 AND campaign_id = $4 AND enrollment_id = $5 \
                 AND NOT {done} AND step_id IN (SELECT g.step_id FROM touches g WHERE g.tenant = $1 \
                 AND g.person_id = $3 AND g.campaign_id = $4 AND g.{done})"
            ),
            format!(
                "UPDATE touches SET person_id = $2, enrollment_id = $5 WHERE tenant = $1 AND person_id = $3 \
                 AND campaign_id = $4 AND {done} \
                 AND step_id NOT IN (SELECT k.step_id FROM touches k WHERE k.tenant = $1 AND k.person_id = $2 \
                 AND k.campaign_id = $4) \
                 AND NOT ({doubt} AND EXISTS (SELECT 1 FROM touches k WHERE k.tenant = $1 AND k.person_id = $2 AND k.{doubt}))"
            ),
        ] {
            sqlx::query(AssertSqlSafe(sql))
                .bind(self.tenant)
                .bind(self.keep)
                .bind(self.gone)
                .bind(campaign)
                .bind(stays)
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }

    async fn move_enrollments(&mut self) -> Result<(), StoreError> {
        self.run(
            "UPDATE enrollments SET person_id = $2 WHERE tenant = $1 AND person_id = $3 AND campaign_id NOT IN \
             (SELECT k.campaign_id FROM enrollments k WHERE k.tenant = $1 AND k.person_id = $2)",
        )
        .await
    }

    /// A list in which both are keeps the lead of the one who stays.
    async fn move_leads(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let doubles: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT k.search_id, k.id, g.id FROM leads k JOIN leads g \
             ON g.tenant = k.tenant AND g.search_id = k.search_id AND g.person_id = $3 \
             WHERE k.tenant = $1 AND k.person_id = $2",
        )
        .bind(self.tenant)
        .bind(self.keep)
        .bind(self.gone)
        .fetch_all(&mut *self.transaction)
        .await?;
        for (search_id, stays, double) in &doubles {
            sqlx::query(
                "UPDATE leads SET state = 'left_out', problem = $3 WHERE tenant = $1 AND id = $2 \
                 AND state IN ('found', 'ready', 'spare')",
            )
            .bind(self.tenant)
            .bind(double)
            .bind(format!("the same person as lead {stays}"))
            .execute(&mut *self.transaction)
            .await?;
            sqlx::query("UPDATE enrollments SET lead_id = $3 WHERE tenant = $1 AND lead_id = $2 AND person_id = $4")
                .bind(self.tenant)
                .bind(double)
                .bind(stays)
                .bind(self.keep)
                .execute(&mut *self.transaction)
                .await?;
            refresh_progress(self.transaction, self.tenant, search_id, None, now_ms).await?;
        }
        self.run(
            "UPDATE leads SET person_id = $2 WHERE tenant = $1 AND person_id = $3 AND search_id NOT IN \
             (SELECT k.search_id FROM leads k WHERE k.tenant = $1 AND k.person_id = $2)",
        )
        .await
    }

    /// What each account knows of either.
    async fn move_accounts_view(&mut self) -> Result<(), StoreError> {
        let of_gone = |column: &str| {
            format!(
                "{column} = COALESCE({column}, (SELECT g.{column} FROM account_people g WHERE g.tenant = $1 \
                 AND g.person_id = $3 AND g.account_id = account_people.account_id))"
            )
        };
        let set: Vec<String> =
            ["provider_id", "provider_chat_id", "connected_at_ms", "connected_by", "looked_at_ms"].map(of_gone).into();
        self.run(&format!("UPDATE account_people SET {} WHERE tenant = $1 AND person_id = $2", set.join(", "))).await?;
        self.run(
            "DELETE FROM account_people WHERE tenant = $1 AND person_id = $3 AND account_id IN \
             (SELECT k.account_id FROM account_people k WHERE k.tenant = $1 AND k.person_id = $2)",
        )
        .await?;
        self.run("UPDATE account_people SET person_id = $2 WHERE tenant = $1 AND person_id = $3").await
    }

    /// Moves the key and fills what the one who stays lacks. Whether either asked not to be processed.
    async fn move_person(&mut self) -> Result<bool, StoreError> {
        let public_id: Option<String> =
            sqlx::query_scalar("SELECT linkedin_public_id FROM persons WHERE tenant = $1 AND id = $2")
                .bind(self.tenant)
                .bind(self.gone)
                .fetch_one(&mut *self.transaction)
                .await?;
        // The key is unique, so it goes before it comes.
        self.run("UPDATE persons SET linkedin_public_id = NULL, merged_into = $2 WHERE tenant = $1 AND id = $3")
            .await?;
        self.run("UPDATE persons SET merged_into = $2 WHERE tenant = $1 AND merged_into = $3").await?;
        sqlx::query(
            "UPDATE persons SET linkedin_public_id = COALESCE(linkedin_public_id, $3) WHERE tenant = $1 AND id = $2",
        )
        .bind(self.tenant)
        .bind(self.keep)
        .bind(public_id)
        .execute(&mut *self.transaction)
        .await?;
        let filled = |column: &str| {
            format!(
                "{column} = CASE WHEN {column} = '' THEN \
                 (SELECT g.{column} FROM persons g WHERE g.tenant = $1 AND g.id = $3) ELSE {column} END"
            )
        };
        let set: Vec<String> = ["first_name", "last_name", "title", "company", "location"].map(filled).into();
        self.run(&format!(
            "UPDATE persons SET {}, timezone = COALESCE(timezone, \
             (SELECT g.timezone FROM persons g WHERE g.tenant = $1 AND g.id = $3)), \
             absent_until_ms = (SELECT MAX(g.absent_until_ms) FROM persons g WHERE g.tenant = $1 AND g.id IN ($2, $3)) \
             WHERE tenant = $1 AND id = $2",
            set.join(", ")
        ))
        .await?;
        // An address comes with what is known of it.
        let of_gone =
            |column: &str| format!("{column} = (SELECT g.{column} FROM persons g WHERE g.tenant = $1 AND g.id = $3)");
        let set: Vec<String> = ["email", "email_status", "email_confidence", "email_sources"].map(of_gone).into();
        self.run(&format!("UPDATE persons SET {} WHERE tenant = $1 AND id = $2 AND email IS NULL", set.join(", ")))
            .await?;
        let removed: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM persons WHERE tenant = $1 AND id IN ($2, $3) AND removed_at_ms IS NOT NULL",
        )
        .bind(self.tenant)
        .bind(self.keep)
        .bind(self.gone)
        .fetch_one(&mut *self.transaction)
        .await?;
        self.run(
            "UPDATE persons SET email = NULL, email_status = NULL, email_confidence = NULL, email_sources = NULL \
                  WHERE tenant = $1 AND id = $3 AND merged_into = $2",
        )
        .await?;
        Ok(removed > 0)
    }

    async fn gone_is_in_doubt(&mut self) -> Result<bool, StoreError> {
        let in_doubt: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM touches WHERE tenant = $1 AND person_id = $2 AND state IN ('calling', 'unknown')",
        )
        .bind(self.tenant)
        .bind(self.gone)
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(in_doubt > 0)
    }
}
