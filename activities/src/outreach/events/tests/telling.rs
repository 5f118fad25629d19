//! What was stored is told: at once, after a failure, over all tenants, and nobody waits for a workflow that cannot be told.

use super::*;
use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::Mutex;
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;

/// Refuses some workflows, or all; others are gone.
#[derive(Default)]
struct Deaf {
    all: bool,
    to: BTreeSet<String>,
    gone: BTreeSet<String>,
    tried: Mutex<Vec<String>>,
}

impl Deaf {
    fn tried(&self) -> Vec<String> {
        std::mem::take(&mut *self.tried.lock().unwrap())
    }
}

impl Teller for Deaf {
    fn look<'a>(&'a self, _tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<bool, TellError>> {
        self.tried.lock().unwrap().push(workflow_id.to_owned());
        let refused = self.all || self.to.contains(workflow_id);
        let is_there = !self.gone.contains(workflow_id);
        async move { if refused { Err(TellError::Temporal("away".into())) } else { Ok(is_there) } }.boxed()
    }

    fn start(&self, _request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>> {
        futures::future::ready(Ok(())).boxed()
    }
}

impl World<'_> {
    /// Stores events that each tell one workflow, in the order of their numbers.
    async fn leave(&self, tenant: &str, workflow_ids: impl IntoIterator<Item = String>) {
        for (nth, workflow_id) in workflow_ids.into_iter().enumerate() {
            sqlx::query(
                "INSERT INTO events (id, tenant, source, event_key, kind, body, effect, tell, received_at_ms, lease_until_ms) \
                 VALUES ($1, $2, 'unipile', $1, 'message', '{}', '', $3, $4, 0)",
            )
            .bind(format!("{tenant}-{nth:05}"))
            .bind(tenant)
            .bind(to_json(&[workflow_id]))
            .bind(i64::try_from(nth).unwrap())
            .execute(self.store.read())
            .await
            .unwrap();
        }
    }

    async fn untold(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT id FROM events WHERE signalled_at_ms IS NULL ORDER BY id")
            .fetch_all(self.store.read())
            .await
            .unwrap()
    }

    async fn end_leases(&self) {
        self.run("UPDATE events SET lease_until_ms = 0").await;
    }
}

/// How many events were told, and whether some were not.
async fn told_of(store: &Store, teller: &dyn Teller) -> (usize, bool) {
    let leftovers = tell_leftovers(store, teller, clock()).await.unwrap();
    (leftovers.told, leftovers.problem.is_some())
}

#[tokio::test]
async fn what_a_webhook_brought_is_told_at_once_and_once() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let received = world.receive(&world.message("msg_9", "dana", "Thanks", 0)).await;
        let teller = Told::default();
        assert_eq!(told_of(&store, &teller).await, (1, false));
        assert_eq!(teller.list(), enrollments(&received));
        world.end_leases().await;
        assert_eq!(told_of(&store, &teller).await, (0, false));
    })
    .await;
}

#[tokio::test]
async fn many_events_of_one_workflow_are_one_signal_and_no_tenant_is_left_out() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.leave("default", (0..450).map(|_| "enrollment/e1".to_owned())).await;
        world.leave("other", ["enrollment/e9".to_owned()]).await;
        let teller = Told::default();
        assert_eq!(told_of(&store, &teller).await, (451, false));
        let told = teller.list();
        assert!(told.len() <= 4, "one for each batch and workflow: {told:?}");
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), 2);
        assert!(world.untold().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn while_temporal_is_away_little_is_tried_and_nothing_is_lost() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.leave("default", (0..300).map(|nth| format!("enrollment/{nth:03}"))).await;
        let away = Deaf { all: true, ..Deaf::default() };
        assert_eq!(told_of(&store, &away).await, (0, true));
        assert_eq!(away.tried().len(), 16, "the others would fail, too");
        assert_eq!(world.untold().await.len(), 300);
        world.end_leases().await;
        let back = Told::default();
        assert_eq!(told_of(&store, &back).await, (300, false));
        assert_eq!(back.list().len(), 300);
    })
    .await;
}

#[tokio::test]
async fn a_workflow_that_cannot_be_told_keeps_no_other_waiting() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.leave("default", (0..300).map(|nth| format!("enrollment/{nth:03}"))).await;
        let teller = Deaf { to: ["enrollment/000".to_owned()].into(), ..Deaf::default() };
        assert_eq!(told_of(&store, &teller).await, (299, true));
        assert_eq!(world.untold().await, ["default-00000"]);
        world.end_leases().await;
        let all = Told::default();
        assert_eq!(told_of(&store, &all).await, (1, false));
    })
    .await;
}

/// Somebody ended the workflow by force while it waited for days.
#[tokio::test]
async fn an_open_enrollment_whose_workflow_is_gone_is_begun_by_the_next_round() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.enroll("e2", "kim", "c1", "s-all").await;
        world.run("UPDATE enrollments SET is_open = 0 WHERE id = 'e2'").await;
        let begun = async || {
            let in_days_ms = CLOCK_MS + 7 * 86_400_000;
            world.run(&format!("UPDATE enrollments SET workflow_started_at_ms = 1, wakes_at_ms = {in_days_ms}")).await;
        };
        let forgotten = async || {
            let forgotten = store.forgotten_enrollments("default", "c1", CLOCK_MS).await.unwrap();
            forgotten.into_iter().map(|one| (one.id, one.wakes_at_ms < CLOCK_MS)).collect::<Vec<_>>()
        };
        let teller = Deaf { gone: ["e1", "e2"].map(|id| format!("enrollment/{id}")).into(), ..Deaf::default() };
        begun().await;
        world.receive(&world.connected("ACoAAdana", None)).await;
        world.leave("default", ["enrollment/e2".to_owned()]).await;
        assert!(forgotten().await.is_empty());
        assert_eq!(told_of(&store, &teller).await, (2, false), "that one is not there is no failure");
        assert_eq!(forgotten().await, [("e1".to_owned(), true)], "at once, and no other");
        begun().await;
        tell(&store, &teller, clock(), "default", "an event", &["enrollment/e1".to_owned()]).await.unwrap();
        assert_eq!(forgotten().await, [("e1".to_owned(), true)]);
    })
    .await;
}
