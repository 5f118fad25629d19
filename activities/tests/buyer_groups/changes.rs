//! What a change in somebody's working life does, at once when it is signed, and after a look when it is a hint.

use crate::world::{COMPANY, HOUR_MS, KARL, NOON_MS, OTHER_COMPANY, ROBIN, TENANT, World, change, hint};
use leadflow_activities::outreach::events::{ChangeKind, ChangedPerson, PersonChange, Position};
use leadflow_activities::store::Store;
use leadflow_activities::store::testing::each_backend;
use leadflow_sandbox::{Job, Provider};
use leadflow_workflows::domain::buyer_group::Stage;
use sqlx::AssertSqlSafe;

fn stopped(cause: &str) -> (String, String, Option<String>) {
    ("stopped".into(), cause.into(), None)
}

fn untouched() -> (String, String, Option<String>) {
    ("scheduled".into(), "its turn".into(), None)
}

const DAY_MS: i64 = 24 * HOUR_MS;

async fn run(store: &Store, sql: String) {
    sqlx::query(AssertSqlSafe(sql)).execute(store.read()).await.unwrap();
}

/// State and effect of all changes, in the order in which they were told.
async fn told_changes(store: &Store) -> Vec<(String, String)> {
    sqlx::query_as("SELECT state, effect FROM person_changes WHERE tenant = $1 ORDER BY told_at_ms, id")
        .bind(TENANT)
        .fetch_all(store.read())
        .await
        .unwrap()
}

async fn employer(store: &Store, public_id: &str) -> String {
    let sql = "SELECT company FROM persons WHERE tenant = $1 AND linkedin_public_id = $2";
    sqlx::query_scalar(sql).bind(TENANT).bind(public_id).fetch_one(store.read()).await.unwrap()
}

/// Web searches that were paid for.
fn searches(world: &World) -> usize {
    world.ledger().iter().filter(|entry| entry.provider == Provider::Serper).count()
}

fn of_company(key: &str, kind: ChangeKind, company: &str) -> PersonChange {
    PersonChange {
        current: Some(Position { company: Some(company.into()), ..Position::default() }),
        person: ChangedPerson::default(),
        ..change(key, kind, "", None)
    }
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
async fn whoever_had_left_before_the_first_refresh_never_becomes_a_member() {
    each_backend(async |store| {
        let mut world = World::start(&store).await;
        world.told_of(&change("k1", ChangeKind::LeftCompany, KARL, None)).await;
        world.told_of(&change("k2", ChangeKind::JobChanged, ROBIN, None)).await;
        world.refresh().await;
        for who in [KARL, ROBIN] {
            assert!(world.member(who).await.is_none(), "{who} is known from a lead, and has left");
        }
        // When the web no longer shows them there, an old lead is no sign that they are back.
        for (who, name) in [(KARL, "Karl Mann"), (ROBIN, "Robin Hart")] {
            let job = Job { full_name: name.into(), title: "Owner".into(), company: "Northwind Traders".into() };
            world.sandbox.set_job(who, job);
        }
        world.at(NOON_MS + 100 * DAY_MS);
        world.ask().await;
        world.refresh().await;
        for who in [KARL, ROBIN] {
            assert!(world.member(who).await.is_none(), "{who}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_lead_without_an_employer_who_left_is_no_member() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        run(&store, format!("UPDATE persons SET company = '' WHERE linkedin_public_id = '{ROBIN}'")).await;
        world.told_of(&change("k1", ChangeKind::LeftCompany, ROBIN, None)).await;
        // Their page shows no employer either.
        let job =
            Job { full_name: "Robin Hart".into(), title: "Head of IT".into(), company: "Northwind Traders".into() };
        world.sandbox.set_job(ROBIN, job);
        world.refresh().await;
        assert!(world.member(ROBIN).await.is_none());
        assert!(world.member(KARL).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_change_that_is_older_than_what_is_known_is_only_noted() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        world.enroll(KARL, "e1").await;
        let told = async |key: &str, company: &str, occurred_at_ms: i64| {
            let moved = change(key, ChangeKind::JobChanged, KARL, Some(("Chief Executive Officer", company)));
            world.told_of(&PersonChange { occurred_at_ms, ..moved }).await
        };
        // To the company in February, and only then heard of: elsewhere in January.
        told("february", COMPANY, NOON_MS - 30 * DAY_MS).await;
        assert_eq!(world.enrollment("e1").await, untouched(), "they are a lead at the company they went to");
        let late = told("january", OTHER_COMPANY, NOON_MS - 60 * DAY_MS).await;
        assert_eq!((late.is_new, late.tell.len()), (true, 0));
        assert_eq!(world.enrollment("e1").await, untouched());
        assert_eq!(employer(&store, KARL).await, COMPANY);
        let event = store.events(TENANT, false, 1).await.unwrap().remove(0);
        assert!(event.effect.starts_with("older than what is known"), "{}", event.effect);
        // So is a hint: no look is paid for.
        let old = hint("hint", ChangeKind::LeftCompany, KARL, None);
        let old = world.told_of(&PersonChange { occurred_at_ms: NOON_MS - 31 * DAY_MS, ..old }).await;
        assert!(old.tell.is_empty());
        let states: Vec<String> = told_changes(&store).await.into_iter().map(|(state, _)| state).collect();
        assert_eq!(states, ["applied", "outdated", "outdated"]);

        // A clock that is ahead makes nothing old that comes after it.
        told("ahead", COMPANY, NOON_MS + 400 * DAY_MS).await;
        told("march", OTHER_COMPANY, NOON_MS).await;
        assert_eq!(world.enrollment("e1").await, stopped("the person has changed their job"));
        assert_eq!(employer(&store, KARL).await, OTHER_COMPANY);
    })
    .await;
}

#[tokio::test]
async fn a_change_of_profile_makes_no_older_change_of_job_old() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        world.enroll(KARL, "e1").await;
        world.told_of(&change("k1", ChangeKind::ProfileChanged, KARL, None)).await;
        let left = change("k2", ChangeKind::LeftCompany, KARL, None);
        world.told_of(&PersonChange { occurred_at_ms: NOON_MS - DAY_MS, ..left }).await;
        assert_eq!(world.enrollment("e1").await.0, "stopped");
        let risen = change("k3", ChangeKind::Promoted, KARL, None);
        world.told_of(&PersonChange { occurred_at_ms: NOON_MS - DAY_MS, ..risen }).await;
        let states: Vec<String> = told_changes(&store).await.into_iter().map(|(state, _)| state).collect();
        assert_eq!(states, ["applied", "applied", "outdated"]);
    })
    .await;
}

#[tokio::test]
async fn of_a_name_that_many_companies_share_none_is_touched() {
    each_backend(async |store| {
        let world = World::start(&store).await;
        world.enroll(KARL, "e1").await;
        for branch in 1..=4 {
            let sql = format!(
                "INSERT INTO businesses (id, tenant, cid, name, category, address, city, region, country, rating_count, \
                 source) VALUES ('branch-{branch}', '{TENANT}', 'cid-{branch}', 'Sandwich Chain', '', '', '', '', 'us', 0, \
                 'sandbox')"
            );
            run(&store, sql).await;
        }
        let shared = "more than 3 companies here go by what was told";
        let moved = change("k1", ChangeKind::JobChanged, KARL, Some(("Manager", "sandwich chain")));
        let mut told = world.told_of(&moved).await.tell;
        told.sort();
        assert_eq!(told, [format!("buyer-group/{}", world.business_id(COMPANY).await), "enrollment/e1".to_owned()]);
        assert!(told_changes(&store).await[0].1.contains(shared));
        let hiring = of_company("k2", ChangeKind::CompanyHiring, "Sandwich Chain");
        assert_eq!(world.told_of(&hiring).await.tell, [] as [String; 0]);
        let event = store.events(TENANT, false, 1).await.unwrap().remove(0);
        assert!(event.effect.contains(shared) && !event.effect.starts_with("unmatched"), "{}", event.effect);

        run(&store, "DELETE FROM businesses WHERE id = 'branch-4'".to_owned()).await;
        let hiring = of_company("k3", ChangeKind::CompanyHiring, "SANDWICH CHAIN");
        assert_eq!(world.told_of(&hiring).await.tell.len(), 3, "so many may be meant");
    })
    .await;
}

#[tokio::test]
async fn hints_that_no_look_decides_take_turns_and_are_given_up() {
    each_backend(async |store| {
        let mut world = World::start(&store).await;
        world.enroll(ROBIN, "e1").await;
        // Karl's profile is not shown, and the hint about Robin comes behind all that one refresh looks into.
        for number in 0..11 {
            let job = Some(("Owner", "Northwind Traders"));
            world.told_of(&hint(&format!("karl-{number}"), ChangeKind::JobChanged, KARL, job)).await;
        }
        world.told_of(&hint("robin", ChangeKind::LeftCompany, ROBIN, None)).await;
        let job = Job { full_name: "Robin Hart".into(), title: "Head of IT".into(), company: OTHER_COMPANY.into() };
        world.sandbox.set_job(ROBIN, job);
        let mut refreshed = Vec::new();
        for hour in 0..5 {
            world.at(NOON_MS + hour * HOUR_MS);
            world.ask().await;
            world.refresh().await;
            let states = told_changes(&store).await;
            let count = |wanted: &str| states.iter().filter(|(state, _)| state == wanted).count();
            refreshed.push((count("confirmed"), count("given_up")));
        }
        assert_eq!(refreshed, [(0, 0), (1, 0), (1, 8), (1, 10), (1, 11)]);
        assert_eq!(world.enrollment("e1").await, stopped("the person has left the company"));
        let (_, effect) = told_changes(&store).await.remove(0);
        assert_eq!(effect, "given up after 3 looks: the web does not show the person's profile");
        let before = searches(&world);
        world.at(NOON_MS + 5 * HOUR_MS);
        world.ask().await;
        world.refresh().await;
        assert_eq!(searches(&world), before, "nobody pays for them any more");
    })
    .await;
}

#[tokio::test]
async fn a_hint_that_no_look_can_decide_is_not_paid_for() {
    each_backend(async |store| {
        let mut world = World::start(&store).await;
        run(&store, format!("UPDATE persons SET company = '' WHERE linkedin_public_id = '{ROBIN}'")).await;
        world.told_of(&hint("k1", ChangeKind::JobChanged, ROBIN, None)).await;
        world.told_of(&hint("k2", ChangeKind::Promoted, KARL, None)).await;
        run(&store, format!("UPDATE persons SET linkedin_public_id = NULL WHERE linkedin_public_id = '{KARL}'")).await;
        for hour in 0..3 {
            world.at(NOON_MS + hour * HOUR_MS);
            world.ask().await;
            let refresh = world.opened().await;
            let before = searches(&world);
            world.stage(Stage::People, &refresh).await;
            assert!(searches(&world) - before <= 1, "the colleagues' search and no other");
            let stored = world.snapshot().await;
            world.stage(Stage::People, &refresh).await;
            assert_eq!(world.snapshot().await, stored, "a repeat is no second look");
            world.finish(&refresh, Vec::new()).await;
        }
        let given_up = |why: &str| ("given_up".to_owned(), format!("given up after 3 looks: {why}"));
        assert_eq!(
            told_changes(&store).await,
            [given_up("it is not known where the person worked"), given_up("the person's profile is not known")]
        );
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
        let hiring = |key: &str, company: &str| of_company(key, ChangeKind::CompanyHiring, company);
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
