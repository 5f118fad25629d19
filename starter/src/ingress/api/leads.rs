//! Single leads: what is known of them, why, and the end of outreach to one.

use super::super::problem::Problem;
use super::Api;
use super::call::{Call, Endpoint};
use super::input::{Id, Json as Body};
use crate::commands::lead::explain::Explained;
use crate::commands::lead::show::Shown;
use axum::Json;
use axum::http::StatusCode;
use leadflow_activities::store::leads::Lead;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn operations(api: Api) -> Api {
    api.operation(Endpoint::get("/v1/leads/{lead_id}", "showLead", "Show what is known of a lead's person"), show)
        .operation(
            Endpoint::get(
                "/v1/leads/{lead_id}/explain",
                "explainLead",
                "Show why a lead was taken or not, and what comes next",
            ),
            explain,
        )
        .operation(
            Endpoint::post("/v1/leads/{lead_id}/stop", "stopLead", "End every campaign's outreach to a lead's person"),
            stop,
        )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StopLead {
    /// Why, for whoever asks later.
    #[schemars(length(min = 1, max = 1_000))]
    reason: String,
}

/// Outreach to a person that was ended.
#[derive(Serialize, JsonSchema)]
struct StoppedLead {
    lead_id: String,
    /// Ids of the enrollments that ended.
    ended: Vec<String>,
}

async fn found(call: &Call, id: &str) -> Result<Lead, Problem> {
    call.store.lead(call.tenant(), id).await?.ok_or_else(|| Problem::unknown("lead"))
}

async fn show(call: Call, Id(id): Id) -> Result<Json<Shown>, Problem> {
    let lead = found(&call, &id).await?;
    Ok(Json(Shown::read(&call.store, call.tenant(), lead).await?))
}

async fn explain(call: Call, Id(id): Id) -> Result<Json<Explained>, Problem> {
    let lead = found(&call, &id).await?;
    Ok(Json(Explained::read(&call.store, call.tenant(), lead, call.now_ms()).await?))
}

async fn stop(call: Call, (Id(id), Body(why)): (Id, Body<StopLead>)) -> Result<Json<StoppedLead>, Problem> {
    let reason = why.reason.trim();
    if !(1..=1_000).contains(&reason.chars().count()) {
        return Err(Problem::content("`reason` must have 1 to 1,000 characters"));
    }
    let lead = found(&call, &id).await?;
    let cause = format!("stopped by hand: {reason}");
    let ended = call.store.stop_person(call.tenant(), &lead.person_id, &cause, call.now_ms()).await?;
    if ended.is_empty() {
        return Err(Problem::new(StatusCode::CONFLICT, "this lead is in no running campaign"));
    }
    call.ended(&ended).await?;
    Ok(Json(StoppedLead { lead_id: lead.id, ended }))
}
