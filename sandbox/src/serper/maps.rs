//! Businesses on the map.

use serde_json::{Value, json};

use super::Ask;
use crate::World;
use crate::data::{Business, DATA};

const MAPS_PAGE: usize = 20;
const PLACES_PAGE: usize = 10;

/// `POST /maps`
pub(super) fn maps(_: &World, ask: &Ask<'_>) -> Value {
    let found = found(ask);
    let mut answer = json!({"places": page(&found, ask.page, MAPS_PAGE, on_map), "credits": 1});
    if let Some(coordinates) = middle(&found) {
        answer["ll"] = json!(coordinates);
    }
    answer
}

/// `POST /places`: the same businesses with less about each.
pub(super) fn places(_: &World, ask: &Ask<'_>) -> Value {
    json!({"places": page(&found(ask), ask.page, PLACES_PAGE, in_places), "credits": 1})
}

/// A query is `TERM in PLACE`, or a term with the place as `location`, else a term in the country of `gl`.
pub(super) fn found(ask: &Ask<'_>) -> Vec<&'static Business> {
    let split =
        ask.query.to_lowercase().rfind(" in ").and_then(|at| Some((ask.query.get(..at)?, ask.query.get(at + 4..)?)));
    let (term, place) = match (ask.location, split) {
        (Some(location), _) => (ask.query, location),
        (None, Some((term, place))) => (term, place),
        (None, None) => (ask.query, ask.country),
    };
    DATA.listed(term, place)
}

fn page(found: &[&Business], page: usize, size: usize, write: fn(&Business) -> Value) -> Vec<Value> {
    let first = (page - 1) * size;
    let written = found.iter().enumerate().skip(first).take(size);
    written
        .map(|(index, business)| {
            let mut place = write(business);
            place["position"] = json!(index + 1);
            place
        })
        .collect()
}

fn on_map(business: &Business) -> Value {
    let mut place = in_places(business);
    let fields = place.as_object_mut().expect("a place is an object");
    fields.remove("category");
    fields.insert("type".into(), json!(business.category));
    fields.insert("types".into(), json!([business.category]));
    fields.insert("placeId".into(), json!(format!("ChIJsim{}", business.cid())));
    if !business.phone.is_empty() {
        fields.insert("phoneNumber".into(), json!(business.phone));
    }
    place
}

fn in_places(business: &Business) -> Value {
    let mut place = json!({
        "title": business.name, "address": business.full_address(), "category": business.category, "cid": business.cid(),
    });
    let optional = [
        ("latitude", json!(business.latitude)),
        ("longitude", json!(business.longitude)),
        ("rating", json!(business.rating)),
        ("ratingCount", json!(business.rating_count)),
        ("website", json!(business.website())),
    ];
    for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_null()) {
        place[name] = value;
    }
    place
}

/// `@LATITUDE,LONGITUDE,12z` between all of them.
#[expect(clippy::cast_precision_loss, reason = "some thousands of businesses")]
fn middle(found: &[&Business]) -> Option<String> {
    let points: Vec<_> = found.iter().filter_map(|business| business.latitude.zip(business.longitude)).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    (!points.is_empty()).then(|| format!("@{:.4},{:.4},12z", mean(|point| point.0), mean(|point| point.1)))
}
