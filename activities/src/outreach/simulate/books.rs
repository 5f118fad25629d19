//! Counts what happens in a simulation.

use super::{AccountReport, Day, Held, Minute, Report, SimulatedAccount, Simulation, TemporalCost};
use crate::outreach::calendar::Calendar;
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::outreach::{Action, EnrollmentState, Hold};
use leadflow_workflows::domain::permits::{DAY_MS, Limits, MONTH_MS, Use, WEEK_MS};
use std::collections::{BTreeMap, HashMap};

/// Of Temporal's cloud, for a million actions.
const USD_PER_MILLION_ACTIONS: u64 = 50;
/// A campaign looks every hour, an account reads this often a day; each time costs an activity and a timer.
const ROUNDS_PER_DAY: u64 = 24;
const READINGS_PER_DAY: u64 = 4;

/// Events of a workflow task: scheduled, started, completed.
const TASK_EVENTS: u64 = 3;

pub(super) struct Books {
    start_ms: i64,
    days: Vec<Day>,
    accounts: Vec<AccountReport>,
    minutes: HashMap<i64, u32>,
    holds: BTreeMap<String, Held>,
    actions: u64,
    events: u64,
    enrollments: u32,
}

impl Books {
    pub(super) fn new(simulation: &Simulation) -> Self {
        let days = simulation.days as usize;
        let account = |account: &SimulatedAccount| AccountReport {
            name: account.name.clone(),
            channel: account.channel,
            days: vec![BTreeMap::new(); days + 1],
        };
        Self {
            start_ms: simulation.start_ms,
            days: vec![Day::default(); days],
            accounts: simulation.accounts.iter().map(account).collect(),
            minutes: HashMap::new(),
            holds: BTreeMap::new(),
            actions: 0,
            events: 0,
            enrollments: 0,
        }
    }

    fn day(&mut self, at_ms: i64) -> Option<&mut Day> {
        usize::try_from((at_ms - self.start_ms).div_euclid(DAY_MS)).ok().and_then(|day| self.days.get_mut(day))
    }

    pub(super) fn touch(&mut self, account: usize, calendar: &Calendar, action: Action, at_ms: i64) {
        *self.minutes.entry(at_ms.div_euclid(60_000)).or_default() += 1;
        if let Some(day) = self.day(at_ms) {
            *day.touches.entry(action.name()).or_default() += 1;
        }
        let day = usize::try_from(calendar.day(at_ms) - calendar.day(self.start_ms)).unwrap_or(0);
        if let Some(day) = self.accounts[account].days.get_mut(day) {
            *day.entry(action.name()).or_default() += 1;
        }
    }

    /// An enrollment whose workflow begins with a task.
    pub(super) fn started(&mut self, at_ms: i64) {
        self.enrollments += 1;
        self.actions += 1;
        self.events += 1 + TASK_EVENTS;
        if let Some(day) = self.day(at_ms) {
            day.started += 1;
        }
    }

    /// Search attribute, and the end of the workflow.
    pub(super) fn ended(&mut self, state: EnrollmentState, at_ms: i64) {
        self.actions += 1;
        self.events += 2;
        if let Some(day) = self.day(at_ms) {
            *day.ended.entry(state.name()).or_default() += 1;
        }
    }

    /// Scheduled, started, completed, and the task that goes on with it.
    pub(super) fn activity(&mut self) {
        self.actions += 1;
        self.events += 3 + TASK_EVENTS;
    }

    pub(super) fn timer(&mut self) {
        self.actions += 1;
        self.events += 1;
    }

    pub(super) fn timer_fired(&mut self) {
        self.events += 1 + TASK_EVENTS;
    }

    /// A signal, its task, and the timer that it cancels.
    pub(super) fn signal(&mut self, cancels_timer: bool) {
        self.actions += 1;
        self.events += 1 + TASK_EVENTS + u64::from(cancels_timer);
    }

    pub(super) fn held(&mut self, hold: &Hold, delay_ms: i64) {
        let rule = serde_json::to_value(hold).ok().and_then(|hold| Some(hold.get("rule")?.as_str()?.to_owned()));
        let sum = self.holds.entry(rule.unwrap_or_default()).or_default();
        sum.contacts += 1;
        sum.delay_ms += delay_ms;
    }

    pub(super) fn report(mut self, states: BTreeMap<&'static str, u32>, waiting: u32, collisions: u32) -> Report {
        let mut open = 0;
        for day in &mut self.days {
            open = open + day.started - day.ended.values().sum::<u32>();
            day.open = open;
        }
        let days = u64::try_from(self.days.len()).unwrap_or(u64::MAX);
        let accounts = u64::try_from(self.accounts.len()).unwrap_or(u64::MAX);
        let other_actions = 2 * days * (ROUNDS_PER_DAY + READINGS_PER_DAY * accounts);
        let cost = (self.actions + other_actions) * USD_PER_MILLION_ACTIONS;
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
        let per_enrollment = |number: u64| number as f64 / f64::from(self.enrollments.max(1));
        let temporal = TemporalCost {
            enrollment_actions: self.actions,
            other_actions,
            history_events: self.events,
            actions_per_enrollment: per_enrollment(self.actions),
            events_per_enrollment: per_enrollment(self.events),
            cost_microusd: MicroUsd(i64::try_from(cost).unwrap_or(i64::MAX)),
        };
        let busiest = self.minutes.iter().max_by_key(|(minute, touches)| (**touches, std::cmp::Reverse(**minute)));
        Report {
            start_ms: self.start_ms,
            busiest_minute: busiest.map(|(minute, touches)| Minute { at_ms: minute * 60_000, touches: *touches }),
            days: self.days,
            accounts: self.accounts,
            states,
            waiting,
            collisions,
            holds: self.holds,
            temporal,
        }
    }
}

/// How many of an account's contacts, which are in the order of their time, some rolling window did not allow: counted
/// contact by contact, without the rules that planned them.
pub(super) fn collisions(limits: &Limits, done: &[Use]) -> u32 {
    let is_one_too_many = |used: &Use| {
        let Some(limit) = limits.actions.get(&used.action) else { return true };
        let share = |full| limits.warm_up.map_or(full, |warm_up| warm_up.share(full, used.from_ms));
        let within = |window_ms: i64, counts: fn(&Use) -> bool| {
            let first = done.partition_point(|other| other.from_ms <= used.from_ms - window_ms);
            let until = done.partition_point(|other| other.from_ms <= used.from_ms);
            let same = done[first..until].iter().filter(|other| other.action == used.action && counts(other));
            u32::try_from(same.count()).unwrap_or(u32::MAX)
        };
        let notes = limits.notes_per_month.filter(|_| used.has_note);
        within(DAY_MS, |_| true) > share(limit.per_day)
            || within(WEEK_MS, |_| true) > share(limit.per_week)
            || limit.gap_ms > 0 && within(limit.gap_ms, |_| true) > 1
            || notes.is_some_and(|notes| within(MONTH_MS, |other| other.has_note) > notes)
    };
    u32::try_from(done.iter().filter(|used| is_one_too_many(used)).count()).unwrap_or(u32::MAX)
}
