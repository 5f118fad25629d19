//! `starter history`: the workflow histories of searches, as files that prove that a new build still replays them.

use super::{print, print_json, tell};
use crate::failure::Failure;
use crate::history::{export, replay, runs};
use crate::output::figures::counted;
use crate::site::{GlobalArgs, Site};
use clap::{Args, Subcommand};
use leadflow_workflows::domain::ids::SearchId;
use leadflow_workflows::lead_search::workflow_id;
use serde::Serialize;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Export workflow histories, and replay them against this build
#[derive(Subcommand, Debug)]
pub enum HistoryCommand {
    Export(ExportArgs),
    Replay(ReplayArgs),
}

/// Write the history of every run of a search to a file
///
/// Example: starter history export last --output histories
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Id of a search or its beginning, name, or `last`
    #[arg(value_name = "ID")]
    search: String,
    /// Folder to write to; made if it is not there
    #[arg(long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
}

/// Replay histories, to see that this build would do the same again
///
/// Example: starter history replay histories/*.json
#[derive(Args, Debug)]
pub struct ReplayArgs {
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Replayed {
    file: PathBuf,
    replays: bool,
    problem: Option<String>,
}

pub async fn run(command: HistoryCommand, global: &GlobalArgs) -> Result<(), Failure> {
    match command {
        HistoryCommand::Export(args) => write(&args, global).await,
        HistoryCommand::Replay(args) => check(&args, global.json).await,
    }
}

async fn write(args: &ExportArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let search = site.search(&store, &args.search).await?;
    let workflow_id = workflow_id(&SearchId(search.id.clone()));
    let (client, _) = site.temporal().await?;
    let mut written = Vec::new();
    let mut histories = Vec::new();
    for run in runs(&client, &workflow_id).await? {
        histories.push((export(&client, &workflow_id, &run.run_id).await?, run));
    }
    let cannot = |path: &Path, error: &std::io::Error| {
        Failure::Failed(format!("cannot write `{}`: {error}\nhint: name another folder with --output", path.display()))
    };
    fs::create_dir_all(&args.output).map_err(|error| cannot(&args.output, &error))?;
    for ((json, run), number) in histories.into_iter().zip(1..) {
        let path = args.output.join(format!("search-{}-run{number}.json", search.id));
        fs::write(&path, json).map_err(|error| cannot(&path, &error))?;
        if !global.json {
            print(&format!("{}\n", path.display()))?;
            tell(&format!("  {}", counted(run.events.len() as u64, "event")));
        }
        written.push(json!({ "run_id": run.run_id, "file": path, "events": run.events.len() }));
    }
    if global.json {
        print_json(&json!({ "search_id": search.id, "workflow_id": workflow_id, "runs": written }))?;
    }
    Ok(())
}

async fn check(args: &ReplayArgs, json: bool) -> Result<(), Failure> {
    let mut replayed = Vec::new();
    for file in &args.files {
        let problem = match fs::read(file) {
            Ok(bytes) => replay(&bytes).await.err(),
            Err(error) => Some(format!("cannot be read: {error}")),
        };
        if !json && problem.is_none() {
            print(&format!("replays  {}\n", file.display()))?;
        }
        replayed.push(Replayed { file: file.clone(), replays: problem.is_none(), problem });
    }
    if json {
        print_json(&replayed)?;
    }
    let bad: Vec<String> = replayed
        .iter()
        .filter_map(|one| Some(format!("  {}: {}", one.file.display(), one.problem.as_deref()?)))
        .collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{} of {} do not replay:\n{}\nhint: a changed workflow needs a patch, so that what runs already goes on as it began; \
         a file must be one that `starter history export` wrote",
        bad.len(),
        replayed.len(),
        bad.join("\n")
    )))
}
