//! Temporal is away while events arrive, first hanging and then dead when `starter serve` starts, too: all are answered at
//! once, and acted on in order.

use crate::ingress::events::{Does, Event};
use crate::ingress::provider::{Answer, Form};
use crate::ingress::{Ingress, Person};
use crate::lab::{OrSay, Setup};
use crate::reply_wins::Spread;
use anyhow::Context;
use leadflow_workflows::domain::outreach::EnrollmentState;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long Temporal is away each time, and about how many people events arrive.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub people: usize,
    pub outage: Duration,
}

impl Options {
    /// Small enough for every change.
    pub fn short() -> Self {
        Self { people: 60, outage: Duration::from_secs(5) }
    }

    /// Long enough to be believed.
    pub fn long() -> Self {
        Self { people: 600, outage: Duration::from_mins(1) }
    }
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct OutageReport {
    pub outages: Vec<Outage>,
    /// What was not done, or not in order.
    pub problems: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Outage {
    /// `hanging` or `dead`.
    pub temporal: &'static str,
    pub seconds: f64,
    pub people: usize,
    pub events: usize,
    /// By status, each at the first attempt.
    pub answers: BTreeMap<u16, usize>,
    /// Attempts without an answer, or with a 5xx.
    pub failed_attempts: u32,
    /// Events whose workflows could not be told before Temporal came back.
    pub untold: i64,
    /// Real milliseconds.
    pub to_answer: Spread,
    /// From the return of Temporal until all workflows were told, and until all had ended.
    pub seconds_to_tell: f64,
    pub seconds_to_end: f64,
    /// Enrollments by state, at the end.
    pub states: BTreeMap<String, usize>,
}

impl OutageReport {
    /// What is wrong, in words; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.problems.clone();
        for outage in &self.outages {
            let temporal = outage.temporal;
            if outage.failed_attempts > 0 || outage.answers != BTreeMap::from([(200, outage.events)]) {
                problems.push(format!("{temporal}: answers {:?}, failed {}", outage.answers, outage.failed_attempts));
            }
            if outage.untold == 0 {
                problems.push(format!("{temporal}: nothing was left to tell, so Temporal was not away"));
            }
        }
        problems
    }
}

/// Everybody's story, one event after the other, by turns.
#[derive(Clone, Copy, Debug)]
enum Story {
    /// And then changes their mind: the reply has ended the outreach.
    RepliesFirst,
    OptsOutFirst,
    /// Is away and connects before: only the reply ends it.
    RepliesLast,
}

impl Story {
    fn of(number: usize) -> Self {
        [Self::RepliesFirst, Self::OptsOutFirst, Self::RepliesLast][number % 3]
    }

    fn events(self, person: &Person, number: usize) -> Vec<Event> {
        let (reply, opt_out) = (format!("reply-{number}"), format!("opt-out-{number}"));
        match self {
            Self::RepliesFirst => vec![Event::reply(person, &reply), Event::opt_out(person, &opt_out)],
            Self::OptsOutFirst => vec![Event::opt_out(person, &opt_out), Event::reply(person, &reply)],
            Self::RepliesLast => vec![
                Event::absence(person, &format!("away-{number}")),
                Event::connection(person),
                Event::reply(person, &reply),
            ],
        }
    }

    fn end(self) -> EnrollmentState {
        match self {
            Self::OptsOutFirst => EnrollmentState::OptedOut,
            Self::RepliesFirst | Self::RepliesLast => EnrollmentState::Replied,
        }
    }
}

/// Takes Temporal away twice, each time for half of the people.
///
/// # Errors
/// When the laboratory does not start, or does not come to rest.
pub async fn run(setup: Setup, options: &Options) -> anyhow::Result<OutageReport> {
    let mut ingress = Ingress::open(setup, options.people).await?;
    let half = options.people / 2;
    let (mut outages, mut problems) = (Vec::new(), Vec::new());
    for (temporal, numbers) in [("hanging", 0..half), ("dead", half..options.people)] {
        outages.push(outage(&mut ingress, temporal, numbers.clone(), options.outage).await?);
        for number in numbers {
            problems.extend(out_of_order(&ingress, number).await?);
        }
    }
    ingress.stop().await?;
    Ok(OutageReport { outages, problems })
}

async fn outage(
    ingress: &mut Ingress,
    temporal: &'static str,
    numbers: std::ops::Range<usize>,
    lasts: Duration,
) -> anyhow::Result<Outage> {
    let people = numbers.len();
    let server = Pid::from_raw(i32::try_from(ingress.lab.stack.server.pid())?);
    if temporal == "hanging" {
        kill(server, Signal::SIGSTOP)?;
    } else {
        ingress.lab.stack.kill_server().await.or_say()?;
        // Not even one that has never reached Temporal refuses an event.
        ingress.kill_serve().await?;
        ingress.serve_again().await?;
        ingress.provider.until_it_serves().await?;
    }
    let began = Instant::now();
    let mut stories = JoinSet::new();
    for (turn, number) in numbers.clone().enumerate() {
        let (person, provider) = (ingress.people[number].clone(), ingress.provider.clone());
        // Spread over the time without Temporal, of which the end is left for the last answers.
        let starts = began + lasts.mul_f64(0.8 * f64::from(u32::try_from(turn)?) / f64::from(u32::try_from(people)?));
        stories.spawn(async move {
            tokio::time::sleep_until(starts.into()).await;
            let mut answers: Vec<Answer> = Vec::new();
            for event in Story::of(number).events(&person, number) {
                answers.push(provider.deliver(&event, Form::Good).await?);
            }
            Ok::<_, anyhow::Error>(answers)
        });
    }
    let mut answers = Vec::new();
    while let Some(story) = stories.join_next().await {
        answers.extend(story??);
    }
    tokio::time::sleep_until((began + lasts).into()).await;
    let untold = ingress.untold().await?;
    let seconds = began.elapsed().as_secs_f64();
    if temporal == "hanging" {
        kill(server, Signal::SIGCONT)?;
    } else {
        ingress.lab.stack.start_server().await.or_say()?;
    }
    let returned = Instant::now();
    ingress.all_told().await?;
    let seconds_to_tell = returned.elapsed().as_secs_f64();
    for number in numbers.clone() {
        ingress.lab.workflow_ended(&ingress.people[number].workflow_id()).await?;
    }
    let seconds_to_end = returned.elapsed().as_secs_f64();
    let enrollments = ingress.enrollments().await?;
    let (mut by_status, mut states) = (BTreeMap::new(), BTreeMap::new());
    for answer in &answers {
        *by_status.entry(answer.status).or_default() += 1;
    }
    for number in numbers {
        let enrollment = enrollments.get(&ingress.people[number].enrollment_id).context("an enrollment is gone")?;
        *states.entry(enrollment.state.name().to_owned()).or_default() += 1;
    }
    Ok(Outage {
        temporal,
        seconds,
        people,
        events: answers.len(),
        answers: by_status,
        failed_attempts: answers.iter().map(|answer| answer.failed).sum(),
        untold,
        to_answer: Spread::of_durations(answers.iter().map(|answer| answer.took)),
        seconds_to_tell,
        seconds_to_end,
        states,
    })
}

/// What is stored of a person, against their story.
async fn out_of_order(ingress: &Ingress, number: usize) -> anyhow::Result<Vec<String>> {
    let (person, story) = (&ingress.people[number], Story::of(number));
    let events = story.events(person, number);
    let mut problems = Vec::new();
    let keys: Vec<&str> = events.iter().map(|event| event.key.as_str()).collect();
    let stored = ingress.stored().await?;
    let stored: Vec<&str> = stored.iter().map(|event| event.key.as_str()).filter(|key| keys.contains(key)).collect();
    if stored != keys {
        problems.push(format!("{story:?} {number}: the events are stored as {stored:?}"));
    }
    let answers = events.iter().filter_map(|event| match &event.does {
        Does::Answer { message_id, kind } => Some((message_id.clone(), (*kind).to_owned())),
        _ => None,
    });
    let answers: Vec<(String, String)> = answers.collect();
    let replies = ingress.replies(&person.person_id).await?;
    if replies != answers {
        problems.push(format!("{story:?} {number}: the answers are {replies:?}"));
    }
    let lab = &ingress.lab;
    let enrollment = lab.stack.store.enrollment(lab.tenant(), &person.enrollment_id).await?;
    let enrollment = enrollment.context("an enrollment is gone")?;
    if enrollment.state != story.end() || enrollment.is_open {
        problems.push(format!("{story:?} {number}: {:?}, open: {}", enrollment.state, enrollment.is_open));
    }
    let is_suppressed = lab.stack.store.suppression_of(lab.tenant(), &person.person_id).await?.is_some();
    if is_suppressed == matches!(story, Story::RepliesLast) {
        problems.push(format!("{story:?} {number}: suppressed: {is_suppressed}"));
    }
    Ok(problems)
}
