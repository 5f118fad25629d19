//! Measurements for people.

use super::search::{Measured, Run};
use crate::kill::KillReport;

/// A name, and what stands under each run.
type Row = (&'static str, fn(&Run) -> String);

const ROWS: [Row; 13] = [
    ("businesses", |run| run.businesses.to_string()),
    ("leads", |run| run.leads.to_string()),
    ("seconds", |run| format!("{:.1}", run.seconds)),
    ("ideal seconds", |run| format!("{:.1}", run.ideal_seconds)),
    ("seconds per ideal", |run| format!("{:.2}", run.seconds_per_ideal)),
    ("first lead, seconds", |run| format!("{:.1}", run.first_lead_seconds)),
    ("history events", |run| format!("{} in {} runs", run.history.events, run.history.runs)),
    ("events per lead", |run| format!("{:.2}", run.events_per_lead)),
    ("longest run, events", |run| run.history.longest_run_events.to_string()),
    ("payload bytes per lead", |run| format!("{:.0}", run.payload_bytes_per_lead)),
    ("worker CPU seconds", |run| format!("{:.2}", run.worker_cpu_seconds)),
    ("… per 1,000 leads", |run| format!("{:.2}", run.worker_cpu_seconds_per_1000_leads)),
    ("worker peak memory, MiB", |run| format!("{:.0}", run.worker_peak_mib)),
];

pub(super) fn search(measured: &Measured) -> String {
    let line = |name: &str, of: &dyn Fn(&Run) -> String| {
        let values = measured.runs.iter().map(|run| format!("{:>18}", of(run)));
        format!("{name:<26}{}\n", values.collect::<String>())
    };
    let rows = ROWS.iter().map(|(name, of)| line(name, of));
    let calls = measured.calls_per_minute.iter().map(|(provider, per_minute)| {
        line(&format!("{provider}, {per_minute}/min"), &|run| format!("{} calls", run.calls[provider]))
    });
    let limits = measured.limits.iter().map(|limit| {
        let verdict = if limit.holds { "holds" } else { "BROKEN" };
        format!("{verdict:<7} {}: {:.2} of at most {}\n", limit.what, limit.measured, limit.at_most)
    });
    rows.chain(calls).chain(["\n".to_owned()]).chain(limits).collect()
}

pub(super) fn kill(report: &KillReport) -> String {
    let rows = [
        ("status", report.status.clone()),
        ("businesses", report.businesses.to_string()),
        ("leads", report.leads.to_string()),
        ("gaps", report.gaps.to_string()),
        ("kills", report.kills.len().to_string()),
        ("calls", report.calls.to_string()),
        ("faulty calls", report.faults.values().sum::<u64>().to_string()),
        ("lost", report.lost.len().to_string()),
        ("doubled", report.doubled.to_string()),
        ("billed, micro-dollars", report.billed_microusd.to_string()),
        ("booked, micro-dollars", report.booked_microusd.to_string()),
        ("in flight at kills", report.in_flight_at_kills.to_string()),
        ("paid twice", report.paid_twice.to_string()),
        ("seconds", format!("{:.1}", report.seconds)),
        ("… undisturbed", format!("{:.1}", report.undisturbed_seconds)),
    ];
    rows.map(|(name, value)| format!("{name:<26}{value:>18}\n")).concat()
}
