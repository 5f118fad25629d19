//! Events of providers: checked, stored, applied and answered.

use super::Shared;
use super::problem::Problem;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use leadflow_activities::outreach::events::{ReceiveError, receive};
use leadflow_activities::senders::unipile::SECRET_HEADER;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// Where Unipile posts to.
pub const UNIPILE_PATH: &str = "/webhooks/unipile";
/// Most bytes of one event.
pub(super) const LARGEST_BODY: usize = 1024 * 1024;

pub(super) fn router() -> Router<Shared> {
    Router::new().route(UNIPILE_PATH, post(unipile))
}

async fn unipile(State(shared): State<Shared>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    if !knows_secret(&parts.headers, &shared.secret) {
        let detail = format!("the header `{SECRET_HEADER}` does not hold the secret of this installation's webhooks");
        return Problem::new(StatusCode::UNAUTHORIZED, &detail).into_response();
    }
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "an event has at most 1 MiB").into_response();
    };
    match receive(&shared.store, shared.clock, &shared.tenant, &body).await {
        Ok(received) => {
            if !received.tell.is_empty() {
                shared.telling.tell(received.event_id, received.tell);
            }
            if let Some(at_ms) = received.answer_at_ms {
                tokio::time::sleep(shared.clock.real_until(shared.clock.now_ms(), at_ms)).await;
            }
            (StatusCode::OK, axum::Json(serde_json::json!({}))).into_response()
        }
        Err(ReceiveError::Event(error)) => Problem::new(StatusCode::BAD_REQUEST, &error.to_string()).into_response(),
        Err(ReceiveError::Store(error)) => unstored(&error),
    }
}

/// The provider tries again later.
pub(super) fn unstored(error: &leadflow_activities::store::StoreError) -> Response {
    tracing::error!(kind = error.kind.name(), "an event could not be stored");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store does not take events at the moment").into_response()
}

/// Takes as long for a secret that is nearly right as for one that is not.
fn knows_secret(headers: &HeaderMap, secret: &SecretString) -> bool {
    let given = headers.get(SECRET_HEADER).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
    given.ct_eq(secret.expose_secret().as_bytes()).into()
}
