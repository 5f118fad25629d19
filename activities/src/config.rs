//! What an operator sets: `leadflow.toml`, with the built-in defaults below it and the environment above it.

pub mod document;
mod file;
mod load;
pub mod mistakes;
mod webhooks;

use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::timings::Timings;
use secrecy::SecretString;

pub use load::{SANDBOX_KEY, VARIABLES, template};
pub use webhooks::{WebhookMode, WebhookSource, Webhooks, source_variable};

/// The whole configuration of one installation, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub tenant: String,
    pub store: StoreConfig,
    pub openai: ProviderConfig,
    pub gemini: ProviderConfig,
    pub serper: ProviderConfig,
    pub hunter: ProviderConfig,
    pub unipile: ProviderConfig,
    /// Where others reach the ingress, without a slash at the end; without it mails have no one-click link.
    pub public_url: Option<String>,
    pub webhooks: Webhooks,
    pub models: Models,
    pub budgets: Budgets,
    pub buyer_groups: BuyerGroups,
    pub timings: Timings,
}

impl Config {
    pub fn provider(&self, provider: Provider) -> &ProviderConfig {
        match provider {
            Provider::Openai => &self.openai,
            Provider::Gemini => &self.gemini,
            Provider::Serper => &self.serper,
            Provider::Hunter => &self.hunter,
            Provider::Unipile => &self.unipile,
        }
    }
}

#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: SecretString,
    /// Largest size of a SQLite file in MiB; `None` for no limit but the disk.
    pub max_mib: Option<u32>,
}

/// How to reach and pace one provider.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    pub base_url: String,
    /// `None`: the provider is not set up; searches and campaigns that need it are refused before they start.
    pub api_key: Option<SecretString>,
    /// Calls that may start in a minute: of OpenAI, Gemini and Unipile over all workers, of Serper and Hunter in each worker
    /// process, because one activity makes many of these.
    pub calls_per_minute: u32,
    /// Whether this is a stand-in: its data never mixes with real data.
    pub sandbox: bool,
}

/// Models and the prices that book their calls. Prices are micro-dollars.
#[derive(Clone, Debug)]
pub struct Models {
    pub openai_model: String,
    pub openai_input_per_million: MicroUsd,
    pub openai_cached_input_per_million: MicroUsd,
    pub openai_output_per_million: MicroUsd,
    pub gemini_model: String,
    pub gemini_input_per_million: MicroUsd,
    pub gemini_output_per_million: MicroUsd,
    /// Per grounded prompt.
    pub gemini_grounding: MicroUsd,
    /// Per credit.
    pub serper_credit: MicroUsd,
    /// Per credit; a verification costs half a credit, booked as its own price.
    pub hunter_finder: MicroUsd,
    pub hunter_verifier: MicroUsd,
}

/// Upper limits of what may be spent. Reaching one makes searches wait; `starter budget raise` lifts it.
#[derive(Clone, Debug)]
pub struct Budgets {
    /// All tenants together, per UTC day.
    pub installation_per_day: MicroUsd,
    pub tenant_per_day: MicroUsd,
    /// One search, unless its brief says less or more.
    pub search: MicroUsd,
    /// Look-ups that serve one lead alone.
    pub lead: MicroUsd,
}

/// How eagerly buyer groups are kept up to date.
#[derive(Clone, Debug)]
pub struct BuyerGroups {
    /// Refreshes that may begin in a minute, over all companies and workers.
    pub refreshes_per_minute: u32,
    /// Upper limit of what one refresh may spend.
    pub refresh: MicroUsd,
}
