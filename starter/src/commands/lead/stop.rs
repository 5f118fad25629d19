//! `starter lead stop`.

use super::super::{print, print_json};
use super::{find, tell_ended};
use crate::failure::Failure;
use crate::output::figures::counted;
use crate::site::{GlobalArgs, Site};
use clap::Args;
use serde_json::json;

/// End every campaign's outreach to a lead's person; other leads go on, and the person may be taken again
///
/// Example: starter lead stop last/1 --reason "met them at the fair"
#[derive(Args, Debug)]
pub struct StopArgs {
    /// Id of the lead or its beginning, or SEARCH/RANK as in the list of a search
    #[arg(value_name = "ID")]
    lead: String,
    /// Why, for `lead explain`
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    reason: String,
}

pub(super) async fn run(args: &StopArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let lead = find(&site, &store, &args.lead).await?;
    let cause = format!("stopped by hand: {}", args.reason.trim());
    let ended = store.stop_person(site.tenant(), &lead.person_id, &cause, site.clock.now_ms()).await?;
    if ended.is_empty() {
        return Err(Failure::Refused(format!(
            "lead {} is in no running campaign\nhint: `starter suppression add` keeps a person out of future ones",
            lead.id
        )));
    }
    tell_ended(&site, &store, &ended).await?;
    if global.json {
        return print_json(&json!({ "lead_id": lead.id, "ended": ended }));
    }
    print(&format!(
        "stopped lead {}: {} ended, nothing is suppressed\n",
        lead.id,
        counted(ended.len() as u64, "enrollment")
    ))
}
