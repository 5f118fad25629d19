//! Serper: map and web search results.
//!
//! The provider publishes no specification, so every field may be missing or of another type; a result loses the
//! field, not the search its results.

use super::error::{Class, INVALID_API_KEY, ProviderError};
use super::http::{Answer, Body, Call, Http, SetUpError};
use crate::config::ProviderConfig;
use leadflow_workflows::domain::provider::Provider;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Most that one [`Serper::maps`] call costs, in credits.
pub(super) const MAPS_CREDITS_AT_MOST: u32 = 3;
/// Most that one [`Serper::search`] call costs, in credits: more than ten results cost two.
pub(super) const SEARCH_CREDITS_AT_MOST: u32 = 2;

/// Client of the search API. Makes each call once: retrying is the server's task.
pub struct Serper {
    http: Http,
}

/// A search for businesses on the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapsQuery {
    /// What and where, for example `craft brewery in Leipzig`.
    pub q: String,
    /// Country, ISO 3166-1 alpha-2, lower case.
    pub gl: String,
    /// Language of the results, for example `de`.
    pub hl: String,
    /// From 1.
    pub page: u32,
    /// Section of the map, `@LATITUDE,LONGITUDE,ZOOMz`, as the first page answered it; later pages need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ll: Option<String>,
}

/// A search on the web.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SearchQuery {
    pub q: String,
    /// Country, ISO 3166-1 alpha-2, lower case.
    pub gl: String,
    /// Language of the results, for example `de`.
    pub hl: String,
    /// Results asked for, 1 to 100; above 10 a call costs two credits.
    pub num: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapsAnswer {
    /// In the order of the provider.
    pub places: Vec<Place>,
    /// Results on the page, those that cannot be read included: fewer than a full page is the last one.
    pub results: u32,
    pub ll: Option<String>,
    /// Price of the call.
    pub credits: u32,
}

/// A business on the map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub title: String,
    /// From 1 within its page.
    pub position: Option<u32>,
    pub address: Option<String>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    /// 1 to 5.
    pub rating: Option<f64>,
    pub rating_count: Option<u32>,
    /// Most specific kind of business first.
    pub types: Vec<String>,
    pub website: Option<String>,
    pub phone_number: Option<String>,
    /// Identifies the business for ever; a decimal number of up to 20 digits.
    pub cid: Option<String>,
    pub place_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchAnswer {
    /// In the order of the provider.
    pub organic: Vec<Organic>,
    /// Price of the call.
    pub credits: u32,
}

/// A web page found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organic {
    pub title: String,
    pub link: String,
    pub snippet: Option<String>,
    /// From 1.
    pub position: Option<u32>,
}

impl Serper {
    /// The base URL has no path: `https://google.serper.dev`.
    pub fn new(config: &ProviderConfig, call_timeout: Duration) -> Result<Self, SetUpError> {
        Ok(Self { http: Http::new(Provider::Serper, config, "x-api-key", "", call_timeout)? })
    }

    /// Searches the map once. A place without a title is left out.
    pub async fn maps(&self, call_id: &str, query: &MapsQuery) -> Result<MapsAnswer, ProviderError> {
        let answer = self.post("maps", call_id, query).await?;
        Ok(MapsAnswer {
            places: items(&answer, "places").filter_map(Place::read).collect(),
            results: u32::try_from(items(&answer, "places").count()).unwrap_or(u32::MAX),
            ll: text(&answer, "ll"),
            credits: integer(&answer, "credits").unwrap_or(MAPS_CREDITS_AT_MOST),
        })
    }

    /// Searches the web once. A result without a title or link is left out.
    pub async fn search(&self, call_id: &str, query: &SearchQuery) -> Result<SearchAnswer, ProviderError> {
        let answer = self.post("search", call_id, query).await?;
        Ok(SearchAnswer {
            organic: items(&answer, "organic").filter_map(Organic::read).collect(),
            credits: integer(&answer, "credits").unwrap_or(SEARCH_CREDITS_AT_MOST),
        })
    }

    async fn post(&self, path: &str, call_id: &str, query: &impl Serialize) -> Result<Value, ProviderError> {
        let body = serde_json::to_vec(query).expect("texts and numbers are always JSON");
        let call =
            Call { method: Method::POST, path: &[path], query: &[], body: Some(Body::Json(body)), id: Some(call_id) };
        let answer = self.http.send(call).await?;
        if !(200..=299).contains(&answer.status) {
            return Err(refusal(&answer));
        }
        let body = answer.read::<Value>()?;
        if body.is_object() {
            Ok(body)
        } else {
            Err(ProviderError::unreadable(Provider::Serper, answer.status, "is not an object"))
        }
    }
}

impl Place {
    fn read(place: &Value) -> Option<Self> {
        let mut types = items(place, "types").filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
        if types.is_empty() {
            types.extend(text(place, "type").or_else(|| text(place, "category")));
        }
        Some(Self {
            title: text(place, "title")?,
            position: integer(place, "position"),
            address: text(place, "address"),
            latitude: place["latitude"].as_f64(),
            longitude: place["longitude"].as_f64(),
            rating: place["rating"].as_f64(),
            rating_count: integer(place, "ratingCount"),
            types,
            website: text(place, "website"),
            phone_number: text(place, "phoneNumber"),
            cid: text(place, "cid").or_else(|| place["cid"].as_u64().map(|cid| cid.to_string())),
            place_id: text(place, "placeId"),
        })
    }
}

impl Organic {
    fn read(result: &Value) -> Option<Self> {
        Some(Self {
            title: text(result, "title")?,
            link: text(result, "link")?,
            snippet: text(result, "snippet"),
            position: integer(result, "position"),
        })
    }
}

fn items<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    object[name].as_array().into_iter().flatten()
}

fn text(object: &Value, name: &str) -> Option<String> {
    let text = object[name].as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn integer(object: &Value, name: &str) -> Option<u32> {
    object[name].as_u64()?.try_into().ok()
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: String,
}

/// Out of credit is 400 here and a wrong key 403. The provider's texts are only matched, never kept, because they may
/// quote the query.
fn refusal(answer: &Answer) -> ProviderError {
    let message = answer.read_error::<ErrorBody>().message.to_lowercase();
    let error = |class, kind, text: &str| ProviderError::new(Provider::Serper, class, kind, Some(answer.status), text);
    match answer.status {
        400 if message.contains("not enough credits") => {
            error(Class::PauseProvider, "not_enough_credits", "has no credit left for this key")
        }
        400 if message.contains("query not allowed") => {
            error(Class::Never, "query_not_allowed", "does not allow this query")
        }
        403 => error(Class::PauseProvider, INVALID_API_KEY, "does not accept the key"),
        429 => error(Class::Backoff, "rate_limited", "got too many calls in a second"),
        status => ProviderError::from_status(Provider::Serper, status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_place_needs_nothing_but_a_title() {
        let place = json!({
            "title": " Brauhaus ", "cid": 42, "rating": "good", "ratingCount": -1, "types": "Brewery", "website": "",
            "type": "Brewery", "latitude": null
        });
        let read = Place::read(&place).expect("readable");
        assert_eq!((read.title.as_str(), read.cid.as_deref()), ("Brauhaus", Some("42")));
        assert_eq!(read.types, ["Brewery"]);
        assert_eq!((read.rating, read.rating_count, read.website, read.latitude), (None, None, None, None));
        assert_eq!(Place::read(&json!({ "cid": "1" })), None);
        assert_eq!(Place::read(&json!("Brauhaus")), None);
    }
}
