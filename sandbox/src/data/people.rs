//! Who works at a business. All of them are invented: first those of the table, then others drawn from the business's id.

use fake::Fake;
use fake::faker::name::raw::{FirstName, LastName};
use fake::locales::{DE_DE, EN, FR_FR, IT_IT, NL_NL, PT_BR, PT_PT, TR_TR};
use rand::rngs::StdRng;

use super::{Business, DATA, PersonRow, industry};
use crate::seed::Seed;

const MOST_PEOPLE: usize = 4;
const ID_DIGITS: usize = 6;

/// A fictitious person.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Person {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) title: String,
    pub(crate) seniority: String,
    pub(crate) department: String,
    /// Starts with `sim-`.
    pub(crate) public_id: String,
    /// How far away everybody else is on LinkedIn: 1 to 3.
    pub(crate) degree: u8,
    /// At the business's `.example` host; null for about a quarter.
    pub(crate) email: Option<String>,
    /// How sure an address finder is of the address, from 70 to 99.
    pub(crate) score: usize,
}

/// The 0 to 4 people of a business.
pub(crate) fn people_of(seed: Seed, business: &Business) -> Vec<Person> {
    let known = DATA.people.get(&business.id).map(Vec::as_slice).unwrap_or_default();
    let mut people: Vec<_> = known.iter().map(|row| Person::of_row(seed, row)).collect();
    let seed = seed.of(&["people", &business.id]);
    // Of a thousand businesses, so many have at most 0, 1, 2 and 3 people.
    let drawn = seed.of(&["count"]).below(1000);
    let limits: [usize; MOST_PEOPLE] = [100, 280, 560, 820];
    let count = limits.into_iter().filter(|limit| drawn >= *limit).count();
    let mut titles: Vec<_> = industry(&business.category).roles.iter().collect();
    let is_listed_company = business.id.starts_with("fd:");
    titles.retain(|role| {
        !(is_listed_company && role.seniority == "Owner") && people.iter().all(|person| person.title != role.title)
    });
    for index in people.len()..count {
        let seed = seed.of(&[&index.to_string()]);
        if titles.is_empty() {
            break;
        }
        // The smaller of two draws: roles at the beginning of the list are found more often.
        let drawn = seed.of(&["role"]).below(titles.len()).min(seed.of(&["role again"]).below(titles.len()));
        let role = titles.remove(drawn);
        let title = if seed.of(&["vague"]).permille(60) { *seed.pick(&VAGUE_TITLES) } else { &role.title };
        people.push(Person::invented(seed, business, title, &role.seniority, &role.department));
    }
    people
}

/// The digits at the end of the public identifiers of all whom [`people_of`] may invent, without the work of inventing them.
pub(crate) fn invented_digits(seed: Seed, business: &Business) -> impl Iterator<Item = String> {
    let seed = seed.of(&["people", &business.id]);
    (0..MOST_PEOPLE).map(move |index| seed.of(&[&index.to_string()]).hex(ID_DIGITS))
}

/// Titles that say little about the role.
const VAGUE_TITLES: [&str; 5] =
    ["Entrepreneur", "Consultant", "Building something new", "Advisor & Investor", "Team member"];

impl Person {
    fn of_row(seed: Seed, row: &PersonRow) -> Self {
        Self {
            first_name: row.first_name.clone(),
            last_name: row.last_name.clone(),
            title: row.title.clone(),
            seniority: row.seniority.clone(),
            department: row.department.clone(),
            public_id: row.linkedin_public_id.clone(),
            degree: row.connection_degree,
            email: Some(row.email.clone()).filter(|email| !email.is_empty()),
            score: 80 + seed.of(&["score", &row.linkedin_public_id]).below(20),
        }
    }

    fn invented(seed: Seed, business: &Business, title: &str, seniority: &str, department: &str) -> Self {
        let (first_name, last_name) = name(&business.country, &mut seed.of(&["name"]).rng());
        let (first, last) = (ascii(&first_name), ascii(&last_name));
        Self {
            public_id: format!("sim-{first}-{last}-{}", seed.hex(ID_DIGITS)),
            degree: if seed.of(&["degree"]).permille(400) { 2 } else { 3 },
            email: seed.of(&["email"]).permille(750).then(|| format!("{first}.{last}@{}", business.sim_domain)),
            score: 70 + seed.of(&["score"]).below(30),
            title: title.to_owned(),
            seniority: seniority.to_owned(),
            department: department.to_owned(),
            first_name,
            last_name,
        }
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

/// Lower-case ASCII letters and digits of a name, as in an address.
pub(crate) fn ascii(name: &str) -> String {
    super::folded(name).chars().filter(char::is_ascii_alphanumeric).collect()
}

fn name(country: &str, rng: &mut StdRng) -> (String, String) {
    macro_rules! of {
        ($locale:ident) => {
            (FirstName($locale).fake_with_rng(rng), LastName($locale).fake_with_rng(rng))
        };
    }
    match country {
        "DE" | "AT" | "CH" | "LI" => of!(DE_DE),
        "FR" | "MC" | "AD" => of!(FR_FR),
        "IT" => of!(IT_IT),
        "NL" | "BE" => of!(NL_NL),
        "PT" => of!(PT_PT),
        "BR" => of!(PT_BR),
        "TR" => of!(TR_TR),
        _ => of!(EN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_invents_the_same_people() {
        for business in DATA.businesses.iter().step_by(100) {
            assert_eq!(people_of(Seed(1), business), people_of(Seed(1), business));
        }
        let of = |seed| DATA.businesses.iter().step_by(100).flat_map(move |b| people_of(seed, b)).collect::<Vec<_>>();
        assert_ne!(of(Seed(1)), of(Seed(2)));
    }

    #[test]
    fn businesses_have_as_many_people_as_promised() {
        let counts: Vec<_> = DATA.businesses.iter().map(|business| people_of(Seed(1), business).len()).collect();
        let empty_permille = counts.iter().filter(|count| **count == 0).count() * 1000 / counts.len();
        let mean_times_100 = counts.iter().sum::<usize>() * 100 / counts.len();
        assert!((60..=100).contains(&empty_permille), "{empty_permille}");
        assert!((200..=245).contains(&mean_times_100), "{mean_times_100}");
        assert_eq!(counts.iter().max(), Some(&4));
    }

    #[test]
    fn people_of_the_table_come_first() {
        let puntigamer = DATA.businesses.iter().find(|business| DATA.people.contains_key(&business.id)).expect("one");
        let row = &DATA.people[&puntigamer.id][0];
        assert_eq!(people_of(Seed(1), puntigamer)[0].public_id, row.linkedin_public_id);
    }

    #[test]
    fn ids_and_addresses_are_marked_as_invented() {
        let mut addresses = 0;
        let people: Vec<_> =
            DATA.businesses.iter().step_by(7).flat_map(|business| people_of(Seed(1), business)).collect();
        for person in &people {
            assert!(person.public_id.starts_with("sim-") && person.public_id.is_ascii(), "{person:?}");
            assert!((70..100).contains(&person.score));
            if let Some(email) = &person.email {
                addresses += 1;
                assert!(email.ends_with(".example") && email.is_ascii() && !email.contains(' '), "{person:?}");
            }
        }
        assert!((70..=85).contains(&(addresses * 100 / people.len())), "{addresses} of {}", people.len());
    }
}
