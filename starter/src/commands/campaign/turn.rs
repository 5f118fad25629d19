//! Whether a lead may enter a campaign, and if not, why not: one rule for what is shown before a campaign starts and for
//! what explains a lead later.

use leadflow_activities::store::campaigns::Campaign;
use leadflow_activities::store::leads::Lead;
use leadflow_workflows::domain::account::CampaignSettings;
use leadflow_workflows::domain::outreach::{Channel, EnrollmentState};
use leadflow_workflows::domain::policy;
use leadflow_workflows::domain::sequence::Sequence;
use leadflow_workflows::domain::walk::{Facts, Next, walk};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// Why a lead is not in a campaign. Its text fits behind "not enrolled: ".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum NotEnrolled {
    NotReady {
        state: String,
        problem: Option<String>,
    },
    Suppressed {
        why: String,
    },
    /// The person is in a conversation with the user.
    Replied,
    /// The campaign leaves a company alone that has replied.
    CompanyReplied,
    ScoreTooLow {
        score: u32,
        minimum: u32,
    },
    OtherCampaign {
        name: String,
    },
    Policy {
        why: String,
    },
    NoProfile,
    NoEmail,
    CampaignPaused,
    CampaignEnded {
        state: String,
    },
    /// The campaign takes no more leads.
    Full {
        leads: u32,
    },
    /// Its turn comes when those before it have begun.
    Waiting {
        before: usize,
    },
    /// No campaign takes leads from this search.
    NoCampaign,
}

/// What the rule goes by.
pub(super) struct TurnFacts<'a> {
    pub(super) lead: &'a Lead,
    pub(super) sequence: &'a Sequence,
    pub(super) settings: &'a CampaignSettings,
    /// Of the campaign's accounts.
    pub(super) channels: &'a BTreeSet<Channel>,
    /// Why nobody may contact the person.
    pub(super) suppressed: Option<&'a str>,
    /// Whether the person, or somebody at their company, has replied.
    pub(super) answered: Option<&'a NotEnrolled>,
    /// The other campaign that has the person to itself.
    pub(super) other_campaign: Option<&'a str>,
}

/// What keeps a lead out for reasons of its own; `None` when it may take part.
pub(super) fn kept_out(facts: &TurnFacts<'_>) -> Option<NotEnrolled> {
    let TurnFacts { lead, settings, .. } = facts;
    if lead.state != "ready" {
        return Some(NotEnrolled::NotReady { state: lead.state.clone(), problem: lead.problem.clone() });
    }
    if let Some(why) = facts.suppressed {
        return Some(NotEnrolled::Suppressed { why: why.to_owned() });
    }
    if let Some(why) = facts.answered {
        return Some(why.clone());
    }
    let score = lead.score.unwrap_or(0);
    if score < settings.minimum_score {
        return Some(NotEnrolled::ScoreTooLow { score, minimum: settings.minimum_score });
    }
    if let Some(name) = facts.other_campaign {
        return Some(NotEnrolled::OtherCampaign { name: name.to_owned() });
    }
    unreachable_at_once(facts)
}

/// Whether the sequence would end without a single contact.
fn unreachable_at_once(facts: &TurnFacts<'_>) -> Option<NotEnrolled> {
    let TurnFacts { lead, channels, .. } = facts;
    let closed = |channel| policy::is_open(&lead.country, channel, &facts.settings.policy).err();
    let (linkedin_closed, email_closed) = (closed(Channel::Linkedin), closed(Channel::Email));
    let known = Facts {
        has_profile: has_profile(lead) && channels.contains(&Channel::Linkedin) && linkedin_closed.is_none(),
        has_email: lead.email.is_some() && channels.contains(&Channel::Email) && email_closed.is_none(),
        ..Facts::default()
    };
    let Next::End { state: EnrollmentState::Failed, cause } = walk(facts.sequence, &known).next else { return None };
    let (closed, missing, has_address) = if cause == "no_email_address" {
        (email_closed, NotEnrolled::NoEmail, lead.email.is_some())
    } else {
        (linkedin_closed, NotEnrolled::NoProfile, has_profile(lead))
    };
    Some(match closed {
        Some(block) if has_address => NotEnrolled::Policy { why: block.reason },
        _ => missing,
    })
}

fn has_profile(lead: &Lead) -> bool {
    !lead.linkedin_public_id.is_empty()
}

/// Why a lead that may take part has not begun: `before` leads come first, `begun` have.
pub(super) fn not_begun(campaign: &Campaign, before: usize, begun: usize) -> NotEnrolled {
    let full = campaign.settings.leads.filter(|leads| begun + before >= *leads as usize);
    match (campaign.state.as_str(), full) {
        ("paused", _) => NotEnrolled::CampaignPaused,
        ("stopped" | "completed", _) => NotEnrolled::CampaignEnded { state: campaign.state.clone() },
        (_, Some(leads)) => NotEnrolled::Full { leads },
        _ => NotEnrolled::Waiting { before },
    }
}

impl fmt::Display for NotEnrolled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady { state, problem } => {
                let problem = problem.as_deref().map_or(String::new(), |problem| format!(" ({problem})"));
                write!(formatter, "the lead is not ready, but {}{problem}", state.replace('_', " "))
            }
            Self::Suppressed { why } => write!(formatter, "suppressed: {why}"),
            Self::Replied => formatter.write_str("the person has replied before: write by hand"),
            Self::CompanyReplied => formatter.write_str("someone at the same company has replied"),
            Self::ScoreTooLow { score, minimum } => write!(formatter, "its score of {score} is below {minimum}"),
            Self::OtherCampaign { name } => write!(formatter, "the person is in campaign {name}"),
            Self::Policy { why } => formatter.write_str(why),
            Self::NoProfile => formatter.write_str("no LinkedIn profile is known"),
            Self::NoEmail => formatter.write_str("no email address is known"),
            Self::CampaignPaused => formatter.write_str("the campaign is paused"),
            Self::CampaignEnded { state } => write!(formatter, "the campaign is {state}"),
            Self::Full { leads } => write!(formatter, "the campaign takes {leads} leads, and others come first"),
            Self::Waiting { before: 0 } => formatter.write_str("it is next in its turn"),
            Self::Waiting { before } => {
                write!(formatter, "it waits for its turn; {before} with a better score come first")
            }
            Self::NoCampaign => formatter.write_str("no campaign takes leads of this search"),
        }
    }
}
