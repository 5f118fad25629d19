//! The background task by which things happen when nobody calls.

use std::sync::Arc;
use std::time::Duration;

use super::webhooks;
use crate::World;

/// Fires what is due and sends webhooks, until the sandbox ends.
pub(crate) async fn live(world: Arc<World>) {
    loop {
        let now_ms = world.clock.now_ms();
        let (parcels, next_ms) = world.unipile.at_quietly(now_ms, |state| {
            let parcels = state.take_due_parcels(now_ms);
            let next_ms = [state.next_happening_ms(), state.next_parcel_ms()].into_iter().flatten().min();
            (parcels, next_ms)
        });
        for parcel in parcels {
            tokio::spawn(webhooks::deliver(Arc::clone(&world), parcel));
        }
        let next_is_due = async {
            match next_ms {
                Some(due_ms) => {
                    let wait_ms = u64::try_from(due_ms - now_ms).unwrap_or(0);
                    world.clock.sleep(Duration::from_millis(wait_ms)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = next_is_due => {}
            () = world.unipile.changed.notified() => {}
            () = world.stopped() => return,
        }
    }
}
