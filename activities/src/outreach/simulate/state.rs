//! What a simulation knows of each account and each enrollment.

use super::people::Draws;
use crate::outreach::calendar::Calendar;
use leadflow_workflows::domain::outreach::{Action, Channel, EnrollmentState};
use leadflow_workflows::domain::permits::{Limits, Use};
use leadflow_workflows::domain::walk::Facts;
use std::collections::BTreeMap;

pub(super) struct Account<'a> {
    pub(super) limits: &'a Limits,
    pub(super) channel: Channel,
    pub(super) calendar: Calendar,
    /// Contacts, looks at profiles and reservations by action, in the order of their time.
    pub(super) uses: BTreeMap<Action, Vec<Use>>,
    pub(super) done: Vec<Use>,
    /// When its enrollments start.
    pub(super) starts_ms: Vec<i64>,
    /// Enrollments whose last opener is neither made nor reserved.
    pub(super) pending: u32,
}

pub(super) struct Enrollment {
    pub(super) lead: usize,
    /// Account for each channel.
    pub(super) linkedin: Option<usize>,
    pub(super) email: Option<usize>,
    pub(super) draws: Draws,
    pub(super) facts: Facts,
    /// When the person's profile was read last.
    pub(super) looked_at_ms: Option<i64>,
    pub(super) reserved: Option<Reserved>,
    /// Of the timer that counts.
    pub(super) timer: u32,
    pub(super) is_sleeping: bool,
    pub(super) is_pending: bool,
    pub(super) ended: Option<EnrollmentState>,
}

pub(super) struct Reserved {
    pub(super) step: String,
    pub(super) account: usize,
    pub(super) planned: Use,
}

impl Account<'_> {
    pub(super) fn add(&mut self, new: Use) {
        let uses = self.uses.entry(new.action).or_default();
        uses.insert(uses.partition_point(|other| other.from_ms <= new.from_ms), new);
    }

    pub(super) fn remove(&mut self, old: Use) {
        let uses = self.uses.entry(old.action).or_default();
        let first = uses.partition_point(|other| other.from_ms < old.from_ms);
        if let Some(position) = uses[first..].iter().position(|other| *other == old) {
            uses.remove(first + position);
        }
    }
}

impl Enrollment {
    pub(super) fn account(&self, action: Action) -> Option<usize> {
        match action.channel() {
            Channel::Linkedin => self.linkedin,
            Channel::Email => self.email,
        }
    }
}
