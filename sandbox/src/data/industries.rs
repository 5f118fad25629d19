//! What is typical of an industry: its roles, segments, pains and goals.

use std::sync::LazyLock;

use serde::Deserialize;

use super::stems;

/// One kind of business.
#[derive(Debug, Deserialize)]
pub(crate) struct Industry {
    /// Stems, one of which is in the industry's name; empty for the one that fits all.
    pub(crate) words: Vec<String>,
    /// Of the first persona; empty when it is built from the industry's name.
    pub(crate) title: String,
    pub(crate) company_size: String,
    pub(crate) years_in_business: Option<String>,
    pub(crate) roles: Vec<Role>,
    pub(crate) traits: Vec<String>,
    pub(crate) pains: Vec<String>,
    pub(crate) goals: Vec<String>,
    pub(crate) triggers: Vec<String>,
    pub(crate) channels: Vec<String>,
    pub(crate) decision: String,
    pub(crate) trends: Vec<String>,
    pub(crate) growth: Option<String>,
}

/// A role that decides something there.
#[derive(Debug, Deserialize)]
#[serde(from = "(String, String, String)")]
pub(crate) struct Role {
    pub(crate) title: String,
    pub(crate) seniority: String,
    pub(crate) department: String,
}

impl From<(String, String, String)> for Role {
    fn from((title, seniority, department): (String, String, String)) -> Self {
        Self { title, seniority, department }
    }
}

static INDUSTRIES: LazyLock<Vec<Industry>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("industries.json")).expect("the embedded table fits its type, as a test shows")
});

/// The industry that a map category, a listed company's industry or a user's word means.
pub(crate) fn industry(name: &str) -> &'static Industry {
    let stems = stems(name);
    INDUSTRIES
        .iter()
        .find(|industry| industry.words.is_empty() || industry.words.iter().any(|word| stems.contains(word)))
        .expect("the last industry of the table fits all")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete() {
        assert!(INDUSTRIES.last().expect("not empty").words.is_empty());
        for industry in INDUSTRIES.iter() {
            assert!(industry.roles.len() >= 5, "{}", industry.title);
            for texts in [
                &industry.traits,
                &industry.pains,
                &industry.goals,
                &industry.triggers,
                &industry.channels,
                &industry.trends,
            ] {
                assert!(texts.len() >= 2, "{}", industry.title);
            }
        }
    }

    #[test]
    fn industries_are_found_by_any_form_of_their_name() {
        assert_eq!(industry("Breweries").title, "Independent craft brewery");
        assert_eq!(industry("brewpub").title, "Neighbourhood brewpub with a kitchen");
        assert_eq!(industry("Critical access hospital").title, "Community hospital");
        assert_eq!(industry("beekeeping").title, "");
    }
}
