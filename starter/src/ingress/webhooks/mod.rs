//! Events of providers: checked, stored, applied and answered; and the way out of all mail.

mod doors;
mod person_change;
mod refusal;
#[cfg(test)]
mod tests;
mod unipile;
mod unsubscribe;
mod verify;

pub use doors::Doors;
pub use unipile::UNIPILE_PATH;

use super::Shared;
use super::problem::Problem;
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use leadflow_activities::outreach::events::Received;
use leadflow_activities::store::StoreError;
use refusal::{Reason, Refusal};
use std::time::Duration;
use tokio::time::timeout;

/// Most bytes of one event.
pub(super) const LARGEST_BODY: usize = 1024 * 1024;
/// Of a larger body so much is read and dropped, so that who sends it comes to hear the answer.
const DRAINED: usize = 16 * LARGEST_BODY;
/// How long a body may take.
const READ_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route(UNIPILE_PATH, post(unipile::receive))
        .route("/webhooks/person-change/{source}", post(person_change::receive))
        .route("/u/{token}", get(unsubscribe::show).post(unsubscribe::act))
}

/// The whole body as it came: signatures are over its bytes.
async fn read(body: Body) -> Result<Vec<u8>, Reason> {
    let mut stream = body.into_data_stream();
    let whole = async {
        let (mut bytes, mut seen) = (Vec::new(), 0);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Reason::BodyBroken)?;
            seen += chunk.len();
            if seen <= LARGEST_BODY {
                bytes.extend_from_slice(&chunk);
            } else if seen > DRAINED {
                break;
            }
        }
        if seen > LARGEST_BODY { Err(Reason::BodyTooLarge) } else { Ok(bytes) }
    };
    timeout(READ_WITHIN, whole).await.unwrap_or(Err(Reason::BodyTooSlow))
}

/// What was stored is answered once no contact can begin that it forbids; Temporal is not waited for.
async fn stored(shared: &Shared, received: &[Received]) {
    if received.iter().any(|received| !received.tell.is_empty()) {
        shared.nudge.now();
    }
    if let Some(at_ms) = received.iter().filter_map(|received| received.answer_at_ms).max() {
        tokio::time::sleep(shared.clock.real_until(shared.clock.now_ms(), at_ms)).await;
    }
}

/// To a provider: what it sent is in the store.
async fn answer(shared: &Shared, received: Result<Vec<Received>, Refusal>) -> Response {
    match received {
        Ok(received) => {
            stored(shared, &received).await;
            (StatusCode::OK, axum::Json(serde_json::json!({}))).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// The provider tries again later.
pub(super) fn unstored(error: &StoreError) -> Response {
    tracing::error!(kind = error.kind.name(), "an event could not be stored");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store does not take events at the moment").into_response()
}
