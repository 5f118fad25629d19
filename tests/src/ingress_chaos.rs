//! The chaos test of the ingress: whoever posts events doubles and reorders them and mixes bad ones in, while `starter serve`
//! and the worker are killed, and still each good event acts once and each bad one is refused.

mod check;

use crate::ingress::Ingress;
use crate::ingress::events::Event;
use crate::ingress::provider::{Answer, Form};
use crate::lab::Setup;
use crate::reply_wins::Spread;
use anyhow::Context;
use check::Scene;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Of a hundred good events so many come twice, and beside them so many bad ones.
const DOUBLED_PERCENT: usize = 10;
const BADLY_SIGNED_PERCENT: usize = 2;
const MALFORMED_PERCENT: usize = 1;
/// One event in so many is about the state of an account.
const STATUS_EVERY: usize = 40;
/// Deliveries on their way at once.
const LANES: usize = 8;

/// How much to do, and how often to kill.
#[derive(Clone, Debug)]
pub struct Options {
    /// Good events, doubles not counted.
    pub events: usize,
    pub people: usize,
    pub serve_kills: usize,
    pub worker_kills: usize,
    pub seed: u64,
}

impl Options {
    /// Small enough for every change.
    pub fn short() -> Self {
        Self { events: 300, people: 100, serve_kills: 3, worker_kills: 1, seed: 7 }
    }

    /// Long enough to be believed.
    pub fn long() -> Self {
        Self { events: 5_000, people: 1_000, serve_kills: 30, worker_kills: 10, seed: 7 }
    }
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct ChaosReport {
    pub people: usize,
    /// Good events, and how many of them came twice.
    pub events: usize,
    pub doubled: usize,
    pub badly_signed: usize,
    pub malformed: usize,
    /// Last answers by status, of all deliveries.
    pub answers: BTreeMap<u16, usize>,
    /// Attempts without an answer, or with a 5xx.
    pub failed_attempts: u32,
    /// What was killed, after how many answers.
    pub kills: Vec<String>,
    /// Enrollments by state, at the end.
    pub states: BTreeMap<String, usize>,
    /// Events that acted not at all or more than once, and other things that are not as they should be.
    pub problems: Vec<String>,
    /// Of attempts with an answer. Real milliseconds.
    pub to_answer: Spread,
    /// From the first delivery to the last answer, and from there until all workflows were told.
    pub seconds: f64,
    pub seconds_to_tell: f64,
}

/// One of what is posted.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) event: Arc<Event>,
    pub(crate) form: Form,
}

/// Kills and delivers, and compares what was delivered with what was done.
///
/// # Errors
/// When the laboratory does not start, or does not come to rest.
pub async fn run(setup: Setup, options: &Options) -> anyhow::Result<ChaosReport> {
    let mut ingress = Ingress::open(setup, options.people).await?;
    let mut random = StdRng::seed_from_u64(options.seed);
    let scene = Scene::cast(&ingress.people, options.events - options.events / STATUS_EVERY);
    for person in Scene::correspondents(&ingress.people) {
        let answer = ingress.provider.deliver(&Event::introduction(person), Form::Good).await?;
        anyhow::ensure!(answer.status == 200, "an introduction is answered with {}", answer.status);
    }
    let deliveries = deliveries(&ingress, &scene, options, &mut random);

    let began = Instant::now();
    let (answers, kills) = deliver(&mut ingress, &deliveries, options, &mut random).await?;
    let seconds = began.elapsed().as_secs_f64();
    let began = Instant::now();
    ingress.all_told().await?;
    let seconds_to_tell = began.elapsed().as_secs_f64();

    let problems = scene.problems(&ingress, &deliveries, &answers).await?;
    let count = |is_meant: &dyn Fn(Form) -> bool| deliveries.iter().filter(|one| is_meant(one.form)).count();
    let (mut by_status, mut states) = (BTreeMap::new(), BTreeMap::new());
    for answer in &answers {
        *by_status.entry(answer.status).or_default() += 1;
    }
    for enrollment in ingress.enrollments().await?.values() {
        *states.entry(enrollment.state.name().to_owned()).or_default() += 1;
    }
    let report = ChaosReport {
        people: options.people,
        events: options.events,
        doubled: count(&|form| form == Form::Good) - options.events,
        badly_signed: count(&|form| form.status() == 401),
        malformed: count(&|form| form.status() == 400),
        answers: by_status,
        failed_attempts: answers.iter().map(|answer| answer.failed).sum(),
        kills,
        states,
        problems,
        to_answer: Spread::of_durations(answers.iter().map(|answer| answer.took)),
        seconds,
        seconds_to_tell,
    };
    ingress.stop().await?;
    Ok(report)
}

/// Good events, some of them twice, and bad ones, in no order.
fn deliveries(ingress: &Ingress, scene: &Scene, options: &Options, random: &mut StdRng) -> Vec<Delivery> {
    let mut events: Vec<Event> = scene.events(&ingress.people);
    let statuses = ["CREDENTIALS", "OK"].into_iter().cycle().map(Event::status);
    events.extend(statuses.take(options.events - events.len()));
    let good = events.into_iter().map(|event| Delivery { event: Arc::new(event), form: Form::Good });
    let mut deliveries: Vec<Delivery> = good.collect();
    let of = |percent: usize| (options.events * percent).div_ceil(100);
    let identified: Vec<_> = deliveries.iter().filter(|one| !one.event.key.is_empty()).cloned().collect();
    let mut extra: Vec<Delivery> = identified.sample(random, of(DOUBLED_PERCENT)).cloned().collect();
    let bad = [
        (of(BADLY_SIGNED_PERCENT), [Form::WrongSecret, Form::Old]),
        (of(MALFORMED_PERCENT), [Form::CutOff, Form::Hollow]),
    ];
    for (count, forms) in bad {
        for (number, form) in (0..count).zip(forms.into_iter().cycle()) {
            // Of a person who is there, so that it would act if it were believed.
            let person = &ingress.people[random.random_range(0..ingress.people.len())];
            let id = format!("bad-{}-{number}", form.status());
            let event =
                if number % 4 < 2 { Event::opt_out(person, &id) } else { Event::change(person, "job_changed", &id) };
            extra.push(Delivery { event: Arc::new(event), form });
        }
    }
    deliveries.append(&mut extra);
    deliveries.shuffle(random);
    deliveries
}

/// Delivers all in several lanes, and kills in between. The answers stand in the order of the deliveries.
async fn deliver(
    ingress: &mut Ingress,
    deliveries: &[Delivery],
    options: &Options,
    random: &mut StdRng,
) -> anyhow::Result<(Vec<Answer>, Vec<String>)> {
    let next = Arc::new(AtomicUsize::new(0));
    let (answered, mut progress) = watch::channel(0_usize);
    let all: Arc<[Delivery]> = deliveries.into();
    let mut lanes = JoinSet::new();
    for _ in 0..LANES {
        let (next, all, answered) = (Arc::clone(&next), Arc::clone(&all), answered.clone());
        let provider = ingress.provider.clone();
        lanes.spawn(async move {
            let mut answers = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(delivery) = all.get(index) else { return Ok::<_, anyhow::Error>(answers) };
                answers.push((index, provider.deliver(&delivery.event, delivery.form).await?));
                answered.send_modify(|count| *count += 1);
            }
        });
    }
    // So that waiting for progress ends when all lanes have.
    drop(answered);
    let mut kills = Vec::new();
    for (after, kill) in plan(deliveries.len(), options, random) {
        progress.wait_for(|count| *count >= after).await.context("a lane has ended early")?;
        match kill {
            Kill::Serve => {
                ingress.kill_serve().await?;
                ingress.serve_again().await?;
            }
            Kill::Worker => ingress.lab.restart_worker(None).await?,
        }
        kills.push(format!("{kill:?} after {after}").to_lowercase());
    }
    let mut answers = BTreeMap::new();
    while let Some(lane) = lanes.join_next().await {
        answers.extend(lane??);
    }
    Ok((answers.into_values().collect(), kills))
}

#[derive(Clone, Copy, Debug)]
enum Kill {
    Serve,
    Worker,
}

/// Kills in a random order, after random numbers of answers, one in each part of the whole.
fn plan(deliveries: usize, options: &Options, random: &mut StdRng) -> Vec<(usize, Kill)> {
    let mut kills = vec![Kill::Serve; options.serve_kills];
    kills.extend(vec![Kill::Worker; options.worker_kills]);
    kills.shuffle(random);
    // Behind the last part there is something left to deliver.
    let part = deliveries / (kills.len() + 1);
    let at = |number: usize, random: &mut StdRng| part * number + random.random_range(1..=part);
    kills.into_iter().enumerate().map(|(number, kill)| (at(number, random), kill)).collect()
}
