//! `starter lead settle`.

use super::super::{print, print_json};
use super::{find, tell_changed};
use crate::failure::Failure;
use crate::site::{GlobalArgs, Site};
use clap::{ArgGroup, Args};
use leadflow_workflows::domain::outreach::TouchState;
use serde_json::json;

/// Say what became of a contact that nobody can know of: look it up in the account, then tell it here
///
/// Example: starter lead settle last/1 --not-sent
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("outcome").required(true))]
pub struct SettleArgs {
    /// Id of the lead or its beginning, or SEARCH/RANK as in the list of a search
    #[arg(value_name = "ID")]
    lead: String,
    /// It is there: the sequence goes on after it
    #[arg(long, group = "outcome")]
    sent: bool,
    /// It is not there: it will be sent
    #[arg(long, group = "outcome")]
    not_sent: bool,
}

pub(super) async fn run(args: &SettleArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let lead = find(&site, &store, &args.lead).await?;
    let tenant = site.tenant();
    let mut settled = Vec::new();
    let mut told = Vec::new();
    for enrollment in store.enrollments_of_person(tenant, &lead.person_id).await? {
        for touch in store.touches(tenant, &enrollment.id).await? {
            if touch.state == TouchState::Unknown
                && store.settle_by_person(tenant, &touch.id, args.sent, site.clock.now_ms()).await?
            {
                settled.push(touch.step_id);
                told.push(enrollment.id.clone());
            }
        }
    }
    if settled.is_empty() {
        return Err(Failure::Refused(format!(
            "lead {0} has no contact in doubt\nhint: `starter lead explain {0}` shows its contacts",
            lead.id
        )));
    }
    tell_changed(&site, &told).await;
    if global.json {
        return print_json(&json!({ "lead_id": lead.id, "steps": settled, "sent": args.sent }));
    }
    let outcome = if args.sent { "was sent" } else { "was not sent, and will be" };
    print(&format!("settled lead {}: step {} {outcome}\n", lead.id, settled.join(", ")))
}
