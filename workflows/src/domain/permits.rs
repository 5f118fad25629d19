//! How much an account may do: limits, counted from its touches.

use super::outreach::{Action, Hold};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const DAY_MS: i64 = 24 * 3_600_000;
pub const WEEK_MS: i64 = 7 * DAY_MS;
/// The window of invitation notes.
pub const MONTH_MS: i64 = 30 * DAY_MS;

/// The limits of one action of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActionLimit {
    /// In any 24 hours.
    pub per_day: u32,
    /// In any 7 days.
    pub per_week: u32,
    /// Shortest time between two.
    pub gap_ms: i64,
}

/// A young account begins with a fifth of its limits and grows into them in equal steps, one a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WarmUp {
    pub started_at_ms: i64,
    pub days: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// An action that is missing is not allowed at all.
    pub actions: BTreeMap<Action, ActionLimit>,
    pub warm_up: Option<WarmUp>,
    /// Invitations with a note in any 30 days, for accounts that pay nothing.
    pub notes_per_month: Option<u32>,
}

/// One touch that counts: its effect came about at an instant from `from_ms` to `until_ms`, if at all. A reservation has
/// its planned instant as both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    pub action: Action,
    pub has_note: bool,
    pub from_ms: i64,
    pub until_ms: i64,
}

/// A time in which one rule allows no further use. It never ends for what is not allowed at all (`i64::MAX`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    pub from_ms: i64,
    /// The first instant after it.
    pub until_ms: i64,
    pub hold: Hold,
}

/// Whether the limits refuse a use at `at_ms`, given the uses that began by then: the rule that does so for longest, and
/// the first instant at which it no longer would.
pub fn refusal(limits: &Limits, action: Action, has_note: bool, uses: &[Use], at_ms: i64) -> Option<(Hold, i64)> {
    let begun: Vec<Use> = uses.iter().copied().filter(|used| used.from_ms <= at_ms).collect();
    let rules = rules(limits, action, has_note).into_iter();
    let spans = rules.flat_map(|rule| rule.refused(&begun).into_iter().map(move |span| (span, rule)));
    let refusing = spans.filter(|((from_ms, until_ms), _)| (*from_ms..*until_ms).contains(&at_ms));
    refusing.max_by_key(|((_, until_ms), _)| *until_ms).map(|((_, until_ms), rule)| (rule.hold(at_ms), until_ms))
}

/// The first instant from `from_ms` on at which one more use keeps every rolling window, also those that reach into later
/// reservations, and the gap on either side. The hold names the rule that pushed it furthest.
pub fn next_free(limits: &Limits, action: Action, has_note: bool, uses: &[Use], from_ms: i64) -> (i64, Option<Hold>) {
    let mut furthest: Option<(i64, &Hold)> = None;
    let blocked = blocked(limits, action, has_note, uses);
    let at_ms = leave(&blocked, from_ms, |push_ms, hold| {
        if furthest.is_none_or(|(most_ms, _)| push_ms > most_ms) {
            furthest = Some((push_ms, hold));
        }
    });
    (at_ms, furthest.map(|(_, hold)| hold.clone()))
}

/// When one more use would break a rule, beside all uses and reservations; by beginning.
pub fn blocked(limits: &Limits, action: Action, has_note: bool, uses: &[Use]) -> Vec<Blocked> {
    let mut blocked = Vec::new();
    for rule in rules(limits, action, has_note) {
        for (from_ms, until_ms) in rule.refused(uses) {
            // A use before such a time would be in its windows, too.
            let hold = rule.hold(from_ms);
            blocked.push(Blocked { from_ms: from_ms.saturating_sub(rule.window_ms - 1), until_ms, hold });
        }
    }
    blocked.sort_by_key(|span| span.from_ms);
    blocked
}

/// The first instant from `from_ms` on that is in none of the times, which are sorted by beginning. Tells each time that had
/// to be left, and how much later it made it.
pub fn leave<'a>(blocked: &'a [Blocked], from_ms: i64, mut pushed: impl FnMut(i64, &'a Hold)) -> i64 {
    let mut at_ms = from_ms;
    for span in blocked {
        if span.from_ms > at_ms {
            break;
        }
        if span.until_ms > at_ms {
            pushed(span.until_ms.saturating_sub(at_ms), &span.hold);
            at_ms = span.until_ms;
        }
    }
    at_ms
}

impl Limits {
    /// Well below what providers tolerate.
    pub fn standard() -> Self {
        let minute_ms = 60_000;
        let limit = |per_day, per_week, gap_ms| ActionLimit { per_day, per_week, gap_ms };
        let actions = [
            (Action::VisitProfile, limit(60, 300, minute_ms)),
            (Action::Invite, limit(20, 100, 5 * minute_ms)),
            (Action::Message, limit(60, 300, 2 * minute_ms)),
            (Action::Inmail, limit(15, 75, 5 * minute_ms)),
            (Action::Email, limit(50, 250, minute_ms)),
        ];
        Self { actions: actions.into(), warm_up: None, notes_per_month: None }
    }
}

impl WarmUp {
    /// What of a full limit is allowed at `at_ms`; at least one.
    pub fn share(self, full: u32, at_ms: i64) -> u32 {
        let days = i64::from(self.days);
        let day = at_ms.saturating_sub(self.started_at_ms).div_euclid(DAY_MS).max(0);
        if day >= days || full == 0 {
            return full;
        }
        u32::try_from(i64::from(full) * (days + 4 * day) / (5 * days)).unwrap_or(full).max(1)
    }
}

/// At most `full` uses in any `window_ms`.
#[derive(Clone, Copy)]
struct Rule {
    kind: Kind,
    action: Action,
    window_ms: i64,
    full: u32,
    warm_up: Option<WarmUp>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Day,
    Week,
    Notes,
    Gap,
}

fn rules(limits: &Limits, action: Action, has_note: bool) -> Vec<Rule> {
    let rule = |kind, window_ms, full, warm_up| Rule { kind, action, window_ms, full, warm_up };
    let Some(limit) = limits.actions.get(&action) else { return vec![rule(Kind::Day, DAY_MS, 0, None)] };
    let mut rules = vec![
        rule(Kind::Day, DAY_MS, limit.per_day, limits.warm_up),
        rule(Kind::Week, WEEK_MS, limit.per_week, limits.warm_up),
    ];
    if limit.gap_ms > 0 {
        rules.push(rule(Kind::Gap, limit.gap_ms, 1, None));
    }
    if let Some(notes) = limits.notes_per_month.filter(|_| action == Action::Invite && has_note) {
        rules.push(rule(Kind::Notes, MONTH_MS, notes, None));
    }
    rules
}

impl Rule {
    /// The limit for a window that ends at `at_ms`. It never falls.
    fn limit(&self, at_ms: i64) -> u32 {
        self.warm_up.map_or(self.full, |warm_up| warm_up.share(self.full, at_ms))
    }

    fn hold(&self, at_ms: i64) -> Hold {
        let (action, limit) = (self.action, self.limit(at_ms));
        match self.kind {
            Kind::Day if limit < self.full => Hold::WarmUp { action, limit },
            Kind::Day => Hold::DailyLimit { action, limit },
            Kind::Week => Hold::WeeklyLimit { action, limit },
            Kind::Notes => Hold::MonthlyNotes { limit },
            Kind::Gap => Hold::MinimumGap { action, gap_ms: self.window_ms },
        }
    }

    /// The times, first and first after, at whose every instant the window that ends there is full.
    fn refused(&self, uses: &[Use]) -> Vec<(i64, i64)> {
        if self.full == 0 {
            return vec![(i64::MIN, i64::MAX)];
        }
        let counts = |used: &&Use| used.action == self.action && (used.has_note || self.kind != Kind::Notes);
        // A use is in every window that ends from its first instant until a window's length after its last.
        let mut changes: Vec<(i64, i64)> = Vec::with_capacity(2 * uses.len());
        changes.extend(uses.iter().filter(counts).map(|used| (used.from_ms, 1)));
        changes.extend(uses.iter().filter(counts).map(|used| {
            let until_ms = used.until_ms.max(used.from_ms).saturating_add(self.window_ms);
            (until_ms, -1)
        }));
        if let Some(warm_up) = self.warm_up {
            let step = |day: u32| (warm_up.started_at_ms.saturating_add(i64::from(day) * DAY_MS), 0);
            changes.extend((1..=warm_up.days).map(step));
        }
        // Stable, because that is quick on parts that are sorted already.
        changes.sort_by_key(|(at_ms, _)| *at_ms);
        let (mut refused, mut count, mut full_from_ms) = (Vec::new(), 0, None);
        for same in changes.chunk_by(|left, right| left.0 == right.0) {
            let at_ms = same[0].0;
            count += same.iter().map(|(_, change)| change).sum::<i64>();
            match (count >= i64::from(self.limit(at_ms)), full_from_ms) {
                (true, None) => full_from_ms = Some(at_ms),
                (false, Some(from_ms)) => {
                    refused.push((from_ms, at_ms));
                    full_from_ms = None;
                }
                _ => {}
            }
        }
        refused
    }
}

#[cfg(test)]
#[path = "permits_tests.rs"]
mod tests;
