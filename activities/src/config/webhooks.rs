//! Who may tell us something by webhook, and how they prove it.

use super::document::Finding;
use super::load::{KEY_HINT, NO_KEY, is_key};
use super::mistakes::Mistake;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Secrets are lists: while one is replaced by another, both are right.
#[derive(Clone, Debug, Default)]
pub struct Webhooks {
    /// What Unipile sends along with its events; the first is the one that new webhooks are made with.
    pub unipile_secrets: Vec<SecretString>,
    /// With which the second version of Unipile's interface signs its events.
    pub unipile_signing_secrets: Vec<SecretString>,
    /// Vendors of people's data, by the name that ends the address of their webhook.
    pub sources: BTreeMap<String, WebhookSource>,
}

#[derive(Clone, Debug)]
pub struct WebhookSource {
    /// Whose the events are; `None`: the installation's own tenant's.
    pub tenant: Option<String>,
    pub mode: WebhookMode,
    /// Only from the environment; none means that nothing of this source is believed.
    pub secrets: Vec<SecretString>,
}

/// How a source proves who it is. Header names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookMode {
    /// As Standard Webhooks has it, with `webhook-*` or `svix-*` headers.
    Standard,
    /// HMAC-SHA256 as hex over `TIMESTAMP.BODY`.
    Hmac { timestamp_header: String, signature_header: String },
    /// A secret that comes along. It proves nothing about the body, so its events are hints.
    SecretHeader { header: String },
}

const SIGNATURE_HEADER: &str = "x-signal-signature";
const TIMESTAMP_HEADER: &str = "x-signal-timestamp";
const SECRET_HEADER: &str = "x-webhook-secret";
/// What other events in the store are called.
const TAKEN: [&str; 2] = ["unipile", "unsubscribe"];

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhooksTable {
    /// One table for each vendor: `[webhooks.sources.NAME]`.
    #[serde(default)]
    pub(super) sources: BTreeMap<String, SourceTable>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceTable {
    /// `standard`, `hmac` or `secret_header`.
    mode: Mode,
    /// Whose the events are; without it the installation's own tenant's.
    tenant: Option<String>,
    /// Only for `hmac`.
    timestamp_header: Option<String>,
    /// Only for `hmac`.
    signature_header: Option<String>,
    /// Only for `secret_header`.
    secret_header: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Standard,
    Hmac,
    SecretHeader,
}

impl WebhooksTable {
    /// What the shape does not say.
    pub(super) fn check(&self) -> Vec<Finding> {
        self.sources.iter().flat_map(|(name, source)| source.check(name)).collect()
    }

    pub(super) fn into_webhooks(self) -> Webhooks {
        let sources = self.sources.into_iter().map(|(name, source)| (name, source.into_source())).collect();
        Webhooks { sources, ..Webhooks::default() }
    }

    pub(super) fn of(webhooks: &Webhooks) -> Self {
        let sources = webhooks.sources.iter().map(|(name, source)| (name.clone(), SourceTable::of(source))).collect();
        Self { sources }
    }
}

impl SourceTable {
    fn check(&self, name: &str) -> Vec<Finding> {
        let mut findings = vec![];
        let mut demand = |holds: bool, key: &str, message: &str, hint: &str| {
            if !holds {
                let path = format!("webhooks.sources.{name}{key}");
                findings.push(Finding { path, message: message.into(), hint: hint.into() });
            }
        };
        let is_word =
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
        let hint = "use small letters, digits, `-` and `_`, at most 64";
        demand(is_word && (1..=64).contains(&name.len()), "", "is not the name of a source", hint);
        demand(!TAKEN.contains(&name), "", "is taken by other events", "choose another name");
        if let Some(tenant) = &self.tenant {
            demand(super::file::is_tenant(tenant), ".tenant", "is not a tenant name", hint);
        }
        let headers = [
            ("timestamp_header", &self.timestamp_header, Mode::Hmac),
            ("signature_header", &self.signature_header, Mode::Hmac),
            ("secret_header", &self.secret_header, Mode::SecretHeader),
        ];
        for (key, header, mode) in headers {
            let Some(header) = header else { continue };
            let path = format!(".{key}");
            demand(self.mode == mode, &path, "has no meaning in this mode", "leave it out, or change `mode`");
            let sound = reqwest::header::HeaderName::from_bytes(header.as_bytes()).is_ok();
            demand(sound, &path, "is not the name of a header", "write it like `X-Signal-Signature`");
        }
        findings
    }

    fn into_source(self) -> WebhookSource {
        let header = |name: Option<String>, usual: &str| name.unwrap_or_else(|| usual.into()).to_lowercase();
        let mode = match self.mode {
            Mode::Standard => WebhookMode::Standard,
            Mode::Hmac => WebhookMode::Hmac {
                timestamp_header: header(self.timestamp_header, TIMESTAMP_HEADER),
                signature_header: header(self.signature_header, SIGNATURE_HEADER),
            },
            Mode::SecretHeader => WebhookMode::SecretHeader { header: header(self.secret_header, SECRET_HEADER) },
        };
        WebhookSource { tenant: self.tenant, mode, secrets: vec![] }
    }

    fn of(source: &WebhookSource) -> Self {
        let mut table = Self {
            mode: Mode::Standard,
            tenant: source.tenant.clone(),
            timestamp_header: None,
            signature_header: None,
            secret_header: None,
        };
        match &source.mode {
            WebhookMode::Standard => {}
            WebhookMode::Hmac { timestamp_header, signature_header } => {
                table.mode = Mode::Hmac;
                table.timestamp_header = Some(timestamp_header.clone());
                table.signature_header = Some(signature_header.clone());
            }
            WebhookMode::SecretHeader { header } => {
                table.mode = Mode::SecretHeader;
                table.secret_header = Some(header.clone());
            }
        }
        table
    }
}

/// The variable with the secrets of a source: `LEADFLOW_WEBHOOK_SECRET_` and its name in capitals, `_` for `-`.
pub fn source_variable(name: &str) -> String {
    format!("LEADFLOW_WEBHOOK_SECRET_{}", name.to_uppercase().replace('-', "_"))
}

/// Secrets that are separated by spaces.
pub(super) fn secrets(name: &str, text: &str) -> Result<Vec<SecretString>, Mistake> {
    let secrets: Vec<&str> = text.split_whitespace().collect();
    if secrets.iter().all(|secret| is_key(secret)) {
        return Ok(secrets.into_iter().map(SecretString::from).collect());
    }
    Err(Mistake { path: name.into(), span: None, message: format!("{name} {NO_KEY}"), hint: Some(KEY_HINT.into()) })
}
