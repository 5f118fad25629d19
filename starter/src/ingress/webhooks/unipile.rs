//! What Unipile tells: replies, accepted invitations, bounces, lost accounts.

use super::super::Shared;
use super::{Refusal, answer, read};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use leadflow_activities::outreach::events::{self, Received};

/// Where Unipile posts to.
pub const UNIPILE_PATH: &str = "/webhooks/unipile";

/// The content type does not matter: by default Unipile declares none.
pub(super) async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: Body) -> Response {
    let received = take(&shared, &headers, body).await;
    answer(&shared, received).await
}

async fn take(shared: &Shared, headers: &HeaderMap, body: Body) -> Result<Vec<Received>, Refusal> {
    let body = read(body).await?;
    shared.doors.check_unipile(headers, &body, shared.clock.now_ms())?;
    let _on_its_way = shared.pace.one_more();
    Ok(vec![events::receive(&shared.store, shared.clock, &shared.tenant, &body).await?])
}
