//! Web results: profiles of people for `site:linkedin.com/in`, websites of businesses for the rest.

use serde_json::{Value, json};
use std::sync::PoisonError;

use super::{Ask, maps};
use crate::data::{Business, DATA, Person, contains_words, country_name, people_of, words};
use crate::seed::Seed;
use crate::{Job, World};

/// `POST /search`
pub(super) fn search(world: &World, ask: &Ask<'_>) -> Value {
    let query = Query::parse(ask.query);
    let results = if query.is_for_profiles { profiles_now(world, &query) } else { websites(ask) };
    let first = (ask.page - 1) * ask.count;
    let organic: Vec<_> = results
        .into_iter()
        .enumerate()
        .skip(first)
        .take(ask.count)
        .map(|(index, (title, link, snippet))| json!({"title": title, "link": link, "snippet": snippet, "position": index + 1}))
        .collect();
    json!({"organic": organic, "credits": if ask.count <= 10 { 1 } else { 2 }})
}

/// Title, link and snippet.
type Found = (String, String, String);

/// `site:linkedin.com/in "NAME" (owner OR "head brewer")`, taken apart.
#[derive(Debug, PartialEq)]
struct Query {
    is_for_profiles: bool,
    /// The first phrase in quotes.
    name: Option<String>,
    /// The other phrases and words.
    roles: Vec<String>,
}

impl Query {
    fn parse(text: &str) -> Self {
        let text = text.replace(['“', '”'], "\"");
        let mut query = Self { is_for_profiles: false, name: None, roles: Vec::new() };
        for (index, part) in text.split('"').enumerate() {
            if index % 2 == 1 {
                let phrase = part.trim().to_owned();
                if phrase.is_empty() {
                } else if query.name.is_none() {
                    query.name = Some(phrase);
                } else {
                    query.roles.push(phrase);
                }
                continue;
            }
            for word in part.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '|')) {
                if let Some(site) = word.strip_prefix("site:") {
                    query.is_for_profiles |= site.contains("linkedin.com");
                } else if !word.is_empty() && !matches!(word, "OR" | "AND") && !word.starts_with('-') {
                    query.roles.push(word.to_owned());
                }
            }
        }
        query
    }

    fn wants(&self, title: &str) -> bool {
        self.roles.is_empty() || self.roles.iter().any(|role| contains_words(title, role))
    }

    fn names(&self, name: &str) -> bool {
        self.name.as_ref().is_some_and(|wanted| wanted.eq_ignore_ascii_case(name))
    }
}

/// Those whose name or employer is asked for, with the jobs that they have by now.
fn profiles_now(world: &World, query: &Query) -> Vec<Found> {
    let jobs = world.jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let mut found = profiles(world.seed, query);
    found.retain(|(_, link, _)| !jobs.contains_key(link.rsplit('/').next().unwrap_or_default()));
    let here = jobs.iter().filter(|(_, job)| query.names(&job.company) || query.names(&job.full_name));
    found.extend(here.filter(|(_, job)| query.wants(&job.title)).map(|(public_id, job)| {
        let Job { full_name, title, company } = job;
        (
            format!("{full_name} - {title} - {company} | LinkedIn"),
            format!("https://www.linkedin.com/in/{public_id}"),
            format!("{title} at {company} · 250+ connections"),
        )
    }));
    found
}

fn profiles(seed: Seed, query: &Query) -> Vec<Found> {
    let Some(name) = &query.name else { return Vec::new() };
    let businesses: Vec<_> = DATA.named(name).collect();
    let mut found: Vec<_> = businesses
        .iter()
        .flat_map(|business| people_of(seed, business).into_iter().map(move |person| (*business, person)))
        .filter(|(_, person)| query.wants(&person.title))
        .map(|(business, person)| profile(seed, business, &person))
        .collect();
    let seed = seed.of(&["noise", &name.to_lowercase()]);
    for (index, stray) in strays(seed, query, name, businesses.first().copied()).into_iter().enumerate() {
        let place = seed.of(&["place", &index.to_string()]).below(found.len() + 1);
        found.insert(place, stray);
    }
    found
}

fn profile(seed: Seed, business: &Business, person: &Person) -> Found {
    let name = person.full_name();
    let seed = seed.of(&["profile", &person.public_id]);
    let place = [business.city.as_str(), &business.region, country_name(&business.country)];
    let place = place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    let remark = match seed.of(&["remark"]).below(5) {
        0 => format!("{} has worked in the trade for more than {} years.", person.first_name, 3 + seed.below(20)),
        1 => format!("{} at {} since {}.", person.title, business.name, 2008 + seed.below(17)),
        2 => format!("Previously at another {} in the region.", business.category.to_lowercase()),
        3 => "Glad to talk about people, products and the trade.".to_owned(),
        _ => format!("View {name}'s profile, a professional community of more than a billion members."),
    };
    let connections = seed.of(&["connections"]).pick(&["120+", "250+", "340+", "500+"]);
    (
        format!("{name} - {} - {} | LinkedIn", person.title, business.name),
        format!("https://www.linkedin.com/in/{}", person.public_id),
        format!("{place} · {} at {} · {connections} connections · {remark}", person.title, business.name),
    )
}

/// Results that are about something else: a person of another company, a company's page, a post.
fn strays(seed: Seed, query: &Query, name: &str, business: Option<&Business>) -> Vec<Found> {
    let mut strays = Vec::new();
    if seed.of(&["person"]).permille(350) {
        let start = seed.of(&["other business"]).below(DATA.businesses.len());
        let others =
            DATA.businesses.iter().cycle().skip(start).take(200).filter(|other| !other.name.eq_ignore_ascii_case(name));
        let stray = others
            .flat_map(|other| people_of(seed, other).into_iter().map(move |person| (other, person)))
            .find(|(_, person)| query.wants(&person.title));
        strays.extend(stray.map(|(other, person)| profile(seed, other, &person)));
    }
    let slug = words(name).collect::<Vec<_>>().join("-");
    let city = business.map_or("the region", |business| &business.city);
    if seed.of(&["page"]).permille(150) {
        let snippet = format!("{name} | {} followers on LinkedIn. Based in {city}.", 40 + seed.below(900));
        strays.push((format!("{name} | LinkedIn"), format!("https://www.linkedin.com/company/sim-{slug}"), snippet));
    }
    if seed.of(&["post"]).permille(100) {
        let snippet = format!("We had a great evening at {name} in {city}. Thanks to everyone who came.");
        let link = format!("https://www.linkedin.com/posts/sim-{slug}_evening-activity-{}", seed.hex(8));
        strays.push((format!("A visit to {name} - LinkedIn"), link, snippet));
    }
    strays
}

/// Websites of the businesses that a map search lists, or whose name has all words of the query.
fn websites(ask: &Ask<'_>) -> Vec<Found> {
    let mut found = maps::found(ask);
    if found.is_empty() {
        let wanted: Vec<_> = words(ask.query).collect();
        let has_all = |business: &&Business| {
            let name: Vec<_> = words(&business.name).collect();
            !wanted.is_empty() && wanted.iter().all(|word| name.contains(word))
        };
        found = DATA.businesses.iter().filter(has_all).collect();
    }
    found
        .into_iter()
        .filter_map(|business| {
            let kind = format!("{} in {}", business.category, business.city);
            let snippet = format!("{}: {kind}. {}", business.name, business.full_address());
            Some((format!("{} - {kind}", business.name), business.website()?, snippet))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_taken_apart() {
        let query = Query::parse(r#"site:linkedin.com/in "Foam & Co" ("owner" OR "head brewer" OR sales) -jobs"#);
        let roles = ["owner", "head brewer", "sales"].map(str::to_owned).to_vec();
        assert_eq!(query, Query { is_for_profiles: true, name: Some("Foam & Co".into()), roles });
        assert!(!Query::parse("brewery in Vermont").is_for_profiles);
    }

    #[test]
    fn profiles_hold_those_roles_and_a_little_noise() {
        let (mut own, mut stray, mut businesses) = (0, 0, 0);
        for business in DATA.businesses.iter().filter(|business| business.category == "Brewery").step_by(10) {
            businesses += 1;
            let text = format!("site:linkedin.com/in \"{}\" (owner OR \"head brewer\")", business.name.to_uppercase());
            let query = Query::parse(&text);
            let results = profiles(Seed(1), &query);
            assert_eq!(results, profiles(Seed(1), &query));
            for (title, link, snippet) in results {
                assert!(link.starts_with("https://www.linkedin.com/") && link.contains("sim-"), "{link}");
                if title.ends_with(&format!(" - {} | LinkedIn", business.name)) {
                    assert!(contains_words(&title, "owner") || contains_words(&title, "head brewer"), "{title}");
                    assert!(snippet.contains(" connections · "), "{snippet}");
                    own += 1;
                } else {
                    stray += 1;
                }
            }
        }
        assert!(own > businesses / 2 && stray > businesses / 4 && stray < own, "{own} and {stray} of {businesses}");
    }

    #[test]
    fn without_a_name_there_is_nobody() {
        assert!(profiles(Seed(1), &Query::parse("site:linkedin.com/in owner")).is_empty());
    }
}
