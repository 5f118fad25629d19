//! What vendors of people's data tell, each by its own name and proof.

use super::super::Shared;
use super::super::api::caller::authenticate;
use super::{Reason, Refusal, answer, read};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::Response;
use leadflow_activities::outreach::events::{Delivery, Received, parse_person_changes, receive_person_change};
use leadflow_activities::store::api_tokens::Scope;

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
    let by_token = headers.contains_key(AUTHORIZATION);
    let (id, tenant) = if by_token {
        let caller = authenticate(&shared.store, headers, received_at_ms).await?;
        caller.may(Scope::Webhooks)?;
        (None, caller.tenant)
    } else {
        let tenant = source.tenant.as_deref().unwrap_or(&shared.tenant);
        (source.check(headers, &body, received_at_ms)?, tenant.to_owned())
    };
    // A token says who posts it, not that the vendor wrote it.
    let is_hint = by_token || source.gives_hints();
    let delivery = Delivery { source: name, id: id.as_deref(), received_at_ms, is_hint };
    let mut received = Vec::new();
    for change in parse_person_changes(&delivery, &body)? {
        let _on_its_way = shared.pace.one_more();
        received.push(receive_person_change(&shared.store, shared.clock, &tenant, name, &change).await?);
    }
    Ok(received)
}
