//! Tells workflows of stored events, behind the answer to the provider.

use futures::StreamExt;
use leadflow_activities::outreach::events::{Teller, tell, tell_leftovers};
use leadflow_activities::store::Store;
use leadflow_activities::telemetry::traces;
use leadflow_clock::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Events that are told at once.
const AT_ONCE: usize = 16;
/// How often it looks for events that nobody told.
const SWEEP: Duration = Duration::from_secs(5);

/// The tasks that tell.
pub(super) struct Telling {
    told: JoinHandle<()>,
    sweeper: JoinHandle<()>,
}

/// Takes what is to be told. Dropping all of them ends the telling, once everything is told.
#[derive(Clone)]
pub(super) struct Queue(mpsc::UnboundedSender<ToTell>);

struct ToTell {
    event_id: String,
    workflow_ids: Vec<String>,
    /// The span in which the event came.
    traceparent: Option<String>,
}

impl Queue {
    pub(super) fn tell(&self, event_id: String, workflow_ids: Vec<String>) {
        // Nobody takes it only at the end of the program; then it is left over for the next start.
        let _ = self.0.send(ToTell { event_id, workflow_ids, traceparent: traces::traceparent() });
    }
}

impl Telling {
    pub(super) fn start(store: Store, teller: Arc<dyn Teller>, clock: Clock, tenant: String) -> (Self, Queue) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let sweeper = tokio::spawn(sweep(store.clone(), Arc::clone(&teller), clock, tenant.clone()));
        let told = tokio::spawn(async move {
            let events = futures::stream::unfold(receiver, async |mut receiver: mpsc::UnboundedReceiver<_>| {
                receiver.recv().await.map(|event| (event, receiver))
            });
            let (store, teller, tenant) = (&store, &*teller, &tenant);
            events
                .for_each_concurrent(AT_ONCE, async |to_tell: ToTell| {
                    let ToTell { event_id, workflow_ids, traceparent } = to_tell;
                    let telling = async {
                        match tell(store, teller, clock, tenant, &event_id, &workflow_ids).await {
                            Ok(()) => tracing::debug!(event = event_id, workflows = workflow_ids.len(), "told"),
                            Err(error) => tracing::warn!(%error, event = event_id, "told later"),
                        }
                    };
                    traces::go_on(traceparent.as_deref(), "tell", telling).await;
                })
                .await;
        });
        (Self { told, sweeper }, Queue(sender))
    }

    /// Waits until all that was taken is told; the queues must be gone.
    pub(super) async fn stop(self) {
        self.sweeper.abort();
        // Only that it ends matters.
        let _ = self.told.await;
    }
}

async fn sweep(store: Store, teller: Arc<dyn Teller>, clock: Clock, tenant: String) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        match tell_leftovers(&store, &*teller, clock, &tenant).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "told what was left over"),
            Err(error) => tracing::warn!(%error, "left over events are told later"),
        }
    }
}
