//! The benchmark in small: 50 businesses without a limit that slows them; what can be counted is asserted.

use leadflow_activities::gate::UsageFilter;
use leadflow_sandbox::{Provider, Sandbox};
use leadflow_starter::history;
use leadflow_tests::bench::history::HistorySize;
use leadflow_tests::bench::process::ProcessUsage;
use leadflow_tests::bench::search::brief;
use leadflow_tests::lab::{Lab, Setup};
use leadflow_workflows::domain::search_plan::{PAGE_SIZE, REASON_BATCH};
use leadflow_workflows::lead_search::{LeadSearch, workflow_id};
use std::collections::BTreeMap;
use std::path::PathBuf;
use temporalio_client::WorkflowGetResultOptions;

const BUSINESSES: u32 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_businesses_stay_within_the_counts() {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_starter-under-test"));
    let lab = Lab::start(Setup::new(Some(program))).await.unwrap();
    let worker = lab.stack.worker_pid().unwrap();
    let id = lab.search(brief(BUSINESSES)).await.unwrap();
    let handle = lab.stack.client.get_workflow_handle::<LeadSearch>(workflow_id(&id));
    let result = handle.get_result(WorkflowGetResultOptions::default()).await.unwrap();
    assert_eq!(result.status, "completed");
    let usage = ProcessUsage::of(worker).unwrap();

    let progress = lab.progress(&id).await.unwrap();
    assert_eq!((progress.businesses, progress.businesses_searched), (BUSINESSES, BUSINESSES));
    let leads = result.leads;
    assert!(leads >= BUSINESSES && leads == progress.leads_ready && leads == progress.leads, "{progress:?}");

    let runs = history::runs(&lab.stack.client, &workflow_id(&id)).await;
    let size = HistorySize::of(&runs.map_err(|_| "the history cannot be read").unwrap());
    let leads = leads as usize;
    eprintln!("{leads} leads, {size:?}, worker {usage:?}");
    assert!(size.events <= 4 * leads, "{} events for {leads} leads", size.events);
    assert!(size.payload_bytes <= 150 * leads, "{} payload bytes for {leads} leads", size.payload_bytes);
    assert_eq!((size.runs, size.longest_run_events), (1, size.events));
    assert!(usage.peak_kib <= 120 * 1_024, "{usage:?}");

    // Every call is on the books once, and there are only those that the work needs.
    let mut billed: BTreeMap<&str, i64> = BTreeMap::new();
    let ledger = lab.stack.sandbox.as_ref().map(Sandbox::ledger).unwrap();
    for entry in ledger.iter().filter(|entry| entry.provider != Provider::Unipile) {
        let operation = match entry.operation.as_str() {
            "maps" => "maps",
            "search" => "people",
            other if other.ends_with(":business_personas") => "business_personas",
            other if other.ends_with(":decision_maker_personas") => "decision_maker_personas",
            other if other.ends_with(":lead_reasons") => "lead_reasons",
            "generate_content:grounded" => "market_facts",
            "generate_content:structured" => "market_insight",
            other => panic!("an unexpected call: {other}"),
        };
        *billed.entry(operation).or_default() += 1;
    }
    let filter = UsageFilter { search_id: Some(id.as_str()), ..UsageFilter::default() };
    let booked = lab.launcher().gate.usage(filter).await.unwrap();
    let booked: BTreeMap<&str, i64> = booked.iter().map(|row| (row.operation.as_str(), row.calls)).collect();
    assert_eq!(booked, billed);
    let reasons = booked["lead_reasons"];
    let fewest = i64::try_from(leads.div_ceil(REASON_BATCH as usize)).unwrap();
    assert!((fewest..=2 * fewest + 2).contains(&reasons), "{reasons} calls for the reasons of {leads} leads");
    let expected = BTreeMap::from([
        ("business_personas", 1),
        ("decision_maker_personas", 1),
        ("market_facts", 2),
        ("market_insight", 2),
        ("maps", i64::from(BUSINESSES.div_ceil(PAGE_SIZE))),
        ("people", i64::from(BUSINESSES)),
        ("lead_reasons", reasons),
    ]);
    assert_eq!(booked, expected);
    lab.stop().await.unwrap();
}
