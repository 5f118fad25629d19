//! Why a lead is worth contacting: sentences put together from the lead's own facts.

use serde_json::{Value, json};

use super::{shortened, texts};
use crate::data::{contains_words, industry};
use crate::seed::Seed;

const MAX_CHARACTERS: usize = 300;
const MIN_CHARACTERS: usize = 60;

/// One reason for each lead. A lead's sentences do not depend on the leads beside it, nor on its number.
pub(super) fn lead_reasons(seed: Seed, facts: &Value) -> Value {
    // What stands before the first colon or comma names the offer; the rest describes it.
    let sell = facts["sell"].as_str().unwrap_or("the offer").split([':', ',']).next().unwrap_or_default().trim();
    let sell = shortened(sell, 60);
    let leads = facts["leads"].as_array().map(Vec::as_slice).unwrap_or_default();
    let reasons: Vec<_> = leads
        .iter()
        .map(|lead| {
            let lead = Lead::read(seed, lead, &sell);
            json!({"lead": lead.number, "reason": lead.reason(), "hook": lead.hook()})
        })
        .collect();
    json!({"reasons": reasons})
}

struct Lead<'a> {
    number: &'a Value,
    name: &'a str,
    role: &'a str,
    business: &'a str,
    category: &'a str,
    place: String,
    rating: Option<(&'a str, u64)>,
    evidence: Vec<&'a str>,
    persona: &'a str,
    sell: &'a str,
    seed: Seed,
}

impl<'a> Lead<'a> {
    fn read(seed: Seed, lead: &'a Value, sell: &'a str) -> Self {
        let text = |name: &str| lead[name].as_str().unwrap_or_default().trim();
        let place: Vec<_> = [text("city"), text("region")].into_iter().filter(|part| !part.is_empty()).collect();
        Self {
            number: &lead["lead"],
            name: text("name"),
            role: text("role"),
            // As written: its reader looks for it letter by letter.
            business: lead["business"].as_str().unwrap_or_default(),
            category: text("category"),
            place: if place.is_empty() { "its town".into() } else { place.join(", ") },
            rating: lead["rating"].as_str().zip(lead["rating_count"].as_u64()),
            evidence: texts(lead, "evidence"),
            persona: text("persona"),
            sell,
            seed: seed.of(&["reason", text("name"), text("role"), text("business"), text("city"), sell]),
        }
    }

    fn reason(&self) -> String {
        let (opening, evidence, closing) = (self.opening(), self.evidence(), self.closing());
        let full = format!("{opening}{evidence}. {closing}");
        let without_closing = format!("{opening}{evidence}.");
        let shortest =
            format!("{} is a match by its category and place, and the role is close to the decision.", self.business);
        [full, without_closing, format!("{opening}. {closing}"), shortest.clone()]
            .into_iter()
            .find(|text| (MIN_CHARACTERS..=MAX_CHARACTERS).contains(&text.chars().count()))
            .unwrap_or(shortest)
    }

    /// Who and where.
    fn opening(&self) -> String {
        let Self { name, role, business, place, .. } = self;
        let kind = self.kind();
        match self.seed.of(&["opening"]).below(7) {
            0 => format!("{name} is {role} at {business}, {} in {place}", with_article(&kind)),
            1 => format!("As {role} of {business} in {place}, {name} is close to the decision"),
            2 => format!("{business} in {place} is {}, and {name} is {role} there", with_article(&kind)),
            3 => format!("{name} works as {role} at {business} ({place})"),
            4 if !self.persona.is_empty() => {
                format!(
                    "{business} comes close to the persona “{}”, with {name} as {role}",
                    shortened(self.persona, 50)
                )
            }
            4 | 5 => format!("At {business}, {} in {place}, {name} is the {role} to ask", with_article(&kind)),
            _ => format!("{business} stands out among places of its kind in {place}; {name} is its {role}"),
        }
    }

    /// What shows it.
    fn evidence(&self) -> String {
        let seed = self.seed.of(&["evidence"]);
        let rated = self.rating.map(|(rating, count)| match seed.of(&["rated"]).below(3) {
            0 => format!(", rated {rating} by {count} people"),
            1 => format!(", with {count} reviews and {rating} stars"),
            _ => format!(": {rating} stars from {count} reviews show a steady public"),
        });
        let quoted = (!self.evidence.is_empty()).then(|| {
            let evidence = shortened(self.evidence[seed.of(&["which"]).below(self.evidence.len())], 110);
            match seed.of(&["quoted"]).below(3) {
                0 => format!(" (evidence: {evidence})"),
                1 => format!("; evidence: {evidence}"),
                _ => format!(" ({evidence})"),
            }
        });
        let (first, second) = if seed.of(&["order"]).permille(500) { (rated, quoted) } else { (quoted, rated) };
        first.or(second).unwrap_or_default()
    }

    /// What it has to do with the offer.
    fn closing(&self) -> String {
        let known = industry(self.category);
        let seed = self.seed.of(&["closing"]);
        let (offer, goal, pain) =
            (self.sell, seed.of(&["goal"]).pick(&known.goals), seed.of(&["pain"]).pick(&known.pains));
        let decides = contains_words(self.role, "owner")
            || contains_words(self.role, "founder")
            || contains_words(self.role, "chief");
        match seed.below(6) {
            0 => format!("A likely aim there is to {}, which is where {offer} would help.", verb(goal)),
            1 => format!("A known pain of the trade: {pain}. This is where {offer} would help."),
            2 if decides => format!("The role can decide on {offer} without asking anyone."),
            2 => format!("The role would use {offer} every day and can recommend it to whoever signs."),
            3 => format!("The size of the business is right for {offer}."),
            4 => format!("The effect of {offer} would be felt first in this role."),
            _ => format!("Typical of the trade: {pain}; a good opening for {offer}."),
        }
    }

    /// A question to open with, for four leads of five.
    fn hook(&self) -> Option<String> {
        let seed = self.seed.of(&["hook"]);
        if seed.permille(200) {
            return None;
        }
        let known = industry(self.category);
        let (pain, trend) = (seed.of(&["pain"]).pick(&known.pains), seed.of(&["trend"]).pick(&known.trends));
        let trigger = seed.of(&["trigger"]).pick(&known.triggers);
        Some(match seed.of(&["which"]).below(4) {
            0 => format!("Others in the trade name this first: {pain}. Is it the same at {}?", self.business),
            1 => format!("A trend we read of: {trend}. Do you notice it in {}?", self.place),
            2 => format!("What would change at {} with this: {trigger}?", self.business),
            _ => format!("What would you change first at {} if you had a free week?", self.business),
        })
    }

    fn kind(&self) -> String {
        if self.category.is_empty() { "business".into() } else { self.category.to_lowercase() }
    }
}

fn article(noun: &str) -> &'static str {
    if noun.to_lowercase().starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" }
}

fn with_article(noun: &str) -> String {
    format!("{} {noun}", article(noun))
}

/// Goals are nouns or verbs; the nouns get one.
fn verb(goal: &str) -> String {
    const VERBS: [&str; 13] =
        ["repeat", "win", "raise", "fill", "sell", "keep", "lift", "cut", "shorten", "turn", "bring", "grow", "lower"];
    let starts = goal.split(' ').next().is_some_and(|first| VERBS.contains(&first) && first != "lower");
    if starts { goal.to_owned() } else { format!("get {goal}") }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn leads(count: usize) -> Vec<Value> {
        (1..=count)
            .map(|n| {
                json!({
                    "lead": n, "name": format!("Ada N{n}"), "role": if n % 2 == 0 { "Head Brewer" } else { "Owner" },
                    "business": format!("Brewing  Co. No {n}"), "category": "Brewery", "city": "Burlington", "region": "Vermont",
                    "rating": if n % 3 == 0 { Value::Null } else { json!("4.6") }, "rating_count": n * 7,
                    "evidence": [format!("listed as Brewery number {n}"), "Owner named in the search result"],
                    "persona": "Independent craft brewery",
                })
            })
            .collect()
    }

    fn reasons(leads: &[Value]) -> Vec<Value> {
        let facts = json!({"sell": "yeast propagation kits for craft brewers", "leads": leads, "repair": null});
        lead_reasons(Seed(1), &facts)["reasons"].as_array().expect("a list").clone()
    }

    #[test]
    fn any_batching_gives_the_same_sentences() {
        let leads = leads(20);
        let at_once = reasons(&leads);
        let one_by_one: Vec<_> = leads.iter().flat_map(|lead| reasons(std::slice::from_ref(lead))).collect();
        assert_eq!(at_once, one_by_one);
        assert_ne!(
            at_once,
            lead_reasons(Seed(2), &json!({"sell": "x", "leads": leads}))["reasons"].as_array().expect("a list")[..]
        );
    }

    #[test]
    fn reasons_name_the_business_and_keep_their_length() {
        for (lead, reason) in leads(300).iter().zip(reasons(&leads(300))) {
            let text = reason["reason"].as_str().expect("a text");
            assert!(text.contains(lead["business"].as_str().expect("a text")), "{text}");
            assert!((MIN_CHARACTERS..=MAX_CHARACTERS).contains(&text.chars().count()), "{text}");
        }
    }

    #[test]
    fn a_table_of_sixty_has_many_patterns() {
        let reasons = reasons(&leads(60));
        let blank = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        let patterns: HashSet<_> = reasons.iter().filter_map(|reason| reason["reason"].as_str().map(blank)).collect();
        assert!(patterns.len() >= 45, "{} patterns", patterns.len());
        let hooks = reasons.iter().filter(|reason| reason["hook"].is_string()).count();
        assert!((36..=57).contains(&hooks), "{hooks}");
    }

    #[test]
    fn bare_facts_are_enough() {
        let business = "B".repeat(280);
        let bare = json!([{"lead": 7, "business": "X"}, {"lead": 8, "business": business}]);
        let reasons = reasons(bare.as_array().expect("a list"));
        assert_eq!(reasons[0]["lead"], 7);
        assert!(reasons[1]["reason"].as_str().is_some_and(|text| text.contains(&business)));
    }
}
