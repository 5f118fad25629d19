//! Changes in people's working lives: once, of people known and unknown, and of those who asked not to be processed.

use super::*;

impl World<'_> {
    async fn tell_change(&self, key: &str, profile: Option<&str>, email: Option<&str>, is_hint: bool) -> Received {
        let change = PersonChange {
            event_key: key.into(),
            kind: ChangeKind::JobChanged,
            occurred_at_ms: CLOCK_MS,
            person: ChangedPerson {
                external_id: Some("p_1".into()),
                full_name: Some("Dana Whitlock".into()),
                linkedin_public_id: profile.map(str::to_owned),
                emails: email.into_iter().map(str::to_owned).collect(),
            },
            previous: None,
            current: Some(Position { company: Some("Nordhafen Logistics".into()), ..Position::default() }),
            confidence: Some(0.9),
            is_hint,
        };
        receive_person_change(self.store, clock(), "default", "peopledata", &change).await.unwrap()
    }
}

#[tokio::test]
async fn a_change_is_stored_once_and_finds_its_person_by_profile_or_address() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        let all = join_all((0..5).map(|_| world.tell_change("evt_1", Some("dana-whitlock"), None, false))).await;
        assert_eq!(all.iter().filter(|received| received.is_new).count(), 1);
        world.tell_change("evt_2", Some("nobody-here"), Some("kim@nordhafen.example"), true).await;
        let events = store.events("default", false, 10).await.unwrap();
        let of = |key: &str| events.iter().find(|event| event.event_key == key).unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!((of("evt_1").person_id.as_deref(), of("evt_1").is_hint), (Some("dana"), false));
        assert_eq!((of("evt_2").person_id.as_deref(), of("evt_2").is_hint), (Some("kim"), true));
        assert!(of("evt_1").body.contains("Nordhafen Logistics"));
    })
    .await;
}

/// A bare note names somebody by the vendor's own id, of which nothing is kept here.
#[tokio::test]
async fn a_change_with_no_more_than_a_vendors_id_is_kept_and_concerns_nobody() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.tell_change("evt_1", Some("dana-whitlock"), None, false).await;
        let received = world.tell_change("evt_2", None, None, true).await;
        assert!(received.is_new && received.tell.is_empty(), "{received:?}");
        let unmatched = store.events("default", true, 10).await.unwrap();
        let keys: Vec<_> = unmatched.iter().map(|event| event.event_key.as_str()).collect();
        assert_eq!(keys, ["evt_2"], "also not by the id that came with a name before");
    })
    .await;
}

#[tokio::test]
async fn a_change_about_a_stranger_is_kept_and_can_be_applied_later() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.tell_change("evt_1", Some("new-face"), None, false).await;
        let unmatched = store.events("default", true, 10).await.unwrap();
        assert_eq!(unmatched.len(), 1);
        world.run("UPDATE persons SET linkedin_public_id = 'new-face' WHERE id = 'lou'").await;
        let again = reprocess(&store, clock(), "default", &unmatched[0]).await.unwrap().unwrap();
        assert_eq!((again.is_new, again.event_id.as_str()), (false, unmatched[0].id.as_str()));
        assert_eq!(store.events("default", false, 1).await.unwrap()[0].person_id.as_deref(), Some("lou"));
        assert_eq!(reprocess(&store, clock(), "default", &unmatched[0]).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_kept_about_somebody_who_asked_not_to_be_processed() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.run("UPDATE persons SET removed_at_ms = 1 WHERE id = 'dana'").await;
        world.tell_change("evt_1", Some("dana-whitlock"), None, false).await;
        assert_eq!(store.events("default", false, 1).await.unwrap()[0].body, "{}");
    })
    .await;
}

#[tokio::test]
async fn lists_of_events_tell_sources_hints_and_strangers_apart() {
    each_backend(async |store| {
        let world = World::new(&store).await;
        world.tell_change("evt_1", Some("dana-whitlock"), None, true).await;
        world.tell_change("evt_2", Some("nobody"), None, false).await;
        world.receive(&world.message("msg_9", "dana", "Thanks", 0)).await;
        let listed = async |filter: EventFilter<'_>| {
            let events = store.filtered_events("default", &filter, 10).await.unwrap();
            events.into_iter().map(|event| event.event_key).collect::<Vec<_>>()
        };
        let peopledata = Some("peopledata");
        assert_eq!(listed(EventFilter { source: peopledata, ..EventFilter::default() }).await, ["evt_2", "evt_1"]);
        assert_eq!(listed(EventFilter { only_unconfirmed: true, ..EventFilter::default() }).await, ["evt_1"]);
        assert_eq!(listed(EventFilter { only_unmatched: true, ..EventFilter::default() }).await, ["evt_2"]);
        let both = EventFilter { source: Some("unipile"), only_unmatched: true, ..EventFilter::default() };
        assert!(listed(both).await.is_empty());
        assert!(store.filtered_events("other", &EventFilter::default(), 10).await.unwrap().is_empty());
    })
    .await;
}
