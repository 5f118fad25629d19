//! Whom not to contact.

use crate::rows::{NOON_MS, TENANT, count, enroll, enrollment, execute, import, leads, row, touch, touch_row};
use leadflow_activities::store::Store;
use leadflow_activities::store::leads::{Lead, LeadFilter};
use leadflow_activities::store::suppressions::Suppressed;
use leadflow_activities::store::testing::each_backend;
use leadflow_workflows::domain::suppression::{SuppressionOrigin, SuppressionTarget};

async fn suppress(store: &Store, value: &str) -> Suppressed {
    let target: SuppressionTarget = value.parse().unwrap();
    let targets = [(target, "is a customer".to_owned())];
    store.add_suppressions(TENANT, &targets, SuppressionOrigin::Person, NOON_MS).await.unwrap()
}

async fn one(store: &Store) -> Lead {
    let stored = import(store, "fair", vec![row("ada@mail.ada.example", "sim-ada")]).await;
    leads(store, &stored.search_id).await.remove(0)
}

#[tokio::test]
async fn a_person_is_meant_by_profile_address_and_every_domain_of_theirs() {
    each_backend(async |store| {
        let lead = one(&store).await;
        enroll(&store, "e", "c1", &lead, 1).await;
        for value in ["bo@ada.example", "da.example", "lm.example", "sim-bo", "x.mail.ada.example"] {
            assert_eq!(suppress(&store, value).await.ended, [""; 0], "{value}");
            assert_eq!(store.suppression_of(TENANT, &lead.person_id).await.unwrap(), None, "{value}");
        }
        for (id, value) in [
            ("e", "Ada@Mail.ada.example"),
            ("f", "linkedin.com/in/sim-ada"),
            ("g", "ada.example"),
            ("h", "elm.example"),
        ] {
            if id != "e" {
                enroll(&store, id, id, &lead, 1).await;
            }
            let planned = format!("planned-{id}");
            touch(&store, &planned, id, "hello", "planned").await;
            let stored = suppress(&store, value).await;
            assert_eq!((stored.added, stored.known, stored.ended), (1, 0, vec![id.to_owned()]), "{value}");
            let (state, cause, _) = enrollment(&store, id).await;
            assert_eq!(state, "stopped");
            assert!(cause.ends_with(": is a customer"), "{cause}");
            assert_eq!(touch_row(&store, &planned).await.0, "released", "{value}");
            assert!(store.suppression_of(TENANT, &lead.person_id).await.unwrap().is_some(), "{value}");
            assert_eq!(store.suppression_of("other", &lead.person_id).await.unwrap(), None);
            assert_eq!(suppress(&store, value).await.known, 1, "{value}");
            assert!(store.remove_suppression(TENANT, &value.parse().unwrap()).await.unwrap());
            assert!(!store.remove_suppression(TENANT, &value.parse().unwrap()).await.unwrap());
        }
        assert_eq!(store.suppressions(TENANT).await.unwrap().len(), 5);
    })
    .await;
}

#[tokio::test]
async fn an_opt_out_counts_for_the_person_whoever_they_turn_out_to_be() {
    each_backend(async |store| {
        let mail = import(&store, "mail", vec![row("ada@elm.example", "")]).await;
        let mail = leads(&store, &mail.search_id).await.remove(0);
        let profile = import(&store, "profile", vec![row("", "sim-ada")]).await;
        let profile = leads(&store, &profile.search_id).await.remove(0);
        enroll(&store, "e", "c1", &profile, 1).await;
        let target = ["ada@elm.example".parse().unwrap()].map(|target| (target, "asked for it".to_owned()));
        store.add_suppressions(TENANT, &target, SuppressionOrigin::OptOut, NOON_MS).await.unwrap();
        assert_eq!(enrollment(&store, "e").await.0, "scheduled", "nobody knows yet that it is the same person");
        let merged = import(&store, "both", vec![row("ada@elm.example", "sim-ada")]).await;
        assert_eq!(merged.ended, ["e"]);
        let (state, cause, person) = enrollment(&store, "e").await;
        assert_eq!((state.as_str(), person), ("opted_out", mail.person_id));
        assert!(cause.contains("asked for it"), "{cause}");
    })
    .await;
}

#[tokio::test]
async fn stopping_ends_and_suppresses_nothing() {
    each_backend(async |store| {
        let lead = one(&store).await;
        enroll(&store, "e", "c1", &lead, 1).await;
        let ended = store.stop_person(TENANT, &lead.person_id, "stopped by hand: met them", NOON_MS).await.unwrap();
        assert_eq!(ended, ["e"]);
        assert_eq!(enrollment(&store, "e").await.0, "stopped");
        assert_eq!(store.suppression_of(TENANT, &lead.person_id).await.unwrap(), None);
        assert_eq!(store.stop_person(TENANT, &lead.person_id, "again", NOON_MS).await.unwrap(), [""; 0]);
        let transitions = store.transitions(TENANT, "e").await.unwrap();
        assert_eq!(
            transitions.iter().map(|change| change.cause.as_str()).collect::<Vec<_>>(),
            ["stopped by hand: met them"]
        );
    })
    .await;
}

#[tokio::test]
async fn erasing_leaves_the_keys_and_what_limits_are_counted_from() {
    each_backend(async |store| {
        let stored = import(&store, "fair", vec![row("ada@elm.example", "sim-ada"), row("bo@elm.example", "sim-bo")]).await;
        let people = leads(&store, &stored.search_id).await;
        for (id, lead) in [("e", &people[0]), ("f", &people[1])] {
            enroll(&store, id, "c1", lead, 1).await;
            touch(&store, &format!("sent-{id}"), id, "invite", "sent").await;
            touch(&store, &format!("planned-{id}"), id, "hello", "planned").await;
            store.hold_person(TENANT, &lead.person_id, Some("on parental leave until May")).await.unwrap();
            execute(
                &store,
                &format!(
                    "INSERT INTO account_people (account_id, tenant, person_id, provider_id) VALUES ('a', '{TENANT}', '{}', 'x{id}')",
                    lead.person_id
                ),
            )
            .await;
            let erased = store.erase_person(TENANT, lead, NOON_MS).await.unwrap();
            assert_eq!((erased.suppressed, erased.ended), (2, vec![id.to_owned()]));
        }
        assert_eq!(count(&store, "persons WHERE first_name <> '' OR email IS NOT NULL OR removed_at_ms IS NULL").await, 0);
        assert_eq!(count(&store, "leads WHERE role <> '' OR state <> 'left_out'").await, 0);
        assert_eq!(count(&store, "account_people").await, 0);
        assert_eq!(count(&store, "enrollments WHERE paused IS NOT NULL").await, 0);
        let left = format!("touches WHERE person_id = '' AND request IS NULL AND called_at_ms = {NOON_MS} AND state = 'sent'");
        assert_eq!(count(&store, &left).await, 2);
        let entries = store.suppressions(TENANT).await.unwrap();
        let values: Vec<&str> = entries.iter().map(|entry| entry.value.as_str()).collect();
        assert_eq!(values, ["ada@elm.example", "bo@elm.example", "sim-ada", "sim-bo"]);
        assert!(store.suppression_of(TENANT, &people[0].person_id).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn leads_are_listed_with_their_outreach() {
    each_backend(async |store| {
        let first = import(&store, "first", vec![row("ada@elm.example", ""), row("bo@elm.example", "")]).await;
        let second = import(&store, "second", vec![row("ada@elm.example", "")]).await;
        let ada = leads(&store, &second.search_id).await.remove(0);
        enroll(&store, "e", "c1", &ada, 1).await;
        execute(
            &store,
            &format!(
                "INSERT INTO campaigns (id, tenant, name, search_id, sequence_id, source, settings, state, created_at_ms) \
                 VALUES ('c1', '{TENANT}', 'spring', '{}', 's', 'sandbox', '{{}}', 'running', 0)",
                second.search_id
            ),
        )
        .await;
        let listed = async |search: Option<&str>, campaign: Option<&str>, state: Option<&str>| {
            let filter = LeadFilter { search_id: search, campaign_id: campaign, state, at_most: 10 };
            let found = store.leads(TENANT, filter).await.unwrap();
            let told = |lead: leadflow_activities::store::leads::ListedLead| {
                (lead.lead.email.unwrap(), lead.campaign.unwrap_or_default(), lead.outreach.unwrap_or_default())
            };
            found.into_iter().map(told).collect::<Vec<_>>()
        };
        let row = |email: &str, campaign: &str, state: &str| (email.to_owned(), campaign.to_owned(), state.to_owned());
        let enrolled = row("ada@elm.example", "spring", "scheduled");
        let all = [enrolled.clone(), enrolled, row("bo@elm.example", "", "")];
        assert_eq!(listed(None, None, None).await, all);
        assert_eq!(listed(Some(&first.search_id), None, None).await, all[1..]);
        assert_eq!(listed(None, Some("c1"), None).await, all[..1]);
        assert_eq!(listed(None, None, Some("ready")).await, all);
        assert_eq!(listed(None, Some("c1"), Some("replied")).await, []);
        execute(&store, "UPDATE enrollments SET paused = 'by hand'").await;
        assert_eq!(listed(None, Some("c1"), Some("paused")).await, [row("ada@elm.example", "spring", "paused")]);
        assert_eq!(listed(None, Some("c1"), Some("scheduled")).await, []);
    })
    .await;
}
