//! What vendors of people's data tell, each by its own name and proof.

use super::super::Shared;
use super::{Reason, Refusal, answer, read};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use leadflow_activities::outreach::events::{Delivery, Received, parse_person_changes, receive_person_change};

/// JSON whatever the content type says, as the signature is over the bytes anyway.
pub(super) async fn receive(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let received = take(&shared, &name, &headers, body).await;
    answer(&shared, received).await
}

/// Entries of a list are stored one by one. When the store fails in between, the vendor sends all again, and those that are
/// known do nothing.
async fn take(shared: &Shared, name: &str, headers: &HeaderMap, body: Body) -> Result<Vec<Received>, Refusal> {
    let source = shared.doors.sources.get(name).ok_or(Reason::UnknownSource)?;
    let body = read(body).await?;
    let received_at_ms = shared.clock.now_ms();
    let id = source.check(headers, &body, received_at_ms)?;
    let delivery = Delivery { source: name, id: id.as_deref(), received_at_ms, is_hint: source.gives_hints() };
    let tenant = source.tenant.as_deref().unwrap_or(&shared.tenant);
    let mut received = Vec::new();
    for change in parse_person_changes(&delivery, &body)? {
        received.push(receive_person_change(&shared.store, shared.clock, tenant, name, &change).await?);
    }
    Ok(received)
}
