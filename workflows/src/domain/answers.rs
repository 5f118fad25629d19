//! What the models answer: the Rust types that their strict JSON schemas are derived from, and what a schema cannot say.
//!
//! OpenAI's strict subset has no length or range keywords that all models accept, so [`Checked::problem`] holds them.
//! A problem is told to the model in the next repair round.

use super::buyer_group::BuyerRole;
use super::people::words;
use super::replies::Tone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A model's answer that can be wrong although it fits its schema.
pub trait Checked {
    /// What was asked, as far as the check needs it.
    type Asked;

    /// The first thing wrong with the answer, in words that help the model to mend it.
    fn problem(&self, asked: &Self::Asked) -> Option<String>;
}

/// Answer to `business_personas`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessPersonas {
    /// Exactly as many as asked for, best first.
    pub personas: Vec<BusinessPersona>,
}

/// A kind of business worth selling to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessPersona {
    /// Short name of this kind of business, for example `Independent craft brewery`.
    pub title: String,
    /// 1 for the best fit, then 2, 3 and so on.
    pub rank: u32,
    /// Fit to what is sold, from 0 to 100.
    pub match_score: u32,
    pub demographics: BusinessDemographics,
    pub characteristics: Characteristics,
    pub behaviors: Behaviors,
    pub market_potential: MarketPotential,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BusinessDemographics {
    /// One of the industries that were asked for, word for word: it is what the map search looks for.
    pub industry: String,
    /// Typical number of employees, for example `5-30`.
    pub company_size: String,
    /// Where such businesses are found, within the places asked for.
    pub location: String,
    /// Typical age of the business in years; null when it does not matter.
    pub years_in_business: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Characteristics {
    /// What marks them out.
    pub traits: Vec<String>,
    /// Problems that the offer would solve for them.
    pub pains: Vec<String>,
    /// What they want to reach.
    pub goals: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Behaviors {
    /// Events after which they look for such an offer.
    pub buying_triggers: Vec<String>,
    /// Where they inform themselves.
    pub channels: Vec<String>,
    /// How a decision comes about.
    pub decision_process: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MarketPotential {
    /// How many of them there may be in the places asked for, in words.
    pub size: String,
    /// How readily they pay for such an offer.
    pub willingness_to_pay: String,
    /// How the group develops; null when unknown.
    pub growth: Option<String>,
}

/// What [`BusinessPersonas`] was asked for.
#[derive(Clone, Debug)]
pub struct AskedBusinessPersonas {
    pub count: usize,
    pub industries: Vec<String>,
}

/// Answer to `decision_maker_personas`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionMakerPersonas {
    /// Best first.
    pub personas: Vec<DecisionMakerPersona>,
}

/// A role to look for inside businesses of one business persona.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionMakerPersona {
    /// Job title as people write it on their profile, for example `Head Brewer`: it is what the people search looks for.
    pub title: String,
    /// 1 for the best contact, then 2, 3 and so on.
    pub rank: u32,
    /// Fit to what is sold, from 0 to 100.
    pub match_score: u32,
    pub demographics: PersonDemographics,
    pub characteristics: Characteristics,
    pub behaviors: Behaviors,
    pub market_potential: MarketPotential,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonDemographics {
    /// For example `Owner`, `C-level`, `Head`, `Manager`.
    pub seniority: String,
    pub department: String,
    /// Typical experience in years; null when it does not matter.
    pub experience: Option<String>,
}

/// What [`DecisionMakerPersonas`] was asked for.
#[derive(Clone, Debug)]
pub struct AskedDecisionMakers {
    /// Roles that the brief names; empty when the model proposes them.
    pub roles: Vec<String>,
    /// At most so many.
    pub at_most: usize,
}

/// Answer to `lead_reasons`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeadReasons {
    /// One for each lead asked about.
    pub reasons: Vec<LeadReason>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeadReason {
    /// The number that the lead had in the question.
    pub lead: u32,
    /// Why this person at this business is worth contacting: one or two sentences that name the business and the evidence.
    pub reason: String,
    /// One question or remark to open a conversation with; null when nothing specific is known.
    pub hook: Option<String>,
}

/// What [`LeadReasons`] was asked for.
#[derive(Clone, Debug)]
pub struct AskedReasons {
    /// Lead number and name of its business, which a reason has to name.
    pub leads: Vec<(u32, String)>,
}

/// Answer to `market_insight`: the structure of what a grounded answer said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MarketInsight {
    /// Size of the market in words, with figures where the facts have them.
    pub market_size: String,
    pub trends: Vec<String>,
    pub competitors: Vec<String>,
    /// Ideas to open a conversation with.
    pub hooks: Vec<String>,
}

/// Answer to `reply_label`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyLabel {
    pub kind: ReplyClass,
    pub tone: Tone,
    /// How sure you are of both, from 0 to 100.
    pub confidence: u32,
}

/// Who wrote a message, and whether it asks for no further contact.
// Without comments on the variants, or the schema is no plain list of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyClass {
    Human,
    OptOut,
    OutOfOffice,
    Automatic,
}

impl ReplyClass {
    pub const ALL: [Self; 4] = [Self::Human, Self::OptOut, Self::OutOfOffice, Self::Automatic];

    /// As the store writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::OptOut => "opt_out",
            Self::OutOfOffice => "out_of_office",
            Self::Automatic => "automatic",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// Answer to `buyer_group_roles`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuyerGroupRoles {
    /// One for each person asked about.
    pub members: Vec<MemberRole>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberRole {
    /// The number that the person had in the question.
    pub member: u32,
    pub role: BuyerRole,
    /// Whether the title leaves no doubt about it.
    pub is_certain: bool,
    /// Why, in one short sentence about the title.
    pub reason: String,
}

impl Checked for BuyerGroupRoles {
    /// Numbers of the people asked about.
    type Asked = Vec<u32>;

    fn problem(&self, asked: &Self::Asked) -> Option<String> {
        if let Some(member) =
            asked.iter().find(|number| self.members.iter().filter(|member| member.member == **number).count() != 1)
        {
            return Some(format!("member {member} must have exactly one role"));
        }
        self.members.iter().find_map(|MemberRole { member, reason, .. }| {
            if !asked.contains(member) {
                return Some(format!("member {member} was not asked about"));
            }
            let length = reason.trim().chars().count();
            (!(3..=200).contains(&length))
                .then(|| format!("the reason of member {member} must have 3 to 200 characters, not {length}"))
        })
    }
}

impl Checked for BusinessPersonas {
    type Asked = AskedBusinessPersonas;

    fn problem(&self, asked: &Self::Asked) -> Option<String> {
        if self.personas.len() != asked.count {
            return Some(format!("there must be exactly {} personas, not {}", asked.count, self.personas.len()));
        }
        self.personas.iter().zip(1..).find_map(|(persona, rank)| {
            let known = asked
                .industries
                .iter()
                .any(|industry| industry.eq_ignore_ascii_case(persona.demographics.industry.trim()));
            if !known {
                return Some(format!(
                    "demographics.industry of persona {rank} must be one of: {}",
                    asked.industries.join(", ")
                ));
            }
            ranked_problem(&persona.title, persona.rank, persona.match_score, rank)
        })
    }
}

impl Checked for DecisionMakerPersonas {
    type Asked = AskedDecisionMakers;

    fn problem(&self, asked: &Self::Asked) -> Option<String> {
        if self.personas.is_empty() || self.personas.len() > asked.at_most {
            return Some(format!("there must be 1 to {} personas, not {}", asked.at_most, self.personas.len()));
        }
        let stray = self.personas.iter().find(|persona| {
            !asked.roles.is_empty() && !asked.roles.iter().any(|role| role.eq_ignore_ascii_case(persona.title.trim()))
        });
        if stray.is_some() || (!asked.roles.is_empty() && self.personas.len() != asked.roles.len()) {
            return Some(format!("the titles must be exactly these, each once: {}", asked.roles.join(", ")));
        }
        self.personas
            .iter()
            .zip(1..)
            .find_map(|(persona, rank)| ranked_problem(&persona.title, persona.rank, persona.match_score, rank))
    }
}

impl Checked for LeadReasons {
    type Asked = AskedReasons;

    fn problem(&self, asked: &Self::Asked) -> Option<String> {
        if let Some((lead, _)) =
            asked.leads.iter().find(|(lead, _)| self.reasons.iter().filter(|reason| reason.lead == *lead).count() != 1)
        {
            return Some(format!("lead {lead} must have exactly one reason"));
        }
        self.reasons.iter().find_map(|reason| {
            let Some((_, business)) = asked.leads.iter().find(|(lead, _)| *lead == reason.lead) else {
                return Some(format!("lead {} was not asked about", reason.lead));
            };
            let length = reason.reason.chars().count();
            if !(20..=600).contains(&length) {
                return Some(format!(
                    "the reason of lead {} must have 20 to 600 characters, not {length}",
                    reason.lead
                ));
            }
            // Word for word, but not to the letter: models write other apostrophes and dashes than the map does.
            let (text, name) = (words(&reason.reason), words(business));
            let named = name.is_empty() || text.windows(name.len()).any(|window| window == name.as_slice());
            (!named).then(|| format!("the reason of lead {} must name its business as written", reason.lead))
        })
    }
}

impl Checked for MarketInsight {
    type Asked = ();

    fn problem(&self, (): &Self::Asked) -> Option<String> {
        (self.market_size.trim().is_empty() || self.trends.is_empty())
            .then(|| "market_size and trends must not be empty".into())
    }
}

impl Checked for ReplyLabel {
    type Asked = ();

    fn problem(&self, (): &Self::Asked) -> Option<String> {
        (self.confidence > 100).then(|| format!("confidence must be 0 to 100, not {}", self.confidence))
    }
}

fn ranked_problem(title: &str, rank: u32, match_score: u32, expected_rank: u32) -> Option<String> {
    let length = title.trim().chars().count();
    if !(2..=80).contains(&length) {
        return Some(format!("the title of persona {expected_rank} must have 2 to 80 characters"));
    }
    if rank != expected_rank {
        return Some(format!("ranks must be 1, 2, 3 and so on; persona {expected_rank} has {rank}"));
    }
    (match_score > 100).then(|| format!("match_score of persona {expected_rank} must be 0 to 100, not {match_score}"))
}
