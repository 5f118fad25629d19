//! Days, and durations between the installation's clock and real time.

use jiff::Timestamp;
use leadflow_clock::Clock;
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;

/// The UTC day of an instant, as `2026-03-14`.
pub(super) fn day(now_ms: i64) -> String {
    Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::MAX).strftime("%F").to_string()
}

/// When the UTC day after that of `now_ms` starts.
pub(super) fn next_day_ms(now_ms: i64) -> i64 {
    (now_ms.div_euclid(DAY_MS) + 1) * DAY_MS
}

/// The instant on `clock` that is `real_ms` of real time after `now_ms`, and always later than it.
pub(super) fn after_real(clock: &Clock, now_ms: i64, real_ms: u64) -> i64 {
    now_ms.saturating_add(clock.virtual_ms(Duration::from_millis(real_ms)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_change_at_midnight_utc() {
        let midnight_ms = 1_772_323_200_000;
        assert_eq!(day(midnight_ms), "2026-03-01");
        assert_eq!(day(midnight_ms - 1), "2026-02-28");
        assert_eq!(next_day_ms(midnight_ms - 1), midnight_ms);
        assert_eq!(next_day_ms(midnight_ms), midnight_ms + DAY_MS);
    }

    #[test]
    fn real_time_is_long_on_a_fast_clock() {
        let fast = Clock::fast(0, 60.0);
        assert_eq!(after_real(&fast, 5, 1_000), 60_005);
        assert_eq!(fast.real_until(5, 60_005), Duration::from_secs(1));
        assert_eq!(fast.real_until(5, 4), Duration::ZERO);
        assert_eq!(after_real(&Clock::system(), 5, 1_000), 1_005);
        assert_eq!(after_real(&Clock::fast(0, 1e-9), 5, 1_000), 6, "even on a clock that stands still");
    }
}
