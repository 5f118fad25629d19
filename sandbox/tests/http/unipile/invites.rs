//! Invitations: their life, cool-downs and limits.

use leadflow_clock::Clock;
use leadflow_sandbox::{Accept, AccountChange, Behaviour, EffectKind, EnforcedLimits, OverLimit, UnipileOptions};
use serde_json::{Value, json};

use super::{DAY_MS, FAST, LINKEDIN, ORIGIN_MS, PERSON, accepts, calm, eventually, quiet, refused, with};
use crate::{Fixture, sent};

async fn pending(fixture: &Fixture) -> Vec<Value> {
    let list = fixture.unipile(&format!("users/invite/sent?account_id={LINKEDIN}")).await;
    list["items"].as_array().expect("items").clone()
}

async fn is_related(fixture: &Fixture, person: &str) -> bool {
    let list = fixture.unipile(&format!("users/relations?account_id={LINKEDIN}&limit=1000")).await;
    list["items"].as_array().expect("items").iter().any(|relation| relation["public_identifier"] == person)
}

#[tokio::test]
async fn an_invitation_is_pending_until_it_is_accepted() {
    let fixture = calm().await;
    let stranger = fixture.profile(LINKEDIN, PERSON).await;
    assert_eq!((&stranger["is_relationship"], stranger.get("invitation")), (&json!(false), None));
    let invitation = fixture.invite(LINKEDIN, PERSON, Some("Shall we connect?")).await.expect("taken");

    let effect = fixture.sandbox.effects().remove(0).effect;
    assert_eq!(
        (effect.account_id.as_str(), effect.person.as_str(), effect.kind),
        (LINKEDIN, PERSON, EffectKind::Invite)
    );
    assert_eq!(effect.text.as_deref(), Some("Shall we connect?"));
    assert_eq!(effect.invitation_id.as_deref(), invitation["invitation_id"].as_str());
    let listed = pending(&fixture).await.remove(0);
    assert_eq!((&listed["id"], &listed["invited_user_public_id"]), (&invitation["invitation_id"], &json!(PERSON)));
    assert_eq!((&listed["invitation_text"], &listed["date"]), (&json!("Shall we connect?"), &json!("Today")));
    assert_eq!(fixture.profile(LINKEDIN, PERSON).await["invitation"], json!({"type": "SENT", "status": "PENDING"}));
    assert_eq!(fixture.invite(LINKEDIN, PERSON, None).await, refused("already_invited_recently"));
    fixture.invite("acc_li_2", PERSON, None).await.expect("another account may");

    fixture.sandbox.set_unipile_behaviour(PERSON, accepts(Accept::AtOnce));
    let friend = fixture.profile(LINKEDIN, PERSON).await;
    assert_eq!((&friend["network_distance"], friend.get("invitation")), (&json!("FIRST_DEGREE"), None));
    assert!(pending(&fixture).await.is_empty() && is_related(&fixture, PERSON).await);
    assert_eq!(fixture.invite(LINKEDIN, PERSON, None).await, refused("already_connected"));
    assert_eq!(fixture.effects(EffectKind::Invite), 2);
}

#[tokio::test]
async fn an_acceptance_takes_its_time() {
    let options = UnipileOptions { accept_permille: 1000, ..quiet() };
    let fixture = with(options, Clock::fast(ORIGIN_MS, FAST)).await;
    fixture.invite(LINKEDIN, PERSON, None).await.expect("taken");
    let created_at_ms = eventually("a relation", async || {
        let list = fixture.unipile(&format!("users/relations?account_id={LINKEDIN}&limit=1")).await;
        let newest = list["items"][0].clone();
        (newest["public_identifier"] == PERSON).then(|| newest["created_at"].as_i64().expect("an instant"))
    });
    let delay_ms = created_at_ms.await - fixture.sandbox.effects()[0].at_ms;
    assert!((DAY_MS / 24..=3 * DAY_MS).contains(&delay_ms), "{delay_ms}");
}

#[tokio::test]
async fn declined_and_withdrawn_invitations_cool_down_for_three_weeks() {
    for withdraws in [false, true] {
        let fixture = with(quiet(), Clock::fast(ORIGIN_MS, FAST / 4.0)).await;
        let invitation = fixture.invite(LINKEDIN, PERSON, None).await.expect("taken");
        if withdraws {
            let id = invitation["invitation_id"].as_str().expect("an id");
            let path = format!("/unipile/api/v1/users/invite/sent/{id}?account_id={LINKEDIN}");
            let withdraw = async || sent(crate::with_key(fixture.client.delete(fixture.url(&path)))).await;
            assert_eq!(withdraw().await.1, json!({"object": "InvitationCanceled"}));
            assert_eq!(withdraw().await.0, 404);
            assert_eq!(fixture.profile(LINKEDIN, PERSON).await["invitation"]["status"], "WITHDRAWN");
        } else {
            let declines =
                Behaviour { accept: Some(Accept::Decline), accept_after_ms: Some(0), ..Behaviour::default() };
            fixture.sandbox.set_unipile_behaviour(PERSON, declines);
            assert_eq!(fixture.profile(LINKEDIN, PERSON).await.get("invitation"), None);
            fixture.sandbox.set_unipile_behaviour(PERSON, Behaviour::default());
        }
        assert!(pending(&fixture).await.is_empty());
        assert_eq!(fixture.invite(LINKEDIN, PERSON, None).await, refused("cannot_resend_yet"));
        eventually("a second invitation", async || fixture.invite(LINKEDIN, PERSON, None).await.ok()).await;
        let effects = fixture.sandbox.effects();
        assert!(effects[1].at_ms - effects[0].at_ms >= 21 * DAY_MS, "{effects:?}");
    }
}

#[tokio::test]
async fn limits_are_rolling_and_answer_as_configured() {
    let limits = EnforcedLimits { invites_per_day: 3, ..EnforcedLimits::default() };
    for (answer, kind) in [
        (OverLimit::LimitExceeded, "limit_exceeded"),
        (OverLimit::CannotResendYet, "cannot_resend_yet"),
        (OverLimit::TooManyRequests, "too_many_requests"),
        (OverLimit::ProviderError, "provider_error"),
    ] {
        let fixture =
            with(UnipileOptions { limits: EnforcedLimits { answer, ..limits.clone() }, ..quiet() }, Clock::system())
                .await;
        let usage = async |n| fixture.invite(LINKEDIN, &format!("sim-a-b-{n}"), None).await;
        assert_eq!(usage(1).await.expect("taken").get("usage"), None);
        assert_eq!(usage(2).await.expect("taken")["usage"], 50);
        usage(3).await.expect("taken");
        assert_eq!(usage(4).await, refused(kind));
        fixture.invite("acc_li_2", "sim-a-b-4", None).await.expect("another account");
        assert_eq!(fixture.effects(EffectKind::Invite), 4);
    }

    let fixture = with(UnipileOptions { limits, ..quiet() }, Clock::fast(ORIGIN_MS, FAST)).await;
    for n in 0..12 {
        eventually("an invitation", async || fixture.invite(LINKEDIN, &format!("sim-a-b-{n}"), None).await.ok()).await;
    }
    let effects = fixture.sandbox.effects();
    assert!(effects.windows(4).all(|four| four[3].at_ms - four[0].at_ms >= DAY_MS), "{effects:?}");
}

#[tokio::test]
async fn weeks_have_a_limit_of_their_own() {
    let limits = EnforcedLimits { invites_per_week: 2, ..EnforcedLimits::default() };
    let fixture = with(UnipileOptions { limits, ..quiet() }, Clock::fast(ORIGIN_MS, FAST)).await;
    for n in 0..5 {
        eventually("an invitation", async || fixture.invite(LINKEDIN, &format!("sim-a-b-{n}"), None).await.ok()).await;
    }
    let effects = fixture.sandbox.effects();
    assert!(effects.windows(3).all(|three| three[2].at_ms - three[0].at_ms >= 7 * DAY_MS), "{effects:?}");
}

#[tokio::test]
async fn notes_are_bounded_and_scarce_on_free_accounts() {
    let fixture = calm().await;
    let invite = async |account, n: usize, length| {
        let note = "é".repeat(length);
        fixture.invite(account, &format!("sim-a-b-{n}"), Some(&note)).await.map(|_| ())
    };
    assert_eq!(invite(LINKEDIN, 1, 301).await, refused("too_many_characters"));
    assert_eq!(invite(LINKEDIN, 1, 300).await, Ok(()));
    let free = "acc_li_free_1";
    assert_eq!(invite(free, 1, 201).await, refused("too_many_characters"));
    for n in 1..=5 {
        assert_eq!(invite(free, n, 200).await, Ok(()));
    }
    assert_eq!(invite(free, 6, 1).await, refused("limit_exceeded"));
    fixture.invite(free, "sim-a-b-6", None).await.expect("without a note");
}

#[tokio::test]
async fn lists_and_profiles_lag() {
    let options = UnipileOptions { list_lag_ms: 5 * DAY_MS, ..quiet() };
    let fixture = with(options, Clock::fast(ORIGIN_MS, FAST / 10.0)).await;
    fixture.invite(LINKEDIN, PERSON, None).await.expect("taken");
    let invited_at_ms = fixture.sandbox.effects()[0].at_ms;
    assert!(pending(&fixture).await.is_empty());
    assert_eq!(fixture.profile(LINKEDIN, PERSON).await.get("invitation"), None);
    assert_eq!(fixture.invite(LINKEDIN, PERSON, None).await, refused("already_invited_recently"));
    eventually("the invitation in the list", async || pending(&fixture).await.pop()).await;
    let seen_at_ms = fixture.sandbox.ledger().last().expect("a look").at_ms;
    assert!(seen_at_ms >= invited_at_ms + 5 * DAY_MS);
    assert_eq!(fixture.profile(LINKEDIN, PERSON).await["invitation"]["status"], "PENDING");

    fixture.sandbox.set_unipile_behaviour(PERSON, accepts(Accept::AtOnce));
    let accepted = fixture.profile(LINKEDIN, PERSON).await;
    assert_eq!(accepted["is_relationship"], true);
    assert!(!is_related(&fixture, PERSON).await);
    eventually("the relation", async || is_related(&fixture, PERSON).await.then_some(())).await;
}

#[tokio::test]
async fn disconnected_and_restricted_accounts_do_nothing() {
    let fixture = calm().await;
    let set = async |change: Value| {
        let path = format!("/__sandbox/unipile/accounts/{LINKEDIN}");
        fixture.post(&path, &change).send().await.expect("an answer").status().as_u16()
    };
    let status = async || fixture.unipile(&format!("accounts/{LINKEDIN}")).await["sources"][0]["status"].clone();
    let invite = async || {
        let (_, body) = sent(fixture.get(&format!("/unipile/api/v1/users/{PERSON}?account_id={LINKEDIN}"))).await;
        body["type"].as_str().map(str::to_owned)
    };
    assert_eq!(set(json!({"status": "CREDENTIALS"})).await, 204);
    assert_eq!((status().await, invite().await), (json!("CREDENTIALS"), Some("errors/disconnected_account".into())));
    assert_eq!(set(json!({"status": "OK"})).await, 204);
    assert_eq!(invite().await, None);
    fixture
        .sandbox
        .change_unipile_account(LINKEDIN, &AccountChange { restricted: Some(true), status: None })
        .expect("a known account");
    assert_eq!((status().await, invite().await), (json!("ERROR"), Some("errors/account_restricted".into())));
    assert_eq!(set(json!({"restricted": false})).await, 204);
    assert_eq!((status().await, invite().await), (json!("OK"), None));
    assert_eq!(set(json!({"status": "SLEEPY"})).await, 400);
}

#[tokio::test]
async fn some_people_are_connected_from_the_start_and_pages_show_them_once() {
    let fixture = calm().await;
    let (mut people, mut cursor) = (Vec::new(), None);
    loop {
        let next = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let list = fixture.unipile(&format!("users/relations?account_id={LINKEDIN}&limit=100{next}")).await;
        let page = list["items"].as_array().expect("items").clone();
        people.extend(page.iter().map(|item| item["public_identifier"].as_str().expect("an id").to_owned()));
        match list["cursor"].as_str() {
            Some(more) => cursor = Some(more.replace('+', "%2B").replace('=', "%3D")),
            None => break,
        }
    }
    let distinct: std::collections::BTreeSet<_> = people.iter().collect();
    assert!(people.len() > 200 && distinct.len() == people.len(), "{} of {}", distinct.len(), people.len());
    assert_eq!(fixture.profile(LINKEDIN, &people[0]).await["network_distance"], "FIRST_DEGREE");
    assert_eq!(fixture.invite(LINKEDIN, &people[0], None).await, refused("already_connected"));
}

#[tokio::test]
async fn the_same_seed_makes_the_same_decisions() {
    let run = async || {
        let fixture = with(UnipileOptions::default(), Clock::fast(ORIGIN_MS, FAST)).await;
        let mut ids = Vec::new();
        for n in 0..40 {
            ids.push(
                fixture.invite(LINKEDIN, &format!("sim-a-b-{n}"), None).await.expect("taken")["invitation_id"].clone(),
            );
        }
        let first_ms = fixture.sandbox.effects()[0].at_ms;
        eventually("all decisions", async || {
            fixture.unipile("accounts?limit=1").await;
            let now_ms = fixture.sandbox.ledger().last().expect("a call").at_ms;
            (now_ms > first_ms + 4 * DAY_MS).then_some(())
        })
        .await;
        let mut open: Vec<_> = Vec::new();
        for n in 0..40 {
            let profile = fixture.profile(LINKEDIN, &format!("sim-a-b-{n}")).await;
            open.push((profile["network_distance"].clone(), profile["invitation"].clone()));
        }
        (ids, open)
    };
    let (one, two) = (run().await, run().await);
    assert_eq!(one, two);
    let connected = one.1.iter().filter(|(distance, _)| distance == "FIRST_DEGREE").count();
    let pending = one.1.iter().filter(|(_, invitation)| invitation["status"] == "PENDING").count();
    assert!((10..30).contains(&connected) && pending > 5 && connected + pending < 40, "{connected} {pending}");
}
