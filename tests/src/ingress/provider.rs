//! Whoever posts events: signs each attempt, and tries again as providers do when there is no answer or a 5xx.

use super::SOURCE;
use super::events::{Door, Event};
use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use leadflow_clock::Clock;
use sha2::Sha256;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// First wait before another attempt; each further one is twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// After so long a provider would give up; nothing here takes as long.
const PATIENCE: Duration = Duration::from_mins(2);
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// Older than a timestamp may be.
const OLD_MS: i64 = 3_600_000;

/// How an event is proven, and what stands in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Good,
    WrongSecret,
    /// Signed an hour ago; for Unipile, whose proof has no time, without the secret.
    Old,
    /// Signed, and cut off in the middle.
    CutOff,
    /// Signed, and without what it is about.
    Hollow,
}

impl Form {
    /// The status that it is to be answered with.
    pub fn status(self) -> u16 {
        match self {
            Self::Good => 200,
            Self::WrongSecret | Self::Old => 401,
            Self::CutOff | Self::Hollow => 400,
        }
    }
}

/// An answer, however often it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub status: u16,
    /// Attempts without an answer, or with a 5xx.
    pub failed: u32,
    /// Of the last attempt.
    pub took: Duration,
}

#[derive(Clone)]
pub struct Provider {
    http: reqwest::Client,
    base: String,
    unipile_secret: String,
    source_secret: String,
}

impl Provider {
    pub fn new(address: SocketAddr, unipile_secret: &str, source_secret: &str) -> Self {
        let http = reqwest::Client::builder().timeout(ANSWERS_WITHIN).build().expect("a client with a timeout");
        let (unipile_secret, source_secret) = (unipile_secret.to_owned(), source_secret.to_owned());
        Self { http, base: format!("http://{address}"), unipile_secret, source_secret }
    }

    pub async fn until_it_serves(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.http.get(format!("{}/healthz", self.base)).send().await.is_err() {
            if began.elapsed() > PATIENCE {
                bail!("`starter serve` does not serve at {}", self.base);
            }
            tokio::time::sleep(FIRST_WAIT).await;
        }
        Ok(())
    }

    /// Delivers an event, whatever it takes.
    ///
    /// # Errors
    /// When there is no answer for so long that a provider would give up.
    pub async fn deliver(&self, event: &Event, form: Form) -> anyhow::Result<Answer> {
        let began = Instant::now();
        let (mut wait, mut failed) = (FIRST_WAIT, 0);
        loop {
            let attempt = Instant::now();
            if let Ok(status) = self.post(event, form).await
                && status < 500
            {
                return Ok(Answer { status, failed, took: attempt.elapsed() });
            }
            if began.elapsed() > PATIENCE {
                bail!("no good answer in {} attempts", failed + 1);
            }
            failed += 1;
            tokio::time::sleep(wait).await;
            wait = (2 * wait).min(LONGEST_WAIT);
        }
    }

    /// One attempt.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, event: &Event, form: Form) -> anyhow::Result<u16> {
        let body = match form {
            Form::CutOff => event.body[..event.body.len() / 2].to_owned(),
            Form::Hollow => "{}".to_owned(),
            Form::Good | Form::WrongSecret | Form::Old => event.body.clone(),
        };
        let request = match event.door {
            Door::Unipile => {
                let request = self.http.post(format!("{}/webhooks/unipile", self.base));
                match form {
                    Form::Old => request,
                    Form::WrongSecret => request.header("unipile-auth", "a-wrong-secret"),
                    _ => request.header("unipile-auth", &self.unipile_secret),
                }
            }
            Door::PersonChange => {
                let age_ms = if form == Form::Old { OLD_MS } else { 0 };
                let timestamp = ((Clock::system().now_ms() - age_ms) / 1_000).to_string();
                let signed = if form == Form::WrongSecret { format!("{body} ") } else { body.clone() };
                let id = format!("msg_{}", event.key);
                let signature = sign(&self.source_secret, &format!("{id}.{timestamp}.{signed}"))?;
                self.http
                    .post(format!("{}/webhooks/person-change/{SOURCE}", self.base))
                    .header("webhook-id", id)
                    .header("webhook-timestamp", timestamp)
                    .header("webhook-signature", signature)
            }
        };
        let response = request.body(body).send().await?;
        let status = response.status().as_u16();
        // Read to its end, so that the connection is used again.
        response.bytes().await?;
        Ok(status)
    }
}

/// As Standard Webhooks has it.
fn sign(secret: &str, signed: &str) -> anyhow::Result<String> {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").context("a secret begins with `whsec_`")?)?;
    let mac = Hmac::<Sha256>::new_from_slice(&key)?.chain_update(signed.as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}
