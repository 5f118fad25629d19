//! People at businesses, as lists and single leads are read.

mod found;
mod listed;

pub(crate) use found::store_address;
pub use found::{Candidate, FoundEmail, Written};
pub use listed::{LeadFilter, ListedLead};

use super::searches::{from_json, small};
use super::{Store, StoreError};
use leadflow_workflows::domain::score::{EmailStatus, Points};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

/// What speaks for a lead, as the search results showed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Whether the profile names the business as employer.
    pub employer_agrees: bool,
    /// Whether the profile's location speaks for the business; `None` when it shows none.
    pub place_agrees: Option<bool>,
    /// The profile that says so.
    pub profile_url: String,
}

/// A lead with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
    /// Empty when it is not known.
    pub linkedin_public_id: String,
    pub email: Option<String>,
    pub email_status: EmailStatus,
    pub email_confidence: Option<u32>,
    /// IANA name, when it is known better than from the place.
    pub timezone: Option<String>,
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

const COLUMNS: &str = "l.id, l.search_id, l.number, l.state, l.problem, l.person_id, p.first_name, p.last_name, l.role, \
     COALESCE(p.linkedin_public_id, '') AS linkedin_public_id, p.email, p.email_status, p.email_confidence, p.timezone, \
     b.name AS business, b.category, b.city, b.region, b.country, b.website, b.domain, b.phone, b.rating_tenths, b.rating_count, l.rank, l.role_rank, l.evidence, l.score, \
     l.points, l.reason, l.hook, s.source";
const TABLES: &str = "FROM leads l JOIN searches s ON s.id = l.search_id JOIN persons p ON p.id = l.person_id \
     JOIN businesses b ON b.id = l.business_id";

impl Store {
    /// Leads of a search that have these numbers and still wait for something.
    pub async fn waiting_leads(&self, search: SearchKey<'_>, from: u32, to: u32) -> Result<Vec<Lead>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} {TABLES} WHERE l.tenant = $1 AND l.search_id = $2 AND l.number >= $3 AND l.number < $4 \
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
        self.list_leads(search, "AND l.state = 'ready' ORDER BY COALESCE(l.score, 0) DESC, l.number").await
    }

    /// Everyone whom a search found, in its order.
    pub async fn all_leads(&self, search: SearchKey<'_>) -> Result<Vec<Lead>, StoreError> {
        self.list_leads(search, "ORDER BY l.number IS NULL, l.number, l.id").await
    }

    async fn list_leads(&self, search: SearchKey<'_>, rest: &str) -> Result<Vec<Lead>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} {TABLES} WHERE l.tenant = $1 AND l.search_id = $2 {rest}"
        )))
        .bind(search.tenant)
        .bind(search.id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(read_lead).collect()
    }

    pub async fn lead(&self, tenant: &str, id: &str) -> Result<Option<Lead>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} {TABLES} WHERE l.tenant = $1 AND l.id = $2")))
            .bind(tenant)
            .bind(id)
            .fetch_optional(self.read())
            .await
            .map_err(|error| self.error(error))?;
        row.as_ref().map(read_lead).transpose()
    }

    /// Leads whose id begins with this text; more than one when it is too short.
    pub async fn matching_leads(&self, tenant: &str, prefix: &str) -> Result<Vec<Lead>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} {TABLES} WHERE l.tenant = $1 AND substr(l.id, 1, {length}) = $2 ORDER BY l.id DESC LIMIT 20",
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
        timezone: row.try_get("timezone")?,
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
