//! Records one trace of a real run and writes it, as text, into `docs/observability.md`:
//! `cargo run -p leadflow-tests --bin record-trace`.

use anyhow::Context;
use leadflow_tests::kill_points;
use leadflow_tests::trace::{record, tree};
use std::fs;
use std::process::ExitCode;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/observability.md");
/// Between these two the page holds the trace.
const BEGIN: &str = "<!-- trace: written by record-trace -->\n```text\n";
const END: &str = "```\n<!-- end of trace -->";

fn main() -> ExitCode {
    if let Some(code) = kill_points::main_if_internal() {
        return code;
    }
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => leadflow_starter::failure::Failure::from(error).report(),
    }
}

#[tokio::main]
async fn write() -> anyhow::Result<()> {
    let recorded = record(None).await?;
    let page = fs::read_to_string(PAGE)?;
    let (before, rest) = page.split_once(BEGIN).context("the page has no place for the trace")?;
    let (_, after) = rest.split_once(END).context("the page's trace does not end")?;
    let trace = tree(&recorded.spans);
    eprint!("{trace}");
    Ok(fs::write(PAGE, format!("{before}{BEGIN}{trace}{END}{after}"))?)
}
