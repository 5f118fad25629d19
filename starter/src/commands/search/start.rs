//! `starter search start`.

use super::super::keys::{self, Key};
use super::super::{print, print_json, tell};
use super::{dry_run, finish, follow};
use crate::brief_file;
use crate::failure::Failure;
use crate::launch::{Start, source};
use crate::output::{SANDBOX_NOTICE, SANDBOX_SOURCE};
use crate::site::{GlobalArgs, Site};
use clap::Args;
use leadflow_activities::config::Config;
use leadflow_activities::providers::Clients;
use leadflow_workflows::domain::brief::Brief;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::lead_search::workflow_id;
use std::path::{Path, PathBuf};

/// Start a search from a brief
///
/// Example: starter search start --brief brief.toml --wait
#[derive(Args, Debug)]
pub struct StartArgs {
    /// The brief; `starter init` writes one to start from
    #[arg(value_name = "FILE", required_unless_present = "brief", conflicts_with = "brief")]
    file: Option<PathBuf>,
    /// The brief, by name
    #[arg(long, value_name = "FILE")]
    brief: Option<PathBuf>,
    /// List of businesses and people to leave out: CSV with columns domain, name, cid, linkedin or email
    #[arg(long, value_name = "FILE.csv")]
    exclude: Option<PathBuf>,
    /// Show calls, cost and time to expect; store and pay nothing
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Follow the search until it ends
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(args: &StartArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let file = args.brief.as_deref().or(args.file.as_deref()).unwrap_or(Path::new("brief.toml"));
    let brief = brief_file::load(file)?;
    let exclusions = args.exclude.as_deref().map(brief_file::load_exclude_list).transpose()?.unwrap_or_default();
    let site = Site::find(global)?;
    if args.dry_run {
        return dry_run::run(&site.config, &brief, exclusions.len(), global.json);
    }
    check_keys(&site.config, &brief).await?;
    // Temporal before the store, so that a server that is away leaves no new store behind.
    let (client, target) = site.temporal().await?;
    let store = site.store().await?;
    let launcher = site.launcher_with(store.clone(), client);
    let search_id = launcher.start(Start { exclusions, ..Start::new(brief) }).await?;
    let search = site.search(&store, search_id.as_str()).await?;

    if source(&site.config) == SANDBOX_SOURCE {
        tell(SANDBOX_NOTICE);
    }
    tell(&format!("search {search_id} started at {}, namespace {}", target.address, target.namespace));
    if args.wait {
        let ended = follow(&launcher, &search).await?;
        return finish(&site, &ended, global).await;
    }
    if global.json {
        return print_json(&serde_json::json!({
            "search_id": search.id, "name": search.name, "status": search.status, "source": search.source,
            "workflow_id": workflow_id(&search_id), "web_ui": site.web_ui(&search_id),
        }));
    }
    print(&format!("{search_id}\n"))?;
    tell(&format!("follow it: starter search watch {search_id}"));
    Ok(())
}

/// Asks the providers that the brief needs whether they take our keys, before anything is stored. One that does not
/// answer now is no reason to refuse: the search will try again.
async fn check_keys(config: &Config, brief: &Brief) -> Result<(), Failure> {
    let clients = Clients::from_config(config).map_err(|error| Failure::Failed(error.to_string()))?;
    let needed =
        [(Provider::Openai, true), (Provider::Gemini, brief.want.insights), (Provider::Hunter, brief.want.email)];
    let checks = needed.into_iter().filter(|(_, needed)| *needed).map(|(provider, _)| keys::check(&clients, provider));
    for key in futures::future::join_all(checks).await {
        match key {
            Key::Accepted | Key::NotChecked => {}
            Key::Refused(error) => return Err(Failure::Failed(format!("nothing was stored or paid: {error}"))),
            Key::Unknown(error) => tell(&format!("warning: {error}; the search will try again by itself")),
        }
    }
    Ok(())
}
