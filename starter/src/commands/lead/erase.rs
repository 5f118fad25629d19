//! `starter lead erase`.

use super::super::{print, print_json};
use super::{find, tell_ended};
use crate::failure::Failure;
use crate::output::figures::counted;
use crate::site::{GlobalArgs, Site};
use clap::Args;
use serde_json::json;

/// Erase a person's data for good; what keeps them from being contacted again stays
///
/// Example: starter lead erase last/1 --yes
#[derive(Args, Debug)]
pub struct EraseArgs {
    /// Id of the lead or its beginning, or SEARCH/RANK as in the list of a search
    #[arg(value_name = "ID")]
    lead: String,
    /// Do it: it cannot be undone
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(args: &EraseArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let lead = find(&site, &store, &args.lead).await?;
    if !args.yes {
        return Err(Failure::Refused(format!(
            "this erases all that is known of the person of lead {} and cannot be undone; nothing was changed\n\
             hint: add --yes to do it",
            lead.id
        )));
    }
    let erased = store.erase_person(site.tenant(), &lead, site.clock.now_ms()).await?;
    tell_ended(&site, &store, &erased.ended).await?;
    if global.json {
        return print_json(&json!({ "lead_id": lead.id, "suppressed": erased.suppressed, "ended": erased.ended }));
    }
    print(&format!(
        "erased the person of lead {}: {} ended; {} kept on the suppression list, so that they stay out\n",
        lead.id,
        counted(erased.ended.len() as u64, "enrollment"),
        counted(erased.suppressed.into(), "key"),
    ))
}
