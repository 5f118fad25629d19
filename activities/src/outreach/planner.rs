//! When a contact is made: in the hours of both sides, within the limits, and at no regular time.

use super::calendar::{Calendar, Closed};
use leadflow_workflows::domain::outreach::{Action, Hold};
use leadflow_workflows::domain::permits::{Blocked, Limits, Use, WEEK_MS, blocked, leave, refusal};

/// So far ahead contacts are reserved; for what comes later, it is asked again.
pub const HORIZON_MS: i64 = WEEK_MS;

/// A limit that is the bottleneck is used as soon as it allows, or each day would begin later than the one before.
const SCARCE_JITTER_MS: i64 = 10 * 60_000;

/// Contacts are spread over so much of common hours at least. Were it only over the rest of a day, each step of a sequence
/// would come later in the day than the one before, and all of them at its end.
const SPREAD_MS: i64 = 3_600_000;

/// The last minutes of a day are left free: whoever comes a moment late then comes a day late.
const LATE_MS: i64 = 15 * 60_000;

/// A contact that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct PlanRequest<'a> {
    /// Not before this instant.
    pub due_ms: i64,
    pub now_ms: i64,
    pub action: Action,
    pub has_note: bool,
    pub limits: &'a Limits,
    pub sender: &'a Calendar,
    pub lead: &'a Calendar,
    /// Of the account: touches that count, and reservations.
    pub uses: &'a [Use],
    /// Any number; the same one gives the same instant.
    pub jitter: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    pub at_ms: i64,
    /// What made it later than it was due, apart from its place in the day.
    pub hold: Option<Hold>,
    /// How much later that made it.
    pub held_ms: i64,
    /// Whether the contact may be reserved for `at_ms`; otherwise that is when to ask again.
    pub is_slot: bool,
}

/// A contact that is to be made now.
#[derive(Clone, Copy, Debug)]
pub struct CheckRequest<'a> {
    pub now_ms: i64,
    pub action: Action,
    pub has_note: bool,
    pub limits: &'a Limits,
    pub sender: &'a Calendar,
    pub lead: &'a Calendar,
    /// Of the account: touches that count.
    pub uses: &'a [Use],
}

/// Finds the first instant at which everything allows the contact, and from there a place in the rest of the day's common
/// hours; where hardly anything is left of them, perhaps in the next. No plan reaches further ahead than [`HORIZON_MS`].
pub fn plan(request: &PlanRequest<'_>) -> Planned {
    let horizon_ms = request.now_ms.saturating_add(HORIZON_MS);
    let asked_ms = request.due_ms.max(request.now_ms);
    if asked_ms >= horizon_ms {
        return Planned { at_ms: horizon_ms, hold: Some(Hold::NotDue), held_ms: 0, is_slot: false };
    }
    let blocked = blocked(request.limits, request.action, request.has_note, request.uses);
    let mut delay = Delay::default();
    let first_ms = delay.first_free_ms(request, &blocked, asked_ms, horizon_ms);
    let hold = delay.furthest.map(|(_, hold)| hold);
    if first_ms >= horizon_ms {
        return Planned { at_ms: horizon_ms, hold, held_ms: horizon_ms - asked_ms, is_slot: false };
    }
    let spread = if delay.is_scarce {
        let close_ms = common_close(request, first_ms);
        vec![(first_ms, close_ms.min(first_ms + SCARCE_JITTER_MS).min(horizon_ms))]
    } else {
        spread(request, first_ms, horizon_ms)
    };
    let at_ms = some_instant(&blocked, &spread, request.jitter);
    Planned { at_ms, hold, held_ms: first_ms - asked_ms, is_slot: true }
}

/// What forbids the contact now, and when to ask again: no later than [`HORIZON_MS`] from now.
pub fn check(request: &CheckRequest<'_>) -> Option<(Hold, i64)> {
    let CheckRequest { now_ms, action, has_note, limits, .. } = *request;
    let closed =
        [(request.sender, Side::Sender), (request.lead, Side::Lead)].into_iter().find_map(|(calendar, side)| {
            calendar.closed_at(now_ms).map(|closed| (side.hold(closed), calendar.next_open(now_ms)))
        });
    let refused = closed.or_else(|| refusal(limits, action, has_note, request.uses, now_ms));
    refused.map(|(hold, again_ms)| (hold, again_ms.min(now_ms.saturating_add(HORIZON_MS))))
}

#[derive(Clone, Copy)]
enum Side {
    Sender,
    Lead,
}

impl Side {
    fn hold(self, closed: Closed) -> Hold {
        match (self, closed) {
            (Self::Sender, Closed::Hours) => Hold::SenderHours,
            (Self::Lead, Closed::Hours) => Hold::LeadHours,
            (Self::Sender, Closed::Holiday(name)) => Hold::SenderHoliday { name },
            (Self::Lead, Closed::Holiday(name)) => Hold::LeadHoliday { name },
        }
    }
}

/// What made a contact later.
#[derive(Default)]
struct Delay {
    furthest: Option<(i64, Hold)>,
    /// Whether a limit that counts was among it.
    is_scarce: bool,
}

impl Delay {
    fn first_free_ms(&mut self, request: &PlanRequest<'_>, blocked: &[Blocked], from_ms: i64, horizon_ms: i64) -> i64 {
        let mut at_ms = from_ms;
        loop {
            let before_ms = at_ms;
            for (calendar, side) in [(request.sender, Side::Sender), (request.lead, Side::Lead)] {
                if let Some(closed) = calendar.closed_at(at_ms) {
                    let open_ms = calendar.next_open(at_ms);
                    self.push(open_ms - at_ms, &side.hold(closed));
                    at_ms = open_ms;
                }
            }
            at_ms = leave(blocked, at_ms, |push_ms, hold| self.push(push_ms, hold));
            if at_ms == before_ms || at_ms >= horizon_ms {
                return at_ms;
            }
        }
    }

    fn push(&mut self, push_ms: i64, hold: &Hold) {
        self.is_scarce |= matches!(
            hold,
            Hold::DailyLimit { .. } | Hold::WeeklyLimit { .. } | Hold::MonthlyNotes { .. } | Hold::WarmUp { .. }
        );
        if self.furthest.as_ref().is_none_or(|(most_ms, _)| push_ms > *most_ms) {
            self.furthest = Some((push_ms, hold.clone()));
        }
    }
}

/// The rest of the day's common hours, and of the next ones as much as is missing to [`SPREAD_MS`].
fn spread(request: &PlanRequest<'_>, first_ms: i64, horizon_ms: i64) -> Vec<(i64, i64)> {
    let mut spread = Vec::new();
    let (mut at_ms, mut missing_ms) = (first_ms, SPREAD_MS);
    while missing_ms > 0 && at_ms < horizon_ms {
        let close_ms = common_close(request, at_ms).min(horizon_ms);
        let last_ms = (close_ms - LATE_MS).max(at_ms + 1);
        let end_ms = if spread.is_empty() { last_ms } else { last_ms.min(at_ms + missing_ms) };
        spread.push((at_ms, end_ms));
        missing_ms -= end_ms - at_ms;
        at_ms = close_ms;
        let both = |at_ms| request.lead.next_open(request.sender.next_open(at_ms));
        while at_ms < horizon_ms && both(at_ms) > at_ms {
            at_ms = both(at_ms);
        }
    }
    spread
}

/// When the hours that are open at `at_ms` end for one of both.
fn common_close(request: &PlanRequest<'_>, at_ms: i64) -> i64 {
    let close_ms = |calendar: &Calendar| calendar.windows(at_ms).next().map_or(at_ms, |(_, close_ms)| close_ms);
    close_ms(request.sender).min(close_ms(request.lead))
}

/// One of the free instants of the hours, the first of which is free; each is as likely as any other.
fn some_instant(blocked: &[Blocked], hours: &[(i64, i64)], jitter: u64) -> i64 {
    let mut free = Vec::new();
    for (from_ms, to_ms) in hours {
        let mut since_ms = *from_ms;
        for span in blocked.iter().take_while(|span| span.from_ms < *to_ms) {
            if span.from_ms > since_ms {
                free.push((since_ms, span.from_ms));
            }
            since_ms = since_ms.max(span.until_ms);
        }
        if since_ms < *to_ms {
            free.push((since_ms, *to_ms));
        }
    }
    let free_ms: i64 = free.iter().map(|(from_ms, to_ms)| to_ms - from_ms).sum();
    let mut left_ms = i64::try_from(jitter % u64::try_from(free_ms.max(1)).unwrap_or(1)).unwrap_or(0);
    for (from_ms, to_ms) in &free {
        if left_ms < to_ms - from_ms {
            return from_ms + left_ms;
        }
        left_ms -= to_ms - from_ms;
    }
    hours[0].0
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
