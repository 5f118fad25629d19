//! `starter sequence test --to-self`: reading one's own messages before anyone else does.

use super::super::{account, confirm, instant, lead, print, print_json};
use super::file_or_stored;
use super::preview::{Shown, refuse_problems, shown};
use crate::failure::Failure;
use crate::output::{SANDBOX_SOURCE, printable};
use crate::site::{GlobalArgs, Site};
use clap::Args;
use leadflow_activities::outreach::templates::plain_html;
use leadflow_activities::senders::unipile::Unipile;
use leadflow_activities::senders::{SendRequest, Sender};
use leadflow_activities::store::accounts::Account;
use leadflow_workflows::domain::outreach::Action;
use serde_json::json;
use uuid::Uuid;

/// Send every message for a lead to your own mailbox, LinkedIn texts by email as well
///
/// The lead is not contacted. Real mailboxes ask first.
///
/// Example: starter sequence test sequence.toml --lead last/1 --to-self --account anna-mail
#[derive(Args, Debug)]
pub struct TestArgs {
    /// A file, or a stored sequence as NAME or NAME@VERSION
    #[arg(value_name = "FILE|NAME")]
    sequence: String,
    /// Id of the lead or its beginning, or SEARCH/RANK as in the list of a search
    #[arg(long, value_name = "ID")]
    lead: String,
    /// To the address of the account itself; there is no other way
    #[arg(long, required = true)]
    to_self: bool,
    /// A mailbox
    #[arg(long, value_name = "NAME")]
    account: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(args: &TestArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let sequence = file_or_stored(&site, &store, &args.sequence).await?;
    let lead = lead::find(&site, &store, &args.lead).await?;
    let account = account::find(&site, &store, &args.account).await?;
    let Some(address) = account.address.clone() else {
        return Err(Failure::Refused(format!(
            "account {} is no mailbox\nhint: name an email account; LinkedIn texts are sent by email, too",
            printable(&account.name)
        )));
    };
    if (account.source == SANDBOX_SOURCE) != site.config.unipile.sandbox {
        return Err(Failure::Refused(format!(
            "account {} is {}, and Unipile is set up otherwise now\nhint: name an account that was added to this one",
            printable(&account.name),
            account.source
        )));
    }
    refuse_held(&account, site.clock.now_ms())?;
    let shown = shown(&sequence, &lead, Some(&account));
    refuse_problems(&shown)?;
    let requests: Vec<(&str, SendRequest)> =
        shown.iter().filter_map(|shown| Some((shown.step.id.as_str(), request(shown, &account, &address)?))).collect();
    if !args.yes && account.source != SANDBOX_SOURCE {
        ask(requests.len(), &address)?;
    }
    let not_set_up = || Failure::Failed("Unipile is not set up\nhint: set UNIPILE_API_KEY".into());
    let unipile = Unipile::from_config(&site.config, site.clock).map_err(|error| Failure::Failed(error.to_string()))?;
    let unipile = unipile.ok_or_else(not_set_up)?;
    for (sent, (step, request)) in requests.iter().enumerate() {
        unipile.send(&account.provider_account_id, request, &Uuid::now_v7().to_string()).await.map_err(|error| {
            let count = requests.len();
            Failure::Failed(format!("step `{step}`: {error}\nhint: {sent} of {count} messages were sent before it"))
        })?;
    }
    let steps: Vec<&str> = requests.iter().map(|(step, _)| *step).collect();
    if global.json {
        return print_json(&json!({ "address": address, "steps": steps }));
    }
    print(&format!("sent {} messages to {address}: {}\n", steps.len(), steps.join(", ")))
}

/// An account that may contact nobody now sends nothing to its owner either.
fn refuse_held(account: &Account, now_ms: i64) -> Result<(), Failure> {
    let held = match (account.state.as_str(), account.deferred_until_ms.filter(|until_ms| *until_ms > now_ms)) {
        ("active", None) => return Ok(()),
        ("active", Some(until_ms)) => format!("has to wait until {}, as its provider asks", instant(until_ms)),
        (state, _) => format!("is {state}"),
    };
    let name = printable(&account.name);
    Err(Failure::Refused(format!(
        "account {name} {held}\nhint: `starter account show {name}` says why, `starter account resume {name}` lets it go on"
    )))
}

/// The message of a step to its sender; `None` for a step that says nothing.
fn request(shown: &Shown<'_>, account: &Account, address: &str) -> Option<SendRequest> {
    let message = &shown.draft.message;
    let action = shown.step.kind.action().filter(|_| !message.text.is_empty())?;
    let title = message.subject.clone().unwrap_or_else(|| format!("{} `{}`", action.name(), shown.step.id));
    let html = match (&message.html, action) {
        (Some(html), Action::Email) => html.clone(),
        _ => plain_html(&message.text),
    };
    Some(SendRequest::Email {
        to_name: account.settings.from_name.clone().unwrap_or_else(|| account.name.clone()),
        to_address: address.to_owned(),
        subject: format!("[test] {title}"),
        html,
        reply_to: None,
        headers: vec![],
    })
}

fn ask(count: usize, address: &str) -> Result<(), Failure> {
    let question = format!("send {count} messages to {address}?");
    confirm(&question, &format!("nobody can be asked here: {question}\nhint: give --yes"), "nothing was sent")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::account::tests::account;

    #[test]
    fn an_account_that_is_held_is_refused_with_a_way_out() {
        let now_ms = 1_773_480_413_000;
        let with = |state: &str, deferred_until_ms: Option<i64>| {
            refuse_held(&Account { state: state.into(), deferred_until_ms, ..account() }, now_ms)
        };
        for deferred_until_ms in [None, Some(now_ms)] {
            assert!(with("active", deferred_until_ms).is_ok());
        }
        for (refused, why) in [
            (with("paused", None), "is paused\nhint: "),
            (with("restricted", Some(now_ms + 1)), "is restricted\nhint: "),
            (
                with("active", Some(now_ms + 1_000)),
                "has to wait until 2026-03-14 09:26:54 UTC, as its provider asks\nhint: ",
            ),
        ] {
            let Err(Failure::Refused(text)) = refused else { panic!("it sends: {why}") };
            assert!(text.contains(why), "{text}");
        }
    }
}
