//! Follows every way through a sequence.

use crate::config::document::Finding;
use leadflow_workflows::domain::sequence::{Condition, Step, StepKind};
use std::collections::BTreeSet;

/// A step as it can be reached, and what is certain there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    index: usize,
    is_connected: bool,
    is_invited: bool,
}

/// Steps that can never be done, or once too often. Targets exist and lie ahead.
pub(super) fn check(steps: &[Step]) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    let mut open = vec![Place { index: 0, is_connected: false, is_invited: false }];
    while let Some(place) = open.pop() {
        if place.index < steps.len() && reached.insert(place) {
            open.extend(following(steps, place));
        }
    }
    let mut findings = vec![];
    for (index, step) in steps.iter().enumerate() {
        let mut find = |key: &str, message: String, hint: &str| {
            let path = if key.is_empty() { format!("step.{index}") } else { format!("step.{index}.{key}") };
            findings.push(Finding { path, message, hint: hint.to_owned() });
        };
        let places: Vec<&Place> = reached.iter().filter(|place| place.index == index).collect();
        if places.is_empty() {
            let hint = "remove it, or name its id in an `on_timeout` or a `branch` before";
            find("", format!("(`{}`) is never reached", step.id), hint);
            continue;
        }
        match &step.kind {
            StepKind::Message { .. } if places.iter().any(|place| !place.is_connected) => {
                let hint = "put a `wait_for_connection` or a `branch` on `connected` before it, or send an `inmail`";
                find("message", "can be reached without a connection, so it can never be sent there".into(), hint);
            }
            StepKind::Invite { .. } if places.iter().any(|place| place.is_invited) => {
                let hint = "keep one `invite` on each way: LinkedIn refuses a second one";
                find("invite", "comes after another invitation".into(), hint);
            }
            _ => {}
        }
    }
    findings
}

fn following(steps: &[Step], place: Place) -> Vec<Place> {
    let step = &steps[place.index];
    let next = Place { index: place.index + 1, ..place };
    let target = |target: &Option<String>| {
        let target = target.as_ref().and_then(|target| steps.iter().position(|step| step.id == *target));
        Place { index: target.unwrap_or(next.index), ..place }
    };
    if step.end {
        return vec![];
    }
    match &step.kind {
        StepKind::End => vec![],
        StepKind::Invite { .. } => vec![Place { is_invited: true, ..next }],
        StepKind::WaitForConnection { on_timeout, .. } => {
            let mut places = vec![Place { is_connected: true, ..next }];
            if on_timeout.is_some() && !place.is_connected {
                places.push(target(on_timeout));
            }
            places
        }
        StepKind::Branch { condition: Condition::Connected, then, otherwise } => {
            let mut places = vec![Place { is_connected: true, ..target(then) }];
            if !place.is_connected {
                places.push(target(otherwise));
            }
            places
        }
        StepKind::Branch { then, otherwise, .. } => vec![target(then), target(otherwise)],
        StepKind::VisitProfile
        | StepKind::Message { .. }
        | StepKind::Inmail { .. }
        | StepKind::Email { .. }
        | StepKind::Wait { .. } => vec![next],
    }
}
