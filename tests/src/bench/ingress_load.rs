//! How many events `starter serve` takes in a second, how long each is answered in, and how soon its workflow hears of it.
//!
//! The load is open: an event is posted at its time, whether or not the ones before are answered, and its answer is measured
//! from that time on.

use super::search::Limit;
use crate::ingress::events::Event;
use crate::ingress::provider::{Answer, Form};
use crate::ingress::{Ingress, Person, Stored};
use crate::lab::{OrSay, Setup};
use crate::reply_wins::Spread;
use anyhow::ensure;
use leadflow_activities::config::StoreConfig;
use leadflow_activities::store::testing::postgres_server;
use leadflow_starter::history;
use leadflow_starter::history::RunHistory;
use serde::Serialize;
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use temporalio_common::protos::temporal::api::enums::v1::EventType;
use tokio::task::JoinSet;
use uuid::Uuid;

/// The goals on PostgreSQL, at the highest rate.
pub const RATE: u32 = 500;
pub const MOST_P99_MS: f64 = 50.0;
/// As autovacuum: only tables that have changed.
const ANALYZE: &str = "DO $$ DECLARE one RECORD; BEGIN \
     FOR one IN SELECT relid::regclass AS name FROM pg_stat_user_tables WHERE n_mod_since_analyze >= 50 LOOP \
     EXECUTE format('ANALYZE %s', one.name); END LOOP; END $$";
/// Histories that are read afterwards.
const SAMPLE: usize = 50;

#[derive(Clone, Debug)]
pub struct Options {
    /// Events a second, one step after the other.
    pub rates: Vec<u32>,
    pub step: Duration,
    /// Whom the events are about, by turns.
    pub people: usize,
}

impl Options {
    /// Small enough for every change.
    pub fn short() -> Self {
        Self { rates: vec![50], step: Duration::from_secs(4), people: 50 }
    }

    pub fn long() -> Self {
        Self { rates: vec![50, 100, 200, 300, 400, RATE], step: Duration::from_secs(5), people: 1_000 }
    }
}

/// The part of a document that this benchmark measures.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub people: usize,
    /// First on SQLite, then on PostgreSQL; Temporal is the dev server on SQLite both times.
    pub stores: Vec<Load>,
    pub limits: Vec<Limit>,
}

/// Of one store.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    pub store: &'static str,
    pub steps: Vec<Step>,
    pub sent: usize,
    pub accepted: usize,
    /// Rows with an effect: one for each event.
    pub stored: usize,
    /// Accepted events that have no row, or whose workflow was never told.
    pub lost: usize,
    /// From the last answer until all workflows were told.
    pub seconds_to_drain: f64,
    /// From the row of an event to the signal in the history of its workflow, for some of the people. Real milliseconds.
    pub to_history: Spread,
    pub histories: usize,
}

/// Real milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub rate: u32,
    pub sent: usize,
    pub accepted: usize,
    /// Until the last event of the step was answered.
    pub accepted_per_second: f64,
    /// From the time at which it was to be posted.
    pub to_answer: Spread,
    /// From the row of an event until its workflow was told.
    pub to_told: Spread,
}

/// Loads an ingress on SQLite and, unless there is to be only that, one on PostgreSQL.
///
/// # Errors
/// When a laboratory or the database cannot be set up, or an event gets no answer.
pub async fn run(setup: &Setup, options: &Options, postgres: bool) -> anyhow::Result<Measured> {
    let mut stores = vec![load("SQLite", setup.clone(), options).await?];
    if postgres {
        let database = Database::create().await?;
        let mut setup = setup.clone();
        setup.config.store = StoreConfig { url: database.url().into(), max_mib: None };
        let load = load("PostgreSQL", setup, options).await;
        database.drop().await?;
        stores.push(load?);
    }
    let limits = stores.iter().flat_map(limits).collect();
    Ok(Measured { people: options.people, stores, limits })
}

/// Nothing is lost anywhere; how fast it has to be is said for PostgreSQL.
fn limits(load: &Load) -> Vec<Limit> {
    #[expect(clippy::cast_precision_loss, reason = "there are not so many")]
    let (lost, unaccepted) = (load.lost as f64, (load.sent - load.accepted) as f64);
    let mut limits =
        vec![Limit::at_most("events lost", 0.0, lost), Limit::at_most("events not accepted", 0.0, unaccepted)];
    if let Some(last) = load.steps.last().filter(|step| load.store == "PostgreSQL" && step.rate >= RATE) {
        limits.push(Limit::at_most("ms to the answer at 500/s, 99 of 100", MOST_P99_MS, last.to_answer.p99_ms));
    }
    limits
}

async fn load(store: &'static str, setup: Setup, options: &Options) -> anyhow::Result<Load> {
    let ingress = Ingress::open(setup, options.people).await?;
    if store == "PostgreSQL" {
        // What a server does by itself within a minute, unless that is switched off, as servers for tests have it.
        sqlx::raw_sql(ANALYZE).execute(ingress.lab.stack.store.read()).await?;
    }
    let mut steps = Vec::new();
    for (number, rate) in options.rates.iter().enumerate() {
        steps.push((number, *rate, step(&ingress, number, *rate, options.step).await?));
    }
    let began = Instant::now();
    ingress.all_told().await?;
    let seconds_to_drain = began.elapsed().as_secs_f64();
    let stored = ingress.stored().await?;
    let told = stored.iter().filter(|event| event.signalled_at_ms.is_some() && !event.effect.is_empty()).count();
    let steps: Vec<Step> = steps
        .into_iter()
        .map(|(number, rate, (answers, seconds))| {
            let prefix = format!("load-{number}-");
            let of_step = stored.iter().filter(|event| event.key.contains(&prefix));
            Step {
                rate,
                sent: answers.len(),
                accepted: answers.iter().filter(|answer| answer.status == 200).count(),
                #[expect(clippy::cast_precision_loss, reason = "there are not so many")]
                accepted_per_second: answers.len() as f64 / seconds,
                to_answer: Spread::of_durations(answers.iter().map(|answer| answer.took)),
                to_told: Spread::of(
                    of_step.filter_map(|event| Some(1_000 * (event.signalled_at_ms? - event.received_at_ms))).collect(),
                ),
            }
        })
        .collect();
    let accepted: usize = steps.iter().map(|step| step.accepted).sum();
    let (to_history, histories) = to_history(&ingress, &stored).await?;
    ingress.stop().await?;
    Ok(Load {
        store,
        sent: steps.iter().map(|step| step.sent).sum(),
        accepted,
        stored: stored.len(),
        lost: accepted.saturating_sub(told),
        steps,
        seconds_to_drain,
        to_history,
        histories,
    })
}

/// Posts for one step, and gives the answers and how many seconds all took.
async fn step(ingress: &Ingress, step: usize, rate: u32, lasts: Duration) -> anyhow::Result<(Vec<Answer>, f64)> {
    let began = Instant::now();
    let count = u32::try_from(lasts.as_millis())? * rate / 1_000;
    let mut posts = JoinSet::new();
    for number in 0..count {
        let at = began + Duration::from_secs(1) * number / rate;
        tokio::time::sleep_until(at.into()).await;
        let person = &ingress.people[number as usize % ingress.people.len()];
        let event = Event::absence(person, &format!("load-{step}-{number}"));
        let provider = ingress.provider.clone();
        posts.spawn(async move {
            let status = provider.post(&event, Form::Good).await?;
            Ok::<_, anyhow::Error>(Answer { status, failed: 0, took: at.elapsed() })
        });
    }
    let mut answers = Vec::new();
    while let Some(answer) = posts.join_next().await {
        answers.push(answer??);
    }
    Ok((answers, began.elapsed().as_secs_f64()))
}

/// How long it took until each event was in the history of its workflow, for some of the people, and for how many.
async fn to_history(ingress: &Ingress, stored: &[Stored]) -> anyhow::Result<(Spread, usize)> {
    let mut received: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
    for event in stored {
        let number = event.key.rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
        let Some(number) = number else { continue };
        received.entry(number % ingress.people.len()).or_default().push(event.received_at_ms);
    }
    let every = (ingress.people.len() / SAMPLE).max(1);
    let sample: Vec<(usize, &Person)> = ingress.people.iter().enumerate().step_by(every).take(SAMPLE).collect();
    let mut durations_us = Vec::new();
    for (number, person) in &sample {
        let runs = history::runs(&ingress.lab.stack.client, &person.workflow_id()).await.or_say()?;
        let told_us = signals_us(&runs);
        for received_at_ms in received.get(number).into_iter().flatten() {
            // The row's instant is cut to whole milliseconds, so the signal is never before it.
            let first_us = told_us.iter().find(|at_us| **at_us >= received_at_ms * 1_000);
            ensure!(first_us.is_some(), "{} has no signal after an event", person.workflow_id());
            durations_us.extend(first_us.map(|at_us| at_us - received_at_ms * 1_000));
        }
    }
    Ok((Spread::of(durations_us), sample.len()))
}

/// When the workflow was signalled, in Unix microseconds, in order.
fn signals_us(runs: &[RunHistory]) -> Vec<i64> {
    let events = runs.iter().flat_map(|run| &run.events);
    let signals = events.filter(|event| event.event_type() == EventType::WorkflowExecutionSignaled);
    let times = signals.filter_map(|event| event.event_time);
    times.map(|time| time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000).collect()
}

/// A database of its own.
struct Database {
    server: String,
    name: String,
}

impl Database {
    async fn create() -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let database = Self { server: postgres_server(), name: format!("leadflow_bench_{}", Uuid::now_v7().simple()) };
        database.execute(format!("CREATE DATABASE {}", database.name)).await?;
        Ok(database)
    }

    /// That of the server, with another path.
    fn url(&self) -> String {
        let (address, options) =
            self.server.split_once('?').map_or((self.server.as_str(), None), |(a, o)| (a, Some(o)));
        let address = address.rsplit_once('/').map_or(address, |(host, _)| host);
        let options = options.map(|options| format!("?{options}")).unwrap_or_default();
        format!("{address}/{}{options}", self.name)
    }

    async fn drop(self) -> anyhow::Result<()> {
        self.execute(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await
    }

    async fn execute(&self, sql: String) -> anyhow::Result<()> {
        let mut connection = AnyConnection::connect(&self.server).await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}
