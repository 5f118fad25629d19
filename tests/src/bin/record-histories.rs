//! Records the histories that `tests/replay.rs` replays, all or those of some workflows:
//! `cargo run -p leadflow-tests --bin record-histories -- [WORKFLOW]...`.

use anyhow::{Context, bail};
use leadflow_starter::history;
use leadflow_tests::kill_points;
use leadflow_tests::lab::{Lab, OrSay};
use leadflow_tests::scenarios::Scenario;
use leadflow_tests::scenarios::endings::{self, ENDINGS};
use leadflow_tests::scenarios::groups::{self, BUYER_GROUPS};
use leadflow_tests::scenarios::readings::{self, READINGS};
use leadflow_workflows::lead_search::workflow_id;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/histories");
const LEAD_SEARCH: &str = "lead_search";

fn main() -> ExitCode {
    if let Some(code) = kill_points::main_if_internal() {
        return code;
    }
    let only: Vec<String> = std::env::args().skip(1).collect();
    match record(&only) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => leadflow_starter::failure::Failure::from(error).report(),
    }
}

#[tokio::main]
async fn record(only: &[String]) -> anyhow::Result<()> {
    let endings = ENDINGS.iter().map(|(workflow, _)| *workflow);
    let all: Vec<&str> = [LEAD_SEARCH, READINGS.0, BUYER_GROUPS].into_iter().chain(endings).collect();
    if let Some(unknown) = only.iter().find(|only| !all.contains(&only.as_str())) {
        bail!("there is no workflow `{unknown}`; hint: one of {}", all.join(", "));
    }
    let wanted = |workflow: &str| only.is_empty() || only.iter().any(|only| only == workflow);
    if wanted(LEAD_SEARCH) {
        let folder = Fresh::create(LEAD_SEARCH)?;
        for scenario in Scenario::ALL {
            let runs = searched(scenario).await.with_context(|| format!("scenario `{}`", scenario.name()))?;
            folder.write(scenario.name(), &runs)?;
        }
        folder.replace()?;
    }
    if wanted(READINGS.0) {
        let lab = Lab::start(readings::setup(None)).await?;
        let played = Box::pin(readings::play(&lab)).await?;
        lab.stop().await?;
        let folder = Fresh::create(READINGS.0)?;
        for reading in &played {
            folder.write(reading.scenario, std::slice::from_ref(&reading.run))?;
        }
        folder.replace()?;
    }
    if ENDINGS.iter().any(|(workflow, _)| wanted(workflow)) {
        let lab = Lab::start(endings::setup(None)).await?;
        let played = Box::pin(endings::play(&lab)).await?;
        lab.stop().await?;
        for (workflow, _) in ENDINGS.into_iter().filter(|(workflow, _)| wanted(workflow)) {
            let folder = Fresh::create(workflow)?;
            for ending in played.iter().filter(|ending| ending.workflow == workflow) {
                folder.write(ending.scenario, &ending.runs)?;
            }
            folder.replace()?;
        }
    }
    if wanted(BUYER_GROUPS) {
        let lab = Lab::start(groups::setup(None)).await?;
        let played = Box::pin(groups::play(&lab)).await?;
        lab.stop().await?;
        let folder = Fresh::create(BUYER_GROUPS)?;
        for ending in &played {
            folder.write(ending.scenario, &ending.runs)?;
        }
        folder.replace()?;
    }
    Ok(())
}

/// The runs of a search, the first one first.
async fn searched(scenario: Scenario) -> anyhow::Result<Vec<Vec<u8>>> {
    let lab = Lab::start(scenario.setup(None)).await?;
    let id = workflow_id(&scenario.play(&lab).await?);
    history::until_closed(&lab.stack.client, &id).await;
    let mut exported = Vec::new();
    for run in history::runs(&lab.stack.client, &id).await.or_say()? {
        exported.push(history::export(&lab.stack.client, &id, &run.run_id).await.or_say()?);
    }
    lab.stop().await?;
    Ok(exported)
}

/// A folder that takes the place of the recorded one when all is in it.
struct Fresh {
    folder: PathBuf,
    fresh: PathBuf,
}

impl Fresh {
    fn create(workflow: &str) -> anyhow::Result<Self> {
        let folder = Path::new(FOLDER).join(workflow);
        let fresh = folder.with_extension("new");
        // What an interrupted recording has left.
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        fs::create_dir_all(&fresh)?;
        Ok(Self { folder, fresh })
    }

    /// One file for each run of the workflow.
    fn write(&self, scenario: &str, runs: &[Vec<u8>]) -> anyhow::Result<()> {
        for (json, number) in runs.iter().zip(1..) {
            let name = if runs.len() > 1 { format!("{scenario}-{number}.json") } else { format!("{scenario}.json") };
            eprintln!("{name}: {} KiB", json.len() / 1024);
            fs::write(self.fresh.join(name), json)?;
        }
        Ok(())
    }

    fn replace(self) -> anyhow::Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        Ok(fs::rename(self.fresh, self.folder)?)
    }
}
