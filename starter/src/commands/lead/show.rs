//! `starter lead show`.

use super::super::{instant, print, print_json};
use super::{LeadArg, find};
use crate::failure::Failure;
use crate::output::{SANDBOX_NOTICE, SANDBOX_SOURCE, printable, terminal_width, wrapped};
use crate::site::{GlobalArgs, Site};
use leadflow_activities::store::Store;
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_activities::store::leads::Lead;
use leadflow_activities::store::suppressions::Suppression;
use leadflow_workflows::domain::people::profile_url;
use schemars::JsonSchema;
use serde::Serialize;

/// What is known of a lead's person.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LeadReport")]
pub(crate) struct Shown {
    lead: Lead,
    /// Every address that is known as the person's.
    emails: Vec<String>,
    suppression: Option<Suppression>,
    lists: Vec<InList>,
    enrollments: Vec<InCampaign>,
}

/// A search or imported list in which the person is.
#[derive(Serialize, JsonSchema)]
struct InList {
    lead_id: String,
    search: String,
    state: String,
}

#[derive(Serialize, JsonSchema)]
struct InCampaign {
    campaign: String,
    #[serde(flatten)]
    enrollment: Enrollment,
}

pub(super) async fn run(args: &LeadArg, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let lead = find(&site, &store, &args.lead).await?;
    let shown = Shown::read(&store, site.tenant(), lead).await?;
    if global.json { print_json(&shown) } else { print(&text(&shown, terminal_width())) }
}

impl Shown {
    pub(crate) async fn read(store: &Store, tenant: &str, lead: Lead) -> Result<Self, Failure> {
        let mut lists = Vec::new();
        for other in store.leads_of_person(tenant, &lead.person_id).await? {
            let search = store.search(tenant, &other.search_id).await?.map(|search| search.name);
            lists.push(InList { lead_id: other.id, search: search.unwrap_or(other.search_id), state: other.state });
        }
        let mut enrollments = Vec::new();
        for enrollment in store.enrollments_of_person(tenant, &lead.person_id).await? {
            let campaign = store.campaign(tenant, &enrollment.campaign_id).await?.map(|campaign| campaign.name);
            enrollments
                .push(InCampaign { campaign: campaign.unwrap_or_else(|| enrollment.campaign_id.clone()), enrollment });
        }
        let emails = store.emails_of(tenant, &lead.person_id).await?;
        let suppression = store.suppression_of(tenant, &lead.person_id).await?;
        Ok(Self { lead, emails, suppression, lists, enrollments })
    }
}

fn text(shown: &Shown, width: u16) -> String {
    let Shown { lead, emails, suppression, lists, enrollments } = shown;
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        text.push_str(&wrapped(&format!("{label:<14}"), &printable(value), width));
    };
    let joined = |parts: &[&str]| parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(", ");
    line("lead", &lead.id);
    let name = format!("{} {}", lead.first_name, lead.last_name);
    let name = if name.trim().is_empty() { "a person whose data are erased" } else { name.trim() };
    line("person", &joined(&[name, &lead.role]));
    let country = lead.country.to_uppercase();
    line("business", &joined(&[&lead.business, &lead.city, &lead.region, &country]));
    if let Some(website) = &lead.website {
        line("website", website);
    }
    if !lead.linkedin_public_id.is_empty() {
        line("LinkedIn", &profile_url(&lead.linkedin_public_id));
    }
    for email in emails {
        line("email", email);
    }
    if let Some(timezone) = &lead.timezone {
        line("time zone", timezone);
    }
    if let Some(Suppression { kind, reason, created_at_ms, .. }) = suppression {
        line("suppressed", &format!("by {} since {}: {reason}", kind.name(), instant(*created_at_ms)));
    }
    for (label, value) in [("reason", &lead.reason), ("hook", &lead.hook)] {
        if let Some(value) = value {
            line(label, value);
        }
    }
    for list in lists {
        line("in list", &format!("{}: {} ({})", list.search, list.state.replace('_', " "), list.lead_id));
    }
    if enrollments.is_empty() {
        line("campaigns", "none so far");
    }
    for InCampaign { campaign, enrollment } in enrollments {
        let state = enrollment.state.name().replace('_', " ");
        let held = enrollment.paused.as_ref().map_or(String::new(), |cause| format!(", paused: {cause}"));
        let since = instant(enrollment.state_at_ms);
        line("campaign", &format!("{campaign}: {state} since {since} ({}){held}", enrollment.cause));
    }
    line("source", if lead.source == SANDBOX_SOURCE { SANDBOX_NOTICE } else { &lead.source });
    text
}

#[cfg(test)]
mod tests {
    use super::super::explain::tests::lead;
    use super::*;
    use leadflow_workflows::domain::outreach::EnrollmentState;
    use leadflow_workflows::domain::suppression::{SuppressionKind, SuppressionOrigin};
    use std::collections::BTreeMap;

    #[test]
    fn everything_about_a_person_is_told() {
        let enrollment = Enrollment {
            id: "0192f0c1-0000-7000-8000-00000000003a".into(),
            tenant: "default".into(),
            campaign_id: "c".into(),
            lead_id: lead().id,
            person_id: "p".into(),
            sequence_id: "s".into(),
            linkedin_account_id: None,
            email_account_id: None,
            state: EnrollmentState::OptedOut,
            cause: "asked for it by email".into(),
            state_at_ms: 1_773_480_413_000,
            is_open: false,
            paused: None,
            decisions: BTreeMap::new(),
            started_at_ms: 0,
            advice: None,
            wakes_at_ms: 0,
            workflow_started_at_ms: None,
            ended_at_ms: Some(1_773_480_413_000),
        };
        let shown = Shown {
            lead: Lead { timezone: Some("America/Los_Angeles".into()), ..lead() },
            emails: vec!["mara@lowen.example".into(), "mara.o@home.example".into()],
            suppression: Some(Suppression {
                kind: SuppressionKind::Email,
                value: "mara@lowen.example".into(),
                reason: "asked for it by email".into(),
                origin: SuppressionOrigin::OptOut,
                created_at_ms: 1_773_480_413_000,
            }),
            lists: vec![InList { lead_id: lead().id, search: "brewery-crm".into(), state: "ready".into() }],
            enrollments: vec![InCampaign { campaign: "brewery-intro".into(), enrollment }],
        };
        insta::assert_snapshot!(text(&shown, 100));
    }
}
