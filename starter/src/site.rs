//! Where the store and Temporal are: beside a running `starter dev`, or where the configuration says.

use crate::embedded::data_folder::{Running, running_in};
use crate::embedded::server::NAMESPACE;
use crate::failure::Failure;
use crate::launch::Launcher;
use crate::outreach::Outreach;
use clap::Args;
use leadflow_activities::config::Config;
use leadflow_activities::gate::Gate;
use leadflow_activities::store::Store;
use leadflow_activities::store::searches::Search;
use leadflow_clock::Clock;
use leadflow_worker::temporal::{self, Target};
use leadflow_workflows::domain::ids::SearchId;
use leadflow_workflows::lead_search::workflow_id;
use std::path::{Path, PathBuf};
use temporalio_client::Client;

/// Folder of the embedded mode when none is named.
pub const DEFAULT_DATA: &str = "leadflow-data";

/// Options that every command understands.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalArgs {
    /// Configuration file; without it `leadflow.toml` in the current folder, else in the data folder, if there is one
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder of `starter dev`; without it `leadflow-data` in the current folder, if there is one
    #[arg(long, global = true, value_name = "FOLDER", env = "LEADFLOW_DATA", hide_env_values = true)]
    pub data: Option<PathBuf>,
    /// One JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

/// The installation that a command works on.
#[derive(Clone)]
pub struct Site {
    pub config: Config,
    /// The data folder, when there is one.
    pub data: Option<PathBuf>,
    /// The `starter dev` that holds it.
    pub running: Option<Running>,
    /// That of the `starter dev`, else the system's.
    pub clock: Clock,
}

impl Site {
    /// Finds the installation. A data folder (named, or `leadflow-data` here) decides over the store's address.
    pub fn find(args: &GlobalArgs) -> Result<Self, Failure> {
        let data = args.data.clone().or_else(|| Some(PathBuf::from(DEFAULT_DATA)).filter(|folder| folder.is_dir()));
        if let Some(folder) = &args.data
            && !folder.is_dir()
        {
            return Err(Failure::Failed(format!(
                "there is no data folder `{}`\nhint: start one with `starter dev --data {0}`, or leave --data out",
                folder.display()
            )));
        }
        let mut config = Config::load(args.config.as_deref(), data.as_deref())?;
        let running = data.as_deref().and_then(running_in);
        if let Some(folder) = &data {
            config = in_folder(config, folder);
        }
        if let Some(url) = running.as_ref().and_then(|running| running.sandbox_url.as_deref()) {
            config = config.with_sandbox(url);
        }
        let clock = running.as_ref().and_then(|running| running.clock.as_deref());
        let clock = clock.and_then(|clock| clock.parse().ok()).unwrap_or_else(Clock::system);
        Ok(Self { config, data, running, clock })
    }

    /// The store of the configured tenant.
    pub async fn store(&self) -> Result<Store, Failure> {
        Ok(self.installation_store().await?.for_tenant(self.tenant()))
    }

    /// The store of all tenants, for what finds out by itself whom something concerns.
    pub async fn installation_store(&self) -> Result<Store, Failure> {
        Ok(Store::connect(&self.config.store).await?)
    }

    pub fn gate(&self, store: &Store) -> Gate {
        Gate::new(store.clone(), self.clock, self.config.budgets.clone(), self.config.timings)
    }

    /// Connects to the `starter dev` of the data folder, else to where the SDK's configuration says.
    pub async fn temporal(&self) -> Result<(Client, Target), Failure> {
        let Some(running) = &self.running else { return Ok(temporal::connect().await?) };
        let Some(address) = &running.temporal_address else {
            return Err(Failure::Failed(format!(
                "the `starter dev` of this data folder (pid {}) is still starting\nhint: try again in a moment",
                running.pid
            )));
        };
        Ok(temporal::connect_to(address).await?)
    }

    /// What steers searches, with a new connection to Temporal.
    pub async fn launcher(&self, store: Store) -> Result<Launcher, Failure> {
        let (client, _) = self.temporal().await?;
        Ok(self.launcher_with(store, client))
    }

    pub fn launcher_with(&self, store: Store, client: Client) -> Launcher {
        Launcher { config: self.config.clone(), gate: self.gate(&store), store, client, clock: self.clock }
    }

    /// What steers outreach, with a new connection to Temporal. Temporal before the store, so that a server that is away
    /// leaves no new store behind.
    pub async fn outreach(&self) -> Result<Outreach, Failure> {
        let (client, _) = self.temporal().await?;
        Ok(self.outreach_with(self.store().await?, client))
    }

    pub fn outreach_with(&self, store: Store, client: Client) -> Outreach {
        Outreach { config: self.config.clone(), store, client, clock: self.clock }
    }

    /// The page of a search in the Temporal web UI; `None` when no `starter dev` shows one.
    pub fn web_ui(&self, search_id: &SearchId) -> Option<String> {
        let ui_url = self.running.as_ref()?.ui_url.as_deref()?;
        let workflow = workflow_id(search_id).replace('/', "%2F");
        Some(format!("{ui_url}/namespaces/{NAMESPACE}/workflows/{workflow}"))
    }

    pub fn tenant(&self) -> &str {
        &self.config.tenant
    }

    /// The one search that a word means: `last`, a name, or the beginning of an id.
    pub async fn search(&self, store: &Store, word: &str) -> Result<Search, Failure> {
        let mut found = store.matching_searches(self.tenant(), word).await?;
        match found.len() {
            0 => {
                Err(Failure::Refused(format!("no search matches `{word}`\nhint: `starter search list` shows them all")))
            }
            1 => Ok(found.remove(0)),
            count => {
                let newest: Vec<String> =
                    found.iter().take(5).map(|search| format!("  {}  {}", search.id, search.name)).collect();
                Err(Failure::Refused(format!(
                    "{count} searches match `{word}`, the newest first:\n{}\nhint: give more of the id, or `last`",
                    newest.join("\n")
                )))
            }
        }
    }
}

/// The configuration for a data folder: its store is the SQLite file in it, unless the configuration names another.
pub fn in_folder(mut config: Config, folder: &Path) -> Config {
    if config.has_default_store() {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        config.store.url = format!("sqlite:{}", folder.join("leadflow.db").display()).into();
    }
    config
}
