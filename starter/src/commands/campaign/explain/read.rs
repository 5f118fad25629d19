//! Reads what is known of a lead in outreach.

use super::super::start::{answered, suppressed};
use super::super::turn::{NotEnrolled, TurnFacts, kept_out, not_begun};
use super::{CameBack, EnrollmentFacts, ExplainFacts};
use crate::failure::Failure;
use leadflow_activities::store::Store;
use leadflow_activities::store::campaigns::Campaign;
use leadflow_activities::store::leads::{Lead, SearchKey};
use leadflow_activities::store::replies::Reply;
use leadflow_workflows::domain::outreach::Channel;
use std::collections::{BTreeMap, BTreeSet};

impl ExplainFacts {
    pub(super) async fn read(store: &Store, tenant: &str, lead: &Lead, now_ms: i64) -> Result<Self, Failure> {
        let suppression = store.suppression_of(tenant, &lead.person_id).await?;
        let campaigns = store.campaigns(tenant).await?;
        let mut enrollments = Vec::new();
        for enrollment in store.enrollments_of_person(tenant, &lead.person_id).await? {
            let campaign = campaigns.iter().find(|campaign| campaign.id == enrollment.campaign_id);
            let sequence = store.sequence(tenant, &enrollment.sequence_id).await?;
            let mut accounts = Vec::new();
            for id in [&enrollment.linkedin_account_id, &enrollment.email_account_id].into_iter().flatten() {
                accounts.extend(store.account(tenant, id).await?);
            }
            enrollments.push(EnrollmentFacts {
                campaign: campaign.map_or_else(String::new, |campaign| campaign.name.clone()),
                campaign_state: campaign.map_or_else(String::new, |campaign| campaign.state.clone()),
                sequence: sequence.map_or_else(String::new, |stored| format!("{}@{}", stored.name, stored.version)),
                accounts,
                touches: store.touches(tenant, &enrollment.id).await?,
                transitions: store.transitions(tenant, &enrollment.id).await?,
                enrollment,
            });
        }
        let replies = store.replies(tenant, &lead.person_id).await?;
        let enrolled =
            |campaign: &&Campaign| !enrollments.iter().any(|facts| facts.enrollment.campaign_id == campaign.id);
        let mut not_enrolled = Vec::new();
        for campaign in campaigns.iter().filter(|campaign| campaign.search_id == lead.search_id).filter(enrolled) {
            let why = not_in(store, campaign, lead, suppression.as_ref().map(|entry| entry.reason.as_str())).await?;
            not_enrolled.push((campaign.name.clone(), why));
        }
        if enrollments.is_empty() && not_enrolled.is_empty() {
            not_enrolled.push((String::new(), NotEnrolled::NoCampaign));
        }
        Ok(Self {
            now_ms,
            suppressed: suppression.map(|entry| entry.reason),
            replies: replies.into_iter().map(came_back).collect(),
            enrollments,
            not_enrolled,
        })
    }
}

fn came_back(Reply { kind, at_ms, label, not_read, .. }: Reply) -> CameBack {
    CameBack { kind, at_ms, label, not_read }
}

/// Why a lead is not in one campaign.
async fn not_in(
    store: &Store,
    campaign: &Campaign,
    lead: &Lead,
    suppressed_by: Option<&str>,
) -> Result<NotEnrolled, Failure> {
    let tenant = campaign.tenant.as_str();
    let gone = || Failure::Failed(format!("the sequence of campaign {} is not in the store", campaign.name));
    let stored = store.sequence(tenant, &campaign.sequence_id).await?.ok_or_else(gone)?;
    let mut channels: BTreeSet<Channel> = BTreeSet::new();
    for account in &campaign.accounts {
        channels.extend(store.account(tenant, account).await?.map(|account| account.channel));
    }
    let others: BTreeMap<String, String> =
        store.people_in_campaigns(tenant, campaign.settings.allow_parallel).await?.into_iter().collect();
    let company_since_ms = if campaign.settings.stop_company { campaign.created_at_ms } else { i64::MAX };
    let answered = answered(store, tenant, &campaign.search_id, company_since_ms).await?;
    let kept_out = |lead: &Lead, suppressed: Option<&str>| {
        kept_out(&TurnFacts {
            lead,
            sequence: &stored.sequence,
            settings: &campaign.settings,
            channels: &channels,
            suppressed,
            answered: answered.get(&lead.person_id),
            other_campaign: others.get(&lead.person_id).map(String::as_str),
        })
    };
    if let Some(why) = kept_out(lead, suppressed_by) {
        return Ok(why);
    }
    let enrolled: BTreeSet<String> =
        store.enrollments_of_campaign(tenant, &campaign.id).await?.into_iter().map(|one| one.person_id).collect();
    let mut better = store.ready_leads(SearchKey { tenant, id: &campaign.search_id }).await?;
    better.truncate(better.iter().position(|other| other.id == lead.id).unwrap_or(better.len()));
    better.retain(|other| !enrolled.contains(&other.person_id));
    let suppressed = suppressed(store, tenant, &better).await?;
    let waits = |other: &&Lead| kept_out(other, suppressed.get(&other.person_id).map(String::as_str)).is_none();
    let begun = store.leads_begun(campaign).await? as usize;
    Ok(not_begun(campaign, better.iter().filter(waits).count(), begun))
}
