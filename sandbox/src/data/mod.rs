//! The businesses and people that the answers are made of.

mod industries;
mod people;
mod places;
mod words;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::seed::Seed;

pub(crate) use industries::{Industry, industry};
pub(crate) use people::{Person, ascii, invented_digits, people_of};
pub(crate) use places::{Place, country_name};
pub(crate) use words::{contains_words, folded, stems, words};

/// All businesses, read once.
pub(crate) static DATA: LazyLock<Data> = LazyLock::new(Data::read);

#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) businesses: Vec<Business>,
    by_name: HashMap<String, Vec<usize>>,
    by_domain: HashMap<String, usize>,
    people: HashMap<String, Vec<PersonRow>>,
    /// By public identifier, of the people of the table.
    employers: HashMap<String, usize>,
}

/// A local business, or a company.
#[derive(Debug, Deserialize)]
pub(crate) struct Business {
    pub(crate) id: String,
    pub(crate) name: String,
    /// As a map service words it; of a company, its industry.
    #[serde(alias = "industry")]
    pub(crate) category: String,
    #[serde(default)]
    pub(crate) address: String,
    pub(crate) city: String,
    pub(crate) region: String,
    pub(crate) postal_code: String,
    /// ISO 3166-1 alpha-2.
    pub(crate) country: String,
    #[serde(default)]
    pub(crate) latitude: Option<f64>,
    #[serde(default)]
    pub(crate) longitude: Option<f64>,
    #[serde(default)]
    pub(crate) phone: String,
    website: String,
    pub(crate) sim_domain: String,
    #[serde(default)]
    pub(crate) rating: Option<f64>,
    #[serde(default)]
    pub(crate) rating_count: Option<u32>,
    /// Stems of the category's words.
    #[serde(skip)]
    category_stems: Vec<String>,
    #[serde(skip)]
    place: Place,
}

#[derive(Debug, Deserialize)]
struct PersonRow {
    first_name: String,
    last_name: String,
    title: String,
    seniority: String,
    department: String,
    company_id: String,
    linkedin_public_id: String,
    connection_degree: u8,
    email: String,
}

#[derive(Deserialize)]
struct CityRow {
    name: String,
    country: String,
    latitude: f64,
    longitude: f64,
}

impl Data {
    fn read() -> Self {
        let cities: HashMap<(String, String), (f64, f64)> = rows::<CityRow>(include_str!("../../data/cities.csv"))
            .map(|city| ((city.country, folded(&city.name)), (city.latitude, city.longitude)))
            .collect();
        let mut businesses: Vec<Business> = rows(include_str!("../../data/businesses.csv"))
            .chain(rows(include_str!("../../data/places_osm.csv")))
            .chain(rows(include_str!("../../data/companies.csv")))
            .collect();
        let (mut by_name, mut by_domain) = (HashMap::<_, Vec<_>>::new(), HashMap::new());
        for (index, business) in businesses.iter_mut().enumerate() {
            business.category_stems = stems(&business.category);
            business.place = Place::of(business);
            if business.latitude.is_none()
                && let Some((latitude, longitude)) = cities.get(&(business.country.clone(), folded(&business.city)))
            {
                (business.latitude, business.longitude) = (Some(*latitude), Some(*longitude));
            }
            by_name.entry(name_key(&business.name)).or_default().push(index);
            by_domain.insert(business.sim_domain.clone(), index);
        }
        let by_id: HashMap<_, _> =
            businesses.iter().enumerate().map(|(index, business)| (business.id.as_str(), index)).collect();
        let (mut people, mut employers) = (HashMap::<_, Vec<_>>::new(), HashMap::new());
        for person in rows::<PersonRow>(include_str!("../../data/people_synthetic.csv")) {
            if let Some(index) = by_id.get(person.company_id.as_str()) {
                employers.insert(person.linkedin_public_id.clone(), *index);
            }
            people.entry(person.company_id.clone()).or_default().push(person);
        }
        Self { businesses, by_name, by_domain, people, employers }
    }

    /// All businesses of this name, whatever its case.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &Business> {
        self.by_name.get(&name_key(name)).into_iter().flatten().map(|index| &self.businesses[*index])
    }

    /// Where a person of the table works.
    pub(crate) fn employer_of(&self, public_id: &str) -> Option<&Business> {
        self.employers.get(public_id).map(|index| &self.businesses[*index])
    }

    /// Public identifiers of the people who are close to everybody.
    pub(crate) fn close_people(&self) -> impl Iterator<Item = &str> {
        let rows = self.people.values().flatten();
        rows.filter(|row| row.connection_degree == 1).map(|row| row.linkedin_public_id.as_str())
    }

    /// The business that owns this `.example` host.
    pub(crate) fn at_domain(&self, domain: &str) -> Option<&Business> {
        let domain = domain.trim().to_ascii_lowercase();
        self.by_domain.get(domain.strip_prefix("www.").unwrap_or(&domain)).map(|index| &self.businesses[*index])
    }

    /// Businesses that a map search for `term` in `place` lists, best known first.
    pub(crate) fn listed(&self, term: &str, place: &str) -> Vec<&Business> {
        let there = places::in_place(&self.businesses, place);
        let asked = stems(term);
        let (mut listed, rest): (Vec<_>, Vec<_>) = there.into_iter().partition(|business| business.is_a(&asked));
        // A map service also lists neighbours of the category that carry it in their name.
        let mut overlap: Vec<_> = rest.into_iter().filter(|business| business.is_nearly_a(&asked)).collect();
        listed.sort_by(|a, b| b.rating_count.cmp(&a.rating_count).then_with(|| a.id.cmp(&b.id)));
        overlap.sort_by(|a, b| b.rating_count.cmp(&a.rating_count).then_with(|| a.id.cmp(&b.id)));
        listed.extend(overlap);
        listed
    }
}

impl Business {
    fn is_a(&self, asked: &[String]) -> bool {
        const FILLERS: [&str; 8] = ["business", "company", "craft", "firm", "independent", "local", "private", "small"];
        let contains = |all: &[String], part: &[String]| !part.is_empty() && part.iter().all(|word| all.contains(word));
        let bare: Vec<String> = asked.iter().filter(|word| !FILLERS.contains(&word.as_str())).cloned().collect();
        contains(&self.category_stems, asked)
            || contains(&self.category_stems, &bare)
            || (contains(&bare, &self.category_stems)
                && bare.last().is_some_and(|head| self.category_stems.contains(head)))
    }

    fn is_nearly_a(&self, asked: &[String]) -> bool {
        asked.last().is_some_and(|head| head == "brewery")
            && self.category == "Brewpub"
            && words(&self.name).any(|word| word == "brewery" || word == "brewing")
    }

    /// Address of its website in the sandbox; null when it has none.
    pub(crate) fn website(&self) -> Option<String> {
        (!self.website.is_empty()).then(|| format!("https://{}/", self.sim_domain))
    }

    /// One line, as a map service writes it.
    pub(crate) fn full_address(&self) -> String {
        let region = format!("{} {}", self.region, self.postal_code);
        let parts = [self.address.as_str(), &self.city, region.trim(), country_name(&self.country)];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }

    /// Its number at the map service: 19 or 20 digits, the same in every run.
    pub(crate) fn cid(&self) -> String {
        const TWENTY_DIGITS: u64 = 10_000_000_000_000_000_000;
        let number = Seed(0).of(&["cid", &self.id]).0;
        (TWENTY_DIGITS + number % (u64::MAX - TWENTY_DIGITS)).to_string()
    }
}

fn name_key(name: &str) -> String {
    name.to_lowercase().replace('"', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn rows<Row: for<'de> Deserialize<'de>>(text: &'static str) -> impl Iterator<Item = Row> {
    csv::Reader::from_reader(text.as_bytes())
        .into_deserialize()
        .map(|row| row.expect("the embedded tables fit their row types, as a test of all rows shows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(term: &str, place: &str) -> Vec<&'static str> {
        DATA.listed(term, place).into_iter().map(|business| business.name.as_str()).collect()
    }

    #[test]
    fn all_rows_are_read() {
        assert_eq!(DATA.businesses.len(), 4_350 + 1_663 + 4_649);
        assert_eq!(DATA.people.values().map(Vec::len).sum::<usize>(), 3_560);
        assert!(DATA.businesses.iter().all(|business| business.sim_domain.ends_with(".example")));
    }

    #[test]
    fn categories_match_word_by_word_in_singular_and_plural() {
        let breweries = names("brewery", "Vermont, US");
        assert!(!breweries.is_empty());
        for term in ["Breweries", "craft brewery", "BREWERY"] {
            assert_eq!(names(term, "Vermont, US"), breweries, "{term}");
        }
        assert!(DATA.listed("brewpub", "Oregon, US").iter().all(|business| business.category == "Brewpub"));
        assert!(!names("hair salons", "Helsinki, FI").is_empty());
        assert!(names("unicorn farm", "Vermont, US").is_empty());
    }

    #[test]
    fn breweries_are_followed_by_brewpubs_that_call_themselves_so() {
        let listed = DATA.listed("brewery", "California, US");
        let first_brewpub = listed.iter().position(|business| business.category == "Brewpub").expect("some overlap");
        assert!(listed[..first_brewpub].iter().all(|business| business.category == "Brewery"));
        assert!(listed[first_brewpub..].iter().all(|business| {
            let name = business.name.to_lowercase();
            business.category == "Brewpub" && (name.contains("brewery") || name.contains("brewing"))
        }));
    }

    #[test]
    fn the_best_known_comes_first() {
        let listed = DATA.listed("hospital", "California, US");
        assert!(listed.len() > 50);
        assert!(listed.is_sorted_by(|a, b| a.rating_count >= b.rating_count));
    }

    #[test]
    fn cids_are_distinct_decimal_numbers() {
        let cids: std::collections::HashSet<_> = DATA.businesses.iter().map(Business::cid).collect();
        assert_eq!(cids.len(), DATA.businesses.len());
        assert!(cids.iter().all(|cid| cid.len() == 20 && cid.bytes().all(|byte| byte.is_ascii_digit())));
    }
}
