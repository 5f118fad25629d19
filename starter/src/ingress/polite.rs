//! Those who wait for an answer go first: what workflows do when they are told takes the same machine and database.

use futures::FutureExt;
use futures::future::BoxFuture;
use leadflow_activities::outreach::events::{TellError, Teller};
use leadflow_workflows::domain::timings::Timings;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;

/// With more events than so many waiting for an answer, workflows wait, too, but no longer than [`POLITE_FOR`].
const FEW_EVENTS: usize = 2;
const POLITE_FOR: Duration = Duration::from_millis(100);
const POLITE_LOOK: Duration = Duration::from_millis(10);
/// Meanwhile so many workflows are told at once, so that what they do then does not come all together.
const AT_ONCE: usize = 4;

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

/// A teller that has them go first.
pub(super) struct Polite {
    teller: Arc<dyn Teller>,
    busy: Busy,
    turns: Semaphore,
}

impl Polite {
    pub(super) fn new(teller: Arc<dyn Teller>, busy: Busy) -> Self {
        Self { teller, busy, turns: Semaphore::new(AT_ONCE) }
    }

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
    fn look<'a>(&'a self, tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<bool, TellError>> {
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
