//! `/` and `/__sandbox`: what this is, the ledger, and the faults.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::{EffectEntry, Faults, LedgerEntry, Provider, ProviderStats, World};

pub(crate) fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/ledger", get(ledger).delete(clear_ledger))
        .route("/effects", get(effects))
        .route("/stats", get(stats))
        .nest("/unipile", crate::unipile::router())
        .route("/faults", get(faults).post(set_faults).delete(clear_faults))
}

pub(crate) async fn about() -> Json<Value> {
    Json(json!({
        "name": "leadflow sandbox",
        "notice": "Local stand-ins for OpenAI, Gemini, Serper, Hunter and Unipile. All people are fictitious: names, titles, \
                   profiles and addresses are invented, and say nothing about the businesses they are shown with.",
        "providers": {
            "openai": "/openai/v1", "gemini": "/gemini", "serper": "/serper", "hunter": "/hunter/v2",
            "unipile": "/unipile/api/v1",
        },
        "control": ["/__sandbox/ledger", "/__sandbox/effects", "/__sandbox/stats", "/__sandbox/faults", "/__sandbox/unipile"],
    }))
}

async fn ledger(State(world): State<Arc<World>>) -> Json<Vec<LedgerEntry>> {
    Json(world.ledger.entries())
}

async fn clear_ledger(State(world): State<Arc<World>>) -> StatusCode {
    world.ledger.clear();
    StatusCode::NO_CONTENT
}

async fn effects(State(world): State<Arc<World>>) -> Json<Vec<EffectEntry>> {
    Json(world.ledger.effects())
}

async fn stats(State(world): State<Arc<World>>) -> Json<BTreeMap<Provider, ProviderStats>> {
    Json(world.ledger.stats())
}

async fn faults(State(world): State<Arc<World>>) -> Json<Faults> {
    Json(world.faults.get())
}

async fn set_faults(State(world): State<Arc<World>>, request: Request) -> Response {
    match Json::<Faults>::from_request(request, &()).await {
        Ok(Json(faults)) => {
            world.faults.set(faults.clone());
            Json(faults).into_response()
        }
        Err(problem) => {
            let text = format!(
                "{}; hint: {{\"rules\":[{{\"provider\":\"openai\",\"kind\":\"status\",\"status\":429}}]}}",
                problem.body_text()
            );
            (StatusCode::BAD_REQUEST, Json(json!({"error": text}))).into_response()
        }
    }
}

async fn clear_faults(State(world): State<Arc<World>>) -> StatusCode {
    world.faults.set(Faults::default());
    StatusCode::NO_CONTENT
}
