//! The link in a mail: what a click does, once and again.

use super::*;
use crate::store::unsubscribe_links::{UnsubscribeLink, add_link, new_token};
use leadflow_workflows::domain::suppression::{SuppressionKind, SuppressionTarget};

impl World<'_> {
    /// In a mail to this address of a person.
    async fn link(&self, person: &str, address: &str) -> String {
        let token = new_token();
        let link = UnsubscribeLink {
            tenant: "default".into(),
            person_id: person.into(),
            account_id: "a1".into(),
            address: address.into(),
        };
        self.store.write(|transaction| add_link(transaction, &token, &link, CLOCK_MS).boxed()).await.unwrap();
        token
    }

    async fn listed(&self) -> Vec<String> {
        let mut listed: Vec<String> =
            self.store.suppressions("default").await.unwrap().into_iter().map(|entry| entry.value).collect();
        listed.sort();
        listed
    }

    async fn click(&self, token: &str) -> Received {
        unsubscribe(self.store, clock(), token).await.unwrap().expect("a link of ours")
    }
}

#[tokio::test]
async fn a_click_ends_every_campaign_and_suppresses_every_way_once() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.enroll("e2", "dana", "c2", "s-none").await;
        let token = world.link("dana", "D.Whitlock@Private.example").await;
        let received = world.click(&token).await;
        assert!(received.is_new, "{received:?}");
        assert_eq!(received.tell, ["enrollment/e1", "enrollment/e2"]);
        assert_eq!(world.enrollment("e1").await, ("opted_out".into(), "asked for no further contact".into()));
        assert_eq!(world.enrollment("e2").await.0, "opted_out");
        assert_eq!(world.listed().await, ["d.whitlock@private.example", "dana-whitlock", "dana@nordhafen.example"]);
        let again = world.click(&token).await;
        assert!(!again.is_new && again.tell.is_empty(), "{again:?}");
        let events = store.events("default", false, 10).await.unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].source.as_str(), events[0].person_id.as_deref()), ("unsubscribe", Some("dana")));
        assert_eq!(store.replies("default", "dana").await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_click_counts_again_after_somebody_took_the_entry_off_the_list() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let token = world.link("dana", "dana@nordhafen.example").await;
        world.click(&token).await;
        let entry = SuppressionTarget { kind: SuppressionKind::Email, value: "dana@nordhafen.example".into() };
        assert!(store.remove_suppression("default", &entry).await.unwrap());
        assert!(world.click(&token).await.is_new);
        assert!(world.listed().await.contains(&entry.value));
    })
    .await;
}

#[tokio::test]
async fn clicks_at_once_act_once_and_a_link_follows_a_merged_person() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let token = world.link("kim", "kim@nordhafen.example").await;
        world.run("UPDATE persons SET merged_into = 'dana' WHERE id = 'kim'").await;
        let all = join_all((0..5).map(|_| world.click(&token))).await;
        assert_eq!(all.iter().filter(|received| received.is_new).count(), 1);
        assert_eq!(world.enrollment("e1").await.0, "opted_out");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_link_does_nothing() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.link("dana", "dana@nordhafen.example").await;
        for token in ["", "x", "dana@nordhafen.example", &new_token(), "' OR 1=1 --"] {
            assert_eq!(unsubscribe(&store, clock(), token).await.unwrap(), None);
            assert!(!knows_unsubscribe_token(&store, token).await.unwrap());
        }
        assert!(world.listed().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_answer_to_a_click_waits_for_a_call_that_may_still_begin() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let touch = world.touch("e1", "email", "calling", None, None).await;
        let begin_by_ms = clock().now_ms() + 60_000;
        world.run(&format!("UPDATE touches SET call_begin_by_ms = {begin_by_ms} WHERE id = '{touch}'")).await;
        let token = world.link("dana", "dana@nordhafen.example").await;
        for _ in 0..2 {
            assert_eq!(world.click(&token).await.answer_at_ms, Some(begin_by_ms));
        }
    })
    .await;
}
