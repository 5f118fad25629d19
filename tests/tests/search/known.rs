//! What a search leaves out: people who are known, and what the user excludes.

use crate::{alone, setup};
use leadflow_starter::launch::Start;
use leadflow_tests::lab::{Lab, OrSay, brief};
use leadflow_workflows::domain::brief::{Brief, Want};
use leadflow_workflows::domain::exclude::Exclusion;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_search_buys_nobody_again() {
    let _alone = alone().await;
    let lab = Lab::start(setup()).await.unwrap();
    let want = Want { leads: Some(10), email: true, insights: false, ..Want::default() };
    let brief = Brief { want, ..brief(None) };
    let first = lab.search(brief.clone()).await.unwrap();
    assert_eq!(lab.finished(&first).await.unwrap(), "completed");
    let calls = lab.ledger().len();
    let second = lab.search(brief).await.unwrap();
    assert_eq!(lab.finished(&second).await.unwrap(), "completed");

    let people = async |id| -> BTreeSet<String> {
        lab.leads(id).await.unwrap().into_iter().map(|lead| lead.linkedin_public_id).collect()
    };
    let (known, new) = (people(&first).await, people(&second).await);
    assert_eq!((known.len(), new.len()), (10, 10));
    assert!(known.is_disjoint(&new), "{:?}", known.intersection(&new));

    // Nor are the searches for people and the look-ups of addresses paid for again.
    let ledger = lab.ledger();
    let (before, after) = ledger.split_at(calls);
    let hashes = |entries: &[leadflow_sandbox::LedgerEntry]| -> BTreeSet<String> {
        let of_people =
            entries.iter().filter(|entry| entry.operation != "maps" && !entry.operation.starts_with("chat"));
        of_people.map(|entry| entry.request_hash.clone()).collect()
    };
    let (before, after) = (hashes(before), hashes(after));
    assert!(!after.is_empty() && before.is_disjoint(&after), "{:?}", before.intersection(&after));
    lab.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn excluded_people_and_businesses_are_left_out() {
    let _alone = alone().await;
    let mut lab = Lab::start(setup()).await.unwrap();
    let first = lab.search(brief(Some(20))).await.unwrap();
    assert_eq!(lab.finished(&first).await.unwrap(), "completed");
    let leads = lab.stack.store.all_leads(lab.key(&first)).await.unwrap();
    let leads: Vec<_> = leads.into_iter().filter(|lead| lead.state == "ready").collect();

    let person = leads[0].linkedin_public_id.clone();
    let name = leads.iter().map(|lead| &lead.business).find(|name| **name != leads[0].business).unwrap().clone();
    let with_domain =
        leads.iter().find(|lead| lead.domain.is_some() && ![&name, &leads[0].business].contains(&&lead.business));
    let domain = with_domain.and_then(|lead| lead.domain.clone()).unwrap();
    let mut start = Start::new(brief(Some(20)));
    start.brief.ideal.exclude = vec![format!("name:{name}")];
    start.exclusions = [format!("linkedin:{person}"), format!("domain:{domain}")]
        .map(|text| text.parse::<Exclusion>().unwrap())
        .into();

    // Another tenant, to whom nobody is known yet: only what is excluded differs.
    "other".clone_into(&mut lab.stack.config.tenant);
    let second = lab.launcher().start(start).await.or_say().unwrap();
    assert_eq!(lab.finished(&second).await.unwrap(), "completed");
    let found = lab.stack.store.all_leads(lab.key(&second)).await.unwrap();
    let ready: Vec<_> = found.iter().filter(|lead| lead.state == "ready").collect();
    assert_eq!(ready.len(), 20, "others take their places");
    for lead in &ready {
        assert_ne!(lead.linkedin_public_id, person);
        assert_ne!(lead.business, name);
        assert_ne!(lead.domain.as_ref(), Some(&domain));
    }
    let left_out = found.iter().find(|lead| lead.linkedin_public_id == person).unwrap();
    assert!(left_out.state == "left_out" && left_out.problem.is_some(), "{left_out:?}");
    let again: BTreeSet<&str> = ready.iter().map(|lead| lead.linkedin_public_id.as_str()).collect();
    let kept = leads.iter().filter(|lead| {
        lead.linkedin_public_id != person && lead.business != name && lead.domain.as_ref() != Some(&domain)
    });
    assert!(kept.into_iter().all(|lead| again.contains(lead.linkedin_public_id.as_str())), "nobody else is left out");
    lab.stop().await.unwrap();
}
