//! Which step of a sequence an enrollment takes next: a pure function of what has happened to it.
//!
//! Nothing but touches, decisions, the connection and the time decides, so a walk can be repeated at any moment, and with
//! the steps of a newer version: a step whose id was done is done.

use super::outreach::{Action, EnrollmentState, Hold, TouchState};
use super::sequence::{Condition, Sequence, Step, StepKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What has happened to an enrollment. Instants are UTC milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub now_ms: i64,
    pub started_at_ms: i64,
    /// When it was learnt that the person is a connection of the account.
    pub connected_at_ms: Option<i64>,
    /// When it was learnt that the invitation is gone without a connection.
    pub declined_at_ms: Option<i64>,
    pub has_profile: bool,
    pub has_email: bool,
    /// By the id of their step.
    pub touches: BTreeMap<String, TouchFact>,
    /// Ways taken before, by the id of the step that was left.
    pub decisions: BTreeMap<String, Decision>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TouchFact {
    pub action: Action,
    pub state: TouchState,
    pub settled_at_ms: Option<i64>,
    /// Why it was refused, as a stable word.
    pub problem: Option<String>,
}

/// A way that was taken and stays taken, whatever is learnt later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The id of the step that follows.
    pub to: String,
    pub at_ms: i64,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Contact the person, not before `due_ms`.
    Touch {
        step: String,
        action: Action,
        due_ms: i64,
    },
    /// Nothing to do before `until_ms`, unless something happens.
    Wait {
        step: String,
        until_ms: i64,
        hold: Hold,
    },
    /// The outcome of this step's contact is not known.
    Doubt {
        step: String,
        action: Action,
    },
    End {
        state: EnrollmentState,
        cause: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    pub next: Next,
    /// Decisions made on this walk, to be kept.
    pub decided: Vec<(String, Decision)>,
}

/// Walks `sequence` from its beginning over all that is done, to what is not.
pub fn walk(sequence: &Sequence, facts: &Facts) -> Walk {
    let mut walker = Walker { sequence, facts, at_ms: facts.started_at_ms, decided: Vec::new() };
    let mut index = 0;
    let next = loop {
        let Some(step) = sequence.steps.get(index) else { break completed("the last step is done") };
        index = match walker.step(step) {
            Course::On if step.end => break completed("the last step of its way is done"),
            Course::On => index + 1,
            // A target that a newer version has dropped: what was planned after it is not made up.
            Course::To(id) => match sequence.position(&id) {
                Some(target) if target > index => target,
                _ => break completed("the step that was to follow is no longer in the sequence"),
            },
            Course::Stay(next) => break next,
        };
    };
    Walk { next, decided: walker.decided }
}

/// The state of an open enrollment.
pub fn open_state(facts: &Facts) -> EnrollmentState {
    let sent = |wanted: &[Action]| {
        facts.touches.values().any(|touch| touch.state == TouchState::Sent && wanted.contains(&touch.action))
    };
    if sent(&[Action::Message, Action::Inmail, Action::Email]) {
        EnrollmentState::Messaged
    } else if facts.connected_at_ms.is_some() {
        EnrollmentState::Connected
    } else if sent(&[Action::Invite]) {
        EnrollmentState::InviteSent
    } else {
        EnrollmentState::Scheduled
    }
}

enum Course {
    On,
    To(String),
    Stay(Next),
}

struct Walker<'a> {
    sequence: &'a Sequence,
    facts: &'a Facts,
    /// When the step before was done.
    at_ms: i64,
    decided: Vec<(String, Decision)>,
}

impl Walker<'_> {
    fn step(&mut self, step: &Step) -> Course {
        if let Some(decision) = self.facts.decisions.get(&step.id) {
            self.at_ms = decision.at_ms;
            return Course::To(decision.to.clone());
        }
        let due_ms = self.at_ms.saturating_add(step.after_ms);
        match &step.kind {
            StepKind::End => Course::Stay(completed("the sequence ends here")),
            StepKind::Wait { for_ms } => {
                let until_ms = due_ms.saturating_add(*for_ms);
                if self.facts.now_ms < until_ms {
                    return wait(step, until_ms, Hold::NotDue);
                }
                self.at_ms = until_ms;
                Course::On
            }
            StepKind::WaitForConnection { timeout_ms, on_timeout } => {
                self.connection(step, due_ms, *timeout_ms, on_timeout.as_deref())
            }
            StepKind::Branch { condition, then, otherwise } => {
                if self.facts.now_ms < due_ms {
                    return wait(step, due_ms, Hold::NotDue);
                }
                let holds = match condition {
                    Condition::Connected => self.facts.connected_at_ms.is_some(),
                    Condition::HasEmail => self.facts.has_email,
                    Condition::HasProfile => self.facts.has_profile,
                };
                let target = if holds { then } else { otherwise };
                match target.clone().or_else(|| self.following(step)) {
                    Some(target) => self.decide(step, target, due_ms),
                    None => Course::On,
                }
            }
            _ => self.contact(step, due_ms),
        }
    }

    fn connection(&mut self, step: &Step, due_ms: i64, timeout_ms: i64, on_timeout: Option<&str>) -> Course {
        let deadline_ms = due_ms.saturating_add(timeout_ms);
        if let Some(connected_at_ms) = self.facts.connected_at_ms {
            self.at_ms = due_ms.max(connected_at_ms);
            return Course::On;
        }
        let left_at_ms = match self.facts.declined_at_ms {
            Some(declined_at_ms) => Some(declined_at_ms.max(due_ms).min(deadline_ms)),
            None => (self.facts.now_ms >= deadline_ms).then_some(deadline_ms),
        };
        match (left_at_ms, on_timeout) {
            (None, _) => wait(step, deadline_ms, Hold::WaitingForConnection),
            (Some(at_ms), Some(target)) => self.decide(step, target.to_owned(), at_ms),
            (Some(_), None) if self.facts.declined_at_ms.is_some() => {
                Course::Stay(end(EnrollmentState::Declined, "the invitation was declined or withdrawn"))
            }
            (Some(_), None) => Course::Stay(completed("the invitation was not accepted in time")),
        }
    }

    fn contact(&mut self, step: &Step, due_ms: i64) -> Course {
        let Some(action) = step.kind.action() else { return Course::On };
        let touch = self.facts.touches.get(&step.id);
        match touch.map(|touch| touch.state) {
            Some(TouchState::Sent) => {
                self.at_ms = touch.and_then(|touch| touch.settled_at_ms).unwrap_or(due_ms);
                Course::On
            }
            Some(TouchState::Calling | TouchState::Unknown) => {
                Course::Stay(Next::Doubt { step: step.id.clone(), action })
            }
            Some(TouchState::Refused) => {
                let at_ms = touch.and_then(|touch| touch.settled_at_ms).unwrap_or(due_ms);
                let problem = touch.and_then(|touch| touch.problem.as_deref()).unwrap_or("refused");
                self.cannot(step, action, at_ms, problem)
            }
            Some(TouchState::Planned | TouchState::Released) | None => match (action, self.facts.connected_at_ms) {
                (Action::Invite, Some(connected_at_ms)) => {
                    self.at_ms = due_ms.max(connected_at_ms);
                    Course::On
                }
                (Action::Email, _) if !self.facts.has_email => self.cannot(step, action, due_ms, "no_email_address"),
                (Action::VisitProfile | Action::Invite | Action::Message | Action::Inmail, _)
                    if !self.facts.has_profile =>
                {
                    self.cannot(step, action, due_ms, "no_linkedin_profile")
                }
                _ => Course::Stay(Next::Touch { step: step.id.clone(), action, due_ms }),
            },
        }
    }

    /// Goes on without a contact that cannot be made: a visit is no loss, an invitation takes the way of one that is not
    /// accepted, anything else ends the enrollment.
    fn cannot(&mut self, step: &Step, action: Action, at_ms: i64, problem: &str) -> Course {
        match action {
            // A profile that is found later is not looked at in the middle of what followed.
            Action::VisitProfile => match self.following(step) {
                Some(next) if !step.end => self.decide(step, next, at_ms),
                _ => Course::On,
            },
            Action::Invite if self.facts.connected_at_ms.is_some() => {
                self.at_ms = at_ms;
                Course::On
            }
            Action::Invite => match self.way_out(step) {
                Some(target) => self.decide(step, target, at_ms),
                None => Course::Stay(end(EnrollmentState::Failed, problem)),
            },
            Action::Email if problem == BAD_ADDRESS => Course::Stay(end(EnrollmentState::Bounced, problem)),
            Action::Message | Action::Inmail | Action::Email => Course::Stay(end(EnrollmentState::Failed, problem)),
        }
    }

    fn following(&self, step: &Step) -> Option<String> {
        let index = self.sequence.position(&step.id)?;
        self.sequence.steps.get(index + 1).map(|next| next.id.clone())
    }

    /// Where an invitation that is not accepted leads: the time-out of the wait that follows it on its own way.
    fn way_out(&self, step: &Step) -> Option<String> {
        let index = self.sequence.position(&step.id)?;
        let mut way = self.sequence.steps[index..].iter();
        way.find_map(|later| match &later.kind {
            StepKind::WaitForConnection { on_timeout, .. } => Some(on_timeout.clone()),
            StepKind::End => Some(None),
            _ => later.end.then_some(None),
        })
        .flatten()
    }

    fn decide(&mut self, step: &Step, to: String, at_ms: i64) -> Course {
        self.at_ms = at_ms;
        self.decided.push((step.id.clone(), Decision { to: to.clone(), at_ms }));
        Course::To(to)
    }
}

/// The problem of an email touch whose address the provider refused.
pub const BAD_ADDRESS: &str = "recipient_rejected";

fn wait(step: &Step, until_ms: i64, hold: Hold) -> Course {
    Course::Stay(Next::Wait { step: step.id.clone(), until_ms, hold })
}

fn completed(cause: &str) -> Next {
    end(EnrollmentState::Completed, cause)
}

fn end(state: EnrollmentState, cause: &str) -> Next {
    Next::End { state, cause: cause.to_owned() }
}
