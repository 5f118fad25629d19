//! Businesses from the map search, page after page.

use super::personas::{industry, wrong_job};
use super::{Paid, SearchWork, key, not_set_up, owner, refused_item, store_failure};
use crate::failpoint::fail_point;
use crate::gate::{CallId, GateError, PaidCall, Settled, UsageNumbers};
use crate::providers::{MapsAnswer, MapsQuery, Place as MapPlace, Usage};
use crate::store::businesses::{FoundBusiness, NewPage, PageAddress, StoredPage};
use crate::store::searches::Search;
use leadflow_workflows::contract::JobInput;
use leadflow_workflows::domain::brief::Place;
use leadflow_workflows::domain::exclude::is_shared_host;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::search_plan::{Job, Outcome, PAGE_SIZE};
use serde::{Deserialize, Serialize};
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// A page of results as it is kept in the cache: what the store needs of it.
#[derive(Serialize, Deserialize)]
struct Page {
    places: Vec<MapPlace>,
    results: u32,
    viewport: Option<String>,
}

impl SearchWork {
    pub(super) async fn maps(&self, ctx: &ActivityContext, input: &JobInput) -> Result<Outcome, ActivityError> {
        let &Job::Maps { persona, place, page, pages } = &input.job else { return Err(wrong_job()) };
        let search = self.load(&input.search).await?;
        let personas = self.store.business_personas(&search.tenant, &search.id).await.map_err(store_failure)?;
        let business = personas.iter().find(|business| business.rank == persona + 1).ok_or_else(wrong_job)?;
        let where_ = Place::new(search.brief.places.get(place as usize).ok_or_else(wrong_job)?);
        let country = where_.country.clone().unwrap_or_default();
        let mut next_page = Some(page);
        for page in page..page + pages {
            let address = PageAddress { persona, place, page };
            let viewport = if page == 1 { None } else { self.viewport(&search, address).await? };
            let query = MapsQuery {
                q: format!("{} in {}", industry(business), where_.text),
                gl: if country.is_empty() { "us".into() } else { country.clone() },
                hl: "en".into(),
                page,
                ll: viewport,
            };
            let stored = match self.map_page(ctx, &search, address, &query, &where_).await? {
                PageOutcome::Stored(stored) => stored,
                PageOutcome::Held(hold) => return Ok(Outcome::Held(hold)),
                PageOutcome::Lost => StoredPage { places: 0, viewport: None },
            };
            next_page = (stored.places >= PAGE_SIZE).then_some(page + 1);
            if next_page.is_none() {
                break;
            }
        }
        let businesses = self.store.business_count(&search.tenant, &search.id).await.map_err(store_failure)?;
        let (gaps, _) = self.store.losses(key(&search)).await.map_err(store_failure)?;
        Ok(Outcome::Mapped { businesses, next_page, gaps })
    }

    /// The map section of the stream's first page: the provider needs it for every further one.
    async fn viewport(&self, search: &Search, address: PageAddress) -> Result<Option<String>, ActivityError> {
        let first = PageAddress { page: 1, ..address };
        let stored = self.store.map_page(&search.tenant, &search.id, first).await.map_err(store_failure)?;
        Ok(stored.and_then(|stored| stored.viewport))
    }

    async fn map_page(
        &self,
        ctx: &ActivityContext,
        search: &Search,
        address: PageAddress,
        query: &MapsQuery,
        place: &Place,
    ) -> Result<PageOutcome, ActivityError> {
        if let Some(stored) = self.store.map_page(&search.tenant, &search.id, address).await.map_err(store_failure)? {
            return Ok(PageOutcome::Stored(stored));
        }
        let Some(client) = &self.clients.serper else { return Ok(PageOutcome::Held(not_set_up(Provider::Serper))) };
        let request = serde_json::to_vec(query).map_err(|_| wrong_job())?;
        let call = PaidCall {
            tenant: &search.tenant,
            search_id: &search.id,
            lead: None,
            provider: Provider::Serper,
            operation: "maps",
            scope: &search.id,
            repair_round: 0,
            request: &request,
            bound: Usage::serper_maps_at_most().cost(&self.config.models),
            owner: owner(ctx),
        };
        self.pace.serper.until_ready().await;
        let perform = |call_id: CallId| async move {
            let MapsAnswer { places, results, ll, credits } = client.maps(call_id.as_str(), query).await?;
            Ok(Settled {
                value: Page { places, results, viewport: ll },
                cost: Usage::Serper { credits }.cost(&self.config.models),
                usage: UsageNumbers { credits: credits.into(), ..UsageNumbers::default() },
                reusable: true,
            })
        };
        let called = self.gate.call(call, perform).await;
        if let Err(GateError::Provider(error)) = &called
            && refused_item(error)
        {
            let item = format!("{}, page {}", query.q, query.page);
            let gap = (item, error.kind.replace('_', " "));
            let now_ms = self.clock.now_ms();
            self.store
                .store_gaps(&search.tenant, &search.id, "businesses", &[gap], now_ms)
                .await
                .map_err(store_failure)?;
            return Ok(PageOutcome::Lost);
        }
        let page = match self.settle(ctx, search, "businesses", called).await? {
            Paid::Held(hold) => return Ok(PageOutcome::Held(hold)),
            Paid::Value(page) => page,
        };
        let places = page.results;
        let businesses: Vec<FoundBusiness> =
            page.places.iter().filter_map(|found| found_business(found, place)).collect();
        let new = NewPage {
            tenant: &search.tenant,
            search_id: &search.id,
            source: &search.source,
            address,
            places,
            viewport: page.viewport.as_deref(),
            businesses: &businesses,
            limit: search.brief.want.businesses,
            now_ms: self.clock.now_ms(),
        };
        fail_point("maps-before-store").await;
        self.store.store_map_page(&new, &search.exclude_list()).await.map_err(store_failure)?;
        Ok(PageOutcome::Stored(StoredPage { places, viewport: page.viewport }))
    }
}

enum PageOutcome {
    Stored(StoredPage),
    Held(leadflow_workflows::domain::search_plan::Hold),
    /// Refused for good and written down as a gap; the stream ends.
    Lost,
}

/// `None` for a result that nothing identifies.
fn found_business(found: &MapPlace, place: &Place) -> Option<FoundBusiness> {
    let cid = found.cid.clone().or_else(|| found.place_id.clone())?;
    let (city, region) = city_and_region(found.address.as_deref().unwrap_or_default(), place);
    let website = found.website.clone().filter(|website| website.starts_with("http"));
    let domain = website.as_deref().and_then(host_of).filter(|domain| !is_shared_host(domain));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ratings are 0 to 5")]
    let rating_tenths = found.rating.map(|rating| (rating.clamp(0.0, 5.0) * 10.0).round() as u32);
    Some(FoundBusiness {
        cid,
        name: found.title.clone(),
        domain,
        website,
        phone: found.phone_number.clone(),
        category: found.types.first().cloned().unwrap_or_default(),
        address: found.address.clone().unwrap_or_default(),
        city,
        region,
        country: place.country.clone().unwrap_or_default(),
        rating_tenths,
        rating_count: found.rating_count.unwrap_or(0),
    })
}

/// Host of an address, without `www.`.
fn host_of(url: &str) -> Option<String> {
    let host = reqwest::Url::parse(url).ok()?.host_str()?.to_lowercase();
    Some(host.strip_prefix("www.").unwrap_or(&host).to_owned())
}

/// City and region of a postal address, as the map shows it: `street, city, region code, country` or less.
///
/// The region is the one that was searched, where the place names one, because addresses abbreviate it.
fn city_and_region(address: &str, place: &Place) -> (String, String) {
    let searched: Vec<&str> = place.text.split(',').map(str::trim).collect();
    let region = if searched.len() >= 2 { searched[searched.len() - 2] } else { "" };
    let parts: Vec<&str> = address.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let city = match parts.as_slice() {
        [.., city, _region, _country] => city,
        [city, _country] => city,
        _ => "",
    };
    let city = city.trim_matches(|character: char| character.is_ascii_digit() || character == ' ');
    (city.to_owned(), region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn city_and_region_come_from_address_and_place() {
        let vermont = Place::new("Vermont, US");
        let read = |address| city_and_region(address, &vermont);
        assert_eq!(
            read("12 Main St, Burlington, Vermont 05401, United States"),
            ("Burlington".into(), "Vermont".into())
        );
        assert_eq!(read("Burlington, United States"), ("Burlington".into(), "Vermont".into()));
        assert_eq!(read(""), (String::new(), "Vermont".into()));
        assert_eq!(
            city_and_region("Karl-Heine-Str. 40, 04229 Leipzig, Sachsen, Germany", &Place::new("Germany")),
            ("Leipzig".into(), String::new())
        );
    }

    #[test]
    fn the_domain_is_the_businesss_own() {
        assert_eq!(host_of("https://www.Maple.example/beer"), Some("maple.example".into()));
        let found = MapPlace {
            title: "Maple".into(),
            cid: Some("1".into()),
            website: Some("https://facebook.com/maple".into()),
            ..MapPlace::default()
        };
        let business = found_business(&found, &Place::new("Vermont, US")).expect("a cid is enough");
        assert_eq!((business.domain, business.country.as_str()), (None, "us"));
    }
}
