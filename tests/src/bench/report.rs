//! Measurements for people.

use super::search::{Limit, Measured, Run};
use super::{ingress_load, open, outreach, simulate};
use crate::ingress_chaos::ChaosReport;
use crate::ingress_outage::OutageReport;
use crate::kill::KillReport;
use crate::outreach_kill::OutreachKillReport;
use crate::reply_wins::{ReplyReport, Spread};

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
    rows.chain(calls).chain([limits(&measured.limits)]).collect()
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
    table(&rows)
}

pub(super) fn outreach(measured: &outreach::Measured) -> String {
    let spread = |spread: &outreach::Spread| format!("{:.2} ({} to {})", spread.mean, spread.least, spread.most);
    let actions = &measured.actions;
    table(&[
        ("enrollments", measured.enrollments.to_string()),
        ("accounts", measured.accounts.to_string()),
        ("seconds", format!("{:.1}", measured.seconds)),
        ("events per lead", spread(&measured.events_per_lead)),
        ("actions per lead", spread(&measured.actions_per_lead)),
        ("… starts", actions.starts.to_string()),
        ("… activities", actions.activities.to_string()),
        ("… retries", actions.retries.to_string()),
        ("… timers", actions.timers.to_string()),
        ("… signals", actions.signals.to_string()),
        ("… upserts", actions.upserts.to_string()),
        ("payload bytes per lead", format!("{:.0}", measured.payload_bytes_per_lead)),
        ("worker CPU seconds", format!("{:.2}", measured.worker_cpu_seconds)),
        ("… per 1,000 enrollments", format!("{:.2}", measured.worker_cpu_seconds_per_1000_enrollments)),
        ("worker peak memory, MiB", format!("{:.0}", measured.worker_peak_mib)),
    ]) + &limits(&measured.limits)
}

pub(super) fn outreach_kill(report: &OutreachKillReport) -> String {
    let states = report.states.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>();
    let by_campaign = report.contacts_by_campaign.iter().map(|(name, count)| format!("{count} {name}"));
    let contacts = format!("{} ({})", report.contacts, by_campaign.collect::<Vec<_>>().join(", "));
    table(&[
        ("enrollments", report.enrollments.to_string()),
        ("contacts", contacts),
        ("kills", report.kills.len().to_string()),
        ("zombies", report.zombies.len().to_string()),
        ("calls", report.calls.to_string()),
        ("faulty calls", report.faults.values().sum::<u64>().to_string()),
        ("in doubt", report.in_doubt.to_string()),
        ("problems", report.problems.len().to_string()),
        ("seconds", format!("{:.1}", report.seconds)),
    ]) + &format!("{}\n", states.join(", "))
}

pub(super) fn reply(report: &ReplyReport) -> String {
    table(&[
        ("open enrollments", report.open.to_string()),
        ("ms from one reply to the next", report.every_ms.to_string()),
        ("replies answered", report.answered.to_string()),
        ("workflows ended", report.closed.to_string()),
        ("calls a second before", report.calls_per_second.to_string()),
        ("contacts meanwhile", report.contacts_meanwhile.to_string()),
        ("calls after an answer", report.late_calls.to_string()),
        ("ms to the answer", times(report.to_answer)),
        ("ms to the end", times(report.to_end)),
    ]) + "in ms: half of them, 99 of 100, all\n"
}

pub(super) fn open(measured: &open::Measured) -> String {
    table(&[
        ("enrollments", measured.enrollments.to_string()),
        ("accounts", measured.accounts.to_string()),
        ("seconds to start all", format!("{:.1}", measured.seconds_to_start)),
        ("seconds until all sleep", format!("{:.1}", measured.seconds)),
        ("worker CPU seconds", format!("{:.2}", measured.worker_cpu_seconds)),
        ("worker peak memory, MiB", format!("{:.0}", measured.worker_peak_mib)),
    ]) + &limits(&measured.limits)
}

pub(super) fn simulate(measured: &simulate::Measured) -> String {
    table(&[
        ("leads", measured.leads.to_string()),
        ("LinkedIn accounts", measured.linkedin_accounts.to_string()),
        ("mailboxes", measured.mailboxes.to_string()),
        ("days", measured.days.to_string()),
        ("contacts", measured.contacts.to_string()),
        ("leads that still wait", measured.waiting.to_string()),
        ("seconds", format!("{:.2}", measured.seconds)),
    ]) + &limits(&measured.limits)
}

pub(super) fn ingress_load(measured: &ingress_load::Measured) -> String {
    let mut text = String::new();
    for load in &measured.stores {
        text += load.store;
        text += ": events a second, accepted a second, ms to the answer, ms until told\n";
        for step in &load.steps {
            let (answer, told) = (times(step.to_answer), times(step.to_told));
            let line = format!("{:>8}{:>10.1}{answer:>24}{told:>26}\n", step.rate, step.accepted_per_second);
            text += &line;
        }
        text += &table(&[
            ("sent", load.sent.to_string()),
            ("accepted", load.accepted.to_string()),
            ("lost", load.lost.to_string()),
            ("ms to the history", times(load.to_history)),
            ("seconds to drain", format!("{:.1}", load.seconds_to_drain)),
        ]);
    }
    text + "in ms: half of them, 99 of 100, all\n" + &limits(&measured.limits)
}

pub(super) fn ingress_chaos(report: &ChaosReport) -> String {
    let answers = report.answers.iter().map(|(status, count)| format!("{count} × {status}")).collect::<Vec<_>>();
    table(&[
        ("people", report.people.to_string()),
        ("good events", report.events.to_string()),
        ("… of them twice", report.doubled.to_string()),
        ("badly signed", report.badly_signed.to_string()),
        ("malformed", report.malformed.to_string()),
        ("kills", report.kills.len().to_string()),
        ("failed attempts", report.failed_attempts.to_string()),
        ("problems", report.problems.len().to_string()),
        ("ms to the answer", times(report.to_answer)),
        ("seconds", format!("{:.1}", report.seconds)),
        ("… until all are told", format!("{:.1}", report.seconds_to_tell)),
    ]) + &format!("{}\nin ms: half of them, 99 of 100, all\n", answers.join(", "))
}

pub(super) fn ingress_outage(report: &OutageReport) -> String {
    let outages = report.outages.iter().map(|outage| {
        table(&[
            ("Temporal is", outage.temporal.to_owned()),
            ("seconds", format!("{:.1}", outage.seconds)),
            ("events", outage.events.to_string()),
            ("failed attempts", outage.failed_attempts.to_string()),
            ("untold at the end", outage.untold.to_string()),
            ("ms to the answer", times(outage.to_answer)),
            ("seconds until told", format!("{:.1}", outage.seconds_to_tell)),
            ("… until ended", format!("{:.1}", outage.seconds_to_end)),
        ])
    });
    outages.collect::<Vec<_>>().join("\n") + "in ms: half of them, 99 of 100, all\n"
}

fn times(Spread { p50_ms, p99_ms, longest_ms }: Spread) -> String {
    format!("{p50_ms:.0}, {p99_ms:.0}, {longest_ms:.0}")
}

fn table(rows: &[(&str, String)]) -> String {
    rows.iter().map(|(name, value)| format!("{name:<26}{value:>18}\n")).collect::<Vec<_>>().concat()
}

fn limits(limits: &[Limit]) -> String {
    let lines = limits.iter().map(|limit| {
        let verdict = if limit.holds { "holds" } else { "BROKEN" };
        format!("{verdict:<7} {}: {:.2} of at most {}\n", limit.what, limit.measured, limit.at_most)
    });
    ["\n".to_owned()].into_iter().chain(lines).collect()
}
