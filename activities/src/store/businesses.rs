//! Businesses that map searches find, numbered in their canonical order.

use super::searches::{add_gap, from_json, refresh_progress, small, to_json};
use super::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::exclude::{BusinessFacts, ExcludeList};
use leadflow_workflows::domain::people::Profile;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

/// Where in a search a page of map results stands. Persona and place count from 0, pages from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageAddress {
    pub persona: u32,
    pub place: u32,
    pub page: u32,
}

/// A business as a map result shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundBusiness {
    pub cid: String,
    pub name: String,
    pub domain: Option<String>,
    pub website: Option<String>,
    pub phone: Option<String>,
    pub category: String,
    pub address: String,
    pub city: String,
    pub region: String,
    /// ISO 3166-1 code in small letters; empty when unknown.
    pub country: String,
    pub rating_tenths: Option<u32>,
    pub rating_count: u32,
}

/// A page of the map that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPage {
    pub places: u32,
    /// The map section that further pages need.
    pub viewport: Option<String>,
}

/// A numbered business of a search.
#[derive(Clone, Debug)]
pub struct SearchBusiness {
    pub id: String,
    pub number: u32,
    pub persona: u32,
    pub cid: String,
    pub name: String,
    pub city: String,
    pub region: String,
    pub country: String,
    pub searched: bool,
}

impl Store {
    pub async fn map_page(
        &self,
        tenant: &str,
        search_id: &str,
        address: PageAddress,
    ) -> Result<Option<StoredPage>, StoreError> {
        let row: Option<(i64, Option<String>)> = sqlx::query_as(
            "SELECT places_on_page, viewport FROM map_pages \
             WHERE tenant = $1 AND search_id = $2 AND rank = $3 AND place = $4 AND page = $5",
        )
        .bind(tenant)
        .bind(search_id)
        .bind(i64::from(address.persona))
        .bind(i64::from(address.place))
        .bind(i64::from(address.page))
        .fetch_optional(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(row.map(|(places, viewport)| StoredPage { places: small(places), viewport }))
    }

    /// Stores a page and numbers its businesses, unless the page is stored already.
    ///
    /// A business that an earlier page of this search showed keeps its first place. One that the brief excludes, or that
    /// comes after the limit, is kept without number and says why.
    pub async fn store_map_page(&self, page: &NewPage<'_>, exclude: &ExcludeList) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                let NewPage { tenant, search_id, address, .. } = *page;
                let new = sqlx::query(
                    "INSERT INTO map_pages (search_id, tenant, rank, place, page, places_on_page, viewport) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (search_id, rank, place, page) DO NOTHING",
                )
                .bind(search_id)
                .bind(tenant)
                .bind(i64::from(address.persona))
                .bind(i64::from(address.place))
                .bind(i64::from(address.page))
                .bind(i64::from(page.places))
                .bind(page.viewport)
                .execute(&mut **transaction)
                .await?;
                if new.rows_affected() == 0 {
                    return Ok(());
                }
                for (business, position) in page.businesses.iter().zip(1_i64..) {
                    let id = upsert_business(transaction, page, business).await?;
                    number_business(transaction, page, business, &id, position, exclude).await?;
                }
                refresh_progress(transaction, tenant, search_id, None, page.now_ms).await
            }
            .boxed()
        })
        .await
    }

    pub async fn business_count(&self, tenant: &str, search_id: &str) -> Result<u32, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM search_businesses WHERE tenant = $1 AND search_id = $2 AND number IS NOT NULL",
        )
        .bind(tenant)
        .bind(search_id)
        .fetch_one(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(small(count))
    }

    /// The businesses numbered `from` up to but not including `to`, in order.
    pub async fn numbered_businesses(
        &self,
        tenant: &str,
        search_id: &str,
        from: u32,
        to: u32,
    ) -> Result<Vec<SearchBusiness>, StoreError> {
        let rows = sqlx::query(
            "SELECT b.id, s.number, s.rank, b.cid, b.name, b.city, b.region, b.country, s.searched_at_ms \
             FROM search_businesses s JOIN businesses b ON b.id = s.business_id \
             WHERE s.tenant = $1 AND s.search_id = $2 AND s.number >= $3 AND s.number < $4 ORDER BY s.number",
        )
        .bind(tenant)
        .bind(search_id)
        .bind(i64::from(from))
        .bind(i64::from(to))
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(read_business).collect()
    }

    /// What one web search for the people of a business found, if it was made since `since_ms` on data of the
    /// same source.
    pub async fn people_search(
        &self,
        tenant: &str,
        cid: &str,
        query: &str,
        source: &str,
        since_ms: i64,
    ) -> Result<Option<Vec<Profile>>, StoreError> {
        let profiles: Option<String> = sqlx::query_scalar(
            "SELECT p.profiles FROM people_searches p JOIN searches s ON s.id = p.search_id \
             WHERE p.tenant = $1 AND p.cid = $2 AND p.query = $3 AND p.searched_at_ms >= $4 AND s.source = $5",
        )
        .bind(tenant)
        .bind(cid)
        .bind(query)
        .bind(since_ms)
        .bind(source)
        .fetch_optional(self.read())
        .await
        .map_err(|error| self.error(error))?;
        profiles.map(|profiles| from_json(&profiles)).transpose()
    }

    pub async fn store_people_search(
        &self,
        tenant: &str,
        search_id: &str,
        cid: &str,
        query: &str,
        profiles: &[Profile],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query(
                    "INSERT INTO people_searches (tenant, cid, query, search_id, profiles, searched_at_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, cid, query) \
                 DO UPDATE SET search_id = $4, profiles = $5, searched_at_ms = $6",
                )
                .bind(tenant)
                .bind(cid)
                .bind(query)
                .bind(search_id)
                .bind(to_json(profiles))
                .bind(now_ms)
                .execute(&mut **transaction)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Writes one or more items down as lost.
    pub async fn store_gaps(
        &self,
        tenant: &str,
        search_id: &str,
        stage: &str,
        items: &[(String, String)],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                for (item, problem) in items {
                    add_gap(transaction, tenant, search_id, stage, item, problem, now_ms).await?;
                }
                refresh_progress(transaction, tenant, search_id, None, now_ms).await
            }
            .boxed()
        })
        .await
    }
}

/// A page of map results to store.
#[derive(Clone, Copy, Debug)]
pub struct NewPage<'a> {
    pub tenant: &'a str,
    pub search_id: &'a str,
    pub source: &'a str,
    pub address: PageAddress,
    /// Results on the page, those without a name included: fewer than a full page end the stream.
    pub places: u32,
    pub viewport: Option<&'a str>,
    pub businesses: &'a [FoundBusiness],
    /// Businesses that the search may number.
    pub limit: Option<u32>,
    pub now_ms: i64,
}

async fn upsert_business(
    transaction: &mut AnyConnection,
    page: &NewPage<'_>,
    found: &FoundBusiness,
) -> Result<String, StoreError> {
    let id: String = sqlx::query_scalar(
        "INSERT INTO businesses (id, tenant, cid, name, domain, website, phone, category, address, city, region, country, \
         rating_tenths, rating_count, source) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (tenant, cid) DO UPDATE SET name = $4, domain = COALESCE($5, businesses.domain), \
         website = COALESCE($6, businesses.website), phone = COALESCE($7, businesses.phone), category = $8, \
         rating_tenths = $13, rating_count = $14 RETURNING id",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(page.tenant)
    .bind(&found.cid)
    .bind(&found.name)
    .bind(found.domain.as_deref())
    .bind(found.website.as_deref())
    .bind(found.phone.as_deref())
    .bind(&found.category)
    .bind(&found.address)
    .bind(&found.city)
    .bind(&found.region)
    .bind(&found.country)
    .bind(found.rating_tenths.map(i64::from))
    .bind(i64::from(found.rating_count))
    .bind(page.source)
    .fetch_one(transaction)
    .await?;
    Ok(id)
}

async fn number_business(
    transaction: &mut AnyConnection,
    page: &NewPage<'_>,
    found: &FoundBusiness,
    business_id: &str,
    position: i64,
    exclude: &ExcludeList,
) -> Result<(), StoreError> {
    // The same company under another map entry: its domain says so. Numbers have no gaps, so the last one counts them.
    let (same_domain, same_name, numbered): (i64, i64, i64) = sqlx::query_as(
        "SELECT \
         (SELECT COUNT(*) FROM businesses b JOIN search_businesses s ON s.business_id = b.id AND s.search_id = $2 \
          WHERE b.tenant = $1 AND b.domain = $4 AND b.id <> $3), \
         (SELECT COUNT(*) FROM businesses b JOIN search_businesses s ON s.business_id = b.id AND s.search_id = $2 \
          WHERE b.tenant = $1 AND b.name = $5 AND b.id <> $3), \
         (SELECT COALESCE(MAX(number) + 1, 0) FROM search_businesses WHERE tenant = $1 AND search_id = $2)",
    )
    .bind(page.tenant)
    .bind(page.search_id)
    .bind(business_id)
    .bind(found.domain.as_deref())
    .bind(&found.name)
    .fetch_one(&mut *transaction)
    .await?;
    let facts = BusinessFacts {
        name: &found.name,
        domain: found.domain.as_deref(),
        cid: Some(&found.cid),
        category: Some(&found.category),
        same_name_count: small(same_name) + 1,
        same_domain_count: small(same_domain) + 1,
    };
    let left_out = exclude
        .excludes_business(&facts)
        .or_else(|| (same_domain > 0).then(|| "the same domain was found before".to_owned()))
        .or_else(|| {
            page.limit
                .is_some_and(|limit| small(numbered) >= limit)
                .then(|| "the search had enough businesses".to_owned())
        });
    sqlx::query(
        "INSERT INTO search_businesses (search_id, tenant, business_id, rank, place, page, position, number, left_out) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (search_id, business_id) DO NOTHING",
    )
    .bind(page.search_id)
    .bind(page.tenant)
    .bind(business_id)
    .bind(i64::from(page.address.persona))
    .bind(i64::from(page.address.place))
    .bind(i64::from(page.address.page))
    .bind(position)
    .bind(left_out.is_none().then_some(numbered))
    .bind(left_out)
    .execute(&mut *transaction)
    .await?;
    Ok(())
}

fn read_business(row: &AnyRow) -> Result<SearchBusiness, StoreError> {
    Ok(SearchBusiness {
        id: row.try_get("id")?,
        number: small(row.try_get("number")?),
        persona: small(row.try_get("rank")?),
        cid: row.try_get("cid")?,
        name: row.try_get("name")?,
        city: row.try_get("city")?,
        region: row.try_get("region")?,
        country: row.try_get("country")?,
        searched: row.try_get::<Option<i64>, _>("searched_at_ms")?.is_some(),
    })
}
