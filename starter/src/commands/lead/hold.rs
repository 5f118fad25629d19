//! `starter lead pause` and `starter lead resume`.

use super::super::{print, print_json};
use super::{LeadArg, find, tell_ended};
use crate::failure::Failure;
use crate::output::figures::counted;
use crate::site::{GlobalArgs, Site};
use clap::Args;
use serde_json::json;

/// Have nobody contact a lead's person until it is resumed
///
/// Example: starter lead pause last/1 --reason "on parental leave until May"
#[derive(Args, Debug)]
pub struct PauseArgs {
    /// Id of the lead or its beginning, or SEARCH/RANK as in the list of a search
    #[arg(value_name = "ID")]
    lead: String,
    /// Why, for `lead explain`
    #[arg(long, value_name = "TEXT", default_value = "by hand")]
    reason: String,
}

pub(super) async fn pause(args: &PauseArgs, global: &GlobalArgs) -> Result<(), Failure> {
    hold(&args.lead, Some(args.reason.trim()), global).await
}

pub(super) async fn resume(args: &LeadArg, global: &GlobalArgs) -> Result<(), Failure> {
    hold(&args.lead, None, global).await
}

async fn hold(word: &str, cause: Option<&str>, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let lead = find(&site, &store, word).await?;
    let changed = store.hold_person(site.tenant(), &lead.person_id, cause).await?;
    let (done, state) = if cause.is_some() { ("paused", "running") } else { ("resumed", "paused") };
    if changed.is_empty() {
        return Err(Failure::Refused(format!(
            "lead {0} has no {state} enrollment\nhint: `starter lead explain {0}` shows where it is",
            lead.id
        )));
    }
    tell_ended(&site, &store, &changed).await?;
    if global.json {
        return print_json(&json!({ "lead_id": lead.id, done: changed }));
    }
    print(&format!("{done} lead {}: {}\n", lead.id, counted(changed.len() as u64, "enrollment")))
}
