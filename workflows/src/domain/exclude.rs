//! What a search leaves out: businesses and people named by the brief or by a list beside it.

use super::people::canonical_public_id;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// One thing to leave out. Its text form is what a user writes and what the store keeps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Exclusion {
    /// `chains`: businesses whose name or domain three or more businesses share.
    Chains,
    /// `domain:example.com`: this domain, what is below it, and people with an address there.
    Domain(String),
    /// `name:Big Brew`: a business of exactly this name, whatever its case and punctuation.
    Name(String),
    /// `cid:123`: one business by its number in the map search.
    Cid(String),
    /// `linkedin:jane-doe`: one person by the public id of the profile, or its address.
    Linkedin(String),
    /// `email:jane@example.com`: one person by work address.
    Email(String),
    /// A plain word or phrase that occurs in the name or the category of a business.
    Phrase(String),
}

/// Why a text is no [`Exclusion`]. It does not repeat the text, which may be personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExclusionProblem {
    pub message: String,
    pub hint: String,
}

/// What is known of a business when it is decided whether to leave it out.
#[derive(Clone, Copy, Debug, Default)]
pub struct BusinessFacts<'a> {
    pub name: &'a str,
    /// Host name of the website.
    pub domain: Option<&'a str>,
    pub cid: Option<&'a str>,
    pub category: Option<&'a str>,
    /// How many of the businesses found so far have this name, this one included.
    pub same_name_count: u32,
    /// How many of the businesses found so far have this domain, this one included.
    pub same_domain_count: u32,
}

/// A set of exclusions, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct ExcludeList {
    chains: bool,
    domains: BTreeSet<String>,
    names: BTreeSet<String>,
    cids: BTreeSet<String>,
    linkedin: BTreeSet<String>,
    emails: BTreeSet<String>,
    phrases: BTreeSet<String>,
}

/// So many businesses with one name or domain are a chain.
const CHAIN_SIZE: u32 = 3;

/// Hosts on which many independent businesses have a page: sharing one says nothing.
const SHARED_HOSTS: [&str; 10] = [
    "facebook.com",
    "instagram.com",
    "linkedin.com",
    "linktr.ee",
    "google.com",
    "business.site",
    "yelp.com",
    "tripadvisor.com",
    "wixsite.com",
    "square.site",
];

/// Whether many independent businesses have a page on this host, so that it is nobody's own domain.
pub fn is_shared_host(domain: &str) -> bool {
    let domain = host(domain);
    SHARED_HOSTS.iter().any(|shared| is_within(&domain, shared))
}

impl ExcludeList {
    /// The reason to leave this business out, for its row in the store; `None` keeps it.
    pub fn excludes_business(&self, facts: &BusinessFacts<'_>) -> Option<String> {
        if let Some(cid) = facts.cid.filter(|cid| self.cids.contains(*cid)) {
            return Some(format!("excluded by `cid:{cid}`"));
        }
        if let Some(domain) = facts.domain.and_then(|domain| self.excluded_domain(domain)) {
            return Some(format!("excluded by `domain:{domain}`"));
        }
        let name = words(facts.name);
        if self.names.contains(name.trim()) {
            return Some(format!("excluded by `name:{}`", name.trim()));
        }
        let category = facts.category.map(words).unwrap_or_default();
        if let Some(phrase) = self.phrases.iter().find(|phrase| {
            let phrase = format!(" {phrase} ");
            name.contains(&phrase) || category.contains(&phrase)
        }) {
            return Some(format!("excluded by `{phrase}`"));
        }
        self.chain_reason(facts)
    }

    /// The reason to leave this person out, without personal data; `None` keeps them.
    pub fn excludes_person(&self, linkedin_public_id: Option<&str>, email: Option<&str>) -> Option<String> {
        if linkedin_public_id.is_some_and(|id| self.linkedin.contains(&canonical_public_id(id))) {
            return Some("the LinkedIn profile is excluded".into());
        }
        let email = email?.trim().to_lowercase();
        if self.emails.contains(&email) {
            return Some("the email address is excluded".into());
        }
        let domain = self.excluded_domain(email.rsplit_once('@')?.1)?;
        Some(format!("excluded by `domain:{domain}`"))
    }

    fn chain_reason(&self, facts: &BusinessFacts<'_>) -> Option<String> {
        let shared_host = facts.domain.is_some_and(is_shared_host);
        if !self.chains {
            None
        } else if facts.same_name_count >= CHAIN_SIZE {
            Some(format!("excluded by `chains`: {} businesses share the name", facts.same_name_count))
        } else if facts.domain.is_some() && !shared_host && facts.same_domain_count >= CHAIN_SIZE {
            Some(format!("excluded by `chains`: {} businesses share the domain", facts.same_domain_count))
        } else {
            None
        }
    }

    /// The excluded domain that is this one or above it.
    fn excluded_domain(&self, domain: &str) -> Option<&str> {
        let domain = host(domain);
        let mut rest = domain.as_str();
        loop {
            if let Some(found) = self.domains.get(rest) {
                return Some(found);
            }
            rest = rest.split_once('.')?.1;
        }
    }
}

impl Extend<Exclusion> for ExcludeList {
    fn extend<I: IntoIterator<Item = Exclusion>>(&mut self, exclusions: I) {
        for exclusion in exclusions {
            match exclusion {
                Exclusion::Chains => self.chains = true,
                Exclusion::Domain(domain) => _ = self.domains.insert(host(&domain)),
                Exclusion::Name(name) => _ = self.names.insert(words(&name).trim().into()),
                Exclusion::Cid(cid) => _ = self.cids.insert(cid),
                Exclusion::Linkedin(id) => _ = self.linkedin.insert(canonical_public_id(&id)),
                Exclusion::Email(email) => _ = self.emails.insert(email.to_lowercase()),
                Exclusion::Phrase(phrase) => _ = self.phrases.insert(words(&phrase).trim().into()),
            }
        }
    }
}

impl FromIterator<Exclusion> for ExcludeList {
    fn from_iter<I: IntoIterator<Item = Exclusion>>(exclusions: I) -> Self {
        let mut list = Self::default();
        list.extend(exclusions);
        list
    }
}

impl FromStr for Exclusion {
    type Err = ExclusionProblem;

    fn from_str(text: &str) -> Result<Self, ExclusionProblem> {
        let text = text.trim();
        let Some((kind, value)) = text.split_once(':') else {
            return match words(text).trim() {
                "chain" => Ok(Self::Chains),
                plain if plain.chars().count() < 2 => {
                    Err(problem("is too short to exclude by", "write a word of at least two letters"))
                }
                _ => Ok(Self::Phrase(text.into())),
            };
        };
        let value = value.trim();
        match kind.trim().to_lowercase().as_str() {
            "domain" => {
                let domain = host(value);
                let sound = domain.contains('.')
                    && domain.split('.').all(|label| !label.is_empty())
                    && domain.chars().all(|letter| letter.is_alphanumeric() || ".-".contains(letter));
                sound
                    .then_some(Self::Domain(domain))
                    .ok_or_else(|| problem("is not a domain", "write it like `domain:example.com`"))
            }
            "name" if words(value).trim().is_empty() => {
                Err(problem("has no name after `name:`", "write it like `name:Big Brew`"))
            }
            "name" => Ok(Self::Name(value.into())),
            "cid" if !value.is_empty() && value.len() <= 20 && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Self::Cid(value.into()))
            }
            "cid" => Err(problem("is not a cid", "write the number of the business, like `cid:1234567890`")),
            "linkedin" => linkedin_public_id(value).map(Self::Linkedin).ok_or_else(|| {
                problem(
                    "is not a LinkedIn profile",
                    "write the last part of the profile's address, like `linkedin:jane-doe`",
                )
            }),
            "email" => {
                let sound = value
                    .split_once('@')
                    .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.') && !domain.contains('@'))
                    && !value.contains(char::is_whitespace);
                sound
                    .then(|| Self::Email(value.to_lowercase()))
                    .ok_or_else(|| problem("is not an email address", "write it like `email:jane@example.com`"))
            }
            _ => Err(problem(
                "has an unknown kind before the colon",
                "use `domain:`, `name:`, `cid:`, `linkedin:` or `email:`, or a plain word without colon",
            )),
        }
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chains => formatter.write_str("chains"),
            Self::Domain(domain) => write!(formatter, "domain:{domain}"),
            Self::Name(name) => write!(formatter, "name:{name}"),
            Self::Cid(cid) => write!(formatter, "cid:{cid}"),
            Self::Linkedin(id) => write!(formatter, "linkedin:{id}"),
            Self::Email(email) => write!(formatter, "email:{email}"),
            Self::Phrase(phrase) => formatter.write_str(phrase),
        }
    }
}

impl TryFrom<String> for Exclusion {
    type Error = ExclusionProblem;

    fn try_from(text: String) -> Result<Self, ExclusionProblem> {
        text.parse()
    }
}

impl From<Exclusion> for String {
    fn from(exclusion: Exclusion) -> Self {
        exclusion.to_string()
    }
}

impl fmt::Display for ExclusionProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; hint: {}", self.message, self.hint)
    }
}

impl std::error::Error for ExclusionProblem {}

fn problem(message: &str, hint: &str) -> ExclusionProblem {
    ExclusionProblem { message: message.into(), hint: hint.into() }
}

/// The host of a web address or domain: small letters, without scheme, `www.`, port and path.
fn host(address: &str) -> String {
    let lower = address.trim().to_lowercase();
    let rest = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    host.strip_prefix("www.").unwrap_or(host).trim_end_matches('.').into()
}

fn is_within(domain: &str, parent: &str) -> bool {
    domain.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The public id in a profile's address, or the text itself when it looks like one.
fn linkedin_public_id(text: &str) -> Option<String> {
    let id = match text.split_once("/in/") {
        Some((_, rest)) => canonical_public_id(rest),
        None if text.contains('/') => return None,
        None => canonical_public_id(text),
    };
    let sound = !id.is_empty() && !id.contains(|letter: char| letter.is_whitespace() || ":@".contains(letter));
    sound.then_some(id)
}

/// The words of a text in small letters and singular, each between single spaces, so that a phrase is found by
/// searching for ` phrase `.
fn words(text: &str) -> String {
    let mut folded = String::from(" ");
    let lower = text.to_lowercase().replace(['\'', '’'], "");
    for word in lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let singular = word.strip_suffix('s').filter(|stem| stem.chars().count() > 2).unwrap_or(word);
        folded.push_str(singular);
        folded.push(' ');
    }
    folded
}

#[cfg(test)]
mod tests;
