//! Which businesses are in a place, as people write places: `Vermont, US`, `Helsinki`, `Portland, OR, USA`.

use super::Business;
use super::words::folded;

/// ISO 3166-1 codes of the countries of the data, with their name and other ways to write it.
const COUNTRIES: &str = "AD Andorra;AE United Arab Emirates|UAE;AT Austria|Österreich;AU Australia;BE Belgium;BR Brazil;\
    CA Canada;CH Switzerland|Schweiz;CL Chile;CZ Czechia|Czech Republic;DE Germany|Deutschland;DK Denmark;ES Spain;\
    FI Finland|Suomi;FR France;GB United Kingdom|UK|Great Britain|England;GR Greece;HK Hong Kong;ID Indonesia;IE Ireland;\
    IL Israel;IM Isle of Man;IN India;IT Italy;JP Japan;KR South Korea|Korea;LI Liechtenstein;MC Monaco;MX Mexico;\
    MY Malaysia;NL Netherlands|The Netherlands|Holland;NO Norway;NZ New Zealand;PL Poland;PT Portugal;SE Sweden;\
    SG Singapore;TH Thailand;TR Turkey|Türkiye;TW Taiwan;US United States|USA|United States of America|America;\
    ZA South Africa";

/// Codes of regions that the data writes now in full, now abbreviated.
const REGIONS: &str = "US:AL Alabama;AK Alaska;AZ Arizona;AR Arkansas;CA California;CO Colorado;CT Connecticut;DE Delaware;\
    DC District of Columbia;FL Florida;GA Georgia;HI Hawaii;ID Idaho;IL Illinois;IN Indiana;IA Iowa;KS Kansas;KY Kentucky;\
    LA Louisiana;ME Maine;MD Maryland;MA Massachusetts;MI Michigan;MN Minnesota;MS Mississippi;MO Missouri;MT Montana;\
    NE Nebraska;NV Nevada;NH New Hampshire;NJ New Jersey;NM New Mexico;NY New York;NC North Carolina;ND North Dakota;\
    OH Ohio;OK Oklahoma;OR Oregon;PA Pennsylvania;RI Rhode Island;SC South Carolina;SD South Dakota;TN Tennessee;TX Texas;\
    UT Utah;VT Vermont;VA Virginia;WA Washington;WV West Virginia;WI Wisconsin;WY Wyoming\
    /CA:AB Alberta;BC British Columbia;MB Manitoba;NB New Brunswick;NL Newfoundland and Labrador;NS Nova Scotia;ON Ontario;\
    PE Prince Edward Island;QC Quebec;SK Saskatchewan\
    /AU:ACT Australian Capital Territory;NSW New South Wales;NT Northern Territory;QLD Queensland;SA South Australia;\
    TAS Tasmania;VIC Victoria;WA Western Australia";

/// Where a business is, in the form that places are compared in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    city: String,
    region: String,
}

impl Place {
    pub(super) fn of(business: &Business) -> Self {
        let region = folded(&business.region);
        Self { city: folded(&business.city), region: region_by_code(&business.country, &region).unwrap_or(region) }
    }
}

/// The businesses in `place`; all of them when it is empty.
///
/// Each part between commas has to name the city, the region or the country. A country in the last part is taken for the
/// country; only when nothing is found there, for a region (`San Diego, CA`).
pub(super) fn in_place<'a>(businesses: &'a [Business], place: &str) -> Vec<&'a Business> {
    let parts: Vec<_> = place.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Part::read).collect();
    let within = |parts: &[Part], country: Option<&str>| -> Vec<&'a Business> {
        let is_there = |business: &&Business| {
            country.is_none_or(|code| business.country == code) && parts.iter().all(|part| part.holds(business))
        };
        businesses.iter().filter(is_there).collect()
    };
    let country = parts.last().and_then(|part| part.country);
    let found = if country.is_some() { within(&parts[..parts.len() - 1], country) } else { Vec::new() };
    if found.is_empty() { within(&parts, None) } else { found }
}

/// English name of a country of the data; the code itself for others.
pub(crate) fn country_name(code: &str) -> &str {
    countries().find(|(known, _)| *known == code).map_or(code, |(_, names)| names.split('|').next().unwrap_or(code))
}

/// One part of a place in all its readings.
struct Part {
    text: String,
    country: Option<&'static str>,
    /// Countries of which it is the code of a region, with the region's name.
    regions: Vec<(&'static str, String)>,
}

impl Part {
    fn read(part: &str) -> Self {
        let text = folded(part);
        let regions = region_tables().filter_map(|(country, _)| Some((country, region_by_code(country, &text)?)));
        Self { country: country_code(&text), regions: regions.collect(), text }
    }

    fn holds(&self, business: &Business) -> bool {
        let Place { city, region } = &business.place;
        *city == self.text
            || *region == self.text
            || self.country.is_some_and(|code| business.country == code)
            || self.regions.iter().any(|(country, name)| business.country == *country && region == name)
    }
}

fn country_code(part: &str) -> Option<&'static str> {
    countries()
        .find(|(code, names)| code.eq_ignore_ascii_case(part) || names.split('|').any(|name| folded(name) == part))
        .map(|(code, _)| code)
}

/// The name of a region, folded, by its code.
fn region_by_code(country: &str, code: &str) -> Option<String> {
    let table = region_tables().find(|(of, _)| *of == country)?.1;
    pairs(table).find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, name)| folded(name))
}

fn region_tables() -> impl Iterator<Item = (&'static str, &'static str)> {
    REGIONS.split('/').filter_map(|table| table.trim().split_once(':'))
}

fn countries() -> impl Iterator<Item = (&'static str, &'static str)> {
    pairs(COUNTRIES)
}

fn pairs(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    table.split(';').filter_map(|pair| pair.trim().split_once(' '))
}

#[cfg(test)]
mod tests {
    use super::super::DATA;
    use super::*;

    fn ids(place: &str) -> Vec<&'static str> {
        in_place(&DATA.businesses, place).into_iter().map(|business| business.id.as_str()).collect()
    }

    #[test]
    fn every_country_of_the_data_has_a_name() {
        assert!(DATA.businesses.iter().all(|business| country_name(&business.country) != business.country));
    }

    #[test]
    fn a_state_is_found_by_name_and_code_both_ways() {
        let vermont = ids("Vermont, US");
        assert_eq!(vermont, ids("VT, USA"));
        assert_eq!(vermont, ids("vermont"));
        let regions: std::collections::HashSet<_> =
            in_place(&DATA.businesses, "Vermont, US").into_iter().map(|business| business.region.as_str()).collect();
        assert!(regions.contains("Vermont") && regions.contains("VT"), "{regions:?}");
        assert!(ids("Vermont, CA").is_empty());
    }

    #[test]
    fn cities_and_countries_are_found() {
        assert!(!ids("Helsinki, FI").is_empty());
        assert!(ids("Finland").len() > ids("Helsinki").len());
        assert_eq!(ids("Portland, Oregon, US"), ids("portland, or, United States"));
        assert_eq!(ids("").len(), DATA.businesses.len());
        assert!(ids("Atlantis").is_empty());
    }

    #[test]
    fn a_country_goes_before_a_state_of_the_same_code() {
        assert!(in_place(&DATA.businesses, "CA").iter().all(|business| business.country == "CA"));
        let in_san_diego = in_place(&DATA.businesses, "San Diego, CA");
        assert!(!in_san_diego.is_empty() && in_san_diego.iter().all(|business| business.country == "US"));
    }
}
