//! Where a configuration comes from: built-in defaults, then `leadflow.toml`, then the environment.

use super::document;
use super::file::{BASE_URL_HINT, ConfigFile, DEFAULTS, STORE_HINT, TimingsSet, is_store_url, is_web_address};
use super::mistakes::{Mistake, Mistakes};
use super::webhooks::{secrets, source_variable};
use super::{Config, ProviderConfig};
use leadflow_workflows::domain::provider::Provider;
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};

/// The key of every stand-in provider.
pub const SANDBOX_KEY: &str = "sandbox-key";

/// Every variable that [`Config::load`] reads, but for those of [`source_variable`], which a child inherits. Take them out of the environment of a child process before
/// [`Config::secret_env`] is put in, so that the child sees what its parent saw.
pub const VARIABLES: [&str; 14] = [
    "LEADFLOW_STORE_URL",
    "LEADFLOW_TIMINGS",
    "LEADFLOW_OPENAI_URL",
    "LEADFLOW_GEMINI_URL",
    "LEADFLOW_SERPER_URL",
    "LEADFLOW_HUNTER_URL",
    "LEADFLOW_UNIPILE_URL",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "SERPER_API_KEY",
    "HUNTER_API_KEY",
    "UNIPILE_API_KEY",
    WEBHOOK_SECRET,
    SIGNING_SECRET,
];

const WEBHOOK_SECRET: &str = "UNIPILE_WEBHOOK_SECRET";
const SIGNING_SECRET: &str = "UNIPILE_SIGNING_SECRET";

const FILE_NAME: &str = "leadflow.toml";

impl Config {
    /// Loads the file that is named, else `leadflow.toml` in the current folder, else the one in the data folder,
    /// else none, and puts the environment on top.
    ///
    /// # Errors
    /// Every mistake of the file, or else of the environment; a named file has to exist.
    pub fn load(file: Option<&Path>, data_folder: Option<&Path>) -> Result<Self, Mistakes> {
        let places = [Some(PathBuf::from(FILE_NAME)), data_folder.map(|folder| folder.join(FILE_NAME))];
        let found = file.map(Path::to_path_buf).or_else(|| places.into_iter().flatten().find(|place| place.exists()));
        Self::from_sources(found.as_deref(), |name| std::env::var(name).ok())
    }

    /// [`Config::load`] without its search for a file, and with an environment of the caller's choice.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_sources(file: Option<&Path>, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Mistakes> {
        let mut config = match file {
            Some(path) => document::load_over(path, DEFAULTS, ConfigFile::check).map_err(explain_keys)?.into_config(),
            None => Self::default(),
        };
        config.apply_environment(variable)?;
        Ok(config)
    }

    /// The defaults with every provider on one sandbox process, whose address is `http://127.0.0.1:PORT`.
    pub fn sandbox(base_url: &str) -> Self {
        Self::default().with_sandbox(base_url)
    }

    /// Puts a stand-in in the place of every provider that has no key: real keys replace them one by one.
    #[must_use]
    pub fn with_sandbox(mut self, base_url: &str) -> Self {
        let base_url = base_url.trim_end_matches('/');
        for provider in Provider::ALL {
            let path = match provider {
                Provider::Openai => "openai/v1",
                Provider::Gemini => "gemini/v1beta",
                Provider::Serper => "serper",
                Provider::Hunter => "hunter/v2",
                Provider::Unipile => "unipile/api/v1",
            };
            let settings = self.provider_mut(provider);
            if settings.api_key.is_none() {
                settings.base_url = format!("{base_url}/{path}");
                settings.api_key = Some(SANDBOX_KEY.into());
                settings.sandbox = true;
            }
        }
        if self.unipile.sandbox && self.webhooks.unipile_secrets.is_empty() {
            self.webhooks.unipile_secrets.push(SANDBOX_KEY.into());
        }
        self
    }

    /// The configuration as `leadflow.toml`, without secrets: those are in [`Config::secret_env`]. A child process that
    /// gets both loads the same configuration.
    pub fn to_toml(&self) -> String {
        toml::to_string(&ConfigFile::of(self)).expect("a configuration has only text keys")
    }

    /// The variables that [`Config::to_toml`] leaves out: the store's address, the key of each provider that has one, and
    /// the secrets of Unipile's webhooks.
    pub fn secret_env(&self) -> Vec<(&'static str, SecretString)> {
        let keys = Provider::ALL
            .into_iter()
            .filter_map(|provider| Some((key_variable(provider), self.provider(provider).api_key.clone()?)));
        let webhooks = [
            (WEBHOOK_SECRET, &self.webhooks.unipile_secrets),
            (SIGNING_SECRET, &self.webhooks.unipile_signing_secrets),
        ];
        let secrets = webhooks.into_iter().filter(|(_, secrets)| !secrets.is_empty()).map(|(name, secrets)| {
            let secrets: Vec<&str> = secrets.iter().map(ExposeSecret::expose_secret).collect();
            (name, secrets.join(" ").into())
        });
        std::iter::once(("LEADFLOW_STORE_URL", self.store.url.clone())).chain(keys).chain(secrets).collect()
    }

    /// Whether nobody has said where the store is.
    pub fn has_default_store(&self) -> bool {
        self.store.url.expose_secret() == Self::default().store.url.expose_secret()
    }

    fn apply_environment(&mut self, variable: impl Fn(&str) -> Option<String>) -> Result<(), Mistakes> {
        let variable =
            |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let mut list = vec![];
        let mut mistake = |name: &str, message: &str, hint: &str| {
            let message = format!("{name} {message}");
            list.push(Mistake { path: name.into(), span: None, message, hint: Some(hint.into()) });
        };
        if let Some(url) = variable("LEADFLOW_STORE_URL") {
            if !is_store_url(&url) {
                mistake("LEADFLOW_STORE_URL", "is not the address of a store", STORE_HINT);
            }
            self.store.url = url.into();
        }
        match variable("LEADFLOW_TIMINGS").as_deref() {
            None => {}
            Some("production") => self.timings = TimingsSet::Production.values(),
            Some("test") => self.timings = TimingsSet::Test.values(),
            Some(_) => mistake("LEADFLOW_TIMINGS", "is not a set of timings", "set it to `production` or `test`"),
        }
        for provider in Provider::ALL {
            let settings = self.provider_mut(provider);
            let name = url_variable(provider);
            if let Some(url) = variable(name) {
                if !is_web_address(&url) {
                    mistake(name, "is not a web address", BASE_URL_HINT);
                }
                settings.base_url = url;
            }
            let name = key_variable(provider);
            if let Some(key) = variable(name) {
                if !is_key(&key) {
                    mistake(name, NO_KEY, KEY_HINT);
                }
                settings.sandbox |= key == SANDBOX_KEY;
                settings.api_key = Some(key.into());
            }
        }
        let webhooks = &mut self.webhooks;
        let unipile = [
            (WEBHOOK_SECRET.to_owned(), &mut webhooks.unipile_secrets),
            (SIGNING_SECRET.to_owned(), &mut webhooks.unipile_signing_secrets),
        ];
        let sources = webhooks.sources.iter_mut().map(|(name, source)| (source_variable(name), &mut source.secrets));
        for (name, kept) in unipile.into_iter().chain(sources) {
            match variable(&name).map(|text| secrets(&name, &text)).transpose() {
                Ok(found) => *kept = found.unwrap_or_default(),
                Err(mistake) => list.push(mistake),
            }
        }
        if list.is_empty() {
            return Ok(());
        }
        Err(Mistakes { file: "environment".into(), text: String::new(), list })
    }

    fn provider_mut(&mut self, provider: Provider) -> &mut ProviderConfig {
        match provider {
            Provider::Openai => &mut self.openai,
            Provider::Gemini => &mut self.gemini,
            Provider::Serper => &mut self.serper,
            Provider::Hunter => &mut self.hunter,
            Provider::Unipile => &mut self.unipile,
        }
    }
}

/// The built-in defaults: real providers without keys.
impl Default for Config {
    fn default() -> Self {
        document::parse("the defaults", DEFAULTS, "", ConfigFile::check)
            .expect("the built-in defaults have no mistakes")
            .into_config()
    }
}

/// A commented `leadflow.toml` in which every setting is switched off, so that the defaults of the next release apply
/// to whatever its owner did not touch.
pub fn template() -> String {
    let line = |line: &str| {
        let comment = line.is_empty() || line.starts_with('#') || line.starts_with('[');
        if comment { format!("{line}\n") } else { format!("# {line}\n") }
    };
    DEFAULTS.lines().map(line).collect()
}

fn key_variable(provider: Provider) -> &'static str {
    match provider {
        Provider::Openai => "OPENAI_API_KEY",
        Provider::Gemini => "GEMINI_API_KEY",
        Provider::Serper => "SERPER_API_KEY",
        Provider::Hunter => "HUNTER_API_KEY",
        Provider::Unipile => "UNIPILE_API_KEY",
    }
}

fn url_variable(provider: Provider) -> &'static str {
    match provider {
        Provider::Openai => "LEADFLOW_OPENAI_URL",
        Provider::Gemini => "LEADFLOW_GEMINI_URL",
        Provider::Serper => "LEADFLOW_SERPER_URL",
        Provider::Hunter => "LEADFLOW_HUNTER_URL",
        Provider::Unipile => "LEADFLOW_UNIPILE_URL",
    }
}

pub(super) const NO_KEY: &str = "contains a space or a letter that no key has";
pub(super) const KEY_HINT: &str = "copy the key again, without quotes";

pub(super) fn is_key(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A key in the file is an unknown key like any other, but deserves its own advice.
fn explain_keys(mut mistakes: Mistakes) -> Mistakes {
    for provider in Provider::ALL {
        let path = format!("{}.api_key", provider.name());
        for mistake in mistakes.list.iter_mut().filter(|mistake| mistake.path == path) {
            let name = key_variable(provider);
            mistake.hint = Some(format!("keys are not kept in files: set {name} in the environment"));
        }
    }
    mistakes
}

#[cfg(test)]
mod tests;
