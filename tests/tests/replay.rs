//! Every recorded history replays against today's workflows. When one does not, what runs already would break, too.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use leadflow_starter::history::replay;
use leadflow_tests::scenarios::Scenario;
use leadflow_tests::scenarios::endings::ENDINGS;
use leadflow_tests::scenarios::groups::{BUYER_GROUPS, GROUP_SCENARIOS};
use leadflow_tests::scenarios::readings::READINGS;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/histories");
const CONTINUED: &str = "continued_as_new";

/// Each workflow with its scenarios.
fn recorded() -> Vec<(&'static str, Vec<&'static str>)> {
    let searches = ("lead_search", Scenario::ALL.map(Scenario::name).to_vec());
    let endings = ENDINGS.iter().map(|(workflow, scenarios)| (*workflow, scenarios.to_vec()));
    let readings = (READINGS.0, READINGS.1.to_vec());
    let groups = (BUYER_GROUPS, GROUP_SCENARIOS.to_vec());
    [searches, readings, groups].into_iter().chain(endings).collect()
}

/// The files of a scenario: `NAME.json`, or `NAME-1.json`, `NAME-2.json` … for one that has several runs.
fn files(workflow: &str, scenario: &str) -> Vec<PathBuf> {
    let of_scenario = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let rest = stem.strip_prefix(scenario).map(|rest| rest.strip_prefix('-').unwrap_or(rest));
        rest.is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let entries = fs::read_dir(Path::new(FOLDER).join(workflow));
    let entries = entries.expect("histories are recorded; hint: record-histories");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(of_scenario).collect();
    files.sort();
    files
}

/// The first run.
fn read(workflow: &str, scenario: &str) -> Value {
    let files = files(workflow, scenario);
    let json = fs::read(files.first().expect("each scenario is recorded")).expect("a recorded history can be read");
    serde_json::from_slice(&json).expect("a recorded history is JSON")
}

#[tokio::test]
async fn every_recorded_history_replays() {
    for (workflow, scenarios) in recorded() {
        let mut replayed = BTreeSet::new();
        for scenario in scenarios {
            let files = files(workflow, scenario);
            let least = if scenario == CONTINUED { 2 } else { 1 };
            assert!(files.len() >= least, "{workflow}/{scenario} has {} files; hint: record-histories", files.len());
            for file in files {
                let json = fs::read(&file).unwrap();
                let events = serde_json::from_slice::<Value>(&json).unwrap()["events"].as_array().unwrap().len();
                assert!(events > 10, "{} has {events} events", file.display());
                replay(&json).await.unwrap_or_else(|problem| panic!("{} does not replay: {problem}", file.display()));
                assert!(replayed.insert(file));
            }
        }
        let all = fs::read_dir(Path::new(FOLDER).join(workflow)).unwrap().count();
        assert_eq!(replayed.len(), all, "a file of {workflow} belongs to no scenario");
    }
}

/// Each scenario went the way that its name says: its history has what only this way leaves behind.
#[test]
fn the_scenarios_are_what_they_say() {
    let completed = "WorkflowExecutionCompletedEventAttributes";
    let continued = "WorkflowExecutionContinuedAsNewEventAttributes";
    for (workflow, scenario, mark) in [
        ("lead_search", "completed", completed),
        ("lead_search", "with_gaps", "search.give_up"),
        ("lead_search", "cancelled", "WorkflowExecutionCanceledEventAttributes"),
        ("lead_search", "paused_and_resumed", "search.look"),
        ("lead_search", "over_budget_and_raised", "search.look"),
        ("lead_search", CONTINUED, continued),
        ("enrollment", CONTINUED, continued),
        ("campaign", "completed", completed),
        ("campaign", "stopped", completed),
        ("campaign", CONTINUED, continued),
        ("sender_account", CONTINUED, continued),
        ("reply_reading", "labelled", completed),
        ("reply_reading", "opted_out", completed),
        ("reply_reading", "not_read", completed),
        (BUYER_GROUPS, "completed", completed),
        (BUYER_GROUPS, "coalesced", "WorkflowExecutionSignaledEventAttributes"),
        (BUYER_GROUPS, "restarted", completed),
        (BUYER_GROUPS, "with_gaps", "ActivityTaskFailedEventAttributes"),
    ] {
        assert!(read(workflow, scenario).to_string().contains(mark), "{workflow}/{scenario} has no {mark}");
    }
}

/// Moves the second of two commands of one workflow task before the first, if there are two that differ.
fn reorder(history: &mut Value) -> bool {
    let events = history["events"].as_array_mut().expect("a history has events");
    let command = |event: &Value| {
        let (kind, attributes) = event["attributes"].as_object()?.iter().next()?;
        let task = attributes["workflow_task_completed_event_id"].as_i64()?;
        Some((task, format!("{kind} {}", attributes["activity_type"])))
    };
    let pair = (1..events.len()).find(|index| match (command(&events[index - 1]), command(&events[*index])) {
        (Some((one_task, one)), Some((other_task, other))) => one_task == other_task && one != other,
        _ => false,
    });
    let Some(index) = pair else { return false };
    events.swap(index - 1, index);
    // The events keep their places; what is in them changes its place.
    let id = events[index]["event_id"].take();
    events[index]["event_id"] = std::mem::replace(&mut events[index - 1]["event_id"], id);
    true
}

/// The reading of a reply gives one command at a time, so that there is nothing to reorder; another one is noticed as well.
#[tokio::test]
async fn another_activity_is_noticed() {
    let history = read(READINGS.0, "labelled").to_string();
    let other = history.replace("openai.read_reply", "openai.lead_reasons");
    assert_ne!(history, other);
    let problem = replay(other.as_bytes()).await.expect_err("it replays with another activity");
    assert!(problem.to_lowercase().contains("nondeterminis"), "{problem}");
}

#[tokio::test]
async fn a_reordered_command_is_noticed() {
    for (workflow, scenarios) in recorded().into_iter().filter(|(workflow, _)| *workflow != READINGS.0) {
        let histories = scenarios.iter().map(|scenario| read(workflow, scenario));
        let mut reordered = histories.filter_map(|mut history| reorder(&mut history).then_some(history));
        let history = reordered.next().unwrap_or_else(|| panic!("{workflow} never gives two commands at once"));
        let problem = replay(history.to_string().as_bytes()).await.expect_err(workflow);
        assert!(problem.to_lowercase().contains("nondeterminis"), "{workflow}: {problem}");
    }
}

#[tokio::test]
async fn what_is_no_history_is_refused() {
    let problem = replay(b"{\"events\": 5}").await.unwrap_err();
    assert!(problem.starts_with("this is no exported history"), "{problem}");
}
