//! Where a place is on the clock.

use deunicode::deunicode;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A city, or a country of which no city is known.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// ISO 3166-1 alpha-2, in capitals.
    pub country: String,
    /// Code of the state or province, where one is known.
    pub region: String,
    pub city: String,
    pub population: u64,
    /// IANA name.
    pub time_zone: String,
}

/// A state or province.
#[derive(Deserialize)]
struct Region {
    country: String,
    code: String,
    name: String,
    time_zone: String,
}

struct Atlas {
    /// By country; the most populous first.
    places: HashMap<String, Vec<Place>>,
    /// Indices by country and plain name.
    cities: HashMap<(String, String), Vec<usize>>,
    /// By country and plain name or code.
    regions: HashMap<(String, String), Region>,
}

static ATLAS: LazyLock<Atlas> = LazyLock::new(|| {
    let mut atlas = Atlas { places: HashMap::new(), cities: HashMap::new(), regions: HashMap::new() };
    for place in rows::<Place>(include_str!("../../data/places.csv")) {
        let places = atlas.places.entry(place.country.clone()).or_default();
        atlas.cities.entry((place.country.clone(), plain(&place.city))).or_default().push(places.len());
        places.push(place);
    }
    for region in rows::<Region>(include_str!("../../data/regions.csv")) {
        for word in [plain(&region.code), plain(&region.name)] {
            let Region { country, code, name, time_zone } = &region;
            let [country, code, name, time_zone] = [country, code, name, time_zone].map(Clone::clone);
            atlas.regions.insert((country.clone(), word), Region { country, code, name, time_zone });
        }
    }
    atlas
});

/// The IANA zone of a place: of the city, else of most people of its region, else of the country's most populous city,
/// else UTC. Cities and regions may be written in any way, the region by its name or code.
pub fn time_zone(country: &str, region: &str, city: &str) -> &'static str {
    let country = country.to_uppercase();
    let Some(places) = ATLAS.places.get(&country) else { return "Etc/UTC" };
    let region = ATLAS.regions.get(&(country.clone(), plain(region)));
    let namesakes = ATLAS.cities.get(&(country, plain(city))).map_or(&[][..], Vec::as_slice);
    // A city of the same name elsewhere is another city.
    let in_region = |place: &&Place| region.is_none_or(|region| place.region.is_empty() || place.region == region.code);
    let found = namesakes.iter().map(|index| &places[*index]).find(in_region);
    match (found, region) {
        (Some(place), _) => &place.time_zone,
        (None, Some(region)) => &region.time_zone,
        (None, None) => &places[0].time_zone,
    }
}

/// The cities of a country that are known, the most populous first; of a country with one zone, only the first.
pub fn cities(country: &str) -> &'static [Place] {
    ATLAS.places.get(&country.to_uppercase()).map_or(&[], Vec::as_slice)
}

/// Letters and digits only, in small ASCII.
fn plain(name: &str) -> String {
    deunicode(name).chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

fn rows<T: for<'de> Deserialize<'de>>(table: &str) -> Vec<T> {
    let rows = csv::Reader::from_reader(table.as_bytes()).into_deserialize();
    rows.map(|row| row.expect("the embedded table is whole, as a test shows")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn every_place_and_region_has_a_zone_that_is_known() {
        for place in ATLAS.places.values().flatten() {
            TimeZone::get(&place.time_zone).unwrap();
            assert!(!time_zone(&place.country, &place.region, &place.city).is_empty());
        }
        for region in ATLAS.regions.values() {
            TimeZone::get(&region.time_zone).unwrap();
            assert_eq!(time_zone(&region.country, &region.name, ""), region.time_zone);
        }
        assert_eq!(ATLAS.regions.len(), 2 * (8 + 27 + 13 + 51));
    }

    #[test]
    fn the_better_known_part_of_a_place_decides() {
        for (country, region, city, zone) in [
            ("us", "Oregon", "Portland", "America/Los_Angeles"),
            ("US", "ME", "Portland", "America/New_York"),
            ("US", "TX", "El Paso", "America/Denver"),
            ("US", "Texas", "Nowhere", "America/Chicago"),
            ("US", "ga", "Columbus", "America/New_York"),
            ("US", "", "los angeles", "America/Los_Angeles"),
            ("US", "", "", "America/New_York"),
            ("CA", "BC", "Nelson", "America/Vancouver"),
            ("CA", "British Columbia", "", "America/Vancouver"),
            ("CA", "", "Montreal", "America/Toronto"),
            ("AU", "WA", "Fremantle", "Australia/Perth"),
            ("BR", "Maranhão", "", "America/Fortaleza"),
            ("DE", "Bavaria", "Bamberg", "Europe/Berlin"),
            ("MC", "", "Monaco", "Europe/Monaco"),
            ("ES", "", "Las Palmas de Gran Canaria", "Atlantic/Canary"),
            ("zz", "", "", "Etc/UTC"),
        ] {
            assert_eq!(time_zone(country, region, city), zone, "{city}, {region}, {country}");
        }
    }

    #[test]
    fn the_largest_city_comes_first() {
        assert_eq!(cities("us")[0].city, "New York City");
        assert!(cities("us").is_sorted_by_key(|place| std::cmp::Reverse(place.population)));
        assert!(cities("zz").is_empty());
    }
}
