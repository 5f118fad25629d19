//! Who can be found on LinkedIn or by email, and under which ids.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::data::{Business, DATA, Person, invented_digits, people_of};
use crate::seed::Seed;

/// Begins every provider id of LinkedIn's own API.
const CLASSIC: &str = "ACoAA";
/// Begins the public identifier of everybody in the sandbox.
const INVENTED: &str = "sim-";
const CHECK_BYTES: usize = 3;

/// A person as LinkedIn shows them.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) public_id: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) title: String,
    /// Name of the business; empty for people who are not in the data.
    pub(crate) company: String,
    pub(crate) location: String,
    pub(crate) email: Option<String>,
    pub(crate) degree: u8,
}

/// Businesses of the people who are not in the table, by the digits at the end of their public identifiers; a few digits
/// occur twice. The same for the same seed, so that sandboxes share it.
type Index = HashMap<String, Vec<&'static Business>>;
static INDICES: LazyLock<Mutex<HashMap<u64, Arc<Index>>>> = LazyLock::new(Mutex::default);

/// The person with this public identifier; a stranger is made up from one that starts with `sim-`.
pub(crate) fn by_public_id(seed: Seed, public_id: &str) -> Option<Profile> {
    if !public_id.starts_with(INVENTED) {
        return None;
    }
    let index = index(seed);
    let by_digits = public_id.rsplit_once('-').and_then(|(_, digits)| index.get(digits));
    let businesses = DATA.employer_of(public_id).into_iter().chain(by_digits.into_iter().flatten().copied());
    let mut people = businesses.flat_map(|business| people_of(seed, business).into_iter().map(move |p| (p, business)));
    let found = people.find(|(person, _)| person.public_id == public_id);
    Some(found.map_or_else(|| Profile::stranger(seed, public_id), |(person, business)| Profile::of(person, business)))
}

/// The person with this address; null for one that the data has not.
pub(crate) fn by_email(seed: Seed, address: &str) -> Option<Profile> {
    let business = DATA.at_domain(address.rsplit_once('@')?.1)?;
    people_of(seed, business)
        .into_iter()
        .find(|person| person.email.as_deref() == Some(address))
        .map(|person| Profile::of(person, business))
}

/// Does the work that the first look-up of a stranger would have to wait for.
pub(crate) fn make_ready(seed: Seed) {
    index(seed);
}

/// Everybody of the data whose degree is 1, by public identifier.
pub(crate) fn close_people<'a>() -> impl Iterator<Item = &'a str> {
    DATA.close_people()
}

/// The id under which `account` sees a person.
pub(crate) fn provider_id(account: &str, public_id: &str) -> String {
    let mut bytes = check(account, public_id).to_vec();
    bytes.extend(masked(account, public_id.as_bytes()));
    format!("{CLASSIC}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// The person whom `account` sees under this id; null for an id that another account was given.
pub(crate) fn public_id_of(account: &str, provider_id: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(provider_id.strip_prefix(CLASSIC)?).ok()?;
    let (found, rest) = bytes.split_at_checked(CHECK_BYTES)?;
    let public_id = String::from_utf8(masked(account, rest)).ok()?;
    (check(account, &public_id) == found).then_some(public_id)
}

fn check(account: &str, public_id: &str) -> [u8; CHECK_BYTES] {
    let digest = Sha256::digest(format!("{account}\n{public_id}"));
    [digest[0], digest[1], digest[2]]
}

fn masked(account: &str, bytes: &[u8]) -> Vec<u8> {
    let mask = Sha256::digest(account);
    bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

fn index(seed: Seed) -> Arc<Index> {
    let mut indices = INDICES.lock().unwrap_or_else(PoisonError::into_inner);
    let built = || {
        let mut index = Index::new();
        for business in &DATA.businesses {
            for digits in invented_digits(seed, business) {
                index.entry(digits).or_default().push(business);
            }
        }
        Arc::new(index)
    };
    Arc::clone(indices.entry(seed.0).or_insert_with(built))
}

impl Profile {
    pub(crate) fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }

    pub(crate) fn headline(&self) -> String {
        if self.company.is_empty() { self.title.clone() } else { format!("{} at {}", self.title, self.company) }
    }

    fn of(person: Person, business: &Business) -> Self {
        Self {
            company: business.name.clone(),
            location: [business.city.as_str(), &business.country].join(", "),
            public_id: person.public_id,
            first_name: person.first_name,
            last_name: person.last_name,
            title: person.title,
            email: person.email,
            degree: person.degree,
        }
    }

    fn stranger(seed: Seed, public_id: &str) -> Self {
        let mut words = public_id.split('-').skip(1).map(capitalized);
        Self {
            public_id: public_id.to_owned(),
            first_name: words.next().unwrap_or_default(),
            last_name: words.next().unwrap_or_default(),
            title: "Owner".to_owned(),
            company: String::new(),
            location: String::new(),
            email: None,
            degree: if seed.of(&["degree", public_id]).permille(400) { 2 } else { 3 },
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_ids_belong_to_one_account() {
        let id = provider_id("acc_li_1", "sim-ada-lind-123abc");
        assert!(id.starts_with("ACoAA") && id.len() > 20, "{id}");
        assert_eq!(public_id_of("acc_li_1", &id).as_deref(), Some("sim-ada-lind-123abc"));
        assert_eq!(public_id_of("acc_li_2", &id), None);
        assert_eq!(public_id_of("acc_li_1", "ACoAAowner1"), None);
        assert_ne!(id, provider_id("acc_li_2", "sim-ada-lind-123abc"));
    }

    #[test]
    fn everybody_is_found_by_id_and_by_address() {
        let seed = Seed(1);
        let everybody = DATA
            .businesses
            .iter()
            .step_by(50)
            .flat_map(|business| people_of(seed, business).into_iter().map(move |person| (person, business)));
        for (person, business) in everybody {
            let found = by_public_id(seed, &person.public_id).expect("known");
            assert_eq!((&found.company, &found.email), (&business.name, &person.email));
            if let Some(address) = &person.email {
                assert!(
                    by_email(seed, address).is_some_and(|found| found.first_name == person.first_name),
                    "{address}"
                );
                assert!(by_email(seed, &format!("nobody.{address}")).is_none());
            }
        }
    }

    #[test]
    fn strangers_are_made_up_from_their_ids() {
        let stranger = by_public_id(Seed(1), "sim-zoe-quist-000000").expect("made up");
        assert_eq!((stranger.full_name(), stranger.company), ("Zoe Quist".into(), String::new()));
        assert!(by_public_id(Seed(1), "ada-lind").is_none());
    }
}
