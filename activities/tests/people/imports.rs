//! Lists that a user brings along.

use crate::rows::{NOON_MS, TENANT, count, execute, import, leads, list, row};
use leadflow_activities::store::imports::ImportRow;
use leadflow_activities::store::leads::SearchKey;
use leadflow_activities::store::testing::each_backend;
use leadflow_workflows::domain::suppression::{SuppressionOrigin, SuppressionTarget};
use std::collections::BTreeMap;

#[tokio::test]
async fn a_list_is_a_search_that_has_ended_with_ready_leads() {
    each_backend(async |store| {
        let stored = import(&store, "fair", vec![row("ada@elm.example", "sim-ada"), row("bo@elm.example", "")]).await;
        assert_eq!((stored.new_leads, stored.known_leads), (2, 0));
        let search = store.search(TENANT, &stored.search_id).await.unwrap().unwrap();
        assert_eq!(
            (search.status.as_str(), search.is_finished(), search.source.as_str()),
            ("imported", true, "sandbox")
        );
        let progress = store.progress(TENANT, &stored.search_id).await.unwrap().unwrap();
        assert_eq!((progress.percent, progress.leads_ready, progress.businesses), (100, 2, 1));
        let found = leads(&store, &stored.search_id).await;
        assert_eq!(found[0].linkedin_public_id, "sim-ada");
        assert_eq!((found[1].linkedin_public_id.as_str(), found[1].email.as_deref()), ("", Some("bo@elm.example")));
        assert!(
            found.iter().all(|lead| lead.state == "ready" && lead.score == Some(70) && lead.business == "Elm Cider")
        );
        assert_eq!(store.lead(TENANT, &found[0].id).await.unwrap().as_ref(), Some(&found[0]));
        assert_eq!(store.lead("other", &found[0].id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn the_same_list_again_changes_nothing_and_a_longer_one_adds() {
    each_backend(async |store| {
        let rows = vec![row("ada@elm.example", "sim-ada"), row("bo@elm.example", "")];
        let first = import(&store, "fair", rows.clone()).await;
        let before = leads(&store, &first.search_id).await;
        let again = import(&store, "fair", rows.clone()).await;
        assert_eq!((again.search_id.as_str(), again.new_leads, again.known_leads), (first.search_id.as_str(), 0, 2));
        assert_eq!(leads(&store, &first.search_id).await, before);
        let longer = import(&store, "fair", [rows, vec![row("cy@elm.example", "")]].concat()).await;
        assert_eq!((longer.new_leads, longer.known_leads), (1, 2));
        let other = import(&store, "other", vec![row("ada@elm.example", "")]).await;
        assert_eq!(other.new_leads, 1, "another list has leads of its own");
        assert_eq!(count(&store, "persons").await, 3);
        assert_eq!(count(&store, "searches").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_profile_is_one_person_however_its_id_is_written() {
    each_backend(async |store| {
        for (written, new_leads) in [("sim-jos%C3%A9-x", 1), ("Sim-José-X", 0), ("sim-jos%c3%a9-x", 0)] {
            let stored = import(&store, "fair", vec![row("", written)]).await;
            assert_eq!(stored.new_leads, new_leads, "{written}");
            let found = leads(&store, &stored.search_id).await;
            assert_eq!(found[0].linkedin_public_id, "sim-josé-x", "{written}");
        }
        assert_eq!(count(&store, "persons").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_lead_without_a_score_is_ordered_as_if_it_had_zero() {
    each_backend(async |store| {
        let of_score = |name: &str, score| ImportRow { score, ..row(&format!("{name}@elm.example"), "") };
        let rows =
            vec![of_score("ada", None), of_score("bo", Some(20)), of_score("cy", Some(0)), of_score("di", Some(90))];
        let stored = import(&store, "fair", rows).await;
        let ready = store.ready_leads(SearchKey { tenant: TENANT, id: &stored.search_id }).await.unwrap();
        assert_eq!(ready.iter().map(|lead| lead.score).collect::<Vec<_>>(), [Some(90), Some(20), None, Some(0)]);
    })
    .await;
}

#[tokio::test]
async fn whoever_replied_is_known_and_so_are_colleagues_but_nobody_without_a_company() {
    each_backend(async |store| {
        let alone = |name: &str| ImportRow {
            business: String::new(),
            domain: None,
            ..row(&format!("{name}@mail.example"), "")
        };
        let rows = vec![row("ada@elm.example", ""), row("bo@elm.example", ""), alone("cy"), alone("di")];
        let stored = import(&store, "fair", rows).await;
        let people: BTreeMap<String, String> = leads(&store, &stored.search_id)
            .await
            .into_iter()
            .map(|lead| (lead.email.unwrap_or_default().split('@').next().unwrap_or_default().to_owned(), lead.person_id))
            .collect();
        for name in ["ada", "cy"] {
            execute(
                &store,
                &format!(
                    "INSERT INTO replies (id, tenant, person_id, account_id, channel, kind, provider_message_id, text, at_ms, \
                     received_at_ms) VALUES ('{name}', '{TENANT}', '{}', 'a', 'email', 'reply', '{name}', '', 100, 100)",
                    people[name]
                ),
            )
            .await;
        }
        let answered = async |since_ms| store.answered_in_search(TENANT, &stored.search_id, since_ms).await.unwrap();
        let [ada, bo, cy] = ["ada", "bo", "cy"].map(|name| people[name].clone());
        assert_eq!(answered(100).await, [(ada.clone(), true), (bo, false), (cy.clone(), true)].into());
        assert_eq!(answered(101).await, [(ada, true), (cy, true)].into());
    })
    .await;
}

#[tokio::test]
async fn a_row_that_cannot_be_stored_leaves_nothing() {
    each_backend(async |store| {
        let mut new = list("fair", vec![row("ada@elm.example", ""), row("bo@elm.example", "")]);
        // A NUL is the one text that a checked row could still hold and PostgreSQL refuses; SQLite takes it.
        new.rows[1].hook = Some("a\0b".into());
        if store.import_leads(&new).await.is_err() {
            assert_eq!((count(&store, "persons").await, count(&store, "searches").await), (0, 0));
        }
    })
    .await;
}

#[tokio::test]
async fn who_asked_not_to_be_processed_is_not_stored_again() {
    each_backend(async |store| {
        let first = import(&store, "fair", vec![row("ada@elm.example", "sim-ada")]).await;
        let lead = leads(&store, &first.search_id).await.remove(0);
        store.erase_person(TENANT, &lead, NOON_MS).await.unwrap();
        for known_by in [row("ada@elm.example", ""), row("", "sim-ada")] {
            let again = import(&store, "again", vec![known_by]).await;
            assert_eq!((again.new_leads, again.left_out), (0, 1));
        }
        assert_eq!(count(&store, "persons WHERE first_name <> '' OR email IS NOT NULL").await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_address_that_bounced_is_given_to_nobody_again() {
    each_backend(async |store| {
        let target: SuppressionTarget = "ada@elm.example".parse().unwrap();
        let bounced = [(target.clone(), "no mail can be delivered to this address".to_owned())];
        store.add_suppressions(TENANT, &bounced, SuppressionOrigin::Bounce, NOON_MS).await.unwrap();
        let with_profile = ImportRow { line: 3, ..row("Ada@elm.example", "sim-ada") };
        let rows = vec![row("ada@elm.example", ""), with_profile, row("bo@elm.example", "sim-bo")];
        for new_leads in [2, 0] {
            let stored = import(&store, "fair", rows.clone()).await;
            assert_eq!((stored.new_leads, stored.bounced_addresses), (new_leads, vec![2, 3]));
            let found = leads(&store, &stored.search_id).await;
            assert_eq!((found[0].linkedin_public_id.as_str(), found[0].email.as_deref()), ("sim-ada", None));
            assert_eq!(found[1].email.as_deref(), Some("bo@elm.example"));
            assert_eq!(store.suppression_of(TENANT, &found[0].person_id).await.unwrap(), None, "LinkedIn stays open");
        }
        assert_eq!((count(&store, "persons").await, count(&store, "person_emails").await), (2, 1));

        assert!(store.remove_suppression(TENANT, &target).await.unwrap());
        let stored = import(&store, "fair", rows).await;
        assert_eq!(stored.bounced_addresses, [0; 0]);
        let found = leads(&store, &stored.search_id).await;
        assert_eq!(found[0].email.as_deref(), Some("ada@elm.example"));
        assert_eq!(count(&store, "persons WHERE merged_into IS NULL").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_business_is_known_by_its_domain_and_else_by_name_and_place() {
    each_backend(async |store| {
        let nameless = ImportRow { domain: None, business: String::new(), ..row("cy@elm.example", "") };
        let elsewhere = ImportRow { domain: None, city: "Graz".into(), ..row("di@elm.example", "") };
        let there_too = ImportRow { domain: None, city: "GRAZ".into(), ..row("ed@elm.example", "") };
        let rows = vec![row("ada@elm.example", ""), row("bo@elm.example", ""), nameless, elsewhere, there_too];
        let stored = import(&store, "fair", rows).await;
        assert_eq!(count(&store, "businesses").await, 3);
        let names: Vec<String> = leads(&store, &stored.search_id).await.into_iter().map(|lead| lead.business).collect();
        assert_eq!(names, ["Elm Cider", "Elm Cider", "", "Elm Cider", "Elm Cider"]);
    })
    .await;
}
