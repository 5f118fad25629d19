//! `Idempotency-Key`: the same request with the same key is done once and answered alike.

use super::super::problem::Problem;
use super::call::{Call, Incoming, LONGEST_ANSWER};
use super::token::hash;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use leadflow_activities::store::Store;
use leadflow_activities::store::idempotency::{Claim, KeyedRequest, StoredAnswer};
use std::time::Duration;

pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST_KEY: usize = 255;
/// How long a key is known.
const KEPT: Duration = Duration::from_hours(24);

/// What to do with a request that may have come before.
pub(super) enum Repeat {
    Answered(Response),
    /// With its key, if it has one.
    First(Option<Key>),
}

/// A key that this request holds.
pub(super) struct Key {
    key: String,
    /// The id of what the request makes.
    pub(super) result_id: String,
}

/// Takes the key of a request.
///
/// # Errors
/// 400 for a key of a wrong form, 409 while the first request runs, 422 when the key belongs to another request.
pub(super) async fn claim(call: &Call, incoming: &Incoming) -> Result<Repeat, Problem> {
    let Some(value) = incoming.headers.get(HEADER) else { return Ok(Repeat::First(None)) };
    let is_key = |key: &&str| (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = value.to_str().ok().filter(is_key).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "an Idempotency-Key has 1 to 255 visible characters of ASCII")
    })?;
    let clock = call.site.clock;
    let now_ms = clock.now_ms();
    let claimed = call
        .store
        .claim_key(KeyedRequest {
            tenant: call.tenant(),
            key,
            route: incoming.uri.path(),
            request_hash: &hash(&incoming.body),
            now_ms,
            // Whoever still runs after twice the time has died.
            lease_until_ms: now_ms.saturating_add(clock.virtual_ms(LONGEST_ANSWER * 2)),
            forget_before_ms: now_ms.saturating_sub(clock.virtual_ms(KEPT)),
        })
        .await?;
    match claimed {
        Claim::Ours { result_id } => Ok(Repeat::First(Some(Key { key: key.to_owned(), result_id }))),
        Claim::Answered(answer) => Ok(Repeat::Answered(repeated(answer))),
        Claim::Running => {
            Err(Problem::new(StatusCode::CONFLICT, "the first request with this Idempotency-Key is still running")
                .with(header::RETRY_AFTER, HeaderValue::from(1)))
        }
        Claim::Other => Err(Problem::content("this Idempotency-Key belongs to another request; use a new one")),
    }
}

impl Key {
    /// Keeps the answer for repeats. What failed on our side is not kept, so that it can be tried again.
    pub(super) async fn settle(self, store: &Store, tenant: &str, response: Response) -> Result<Response, Problem> {
        if response.status().is_server_error() {
            store.free_key(tenant, &self.key).await?;
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.map_err(|_| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer to this request cannot be kept")
        })?;
        let text =
            |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        let answer = StoredAnswer {
            status: parts.status.as_u16(),
            location: text(header::LOCATION),
            content_type: text(header::CONTENT_TYPE),
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        // The work is done: a repeat that finds no answer would find the same id and the same thing.
        if let Err(error) = store.keep_answer(tenant, &self.key, &answer).await {
            tracing::error!(kind = error.kind.name(), "the answer to an Idempotency-Key is not kept");
        }
        Ok(Response::from_parts(parts, Body::from(body)))
    }
}

fn repeated(answer: StoredAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, answer.body).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in [(header::LOCATION, answer.location), (header::CONTENT_TYPE, answer.content_type)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
