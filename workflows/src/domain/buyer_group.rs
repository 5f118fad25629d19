//! Who decides together at a company: the part that each person plays, by rule, and when what is known is too old.

use super::people::words;
use super::provider::Provider;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The words by which the people of a company are searched for, whatever it does.
pub const TITLES: [&str; 12] = [
    "Owner",
    "Founder",
    "Chief",
    "President",
    "Director",
    "Head",
    "Manager",
    "Partner",
    "Lead",
    "Purchasing",
    "Finance",
    "Assistant",
];

/// A people search is good for so long while nobody says that somebody has changed.
const SEARCH_GOOD_FOR_MS: i64 = 24 * 3_600_000;

/// What a person is in the decision of their company.
///
/// The variants have no doc comments: with them the schema of a model's answer would be more than a plain enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BuyerRole {
    // Says yes in the end.
    DecisionMaker,
    // Would use what is offered, leads those who do, and speaks for it.
    Champion,
    // Is asked for their judgement.
    Influencer,
    // Can say no: purchasing, law, security, finance control.
    Blocker,
    // Knows the others and opens the door.
    Introducer,
}

/// What the rule looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberFacts<'a> {
    /// Job title as written.
    pub title: &'a str,
    /// Connected with an account of ours, or has answered us without turning us down.
    pub knows_us: bool,
}

/// A role and what speaks for it: fixed text, no personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    pub role: BuyerRole,
    pub because: &'static str,
}

/// A part of a refresh that may be lost without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    People,
    Roles,
    Contacts,
}

impl BuyerRole {
    pub const ALL: [Self; 5] = [Self::DecisionMaker, Self::Champion, Self::Influencer, Self::Blocker, Self::Introducer];

    /// Stable machine name: in the store and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::DecisionMaker => "decision_maker",
            Self::Champion => "champion",
            Self::Influencer => "influencer",
            Self::Blocker => "blocker",
            Self::Introducer => "introducer",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether it is worth money to be able to write to them.
    pub fn is_worth_an_address(self) -> bool {
        matches!(self, Self::DecisionMaker | Self::Champion)
    }
}

impl Stage {
    pub const ALL: [Self; 3] = [Self::People, Self::Roles, Self::Contacts];

    /// On whose task queue it runs.
    pub fn provider(self) -> Provider {
        match self {
            Self::People => Provider::Serper,
            Self::Roles => Provider::Openai,
            Self::Contacts => Provider::Hunter,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::People => "people",
            Self::Roles => "roles",
            Self::Contacts => "contacts",
        })
    }
}

const TOP: &[&str] = &[
    "owner",
    "founder",
    "cofounder",
    "proprietor",
    "ceo",
    "coo",
    "cto",
    "cfo",
    "cmo",
    "cio",
    "chief",
    "president",
    "principal",
    "managing director",
    "executive director",
    "general manager",
    "managing partner",
    "partner",
    "geschäftsführer",
    "geschäftsführerin",
    "inhaber",
    "inhaberin",
    "vorstand",
    "gérant",
    "directeur général",
];
/// Words that turn a title of [`TOP`] into that of somebody who works for it.
const NOT_TOP: &[&str] = &[
    "assistant",
    "assistentin",
    "deputy",
    "vice",
    "office of",
    "to the",
    "former",
    "chief of staff",
    "product owner",
    "process owner",
    "partner manager",
    "business partner",
    "channel partner",
];
const GATE: &[&str] = &[
    "purchasing",
    "procurement",
    "buyer",
    "legal",
    "counsel",
    "lawyer",
    "compliance",
    "security",
    "privacy",
    "auditor",
    "controller",
    "controlling",
    "einkauf",
    "einkäufer",
    "einkäuferin",
    "datenschutz",
    "risk",
];
const DOOR: &[&str] = &[
    "assistant",
    "assistentin",
    "assistenz",
    "receptionist",
    "reception",
    "secretary",
    "office manager",
    "office",
    "community",
    "host",
    "chief of staff",
];
const LEADS: &[&str] = &[
    "head",
    "director",
    "manager",
    "lead",
    "leader",
    "vp",
    "vice president",
    "supervisor",
    "leiter",
    "leiterin",
    "responsable",
    "chef",
    "foreman",
    "superintendent",
];

/// The role of a person by title; evidence of a relation to us decides only where the title says little.
pub fn role_of(facts: MemberFacts<'_>) -> Judged {
    let title = words(facts.title);
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| holds(&title, phrase));
    let judged = |role, because| Judged { role, because };
    if says(TOP) && !says(NOT_TOP) {
        judged(BuyerRole::DecisionMaker, "the title decides for the company")
    } else if says(GATE) {
        judged(BuyerRole::Blocker, "the title guards purchases, law or risk")
    } else if says(DOOR) {
        judged(BuyerRole::Introducer, "the title works beside those who decide")
    } else if says(LEADS) {
        judged(BuyerRole::Champion, "the title leads those who would use it")
    } else if facts.knows_us {
        judged(BuyerRole::Introducer, "the person knows us")
    } else {
        judged(BuyerRole::Influencer, "the title has a say, and does not lead")
    }
}

/// Whether the words of a phrase stand in a row.
fn holds(title: &[String], phrase: &str) -> bool {
    let phrase: Vec<&str> = phrase.split(' ').collect();
    title.windows(phrase.len()).any(|window| window.iter().zip(&phrase).all(|(word, wanted)| word == wanted))
}

/// Whether a stored people search still tells who works at a company; a change that came after it makes it old.
pub fn is_search_good(searched_at_ms: i64, newest_change_ms: Option<i64>, now_ms: i64) -> bool {
    now_ms - searched_at_ms < SEARCH_GOOD_FOR_MS && newest_change_ms.is_none_or(|change_ms| change_ms < searched_at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn role(title: &str) -> BuyerRole {
        role_of(MemberFacts { title, knows_us: false }).role
    }

    #[test]
    fn titles_have_the_roles_that_a_seller_gives_them() {
        use BuyerRole::{Blocker, Champion, DecisionMaker, Influencer, Introducer};
        for (title, expected) in [
            ("Owner", DecisionMaker),
            ("Co-Founder & Head Brewer", DecisionMaker),
            ("Chief Financial Officer", DecisionMaker),
            ("Managing Director", DecisionMaker),
            ("General Manager", DecisionMaker),
            ("Geschäftsführerin", DecisionMaker),
            ("President", DecisionMaker),
            ("Vice President of Sales", Champion),
            ("VP Operations", Champion),
            ("Head Brewer", Champion),
            ("Taproom Manager", Champion),
            ("Director of Operations", Champion),
            ("Product Owner", Influencer),
            ("HR Business Partner", Influencer),
            ("Head of Procurement", Blocker),
            ("General Counsel", Blocker),
            ("Information Security Manager", Blocker),
            ("Financial Controller", Blocker),
            ("Einkäufer", Blocker),
            ("Assistant to the CEO", Introducer),
            ("Assistant to the Managing Director", Introducer),
            ("Office Manager", Introducer),
            ("Receptionist", Introducer),
            ("Quality Engineer", Influencer),
            ("Cellar Hand", Influencer),
            ("", Influencer),
        ] {
            assert_eq!(role(title), expected, "{title}");
        }
    }

    #[test]
    fn who_knows_us_opens_the_door_where_the_title_says_little() {
        let with = |title| role_of(MemberFacts { title, knows_us: true }).role;
        assert_eq!(with("Cellar Hand"), BuyerRole::Introducer);
        assert_eq!(with("Owner"), BuyerRole::DecisionMaker);
        assert_eq!(with("Head of Procurement"), BuyerRole::Blocker);
        assert_eq!(with("Taproom Manager"), BuyerRole::Champion);
    }

    #[test]
    fn a_search_is_good_for_a_day_unless_somebody_has_changed_since() {
        const HOUR: i64 = 3_600_000;
        assert!(is_search_good(0, None, 23 * HOUR));
        assert!(!is_search_good(0, None, 24 * HOUR));
        assert!(is_search_good(2 * HOUR, Some(HOUR), 3 * HOUR));
        assert!(!is_search_good(2 * HOUR, Some(2 * HOUR), 3 * HOUR), "a change of the same instant may be missing");
    }

    #[test]
    fn every_role_has_its_name() {
        for role in BuyerRole::ALL {
            assert_eq!(BuyerRole::named(role.name()), Some(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{}\"", role.name()));
        }
    }

    fn part() -> impl Strategy<Value = &'static str> {
        let all: Vec<&str> = [TOP, NOT_TOP, GATE, DOOR, LEADS, &["cellar", "hand", "of", "sales", "ñandú"]].concat();
        prop::sample::select(all)
    }

    proptest! {
        #[test]
        fn the_rule_looks_at_words_and_at_nothing_else(parts in prop::collection::vec(part(), 0..6), knows_us: bool) {
            let plain = role_of(MemberFacts { title: &parts.join(" "), knows_us });
            let loud = parts.join(", ").to_uppercase();
            prop_assert_eq!(role_of(MemberFacts { title: &loud, knows_us }), plain);
            let padded = format!("  \u{2013} {}. ", parts.join(" / "));
            prop_assert_eq!(role_of(MemberFacts { title: &padded, knows_us }), plain);
        }

        #[test]
        fn any_text_has_a_role(title: String, knows_us: bool) {
            let role = role_of(MemberFacts { title: &title, knows_us }).role;
            prop_assert!(BuyerRole::ALL.contains(&role));
        }

        #[test]
        fn knowing_us_changes_influencers_only(parts in prop::collection::vec(part(), 0..6)) {
            let title = parts.join(" ");
            let strangers = role_of(MemberFacts { title: &title, knows_us: false }).role;
            let known = role_of(MemberFacts { title: &title, knows_us: true }).role;
            prop_assert!(known == strangers || (strangers, known) == (BuyerRole::Influencer, BuyerRole::Introducer));
        }

        #[test]
        fn a_purchaser_never_becomes_a_friend(parts in prop::collection::vec(part(), 0..4), guard in prop::sample::select(GATE)) {
            let title = format!("{} {guard}", parts.join(" "));
            prop_assert!(matches!(role(&title), BuyerRole::Blocker | BuyerRole::DecisionMaker), "{}", title);
        }

        #[test]
        fn a_search_does_not_become_good_again(at in 0..100_i64, change: Option<u8>, first in 0..200_i64, later in 0..200_i64) {
            let hour = 3_600_000;
            let change = change.map(|change| i64::from(change) * hour);
            let good = |now: i64| is_search_good(at * hour, change, (at + now) * hour);
            prop_assert!(good(first.min(later)) || !good(first.max(later)));
        }
    }
}
