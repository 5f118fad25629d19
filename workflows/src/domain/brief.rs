//! The brief: what is sold, to whom, where, how many leads are wanted, and what they may cost.
//!
//! The shape is that of the file a user writes, and the first sentence about each field is the hint that the user gets
//! when it is missing or has a wrong shape. [`Brief::check`] holds the rules that a shape cannot say.

mod countries;

use crate::domain::exclude::Exclusion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// The input of a lead search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Brief {
    /// What the user calls it, unique enough to find its searches again.
    pub name: String,
    /// What is sold, in one or two sentences.
    pub sell: String,
    /// Whom it is sold to.
    pub ideal: Ideal,
    /// Where to look, for example `places = ["Oregon, US"]`. What a place looks like is told at [`Place`].
    #[serde(rename = "where", with = "where_table")]
    #[schemars(with = "where_table::Where")]
    pub places: Vec<String>,
    #[serde(default)]
    pub want: Want,
}

/// Whom it is sold to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ideal {
    /// Kinds of business, in the words one would type into a map search.
    pub industries: Vec<String>,
    /// Job titles to look for; when empty, the model proposes them.
    #[serde(default)]
    pub roles: Vec<String>,
    /// What to leave out, for example `chains` or `domain:example.com`. The forms are those of [`Exclusion`].
    #[serde(default)]
    pub exclude: Vec<String>,
    /// How many kinds of business to propose, 1 to 8.
    #[serde(default = "default_personas")]
    #[schemars(range(min = 1, max = 8))]
    pub personas: u32,
}

/// How much of it, and for how much money.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Want {
    /// Leads after which the search ends; leave it out to get every lead that can be found.
    #[schemars(range(min = 1, max = 10_000))]
    pub leads: Option<u32>,
    /// At most so many businesses are searched for people; leave it out for no limit.
    #[schemars(range(min = 1, max = 10_000))]
    pub businesses: Option<u32>,
    /// Whether to look up and verify a work email address for each lead.
    pub email: bool,
    /// Whether to ask for the state of the market.
    pub insights: bool,
    /// Upper limit of the search in US dollars; leave it out for the limit of the installation.
    #[schemars(range(min = 0.01, max = 10_000))]
    pub budget_usd: Option<f64>,
}

impl Default for Want {
    fn default() -> Self {
        Self { leads: None, businesses: None, email: false, insights: true, budget_usd: None }
    }
}

fn default_personas() -> u32 {
    3
}

/// One thing wrong with a brief.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BriefProblem {
    /// Keys and zero-based positions from the root, joined by dots: `want.leads`, `where.places.1`.
    pub path: String,
    pub message: String,
    pub hint: String,
}

/// A place of a brief, as the map search takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As written, without outer spaces.
    pub text: String,
    /// ISO 3166-1 code in small letters; `None` when the text does not end in a country.
    pub country: Option<String>,
}

const PERSONAS: RangeInclusive<u32> = 1..=8;
const LEADS: RangeInclusive<u32> = 1..=10_000;
const BUDGET_USD: RangeInclusive<f64> = 0.01..=10_000.0;
const PLACE_HINT: &str = "write `Region, CC`, `City, Region, CC` or a country, where CC is the two-letter code of the \
                          country, for example `Oregon, US`";

impl Brief {
    /// Everything that is wrong with the brief, in the order of its fields; empty when a search may start.
    pub fn check(&self) -> Vec<BriefProblem> {
        let mut problems = Problems::default();
        problems.text("name", &self.name, 1..=80, "give the brief a short name, for example `brewery-crm`");
        if self.name.trim().eq_ignore_ascii_case("last") {
            problems.add("name", "`last` is taken: it means the latest search", "give the brief another name");
        }
        problems.text("sell", &self.sell, 10..=1_000, "say in one or two sentences what you sell and to whom");
        self.check_ideal(&mut problems);

        problems.list(
            "where.places",
            &self.places,
            1..=50,
            2..=120,
            "name a place to search, for example `Oregon, US`",
        );
        for (index, place) in self.places.iter().enumerate().filter(|(_, place)| !place.trim().is_empty()) {
            if let Some((message, hint)) = Place::problem(place) {
                problems.add(format!("where.places.{index}"), message, hint);
            }
        }

        let want = &self.want;
        problems.number("want.leads", want.leads, &LEADS, "leave it out to get every lead that can be found");
        problems.number("want.businesses", want.businesses, &LEADS, "leave it out for no limit");
        problems.number("want.budget_usd", want.budget_usd, &BUDGET_USD, "it is in US dollars, for example `5.0`");
        problems.0
    }

    fn check_ideal(&self, problems: &mut Problems) {
        let ideal = &self.ideal;
        let industry_hint = "name a kind of business as you would type it into a map, for example `brewery`";
        problems.list("ideal.industries", &ideal.industries, 1..=20, 2..=60, industry_hint);
        let role_hint = "name a job title, for example `owner`; leave the list empty to have roles proposed";
        problems.list("ideal.roles", &ideal.roles, 0..=20, 2..=60, role_hint);
        for (path, words) in [("ideal.industries", &ideal.industries), ("ideal.roles", &ideal.roles)] {
            for (index, _) in words.iter().enumerate().filter(|(_, word)| word.contains('"')) {
                problems.add(format!("{path}.{index}"), "contains a double quote", "write the words without quotes");
            }
        }
        let exclude_hint = "write for example `chains`, `domain:example.com`, `name:Big Brew` or a plain word";
        problems.list("ideal.exclude", &ideal.exclude, 0..=1_000, 1..=200, exclude_hint);
        for (index, word) in ideal.exclude.iter().enumerate().filter(|(_, word)| !word.trim().is_empty()) {
            if let Err(problem) = word.parse::<Exclusion>() {
                problems.add(format!("ideal.exclude.{index}"), problem.message, problem.hint);
            }
        }
        problems.number("ideal.personas", Some(ideal.personas), &PERSONAS, "3 is a good start");
    }
}

impl Place {
    /// Reads the country from the end of the text; never fails, so that it serves where a brief was checked before.
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        let country = match Self::parts(text).as_slice() {
            [country] => countries::code(country),
            [.., code] if code.len() == 2 => countries::code(code),
            _ => None,
        };
        Self { text: text.into(), country: country.map(str::to_ascii_lowercase) }
    }

    /// The English name of the country, to show a user how the place was read: `Denver, CO` is in Colombia.
    pub fn country_name(&self) -> Option<&'static str> {
        self.country.as_deref().and_then(countries::name)
    }

    /// What is wrong with a place, and how to write it.
    fn problem(text: &str) -> Option<(String, String)> {
        let parts = Self::parts(text);
        let tail = *parts.last().expect("splitting yields at least one part");
        if parts.len() > 3 || parts.iter().any(|part| part.is_empty()) {
            return Some(("is not in the form of a place".into(), PLACE_HINT.into()));
        }
        if Self::new(text).country.is_some() {
            return None;
        }
        let head = parts[..parts.len() - 1].join(", ");
        Some(match (parts.len(), countries::code(tail)) {
            (1, _) => ("is not a country".into(), PLACE_HINT.into()),
            (_, Some(code)) => {
                ("ends in the name of a country, not in its code".into(), format!("write `{head}, {code}`"))
            }
            (_, None) if tail.chars().count() == 2 => {
                let state = format!("write `{}, US`", parts.join(", "));
                let hint = if parts.len() == 2 {
                    format!("{state} if it is a US state, else {PLACE_HINT}")
                } else {
                    PLACE_HINT.into()
                };
                (format!("ends in `{tail}`, which is not the code of a country"), hint)
            }
            (_, None) => ("does not end in the code of a country".into(), PLACE_HINT.into()),
        })
    }

    fn parts(text: &str) -> Vec<&str> {
        text.split(',').map(str::trim).collect()
    }
}

/// Collects problems; every rule that more than one field needs is here once.
#[derive(Default)]
struct Problems(Vec<BriefProblem>);

impl Problems {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(BriefProblem { path: path.into(), message: message.into(), hint: hint.into() });
    }

    fn text(&mut self, path: &str, text: &str, length: RangeInclusive<usize>, hint: &str) {
        let count = text.trim().chars().count();
        if count == 0 {
            self.add(path, "is empty", hint);
        } else if text.chars().any(char::is_control) {
            self.add(path, "contains a control character, such as a line break", "write it on one line");
        } else if !length.contains(&count) {
            let (least, most) = length.into_inner();
            self.add(path, format!("must have {least} to {most} characters, not {count}"), hint);
        }
    }

    fn list(
        &mut self,
        path: &str,
        items: &[String],
        count: RangeInclusive<usize>,
        length: RangeInclusive<usize>,
        hint: &str,
    ) {
        if items.is_empty() && *count.start() > 0 {
            self.add(path, "is empty", hint);
        } else if items.len() > *count.end() {
            let message = format!("has {} entries, more than {}", items.len(), count.end());
            self.add(path, message, "split it into several briefs");
        }
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let item_path = format!("{path}.{index}");
            self.text(&item_path, item, length.clone(), hint);
            if !item.trim().is_empty() && !seen.insert(item.trim().to_lowercase()) {
                self.add(item_path, "is listed twice", "remove one of them");
            }
        }
    }

    fn number<T: PartialOrd + std::fmt::Display>(
        &mut self,
        path: &str,
        number: Option<T>,
        range: &RangeInclusive<T>,
        hint: &str,
    ) {
        if let Some(number) = number.filter(|number| !range.contains(number)) {
            self.add(path, format!("must be {} to {}, not {number}", range.start(), range.end()), hint);
        }
    }
}

/// `places` is a field of the brief in code and a table of its own in the file: `[where] places = […]`.
mod where_table {
    use schemars::JsonSchema;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Where {
        /// `Region, CC`, `City, Region, CC` or a country, for example `Oregon, US`.
        places: Vec<String>,
    }

    pub(super) fn serialize<S: Serializer>(places: &[String], serializer: S) -> Result<S::Ok, S::Error> {
        Where { places: places.to_vec() }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        Where::deserialize(deserializer).map(|table| table.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn brief() -> Brief {
        Brief {
            name: "brewery-crm".into(),
            sell: "CRM for breweries: accounts, kegs and routes on one phone screen".into(),
            ideal: Ideal {
                industries: vec!["brewery".into(), "brewpub".into()],
                roles: vec!["owner".into()],
                exclude: vec!["chains".into(), "domain:bigbrew.example".into()],
                personas: 3,
            },
            places: vec!["Oregon, US".into(), "Portland, Oregon, US".into(), "Austria".into()],
            want: Want::default(),
        }
    }

    fn paths(brief: &Brief) -> Vec<String> {
        brief.check().into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn a_sound_brief_has_no_problem_and_survives_json() {
        assert_eq!(brief().check(), []);
        let json = serde_json::to_value(brief()).expect("a brief is JSON");
        assert_eq!(json["where"]["places"][2], "Austria");
        assert_eq!(serde_json::from_value::<Brief>(json).expect("its own JSON"), brief());
    }

    #[test]
    fn all_problems_are_found_at_once_each_with_its_path() {
        let mut bad = brief();
        bad.name = "Last".into();
        bad.sell = "CRM\u{1b}[2J for breweries".into();
        bad.ideal.industries = vec!["brewery".into(), " Brewery ".into(), String::new(), "big \"pub\"".into()];
        bad.ideal.roles = vec!["x".into()];
        bad.ideal.exclude = vec!["domain:".into(), "chains".into()];
        bad.ideal.personas = 9;
        bad.places = vec!["Oregon".into()];
        bad.want = Want { leads: Some(0), businesses: Some(10_001), budget_usd: Some(f64::NAN), ..Want::default() };
        let expected = [
            "name",
            "sell",
            "ideal.industries.1",
            "ideal.industries.2",
            "ideal.roles.0",
            "ideal.industries.3",
            "ideal.exclude.0",
            "ideal.personas",
            "where.places.0",
            "want.leads",
            "want.businesses",
            "want.budget_usd",
        ];
        assert_eq!(paths(&bad), expected);
        assert!(bad.check().iter().all(|problem| !problem.hint.is_empty()));
    }

    #[test]
    fn empty_lists_are_a_problem_only_where_one_entry_is_needed() {
        let mut bad = brief();
        bad.ideal = Ideal { industries: vec![], roles: vec![], exclude: vec![], personas: 1 };
        bad.places.clear();
        assert_eq!(paths(&bad), ["ideal.industries", "where.places"]);
    }

    #[test]
    fn places_give_their_country_or_a_hint_that_mends_them() {
        for (text, country) in
            [("Oregon, US", "us"), (" Graz, Styria, at ", "at"), ("Austria", "at"), ("UK", "gb"), ("new zealand", "nz")]
        {
            assert_eq!(Place::new(text).country.as_deref(), Some(country), "{text}");
            assert_eq!(Place::problem(text), None, "{text}");
        }
        for (text, hint) in [
            ("Oregon", "write `Region, CC`"),
            ("Bavaria, Germany", "write `Bavaria, DE`"),
            ("Austin, Texas, USA", "write `Austin, Texas, US`"),
            ("Austin, TX", "write `Austin, TX, US`"),
            ("Austin, Travis, Texas, US", "write `Region, CC`"),
            ("Oregon,, US", "write `Region, CC`"),
            ("Oregon, ", "write `Region, CC`"),
            ("Tyrol, Austri", "write `Region, CC`"),
        ] {
            let (_, found) = Place::problem(text).unwrap_or_else(|| panic!("{text} was taken"));
            assert!(found.starts_with(hint), "{text}: {found}");
        }
        assert_eq!(Place::new("Denver, CO").country_name(), Some("Colombia"));
    }

    proptest! {
        #[test]
        fn any_text_is_checked_without_panic(name in ".{0,90}", place in "[a-zA-Z, ]{0,30}|.{0,20}", budget in any::<f64>()) {
            let mut any = brief();
            any.name = name;
            any.places = vec![place.clone()];
            any.want.budget_usd = Some(budget);
            let problems = paths(&any);
            prop_assert_eq!(problems.contains(&"want.budget_usd".to_string()), !BUDGET_USD.contains(&budget));
            if problems.iter().all(|path| !path.starts_with("where")) {
                prop_assert!(Place::new(&place).country.is_some());
            }
        }
    }
}
