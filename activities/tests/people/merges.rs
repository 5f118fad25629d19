//! Two persons turn out to be one.

use crate::rows::{NOON_MS, TENANT, count, enroll, enrollment, execute, import, leads, row, touch, touch_row};
use futures::future::join_all;
use leadflow_activities::store::Store;
use leadflow_activities::store::leads::{Candidate, Evidence, FoundEmail, Lead, SearchKey};
use leadflow_activities::store::searches::NewSearch;
use leadflow_activities::store::testing::each_backend;
use leadflow_workflows::domain::brief::{Brief, Ideal, Want};
use leadflow_workflows::domain::people::Profile;
use leadflow_workflows::domain::score::EmailStatus;
use leadflow_workflows::domain::suppression::SuppressionOrigin;

/// Ada by address in one list and by profile in another.
async fn two_of_one(store: &Store) -> (Lead, Lead) {
    let mail = import(store, "mail", vec![row("ada@elm.example", "")]).await;
    let profile = import(store, "profile", vec![row("", "sim-ada")]).await;
    (leads(store, &mail.search_id).await.remove(0), leads(store, &profile.search_id).await.remove(0))
}

#[tokio::test]
async fn a_row_with_both_keys_makes_one_person_of_two() {
    each_backend(async |store| {
        let (mail, profile) = two_of_one(&store).await;
        assert_ne!(mail.person_id, profile.person_id);
        enroll(&store, "first", "c1", &mail, 10).await;
        enroll(&store, "second", "c2", &profile, 20).await;
        touch(&store, "t1", "first", "hello", "sent").await;
        touch(&store, "t2", "second", "invite", "sent").await;
        touch(&store, "t3", "second", "later", "planned").await;
        let merged = import(&store, "both", vec![row("ADA@elm.example", "sim-ada")]).await;
        assert_eq!(merged.ended, ["second"]);

        let person = mail.person_id.clone();
        for lead in [&mail, &profile] {
            let now = store.lead(TENANT, &lead.id).await.unwrap().unwrap();
            assert_eq!(now.person_id, person);
            assert_eq!((now.linkedin_public_id.as_str(), now.email.as_deref()), ("sim-ada", Some("ada@elm.example")));
        }
        assert_eq!(enrollment(&store, "first").await, ("scheduled".into(), "c".into(), person.clone()));
        let (state, cause, who) = enrollment(&store, "second").await;
        assert_eq!((state.as_str(), cause.as_str(), &who), ("stopped", "merged with first", &person));
        assert_eq!(touch_row(&store, "t2").await, ("sent".into(), person.clone(), "second".into()));
        assert_eq!(touch_row(&store, "t3").await.0, "released");
        assert_eq!(count(&store, "persons WHERE merged_into IS NULL").await, 1);
        assert_eq!(store.enrollments_of_person(TENANT, &person).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn within_one_campaign_no_step_is_left_to_be_repeated() {
    each_backend(async |store| {
        let (mail, profile) = two_of_one(&store).await;
        enroll(&store, "stays", "c1", &mail, 20).await;
        enroll(&store, "ends", "c1", &profile, 10).await;
        touch(&store, "s-invite", "stays", "invite", "planned").await;
        touch(&store, "s-hello", "stays", "hello", "sent").await;
        touch(&store, "e-invite", "ends", "invite", "sent").await;
        touch(&store, "e-hello", "ends", "hello", "sent").await;
        touch(&store, "e-more", "ends", "more", "planned").await;
        let merged = import(&store, "both", vec![row("ada@elm.example", "sim-ada")]).await;
        assert_eq!(merged.ended, ["ends"]);
        assert_eq!(enrollment(&store, "stays").await.0, "scheduled");
        // What was done for either counts for the enrollment that goes on; nothing that was done is forgotten.
        assert_eq!(touch_row(&store, "e-invite").await, ("sent".into(), mail.person_id.clone(), "stays".into()));
        assert_eq!(touch_row(&store, "s-hello").await.1, mail.person_id);
        assert_eq!(touch_row(&store, "e-hello").await, ("sent".into(), profile.person_id.clone(), "ends".into()));
        assert_eq!(count(&store, "touches WHERE id = 's-invite'").await, 0);
        assert_eq!(count(&store, "touches WHERE state = 'sent'").await, 3);
    })
    .await;
}

#[tokio::test]
async fn one_live_invitation_and_one_contact_in_doubt_remain() {
    each_backend(async |store| {
        let (mail, profile) = two_of_one(&store).await;
        enroll(&store, "first", "c1", &mail, 10).await;
        enroll(&store, "second", "c2", &profile, 20).await;
        touch(&store, "i1", "first", "invite", "sent").await;
        touch(&store, "i2", "second", "invite", "sent").await;
        touch(&store, "d1", "first", "hello", "unknown").await;
        touch(&store, "d2", "second", "hello", "calling").await;
        let merged = import(&store, "both", vec![row("ada@elm.example", "sim-ada")]).await;
        assert_eq!(merged.ended, ["second", "first"], "with two contacts in doubt, no third begins");
        assert_eq!(count(&store, "touches WHERE is_live_invite = 1").await, 1);
        assert_eq!(touch_row(&store, "d1").await.1, mail.person_id);
        assert_eq!(touch_row(&store, "d2").await, ("calling".into(), profile.person_id, "second".into()));
    })
    .await;
}

#[tokio::test]
async fn leads_of_one_list_what_accounts_know_and_replies_come_together() {
    each_backend(async |store| {
        let list = import(&store, "fair", vec![row("ada@elm.example", ""), row("", "sim-ada")]).await;
        let [mail, profile] = <[Lead; 2]>::try_from(leads(&store, &list.search_id).await).unwrap();
        for (person, provider, chat) in [(&mail.person_id, "NULL", "'chat'"), (&profile.person_id, "'ACo1'", "NULL")] {
            let sql = format!(
                "INSERT INTO account_people (account_id, tenant, person_id, provider_id, provider_chat_id) \
                 VALUES ('a', '{TENANT}', '{person}', {provider}, {chat})"
            );
            execute(&store, &sql).await;
        }
        execute(
            &store,
            &format!(
                "INSERT INTO replies (id, tenant, person_id, account_id, channel, kind, provider_message_id, text, at_ms, \
                 received_at_ms) VALUES ('r', '{TENANT}', '{}', 'a', 'linkedin', 'reply', 'm', 'no', 0, 0)",
                profile.person_id
            ),
        )
        .await;
        import(&store, "fair", vec![row("ada@elm.example", "sim-ada")]).await;
        let found = leads(&store, &list.search_id).await;
        assert_eq!((found[0].state.as_str(), found[1].state.as_str()), ("ready", "left_out"));
        assert_eq!(found[1].problem, Some(format!("the same person as lead {}", mail.id)));
        let progress = store.progress(TENANT, &list.search_id).await.unwrap().unwrap();
        assert_eq!((progress.leads, progress.leads_ready), (2, 1));
        let known: (String, String, String) =
            sqlx::query_as("SELECT person_id, provider_id, provider_chat_id FROM account_people")
                .fetch_one(store.read())
                .await
                .unwrap();
        assert_eq!(known, (mail.person_id.clone(), "ACo1".into(), "chat".into()));
        assert_eq!(count(&store, &format!("replies WHERE person_id = '{}'", mail.person_id)).await, 1);
    })
    .await;
}

#[tokio::test]
async fn colleagues_who_share_an_address_stay_two_and_it_stays_with_the_first() {
    each_backend(async |store| {
        let rows = vec![row("info@elm.example", "sim-ada"), row("info@elm.example", "sim-bo")];
        let stored = import(&store, "fair", rows).await;
        assert_eq!((stored.new_leads, stored.shared_addresses), (2, vec![2]));
        let emails: Vec<_> = leads(&store, &stored.search_id).await.into_iter().map(|lead| lead.email).collect();
        assert_eq!(emails, [Some("info@elm.example".to_owned()), None]);
    })
    .await;
}

/// A search that found Ada by her profile.
async fn search(store: &Store, id: &str) -> Lead {
    let ideal = Ideal { industries: vec!["cider".into()], roles: vec![], exclude: vec![], personas: 1 };
    let brief = Brief {
        name: id.into(),
        sell: "presses for apples".into(),
        ideal,
        places: vec!["US".into()],
        want: Want::default(),
    };
    let new = NewSearch {
        id: id.into(),
        tenant: TENANT.into(),
        source: "sandbox",
        brief,
        exclusions: vec![],
        now_ms: NOON_MS,
    };
    store.create_search(&new).await.unwrap();
    for sql in [
        format!(
            "INSERT INTO businesses (id, tenant, cid, name, category, address, city, region, country, rating_count, source) \
             VALUES ('b-{id}', '{TENANT}', 'cid-{id}', 'Elm Cider', '', '', '', '', 'us', 0, 'sandbox')"
        ),
        format!(
            "INSERT INTO search_businesses (search_id, tenant, business_id, rank, place, page, position, number) \
             VALUES ('{id}', '{TENANT}', 'b-{id}', 0, 0, 1, 1, 0)"
        ),
    ] {
        execute(store, &sql).await;
    }
    let profile = Profile {
        linkedin_public_id: "sim-ada".into(),
        first_name: "Ada".into(),
        last_name: "Van Dyke".into(),
        title: "Founder".into(),
        ..Profile::default()
    };
    let candidate = Candidate { profile, role_rank: 1, evidence: Evidence::default(), left_out: None };
    let key = SearchKey { tenant: TENANT, id };
    store.store_people(key, &[(format!("b-{id}"), vec![candidate])], NOON_MS).await.unwrap();
    store.all_leads(key).await.unwrap().remove(0)
}

#[tokio::test]
async fn an_address_that_a_search_finds_leads_to_the_person_of_a_list() {
    each_backend(async |store| {
        let list = import(&store, "fair", vec![row("ada@elm.example", "")]).await;
        let imported = leads(&store, &list.search_id).await.remove(0);
        let found = search(&store, "s1").await;
        assert_eq!(found.state, "found");
        enroll(&store, "first", "c1", &imported, 10).await;
        enroll(&store, "second", "c2", &found, 20).await;
        let email = FoundEmail {
            email: Some("Ada@Elm.example".into()),
            status: EmailStatus::Valid,
            confidence: Some(91),
            sources: None,
        };
        let key = SearchKey { tenant: TENANT, id: "s1" };
        for ended in [["second"].as_slice(), &[]] {
            assert_eq!(store.store_email(key, &found, &email, NOON_MS).await.unwrap(), ended);
        }
        let now = store.lead(TENANT, &found.id).await.unwrap().unwrap();
        assert_eq!(now.person_id, imported.person_id);
        assert_eq!((now.linkedin_public_id.as_str(), now.email.as_deref()), ("sim-ada", Some("ada@elm.example")));
        assert_eq!((now.email_status, now.email_confidence), (EmailStatus::Valid, Some(91)));
        assert_eq!(count(&store, "persons WHERE merged_into IS NULL").await, 1);
    })
    .await;
}

#[tokio::test]
async fn an_address_that_bounced_is_not_found_again() {
    each_backend(async |store| {
        let found = search(&store, "s1").await;
        let bounced = ["ada@elm.example".parse().unwrap()].map(|target| (target, "no such mailbox".to_owned()));
        store.add_suppressions(TENANT, &bounced, SuppressionOrigin::Bounce, NOON_MS).await.unwrap();
        let email = FoundEmail { email: Some("Ada@Elm.example".into()), ..FoundEmail::default() };
        store.store_email(SearchKey { tenant: TENANT, id: "s1" }, &found, &email, NOON_MS).await.unwrap();
        assert_eq!(store.lead(TENANT, &found.id).await.unwrap().unwrap().email, None);
        assert_eq!(store.suppression_of(TENANT, &found.person_id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_search_takes_who_is_only_on_a_list() {
    each_backend(async |store| {
        import(&store, "fair", vec![row("", "sim-ada")]).await;
        let found = search(&store, "s1").await;
        assert_eq!((found.state.as_str(), found.last_name.as_str()), ("found", "Van Dyke"));
        assert_eq!(search(&store, "s2").await.problem.as_deref(), Some("known since search s1"));
        assert_eq!(count(&store, "persons").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_name_the_same_people_at_once_make_each_of_them_once() {
    each_backend(async |store| {
        let tasks = (0..6).map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut rows: Vec<_> = (0..5)
                    .map(|person| {
                        let (email, profile) = (format!("p{person}@elm.example"), format!("sim-p{person}"));
                        match task % 3 {
                            0 => row(&email, ""),
                            1 => row("", &profile),
                            _ => row(&email, &profile),
                        }
                    })
                    .collect();
                if task % 2 == 0 {
                    rows.reverse();
                }
                import(&store, &format!("list-{task}"), rows).await;
            })
        });
        for ended in join_all(tasks).await {
            ended.unwrap();
        }
        assert_eq!(count(&store, "persons WHERE merged_into IS NULL").await, 5);
        let astray = "leads l WHERE l.state = 'ready' AND NOT EXISTS (SELECT 1 FROM persons p WHERE p.id = l.person_id \
                      AND p.linkedin_public_id IS NOT NULL AND p.email IS NOT NULL)";
        assert_eq!(count(&store, astray).await, 0);
        assert_eq!(count(&store, "leads").await, 30);
    })
    .await;
}
