//! The one HTTP client under all provider clients: what is sent with every call, and what a broken call means.

use super::error::{CONNECTION_LOST, Class, ProviderError, TIMED_OUT};
use crate::config::ProviderConfig;
use crate::telemetry::provider_call::ProviderCall;
use leadflow_workflows::domain::provider::Provider;
use opentelemetry::trace::FutureExt;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::multipart::Form;
use reqwest::{Method, Url, redirect};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use std::error::Error;
use std::time::Duration;

/// Lets a provider's support, and the sandbox's ledger, find a call again.
const CALL_ID_HEADER: HeaderName = HeaderName::from_static("x-client-request-id");
/// Lets a call be repeated: the provider answers the second like the first, and acts once.
const IDEMPOTENCY_KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Far above any real answer; a larger one is cut off before it fills the memory.
const ANSWER_LARGEST_BYTES: usize = 8 * 1024 * 1024;

/// A provider client that cannot be built from the configuration.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    #[error("{0} has no key; hint: set its `api_key`")]
    NoKey(Provider),
    #[error("the key of {0} has characters that a request header cannot carry; hint: copy the key again")]
    BadKey(Provider),
    #[error("the base url of {0} is not an http or https url; hint: correct its `base_url`")]
    BadBaseUrl(Provider),
    #[error("the http client of {provider} could not be built; hint: check the CA certificates of this machine")]
    Client { provider: Provider, source: reqwest::Error },
}

pub(crate) struct Http {
    provider: Provider,
    client: reqwest::Client,
    base_url: Url,
}

/// A complete answer of any status.
pub(crate) struct Answer {
    provider: Provider,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Vec<u8>,
}

/// What to send.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Appended to the base URL, each percent-encoded.
    pub(crate) path: &'a [&'a str],
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<Body>,
    /// Visible ASCII; `None` for calls that nobody needs to find again.
    pub(crate) id: Option<&'a str>,
}

/// What a request carries.
pub(crate) enum Body {
    Json(Vec<u8>),
    /// `multipart/form-data`. The key is visible ASCII.
    Form {
        form: Form,
        idempotency_key: Option<String>,
    },
}

impl Http {
    /// `key_header` carries `key_prefix` and the key. `call_timeout` spans a whole call, from connecting to the last
    /// byte.
    pub(crate) fn new(
        provider: Provider,
        config: &ProviderConfig,
        key_header: &'static str,
        key_prefix: &str,
        call_timeout: Duration,
    ) -> Result<Self, SetUpError> {
        let key = config.api_key.as_ref().ok_or(SetUpError::NoKey(provider))?;
        let mut key_value = HeaderValue::from_str(&format!("{key_prefix}{}", key.expose_secret()))
            .map_err(|_| SetUpError::BadKey(provider))?;
        key_value.set_sensitive(true);
        let base_url = Url::parse(&config.base_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or(SetUpError::BadBaseUrl(provider))?;

        // An error means that a provider of cryptography is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("leadflow/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([(HeaderName::from_static(key_header), key_value)]))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(call_timeout);
        if is_loopback(&base_url) {
            builder = builder.no_proxy();
        }
        if base_url.scheme() == "http" {
            // Nothing to verify, so a machine without CA certificates will do.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|source| SetUpError::Client { provider, source })?;
        Ok(Self { provider, client, base_url })
    }

    /// Sends the call once, in a span of its own.
    ///
    /// # Errors
    /// No complete answer came: the connection failed, broke, or took too long. Every status is an answer.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Answer, ProviderError> {
        let seen = ProviderCall::begin(self.provider, &call.method, &self.base_url, call.path);
        let answer = self.exchange(call).with_context(seen.context()).await;
        seen.end(answer.as_ref().map(|answer| answer.status).map_err(|error| error.kind));
        answer
    }

    async fn exchange(&self, call: Call<'_>) -> Result<Answer, ProviderError> {
        let mut url = self.base_url.clone();
        url.path_segments_mut().expect("a url with a host has a path").pop_if_empty().extend(call.path);
        let mut request = self.client.request(call.method, url);
        if !call.query.is_empty() {
            request = request.query(call.query);
        }
        if let Some(id) = call.id {
            request = request.header(CALL_ID_HEADER, id);
        }
        request = match call.body {
            Some(Body::Json(body)) => request.header(CONTENT_TYPE, "application/json").body(body),
            Some(Body::Form { form, idempotency_key: Some(key) }) => {
                request.header(IDEMPOTENCY_KEY_HEADER, key).multipart(form)
            }
            Some(Body::Form { form, idempotency_key: None }) => request.multipart(form),
            None => request,
        };
        let mut response = request.send().await.map_err(|error| self.broken(&error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > ANSWER_LARGEST_BYTES {
                return Err(ProviderError::unreadable(self.provider, status, "is larger than 8 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer { provider: self.provider, status, headers, body })
    }

    /// Only the innermost cause is told: the outer texts hold the URL, whose query may name a person.
    fn broken(&self, error: &reqwest::Error) -> ProviderError {
        let (kind, message) = if error.is_connect() {
            ("connection_failed", "cannot be reached")
        } else if error.is_timeout() {
            (TIMED_OUT, "did not answer in time")
        } else {
            (CONNECTION_LOST, "broke the connection before its answer was complete")
        };
        let broken = ProviderError::new(self.provider, Class::Backoff, kind, None, message);
        let mut innermost = error.source();
        while let Some(deeper) = innermost.and_then(Error::source) {
            innermost = Some(deeper);
        }
        match innermost {
            Some(cause) if kind != TIMED_OUT => broken.with_vendor_text(&cause.to_string()),
            _ => broken,
        }
    }
}

impl Answer {
    /// The body of a good answer. A body that does not fit is an error that may have cost money.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        serde_json::from_slice(&self.body)
            .map_err(|_| ProviderError::unreadable(self.provider, self.status, "does not have the documented shape"))
    }

    /// The body of an error answer, as far as it can be read: a proxy in between may answer with anything.
    pub(crate) fn read_error<T: DeserializeOwned + Default>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A length of time as the providers write it: `12ms`, `17.167s`, `6m0s`, `4h43m36.314s`.
pub(crate) fn parse_wait(text: &str) -> Option<Duration> {
    text.trim().parse::<jiff::SignedDuration>().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_as_the_providers_write_them() {
        for (text, milliseconds) in [
            ("12ms", 12),
            ("17.167s", 17_167),
            ("6m0s", 360_000),
            ("4h43m36.314s", 17_016_314),
            ("37s", 37_000),
            ("1.5s", 1_500),
            ("0s", 0),
        ] {
            assert_eq!(parse_wait(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "37", "-5s", "soon", "99999999999999999999h"] {
            assert_eq!(parse_wait(text), None, "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_reached_without_a_proxy() {
        for (url, loopback) in [
            ("http://127.0.0.1:80/x", true),
            ("http://[::1]:80", true),
            ("http://localhost:1", true),
            ("https://api.example", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).expect("a url")), loopback, "{url}");
        }
    }
}
