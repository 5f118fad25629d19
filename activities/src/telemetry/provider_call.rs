//! One call to a provider, as traces, metrics and logs see it: how it went and nothing of what it said.

use super::{counters, traces};
use leadflow_workflows::domain::provider::Provider;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use reqwest::{Method, Url};
use std::time::{Duration, Instant};

/// The words in the providers' paths. Every other segment is an id, often of a person, and is not told.
const ROUTE_WORDS: [&str; 19] = [
    "account",
    "accounts",
    "chat",
    "chats",
    "completions",
    "email-finder",
    "email-verifier",
    "emails",
    "invite",
    "maps",
    "messages",
    "models",
    "relations",
    "responses",
    "search",
    "sent",
    "text",
    "users",
    "webhooks",
];

/// A call that has begun. One that is dropped before its end counts as dropped.
pub(crate) struct ProviderCall {
    provider: Provider,
    context: Context,
    began: Instant,
    has_ended: bool,
}

impl ProviderCall {
    pub(crate) fn begin(provider: Provider, method: &Method, base_url: &Url, path: &[&str]) -> Self {
        let route = route(path);
        let attributes = vec![
            KeyValue::new("http.request.method", method.as_str().to_owned()),
            KeyValue::new("server.address", base_url.host_str().unwrap_or_default().to_owned()),
            KeyValue::new("server.port", i64::from(base_url.port_or_known_default().unwrap_or_default())),
            KeyValue::new("url.template", route.clone()),
            KeyValue::new("http.request.resend_count", i64::from(traces::attempt()) - 1),
            KeyValue::new("leadflow.provider", provider.name()),
        ];
        let name = format!("{method} {route}");
        let context = traces::begin(&Context::current(), name, SpanKind::Client, attributes);
        Self { provider, context, began: Instant::now(), has_ended: false }
    }

    /// What the call runs in.
    pub(crate) fn context(&self) -> Context {
        self.context.clone()
    }

    /// `answer` is the status, or the kind of the error of a call without a complete answer.
    pub(crate) fn end(mut self, answer: Result<u16, &'static str>) {
        self.has_ended = true;
        self.note(answer);
    }

    fn note(&self, answer: Result<u16, &'static str>) {
        let took = self.began.elapsed();
        let (status, class) = match answer {
            Ok(status) => (status.to_string(), class(status)),
            Err(kind) => ("none".to_owned(), kind),
        };
        counters::provider_call(self.provider, &status, class, took);
        let span = self.context.span();
        if let Ok(status) = answer {
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        if class != "success" {
            span.set_attribute(KeyValue::new("error.type", class));
            span.set_status(Status::error(class));
        }
        span.end();
        tracing::debug!(provider = self.provider.name(), status, class, took_ms = milliseconds(took), "called");
    }
}

impl Drop for ProviderCall {
    fn drop(&mut self) {
        if !self.has_ended {
            self.note(Err("dropped"));
        }
    }
}

/// `/users/{}/invite`: what is no word of an interface is left out.
fn route(path: &[&str]) -> String {
    path.iter().flat_map(|segment| ["/", if ROUTE_WORDS.contains(segment) { segment } else { "{}" }]).collect()
}

fn class(status: u16) -> &'static str {
    match status {
        200..=299 => "success",
        300..=399 => "redirect",
        429 => "rate_limited",
        400..=499 => "client_error",
        _ => "server_error",
    }
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_tells_no_person() {
        assert_eq!(route(&["users", "dana-whitlock"]), "/users/{}");
        assert_eq!(route(&["users", "invite", "sent", "7291"]), "/users/invite/sent/{}");
        assert_eq!(route(&["models", "gemini-3-flash:generateContent"]), "/models/{}");
        assert_eq!(route(&[]), "");
    }
}
