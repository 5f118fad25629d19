//! Every time-out, heartbeat and first delay of the system, in two sets.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How patient the system is. All values are milliseconds of real time.
///
/// One killed worker costs the heartbeat time-out of each call that it had in flight, and the sticky time-out of each
/// workflow; kill tests are only affordable with [`Timings::test`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
// A workflow that was started before a value existed gets the production one.
#[serde(default)]
pub struct Timings {
    /// Total time of one HTTP call to a model.
    pub model_call_ms: u64,
    /// Total time of one HTTP call to a search or look-up service.
    pub search_call_ms: u64,
    /// Total time of one HTTP call that contacts somebody.
    pub touch_call_ms: u64,
    /// Total time of one HTTP call that reads from a sender account.
    pub touch_read_ms: u64,
    /// Start-to-close of a touch: a profile look-up and the contact.
    pub touch_activity_ms: u64,
    /// Start-to-close of an activity that makes one model call.
    pub model_activity_ms: u64,
    /// Start-to-close of an activity that makes up to 25 search calls.
    pub search_activity_ms: u64,
    /// Start-to-close of a campaign's round, which starts many enrollments.
    pub round_activity_ms: u64,
    /// Start-to-close of an activity that only talks to the store.
    pub store_activity_ms: u64,
    /// Silence after which an activity with paid calls counts as lost.
    pub heartbeat_ms: u64,
    /// Longest life of one activity with all its retries.
    pub schedule_to_close_ms: u64,
    /// First retry delay of the server; it doubles up to `retry_longest_ms`.
    pub retry_first_ms: u64,
    pub retry_longest_ms: u64,
    /// How long a workflow waits for its last worker before any other may take it.
    pub sticky_ms: u64,
    /// How long an open breaker refuses calls.
    pub breaker_open_ms: u64,
    /// How often a waiting search looks by itself whether it may go on.
    pub look_ms: u64,
    /// How long a stage of a buyer group's refresh is tried.
    pub buyer_group_stage_ms: u64,
    /// How long a refresh of a company keeps the next one away. On the installation's clock, unlike all others.
    pub buyer_group_rest_ms: u64,
    /// Calls in flight get so long to end when a worker is asked to stop.
    pub graceful_shutdown_ms: u64,
}

impl Default for Timings {
    fn default() -> Self {
        Self::production()
    }
}

impl Timings {
    pub const fn production() -> Self {
        Self {
            model_call_ms: 100_000,
            search_call_ms: 20_000,
            touch_call_ms: 20_000,
            touch_read_ms: 8_000,
            touch_activity_ms: 30_000,
            model_activity_ms: 120_000,
            search_activity_ms: 150_000,
            round_activity_ms: 120_000,
            store_activity_ms: 30_000,
            heartbeat_ms: 15_000,
            schedule_to_close_ms: 6 * 3_600_000,
            retry_first_ms: 2_000,
            retry_longest_ms: 60_000,
            sticky_ms: 10_000,
            breaker_open_ms: 300_000,
            look_ms: 600_000,
            buyer_group_stage_ms: 600_000,
            buyer_group_rest_ms: 3_600_000,
            graceful_shutdown_ms: 30_000,
        }
    }

    /// Short enough to kill workers by the dozen; also used by the demo.
    pub const fn test() -> Self {
        Self {
            model_call_ms: 4_000,
            search_call_ms: 3_000,
            touch_call_ms: 2_000,
            touch_read_ms: 2_000,
            touch_activity_ms: 5_000,
            model_activity_ms: 6_000,
            search_activity_ms: 30_000,
            round_activity_ms: 10_000,
            store_activity_ms: 5_000,
            heartbeat_ms: 1_500,
            schedule_to_close_ms: 6 * 3_600_000,
            retry_first_ms: 200,
            retry_longest_ms: 2_000,
            sticky_ms: 1_000,
            breaker_open_ms: 2_000,
            look_ms: 5_000,
            buyer_group_stage_ms: 20_000,
            buyer_group_rest_ms: 600_000,
            graceful_shutdown_ms: 2_000,
        }
    }

    pub fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }
}
