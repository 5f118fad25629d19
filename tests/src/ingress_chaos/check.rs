//! What is to happen to each person, and whether it did: once.

use super::Delivery;
use crate::ingress::events::{Does, Event};
use crate::ingress::provider::{Answer, Form};
use crate::ingress::{Ingress, Person, SECOND};
use anyhow::Context;
use leadflow_workflows::domain::outreach::EnrollmentState;
use std::collections::{BTreeMap, BTreeSet};
use temporalio_client::{WorkflowDescribeOptions, WorkflowExecutionStatus};

/// What a person does. At most one of the events ends the outreach, so the order does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Connects, and answers by mail.
    Replies,
    /// Is promoted, and answers on LinkedIn.
    RepliesOnLinkedin,
    /// Connects, and wants no more.
    OptsOut,
    /// Changes job.
    Leaves,
    /// Connects and is promoted: outreach is held and goes on later.
    Stays,
}

impl Part {
    const ALL: [Self; 5] = [Self::Replies, Self::RepliesOnLinkedin, Self::OptsOut, Self::Leaves, Self::Stays];

    fn of(number: usize) -> Self {
        Self::ALL[number % Self::ALL.len()]
    }

    fn events(self, person: &Person, number: usize) -> Vec<Event> {
        let id = |what: &str| format!("{what}-{number}");
        match self {
            Self::Replies => vec![Event::reply(person, &id("reply")), Event::connection(person)],
            Self::RepliesOnLinkedin => {
                vec![Event::message(person, &id("message")), Event::change(person, "promoted", &id("promoted"))]
            }
            Self::OptsOut => vec![Event::opt_out(person, &id("opt-out")), Event::connection(person)],
            Self::Leaves => vec![Event::change(person, "job_changed", &id("left"))],
            Self::Stays => vec![Event::change(person, "promoted", &id("promoted")), Event::connection(person)],
        }
    }

    fn end(self) -> Option<EnrollmentState> {
        match self {
            Self::Replies | Self::RepliesOnLinkedin => Some(EnrollmentState::Replied),
            Self::OptsOut => Some(EnrollmentState::OptedOut),
            Self::Leaves => Some(EnrollmentState::Stopped),
            Self::Stays => None,
        }
    }
}

/// Everybody's part, and as many absence notes as make up the number of events.
pub(super) struct Scene {
    events: usize,
}

impl Scene {
    pub(super) fn cast(people: &[Person], events: usize) -> Self {
        assert!(events >= 2 * people.len(), "everybody has a part of two events");
        Self { events }
    }

    /// Who writes over LinkedIn, and has to be known there before.
    pub(super) fn correspondents(people: &[Person]) -> impl Iterator<Item = &Person> {
        let by_linkedin = people.iter().enumerate().filter(|(number, _)| Part::of(*number) == Part::RepliesOnLinkedin);
        by_linkedin.map(|(_, person)| person)
    }

    pub(super) fn events(&self, people: &[Person]) -> Vec<Event> {
        let parts = people.iter().enumerate().flat_map(|(number, person)| Part::of(number).events(person, number));
        let notes =
            (0..).zip(people.iter().cycle()).map(|(number, person)| Event::absence(person, &format!("away-{number}")));
        parts.chain(notes).take(self.events).collect()
    }

    /// What is not as it should be.
    pub(super) async fn problems(
        &self,
        ingress: &Ingress,
        deliveries: &[Delivery],
        answers: &[Answer],
    ) -> anyhow::Result<Vec<String>> {
        let mut problems = Vec::new();
        for (delivery, answer) in deliveries.iter().zip(answers) {
            if answer.status != delivery.form.status() {
                let (key, form) = (&delivery.event.key, delivery.form);
                problems.push(format!("{key}, {form:?}, was answered with {}", answer.status));
            }
        }
        problems.extend(rows(ingress, deliveries, Self::correspondents(&ingress.people).count()).await?);
        problems.extend(effects(ingress, deliveries).await?);
        let enrollments = ingress.enrollments().await?;
        for (number, person) in ingress.people.iter().enumerate() {
            let enrollment = enrollments.get(&person.enrollment_id).context("an enrollment is gone")?;
            problems.extend(fate(ingress, Part::of(number), person, enrollment.state, enrollment.is_open).await?);
        }
        // What is said of an account is a hint: the provider says that nothing is wrong with it.
        ingress
            .lab
            .until("the account is active", async || {
                let accounts = ingress.lab.stack.store.accounts(ingress.lab.tenant()).await?;
                Ok(accounts.iter().all(|account| account.state == "active").then_some(()))
            })
            .await?;
        Ok(problems)
    }
}

/// Each good event has one row, which has found its person, and nothing else has one.
async fn rows(ingress: &Ingress, deliveries: &[Delivery], introductions: usize) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let good = deliveries.iter().filter(|delivery| delivery.form == Form::Good && !delivery.event.key.is_empty());
    let good: BTreeSet<&str> = good.map(|delivery| delivery.event.key.as_str()).collect();
    let stored = ingress.stored().await?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &stored {
        *counts.entry(&event.key).or_default() += 1;
        if event.effect.is_empty() || event.effect.starts_with("unmatched") {
            problems.push(format!("{} did nothing: {}", event.key, event.effect));
        }
    }
    for key in &good {
        let rows = counts.get(key).copied().unwrap_or_default();
        if rows != 1 {
            problems.push(format!("{key} has {rows} rows"));
        }
    }
    if stored.len() != good.len() + introductions {
        problems.push(format!("{} rows for {} events and {introductions} introductions", stored.len(), good.len()));
    }
    Ok(problems)
}

/// What the events leave behind is there once.
async fn effects(ingress: &Ingress, deliveries: &[Delivery]) -> anyhow::Result<Vec<String>> {
    let answers = "SELECT provider_message_id || ' ' || kind FROM replies WHERE tenant = $1";
    let changes = "SELECT title FROM person_changes WHERE tenant = $1 AND state = 'applied'";
    let connections = "SELECT p.linkedin_public_id FROM account_people k \
         JOIN persons p ON p.tenant = k.tenant AND p.id = k.person_id \
         JOIN accounts a ON a.tenant = k.tenant AND a.id = k.account_id \
         WHERE k.tenant = $1 AND k.connected_by = 'webhook' AND a.provider_account_id = $2";
    let mut expected = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    for delivery in deliveries.iter().filter(|delivery| delivery.form == Form::Good) {
        match &delivery.event.does {
            Does::Answer { message_id, kind } => _ = expected[0].insert(format!("{message_id} {kind}")),
            Does::Change { title } => _ = expected[1].insert(title.clone()),
            Does::Connect { public_id } => _ = expected[2].insert(public_id.clone()),
            Does::Nothing => {}
        }
    }
    let mut problems = Vec::new();
    for ((sql, what), expected) in
        [(answers, "answers"), (changes, "changes"), (connections, "connections")].into_iter().zip(&expected)
    {
        let select = sqlx::query_scalar(sql).bind(ingress.lab.tenant());
        let select = if what == "connections" { select.bind(SECOND) } else { select };
        let found: Vec<String> = select.fetch_all(ingress.lab.stack.store.read()).await?;
        let different: BTreeSet<String> = found.iter().cloned().collect();
        if different != *expected || found.len() != expected.len() {
            let wrong: Vec<_> = different.symmetric_difference(expected).collect();
            problems.push(format!("{} {what} instead of {}: {wrong:?}", found.len(), expected.len()));
        }
    }
    Ok(problems)
}

/// The outreach to a person has ended once, as their part has it, and its workflow with it, or goes on.
async fn fate(
    ingress: &Ingress,
    part: Part,
    person: &Person,
    state: EnrollmentState,
    is_open: bool,
) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let (lab, id) = (&ingress.lab, &person.enrollment_id);
    let ends = lab.stack.store.transitions(lab.tenant(), id).await?;
    let ends: Vec<_> = ends.iter().filter(|transition| Some(transition.to) == part.end()).collect();
    let expected = part.end().unwrap_or(EnrollmentState::Scheduled);
    if state != expected || is_open != part.end().is_none() || ends.len() != usize::from(part.end().is_some()) {
        problems.push(format!("{id}, {part:?}: {state:?}, open: {is_open}, {ends:?}"));
    }
    let is_suppressed = lab.stack.store.suppression_of(lab.tenant(), &person.person_id).await?.is_some();
    if is_suppressed != (part == Part::OptsOut) {
        problems.push(format!("{id}, {part:?}: suppressed: {is_suppressed}"));
    }
    if part.end().is_some() {
        lab.workflow_ended(&person.workflow_id()).await?;
    } else {
        let handle =
            lab.stack.client.get_workflow_handle::<leadflow_workflows::enrollment::Enrollment>(person.workflow_id());
        let status = handle.describe(WorkflowDescribeOptions::default()).await?.status();
        if status != WorkflowExecutionStatus::Running {
            problems.push(format!("{id}, {part:?}: the workflow is {status:?}"));
        }
    }
    Ok(problems)
}
