//! Whom not to contact. Addresses stand in bodies only: addresses of pages end up in logs.

use super::super::problem::Problem;
use super::Api;
use super::call::{Call, Endpoint};
use super::input::{Json as Body, Query};
use super::page::{Page, PageQuery};
use super::token::hash;
use crate::commands::suppression::target;
use axum::Json;
use axum::http::StatusCode;
use leadflow_activities::store::suppressions::{Suppressed, Suppression};
use leadflow_workflows::domain::suppression::{SuppressionOrigin, SuppressionTarget};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const MOST: usize = 1_000;

pub(super) fn operations(api: Api) -> Api {
    api.operation(
        Endpoint::post(
            "/v1/suppressions",
            "addSuppressions",
            "Keep people from being contacted; what runs for them ends",
        ),
        add,
    )
    .operation(
        Endpoint::get("/v1/suppressions", "listSuppressions", "List whom not to contact, the newest first"),
        list,
    )
    .operation(
        Endpoint::post(
            "/v1/suppressions/remove",
            "removeSuppression",
            "Take an entry off the list; what it ended stays ended",
        ),
        remove,
    )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AddSuppressions {
    /// Email addresses, domains, or LinkedIn profiles.
    #[schemars(length(min = 1, max = 1_000))]
    values: Vec<String>,
    /// Why.
    reason: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RemoveSuppression {
    /// Email address, domain, or LinkedIn profile.
    value: String,
}

/// An entry that was taken off the list.
#[derive(Serialize, JsonSchema)]
struct RemovedSuppression {
    /// In the form in which it was stored.
    removed: String,
}

async fn add(call: Call, Body(new): Body<AddSuppressions>) -> Result<Json<Suppressed>, Problem> {
    if !(1..=MOST).contains(&new.values.len()) {
        return Err(Problem::content("`values` must have 1 to 1,000 entries"));
    }
    let reason = new.reason.trim();
    let targets = new.values.iter().map(|value| Ok((target(value)?, reason.to_owned())));
    let targets = targets.collect::<Result<Vec<(SuppressionTarget, String)>, Problem>>()?;
    let (tenant, now_ms) = (call.tenant(), call.now_ms());
    let stored = call.store.add_suppressions(tenant, &targets, SuppressionOrigin::Person, now_ms).await?;
    call.ended(&stored.ended).await?;
    Ok(Json(stored))
}

async fn list(call: Call, Query(page): Query<PageQuery>) -> Result<Json<Page<Suppression>>, Problem> {
    let entries = call.store.suppressions(call.tenant()).await?;
    // A cursor stands in addresses, so it must not name the person.
    let id = |entry: &Suppression| hash(format!("{}:{}", entry.kind.name(), entry.value).as_bytes());
    Ok(Json(page.cut(entries, |entry| (entry.created_at_ms, id(entry)))?))
}

async fn remove(call: Call, Body(which): Body<RemoveSuppression>) -> Result<Json<RemovedSuppression>, Problem> {
    let target = target(&which.value)?;
    if !call.store.remove_suppression(call.tenant(), &target).await? {
        return Err(Problem::new(StatusCode::NOT_FOUND, "this is not on the list"));
    }
    Ok(Json(RemovedSuppression { removed: target.to_string() }))
}
