//! Tells workflows of stored events, behind the answer to the provider.
//!
//! The store is the queue: what is taken in only gives a nudge, so nothing piles up in memory, and what was not told (because
//! the program ended, or Temporal was away) is there at the next look. What concerned nobody is forgotten after a while.

use super::polite::{Pace, Polite};
use futures::FutureExt;
use leadflow_activities::outreach::events::{Leftovers, Teller, tell_leftovers};
use leadflow_activities::store::Store;
use leadflow_clock::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};

/// How often it looks without a nudge, and how long it waits after a failure.
const SWEEP: Duration = Duration::from_secs(5);
/// So long after one telling the next begins: what came meanwhile is told together.
const GATHER: Duration = Duration::from_millis(50);
/// How long the end of the program may take; what is left then is told by the next one.
const LAST: Duration = Duration::from_secs(10);

/// So long an event is kept that concerned nobody, in case an account or a lead is added to whom it belongs.
const UNMATCHED_KEPT_MS: i64 = 30 * 86_400_000;
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// The task that tells.
pub(super) struct Telling {
    task: JoinHandle<()>,
    stop: Arc<Notify>,
}

/// Says that there is something to tell.
#[derive(Clone)]
pub(super) struct Nudge(Arc<Notify>);

impl Nudge {
    pub(super) fn now(&self) {
        self.0.notify_one();
    }
}

impl Telling {
    pub(super) fn start(store: Store, teller: Arc<dyn Teller>, clock: Clock, pace: Pace) -> (Self, Nudge) {
        let teller = Polite::new(teller, pace);
        let (nudge, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (nudged, stopped) = (Arc::clone(&nudge), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut forget = interval(FORGET_EVERY);
            loop {
                if forget.tick().now_or_never().is_some() {
                    forget_unmatched(&store, clock).await;
                }
                let is_away = tell_now(&store, &teller, clock).await;
                let next = async {
                    if is_away {
                        sleep(SWEEP).await;
                    } else {
                        sleep(GATHER).await;
                        // After this time there may be what nobody gave a nudge for.
                        let _ = timeout(SWEEP, nudged.notified()).await;
                    }
                };
                tokio::select! {
                    () = next => {}
                    () = stopped.notified() => break,
                }
            }
            tell_now(&store, &teller, clock).await;
        });
        (Self { task, stop }, Nudge(nudge))
    }

    /// Tells what is left, if that does not take long, and ends.
    pub(super) async fn stop(mut self) {
        self.stop.notify_one();
        if timeout(LAST, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

async fn forget_unmatched(store: &Store, clock: Clock) {
    let before_ms = clock.now_ms() - UNMATCHED_KEPT_MS;
    if let Err(error) = store.forget_unmatched_events(before_ms).await {
        tracing::warn!(kind = error.kind.name(), "old events that concerned nobody are not forgotten");
    }
}

/// Whether nobody could be told, so that a while may pass before the next try.
async fn tell_now(store: &Store, teller: &dyn Teller, clock: Clock) -> bool {
    match tell_leftovers(store, teller, clock).await {
        Ok(Leftovers { problem: None, .. }) => false,
        Ok(Leftovers { told, problem: Some(error) }) => {
            tracing::warn!(%error, "some workflows are told later");
            told == 0
        }
        Err(error) => {
            tracing::warn!(kind = error.kind.name(), "the store does not say whom to tell");
            true
        }
    }
}
