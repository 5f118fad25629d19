//! Tells workflows of stored events, behind the answer to the provider.
//!
//! The store is the queue: what is taken in only gives a nudge, so nothing piles up in memory, and what was not told (because
//! the program ended, or Temporal was away) is there at the next look. What concerned nobody is forgotten after a while.

use futures::FutureExt;
use futures::future::BoxFuture;
use leadflow_activities::outreach::events::{Leftovers, TellError, Teller, tell_leftovers};
use leadflow_activities::store::Store;
use leadflow_clock::Clock;
use leadflow_workflows::domain::timings::Timings;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};

/// How often it looks without a nudge, and how long it waits after a failure.
const SWEEP: Duration = Duration::from_secs(5);
/// So long after one telling the next begins: what came meanwhile is told together, and under load telling leaves the machine
/// to those who wait for an answer.
const GATHER: Duration = Duration::from_millis(50);
/// With more events than so many waiting for an answer, workflows wait, too, but no longer than [`POLITE_FOR`].
const FEW_EVENTS: usize = 2;
const POLITE_FOR: Duration = Duration::from_millis(100);
const POLITE_LOOK: Duration = Duration::from_millis(10);
/// Meanwhile so many workflows are told at once, so that what they do then does not come all together.
const AT_ONCE: usize = 4;
/// How long the end of the program may take; what is left then is told by the next one.
const LAST: Duration = Duration::from_secs(10);

/// So long an event is kept that concerned nobody, in case an account or a lead is added to whom it belongs.
const UNMATCHED_KEPT_MS: i64 = 30 * 86_400_000;
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// How many events are on their way into the store.
#[derive(Clone, Default)]
pub(super) struct Busy(Arc<AtomicUsize>);

/// One of them, until it is dropped.
pub(super) struct OnItsWay(Busy);

impl Busy {
    pub(super) fn one_more(&self) -> OnItsWay {
        self.0.fetch_add(1, Ordering::Relaxed);
        OnItsWay(self.clone())
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Has those who wait for an answer go first: what workflows do on a signal takes the same machine and database.
struct Polite {
    teller: Arc<dyn Teller>,
    busy: Busy,
    turns: Semaphore,
}

impl Polite {
    /// A turn to tell somebody, as long as it is kept; nobody needs one when hardly an event is on its way.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        if self.busy.0.load(Ordering::Relaxed) <= FEW_EVENTS {
            return None;
        }
        // Never closed.
        let turn = self.turns.acquire().await.ok();
        let began = Instant::now();
        while self.busy.0.load(Ordering::Relaxed) > FEW_EVENTS && began.elapsed() < POLITE_FOR {
            sleep(POLITE_LOOK).await;
        }
        turn
    }
}

impl Teller for Polite {
    fn look<'a>(&'a self, tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<(), TellError>> {
        async move {
            let _turn = self.turn().await;
            self.teller.look(tenant, workflow_id).await
        }
        .boxed()
    }

    fn start(&self, request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>> {
        async move {
            let _turn = self.turn().await;
            self.teller.start(request).await
        }
        .boxed()
    }

    fn readings(&self) -> Option<Timings> {
        self.teller.readings()
    }
}

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
    pub(super) fn start(store: Store, teller: Arc<dyn Teller>, clock: Clock, busy: Busy) -> (Self, Nudge) {
        let teller = Polite { teller, busy, turns: Semaphore::new(AT_ONCE) };
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
