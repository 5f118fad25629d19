//! Hunter: finds a person's work email and verifies it.

use super::error::{Class, INVALID_API_KEY, ProviderError};
use super::http::{Answer, Call, Http, SetUpError};
use crate::config::ProviderConfig;
use leadflow_workflows::domain::provider::Provider;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Client of the look-up API. Makes each call once: retrying is the server's task.
pub struct Hunter {
    http: Http,
}

/// Whose email is wanted.
#[derive(Clone, Copy, Debug)]
pub struct FinderQuery<'a> {
    /// Of the business, for example `nordhafen.example`.
    pub domain: &'a str,
    pub first_name: &'a str,
    pub last_name: &'a str,
}

/// What the finder knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finder {
    /// `None` when nothing was found, which is free.
    pub email: Option<String>,
    /// Confidence from 0 to 100.
    pub score: u32,
    /// Status as of [`Verifier::Done`], when the provider has verified the address before.
    pub verification: Option<String>,
    /// Where the address was seen: what the person must be told if they ask.
    pub sources: Vec<EmailSource>,
}

/// A public page on which an address was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailSource {
    pub domain: Option<String>,
    pub uri: Option<String>,
    /// Date, `YYYY-MM-DD`.
    pub extracted_on: Option<String>,
    /// Date, `YYYY-MM-DD`.
    pub last_seen_on: Option<String>,
    pub still_on_page: Option<bool>,
}

/// What the verifier knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verifier {
    /// Still at work; ask again in 5 to 10 seconds.
    Pending,
    Done {
        /// `valid`, `invalid`, `accept_all`, `webmail`, `disposable` or `unknown`.
        status: String,
        /// From 0 to 100.
        score: u32,
    },
}

impl Hunter {
    /// The base URL includes the version: `https://api.hunter.io/v2`.
    pub fn new(config: &ProviderConfig, call_timeout: Duration) -> Result<Self, SetUpError> {
        Ok(Self { http: Http::new(Provider::Hunter, config, "x-api-key", "", call_timeout)? })
    }

    pub async fn find_email(&self, call_id: &str, query: FinderQuery<'_>) -> Result<Finder, ProviderError> {
        let query = [("domain", query.domain), ("first_name", query.first_name), ("last_name", query.last_name)];
        let answer = self.get("email-finder", Some(call_id), &query).await?;
        let found = read_data::<Found>(&answer)?;
        Ok(Finder {
            email: found.email.filter(|email| !email.is_empty()),
            score: found.score.unwrap_or(0),
            verification: found.verification.and_then(|verification| verification.status),
            sources: found.sources.unwrap_or_default(),
        })
    }

    pub async fn verify_email(&self, call_id: &str, email: &str) -> Result<Verifier, ProviderError> {
        let answer = self.get("email-verifier", Some(call_id), &[("email", email)]).await?;
        if answer.status == 202 {
            return Ok(Verifier::Pending);
        }
        let verified = read_data::<Verified>(&answer)?;
        Ok(Verifier::Done { status: verified.status, score: verified.score.unwrap_or(0) })
    }

    /// Whether the key works. Free of charge.
    pub async fn check_key(&self) -> Result<(), ProviderError> {
        self.get("account", None, &[]).await.map(drop)
    }

    async fn get(&self, path: &str, call_id: Option<&str>, query: &[(&str, &str)]) -> Result<Answer, ProviderError> {
        let answer =
            self.http.send(Call { method: Method::GET, path: &[path], query, body: None, id: call_id }).await?;
        if matches!(answer.status, 200..=221 | 223..=299) { Ok(answer) } else { Err(refusal(answer.status)) }
    }
}

#[derive(Deserialize)]
struct Found {
    email: Option<String>,
    score: Option<u32>,
    verification: Option<Verification>,
    sources: Option<Vec<EmailSource>>,
}

#[derive(Deserialize)]
struct Verification {
    status: Option<String>,
}

#[derive(Deserialize)]
struct Verified {
    status: String,
    score: Option<u32>,
}

fn read_data<T: DeserializeOwned>(answer: &Answer) -> Result<T, ProviderError> {
    #[derive(Deserialize)]
    struct Wrapper<T> {
        data: T,
    }
    Ok(answer.read::<Wrapper<T>>()?.data)
}

/// The usual meaning of 403 and 429 is swapped here. The provider's texts are not kept: its calls are about persons.
fn refusal(status: u16) -> ProviderError {
    let error = |class, kind, text: &str| ProviderError::new(Provider::Hunter, class, kind, Some(status), text);
    match status {
        222 => error(Class::Defer, "verifier_unavailable", "could not reach the mail server of the address"),
        400 => error(Class::Never, "parameter_refused", "refused a parameter"),
        401 => error(Class::PauseProvider, INVALID_API_KEY, "does not accept the key"),
        403 => error(Class::Backoff, "rate_limited", "got too many calls at once"),
        429 => error(Class::PauseProvider, "credits_used_up", "has no credit left in this month"),
        451 => error(Class::Never, "person_opted_out", "may not process this person, who objected"),
        _ => ProviderError::from_status(Provider::Hunter, status),
    }
}
