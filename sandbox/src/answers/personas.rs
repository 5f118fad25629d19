//! Business personas and decision-maker personas.

use serde_json::{Value, json};

use super::{shortened, texts};
use crate::data::{Industry, contains_words, industry};
use crate::seed::Seed;

/// Exactly `count` personas over the industries asked for, in turn; each round looks at another segment of them.
pub(super) fn business_personas(seed: Seed, facts: &Value) -> Value {
    let industries = texts(facts, "industries");
    let count = count(facts, 3);
    let places = texts(facts, "places").join(" or ");
    let sell = shortened(facts["sell"].as_str().unwrap_or("the offer"), 60);
    let personas: Vec<_> = (0..if industries.is_empty() { 0 } else { count })
        .map(|index| {
            let name = industries[index % industries.len()];
            let round = index / industries.len();
            let known = industry(name);
            let segment = Segment::of(known, name, round);
            let seed = seed.of(&["business persona", name, &round.to_string(), &sell]);
            json!({
                "title": segment.title,
                "rank": index + 1,
                "match_score": match_score(seed, index),
                "demographics": {
                    "industry": name,
                    "company_size": segment.company_size,
                    "location": if places.is_empty() { "wherever the brief looks" } else { &places },
                    "years_in_business": segment.years_in_business,
                },
                "characteristics": characteristics(seed, known),
                "behaviors": behaviors(seed, known),
                "market_potential": {
                    "size": format!("{} of this kind in {places}", seed.of(&["size"]).pick(&["dozens", "some hundreds", "a few hundred"])),
                    "willingness_to_pay": willingness(seed, &sell),
                    "growth": known.growth,
                },
            })
        })
        .collect();
    json!({"personas": personas})
}

/// The roles of the brief, or those that decide in the industry.
pub(super) fn decision_maker_personas(seed: Seed, facts: &Value) -> Value {
    let persona = &facts["business_persona"];
    let name = persona["industry"].as_str().or(persona["demographics"]["industry"].as_str()).unwrap_or_default();
    let known = industry(name);
    let asked = texts(facts, "roles");
    let titles: Vec<&str> = if asked.is_empty() {
        known.roles.iter().map(|role| role.title.as_str()).take(count(facts, 4)).collect()
    } else {
        asked
    };
    let sell = shortened(facts["sell"].as_str().unwrap_or("the offer"), 60);
    let personas: Vec<_> = titles
        .into_iter()
        .enumerate()
        .map(|(index, title)| {
            let seed = seed.of(&["decision maker", name, title, &sell]);
            let (seniority, department) = seniority_and_department(known, title);
            json!({
                "title": title,
                "rank": index + 1,
                "match_score": match_score(seed, index),
                "demographics": {
                    "seniority": seniority,
                    "department": department,
                    "experience": seed.of(&["experience"]).pick(&[Some("3-10"), Some("5-15"), Some("10+"), None]),
                },
                "characteristics": characteristics(seed, known),
                "behaviors": behaviors(seed, known),
                "market_potential": {
                    "size": format!("about one {title} per business"),
                    "willingness_to_pay": willingness(seed, &sell),
                    "growth": known.growth,
                },
            })
        })
        .collect();
    json!({"personas": personas})
}

struct Segment {
    title: String,
    company_size: String,
    years_in_business: Option<String>,
}

impl Segment {
    fn of(known: &Industry, name: &str, round: usize) -> Self {
        let typical = (known.company_size.as_str(), known.years_in_business.as_deref());
        let first = match known.words.first() {
            Some(word) if name.to_lowercase().contains(word.as_str()) => known.title.clone(),
            // The entry knows this industry under a more general name.
            Some(_) => format!("Independent {name}"),
            None => format!("Independent {name} business"),
        };
        let (title, company_size, years) = match round {
            0 => (first, typical.0, typical.1),
            1 => (format!("Growing {name} with a second site"), "20-80", Some("3-10")),
            2 => (format!("Long-established, family-run {name}"), typical.0, Some("20+")),
            3 => (format!("Newly opened {name}"), "2-10", Some("0-2")),
            4 => (format!("Regional {name} group with several sites"), "80-400", Some("10+")),
            5 => (format!("Award-winning {name} with a name beyond its region"), "10-60", Some("5+")),
            further => (format!("{name} of segment {}", further + 1), typical.0, None),
        };
        Self {
            title: shortened(&title, 80),
            company_size: company_size.to_owned(),
            years_in_business: years.map(str::to_owned),
        }
    }
}

fn count(facts: &Value, usual: usize) -> usize {
    facts["count"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(usual).min(50)
}

/// Falls with the rank.
fn match_score(seed: Seed, index: usize) -> usize {
    (96 - seed.of(&["score"]).below(4)).saturating_sub(5 * index).max(40)
}

fn characteristics(seed: Seed, known: &Industry) -> Value {
    json!({
        "traits": some(seed.of(&["traits"]), &known.traits),
        "pains": some(seed.of(&["pains"]), &known.pains),
        "goals": some(seed.of(&["goals"]), &known.goals),
    })
}

fn behaviors(seed: Seed, known: &Industry) -> Value {
    json!({
        "buying_triggers": some(seed.of(&["triggers"]), &known.triggers),
        "channels": some(seed.of(&["channels"]), &known.channels),
        "decision_process": known.decision,
    })
}

/// All but one of the texts, from a place of their own on.
fn some(seed: Seed, texts: &[String]) -> Vec<&str> {
    let first = seed.below(texts.len());
    texts.iter().cycle().skip(first).take((texts.len() - 1).max(2)).map(String::as_str).collect()
}

fn willingness(seed: Seed, sell: &str) -> String {
    let readiness = seed.of(&["willingness"]).pick(&["high when", "medium, higher when", "good once"]);
    format!("{readiness} {sell} pays for itself within a season")
}

fn seniority_and_department<'a>(known: &'a Industry, title: &str) -> (&'a str, &'a str) {
    if let Some(role) = known.roles.iter().find(|role| role.title.eq_ignore_ascii_case(title)) {
        return (&role.seniority, &role.department);
    }
    let has = |words: &[&str]| words.iter().any(|word| contains_words(title, word));
    let seniority = if has(&["owner", "founder", "partner"]) {
        "Owner"
    } else if has(&["chief", "ceo", "cto", "coo", "cfo", "managing director", "president"]) {
        "C-level"
    } else if has(&["vp", "vice president"]) {
        "VP"
    } else if has(&["head"]) {
        "Head"
    } else if has(&["director"]) {
        "Director"
    } else {
        "Manager"
    };
    let department = if has(&["sales", "revenue"]) {
        "Sales"
    } else if has(&["marketing", "brand", "growth"]) {
        "Marketing"
    } else if has(&["it", "technology", "information", "cto"]) {
        "IT"
    } else if has(&["nursing", "medical", "clinical"]) {
        "Clinical"
    } else if matches!(seniority, "Owner" | "C-level") {
        "Executive"
    } else {
        "Operations"
    };
    (seniority, department)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(answer: &Value) -> Vec<&str> {
        answer["personas"].as_array().expect("a list").iter().filter_map(|persona| persona["title"].as_str()).collect()
    }

    #[test]
    fn personas_take_the_industries_in_turn() {
        let facts = json!({"sell": "kegs", "industries": ["brewery", "Brewpub", "beekeeper"], "places": ["Vermont, US"], "count": 5});
        let answer = business_personas(Seed(1), &facts);
        assert_eq!(
            titles(&answer),
            [
                "Independent craft brewery",
                "Neighbourhood brewpub with a kitchen",
                "Independent beekeeper business",
                "Growing brewery with a second site",
                "Growing Brewpub with a second site"
            ]
        );
        for (persona, rank) in answer["personas"].as_array().expect("a list").iter().zip(1..) {
            assert_eq!(persona["rank"], rank);
            assert!(persona["match_score"].as_u64().is_some_and(|score| (40..=100).contains(&score)));
        }
        assert_eq!(answer["personas"][4]["demographics"]["industry"], "Brewpub");
        assert_eq!(answer["personas"][0]["demographics"]["location"], "Vermont, US");
    }

    #[test]
    fn titles_are_distinct_and_short() {
        let facts = json!({"sell": "x", "industries": ["a".repeat(90)], "places": [], "count": 9});
        let answer = business_personas(Seed(1), &facts);
        assert_eq!(titles(&answer).len(), 9);
        assert!(titles(&answer).iter().all(|title| (2..=80).contains(&title.chars().count())));
        let facts = json!({"sell": "x", "industries": ["dentist"], "places": [], "count": 9});
        let distinct: std::collections::HashSet<_> =
            titles(&business_personas(Seed(1), &facts)).iter().map(|t| (*t).to_owned()).collect();
        assert_eq!(distinct.len(), 9);
    }

    #[test]
    fn roles_of_the_brief_are_kept_and_others_proposed() {
        let mut facts = json!({"sell": "x", "business_persona": {"title": "t", "industry": "brewery"}, "roles": ["Cellar Wizard"], "count": 3});
        assert_eq!(titles(&decision_maker_personas(Seed(1), &facts)), ["Cellar Wizard"]);
        facts["roles"] = json!([]);
        assert_eq!(titles(&decision_maker_personas(Seed(1), &facts)), ["Owner", "Head Brewer", "Co-Owner"]);
        facts["business_persona"]["industry"] = json!("hospital");
        assert_eq!(titles(&decision_maker_personas(Seed(1), &facts))[1], "Chief Nursing Officer");
    }
}
