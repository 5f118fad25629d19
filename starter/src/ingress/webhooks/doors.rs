//! Through which doors events come in, and what opens each.

use super::refusal::Reason;
use super::verify::{self, Key};
use crate::failure::Failure;
use axum::http::HeaderMap;
use leadflow_activities::config::{Config, WebhookMode, source_variable};
use leadflow_activities::senders::unipile::SECRET_HEADER;
use secrecy::SecretString;
use std::collections::BTreeMap;

/// Of the second version of Unipile's interface.
const SIGNATURE_HEADER: &str = "unipile-signature";

/// Who may tell us something, and how they prove it.
#[derive(Debug, Default)]
pub struct Doors {
    /// What Unipile sends along; any of several.
    unipile_secrets: Vec<SecretString>,
    unipile_keys: Vec<Key>,
    pub(super) sources: BTreeMap<String, Source>,
}

/// A vendor of people's data.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) tenant: Option<String>,
    proof: Proof,
}

#[derive(Debug)]
enum Proof {
    Standard { keys: Vec<Key> },
    Hmac { timestamp_header: String, signature_header: String, keys: Vec<Key> },
    SecretHeader { header: String, secrets: Vec<SecretString> },
}

impl Doors {
    /// What the configuration says.
    ///
    /// # Errors
    /// A source has no secret, or one that its mode cannot use.
    pub fn from_config(config: &Config) -> Result<Self, Failure> {
        let webhooks = &config.webhooks;
        let mut sources = BTreeMap::new();
        for (name, source) in &webhooks.sources {
            let proof = Proof::of(name, &source.mode, &source.secrets)?;
            sources.insert(name.clone(), Source { tenant: source.tenant.clone(), proof });
        }
        Ok(Self {
            unipile_secrets: webhooks.unipile_secrets.clone(),
            unipile_keys: webhooks.unipile_signing_secrets.iter().map(verify::plain_key).collect(),
            sources,
        })
    }

    /// Whether Unipile's events can be told from forged ones.
    pub fn knows_unipile(&self) -> bool {
        !(self.unipile_secrets.is_empty() && self.unipile_keys.is_empty())
    }

    /// Whether an event is Unipile's, by its signature or by the secret that comes along.
    pub(super) fn check_unipile(&self, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Result<(), Reason> {
        if !self.unipile_keys.is_empty() && headers.contains_key(SIGNATURE_HEADER) {
            return verify::unipile(&self.unipile_keys, SIGNATURE_HEADER, headers, body, now_ms);
        }
        if self.unipile_secrets.is_empty() {
            return Err(if self.unipile_keys.is_empty() {
                Reason::NoSecret
            } else {
                Reason::MissingHeader(SIGNATURE_HEADER.into())
            });
        }
        verify::secret(&self.unipile_secrets, SECRET_HEADER, headers)
    }
}

impl Source {
    /// Whether an event is this vendor's; the id of the message, if the vendor gives one.
    pub(super) fn check(&self, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Result<Option<String>, Reason> {
        match &self.proof {
            Proof::Standard { keys } => verify::standard(keys, headers, body, now_ms).map(Some),
            Proof::Hmac { timestamp_header, signature_header, keys } => {
                let names = (timestamp_header.as_str(), signature_header.as_str());
                verify::hmac_hex(keys, names, headers, body, now_ms).map(|()| None)
            }
            Proof::SecretHeader { header, secrets } => verify::secret(secrets, header, headers).map(|()| None),
        }
    }

    /// Whether what it tells is proven by no signature.
    pub(super) fn gives_hints(&self) -> bool {
        matches!(self.proof, Proof::SecretHeader { .. })
    }
}

impl Proof {
    fn of(name: &str, mode: &WebhookMode, secrets: &[SecretString]) -> Result<Self, Failure> {
        let variable = source_variable(name);
        if secrets.is_empty() {
            return Err(Failure::Failed(format!(
                "no secret tells real events of `{name}` from forged ones\n\
                 hint: set {variable}; several secrets are separated by a space"
            )));
        }
        Ok(match mode {
            WebhookMode::Standard => {
                let keys = secrets.iter().map(verify::standard_key).collect::<Option<_>>();
                let keys = keys.ok_or_else(|| {
                    Failure::Failed(format!(
                        "{variable} holds no secret of Standard Webhooks\nhint: the vendor shows it as `whsec_` and base64"
                    ))
                })?;
                Self::Standard { keys }
            }
            WebhookMode::Hmac { timestamp_header, signature_header } => Self::Hmac {
                timestamp_header: timestamp_header.clone(),
                signature_header: signature_header.clone(),
                keys: secrets.iter().map(verify::plain_key).collect(),
            },
            WebhookMode::SecretHeader { header } => {
                Self::SecretHeader { header: header.clone(), secrets: secrets.to_vec() }
            }
        })
    }
}
