//! People at businesses: numbered in their canonical order, looked up, scored, written about.

use super::searches::{add_gap, from_json, refresh_progress, small, to_json};
use super::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::people::{Profile, merge_profiles};
use leadflow_workflows::domain::score::{EmailStatus, Points, Score};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
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

/// What speaks for a lead, as the search results showed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Whether the profile names the business as employer.
    pub employer_agrees: bool,
    /// Whether the profile's location speaks for the business; `None` when it shows none.
    pub place_agrees: Option<bool>,
    /// The profile that says so.
    pub profile_url: String,
}

/// A lead with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lead {
    pub id: String,
    pub search_id: String,
    pub number: Option<u32>,
    /// `found`, `ready`, `spare`, `left_out` or `quarantined`.
    pub state: String,
    pub problem: Option<String>,
    pub person_id: String,
    pub first_name: String,
    pub last_name: String,
    /// As the profile shows it.
    pub role: String,
    pub linkedin_public_id: String,
    pub email: Option<String>,
    pub email_status: EmailStatus,
    pub email_confidence: Option<u32>,
    pub business: String,
    pub category: String,
    pub city: String,
    pub region: String,
    pub country: String,
    pub website: Option<String>,
    pub domain: Option<String>,
    pub phone: Option<String>,
    pub rating_tenths: Option<u32>,
    pub rating_count: u32,
    /// Rank of the business persona, and of the role in it; both from 1.
    pub persona_rank: u32,
    pub role_rank: u32,
    pub evidence: Evidence,
    pub score: Option<u32>,
    pub points: Vec<Points>,
    pub reason: Option<String>,
    pub hook: Option<String>,
    pub source: String,
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

const COLUMNS: &str = "l.id, l.search_id, l.number, l.state, l.problem, l.person_id, p.first_name, p.last_name, l.role, \
     p.linkedin_public_id, p.email, p.email_status, p.email_confidence, b.name AS business, b.category, b.city, b.region, \
     b.country, b.website, b.domain, b.phone, b.rating_tenths, b.rating_count, l.rank, l.role_rank, l.evidence, l.score, \
     l.points, l.reason, l.hook, s.source \
     FROM leads l JOIN searches s ON s.id = l.search_id JOIN persons p ON p.id = l.person_id JOIN businesses b ON b.id = l.business_id";

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
                            store_candidate(transaction, search, business_id, candidate, now_ms).await?;
                        }
                    }
                }
                refresh_progress(transaction, search.tenant, search.id, None, now_ms).await?;
                let leads: i64 =
                    sqlx::query_scalar("SELECT COUNT(*) FROM leads WHERE search_id = $1 AND number IS NOT NULL")
                        .bind(search.id)
                        .fetch_one(&mut **transaction)
                        .await?;
                Ok((small(leads), super::searches::gap_count(transaction, search.tenant, search.id).await?))
            }
            .boxed()
        })
        .await
    }

    /// Leads of a search that have these numbers and still wait for something.
    pub async fn waiting_leads(&self, search: SearchKey<'_>, from: u32, to: u32) -> Result<Vec<Lead>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} WHERE l.tenant = $1 AND l.search_id = $2 AND l.number >= $3 AND l.number < $4 \
             AND l.state = 'found' ORDER BY l.number"
        )))
        .bind(search.tenant)
        .bind(search.id)
        .bind(i64::from(from))
        .bind(i64::from(to))
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(read_lead).collect()
    }

    /// Numbers of the leads in this range whose email has been looked up.
    pub async fn looked_up(&self, search: SearchKey<'_>, from: u32, to: u32) -> Result<Vec<u32>, StoreError> {
        let numbers: Vec<i64> = sqlx::query_scalar(
            "SELECT number FROM leads WHERE tenant = $1 AND search_id = $2 AND number >= $3 AND number < $4 \
             AND email_looked_up_at_ms IS NOT NULL ORDER BY number",
        )
        .bind(search.tenant)
        .bind(search.id)
        .bind(i64::from(from))
        .bind(i64::from(to))
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(numbers.into_iter().map(small).collect())
    }

    /// Stores what an email look-up brought, once.
    pub async fn store_email(
        &self,
        search: SearchKey<'_>,
        lead: &Lead,
        found: &FoundEmail,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write(|transaction| async move {
            let looked_up = sqlx::query(
                "UPDATE leads SET email_looked_up_at_ms = $3 WHERE tenant = $1 AND id = $2 AND email_looked_up_at_ms IS NULL",
            )
            .bind(search.tenant)
            .bind(&lead.id)
            .bind(now_ms)
            .execute(&mut **transaction)
            .await?;
            if found.email.is_some() {
                sqlx::query(
                    "UPDATE persons SET email = $3, email_status = $4, email_confidence = $5, email_sources = $6 \
                     WHERE tenant = $1 AND id = $2",
                )
                .bind(search.tenant)
                .bind(&lead.person_id)
                .bind(found.email.as_deref())
                .bind(to_json(&found.status))
                .bind(found.confidence.map(i64::from))
                .bind(found.sources.as_deref())
                .execute(&mut **transaction)
                .await?;
            }
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
            Ok(())
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

    /// Takes a person out who asked a data provider not to be processed: their copies go, the fact stays.
    pub async fn remove_person(&self, search: SearchKey<'_>, lead: &Lead, now_ms: i64) -> Result<(), StoreError> {
        self.write(|transaction| async move {
            sqlx::query(
                "UPDATE leads SET state = 'left_out', problem = 'the person asked not to be processed', role = '', \
                 reason = NULL, hook = NULL, evidence = $4, email_looked_up_at_ms = $3 WHERE tenant = $1 AND person_id = $2",
            )
            .bind(search.tenant)
            .bind(&lead.person_id)
            .bind(now_ms)
            .bind(to_json(&Evidence::default()))
            .execute(&mut **transaction)
            .await?;
            // Copies of what was found of them: search results, and answers kept for a repeat.
            for copies in ["people_searches WHERE tenant = $1 AND profiles", "results_cache WHERE tenant = $1 AND value"] {
                let sql = format!("DELETE FROM {copies} LIKE '%' || $2 || '%'");
                sqlx::query(AssertSqlSafe(sql))
                    .bind(search.tenant)
                    .bind(&lead.linkedin_public_id)
                    .execute(&mut **transaction)
                    .await?;
            }
            // The public id stays as the key that keeps the person out for good.
            sqlx::query(
                "UPDATE persons SET first_name = '', last_name = '', title = '', company = '', location = '', email = NULL, \
                 email_status = NULL, email_confidence = NULL, email_sources = NULL, removed_at_ms = $3 \
                 WHERE tenant = $1 AND id = $2",
            )
            .bind(search.tenant)
            .bind(&lead.person_id)
            .bind(now_ms)
            .execute(&mut **transaction)
            .await?;
            refresh_progress(transaction, search.tenant, search.id, None, now_ms).await
        }.boxed())
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

    /// Gaps of a search, and numbered leads that are lost to it.
    pub async fn losses(&self, search: SearchKey<'_>) -> Result<(u32, u32), StoreError> {
        let (gaps, lost): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM gaps g WHERE g.tenant = $1 AND g.search_id = $2), \
             (SELECT COUNT(*) FROM leads l WHERE l.tenant = $1 AND l.search_id = $2 AND l.number IS NOT NULL \
              AND l.state IN ('quarantined', 'left_out'))",
        )
        .bind(search.tenant)
        .bind(search.id)
        .fetch_one(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok((small(gaps), small(lost)))
    }

    /// The leads of a search that are ready, the best first.
    pub async fn ready_leads(&self, search: SearchKey<'_>) -> Result<Vec<Lead>, StoreError> {
        self.list_leads(search, "AND l.state = 'ready' ORDER BY l.score DESC, l.number").await
    }

    /// Everyone whom a search found, in its order.
    pub async fn all_leads(&self, search: SearchKey<'_>) -> Result<Vec<Lead>, StoreError> {
        self.list_leads(search, "ORDER BY l.number IS NULL, l.number, l.id").await
    }

    async fn list_leads(&self, search: SearchKey<'_>, rest: &str) -> Result<Vec<Lead>, StoreError> {
        let rows =
            sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} WHERE l.tenant = $1 AND l.search_id = $2 {rest}")))
                .bind(search.tenant)
                .bind(search.id)
                .fetch_all(self.read())
                .await
                .map_err(|error| self.error(error))?;
        rows.iter().map(read_lead).collect()
    }

    /// Leads whose id begins with this text; more than one when it is too short.
    pub async fn matching_leads(&self, tenant: &str, prefix: &str) -> Result<Vec<Lead>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} WHERE l.tenant = $1 AND substr(l.id, 1, {length}) = $2 ORDER BY l.id DESC LIMIT 20",
            length = prefix.chars().count()
        )))
        .bind(tenant)
        .bind(prefix)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(read_lead).collect()
    }
}

/// Whose search, and which.
#[derive(Clone, Copy, Debug)]
pub struct SearchKey<'a> {
    pub tenant: &'a str,
    pub id: &'a str,
}

async fn store_candidate(
    transaction: &mut AnyConnection,
    search: SearchKey<'_>,
    business_id: &str,
    candidate: &Candidate,
    now_ms: i64,
) -> Result<(), StoreError> {
    let known = sqlx::query(
        "SELECT first_name, last_name, title, company, location, removed_at_ms FROM persons \
         WHERE tenant = $1 AND linkedin_public_id = $2",
    )
    .bind(search.tenant)
    .bind(&candidate.profile.linkedin_public_id)
    .fetch_optional(&mut *transaction)
    .await?;
    let removed = match &known {
        Some(row) => row.try_get::<Option<i64>, _>("removed_at_ms")?,
        None => None,
    };
    let profile = &match known {
        // Of who asked to be left alone nothing is kept but the key.
        _ if removed.is_some() => {
            Profile { linkedin_public_id: candidate.profile.linkedin_public_id.clone(), ..Profile::default() }
        }
        Some(row) => merge_profiles(
            &Profile {
                linkedin_public_id: candidate.profile.linkedin_public_id.clone(),
                first_name: row.try_get("first_name")?,
                last_name: row.try_get("last_name")?,
                title: row.try_get("title")?,
                company: row.try_get("company")?,
                location: row.try_get("location")?,
            },
            &candidate.profile,
        ),
        None => candidate.profile.clone(),
    };
    let (person_id,): (String,) = sqlx::query_as(
        "INSERT INTO persons (id, tenant, linkedin_public_id, first_name, last_name, title, company, location, source) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, (SELECT source FROM searches WHERE id = $9)) \
         ON CONFLICT (tenant, linkedin_public_id) DO UPDATE SET first_name = $4, last_name = $5, title = $6, company = $7, \
         location = $8 RETURNING id",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(search.tenant)
    .bind(&profile.linkedin_public_id)
    .bind(&profile.first_name)
    .bind(&profile.last_name)
    .bind(&profile.title)
    .bind(&profile.company)
    .bind(&profile.location)
    .bind(search.id)
    .fetch_one(&mut *transaction)
    .await?;
    let earlier: Option<String> = sqlx::query_scalar(
        // A lead on made-up data says nothing about one on real data.
        "SELECT l.search_id FROM leads l JOIN searches s ON s.id = l.search_id \
         WHERE l.tenant = $1 AND l.person_id = $2 AND l.search_id <> $3 AND l.state IN ('found', 'ready') \
         AND s.source = (SELECT source FROM searches WHERE id = $3) LIMIT 1",
    )
    .bind(search.tenant)
    .bind(&person_id)
    .bind(search.id)
    .fetch_optional(&mut *transaction)
    .await?;
    let left_out = candidate
        .left_out
        .clone()
        .or_else(|| removed.map(|_| "the person asked not to be processed".into()))
        .or_else(|| earlier.map(|search_id| format!("known since search {search_id}")));
    // Numbers have no gaps, so the last one counts them.
    let (number, rank): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT COALESCE(MAX(number) + 1, 0) FROM leads WHERE search_id = $1), rank \
         FROM search_businesses WHERE search_id = $1 AND business_id = $2",
    )
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
    .bind(to_json(&removed.map_or_else(|| candidate.evidence.clone(), |_| Evidence::default())))
    .bind(now_ms)
    .execute(&mut *transaction)
    .await?;
    Ok(())
}

fn read_lead(row: &AnyRow) -> Result<Lead, StoreError> {
    let optional =
        |column: &str| -> Result<Option<u32>, StoreError> { Ok(row.try_get::<Option<i64>, _>(column)?.map(small)) };
    let email_status = match row.try_get::<Option<String>, _>("email_status")? {
        Some(status) => from_json(&status)?,
        None => EmailStatus::None,
    };
    let points = match row.try_get::<Option<String>, _>("points")? {
        Some(points) => from_json(&points)?,
        None => Vec::new(),
    };
    Ok(Lead {
        id: row.try_get("id")?,
        search_id: row.try_get("search_id")?,
        number: optional("number")?,
        state: row.try_get("state")?,
        problem: row.try_get("problem")?,
        person_id: row.try_get("person_id")?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
        role: row.try_get("role")?,
        linkedin_public_id: row.try_get("linkedin_public_id")?,
        email: row.try_get("email")?,
        email_status,
        email_confidence: optional("email_confidence")?,
        business: row.try_get("business")?,
        category: row.try_get("category")?,
        city: row.try_get("city")?,
        region: row.try_get("region")?,
        country: row.try_get("country")?,
        website: row.try_get("website")?,
        domain: row.try_get("domain")?,
        phone: row.try_get("phone")?,
        rating_tenths: optional("rating_tenths")?,
        rating_count: small(row.try_get("rating_count")?),
        persona_rank: small(row.try_get("rank")?),
        role_rank: small(row.try_get("role_rank")?),
        evidence: from_json(&row.try_get::<String, _>("evidence")?)?,
        score: optional("score")?,
        points,
        reason: row.try_get("reason")?,
        hook: row.try_get("hook")?,
        source: row.try_get("source")?,
    })
}
