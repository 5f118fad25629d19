//! When a failed provider call may be tried again.

use crate::providers::Class;
use backon::{BackoffBuilder, ExponentialBuilder};
use leadflow_workflows::domain::timings::Timings;
use rand::RngExt;
use std::time::Duration;

/// Longest wait that a provider's hint may ask for; after it the call is tried anyway.
pub const HINT_LONGEST: Duration = Duration::from_mins(2);

/// Wait of a deferred call whose provider named no time.
const DEFER_DEFAULT: Duration = Duration::from_hours(1);

/// Attempts after which the backoff no longer grows, in any set of timings.
const GROWING_ATTEMPTS: u32 = 40;

/// Wait before the next attempt; `None` when no retry by itself can help.
///
/// `attempt` counts from 1, as the server does. What `hint` means depends on the class: the wait asked for
/// ([`Class::WaitHint`], [`Class::Defer`]), or the shortest sensible wait ([`Class::Backoff`]). A wait is never zero,
/// because the server reads zero as "not set", and is jittered, so that calls that failed together do not return
/// together.
pub fn retry_delay(class: Class, attempt: u32, hint: Option<Duration>, timings: &Timings) -> Option<Duration> {
    match (class, hint) {
        (Class::Never | Class::PauseProvider, _) => None,
        (Class::WaitHint, Some(hint)) if !hint.is_zero() => Some(shortly_after(hint.min(HINT_LONGEST))),
        (Class::Backoff | Class::WaitHint, floor) => {
            let longest = Duration::from_millis(timings.retry_longest_ms);
            Some(backoff(attempt, timings).max(floor.unwrap_or_default().min(longest)))
        }
        (Class::Defer, hint) => Some(shortly_after(hint.unwrap_or(DEFER_DEFAULT))),
    }
}

/// Full jitter below a doubling ceiling, but at least a tenth of it: a retry after a millisecond is a wasted attempt.
fn backoff(attempt: u32, timings: &Timings) -> Duration {
    let first = Duration::from_millis(timings.retry_first_ms.max(1));
    let longest = Duration::from_millis(timings.retry_longest_ms.max(1));
    let doublings = attempt.saturating_sub(1).min(GROWING_ATTEMPTS) as usize;
    let ceiling = ExponentialBuilder::new()
        .with_min_delay(first)
        .with_max_delay(longest)
        .without_max_times()
        .build()
        .nth(doublings)
        .map_or(longest, |delay| delay.min(longest));
    rand::rng().random_range(ceiling / 10..=ceiling).max(Duration::from_millis(1))
}

/// The wait and up to a tenth more, at most a minute more.
fn shortly_after(wait: Duration) -> Duration {
    let jitter_longest = (wait / 10).clamp(Duration::from_millis(10), Duration::from_mins(1));
    wait.saturating_add(rand::rng().random_range(Duration::from_millis(1)..=jitter_longest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_timings() -> impl Strategy<Value = Timings> {
        prop_oneof![Just(Timings::production()), Just(Timings::test())]
    }

    proptest! {
        #[test]
        fn backoff_stays_between_a_tenth_and_the_whole_of_its_ceiling(attempt: u32, timings in any_timings()) {
            let delay = retry_delay(Class::Backoff, attempt, None, &timings).expect("retried");
            let doubled = timings.retry_first_ms.saturating_mul(1 << attempt.saturating_sub(1).min(30));
            let ceiling = Duration::from_millis(doubled.min(timings.retry_longest_ms));
            prop_assert!(delay <= ceiling, "{delay:?} is above {ceiling:?}");
            // The library multiplies in single precision, so the lower bound gets a millisecond of room.
            prop_assert!(delay + Duration::from_millis(1) >= ceiling / 10, "{delay:?} is below a tenth of {ceiling:?}");
        }

        #[test]
        fn backoff_is_not_shorter_than_its_hint_nor_longer_than_the_longest(
            attempt: u32, hint_ms in 0..10_000_000_u64, timings in any_timings()
        ) {
            let hint = Duration::from_millis(hint_ms);
            let longest = Duration::from_millis(timings.retry_longest_ms);
            let delay = retry_delay(Class::Backoff, attempt, Some(hint), &timings).expect("retried");
            prop_assert!(delay >= hint.min(longest) && delay <= longest);
        }

        #[test]
        fn a_hint_is_obeyed_up_to_its_cap(attempt: u32, hint_ms in 1..=u64::MAX, timings in any_timings()) {
            let hint = Duration::from_millis(hint_ms);
            let capped = hint.min(HINT_LONGEST);
            let delay = retry_delay(Class::WaitHint, attempt, Some(hint), &timings).expect("retried");
            prop_assert!(delay > capped && delay <= capped + (capped / 10).max(Duration::from_millis(10)));
        }

        #[test]
        fn a_longer_hint_never_means_an_earlier_retry_than_the_shorter_hint_asked_for(
            shorter_ms in 1..200_000_u64, more_ms in 0..200_000_u64, timings in any_timings()
        ) {
            for class in [Class::WaitHint, Class::Defer] {
                let longer = Duration::from_millis(shorter_ms + more_ms);
                let delay = retry_delay(class, 1, Some(longer), &timings).expect("retried");
                prop_assert!(delay >= Duration::from_millis(shorter_ms).min(HINT_LONGEST));
            }
        }

        #[test]
        fn no_wait_is_zero(attempt: u32, hint_ms: Option<u64>, timings in any_timings()) {
            let hint = hint_ms.map(Duration::from_millis);
            for class in [Class::WaitHint, Class::Backoff, Class::Defer] {
                prop_assert!(retry_delay(class, attempt, hint, &timings).expect("retried") >= Duration::from_millis(1));
            }
        }

        #[test]
        fn what_cannot_help_is_not_retried(attempt: u32, hint_ms: Option<u64>, timings in any_timings()) {
            let hint = hint_ms.map(Duration::from_millis);
            prop_assert_eq!(retry_delay(Class::Never, attempt, hint, &timings), None);
            prop_assert_eq!(retry_delay(Class::PauseProvider, attempt, hint, &timings), None);
        }
    }

    #[test]
    fn the_ceiling_doubles_to_the_longest_and_stays() {
        let timings = Timings::production();
        let longest_of = |attempt| (0..400).map(|_| backoff(attempt, &timings)).max().expect("many");
        let ceilings = [2, 4, 8, 16, 32, 60, 60].map(Duration::from_secs);
        for (attempt, ceiling) in (1..).zip(ceilings) {
            let longest = longest_of(attempt);
            assert!(longest <= ceiling && longest > ceiling / 2, "attempt {attempt}: {longest:?} of {ceiling:?}");
        }
    }

    #[test]
    fn a_deferred_call_without_a_time_waits_an_hour() {
        let delay = retry_delay(Class::Defer, 1, None, &Timings::production()).expect("retried");
        assert!((DEFER_DEFAULT..=DEFER_DEFAULT + Duration::from_mins(1)).contains(&delay));
    }
}
