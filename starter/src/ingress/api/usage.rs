//! Calls, tokens, credits and cost.

use super::super::problem::Problem;
use super::Api;
use super::call::{Call, Endpoint};
use super::input::Query;
use crate::commands::usage::{By, Usage};
use axum::Json;
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) fn operations(api: Api) -> Api {
    api.operation(Endpoint::get("/v1/usage", "showUsage", "Show calls, tokens, credits and cost"), show)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UsageQuery {
    /// What to add up by; `provider` without.
    by: Option<By>,
    /// Only this search.
    search_id: Option<String>,
}

async fn show(call: Call, Query(query): Query<UsageQuery>) -> Result<Json<Usage>, Problem> {
    let search = match &query.search_id {
        Some(id) => Some(super::searches::found(&call, id).await?),
        None => None,
    };
    let gate = call.site.gate(&call.store);
    Ok(Json(Usage::read(&gate, call.tenant(), search.as_ref(), query.by.unwrap_or_default()).await?))
}
