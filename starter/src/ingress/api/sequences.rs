//! Sequences: check them, add versions, list and show them.

use super::super::problem::Problem;
use super::Api;
use super::call::{Call, Endpoint, Incoming};
use super::document::Operation;
use super::input::{Id, Input, Query, json, media_type, unsupported};
use super::output::Created;
use super::page::{Page, PageQuery};
use crate::commands::sequence::{Document, keep};
use axum::Json;
use leadflow_activities::outreach::sequence_file;
use leadflow_workflows::domain::sequence::Sequence;
use serde_json::json;

pub(super) fn operations(api: Api) -> Api {
    api.operation(
        Endpoint::post("/v1/sequences", "addSequence", "Store a sequence as the next version of its name"),
        add,
    )
    .operation(Endpoint::get("/v1/sequences", "listSequences", "List stored versions, the newest first"), list)
    .operation(
        Endpoint::get("/v1/sequences/{sequence_id}", "showSequence", "Show the steps and texts of a stored version"),
        show,
    )
    .operation(
        Endpoint::post("/v1/sequences/validate", "validateSequence", "Check a sequence; nothing is stored"),
        validate,
    )
}

/// A sequence as its author writes it, in TOML or in JSON of the same shape, with the same rules as the file.
struct Written(Sequence);

impl Input for Written {
    fn read(incoming: &Incoming) -> Result<Self, Problem> {
        match media_type(&incoming.headers) {
            Some("application/toml") => {
                let text = std::str::from_utf8(&incoming.body);
                let text = text.map_err(|_| Problem::content("the body is not UTF-8"))?;
                Ok(Self(sequence_file::parse("sequence", text, None)?))
            }
            Some("application/json") => Ok(Self(sequence_file::parse_json(&json(incoming)?.to_string())?)),
            _ => Err(unsupported("application/json or application/toml")),
        }
    }

    fn describe(operation: &mut Operation<'_>) {
        operation.body::<sequence_file::Document>("application/json");
        operation.body_of("application/toml", &json!({ "type": "string" }));
    }
}

async fn add(call: Call, Written(sequence): Written) -> Result<Created<Document>, Problem> {
    let (stored, is_new) = keep(&call.store, call.tenant(), &sequence, call.now_ms()).await?;
    Ok(Created { location: format!("/v1/sequences/{}", stored.id), body: Document::added(stored, is_new) })
}

async fn list(call: Call, Query(page): Query<PageQuery>) -> Result<Json<Page<Document>>, Problem> {
    let sequences = call.store.sequences(call.tenant()).await?;
    let page = page.cut(sequences, |stored| (stored.created_at_ms, stored.id.clone()))?;
    Ok(Json(page.map(Document::of)))
}

async fn show(call: Call, Id(id): Id) -> Result<Json<Document>, Problem> {
    let stored = call.store.sequence(call.tenant(), &id).await?.ok_or_else(|| Problem::unknown("sequence"))?;
    Ok(Json(Document::of(stored)))
}

async fn validate(_: Call, Written(sequence): Written) -> Result<Json<Sequence>, Problem> {
    Ok(Json(sequence))
}
