//! Steps in words.

use crate::output::{printable, wrapped};
use leadflow_workflows::domain::outreach::Action;
use leadflow_workflows::domain::sequence::{Condition, Sequence, Step, StepKind};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The steps one below the other, with their texts if wanted.
pub(super) fn steps(sequence: &Sequence, with_texts: bool, width: u16) -> String {
    let mut out = String::new();
    for step in &sequence.steps {
        out.push_str(&line(step, width));
        if let (true, Some((subject, text))) = (with_texts, texts(&step.kind)) {
            out.push_str(&message(subject, text, width));
        }
    }
    out
}

/// Id of a step, when it is due, and what it does.
pub(super) fn line(step: &Step, width: u16) -> String {
    let after = if step.after_ms > 0 { format!("after {}: ", time(step.after_ms)) } else { String::new() };
    let end = if step.end { "; then the sequence ends" } else { "" };
    wrapped(&format!("{:<20} ", step.id), &format!("{after}{}{end}", what(&step.kind)), width)
}

/// Subject and text below a step, indented.
pub(super) fn message(subject: Option<&str>, text: &str, width: u16) -> String {
    let subject = subject.map(|subject| format!("Subject: {subject}"));
    let lines = subject.iter().map(String::as_str).chain(text.trim().lines());
    lines.map(|line| wrapped("    ", &printable(line), width)).collect()
}

fn texts(kind: &StepKind) -> Option<(Option<&str>, &str)> {
    match kind {
        StepKind::Invite { note } => Some((None, note)),
        StepKind::Message { text } => Some((None, text)),
        StepKind::Inmail { subject, text } | StepKind::Email { subject, text } => Some((Some(subject), text)),
        _ => None,
    }
}

fn what(kind: &StepKind) -> String {
    let to = |target: &Option<String>| match target {
        Some(target) => format!("go to `{target}`"),
        None => "go on".to_owned(),
    };
    match kind {
        StepKind::Wait { for_ms } => format!("wait {}", time(*for_ms)),
        StepKind::WaitForConnection { timeout_ms, on_timeout } => {
            let otherwise = match on_timeout {
                Some(target) => format!("go to `{target}`"),
                None => "end".to_owned(),
            };
            format!("wait up to {} for the connection, else {otherwise}", time(*timeout_ms))
        }
        StepKind::Branch { condition, then, otherwise } => {
            let condition = match condition {
                Condition::Connected => "the lead is a connection",
                Condition::HasEmail => "the lead has an email address",
                Condition::HasProfile => "the lead has a LinkedIn profile",
            };
            format!("if {condition} {}, else {}", to(then), to(otherwise))
        }
        StepKind::Invite { note } if note.is_empty() => "invite without a note".into(),
        StepKind::End => "the sequence ends".into(),
        other => other.action().map_or("", doing).into(),
    }
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::VisitProfile => "visit the profile",
        Action::Invite => "invite",
        Action::Message => "send a LinkedIn message",
        Action::Inmail => "send an InMail",
        Action::Email => "send an email",
    }
}

/// `7 d`, `36 h`, `90 min`.
fn time(duration_ms: i64) -> String {
    match duration_ms {
        whole if whole % DAY_MS == 0 => format!("{} d", whole / DAY_MS),
        whole if whole % HOUR_MS == 0 => format!("{} h", whole / HOUR_MS),
        whole if whole % MINUTE_MS == 0 => format!("{} min", whole / MINUTE_MS),
        other => format!("{} s", other / 1000),
    }
}
