//! Whom not to contact: a person by LinkedIn profile or email address, or everybody at a domain.

use super::exclude::{Exclusion, ExclusionProblem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionKind {
    /// By public id.
    Linkedin,
    Email,
    /// And every domain below it.
    Domain,
}

/// What is suppressed, in the one form in which it is stored and compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SuppressionTarget {
    pub kind: SuppressionKind,
    /// In lower case: a public id, an address, or a host without `www.`.
    pub value: String,
}

/// What vouches for a suppression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionOrigin {
    /// A user added it.
    Person,
    Import,
    OptOut,
    Bounce,
    Complaint,
    Provider,
}

impl SuppressionKind {
    const ALL: [Self; 3] = [Self::Linkedin, Self::Email, Self::Domain];

    pub fn name(self) -> &'static str {
        match self {
            Self::Linkedin => "linkedin",
            Self::Email => "email",
            Self::Domain => "domain",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl SuppressionOrigin {
    const ALL: [Self; 6] = [Self::Person, Self::Import, Self::OptOut, Self::Bounce, Self::Complaint, Self::Provider];

    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Import => "import",
            Self::OptOut => "opt_out",
            Self::Bounce => "bounce",
            Self::Complaint => "complaint",
            Self::Provider => "provider",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.name() == name)
    }
}

/// Reads what a user writes: `KIND:VALUE`, or a value whose kind shows. An address has an `@`, a profile is a URL with
/// `/in/` or a text without dot, anything else is a domain.
impl FromStr for SuppressionTarget {
    type Err = ExclusionProblem;

    fn from_str(text: &str) -> Result<Self, ExclusionProblem> {
        let text = text.trim();
        let named = text.split_once(':').and_then(|(kind, _)| SuppressionKind::named(kind.trim()));
        let labelled = match named {
            Some(_) => text.to_owned(),
            None if text.contains('@') => format!("email:{}", text.trim_start_matches("mailto:")),
            None if text.contains("/in/") || !text.contains('.') => format!("linkedin:{text}"),
            None => format!("domain:{text}"),
        };
        let (kind, value) = match labelled.parse::<Exclusion>()? {
            Exclusion::Linkedin(id) => (SuppressionKind::Linkedin, id),
            Exclusion::Email(address) => (SuppressionKind::Email, address),
            Exclusion::Domain(domain) => (SuppressionKind::Domain, domain),
            Exclusion::Chains | Exclusion::Name(_) | Exclusion::Cid(_) | Exclusion::Phrase(_) => {
                unreachable!("the text begins with one of the three kinds")
            }
        };
        Ok(Self { kind, value })
    }
}

impl fmt::Display for SuppressionTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.kind.name(), self.value)
    }
}

/// A domain and those above it: whoever suppresses one of these means it, too.
pub fn domain_and_parents(domain: &str) -> Vec<&str> {
    let mut domains = Vec::new();
    let mut rest = domain;
    while let Some((_, parent)) = rest.split_once('.') {
        domains.push(rest);
        rest = parent;
    }
    domains
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_value_shows() {
        for (text, expected) in [
            ("Mara@Lowen.Example", "email:mara@lowen.example"),
            ("mailto:mara@lowen.example", "email:mara@lowen.example"),
            ("https://www.linkedin.com/in/Mara-O/?x=1", "linkedin:mara-o"),
            ("https://www.linkedin.com/in/jos%C3%A9-x/", "linkedin:josé-x"),
            ("sim-mara", "linkedin:sim-mara"),
            ("https://www.Lowen.example/about", "domain:lowen.example"),
            ("mail.lowen.example", "domain:mail.lowen.example"),
            ("linkedin:mara.o", "linkedin:mara.o"),
            (" domain:lowen.example ", "domain:lowen.example"),
        ] {
            let target: SuppressionTarget = text.parse().unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!(target.to_string(), expected, "{text}");
        }
        for text in ["", "a b", "mara@", "@lowen.example", "..", "domain:lowen", "email:mara"] {
            assert!(text.parse::<SuppressionTarget>().is_err(), "{text} was taken");
        }
    }

    #[test]
    fn a_domain_is_below_its_parents() {
        assert_eq!(domain_and_parents("a.b.example"), ["a.b.example", "b.example"]);
        assert_eq!(domain_and_parents("localhost"), [""; 0]);
    }
}
