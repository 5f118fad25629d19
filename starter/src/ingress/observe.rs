//! What can be seen of a request: a span, a line in the log, and the metrics; never its path, its query or its body.

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use axum::middleware::Next;
use axum::response::Response;
use leadflow_activities::telemetry::{counters, traces};
use opentelemetry::KeyValue;
use opentelemetry::trace::{FutureExt, SpanKind, Status, TraceContextExt};
use std::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const REQUEST_ID_LONGEST: usize = 64;
/// In place of the route of a path that leads nowhere.
const UNMATCHED: &str = "unmatched";
/// Where webhooks come in, as `/webhooks/{source}`.
const WEBHOOKS: &str = "/webhooks/";
/// Where one-click unsubscriptions come in.
const UNSUBSCRIBE: &str = "/u/";

/// Around every route. A `traceparent` and an `x-request-id` that come along are kept; the answer has the id.
pub(super) async fn observe(mut request: Request<Body>, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str).to_owned();
    let method = known(request.method());
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let caller = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let attributes = vec![KeyValue::new("http.request.method", method), KeyValue::new("http.route", route.clone())];
    let context = traces::begin(&traces::parent(caller), format!("{method} {route}"), SpanKind::Server, attributes);
    let log = tracing::info_span!(
        "request",
        trace_id = traces::trace_id(&context),
        request_id = id.to_str().unwrap_or_default(),
        method,
        route,
    );
    async {
        let began = Instant::now();
        let mut response = next.run(request).await;
        let status = response.status().as_u16();
        let took = began.elapsed();
        counters::http_request(method, &route, status, took);
        if let Some(source) = source(&route) {
            counters::webhook_request(&source, outcome(status));
        }
        let span = context.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match status {
            500.. => {
                span.set_status(Status::error("server_error"));
                tracing::warn!(status, took_ms, "answered");
            }
            400..=499 => tracing::info!(status, took_ms, "answered"),
            _ => tracing::debug!(status, took_ms, "answered"),
        }
        span.end();
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
    .with_context(context.clone())
    .instrument(log)
    .await
}

/// The id that came along, as far as it can stand in a log; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_sound = |value: &&HeaderValue| {
        (1..=REQUEST_ID_LONGEST).contains(&value.len())
            && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    let new = || HeaderValue::from_str(&Uuid::now_v7().to_string()).expect("a UUID is visible ASCII");
    headers.get(REQUEST_ID).filter(is_sound).cloned().unwrap_or_else(new)
}

/// Methods are a label, so made-up ones share one.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// Who posts to a route: `unipile`, `person_change`, `unsubscribe`; `None` when it is no webhook.
fn source(route: &str) -> Option<String> {
    if route.starts_with(UNSUBSCRIBE) {
        return Some("unsubscribe".into());
    }
    let source = route.strip_prefix(WEBHOOKS)?.split('/').next()?;
    Some(source.replace('-', "_"))
}

fn outcome(status: u16) -> &'static str {
    match status {
        200..=299 => "accepted",
        401 | 403 => "unauthorized",
        413 => "too_large",
        400..=499 => "malformed",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_says_whose_webhook_it_is() {
        assert_eq!(source("/webhooks/unipile").as_deref(), Some("unipile"));
        assert_eq!(source("/webhooks/person-change/{source}").as_deref(), Some("person_change"));
        assert_eq!(source("/u/{token}").as_deref(), Some("unsubscribe"));
        assert_eq!(source("/v1/searches"), None);
        assert_eq!(source(UNMATCHED), None);
    }

    #[test]
    fn an_id_that_comes_along_is_kept_if_it_can_stand_in_a_log() {
        let of = |value: &'static str| {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(value))]);
            request_id(&headers).to_str().unwrap().to_owned()
        };
        assert_eq!(of("req-1.A_b"), "req-1.A_b");
        for bad in
            ["", "a b", "\"", "dana@example.org", "0123456789012345678901234567890123456789012345678901234567890123x"]
        {
            assert_eq!(of(bad).len(), 36, "{bad}");
        }
    }
}
