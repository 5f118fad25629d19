//! Records the histories that `tests/replay.rs` replays: `cargo run -p leadflow-tests --bin record-histories`.

use anyhow::Context;
use leadflow_starter::history;
use leadflow_tests::kill_points;
use leadflow_tests::lab::{Lab, OrSay};
use leadflow_tests::scenarios::Scenario;
use leadflow_workflows::lead_search::workflow_id;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/histories/lead_search");

fn main() -> ExitCode {
    if let Some(code) = kill_points::main_if_internal() {
        return code;
    }
    match record() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => leadflow_starter::failure::Failure::from(error).report(),
    }
}

#[tokio::main]
async fn record() -> anyhow::Result<()> {
    let folder = Path::new(FOLDER);
    let fresh = folder.with_extension("new");
    // What an interrupted recording has left.
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    for scenario in Scenario::ALL {
        record_one(scenario, &fresh).await.with_context(|| format!("scenario `{}`", scenario.name()))?;
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::rename(&fresh, folder)?;
    Ok(())
}

/// One file for each run of the workflow.
async fn record_one(scenario: Scenario, folder: &Path) -> anyhow::Result<()> {
    let lab = Lab::start(scenario.setup(None)).await?;
    let id = workflow_id(&scenario.play(&lab).await?);
    history::until_closed(&lab.stack.client, &id).await;
    let runs = history::runs(&lab.stack.client, &id).await.or_say()?;
    let many = runs.len() > 1;
    for (run, number) in runs.iter().zip(1..) {
        let json = history::export(&lab.stack.client, &id, &run.run_id).await.or_say()?;
        let name =
            if many { format!("{}-{number}.json", scenario.name()) } else { format!("{}.json", scenario.name()) };
        eprintln!("{name}: {} events, {} KiB", run.events.len(), json.len() / 1024);
        fs::write(folder.join(name), json)?;
    }
    lab.stop().await
}
