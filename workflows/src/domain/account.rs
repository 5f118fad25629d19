//! What a person sets for a sender account and for a campaign.

use super::outreach::Channel;
use super::permits::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How an account works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountSettings {
    /// IANA name.
    pub time_zone: String,
    /// ISO 3166-1 alpha-2, in capitals: whose public holidays it keeps.
    pub country: String,
    pub hours: Hours,
    pub limits: Limits,
    /// Whether the LinkedIn account is a free one.
    pub is_free: bool,
    /// Name in the From of an email.
    pub from_name: Option<String>,
}

/// Working hours by the wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hours {
    /// 1 is Monday, 7 is Sunday.
    pub days: BTreeSet<u8>,
    /// Minutes after midnight.
    pub from_minute: u16,
    /// Minutes after midnight, after `from_minute`, at most 1,440.
    pub to_minute: u16,
}

/// How a campaign works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignSettings {
    /// When leads may be contacted, by their own wall clock.
    pub lead_hours: Hours,
    /// Whether the public holidays of sender and lead are kept.
    pub keep_holidays: bool,
    /// Whether a reply ends the other enrollments at the same business, too.
    pub stop_company: bool,
    /// Whether its leads may be in other campaigns at the same time.
    pub allow_parallel: bool,
    /// Most leads that one account begins with in a day; its limits hold besides.
    pub starts_per_day: Option<u32>,
    /// Only leads with this score or more; leads without score count as 0.
    pub minimum_score: u32,
    /// Most leads in all.
    pub leads: Option<u32>,
    /// In every email.
    pub postal_address: Option<String>,
    /// Where the data came from, in every first message by email.
    pub source_notice: Option<String>,
    /// Channels that are closed or opened for a country, over the built-in policy.
    pub policy: BTreeMap<String, BTreeMap<Channel, bool>>,
}

impl Hours {
    /// Monday to Friday, nine to five.
    pub fn office() -> Self {
        Self { days: (1..=5).collect(), from_minute: 9 * 60, to_minute: 17 * 60 }
    }
}
