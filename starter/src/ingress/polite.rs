//! Those who wait for an answer go first: what workflows do when they are told takes the same machine and database.
//!
//! Telling goes as fast as it can until events pile up that take far longer than usual to store. Then it goes as slow as may be,
//! and faster again from there. What an event forbids, it forbids once it is stored; its workflow only follows.

use futures::FutureExt;
use futures::future::BoxFuture;
use leadflow_activities::outreach::events::{TellError, Teller};
use leadflow_workflows::domain::timings::Timings;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;

/// Workflows told in a second, when events have to wait: so many that those who are told together are told in time.
const SLOWEST: f64 = 4.0;
/// By so much it gets faster in each [`STEP`] in which no event has to wait.
const FASTER_BY: f64 = 1.15;
const STEP: Duration = Duration::from_millis(100);
/// From here on it counts as full speed.
const FASTEST: f64 = 500.0;
/// An event has to wait when it takes so many times as long as usual, so long at least, and so many others are on their way.
const TIMES_USUAL: u32 = 4;
const NOTICEABLE: Duration = Duration::from_millis(20);
const SEVERAL: usize = 3;
/// What is usual is what storing takes at best; by so much with each event when that gets slower.
const USUAL_RISES_BY: f64 = 1.001;

/// How fast workflows may be told.
#[derive(Clone, Default)]
pub(super) struct Pace(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    on_their_way: usize,
    /// What storing an event takes when nothing is in its way.
    usual: Option<Duration>,
    /// When an event had to wait last.
    waited_at: Option<Instant>,
    /// When the next workflow may be told.
    next: Option<Instant>,
}

/// An event on its way into the store, until it is dropped.
pub(super) struct OnItsWay {
    pace: Pace,
    began: Instant,
}

impl Pace {
    pub(super) fn one_more(&self) -> OnItsWay {
        self.state().on_their_way += 1;
        OnItsWay { pace: self.clone(), began: Instant::now() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.pace.state();
        state.on_their_way -= 1;
        state.stored(now - self.began, now);
    }
}

impl State {
    /// An event took so long.
    fn stored(&mut self, took: Duration, now: Instant) {
        let usual = self.usual.map_or(took, |usual| usual.mul_f64(USUAL_RISES_BY).min(took));
        self.usual = Some(usual);
        if took > (usual * TIMES_USUAL).max(NOTICEABLE) && self.on_their_way >= SEVERAL {
            self.waited_at = Some(now);
        }
    }

    /// How long to wait before a workflow is told.
    fn turn(&mut self, now: Instant) -> Duration {
        let Some(waited_at) = self.waited_at else { return Duration::ZERO };
        let steps = now.saturating_duration_since(waited_at).div_duration_f64(STEP);
        let in_a_second = SLOWEST * FASTER_BY.powf(steps);
        if in_a_second >= FASTEST {
            (self.waited_at, self.next) = (None, None);
            return Duration::ZERO;
        }
        let at = self.next.map_or(now, |next| next.max(now));
        self.next = Some(at + Duration::from_secs(1).div_f64(in_a_second));
        at - now
    }
}

/// A teller that has events go first.
pub(super) struct Polite {
    teller: Arc<dyn Teller>,
    pace: Pace,
}

impl Polite {
    pub(super) fn new(teller: Arc<dyn Teller>, pace: Pace) -> Self {
        Self { teller, pace }
    }

    async fn turn(&self) {
        let wait = self.pace.state().turn(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

impl Teller for Polite {
    fn look<'a>(&'a self, tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<bool, TellError>> {
        async move {
            self.turn().await;
            self.teller.look(tenant, workflow_id).await
        }
        .boxed()
    }

    fn start(&self, request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>> {
        async move {
            self.turn().await;
            self.teller.start(request).await
        }
        .boxed()
    }

    fn readings(&self) -> Option<Timings> {
        self.teller.readings()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_millis(3);
    const SLOW: Duration = Duration::from_millis(60);

    /// One that knows what is usual, with so many events on their way.
    fn state(on_their_way: usize) -> (State, Instant) {
        let (mut state, now) = (State { on_their_way, ..State::default() }, Instant::now());
        state.stored(FAST, now);
        (state, now)
    }

    /// How long the last of so many has to wait.
    fn last_of(state: &mut State, now: Instant, count: u32) -> Duration {
        (0..count).map(|_| state.turn(now)).last().unwrap()
    }

    #[test]
    fn nobody_waits_as_long_as_events_are_stored_as_fast_as_usual() {
        let (mut state, now) = state(100);
        assert_eq!(last_of(&mut state, now, 100), Duration::ZERO);
        // Longer than usual, which nobody notices.
        state.stored(5 * FAST, now);
        assert_eq!(last_of(&mut state, now, 100), Duration::ZERO);
    }

    #[test]
    fn an_event_that_is_slow_on_its_own_slows_nothing_down() {
        let (mut state, now) = state(SEVERAL - 1);
        state.stored(SLOW, now);
        assert_eq!(last_of(&mut state, now, 100), Duration::ZERO);
    }

    #[test]
    fn events_that_have_to_wait_slow_telling_down_and_then_it_gets_faster() {
        let (mut state, mut now) = state(SEVERAL);
        state.stored(SLOW, now);
        // Those who are told together are told before that counts as failed.
        assert_eq!(last_of(&mut state, now, 16), Duration::from_millis(15 * 250));
        now += Duration::from_secs(1);
        state.next = None;
        let faster = last_of(&mut state, now, 16);
        assert!((900..1_000).contains(&faster.as_millis()), "{faster:?}");
        state.stored(SLOW, now);
        state.next = None;
        assert_eq!(last_of(&mut state, now, 16), Duration::from_millis(15 * 250), "it starts anew");
        assert_eq!(last_of(&mut state, now + Duration::from_secs(4), 100), Duration::ZERO);
    }

    #[test]
    fn a_slow_store_is_usual_after_a_while() {
        let (mut state, mut now) = state(100);
        for _ in 0..5_000 {
            now += Duration::from_millis(10);
            state.stored(SLOW, now);
        }
        assert_eq!(last_of(&mut state, now, 100), Duration::ZERO, "usual is {:?}", state.usual);
    }

    #[test]
    fn events_are_counted_while_they_are_on_their_way() {
        let pace = Pace::default();
        let events = [pace.one_more(), pace.one_more()];
        assert_eq!(pace.state().on_their_way, 2);
        drop(events);
        assert_eq!(pace.state().on_their_way, 0);
        assert!(pace.state().usual.is_some());
    }
}
