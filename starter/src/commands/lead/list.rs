//! `starter lead list`.

use super::super::{columns, print_list, tell};
use crate::failure::Failure;
use crate::output::{SANDBOX_NOTICE, SANDBOX_SOURCE, printable, terminal_width};
use crate::site::{GlobalArgs, Site};
use clap::Args;
use leadflow_activities::store::leads::{LeadFilter, ListedLead};

/// More are found by narrowing the list down.
const LISTED: u32 = 1_000;

/// List leads over all searches, imported lists and campaigns, the newest list first
///
/// Example: starter lead list --campaign brewery-intro --state replied
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only those of a search or imported list: id or its beginning, name, or `last`
    #[arg(long, value_name = "ID")]
    search: Option<String>,
    /// Only those that a campaign has taken: id or its beginning, name, or `last`
    #[arg(long, value_name = "ID")]
    campaign: Option<String>,
    /// Only those in a state, of the lead or of its outreach
    #[arg(long, value_parser = [
        "found", "ready", "spare", "left_out", "quarantined", "scheduled", "invite_sent", "connected", "messaged", "paused",
        "completed", "replied", "declined", "opted_out", "bounced", "failed", "stopped",
    ])]
    state: Option<String>,
}

pub(super) async fn run(args: &ListArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let search = match &args.search {
        Some(word) => Some(site.search(&store, word).await?),
        None => None,
    };
    let campaign = match &args.campaign {
        Some(word) => Some(super::super::campaign::find(&site, &store, word).await?),
        None => None,
    };
    let filter = LeadFilter {
        search_id: search.as_ref().map(|search| search.id.as_str()),
        campaign_id: campaign.as_ref().map(|campaign| campaign.id.as_str()),
        state: args.state.as_deref(),
        at_most: LISTED,
    };
    let leads = store.leads(site.tenant(), filter).await?;
    let is_narrowed = search.is_some() || campaign.is_some() || args.state.is_some();
    let none = "no leads yet\nhint: `starter search start` finds leads, `starter lead import FILE.csv` brings your own";
    print_list(&leads, global.json, is_narrowed, none, || text(&leads, terminal_width()))?;
    if !global.json && leads.len() == LISTED as usize {
        tell(&format!("these are the first {LISTED}; narrow them down with --search, --campaign or --state"));
    }
    Ok(())
}

fn text(leads: &[ListedLead], width: u16) -> String {
    let rows = leads.iter().map(|ListedLead { lead, campaign, outreach }| {
        vec![
            lead.id.clone(),
            lead.score.map_or(String::new(), |score| score.to_string()),
            printable(format!("{} {}", lead.first_name, lead.last_name).trim()),
            printable(&lead.role),
            printable(&lead.business),
            lead.state.replace('_', " "),
            outreach.as_deref().unwrap_or_default().replace('_', " "),
            printable(campaign.as_deref().unwrap_or_default()),
        ]
    });
    let header = ["id", "score", "name", "role", "business", "lead", "outreach", "campaign"];
    // An id that is broken over lines cannot be copied.
    let mut text = columns(&header, &["score"], rows, width.max(130));
    if leads.iter().any(|lead| lead.lead.source == SANDBOX_SOURCE) {
        text.push_str(SANDBOX_NOTICE);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::explain::tests::lead;
    use super::*;
    use leadflow_activities::store::leads::Lead;

    #[test]
    fn leads_stand_in_columns_with_their_outreach() {
        let left_out = Lead { state: "left_out".into(), score: None, ..lead() };
        let leads = [
            ListedLead { lead: lead(), campaign: Some("brewery-intro".into()), outreach: Some("invite_sent".into()) },
            ListedLead { lead: left_out, campaign: None, outreach: None },
        ];
        insta::assert_snapshot!(text(&leads, 150));
    }
}
