//! The units of work of a lead search, and what they bring: what passes between the workflow and its activities.

use super::provider::Provider;
use serde::{Deserialize, Serialize};

/// How often a model has been asked already, and what was wrong with its last answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// 0 when it is asked for the first time.
    pub number: u32,
    /// Told to the model, so that it can mend its answer; empty in round 0. Without personal data.
    pub problem: String,
}

impl Round {
    pub(super) fn next(&self, problem: &str) -> Self {
        Self { number: self.number + 1, problem: problem.to_owned() }
    }
}

/// One unit of work: one activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Job {
    BusinessPersonas {
        round: Round,
    },
    /// `persona` counts from 0, here and below.
    DecisionMakers {
        persona: u32,
        round: Round,
    },
    MarketFacts {
        persona: u32,
        round: Round,
    },
    MarketInsight {
        persona: u32,
        round: Round,
    },
    /// Pages of one stream: one persona's industry in one place. Pages count from 1.
    Maps {
        persona: u32,
        place: u32,
        page: u32,
        pages: u32,
    },
    /// People of the businesses numbered `from` up to but not including `to`.
    People {
        from: u32,
        to: u32,
    },
    /// Work emails of the leads numbered `from` up to but not including `to`.
    Emails {
        from: u32,
        to: u32,
    },
    /// Reasons of the leads with these numbers.
    Reasons {
        leads: Vec<u32>,
        round: Round,
    },
}

impl Job {
    pub fn provider(&self) -> Provider {
        match self {
            Self::BusinessPersonas { .. } | Self::DecisionMakers { .. } | Self::Reasons { .. } => Provider::Openai,
            Self::MarketFacts { .. } | Self::MarketInsight { .. } => Provider::Gemini,
            Self::Maps { .. } | Self::People { .. } => Provider::Serper,
            Self::Emails { .. } => Provider::Hunter,
        }
    }

    /// One line for the web UI; numbers only, no personal data.
    pub fn summary(&self) -> String {
        let again = |round: &Round| match round.number {
            0 => String::new(),
            number => format!(", round {}", number + 1),
        };
        match self {
            Self::BusinessPersonas { round } => format!("business personas{}", again(round)),
            Self::DecisionMakers { persona, round } => {
                format!("decision makers of persona {}{}", persona + 1, again(round))
            }
            Self::MarketFacts { persona, round } => format!("market of persona {}{}", persona + 1, again(round)),
            Self::MarketInsight { persona, round } => format!("insight of persona {}{}", persona + 1, again(round)),
            Self::Maps { persona, place, page, pages } => {
                let pages =
                    if *pages == 1 { format!("page {page}") } else { format!("pages {page}-{}", page + pages - 1) };
                format!("map: persona {}, place {}, {pages}", persona + 1, place + 1)
            }
            Self::People { from, to } => format!("people of businesses {}-{to}", from + 1),
            Self::Emails { from, to } => format!("emails of leads {}-{to}", from + 1),
            Self::Reasons { leads, round } => match (leads.first(), leads.last()) {
                (Some(first), Some(last)) => format!("reasons of leads {}-{}{}", first + 1, last + 1, again(round)),
                _ => "reasons of no lead".into(),
            },
        }
    }
}

/// What a job brought. Counts are totals of the search, so that an outcome that comes twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// A persona or insight is stored.
    Stored,
    /// Map pages are stored.
    Mapped {
        /// Businesses numbered so far.
        businesses: u32,
        /// The page to go on with; `None` when the stream has ended.
        next_page: Option<u32>,
        gaps: u32,
    },
    /// People are stored.
    Peopled {
        /// Leads numbered so far.
        leads: u32,
        gaps: u32,
    },
    Emailed {
        gaps: u32,
        /// Numbered leads that turned out to be none: they asked not to be processed.
        quarantined: u32,
    },
    /// Reasons are stored.
    Reasoned {
        /// Leads with a reason so far.
        ready: u32,
    },
    /// The model's answer was no use.
    Bad { problem: String },
    /// The job is given up and listed as gaps; a persona has been replaced by what the brief says.
    GivenUp { gaps: u32, quarantined: u32 },
    /// The job could not be done now and waits for a person or a date.
    Held(Hold),
}

/// Why a search waits. Its tag differs from that of [`Outcome`], in whose object it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "hold", rename_all = "snake_case")]
pub enum Hold {
    /// A budget is used up; `starter budget raise` lifts it, and so does a new day for a daily one.
    OverBudget {
        /// Which one, in words: "search `0192…`", "the installation's day".
        budget: String,
        /// Real milliseconds until the budget starts anew; `None` when only a person can lift it.
        sleep_ms: Option<u64>,
    },
    /// The provider refuses to work for us: wrong key, no credit.
    Refused {
        provider: Provider,
        /// Stable snake_case name.
        problem: String,
    },
}

impl Hold {
    /// In words, without personal data.
    pub fn describe(&self) -> String {
        match self {
            Self::OverBudget { budget, .. } => {
                format!("the budget of {budget} is used up; raise it with `starter budget raise`")
            }
            Self::Refused { provider, problem } => {
                format!("{provider} refuses our calls (`{problem}`); mend it, then `starter search resume`")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_survive_the_history() {
        let outcomes = [
            Outcome::Stored,
            Outcome::Mapped { businesses: 3, next_page: Some(2), gaps: 0 },
            Outcome::Bad { problem: "cut".into() },
            Outcome::Held(Hold::OverBudget { budget: "search".into(), sleep_ms: None }),
            Outcome::Held(Hold::OverBudget { budget: "tenant/day".into(), sleep_ms: Some(5) }),
            Outcome::Held(Hold::Refused { provider: Provider::Serper, problem: "no_credit".into() }),
        ];
        for outcome in outcomes {
            let json = serde_json::to_string(&outcome).expect("an outcome is JSON");
            assert_eq!(serde_json::from_str::<Outcome>(&json).expect(&json), outcome);
        }
    }
}
