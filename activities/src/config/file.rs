//! The shape of `leadflow.toml`. Its doc comments are what a user reads as a hint.

use super::document::Finding;
use super::webhooks::WebhooksTable;
use super::{Budgets, BuyerGroups, Config, Models, ProviderConfig, StoreConfig};
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::timings::Timings;
use reqwest::Url;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What every installation starts from; also its documentation.
pub(super) const DEFAULTS: &str = include_str!("default.toml");

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    /// Small letters, digits, `-` and `_`, at most 64.
    pub(super) tenant: String,
    pub(super) timings: TimingsChoice,
    /// Where others reach `starter serve`, for example `https://leadflow.example.com`.
    pub(super) public_url: Option<String>,
    pub(super) store: StoreTable,
    pub(super) openai: OpenaiTable,
    pub(super) gemini: GeminiTable,
    pub(super) serper: SerperTable,
    pub(super) hunter: HunterTable,
    pub(super) unipile: UnipileTable,
    pub(super) budgets: BudgetsTable,
    #[serde(default)]
    pub(super) webhooks: WebhooksTable,
    pub(super) buyer_groups: BuyerGroupsTable,
}

/// A set by its name, or every value of it, which is how a test hands its own to another process.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum TimingsChoice {
    Set(TimingsSet),
    Values(#[schemars(with = "BTreeMap<String, u64>")] Timings),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimingsSet {
    Production,
    Test,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreTable {
    /// `sqlite:PATH` or `postgres://…`.
    #[serde(skip_serializing)]
    pub(super) url: String,
    /// Largest size of a SQLite file in MiB, without it only the disk is the limit.
    #[schemars(range(min = 1))]
    max_mib: Option<u32>,
}

/// What every provider has.
macro_rules! provider_table {
    ($name:ident { $($(#[$doc:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        #[derive(Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            /// Address of the provider, for example `https://api.example.com/v1`.
            pub(super) base_url: String,
            /// Calls that may start in a minute.
            #[schemars(range(min = 1, max = 60_000))]
            calls_per_minute: u32,
            /// Whether this is a stand-in, whose data never mixes with real data.
            sandbox: bool,
            $($(#[$doc])* $field: $kind),*
        }

        impl $name {
            fn provider(&self) -> ProviderConfig {
                ProviderConfig {
                    base_url: self.base_url.clone(),
                    api_key: None,
                    calls_per_minute: self.calls_per_minute,
                    sandbox: self.sandbox,
                }
            }
        }
    };
}

provider_table!(OpenaiTable {
    model: String,
    /// US dollars.
    #[schemars(range(min = 0, max = 10_000))]
    input_usd_per_million: f64,
    /// US dollars.
    #[schemars(range(min = 0, max = 10_000))]
    cached_input_usd_per_million: f64,
    /// US dollars.
    #[schemars(range(min = 0, max = 10_000))]
    output_usd_per_million: f64,
});

provider_table!(GeminiTable {
    model: String,
    /// US dollars.
    #[schemars(range(min = 0, max = 10_000))]
    input_usd_per_million: f64,
    /// US dollars.
    #[schemars(range(min = 0, max = 10_000))]
    output_usd_per_million: f64,
    /// US dollars.
    #[schemars(range(min = 0, max = 10_000))]
    grounding_usd_per_thousand: f64,
});

provider_table!(SerperTable {
    /// US dollars.
    #[schemars(range(min = 0, max = 10_000))]
    credit_usd_per_thousand: f64,
});

provider_table!(HunterTable {
    /// US dollars.
    #[schemars(range(min = 0, max = 100))]
    finder_usd: f64,
    /// US dollars.
    #[schemars(range(min = 0, max = 100))]
    verifier_usd: f64,
});

provider_table!(UnipileTable {});

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetsTable {
    /// US dollars.
    #[schemars(range(min = 0, max = 1_000_000))]
    installation_usd_per_day: f64,
    /// US dollars.
    #[schemars(range(min = 0, max = 1_000_000))]
    tenant_usd_per_day: f64,
    /// US dollars.
    #[schemars(range(min = 0, max = 1_000_000))]
    search_usd: f64,
    /// US dollars.
    #[schemars(range(min = 0, max = 1_000_000))]
    lead_usd: f64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BuyerGroupsTable {
    /// Refreshes that may begin in a minute, over all companies and workers.
    #[schemars(range(min = 1, max = 60_000))]
    refreshes_per_minute: u32,
    /// US dollars.
    #[schemars(range(min = 0, max = 10_000))]
    refresh_usd: f64,
}

impl ConfigFile {
    /// What the shape does not say.
    pub(super) fn check(&self) -> Vec<Finding> {
        let mut findings = vec![];
        let mut demand = |holds: bool, path: &str, message: &str, hint: &str| {
            if !holds {
                findings.push(Finding { path: path.into(), message: message.into(), hint: hint.into() });
            }
        };
        demand(is_tenant(&self.tenant), "tenant", "is not a tenant name", TENANT_HINT);
        let is_public = self.public_url.as_deref().is_none_or(is_public_url);
        demand(is_public, "public_url", "is not an address that mails may link to", PUBLIC_URL_HINT);
        demand(is_store_url(&self.store.url), "store.url", "is not the address of a store", STORE_HINT);
        for (path, base_url) in [
            ("openai.base_url", &self.openai.base_url),
            ("gemini.base_url", &self.gemini.base_url),
            ("serper.base_url", &self.serper.base_url),
            ("hunter.base_url", &self.hunter.base_url),
            ("unipile.base_url", &self.unipile.base_url),
        ] {
            demand(is_web_address(base_url), path, "is not a web address", BASE_URL_HINT);
        }
        for (path, model) in [("openai.model", &self.openai.model), ("gemini.model", &self.gemini.model)] {
            let sound = !model.is_empty() && model.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
            demand(sound, path, "is not the name of a model", "write it as the vendor does, for example `gpt-5-mini`");
        }
        findings.extend(self.webhooks.check());
        findings
    }

    /// Keys are not in the file, so no provider has one yet.
    pub(super) fn into_config(self) -> Config {
        let (openai, gemini, serper, hunter) =
            (self.openai.provider(), self.gemini.provider(), self.serper.provider(), self.hunter.provider());
        Config {
            tenant: self.tenant,
            store: StoreConfig { url: self.store.url.into(), max_mib: self.store.max_mib },
            openai,
            gemini,
            serper,
            hunter,
            unipile: self.unipile.provider(),
            public_url: self.public_url.map(|url| url.trim_end_matches('/').to_owned()),
            webhooks: self.webhooks.into_webhooks(),
            models: Models {
                openai_model: self.openai.model,
                openai_input_per_million: money(self.openai.input_usd_per_million),
                openai_cached_input_per_million: money(self.openai.cached_input_usd_per_million),
                openai_output_per_million: money(self.openai.output_usd_per_million),
                gemini_model: self.gemini.model,
                gemini_input_per_million: money(self.gemini.input_usd_per_million),
                gemini_output_per_million: money(self.gemini.output_usd_per_million),
                gemini_grounding: money(self.gemini.grounding_usd_per_thousand / 1_000.0),
                serper_credit: money(self.serper.credit_usd_per_thousand / 1_000.0),
                hunter_finder: money(self.hunter.finder_usd),
                hunter_verifier: money(self.hunter.verifier_usd),
            },
            budgets: Budgets {
                installation_per_day: money(self.budgets.installation_usd_per_day),
                tenant_per_day: money(self.budgets.tenant_usd_per_day),
                search: money(self.budgets.search_usd),
                lead: money(self.budgets.lead_usd),
            },
            buyer_groups: BuyerGroups {
                refreshes_per_minute: self.buyer_groups.refreshes_per_minute,
                refresh: money(self.buyer_groups.refresh_usd),
            },
            timings: self.timings.values(),
        }
    }

    pub(super) fn of(config: &Config) -> Self {
        let Config {
            tenant,
            store,
            openai,
            gemini,
            serper,
            hunter,
            unipile,
            models,
            budgets,
            buyer_groups,
            timings,
            public_url,
            webhooks,
        } = config;
        Self {
            tenant: tenant.clone(),
            timings: TimingsChoice::of(*timings),
            public_url: public_url.clone(),
            store: StoreTable { url: store.url.expose_secret().into(), max_mib: store.max_mib },
            openai: OpenaiTable {
                base_url: openai.base_url.clone(),
                calls_per_minute: openai.calls_per_minute,
                sandbox: openai.sandbox,
                model: models.openai_model.clone(),
                input_usd_per_million: models.openai_input_per_million.as_usd(),
                cached_input_usd_per_million: models.openai_cached_input_per_million.as_usd(),
                output_usd_per_million: models.openai_output_per_million.as_usd(),
            },
            gemini: GeminiTable {
                base_url: gemini.base_url.clone(),
                calls_per_minute: gemini.calls_per_minute,
                sandbox: gemini.sandbox,
                model: models.gemini_model.clone(),
                input_usd_per_million: models.gemini_input_per_million.as_usd(),
                output_usd_per_million: models.gemini_output_per_million.as_usd(),
                grounding_usd_per_thousand: models.gemini_grounding.as_usd() * 1_000.0,
            },
            serper: SerperTable {
                base_url: serper.base_url.clone(),
                calls_per_minute: serper.calls_per_minute,
                sandbox: serper.sandbox,
                credit_usd_per_thousand: models.serper_credit.as_usd() * 1_000.0,
            },
            hunter: HunterTable {
                base_url: hunter.base_url.clone(),
                calls_per_minute: hunter.calls_per_minute,
                sandbox: hunter.sandbox,
                finder_usd: models.hunter_finder.as_usd(),
                verifier_usd: models.hunter_verifier.as_usd(),
            },
            unipile: UnipileTable {
                base_url: unipile.base_url.clone(),
                calls_per_minute: unipile.calls_per_minute,
                sandbox: unipile.sandbox,
            },
            budgets: BudgetsTable {
                installation_usd_per_day: budgets.installation_per_day.as_usd(),
                tenant_usd_per_day: budgets.tenant_per_day.as_usd(),
                search_usd: budgets.search.as_usd(),
                lead_usd: budgets.lead.as_usd(),
            },
            webhooks: WebhooksTable::of(webhooks),
            buyer_groups: BuyerGroupsTable {
                refreshes_per_minute: buyer_groups.refreshes_per_minute,
                refresh_usd: buyer_groups.refresh.as_usd(),
            },
        }
    }
}

impl TimingsChoice {
    fn of(timings: Timings) -> Self {
        let named = [TimingsSet::Production, TimingsSet::Test].into_iter().find(|set| set.values() == timings);
        named.map_or(Self::Values(timings), Self::Set)
    }

    fn values(&self) -> Timings {
        match self {
            Self::Set(set) => set.values(),
            Self::Values(timings) => *timings,
        }
    }
}

impl TimingsSet {
    pub(super) fn values(self) -> Timings {
        match self {
            Self::Production => Timings::production(),
            Self::Test => Timings::test(),
        }
    }
}

pub(super) const STORE_HINT: &str = "write `sqlite:PATH` or `postgres://USER@HOST/NAME`";
pub(super) const BASE_URL_HINT: &str = "write it like `https://api.example.com/v1`, without query";

const TENANT_HINT: &str = "use small letters, digits, `-` and `_`, at most 64 characters";
const PUBLIC_URL_HINT: &str =
    "write it like `https://leadflow.example.com`, without query; mailboxes follow no other link";

pub(super) fn is_tenant(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
}

/// With TLS, except on this machine.
fn is_public_url(url: &str) -> bool {
    let is_local = |url: Url| matches!(url.host_str(), Some("localhost" | "127.0.0.1"));
    is_web_address(url) && (url.starts_with("https://") || Url::parse(url).is_ok_and(is_local))
}

pub(super) fn is_store_url(url: &str) -> bool {
    ["sqlite:", "postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

pub(super) fn is_web_address(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
    })
}

fn money(usd: f64) -> MicroUsd {
    MicroUsd::from_usd(usd).expect("the schema holds the range")
}
