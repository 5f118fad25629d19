//! Serper and Hunter.

use std::collections::HashSet;

use leadflow_sandbox::prices;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{Fixture, sent};

async fn maps(fixture: &Fixture, body: Value) -> (StatusCode, Value) {
    sent(fixture.post("/serper/maps", &body)).await
}

#[tokio::test]
async fn maps_are_paged_until_empty() {
    let fixture = Fixture::start().await;
    let (mut cids, mut pages) = (Vec::new(), 0);
    let (_, first) = maps(&fixture, json!({"q": "brewery in Colorado, US", "gl": "us"})).await;
    let ll = first["ll"].as_str().expect("coordinates");
    loop {
        pages += 1;
        let (status, answer) =
            maps(&fixture, json!({"q": "brewery in Colorado, US", "gl": "us", "page": pages, "ll": ll})).await;
        assert_eq!((status.as_u16(), &answer["credits"]), (200, &json!(1)));
        let places = answer["places"].as_array().expect("a list");
        if places.is_empty() {
            break;
        }
        assert!(places.len() <= 20);
        for place in places {
            cids.push(place["cid"].as_str().expect("a decimal string").to_owned());
            assert_eq!(place["position"], cids.len());
            for field in ["title", "address", "type", "types", "latitude"] {
                assert!(!place[field].is_null(), "{place}");
            }
            assert!(place["website"].as_str().is_none_or(|website| website.ends_with(".example/")));
        }
    }
    assert!(pages > 2 && cids.len() > 40, "{} on {pages} pages", cids.len());
    assert_eq!(cids.iter().collect::<HashSet<_>>().len(), cids.len());
    let (status, refused) = maps(&fixture, json!({"q": "brewery in Colorado, US", "page": 2})).await;
    assert_eq!((status.as_u16(), &refused["statusCode"]), (400, &json!(400)));
    assert_eq!(maps(&fixture, json!({})).await.0, 400);
    let billed: u64 = fixture.sandbox.ledger().iter().map(|entry| entry.billed_microusd).sum();
    assert_eq!(billed, (pages + 1) * prices::SERPER_CREDIT);
}

#[tokio::test]
async fn a_place_can_be_given_apart_and_batches_are_answered_in_order() {
    let fixture = Fixture::start().await;
    let (_, joined) = maps(&fixture, json!({"q": "brewery in Vermont, US"})).await;
    let (_, apart) = maps(&fixture, json!({"q": "breweries", "location": "Vermont, United States"})).await;
    assert_eq!(joined["places"], apart["places"]);
    let (_, batch) = maps(&fixture, json!([{"q": "hospital in Vermont, US"}, {"q": "brewery in Vermont, US"}])).await;
    assert_eq!(batch[1]["places"], joined["places"]);
    assert_eq!(fixture.sandbox.ledger()[2].units["credits"], 2);
    let (_, places) = sent(fixture.post("/serper/places", &json!({"q": "brewery in Vermont, US"}))).await;
    assert_eq!(places["places"][0]["category"], "Brewery");
    assert!(places["places"][0]["phoneNumber"].is_null());
}

#[tokio::test]
async fn hospitals_have_no_website() {
    let fixture = Fixture::start().await;
    let (_, answer) = maps(&fixture, json!({"q": "hospital in California, US"})).await;
    assert!(answer["places"].as_array().expect("a list").iter().all(|place| place.get("website").is_none()));
}

/// People found by profile searches over many breweries: first name, last name, host of the business.
async fn people(fixture: &Fixture) -> Vec<(String, String, String)> {
    let mut people = Vec::new();
    for page in 1..=4 {
        let query = json!({"q": "brewery in California, US", "page": page, "ll": "@37,-120,7z"});
        let (_, answer) = maps(fixture, query).await;
        for place in answer["places"].as_array().expect("a list") {
            let Some(website) = place["website"].as_str() else { continue };
            let host = website.trim_start_matches("https://").trim_end_matches('/').to_owned();
            let title = place["title"].as_str().expect("a title");
            let query = json!({"q": format!("site:linkedin.com/in \"{title}\" (owner OR \"head brewer\" OR manager)")});
            let (_, found) = sent(fixture.post("/serper/search", &query)).await;
            assert!(found["organic"].as_array().is_some_and(|organic| organic.len() <= 10));
            for result in found["organic"].as_array().expect("a list") {
                let parts: Vec<_> = result["title"].as_str().expect("a title").splitn(3, " - ").collect();
                if let [name, _, company] = parts[..]
                    && company == format!("{title} | LinkedIn")
                    && let Some((first, last)) = name.split_once(' ')
                {
                    people.push((first.to_owned(), last.to_owned(), host.clone()));
                }
            }
        }
    }
    people
}

#[tokio::test]
async fn people_are_found_and_most_have_an_address_that_verifies() {
    let fixture = Fixture::start().await;
    let people = people(&fixture).await;
    assert!(people.len() > 50, "{}", people.len());
    let searched = fixture.sandbox.ledger().len();

    let (mut found, mut valid, mut slow, mut claimed) = (0, 0, 0, 0);
    for (first, last, host) in &people {
        let query = [("domain", host.as_str()), ("first_name", first), ("last_name", last)];
        let (status, answer) = sent(fixture.get("/hunter/v2/email-finder").query(&query)).await;
        if status == 451 {
            claimed += 1;
            continue;
        }
        let data = &answer["data"];
        let Some(email) = data["email"].as_str() else {
            assert!(data["score"].is_null(), "{data}");
            continue;
        };
        found += 1;
        assert!(email.ends_with(&format!("@{host}")) && email.is_ascii(), "{email}");
        assert!(data["score"].as_u64().is_some_and(|score| (70..100).contains(&score)));
        let verify = || sent(fixture.get("/hunter/v2/email-verifier").query(&[("email", email)]));
        let (status, mut verified) = verify().await;
        if status == 202 {
            slow += 1;
            verified = verify().await.1;
        }
        valid += u32::from(verified["data"]["status"] == "valid");
    }
    let asked = u32::try_from(people.len()).expect("few");
    assert!(found * 100 > asked * 60 && found < asked, "{found} of {asked}");
    assert!(valid * 100 > found * 65 && valid < found, "{valid} of {found}");
    assert!(claimed * 20 < asked && slow * 8 < found, "{claimed} claimed, {slow} slow");

    for entry in &fixture.sandbox.ledger()[searched..] {
        let price = match (entry.operation.as_str(), entry.status) {
            ("email_finder", Some(200)) => entry.units.get("credits").map_or(0, |credits| credits * 34_000),
            ("email_verifier", Some(200)) => 17_000,
            _ => 0,
        };
        assert_eq!(entry.billed_microusd, price, "{entry:?}");
    }
}

#[tokio::test]
async fn a_slow_verification_is_ready_the_second_time() {
    let fixture = Fixture::start().await;
    let mut slow = 0;
    for n in 0..150 {
        let email = format!("person{n}@somewhere.example");
        let verify = || sent(fixture.get("/hunter/v2/email-verifier").query(&[("email", &email)]));
        let (status, _) = verify().await;
        if status == 202 {
            slow += 1;
            let (status, verified) = verify().await;
            assert_eq!(status, 200);
            assert_eq!(verified["data"]["email"], email);
        }
    }
    assert!((1..=12).contains(&slow), "{slow}");
}

#[tokio::test]
async fn hunter_refuses_and_lists() {
    let fixture = Fixture::start().await;
    for (path, text) in [
        ("/hunter/v2/email-finder?first_name=A&last_name=B", "missing the domain"),
        ("/hunter/v2/email-finder?domain=x.example", "missing the first_name"),
        ("/hunter/v2/email-verifier?email=nobody", "not an email address"),
    ] {
        let (status, body) = sent(fixture.get(path)).await;
        assert_eq!((status.as_u16(), &body["errors"][0]["id"]), (400, &json!("wrong_params")));
        assert!(body.to_string().contains(text), "{body}");
    }
    let unknown = "/hunter/v2/email-finder?domain=nowhere.example&full_name=Ada+Byron";
    let (status, body) = sent(fixture.get(unknown)).await;
    assert_eq!(
        (status.as_u16(), &body["data"]["email"], &body["data"]["first_name"]),
        (200, &Value::Null, &json!("Ada"))
    );

    let (_, listed) = sent(fixture.get("/hunter/v2/domain-search?domain=ring-energy.example")).await;
    let emails: Vec<_> =
        listed["data"]["emails"].as_array().expect("a list").iter().map(|email| &email["value"]).collect();
    assert!(emails.contains(&&json!("jimmy.smith@ring-energy.example")), "{listed}");
}

#[tokio::test]
async fn web_searches_without_a_person_find_websites() {
    let fixture = Fixture::start().await;
    let (_, answer) = sent(fixture.post("/serper/search", &json!({"q": "brewery in Vermont, US", "num": 20}))).await;
    assert_eq!(answer["credits"], 2);
    let organic = answer["organic"].as_array().expect("a list");
    assert!(
        organic.len() > 5
            && organic.iter().all(|result| result["link"].as_str().is_some_and(|link| link.ends_with(".example/")))
    );
}
