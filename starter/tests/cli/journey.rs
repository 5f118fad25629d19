//! Every command once, in the order in which a user needs them.

use crate::site::{BRIEF, Site};
use serde_json::Value;

#[test]
fn a_search_is_tried_started_watched_read_explained_and_exported() {
    let site = Site::start();

    let doctor = site.json(&["doctor"]);
    assert_eq!(doctor["ok"], true, "{doctor}");
    let states: Vec<&str> =
        doctor["checks"].as_array().unwrap().iter().filter_map(|check| check["state"].as_str()).collect();
    assert_eq!(states[6..], ["sandbox"; 5], "{doctor}");

    let estimate = site.json(&["search", "start", "brief.toml", "--dry-run"]);
    assert_eq!(estimate["places"][0]["country"], "United States");
    assert_eq!(site.json(&["search", "list"]), Value::Array(vec![]), "a dry run stores nothing");
    assert_eq!(site.json(&["lead", "list"]), Value::Array(vec![]));
    let narrowed = site.run(&["lead", "list", "--state", "ready", "--json"]);
    assert!(narrowed.code == 1 && narrowed.out == "[]\n" && narrowed.err.contains("hint: "), "{narrowed:?}");

    let waited = site.run(&["search", "start", "--brief", "brief.toml", "--wait"]);
    assert_eq!(waited.code, 0, "{waited:?}");
    assert!(waited.out.contains("completed: 8 leads with a reason for $"), "{waited:?}");
    assert!(waited.err.contains("lead with ") && waited.err.contains("see them: starter search leads"), "{waited:?}");

    let list = site.json(&["search", "list"]);
    let id = list[0]["search_id"].as_str().unwrap();
    let shown = site.json(&["search", "show", "last"]);
    assert_eq!((&shown["status"], &shown["search_id"]), (&"completed".into(), &id.into()));
    assert_eq!(shown["personas"][0]["roles"].as_array().unwrap().len(), 2);
    assert!(!shown["market"][0]["sources"].as_array().unwrap().is_empty(), "{shown}");
    assert!(shown["web_ui"].as_str().unwrap().ends_with(&format!("/workflows/search%2F{id}")));
    for (provider, calls) in shown["calls"].as_object().unwrap() {
        let span = &estimate["calls"][provider];
        let (low, high) = (span["low"].as_u64().unwrap(), span["high"].as_u64().unwrap());
        // Reasons are written for whoever waits: on a slow machine that may be one lead at a time.
        let more = if provider == "openai" { 8 } else { 0 };
        assert!((low..=high + more).contains(&calls.as_u64().unwrap()), "{provider} {calls} {span}");
    }
    let text = site.run(&["search", "show", "breweries"]);
    assert!(text.out.contains("8 with a reason of 8 wanted") && text.out.contains("source: https://"), "{text:?}");

    let leads = site.json(&["search", "leads", &id[..18]]);
    assert_eq!(leads.as_array().unwrap().len(), 8);
    let table = site.run(&["search", "leads", "last"]);
    assert!(table.out.contains(leads[0]["name"].as_str().unwrap()), "{table:?}");
    let csv = site.run(&["search", "leads", "last", "--format", "csv"]);
    assert!(csv.out.starts_with("id,rank,name,role,business,") && csv.out.lines().count() == 9, "{csv:?}");

    let lead = leads[1]["id"].as_str().unwrap();
    let explained = site.json(&["lead", "explain", lead]);
    assert_eq!((&explained["taken"], &explained["lead"]["id"]), (&true.into(), &lead.into()));
    let points =
        explained["lead"]["points"].as_array().unwrap().iter().map(|points| points["points"].as_u64().unwrap());
    assert_eq!(points.sum::<u64>(), leads[1]["score"].as_u64().unwrap());
    assert_eq!(site.json(&["lead", "explain", "last/2"])["lead"]["id"], lead);

    let usage = site.json(&["usage", "--search", "last", "--by", "provider"]);
    assert_eq!(usage["total"]["cost_microusd"], shown["cost_microusd"]);
    for by in ["search", "day"] {
        let other = site.json(&["usage", "--by", by]);
        assert_eq!((&other["total"], other["groups"].as_array().unwrap().len()), (&usage["total"], 1));
    }

    // A second search of the same brief knows everybody already.
    let again = site.json(&["search", "start", "brief.toml", "--wait"]);
    assert_eq!(again["not_taken"][0]["problem"], format!("known since search {id}"), "{again}");
    let known = site.run(&["lead", "explain", again["not_taken"][0]["example_lead"].as_str().unwrap()]);
    assert!(known.out.contains(&format!("left out: known since search {id}")), "{known:?}");

    let exported = site.json(&["history", "export", id, "--output", "histories"]);
    let file = exported["runs"][0]["file"].as_str().unwrap();
    let replayed = site.run(&["history", "replay", file]);
    assert_eq!((replayed.code, replayed.out.as_str()), (0, format!("replays  {file}\n").as_str()), "{replayed:?}");
    let disturbed =
        std::fs::read_to_string(site.path(file)).unwrap().replace("openai.business_personas", "serper.maps");
    std::fs::write(site.path("disturbed.json"), disturbed).unwrap();
    let replayed = site.run(&["history", "replay", "disturbed.json"]);
    assert!(replayed.code == 2 && replayed.err.contains("1 of 1 do not replay"), "{replayed:?}");

    let completions = site.run(&["completions", "bash"]);
    assert!(
        completions.code == 0 && completions.out.contains("starter__subcmd__search"),
        "{}",
        &completions.out[..200]
    );
}

#[test]
fn a_search_is_held_raised_paused_resumed_and_cancelled() {
    let site = Site::start();
    let brief = BRIEF.replace("leads = 8\n", "leads = 200\nbudget_usd = 0.05\n").replace("Vermont", "California");
    std::fs::write(site.path("brief.toml"), brief).unwrap();
    let started = site.json(&["search", "start", "brief.toml"]);
    let id = started["search_id"].as_str().unwrap();

    let until = |status: &str| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
        loop {
            let shown = site.json(&["search", "show", id]);
            if shown["status"] == status {
                return shown;
            }
            assert!(std::time::Instant::now() < deadline, "never {status}: {shown}");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    };
    let held = until("over_budget");
    assert!(held["cost_microusd"].as_i64() <= Some(50_000), "{held}");
    let told = site.run(&["search", "show", id]);
    assert!(told.out.contains(&format!("hint: `starter budget show {id}`")), "{told:?}");

    let raised = site.json(&["budget", "raise", &format!("search:{id}"), "0.06"]);
    assert_eq!((&raised["limit_microusd"], &raised["searches_told"]), (&60_000.into(), &1.into()));
    assert_eq!(site.json(&["budget", "show", id])[2]["limit_microusd"], 60_000);
    // The little that was added is used up soon.
    until("over_budget");
    for scope in ["tenant", "installation"] {
        assert_eq!(site.json(&["budget", "raise", scope, "400"])["limit_microusd"], 400_000_000);
    }

    assert_eq!(site.json(&["search", "pause", id])["status"], "paused");
    until("paused");
    assert_eq!(site.json(&["search", "resume", id])["status"], "running");
    until("over_budget");

    assert_eq!(site.json(&["search", "cancel", id])["status"], "cancelled");
    let watched = site.run(&["search", "watch", id]);
    assert!(watched.code == 1 && watched.out.contains(" cancelled: "), "{watched:?}");
    for command in ["pause", "resume", "cancel"] {
        let late = site.run(&["search", command, id]);
        assert!(late.code == 1 && late.err.contains("has ended already\nhint:"), "{command}: {late:?}");
    }
}
