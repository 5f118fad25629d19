//! `starter account`: the LinkedIn profiles and mailboxes that send.

mod add;
mod health;
mod report;
#[cfg(test)]
pub(super) use report::tests;
pub mod words;

use super::{columns, instant, print, print_json, tell, the_one};
use crate::failure::Failure;
use crate::output::{printable, terminal_width};
use crate::site::{GlobalArgs, Site};
use add::AddArgs;
use clap::{Args, Subcommand};
use leadflow_activities::store::Store;
use leadflow_activities::store::accounts::Account;
use report::AccountReport;
use serde_json::json;

/// Add the accounts that send, see their limits and health, and hold them
#[derive(Subcommand, Debug)]
pub enum AccountCommand {
    Add(AddArgs),
    /// List accounts with their state
    ///
    /// Example: starter account list
    List,
    /// Show limits and their use, warm-up and health of an account
    ///
    /// Example: starter account show anna
    Show(AccountArg),
    /// Have an account contact nobody until it is resumed
    ///
    /// Example: starter account pause anna
    Pause(AccountArg),
    /// Let a paused, restricted or held account go on
    ///
    /// Example: starter account resume anna
    Resume(AccountArg),
}

/// Which account.
#[derive(Args, Debug)]
pub struct AccountArg {
    /// Name, id or its beginning, or `last`
    #[arg(value_name = "NAME")]
    account: String,
}

pub async fn run(command: AccountCommand, global: &GlobalArgs) -> Result<(), Failure> {
    match command {
        AccountCommand::Add(args) => add::run(&args, global).await,
        AccountCommand::List => list(global).await,
        AccountCommand::Show(args) => show(&args, global).await,
        AccountCommand::Pause(args) => pause(&args, global).await,
        AccountCommand::Resume(args) => resume(&args, global).await,
    }
}

/// The one account that a word means.
pub(super) async fn find(site: &Site, store: &Store, word: &str) -> Result<Account, Failure> {
    let found = store.matching_accounts(site.tenant(), word).await?;
    let none = "`starter account list` shows them all, `starter account add` adds one";
    the_one(found, "account", word, none, "give the name, or more of the id")
}

async fn list(global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let accounts = store.accounts(site.tenant()).await?;
    if global.json {
        let rows: Vec<_> = accounts
            .iter()
            .map(|account| {
                json!({
                    "account_id": account.id, "name": account.name, "channel": account.channel, "source": account.source,
                    "state": account.state, "state_reason": account.state_reason, "settings": account.settings,
                })
            })
            .collect();
        return print_json(&rows);
    }
    if accounts.is_empty() {
        tell("no accounts yet\nhint: `starter account add` adds one that is connected at Unipile");
        return Ok(());
    }
    let now_ms = site.clock.now_ms();
    let rows = accounts.iter().map(|account| {
        let settings = &account.settings;
        let deferred = account.deferred_until_ms.filter(|until_ms| *until_ms > now_ms);
        let state = match deferred {
            Some(until_ms) => format!("{}, waits until {}", account.state, instant(until_ms)),
            None => account.state.clone(),
        };
        vec![
            printable(&account.name),
            account.channel.name().to_owned(),
            state,
            words::shown_hours(&settings.hours),
            settings.time_zone.clone(),
            account.source.clone(),
            account.id.clone(),
        ]
    });
    let header = ["name", "channel", "state", "works", "zone", "source", "id"];
    // An id that is broken over lines cannot be copied.
    print(&columns(&header, &[], rows, terminal_width().max(130)))
}

async fn show(args: &AccountArg, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let account = find(&site, &store, &args.account).await?;
    let report = AccountReport::read(&store, account, site.clock.now_ms()).await?;
    if global.json { print_json(&report) } else { print(&report.text(terminal_width())) }
}

async fn pause(args: &AccountArg, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let outreach = site.outreach().await?;
    let account = find(&site, &outreach.store, &args.account).await?;
    let (tenant, id) = (account.tenant.as_str(), account.id.as_str());
    if !outreach.store.pause_account(tenant, id, site.clock.now_ms()).await? {
        return Err(Failure::Refused(format!(
            "account {} is paused already\nhint: `starter account resume {0}` lets it go on",
            printable(&account.name)
        )));
    }
    let told = tell_users(&outreach, &account).await?;
    done(global, &account, "paused", told, "contacts nobody until `starter account resume` lets it go on")
}

async fn resume(args: &AccountArg, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let outreach = site.outreach().await?;
    let account = find(&site, &outreach.store, &args.account).await?;
    let (tenant, id) = (account.tenant.as_str(), account.id.as_str());
    if !outreach.store.resume_account(tenant, id, site.clock.now_ms()).await? {
        return Err(Failure::Refused(format!("account {} is active already", printable(&account.name))));
    }
    // What it missed is read first: an account that is still disconnected says so at once.
    outreach.tell_account(id).await?;
    let told = tell_users(&outreach, &account).await?;
    done(global, &account, "active", told, "goes on")
}

/// Has the enrollments that use an account look.
async fn tell_users(outreach: &crate::outreach::Outreach, account: &Account) -> Result<usize, Failure> {
    let open = outreach.store.open_enrollments_of_account(&account.tenant, &account.id).await?;
    let ids: Vec<&str> = open.iter().map(|enrollment| enrollment.id.as_str()).collect();
    outreach.tell_enrollments(&ids).await?;
    Ok(ids.len())
}

fn done(global: &GlobalArgs, account: &Account, state: &str, told: usize, text: &str) -> Result<(), Failure> {
    if global.json {
        return print_json(&json!({ "account_id": account.id, "state": state, "enrollments_told": told }));
    }
    print(&format!("account {} {text}; {told} open enrollments were told\n", printable(&account.name)))
}
