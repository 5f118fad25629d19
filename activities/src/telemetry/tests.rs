//! The text that Prometheus reads: its values, and the rules of Prometheus' own linter.

use super::{Metrics, counters};
use crate::config::Budgets;
use crate::gate::Gate;
use crate::store::Store;
use crate::store::testing::each_backend;
use leadflow_clock::Clock;
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::outreach::{Action, Hold};
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::timings::Timings;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// 2026-03-14 12:00 UTC.
const NOON_MS: i64 = 1_773_489_600_000;
const PAGE: &str = include_str!("../../../docs/observability.md");
const BUDGETS: Budgets = Budgets {
    installation_per_day: MicroUsd(5_000_000),
    tenant_per_day: MicroUsd(2_000_000),
    search: MicroUsd(1_000_000),
    lead: MicroUsd(1_000_000),
};

fn metrics(store: &Store) -> Metrics {
    let clock = Clock::fast(NOON_MS, 1e-9);
    let gate = Gate::new(store.clone(), clock, BUDGETS, Timings::test());
    Metrics { store: store.clone(), gate, clock, tenant: "default".into() }
}

fn count_everything() {
    counters::touch(Action::Invite, "sent");
    counters::held(&Hold::DailyLimit { action: Action::Invite, limit: 20 });
    counters::provider_call(Provider::Unipile, "201", "success", Duration::from_millis(120));
    counters::cost(Provider::Openai, MicroUsd(1_250));
    counters::http_request("POST", "/webhooks/unipile", 200, Duration::from_millis(4));
    counters::webhook_request("unipile", "accepted");
}

#[tokio::test]
async fn the_text_keeps_the_rules_of_the_linter_and_the_page_explains_every_metric() {
    count_everything();
    each_backend(async |store| {
        let text = metrics(&store).text().await;
        assert_eq!(problems(&text), BTreeSet::new(), "{text}");
        let names: BTreeSet<&str> = types(&text).into_keys().collect();
        assert!(names.len() > 10, "{text}");
        let unexplained: Vec<_> = names.iter().filter(|name| !PAGE.contains(&format!("`{name}`"))).collect();
        assert!(unexplained.is_empty(), "docs/observability.md does not explain {unexplained:?}");
    })
    .await;
}

#[tokio::test]
async fn gauges_say_what_the_store_says() {
    each_backend(async |store| {
        for (id, tenant, received_at_ms, signalled) in [
            ("e1", "default", NOON_MS - 90_000, "NULL"),
            ("e2", "default", NOON_MS - 30_000, "NULL"),
            ("e3", "default", NOON_MS - 900_000, "1"),
            ("e4", "another", NOON_MS - 900_000, "NULL"),
        ] {
            run(
                &store,
                &format!(
                    "INSERT INTO events (id, tenant, source, event_key, kind, body, effect, tell, received_at_ms, \
                 signalled_at_ms) VALUES ('{id}', '{tenant}', 'unipile', '{id}', 'message', '{{}}', '', '[]', \
                 {received_at_ms}, {signalled})"
                ),
            )
            .await;
        }
        run(&store, "UPDATE breakers SET open_until_ms = 1 WHERE provider = 'gemini'").await;
        run(
            &store,
            "INSERT INTO budgets (tenant, scope, subject, day, booked_micro_usd) \
             VALUES ('default', 'tenant', '', '2026-03-14', 500000)",
        )
        .await;
        let text = metrics(&store).text().await;
        for line in [
            "leadflow_store_up 1",
            "leadflow_events_untold 3",
            "leadflow_events_untold_oldest_age_seconds 900",
            "leadflow_touches_in_doubt 0",
            "leadflow_breaker_open{provider=\"gemini\"} 1",
            "leadflow_breaker_open{provider=\"unipile\"} 0",
            "leadflow_budget_left_micro_usd{scope=\"installation\"} 5000000",
            "leadflow_budget_left_micro_usd{scope=\"tenant\"} 1500000",
        ] {
            assert!(text.lines().any(|shown| shown == line), "`{line}` is not in\n{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_store_that_is_gone_is_said_and_what_was_counted_is_still_shown() {
    count_everything();
    each_backend(async |store| {
        store.close().await;
        let text = metrics(&store).text().await;
        assert!(text.contains("\nleadflow_store_up 0\n"), "{text}");
        assert!(text.contains("leadflow_provider_cost_micro_usd_total{provider=\"openai\"}"), "{text}");
        assert!(!text.contains("leadflow_events_untold"), "{text}");
    })
    .await;
}

#[test]
fn the_check_finds_what_the_linter_finds() {
    for (text, found) in [
        ("# TYPE a_total counter\na_total 1\n", "a_total: no help"),
        ("# HELP a Text.\n# TYPE a counter\na 1\n", "a: a counter ends in _total"),
        ("# HELP a_total Text.\n# TYPE a_total gauge\na_total 1\n", "a_total: only a counter ends in _total"),
        ("# HELP a_ms Text.\n# TYPE a_ms gauge\na_ms 1\n", "a_ms: not a base unit"),
        ("# HELP aB Text.\n# TYPE aB gauge\naB 1\n", "aB: not in snake case"),
        ("# HELP a_gauge Text.\n# TYPE a_gauge gauge\na_gauge 1\n", "a_gauge: the name has its type"),
        ("# HELP a_count Text.\n# TYPE a_count gauge\na_count 1\n", "a_count: the ending is a histogram's"),
        ("# HELP a Text.\n# TYPE a gauge\na{bL=\"1\"} 1\n", "a: label bL is not in snake case"),
        ("# HELP a Text.\n# TYPE a gauge\na{a=\"1\"} 1\na{a=\"1\"} 2\n", "a{a=\"1\"}: shown twice"),
        ("b 1\n", "b: no type"),
        ("# HELP a Text.\n# TYPE a gauge\na one\n", "a: no number"),
    ] {
        assert_eq!(problems(text), BTreeSet::from([found.to_owned()]), "{text}");
    }
}

async fn run(store: &Store, sql: &str) {
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(store.read()).await.expect("the statement runs");
}

/// The rules of `promtool check metrics` as far as they concern names, types, help and labels.
fn problems(text: &str) -> BTreeSet<String> {
    let types = types(text);
    let helped: BTreeSet<&str> = words_after(text, "# HELP ").map(|(name, _)| name).collect();
    let mut problems = BTreeSet::new();
    let mut problem = |name: &str, what: &str| {
        problems.insert(format!("{name}: {what}"));
    };
    for (name, kind) in &types {
        if !helped.contains(name) {
            problem(name, "no help");
        }
        if !is_snake_case(name) {
            problem(name, "not in snake case");
        }
        match (*kind == "counter", name.ends_with("_total")) {
            (true, false) => problem(name, "a counter ends in _total"),
            (false, true) => problem(name, "only a counter ends in _total"),
            _ => {}
        }
        if name.split('_').any(|word| ["gauge", "counter", "histogram", "summary"].contains(&word)) {
            problem(name, "the name has its type");
        }
        if ["_count", "_sum", "_bucket"].iter().any(|ending| name.ends_with(ending)) {
            problem(name, "the ending is a histogram's");
        }
        let other_units =
            ["ms", "us", "milliseconds", "microseconds", "minutes", "hours", "days", "kib", "mib", "percent"];
        if name.split('_').any(|word| other_units.contains(&word)) {
            problem(name, "not a base unit");
        }
    }
    let mut series = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (shown, value) = line.rsplit_once(' ').unwrap_or((line, ""));
        let (name, labels) = shown.split_once('{').unwrap_or((shown, ""));
        let of_histogram = ["_count", "_sum", "_bucket"].iter().find_map(|ending| name.strip_suffix(ending));
        let of_histogram = of_histogram.filter(|name| types.get(name) == Some(&"histogram"));
        if !types.contains_key(name) && of_histogram.is_none() {
            problem(name, "no type");
        }
        if value.parse::<f64>().is_err() {
            problem(name, "no number");
        }
        if !series.insert(shown) {
            problem(shown, "shown twice");
        }
        for label in labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|(label, _)| label) {
            if !is_snake_case(label) {
                problem(name, &format!("label {label} is not in snake case"));
            }
        }
    }
    problems
}

/// Each metric with its type.
fn types(text: &str) -> BTreeMap<&str, &str> {
    words_after(text, "# TYPE ").collect()
}

fn words_after<'a>(text: &'a str, lead: &'static str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.lines().filter_map(move |line| line.strip_prefix(lead)?.split_once(' '))
}

fn is_snake_case(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
