//! Every recorded history replays against today's workflow. When one does not, running searches would break, too.

use leadflow_starter::history::replay;
use leadflow_tests::scenarios::Scenario;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/histories/lead_search");

/// The files of a scenario: `NAME.json`, or `NAME-1.json`, `NAME-2.json` … for one that has several runs.
fn files(scenario: Scenario) -> Vec<PathBuf> {
    let of_scenario = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let rest = stem.strip_prefix(scenario.name()).map(|rest| rest.strip_prefix('-').unwrap_or(rest));
        rest.is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let entries = fs::read_dir(FOLDER).expect("histories are recorded; hint: record-histories");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(of_scenario).collect();
    files.sort();
    files
}

fn read(scenario: Scenario) -> Value {
    let files = files(scenario);
    let json = fs::read(files.first().expect("each scenario is recorded")).expect("a recorded history can be read");
    serde_json::from_slice(&json).expect("a recorded history is JSON")
}

fn attributes<'a>(event: &'a mut Value, kind: &str) -> Option<&'a mut Value> {
    event["attributes"].get_mut(kind)
}

#[tokio::test]
async fn every_recorded_history_replays() {
    let mut replayed = 0;
    for scenario in Scenario::ALL {
        let files = files(scenario);
        let least = if scenario == Scenario::ContinuedAsNew { 2 } else { 1 };
        assert!(files.len() >= least, "{} has {} files; hint: record-histories", scenario.name(), files.len());
        for file in files {
            let json = fs::read(&file).unwrap();
            let events = serde_json::from_slice::<Value>(&json).unwrap()["events"].as_array().unwrap().len();
            assert!(events > 20, "{} has {events} events", file.display());
            replay(&json).await.unwrap_or_else(|problem| panic!("{} does not replay: {problem}", file.display()));
            replayed += 1;
        }
    }
    let all = fs::read_dir(FOLDER).unwrap().count();
    assert_eq!(replayed, all, "a file belongs to no scenario");
}

/// Each scenario went the way that its name says: its history has what only this way leaves behind.
#[test]
fn the_scenarios_are_what_they_say() {
    for (scenario, mark) in [
        (Scenario::Completed, "WorkflowExecutionCompletedEventAttributes"),
        (Scenario::WithGaps, "search.give_up"),
        (Scenario::Cancelled, "WorkflowExecutionCanceledEventAttributes"),
        (Scenario::PausedAndResumed, "search.look"),
        (Scenario::OverBudgetAndRaised, "search.look"),
        (Scenario::ContinuedAsNew, "WorkflowExecutionContinuedAsNewEventAttributes"),
    ] {
        assert!(read(scenario).to_string().contains(mark), "{} has no {mark}", scenario.name());
    }
}

#[tokio::test]
async fn a_reordered_command_is_noticed() {
    let mut history = read(Scenario::Completed);
    let events = history["events"].as_array_mut().unwrap();
    let scheduled: Vec<usize> = (0..events.len())
        .filter(|index| events[*index]["attributes"].get("ActivityTaskScheduledEventAttributes").is_some())
        .collect();
    let kind = |events: &mut Vec<Value>, index: usize| {
        attributes(&mut events[index], "ActivityTaskScheduledEventAttributes").unwrap()["activity_type"].clone()
    };
    let (first, second) = (scheduled[0], scheduled[1]);
    let (one, other) = (kind(events, first), kind(events, second));
    assert_ne!(one, other);
    for (index, kind) in [(first, other), (second, one)] {
        attributes(&mut events[index], "ActivityTaskScheduledEventAttributes").unwrap()["activity_type"] = kind;
    }
    let problem = replay(history.to_string().as_bytes()).await.unwrap_err();
    assert!(problem.to_lowercase().contains("nondeterminis"), "{problem}");
}

#[tokio::test]
async fn what_is_no_history_is_refused() {
    let problem = replay(b"{\"events\": 5}").await.unwrap_err();
    assert!(problem.starts_with("this is no exported history"), "{problem}");
}
