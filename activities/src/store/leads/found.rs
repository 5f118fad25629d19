//! What a search finds of people and writes about them.

use super::{Evidence, Lead, SearchKey};
use crate::store::enrollments::lock_person;
use crate::store::persons::{FoundPerson, StoredPerson, claim_email, erase, store_person};
use crate::store::searches::{add_gap, gap_count, refresh_progress, small, to_json};
use crate::store::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::people::Profile;
use leadflow_workflows::domain::score::{EmailStatus, Score};
use sqlx::AnyConnection;
use uuid::Uuid;

/// Someone a people search found at a business, with the role that they fill.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub profile: Profile,
    /// From 1, the best first.
    pub role_rank: u32,
    pub evidence: Evidence,
    /// Why they are left out by the brief; `None` keeps them.
    pub left_out: Option<String>,
}

/// What the email look-up of one lead brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundEmail {
    pub email: Option<String>,
    pub status: EmailStatus,
    /// 0 to 100.
    pub confidence: Option<u32>,
    /// JSON list of the pages on which the address was seen.
    pub sources: Option<String>,
}

/// A lead's score and the text about it.
#[derive(Clone, Debug)]
pub struct Written {
    pub number: u32,
    pub score: Score,
    pub reason: String,
    pub hook: Option<String>,
}

impl Store {
    /// Numbers the people of businesses that have been searched, business by business, and marks these as searched.
    ///
    /// A business that is marked already is passed over, so a repeat numbers nobody twice. People who are leads of an
    /// earlier search, or whom the brief excludes, are kept without number and say why. Returns the leads numbered so
    /// far and the gaps of the search.
    pub async fn store_people(
        &self,
        search: SearchKey<'_>,
        found: &[(String, Vec<Candidate>)],
        now_ms: i64,
    ) -> Result<(u32, u32), StoreError> {
        self.write(|transaction| {
            async move {
                for (business_id, candidates) in found {
                    let marked = sqlx::query(
                        "UPDATE search_businesses SET searched_at_ms = $4 \
                     WHERE tenant = $1 AND search_id = $2 AND business_id = $3 AND searched_at_ms IS NULL",
                    )
                    .bind(search.tenant)
                    .bind(search.id)
                    .bind(business_id)
                    .bind(now_ms)
                    .execute(&mut **transaction)
                    .await?;
                    if marked.rows_affected() == 1 {
                        for candidate in candidates {
                            store_candidate(transaction, self.for_update(), search, business_id, candidate, now_ms)
                                .await?;
                        }
                    }
                }
                refresh_progress(transaction, search.tenant, search.id, None, now_ms).await?;
                let leads: i64 = sqlx::query_scalar(
                    "SELECT COUNT(*) FROM leads WHERE tenant = $1 AND search_id = $2 AND number IS NOT NULL",
                )
                .bind(search.tenant)
                .bind(search.id)
                .fetch_one(&mut **transaction)
                .await?;
                Ok((small(leads), gap_count(transaction, search.tenant, search.id).await?))
            }
            .boxed()
        })
        .await
    }

    /// Stores what an email look-up brought, once. Returns the ids of the enrollments that ended because two persons turned out
    /// to be one; their workflows are to be told.
    pub async fn store_email(
        &self,
        search: SearchKey<'_>,
        lead: &Lead,
        found: &FoundEmail,
        now_ms: i64,
    ) -> Result<Vec<String>, StoreError> {
        self.write(|transaction| async move {
            let looked_up = sqlx::query(
                "UPDATE leads SET email_looked_up_at_ms = $3 WHERE tenant = $1 AND id = $2 AND email_looked_up_at_ms IS NULL",
            )
            .bind(search.tenant)
            .bind(&lead.id)
            .bind(now_ms)
            .execute(&mut **transaction)
            .await?;
            let ended = match &found.email {
                Some(email) => {
                    let for_update = self.for_update();
                    store_address(transaction, for_update, search.tenant, &lead.person_id, email, found, now_ms).await?
                }
                None => Vec::new(),
            };
            // To count everything again for each lead would make long searches slow.
            sqlx::query(
                "UPDATE search_progress SET leads_looked_up = leads_looked_up + $3, updated_at_ms = $4 \
                 WHERE tenant = $1 AND search_id = $2",
            )
            .bind(search.tenant)
            .bind(search.id)
            .bind(i64::try_from(looked_up.rows_affected()).unwrap_or(0))
            .bind(now_ms)
            .execute(&mut **transaction)
            .await?;
            Ok(ended)
        }.boxed())
        .await
    }

    /// Leaves a numbered lead out of its search.
    pub async fn leave_out(
        &self,
        search: SearchKey<'_>,
        lead: &Lead,
        reason: &str,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query(
                    "UPDATE leads SET state = 'left_out', problem = $3, email_looked_up_at_ms = $4 \
                     WHERE tenant = $1 AND id = $2 AND state = 'found'",
                )
                .bind(search.tenant)
                .bind(&lead.id)
                .bind(reason)
                .bind(now_ms)
                .execute(&mut **transaction)
                .await?;
                refresh_progress(transaction, search.tenant, search.id, None, now_ms).await
            }
            .boxed()
        })
        .await
    }

    /// Takes a person out who asked a data provider not to be processed: their copies go, the fact stays. Returns the ids of
    /// the enrollments that this ended; their workflows are to be told.
    pub async fn remove_person(
        &self,
        search: SearchKey<'_>,
        lead: &Lead,
        now_ms: i64,
    ) -> Result<Vec<String>, StoreError> {
        self.write(|transaction| {
            async move {
                lock_person(transaction, self.for_update(), search.tenant, &lead.person_id).await?;
                let ended = erase(transaction, search.tenant, &lead.person_id, now_ms).await?;
                refresh_progress(transaction, search.tenant, search.id, None, now_ms).await?;
                Ok(ended)
            }
            .boxed()
        })
        .await
    }

    /// Stores scores and reasons; the first reason of a lead stays. Returns the leads that are ready.
    pub async fn store_reasons(
        &self,
        search: SearchKey<'_>,
        written: &[Written],
        now_ms: i64,
    ) -> Result<u32, StoreError> {
        self.write(|transaction| async move {
            for lead in written {
                sqlx::query(
                    "UPDATE leads SET state = 'ready', score = $4, points = $5, reason = $6, hook = $7, ready_at_ms = $8 \
                     WHERE tenant = $1 AND search_id = $2 AND number = $3 AND state = 'found'",
                )
                .bind(search.tenant)
                .bind(search.id)
                .bind(i64::from(lead.number))
                .bind(i64::from(lead.score.total()))
                .bind(to_json(&lead.score.points))
                .bind(&lead.reason)
                .bind(lead.hook.as_deref())
                .bind(now_ms)
                .execute(&mut **transaction)
                .await?;
            }
            refresh_progress(transaction, search.tenant, search.id, None, now_ms).await?;
            let select = "SELECT COUNT(*) FROM leads WHERE tenant = $1 AND search_id = $2 AND state = 'ready'";
            let ready: i64 =
                sqlx::query_scalar(select).bind(search.tenant).bind(search.id).fetch_one(&mut **transaction).await?;
            Ok(small(ready))
        }.boxed())
        .await
    }

    /// Gives leads up whose reason no model would write; each is a gap.
    pub async fn quarantine_leads(
        &self,
        search: SearchKey<'_>,
        numbers: &[u32],
        problem: &str,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                for number in numbers {
                    sqlx::query(
                        "UPDATE leads SET state = 'quarantined', problem = $4 \
                     WHERE tenant = $1 AND search_id = $2 AND number = $3 AND state = 'found'",
                    )
                    .bind(search.tenant)
                    .bind(search.id)
                    .bind(i64::from(*number))
                    .bind(problem)
                    .execute(&mut **transaction)
                    .await?;
                    let item = format!("lead {}", number + 1);
                    add_gap(transaction, search.tenant, search.id, "reasons", &item, problem, now_ms).await?;
                }
                refresh_progress(transaction, search.tenant, search.id, None, now_ms).await
            }
            .boxed()
        })
        .await
    }
}

async fn store_candidate(
    transaction: &mut AnyConnection,
    for_update: &str,
    search: SearchKey<'_>,
    business_id: &str,
    candidate: &Candidate,
    now_ms: i64,
) -> Result<(), StoreError> {
    let source: String = sqlx::query_scalar("SELECT source FROM searches WHERE tenant = $1 AND id = $2")
        .bind(search.tenant)
        .bind(search.id)
        .fetch_one(&mut *transaction)
        .await?;
    let found = FoundPerson { profile: &candidate.profile, email: None, timezone: None, source: &source };
    let StoredPerson { id: person_id, profile, is_removed, .. } =
        store_person(transaction, for_update, search.tenant, &found, now_ms).await?;
    let earlier: Option<String> = sqlx::query_scalar(
        // A lead on made-up data says nothing about one on real data, and a list is not what a search has paid for.
        "SELECT l.search_id FROM leads l JOIN searches s ON s.id = l.search_id \
         WHERE l.tenant = $1 AND l.person_id = $2 AND l.search_id <> $3 AND l.state IN ('found', 'ready') \
         AND s.status <> 'imported' \
         AND s.source = (SELECT source FROM searches WHERE tenant = $1 AND id = $3) LIMIT 1",
    )
    .bind(search.tenant)
    .bind(&person_id)
    .bind(search.id)
    .fetch_optional(&mut *transaction)
    .await?;
    let left_out = candidate
        .left_out
        .clone()
        .or_else(|| is_removed.then(|| "the person asked not to be processed".into()))
        .or_else(|| earlier.map(|search_id| format!("known since search {search_id}")));
    // Numbers have no gaps, so the last one counts them.
    let (number, rank): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT COALESCE(MAX(number) + 1, 0) FROM leads WHERE tenant = $1 AND search_id = $2), rank \
         FROM search_businesses WHERE tenant = $1 AND search_id = $2 AND business_id = $3",
    )
    .bind(search.tenant)
    .bind(search.id)
    .bind(business_id)
    .fetch_one(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO leads (id, tenant, search_id, person_id, business_id, number, state, problem, rank, role_rank, role, \
         evidence, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT (tenant, search_id, person_id) DO NOTHING",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(search.tenant)
    .bind(search.id)
    .bind(&person_id)
    .bind(business_id)
    .bind(left_out.is_none().then_some(number))
    .bind(if left_out.is_none() { "found" } else { "left_out" })
    .bind(left_out)
    .bind(rank + 1)
    .bind(i64::from(candidate.role_rank))
    .bind(&profile.title)
    .bind(to_json(&if is_removed { Evidence::default() } else { candidate.evidence.clone() }))
    .bind(now_ms)
    .execute(&mut *transaction)
    .await?;
    Ok(())
}

/// Notes the address that was found for a person, unless it is somebody else's or mail to it came back. Returns the ids of the
/// enrollments that ended because two persons turned out to be one.
pub(crate) async fn store_address(
    transaction: &mut AnyConnection,
    for_update: &str,
    tenant: &str,
    person_id: &str,
    email: &str,
    found: &FoundEmail,
    now_ms: i64,
) -> Result<Vec<String>, StoreError> {
    lock_person(transaction, for_update, tenant, person_id).await?;
    let claimed = claim_email(transaction, for_update, tenant, person_id, email, now_ms).await?;
    if claimed.refused.is_some() {
        return Ok(claimed.ended);
    }
    sqlx::query(
        "UPDATE persons SET email = $3, email_status = $4, email_confidence = $5, email_sources = $6 \
         WHERE tenant = $1 AND id = $2 AND removed_at_ms IS NULL",
    )
    .bind(tenant)
    .bind(&claimed.person_id)
    .bind(email.to_lowercase())
    .bind(to_json(&found.status))
    .bind(found.confidence.map(i64::from))
    .bind(found.sources.as_deref())
    .execute(transaction)
    .await?;
    Ok(claimed.ended)
}
