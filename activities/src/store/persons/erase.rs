//! A person's data go; what keeps them out, and what limits are counted from, stays.

use crate::store::enrollments::lock_person;
use crate::store::leads::{Evidence, Lead};
use crate::store::searches::to_json;
use crate::store::suppressions::{end_open, suppress};
use crate::store::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::outreach::EnrollmentState;
use leadflow_workflows::domain::suppression::{SuppressionKind, SuppressionOrigin};
use serde::Serialize;
use sqlx::{AnyConnection, AssertSqlSafe};

/// What erasing a person did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Entries that now keep the person out.
    pub suppressed: u32,
    /// Ids of the enrollments that ended; their workflows are to be told.
    pub ended: Vec<String>,
}

impl Store {
    /// Suppresses a lead's person by all that they are known by, ends what is open, and erases their data.
    pub async fn erase_person(&self, tenant: &str, lead: &Lead, now_ms: i64) -> Result<Erased, StoreError> {
        self.write(|transaction| {
            async move {
                lock_person(transaction, self.for_update(), tenant, &lead.person_id).await?;
                let known_by: Vec<(String, String)> = sqlx::query_as(
                    "SELECT 'email', email FROM person_emails WHERE tenant = $1 AND person_id = $2 \
                     UNION ALL SELECT 'linkedin', linkedin_public_id FROM persons \
                     WHERE tenant = $1 AND id = $2 AND linkedin_public_id IS NOT NULL",
                )
                .bind(tenant)
                .bind(&lead.person_id)
                .fetch_all(&mut **transaction)
                .await?;
                let mut erased = Erased::default();
                for (kind, value) in &known_by {
                    let kind = SuppressionKind::named(kind).expect("the statement names two of the kinds");
                    let (reason, origin) = ("the person's data were erased", SuppressionOrigin::Person);
                    suppress(transaction, tenant, kind, value, reason, origin, now_ms).await?;
                    erased.suppressed += 1;
                }
                erased.ended = erase(transaction, tenant, &lead.person_id, now_ms).await?;
                Ok(erased)
            }
            .boxed()
        })
        .await
    }
}

/// Erases a person whose row is locked, with everybody who was merged into them. The public id and the addresses stay as
/// the keys that keep them out for good; a touch keeps account, action and instants, so that no quota reappears. Returns
/// the ids of the enrollments that this ended.
pub(crate) async fn erase(
    transaction: &mut AnyConnection,
    tenant: &str,
    person_id: &str,
    now_ms: i64,
) -> Result<Vec<String>, StoreError> {
    let cause = "the person's data were erased";
    let ended = end_open(transaction, tenant, person_id, EnrollmentState::Stopped, cause, now_ms).await?;
    sqlx::query(
        "UPDATE leads SET state = 'left_out', problem = 'the person asked not to be processed', role = '', \
         reason = NULL, hook = NULL, evidence = $4, email_looked_up_at_ms = COALESCE(email_looked_up_at_ms, $3) \
         WHERE tenant = $1 AND person_id IN (SELECT id FROM persons WHERE tenant = $1 AND (id = $2 OR merged_into = $2))",
    )
    .bind(tenant)
    .bind(person_id)
    .bind(now_ms)
    .bind(to_json(&Evidence::default()))
    .execute(&mut *transaction)
    .await?;
    let public_id: Option<String> =
        sqlx::query_scalar("SELECT linkedin_public_id FROM persons WHERE tenant = $1 AND id = $2")
            .bind(tenant)
            .bind(person_id)
            .fetch_one(&mut *transaction)
            .await?;
    if let Some(public_id) = public_id {
        // Copies of what was found of them: search results, and answers kept for a repeat.
        for copies in ["people_searches WHERE tenant = $1 AND profiles", "results_cache WHERE tenant = $1 AND value"] {
            sqlx::query(AssertSqlSafe(format!("DELETE FROM {copies} LIKE '%' || $2 || '%'")))
                .bind(tenant)
                .bind(&public_id)
                .execute(&mut *transaction)
                .await?;
        }
    }
    let who = "person_id IN (SELECT id FROM persons WHERE tenant = $1 AND (id = $2 OR merged_into = $2))";
    for sql in [
        format!(
            "UPDATE touches SET person_id = '', request = NULL, provider_chat_id = NULL, is_live_invite = 0 \
             WHERE tenant = $1 AND {who}"
        ),
        format!("UPDATE enrollments SET paused = NULL WHERE tenant = $1 AND {who}"),
        format!("DELETE FROM account_people WHERE tenant = $1 AND {who}"),
        format!("DELETE FROM replies WHERE tenant = $1 AND {who}"),
        format!("DELETE FROM buyer_group_members WHERE tenant = $1 AND {who}"),
        format!(
            "UPDATE person_changes SET company = NULL, company_domain = NULL, title = NULL, was_company = '', \
             was_title = '' WHERE tenant = $1 AND {who}"
        ),
        format!("UPDATE events SET body = '{{}}', person_id = NULL WHERE tenant = $1 AND {who}"),
    ] {
        sqlx::query(AssertSqlSafe(sql)).bind(tenant).bind(person_id).execute(&mut *transaction).await?;
    }
    sqlx::query(
        "UPDATE persons SET first_name = '', last_name = '', title = '', company = '', location = '', email = NULL, \
         email_status = NULL, email_confidence = NULL, email_sources = NULL, timezone = NULL, absent_until_ms = NULL, removed_at_ms = $3 \
         WHERE tenant = $1 AND (id = $2 OR merged_into = $2)",
    )
    .bind(tenant)
    .bind(person_id)
    .bind(now_ms)
    .execute(&mut *transaction)
    .await?;
    Ok(ended)
}
