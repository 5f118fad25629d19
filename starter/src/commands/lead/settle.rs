//! `starter lead settle`.

use super::super::{print, print_json};
use super::{find, tell_changed};
use crate::failure::Failure;
use crate::site::{GlobalArgs, Site};
use clap::{ArgGroup, Args};
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
    /// It is not there: it will be sent, unless its enrollment has ended
    #[arg(long, group = "outcome")]
    not_sent: bool,
}

pub(super) async fn run(args: &SettleArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let lead = find(&site, &store, &args.lead).await?;
    let tenant = site.tenant();
    for enrollment in store.enrollments_of_person(tenant, &lead.person_id).await? {
        for touch in store.touches(tenant, &enrollment.id).await? {
            // The store holds one contact in doubt for a person at most.
            if touch.is_in_doubt() && store.settle_by_person(tenant, &touch.id, args.sent, site.clock.now_ms()).await? {
                tell_changed(&site, std::slice::from_ref(&enrollment.id)).await;
                if global.json {
                    return print_json(&json!({ "lead_id": lead.id, "steps": [touch.step_id], "sent": args.sent }));
                }
                let outcome = outcome(args.sent, enrollment.is_open);
                return print(&format!("settled lead {}: step {} {outcome}\n", lead.id, touch.step_id));
            }
        }
    }
    Err(Failure::Refused(format!(
        "lead {0} has no contact in doubt, or its call may be on its way\nhint: `starter lead explain {0}` shows its \
         contacts",
        lead.id
    )))
}

fn outcome(was_sent: bool, is_open: bool) -> &'static str {
    match (was_sent, is_open) {
        (true, _) => "was sent",
        (false, true) => "was not sent, and will be",
        (false, false) => "was not sent, and will not be: its enrollment has ended",
    }
}

#[cfg(test)]
mod tests {
    use super::outcome;

    #[test]
    fn nothing_is_promised_to_who_has_ended() {
        assert!(outcome(false, true).ends_with("and will be"));
        assert!(outcome(false, false).contains("will not be"));
        assert_eq!((outcome(true, true), outcome(true, false)), ("was sent", "was sent"));
    }
}
