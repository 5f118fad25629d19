//! What a change in somebody's working life does, at once when it is signed, and after a look when it is a hint.

use crate::world::{COMPANY, KARL, OTHER_COMPANY, ROBIN, TENANT, World, change, hint};
use leadflow_activities::outreach::events::{ChangeKind, PersonChange, Position};
use leadflow_activities::store::testing::each_backend;
use leadflow_sandbox::Job;

fn stopped(cause: &str) -> (String, String, Option<String>) {
    ("stopped".into(), cause.into(), None)
}

fn untouched() -> (String, String, Option<String>) {
    ("scheduled".into(), "its turn".into(), None)
}

#[tokio::test]
async fn whoever_changes_job_is_stopped_and_both_companies_are_told() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        world.enroll(KARL, "e1").await;
        world.enroll(ROBIN, "e2").await;
        let moved = change("k1", ChangeKind::JobChanged, KARL, Some(("Chief Executive Officer", OTHER_COMPANY)));
        let received = world.told_of(&moved).await;
        assert!(received.is_new);
        let (old, new) = (world.business_id(COMPANY).await, world.business_id(OTHER_COMPANY).await);
        let mut expected = ["enrollment/e1".to_owned(), format!("buyer-group/{old}"), format!("buyer-group/{new}")];
        expected.sort();
        let mut told = received.tell.clone();
        told.sort();
        assert_eq!(told, expected);
        assert_eq!(world.enrollment("e1").await, stopped("the person has changed their job"));
        assert_eq!(world.enrollment("e2").await, untouched(), "a colleague");
        let employer: String = sqlx::query_scalar("SELECT company FROM persons WHERE linkedin_public_id = $1")
            .bind(KARL)
            .fetch_one(store.read())
            .await
            .unwrap();
        assert_eq!(employer, OTHER_COMPANY);

        let stored = world.snapshot().await;
        let again = world.told_of(&moved).await;
        assert_eq!((again.is_new, again.event_id), (false, received.event_id));
        assert_eq!(world.snapshot().await, stored, "a repeat does nothing");

        let done = world.refresh().await;
        assert_eq!(done.changes, 1);
        assert!(world.member(KARL).await.is_none_or(|karl| karl.left_at_ms.is_some()), "he is no longer of the group");
        let sql = "SELECT company FROM persons WHERE linkedin_public_id = $1";
        let employer: String = sqlx::query_scalar(sql).bind(KARL).fetch_one(store.read()).await.unwrap();
        assert_eq!(employer, OTHER_COMPANY, "the web still shows him where he was, and that is old");
    })
    .await;
}

#[tokio::test]
async fn whoever_leaves_is_stopped_and_leaves_the_group() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        world.ask().await;
        world.refresh().await;
        world.enroll(KARL, "e1").await;
        let received = world.told_of(&change("k1", ChangeKind::LeftCompany, KARL, None)).await;
        assert_eq!(received.tell.len(), 2, "{received:?}");
        assert_eq!(world.enrollment("e1").await, stopped("the person has left the company"));
        assert!(world.member(KARL).await.unwrap().left_at_ms.is_some());
        assert!(world.member(ROBIN).await.unwrap().left_at_ms.is_none());
    })
    .await;
}

#[tokio::test]
async fn whoever_is_promoted_is_paused_until_somebody_has_looked() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        world.enroll(ROBIN, "e1").await;
        let risen = change("k1", ChangeKind::Promoted, ROBIN, Some(("Chief Information Officer", COMPANY)));
        let received = world.told_of(&risen).await;
        assert_eq!(received.tell.len(), 2, "{received:?}");
        let (state, _, paused) = world.enrollment("e1").await;
        assert_eq!((state.as_str(), paused.as_deref()), ("scheduled", Some("the person was promoted")));
        world.refresh().await;
        let robin = world.member(ROBIN).await.unwrap();
        assert_eq!(robin.left_at_ms, None);
    })
    .await;
}

#[tokio::test]
async fn a_hint_does_nothing_until_the_profile_bears_it_out() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        world.enroll(ROBIN, "e1").await;
        let received = world.told_of(&hint("k1", ChangeKind::LeftCompany, ROBIN, None)).await;
        let group = format!("buyer-group/{}", world.business_id(COMPANY).await);
        assert_eq!(received.tell, [group], "only the company is told");
        assert_eq!(world.enrollment("e1").await, untouched());

        let job = Job { full_name: "Robin Hart".into(), title: "Head of IT".into(), company: OTHER_COMPANY.into() };
        world.sandbox.set_job(ROBIN, job);
        world.refresh().await;
        assert_eq!(world.enrollment("e1").await, stopped("the person has left the company"));
        let other = format!("buyer-group/{}", world.business_id(OTHER_COMPANY).await);
        assert_eq!(world.told(), [other, "enrollment/e1".to_owned()].into());
        assert_eq!(world.logs().await.len(), 1, "the company's own refresh needs no other");
    })
    .await;
}

#[tokio::test]
async fn a_hint_that_the_profile_speaks_against_stops_nobody() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        world.enroll(ROBIN, "e1").await;
        world.enroll(KARL, "e2").await;
        world.told_of(&hint("k1", ChangeKind::JobChanged, ROBIN, Some(("Owner", "Northwind Traders")))).await;
        world.told_of(&hint("k2", ChangeKind::JobChanged, KARL, Some(("Owner", "Northwind Traders")))).await;
        let still = Job { full_name: "Robin Hart".into(), title: "Head of IT".into(), company: COMPANY.into() };
        world.sandbox.set_job(ROBIN, still);
        let done = world.refresh().await;
        assert_eq!(done.changes, 2);
        assert_eq!(world.enrollment("e1").await, untouched(), "refuted");
        assert_eq!(world.enrollment("e2").await, untouched(), "his profile is not shown");
        let states: Vec<String> =
            sqlx::query_scalar("SELECT state FROM person_changes WHERE tenant = $1 ORDER BY told_at_ms, id")
                .bind(TENANT)
                .fetch_all(store.read())
                .await
                .unwrap();
        assert_eq!(states, ["refuted", "open"]);
        assert_eq!(world.told(), [].into());
    })
    .await;
}

#[tokio::test]
async fn nobody_and_nothing_known_is_kept_as_unmatched() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        let stranger = change("k1", ChangeKind::JobChanged, "sim-nobody", None);
        assert_eq!(world.told_of(&stranger).await.tell, [] as [String; 0]);
        let hiring = |key: &str, company: &str| PersonChange {
            current: Some(Position { company: Some(company.into()), ..Position::default() }),
            person: leadflow_activities::outreach::events::ChangedPerson::default(),
            ..change(key, ChangeKind::CompanyHiring, "", None)
        };
        assert_eq!(world.told_of(&hiring("k2", "Northwind Traders")).await.tell, [] as [String; 0]);
        assert_eq!(world.told_of(&hiring("k3", COMPANY)).await.tell.len(), 1);
        let unmatched = store.events(TENANT, true, 10).await.unwrap();
        assert_eq!(unmatched.len(), 2, "{unmatched:?}");
        world.refresh().await;
        assert_eq!(world.logs().await[0].cause, "the company is hiring");
    })
    .await;
}

#[tokio::test]
async fn erasing_somebody_takes_them_out_of_the_group_and_its_changes() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        world.told_of(&hint("k1", ChangeKind::JobChanged, ROBIN, Some(("Owner", "Northwind Traders")))).await;
        world.refresh().await;
        let person_id = world.person_id(ROBIN).await;
        let lead: String = sqlx::query_scalar("SELECT id FROM leads WHERE tenant = $1 AND person_id = $2")
            .bind(TENANT)
            .bind(&person_id)
            .fetch_one(store.read())
            .await
            .unwrap();
        let lead = store.lead(TENANT, &lead).await.unwrap().unwrap();
        store.erase_person(TENANT, &lead, 0).await.unwrap();
        assert!(world.member(ROBIN).await.is_none());
        let left: Vec<String> = world.snapshot().await.into_iter().filter(|row| row.contains("Northwind")).collect();
        assert_eq!(left, [] as [String; 0]);
        world.ask().await;
        assert!(world.members().await.iter().all(|member| member.person_id != person_id));
    })
    .await;
}
