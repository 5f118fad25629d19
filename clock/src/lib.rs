//! One clock for activities, ingress and sandbox: the system's, or a fast one for the demo and for tests of months.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Virtual time that starts at an origin and runs `speed` times as fast as real time.
///
/// As text it is `ORIGIN_MS@SPEED@STARTED_MS`: at the real instant `STARTED_MS` it was `ORIGIN_MS` (both in Unix
/// milliseconds). Handed to another process in this form, both agree on every instant. `ORIGIN_MS@SPEED`, the form for
/// people, starts when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Clock {
    origin_ms: i64,
    speed: f64,
    // Wall-clock time rather than `Instant`, so that it means the same in another process and goes on while a laptop sleeps.
    started: SystemTime,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self { origin_ms: 0, speed: 1.0, started: UNIX_EPOCH }
    }

    /// A clock that shows `origin_ms` (Unix milliseconds) now and runs `speed` times as fast as real time.
    ///
    /// # Panics
    /// When `speed` is not a positive finite number; text from outside goes through [`FromStr`], which returns an error.
    pub fn fast(origin_ms: i64, speed: f64) -> Self {
        assert!(is_speed(speed), "the speed of a clock must be a positive number, not {speed}");
        Self { origin_ms, speed, started: SystemTime::now() }
    }

    /// The present instant, in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        let real_ms = self.started.elapsed().map_or(0, |elapsed| elapsed.as_millis());
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "exact below 2^53 ms")]
        let virtual_ms = (real_ms as f64 * self.speed) as i64;
        self.origin_ms.saturating_add(virtual_ms)
    }

    /// How long `virtual_duration` takes in real time.
    pub fn real_duration(&self, virtual_duration: Duration) -> Duration {
        Duration::try_from_secs_f64(virtual_duration.as_secs_f64() / self.speed).unwrap_or(Duration::MAX)
    }

    /// How much virtual time passes in `real_duration`.
    pub fn virtual_duration(&self, real_duration: Duration) -> Duration {
        Duration::try_from_secs_f64(real_duration.as_secs_f64() * self.speed).unwrap_or(Duration::MAX)
    }

    /// How many virtual milliseconds pass in `real_duration`; never so many that they could not be added to an instant.
    pub fn virtual_ms(&self, real_duration: Duration) -> i64 {
        i64::try_from(self.virtual_duration(real_duration).as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
    }

    /// How much real time passes from one virtual instant to another; zero when that is over.
    pub fn real_until(&self, now_ms: i64, until_ms: i64) -> Duration {
        let virtual_ms = u64::try_from(until_ms.saturating_sub(now_ms)).unwrap_or(0);
        self.real_duration(Duration::from_millis(virtual_ms))
    }

    /// Whether this is the system's clock.
    pub fn is_system(&self) -> bool {
        *self == Self::system()
    }

    /// Sleeps until `virtual_duration` has passed on this clock.
    pub async fn sleep(&self, virtual_duration: Duration) {
        tokio::time::sleep(self.real_duration(virtual_duration)).await;
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let started_ms = self.started.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        write!(formatter, "{}@{}@{started_ms}", self.origin_ms, self.speed)
    }
}

impl FromStr for Clock {
    type Err = ParseClockError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseClockError(text.to_owned());
        let mut parts = text.split('@');
        let origin_ms = parts.next().and_then(|part| part.parse().ok()).ok_or_else(wrong)?;
        let speed =
            parts.next().and_then(|part| part.parse().ok()).filter(|speed| is_speed(*speed)).ok_or_else(wrong)?;
        let started = match parts.next() {
            None => SystemTime::now(),
            Some(part) => part
                .parse()
                .ok()
                .and_then(|started_ms| UNIX_EPOCH.checked_add(Duration::from_millis(started_ms)))
                .ok_or_else(wrong)?,
        };
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { origin_ms, speed, started })
    }
}

impl TryFrom<String> for Clock {
    type Error = ParseClockError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Clock> for String {
    fn from(clock: Clock) -> Self {
        clock.to_string()
    }
}

/// A text that is not a clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseClockError(String);

impl fmt::Display for ParseClockError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` is not a clock; hint: write `ORIGIN_MS@SPEED`, for example `1768469400000@60` for a minute every second",
            self.0
        )
    }
}

impl std::error::Error for ParseClockError {}

fn is_speed(speed: f64) -> bool {
    speed.is_finite() && speed > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN_MS: i64 = 1_768_469_400_000;

    fn system_ms() -> i64 {
        i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("in range").as_millis()).expect("in range")
    }

    #[test]
    fn the_system_clock_shows_system_time() {
        let before_ms = system_ms();
        let now_ms = Clock::system().now_ms();
        assert!((before_ms..=system_ms()).contains(&now_ms));
    }

    #[test]
    fn a_fast_clock_starts_at_its_origin_and_runs_ahead() {
        let before = SystemTime::now();
        let clock = Clock::fast(ORIGIN_MS, 1000.0);
        let first_ms = clock.now_ms();
        let real_ms = i64::try_from(before.elapsed().expect("in range").as_millis()).expect("in range");
        assert!((ORIGIN_MS..=ORIGIN_MS + (real_ms + 1) * 1000).contains(&first_ms));
    }

    #[tokio::test]
    async fn sleeping_takes_the_real_share_of_the_virtual_time() {
        let clock = Clock::fast(ORIGIN_MS, 3_600_000.0);
        assert_eq!(clock.real_duration(Duration::from_hours(1)), Duration::from_millis(1));
        clock.sleep(Duration::from_hours(24)).await;
        assert!(clock.now_ms() >= ORIGIN_MS + 24 * 3_600_000);
    }

    #[test]
    fn a_wait_beyond_all_measure_is_for_ever_and_no_panic() {
        assert_eq!(Clock::fast(0, 1e-300).real_duration(Duration::from_secs(1)), Duration::MAX);
    }

    #[test]
    fn another_process_reads_the_same_clock_from_its_text() {
        let clock =
            Clock { started: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123), ..Clock::fast(ORIGIN_MS, 2.5) };
        assert_eq!(clock.to_string(), "1768469400000@2.5@1700000000123");
        assert_eq!(clock.to_string().parse(), Ok(clock));
        assert_eq!(Clock::system().to_string().parse(), Ok(Clock::system()));
    }

    #[test]
    fn the_short_form_starts_when_it_is_read() {
        let before = SystemTime::now();
        let clock: Clock = "1768469400000@60".parse().expect("a clock");
        assert_eq!((clock.origin_ms, clock.speed), (ORIGIN_MS, 60.0));
        assert!((before..=SystemTime::now()).contains(&clock.started));
    }

    #[test]
    fn other_texts_are_refused_with_a_hint() {
        for text in ["", "now", "1@", "@1", "1@0", "1@-2", "1@NaN", "1@inf", "1@1@x", "1@1@1@1"] {
            let error = text.parse::<Clock>().expect_err(text);
            assert!(error.to_string().contains("hint: write `ORIGIN_MS@SPEED`"), "{text}: {error}");
        }
    }
}
