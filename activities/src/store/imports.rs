//! Lists of people that a user brings along: stored like a search that has ended, so that all that is done with the leads
//! of a search can be done with them.

use super::persons::{EmailRefused, FoundPerson, StoredPerson, store_person};
use super::searches::{refresh_progress, to_json};
use super::suppressions::is_bounced;
use super::{Store, StoreError};
use crate::store::leads::Evidence;
use futures::FutureExt;
use leadflow_workflows::domain::brief::{Brief, Ideal, Want};
use leadflow_workflows::domain::people::{Profile, profile_url};
use serde::Serialize;
use sqlx::AnyConnection;
use uuid::Uuid;

/// A list to store. The same name with the same source means the same list.
#[derive(Clone, Debug)]
pub struct NewImport {
    pub tenant: String,
    pub name: String,
    /// `sandbox` or `live`.
    pub source: &'static str,
    pub rows: Vec<ImportRow>,
    pub now_ms: i64,
}

/// A checked row: it has a name, and an address or a profile. Texts that the file lacks are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportRow {
    /// In the file, from 1.
    pub line: u32,
    /// In lower case.
    pub email: Option<String>,
    /// Public id, in the canonical form.
    pub linkedin: Option<String>,
    pub first_name: String,
    pub last_name: String,
    pub role: String,
    pub business: String,
    pub website: Option<String>,
    /// In lower case, without `www.`.
    pub domain: Option<String>,
    pub city: String,
    pub region: String,
    /// ISO 3166-1 alpha-2, in small letters.
    pub country: String,
    /// 0 to 100.
    pub score: Option<u32>,
    pub reason: Option<String>,
    pub hook: Option<String>,
    /// IANA name.
    pub timezone: Option<String>,
}

/// What storing a list did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    pub search_id: String,
    /// Leads that this list did not have before.
    pub new_leads: u32,
    /// Rows about people who are leads of this list already; what the file says of them now holds.
    pub known_leads: u32,
    /// People who asked not to be processed: nothing was kept of them.
    pub left_out: u32,
    /// Lines whose address belongs to somebody with another profile; the lead was stored without it.
    pub shared_addresses: Vec<u32>,
    /// Lines whose address bounced; the lead was stored without it, or not at all when the line has no profile.
    pub bounced_addresses: Vec<u32>,
    /// Ids of enrollments that ended because two persons turned out to be one.
    pub ended: Vec<String>,
}

impl Store {
    /// Stores all rows of a list or, on failure, none. The same list again changes nothing.
    pub async fn import_leads(&self, new: &NewImport) -> Result<Imported, StoreError> {
        self.write(|transaction| {
            async move {
                one_at_a_time(transaction, &new.tenant).await?;
                let mut outcome = Imported { search_id: list(transaction, new).await?, ..Imported::default() };
                for row in &new.rows {
                    store_row(transaction, self.for_update(), new, row, &mut outcome).await?;
                }
                refresh_progress(transaction, &new.tenant, &outcome.search_id, None, new.now_ms).await?;
                Ok(outcome)
            }
            .boxed()
        })
        .await
    }
}

/// Lets the imports of a tenant happen one after the other: two files may name the same people in any order, and be the
/// same list.
async fn one_at_a_time(transaction: &mut AnyConnection, tenant: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO import_locks (tenant) VALUES ($1) ON CONFLICT (tenant) DO UPDATE SET tenant = excluded.tenant",
    )
    .bind(tenant)
    .execute(transaction)
    .await?;
    Ok(())
}

/// The id of the list, which is made when it is new.
async fn list(transaction: &mut AnyConnection, new: &NewImport) -> Result<String, StoreError> {
    let known: Option<String> = sqlx::query_scalar(
        "SELECT id FROM searches WHERE tenant = $1 AND name = $2 AND source = $3 AND status = 'imported'",
    )
    .bind(&new.tenant)
    .bind(&new.name)
    .bind(new.source)
    .fetch_optional(&mut *transaction)
    .await?;
    if let Some(id) = known {
        return Ok(id);
    }
    let id = Uuid::now_v7().to_string();
    sqlx::query(
        "INSERT INTO searches (id, tenant, name, source, brief, exclusions, status, wish, created_at_ms, started_at_ms, \
         finished_at_ms) VALUES ($1, $2, $3, $4, $5, '[]', 'imported', 'run', $6, $6, $6)",
    )
    .bind(&id)
    .bind(&new.tenant)
    .bind(&new.name)
    .bind(new.source)
    .bind(to_json(&brief(new)))
    .bind(new.now_ms)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO search_progress (search_id, tenant, phase, percent, businesses, businesses_searched, leads, \
         leads_looked_up, leads_ready, gaps, problems, updated_at_ms) \
         VALUES ($1, $2, 'completed', 100, 0, 0, 0, 0, 0, 0, '{}', $3)",
    )
    .bind(&id)
    .bind(&new.tenant)
    .bind(new.now_ms)
    .execute(transaction)
    .await?;
    Ok(id)
}

/// A brief that stands in for the one a search has.
fn brief(new: &NewImport) -> Brief {
    let mut countries: Vec<String> = new.rows.iter().map(|row| row.country.to_uppercase()).collect();
    countries.retain(|country| !country.is_empty());
    countries.sort_unstable();
    countries.dedup();
    countries.truncate(50);
    if countries.is_empty() {
        countries.push("AQ".into());
    }
    Brief {
        name: new.name.clone(),
        sell: "What this list of leads was made for".into(),
        ideal: Ideal { industries: vec!["imported".into()], roles: Vec::new(), exclude: Vec::new(), personas: 1 },
        places: countries,
        want: Want { insights: false, ..Want::default() },
    }
}

async fn store_row(
    transaction: &mut AnyConnection,
    for_update: &str,
    new: &NewImport,
    row: &ImportRow,
    outcome: &mut Imported,
) -> Result<(), StoreError> {
    // Nobody is known by an address that does not work.
    if row.linkedin.is_none()
        && let Some(email) = &row.email
        && is_bounced(transaction, &new.tenant, email).await?
    {
        outcome.bounced_addresses.push(row.line);
        return Ok(());
    }
    let profile = Profile {
        linkedin_public_id: row.linkedin.clone().unwrap_or_default(),
        first_name: row.first_name.clone(),
        last_name: row.last_name.clone(),
        title: row.role.clone(),
        company: row.business.clone(),
        location: [&row.city, &row.region]
            .map(String::as_str)
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", "),
    };
    let found = FoundPerson {
        profile: &profile,
        email: row.email.as_deref(),
        timezone: row.timezone.as_deref(),
        source: new.source,
    };
    let StoredPerson { id: person_id, is_removed, email_refused, ended, .. } =
        store_person(transaction, for_update, &new.tenant, &found, new.now_ms).await?;
    outcome.ended.extend(ended);
    if is_removed {
        outcome.left_out += 1;
        return Ok(());
    }
    match email_refused {
        Some(EmailRefused::Taken) => outcome.shared_addresses.push(row.line),
        Some(EmailRefused::Bounced) => outcome.bounced_addresses.push(row.line),
        None => {}
    }
    let business_id = store_business(transaction, new, row, &person_id).await?;
    number_business(transaction, new, &outcome.search_id, &business_id).await?;
    let evidence =
        Evidence { profile_url: row.linkedin.as_deref().map_or(String::new(), profile_url), ..Evidence::default() };
    let id = Uuid::now_v7().to_string();
    let lead: String = sqlx::query_scalar(
        "INSERT INTO leads (id, tenant, search_id, person_id, business_id, number, state, rank, role_rank, role, evidence, \
         score, reason, hook, created_at_ms, ready_at_ms) VALUES ($1, $2, $3, $4, $5, \
         (SELECT COALESCE(MAX(number) + 1, 0) FROM leads WHERE tenant = $2 AND search_id = $3), \
         'ready', 1, 1, $6, $7, $8, $9, $10, $11, $11) \
         ON CONFLICT (tenant, search_id, person_id) DO UPDATE SET business_id = excluded.business_id, role = excluded.role, \
         evidence = excluded.evidence, score = excluded.score, reason = excluded.reason, hook = excluded.hook RETURNING id",
    )
    .bind(&id)
    .bind(&new.tenant)
    .bind(&outcome.search_id)
    .bind(&person_id)
    .bind(&business_id)
    .bind(&row.role)
    .bind(to_json(&evidence))
    .bind(row.score.map(i64::from))
    .bind(row.reason.as_deref())
    .bind(row.hook.as_deref())
    .bind(new.now_ms)
    .fetch_one(transaction)
    .await?;
    if lead == id {
        outcome.new_leads += 1;
    } else {
        outcome.known_leads += 1;
    }
    Ok(())
}

/// The business of a row: one that is known by its domain, or one made from what the row says.
async fn store_business(
    transaction: &mut AnyConnection,
    new: &NewImport,
    row: &ImportRow,
    person_id: &str,
) -> Result<String, StoreError> {
    if let Some(domain) = &row.domain {
        let known: Option<String> = sqlx::query_scalar(
            "SELECT id FROM businesses WHERE tenant = $1 AND domain = $2 AND source = $3 ORDER BY id LIMIT 1",
        )
        .bind(&new.tenant)
        .bind(domain)
        .bind(new.source)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(id) = known {
            return Ok(id);
        }
    }
    // Stands in for the map's key, which a business of a list does not have. People of whom no business is told are not
    // colleagues.
    let place = [&row.business, &row.city, &row.region, &row.country].map(|part| part.to_lowercase()).join("|");
    let known_by = match &row.domain {
        Some(domain) => domain,
        None if row.business.is_empty() => person_id,
        None => &place,
    };
    let cid = format!("import:{}:{known_by}", new.source);
    let id = sqlx::query_scalar(
        "INSERT INTO businesses (id, tenant, cid, name, domain, website, category, address, city, region, country, \
         rating_count, source) VALUES ($1, $2, $3, $4, $5, $6, '', '', $7, $8, $9, 0, $10) \
         ON CONFLICT (tenant, cid) DO UPDATE SET name = excluded.name RETURNING id",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(&new.tenant)
    .bind(cid)
    .bind(if row.business.is_empty() { row.domain.as_deref().unwrap_or_default() } else { &row.business })
    .bind(row.domain.as_deref())
    .bind(row.website.as_deref())
    .bind(&row.city)
    .bind(&row.region)
    .bind(&row.country)
    .bind(new.source)
    .fetch_one(transaction)
    .await?;
    Ok(id)
}

async fn number_business(
    transaction: &mut AnyConnection,
    new: &NewImport,
    search_id: &str,
    business_id: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO search_businesses (search_id, tenant, business_id, rank, place, page, position, number, searched_at_ms) \
         VALUES ($1, $2, $3, 0, 0, 1, 1, \
         (SELECT COALESCE(MAX(number) + 1, 0) FROM search_businesses WHERE tenant = $2 AND search_id = $1), $4) \
         ON CONFLICT (search_id, business_id) DO NOTHING",
    )
    .bind(search_id)
    .bind(&new.tenant)
    .bind(business_id)
    .bind(new.now_ms)
    .execute(transaction)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brief_that_stands_in_is_a_sound_one() {
        let row = |country: &str| ImportRow { country: country.into(), ..ImportRow::default() };
        for rows in [vec![], vec![row("at"), row(""), row("us"), row("at")]] {
            let new = NewImport { tenant: "t".into(), name: "fair".into(), source: "live", rows, now_ms: 0 };
            assert_eq!(brief(&new).check(), []);
        }
    }
}
