//! Which leads a campaign begins with today, and on which account.

use super::calendar::Calendar;
use leadflow_workflows::domain::outreach::Action;
use leadflow_workflows::domain::permits::{DAY_MS, Limits, Use, next_free};
use leadflow_workflows::domain::sequence::{Sequence, StepKind};

/// Enrollments start within so much of the beginning of a day's hours; their contacts are spread over the rest of it.
const STARTS_WITHIN_MS: i64 = 3_600_000;

#[derive(Clone, Copy, Debug)]
pub struct AllotRequest<'a> {
    pub now_ms: i64,
    /// Of the campaign's sequence.
    pub openers: &'a [Opener],
    /// Most that one account begins with in a day.
    pub starts_per_day: Option<u32>,
    pub accounts: &'a [AccountDay<'a>],
    /// Leads that wait for their turn.
    pub waiting: usize,
    /// Any number; the same one gives the same instants.
    pub jitter: u64,
}

/// A contact that a new enrollment soon makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opener {
    pub action: Action,
    pub has_note: bool,
    /// From the start of the enrollment on, at least.
    pub after_ms: i64,
}

/// What an account has done and has before it.
#[derive(Clone, Copy, Debug)]
pub struct AccountDay<'a> {
    pub limits: &'a Limits,
    pub sender: &'a Calendar,
    /// Touches that count, and reservations.
    pub uses: &'a [Use],
    /// When enrollments of this campaign on it start or were started, for a day back at least.
    pub starts_ms: &'a [i64],
    /// Open enrollments on it, of all campaigns, whose last opener is neither made nor reserved.
    pub pending: u32,
}

/// One lead's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Index of the account.
    pub account: usize,
    /// Less than two days ahead.
    pub at_ms: i64,
}

/// The first contacts of a sequence: all of one channel until the first that is no mere visit.
pub fn openers(sequence: &Sequence) -> Vec<Opener> {
    let mut openers: Vec<Opener> = Vec::new();
    let mut after_ms = 0_i64;
    for step in &sequence.steps {
        after_ms = after_ms.saturating_add(step.after_ms);
        if let StepKind::Wait { for_ms } = step.kind {
            after_ms = after_ms.saturating_add(for_ms);
        }
        let Some(action) = step.kind.action() else { continue };
        if openers.first().is_some_and(|first| first.action.channel() != action.channel()) {
            break;
        }
        openers.push(Opener { action, has_note: has_note(&step.kind), after_ms });
        if action != Action::VisitProfile {
            break;
        }
    }
    openers
}

/// Whether the contact is an invitation that carries a note.
pub fn has_note(kind: &StepKind) -> bool {
    matches!(kind, StepKind::Invite { note } if !note.trim().is_empty())
}

/// The leads' turns, for the best one first: as many as the openers' limits have room for in the hours of each account that
/// come next, if they begin within a day. The best leads are spread over all accounts.
pub fn allot(request: &AllotRequest<'_>) -> Vec<Start> {
    let turns = request.accounts.iter().map(|account| starts_of(request, account).into_iter());
    let mut turns: Vec<std::vec::IntoIter<i64>> = turns.collect();
    let mut starts = Vec::new();
    while starts.len() < request.waiting {
        // The account with most room first; the first of those with the same.
        let Some((account, turns)) = turns.iter_mut().enumerate().rev().max_by_key(|(_, turns)| turns.len()) else {
            break;
        };
        let Some(at_ms) = turns.next() else { break };
        starts.push(Start { account, at_ms });
    }
    starts
}

fn starts_of(request: &AllotRequest<'_>, account: &AccountDay<'_>) -> Vec<i64> {
    let window = account.sender.windows(request.now_ms).next();
    let Some((open_ms, close_ms)) = window.filter(|(open_ms, _)| *open_ms < request.now_ms + DAY_MS) else {
        return Vec::new();
    };
    let today = account.sender.day(open_ms);
    let started = account.starts_ms.iter().filter(|start_ms| account.sender.day(**start_ms) == today).count();
    let wanted = request.starts_per_day.map_or(usize::MAX, |most| (most as usize).saturating_sub(started));
    let pending = account.pending as usize;
    let enough = wanted.min(request.waiting).saturating_add(pending);
    // The last opener is the scarcest as a rule, so its room is counted first.
    let room = request.openers.iter().rev().fold(enough, |enough, opener| {
        // Where an opener is due some days later, the room of that day counts.
        let hours = account.sender.windows(open_ms.saturating_add(opener.after_ms)).next();
        hours.map_or(0, |(from_ms, to_ms)| room(account, *opener, from_ms, to_ms, enough))
    });
    let count = i64::try_from(room.saturating_sub(pending)).unwrap_or(i64::MAX);
    if count == 0 {
        return Vec::new();
    }
    let slot_ms = ((close_ms - open_ms) / 4).min(STARTS_WITHIN_MS) / count;
    let offset_ms = i64::try_from(request.jitter % u64::try_from(slot_ms.max(1)).unwrap_or(1)).unwrap_or(0);
    (0..count).map(|number| open_ms + number * slot_ms + offset_ms).collect()
}

/// How many more contacts fit between two instants of one day, up to `enough`.
fn room(account: &AccountDay<'_>, opener: Opener, from_ms: i64, to_ms: i64, enough: usize) -> usize {
    let Opener { action, has_note, .. } = opener;
    let mut uses: Vec<Use> = account.uses.iter().filter(|used| used.action == action).copied().collect();
    let per_day = account.limits.actions.get(&action).map_or(0, |limit| limit.per_day as usize);
    let that_day = uses.iter().filter(|used| (from_ms..to_ms).contains(&used.from_ms)).count();
    let most = per_day.saturating_sub(that_day).min(enough);
    if most <= account.pending as usize {
        return most;
    }
    let mut at_ms = from_ms;
    for count in 0..most {
        (at_ms, _) = next_free(account.limits, action, has_note, &uses, at_ms);
        if at_ms >= to_ms {
            return count;
        }
        uses.push(Use { action, has_note, from_ms: at_ms, until_ms: at_ms });
    }
    most
}

#[cfg(test)]
#[path = "allot_tests.rs"]
mod tests;
