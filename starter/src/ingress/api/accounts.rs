//! Sender accounts: add them, see their limits and health, hold them.

use super::super::problem::Problem;
use super::Api;
use super::call::{Call, Endpoint};
use super::input::{Id, Json as Body, Query};
use super::output::Created;
use super::page::{Page, PageQuery};
use crate::commands::account::Row;
use crate::commands::account::add::{Order, linked_account};
use crate::commands::account::report::AccountReport;
use crate::commands::account::words;
use axum::Json;
use leadflow_activities::store::accounts::Account;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn operations(api: Api) -> Api {
    api.operation(
        Endpoint::post(
            "/v1/accounts",
            "addAccount",
            "Add a LinkedIn profile or a mailbox that is connected at Unipile",
        ),
        add,
    )
    .operation(Endpoint::get("/v1/accounts", "listAccounts", "List accounts, the newest first"), list)
    .operation(
        Endpoint::get("/v1/accounts/{account_id}", "showAccount", "Show limits and their use, warm-up and health"),
        show,
    )
    .operation(
        Endpoint::post("/v1/accounts/{account_id}/pause", "pauseAccount", "Have an account contact nobody"),
        pause,
    )
    .operation(
        Endpoint::post("/v1/accounts/{account_id}/resume", "resumeAccount", "Let an account go on, whatever held it"),
        resume,
    )
}

/// An account to add.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewAccount")]
struct AddAccount {
    /// How you call it.
    name: String,
    /// Its id at Unipile.
    provider_account: String,
    /// Time zone in which it works, such as `Europe/Vienna`.
    zone: String,
    /// Country whose public holidays it keeps: its two letters.
    country: String,
    /// When it works, by its own wall clock: `mon-fri 09:00-17:00` without.
    hours: Option<String>,
    /// A LinkedIn account that pays nothing.
    #[serde(default)]
    free: bool,
    /// Such as `invite=20/day,100/week,gap=5m`; what is not named keeps its default.
    #[serde(default)]
    limits: Vec<String>,
    /// Time to grow into its limits, or `none`; `14d` without.
    warm_up: Option<String>,
    /// Name in the From of its emails.
    from_name: Option<String>,
}

/// An account that was added.
#[derive(Serialize, JsonSchema)]
struct AddedAccount {
    account_id: String,
    name: String,
    /// What its owner should know.
    warnings: Vec<String>,
}

/// An account that was steered.
#[derive(Serialize, JsonSchema)]
struct AccountState {
    account_id: String,
    /// `active` or `paused`.
    state: String,
    enrollments_told: usize,
}

async fn found(call: &Call, id: &str) -> Result<Account, Problem> {
    call.store.account(call.tenant(), id).await?.ok_or_else(|| Problem::unknown("account"))
}

async fn add(call: Call, Body(new): Body<AddAccount>) -> Result<Created<AddedAccount>, Problem> {
    let order = order(new)?.checked()?;
    let linked = linked_account(&call.site.config, &order.provider_account).await?;
    let added = order.add(&call.outreach()?, linked, call.new_id.clone()).await?;
    let warnings = added.warnings.iter().map(|warning| warning.replace("\nhint: ", ": ")).collect();
    Ok(Created {
        location: format!("/v1/accounts/{}", added.account.id),
        body: AddedAccount { account_id: added.account.id, name: added.account.name, warnings },
    })
}

fn order(new: AddAccount) -> Result<Order, Problem> {
    let said = |problem: String| Problem::content(problem.split("\n  hint:").next().unwrap_or_default());
    Ok(Order {
        name: new.name,
        provider_account: new.provider_account,
        zone: words::zone(&new.zone).map_err(said)?,
        country: words::country(&new.country).map_err(said)?,
        hours: words::hours(new.hours.as_deref().unwrap_or("mon-fri 09:00-17:00")).map_err(said)?,
        is_free: new.free,
        limits: new.limits.iter().map(|word| words::limit(word)).collect::<Result<_, _>>().map_err(said)?,
        warm_up_days: words::warm_up(new.warm_up.as_deref().unwrap_or("14d")).map_err(said)?,
        from_name: new.from_name,
    })
}

async fn list(call: Call, Query(page): Query<PageQuery>) -> Result<Json<Page<Row>>, Problem> {
    let accounts = call.store.accounts(call.tenant()).await?;
    let page = page.cut(accounts, |account| (account.created_at_ms, account.id.clone()))?;
    Ok(Json(page.map(Row::of)))
}

async fn show(call: Call, Id(id): Id) -> Result<Json<AccountReport>, Problem> {
    let account = found(&call, &id).await?;
    Ok(Json(AccountReport::read(&call.store, account, call.now_ms()).await?))
}

async fn pause(call: Call, Id(id): Id) -> Result<Json<AccountState>, Problem> {
    let account = found(&call, &id).await?;
    let enrollments_told = call.outreach()?.pause_account(&account).await?;
    Ok(Json(AccountState { account_id: account.id, state: "paused".into(), enrollments_told }))
}

async fn resume(call: Call, Id(id): Id) -> Result<Json<AccountState>, Problem> {
    let account = found(&call, &id).await?;
    let enrollments_told = call.outreach()?.resume_account(&account).await?;
    Ok(Json(AccountState { account_id: account.id, state: "active".into(), enrollments_told }))
}
