//! What texts may speak of.

use crate::store::leads::Lead;
use leadflow_workflows::domain::brief::Place;
use serde::{Deserialize, Serialize};

/// The values of all tokens for one lead, one sender and one campaign. What is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    pub lead: LeadTokens,
    pub business: BusinessTokens,
    pub sender: SenderTokens,
    pub campaign: CampaignTokens,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeadTokens {
    pub first_name: String,
    pub last_name: String,
    pub role: String,
    pub hook: String,
    pub reason: String,
    pub linkedin_url: String,
    pub email: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BusinessTokens {
    pub name: String,
    pub city: String,
    pub region: String,
    /// The English name.
    pub country: String,
    pub category: String,
    pub website: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SenderTokens {
    pub name: String,
    /// Of a mailbox.
    pub address: String,
    /// Whether a free LinkedIn account sends, whose notes are shorter; no token.
    #[serde(skip)]
    pub is_free: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CampaignTokens {
    pub name: String,
}

/// A token's name, and where its value is.
pub(super) type Token = (&'static str, fn(&Tokens) -> &str);

pub(super) static ALL: [Token; 16] = [
    ("lead.first_name", |tokens| &tokens.lead.first_name),
    ("lead.last_name", |tokens| &tokens.lead.last_name),
    ("lead.role", |tokens| &tokens.lead.role),
    ("lead.hook", |tokens| &tokens.lead.hook),
    ("lead.reason", |tokens| &tokens.lead.reason),
    ("lead.linkedin_url", |tokens| &tokens.lead.linkedin_url),
    ("lead.email", |tokens| &tokens.lead.email),
    ("business.name", |tokens| &tokens.business.name),
    ("business.city", |tokens| &tokens.business.city),
    ("business.region", |tokens| &tokens.business.region),
    ("business.country", |tokens| &tokens.business.country),
    ("business.category", |tokens| &tokens.business.category),
    ("business.website", |tokens| &tokens.business.website),
    ("sender.name", |tokens| &tokens.sender.name),
    ("sender.address", |tokens| &tokens.sender.address),
    ("campaign.name", |tokens| &tokens.campaign.name),
];

impl Tokens {
    pub fn of(lead: &Lead, sender_name: &str, campaign_name: &str) -> Self {
        let known = |value: &Option<String>| value.clone().unwrap_or_default();
        let country = Place::new(&lead.country).country_name().map_or_else(|| lead.country.clone(), str::to_owned);
        Self {
            lead: LeadTokens {
                first_name: lead.first_name.clone(),
                last_name: lead.last_name.clone(),
                role: lead.role.clone(),
                hook: known(&lead.hook),
                reason: known(&lead.reason),
                linkedin_url: lead.evidence.profile_url.clone(),
                email: known(&lead.email),
            },
            business: BusinessTokens {
                name: lead.business.clone(),
                city: lead.city.clone(),
                region: lead.region.clone(),
                country,
                category: lead.category.clone(),
                website: known(&lead.website),
            },
            sender: SenderTokens { name: sender_name.to_owned(), ..SenderTokens::default() },
            campaign: CampaignTokens { name: campaign_name.to_owned() },
        }
    }
}
