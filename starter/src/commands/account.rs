//! `starter account`: the LinkedIn profiles and mailboxes that send.

pub(crate) mod add;
mod health;
pub(crate) mod report;
#[cfg(test)]
pub(super) use report::tests;
pub mod words;

use super::{columns, instant, print, print_json, print_list, the_one};
use crate::failure::Failure;
use crate::output::{printable, terminal_width};
use crate::site::{GlobalArgs, Site};
use add::AddArgs;
use clap::{Args, Subcommand};
use leadflow_activities::store::Store;
use leadflow_activities::store::accounts::Account;
use leadflow_workflows::domain::account::AccountSettings;
use leadflow_workflows::domain::outreach::Channel;
use report::AccountReport;
use schemars::JsonSchema;
use serde::Serialize;
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

/// An account in a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AccountRow")]
pub(crate) struct Row {
    account_id: String,
    name: String,
    channel: Channel,
    /// `sandbox` or `live`.
    source: String,
    /// `active`, `paused`, `disconnected`, `restricted` or `held`.
    state: String,
    state_reason: Option<String>,
    settings: AccountSettings,
}

impl Row {
    pub(crate) fn of(account: Account) -> Self {
        Self {
            account_id: account.id,
            name: account.name,
            channel: account.channel,
            source: account.source,
            state: account.state,
            state_reason: account.state_reason,
            settings: account.settings,
        }
    }
}

async fn list(global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let accounts = store.accounts(site.tenant()).await?;
    let rows: Vec<Row> = accounts.iter().cloned().map(Row::of).collect();
    let none = "no accounts yet\nhint: `starter account add` adds one that is connected at Unipile";
    print_list(&rows, global.json, false, none, || table(&accounts, site.clock.now_ms(), terminal_width()))
}

fn table(accounts: &[Account], now_ms: i64, width: u16) -> String {
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
    columns(&header, &[], rows, width.max(130))
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
    let told = outreach.pause_account(&account).await?;
    done(global, &account, "paused", told, "contacts nobody until `starter account resume` lets it go on")
}

async fn resume(args: &AccountArg, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let outreach = site.outreach().await?;
    let account = find(&site, &outreach.store, &args.account).await?;
    let told = outreach.resume_account(&account).await?;
    done(global, &account, "active", told, "goes on")
}

fn done(global: &GlobalArgs, account: &Account, state: &str, told: usize, text: &str) -> Result<(), Failure> {
    if global.json {
        return print_json(&json!({ "account_id": account.id, "state": state, "enrollments_told": told }));
    }
    print(&format!("account {} {text}; {told} open enrollments were told\n", printable(&account.name)))
}
