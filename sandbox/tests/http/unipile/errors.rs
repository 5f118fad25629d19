//! Every row of the error table, and faults around an effect.

use std::collections::BTreeSet;
use std::time::Duration;

use leadflow_sandbox::{EffectKind, FaultKind, FaultRule, Faults, Provider, UNIPILE_ERRORS};
use serde_json::json;

use super::{LINKEDIN, PERSON, calm, refused};
use crate::{Fixture, sent};

fn strike(fixture: &Fixture, rule: FaultRule) {
    fixture.sandbox.set_faults(Faults { seed: 0, rules: vec![FaultRule { times: Some(1), ..rule }] });
}

fn on_invites(kind: FaultKind) -> FaultRule {
    FaultRule { operation: Some("send_invite".into()), ..FaultRule::new(Provider::Unipile, kind) }
}

#[tokio::test]
async fn every_row_can_be_injected_by_its_type() {
    let fixture = calm().await;
    assert_eq!(UNIPILE_ERRORS.iter().collect::<BTreeSet<_>>().len(), UNIPILE_ERRORS.len());
    for (status, kind) in UNIPILE_ERRORS {
        let faults = json!({"rules": [{"provider": "unipile", "kind": "status", "error_type": kind, "times": 1}]});
        assert_eq!(sent(fixture.post("/__sandbox/faults", &faults)).await.0, 200);
        let (answered, body) = sent(fixture.get("/unipile/api/v1/accounts")).await;
        assert_eq!((answered.as_u16(), &body["type"]), (*status, &json!(format!("errors/{kind}"))));
    }
    assert!(fixture.sandbox.effects().is_empty());
}

#[tokio::test]
async fn a_status_alone_has_its_usual_type() {
    let fixture = calm().await;
    for (status, kind) in [
        (422, "unprocessable_entity"),
        (429, "too_many_requests"),
        (503, "service_unavailable"),
        (502, "unexpected_error"),
    ] {
        strike(&fixture, FaultRule { status: Some(status), ..FaultRule::new(Provider::Unipile, FaultKind::Status) });
        let (answered, body) = sent(fixture.get("/unipile/api/v1/accounts")).await;
        assert_eq!((answered.as_u16(), &body["type"]), (status, &json!(format!("errors/{kind}"))));
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let fixture = calm().await;
    let (status, body) =
        sent(fixture.client.get(fixture.url("/unipile/api/v1/accounts")).header("x-api-key", "x")).await;
    assert_eq!((status.as_u16(), &body["type"]), (401, &json!("errors/missing_credentials")));
}

#[tokio::test]
async fn the_effect_is_in_the_ledger_exactly_when_it_happened() {
    for (kind, happens) in [
        (FaultKind::Status, false),
        (FaultKind::TimeoutBefore, false),
        (FaultKind::Reset, false),
        (FaultKind::StatusAfter, true),
        (FaultKind::TimeoutAfter, true),
        (FaultKind::Malformed, true),
        (FaultKind::Cut, true),
    ] {
        let fixture = calm().await;
        strike(&fixture, on_invites(kind));
        let provider_id = fixture.provider_id(LINKEDIN, PERSON).await;
        let body = json!({"account_id": LINKEDIN, "provider_id": provider_id});
        let call = fixture.post("/unipile/api/v1/users/invite", &body).timeout(Duration::from_millis(300));
        let good = match call.send().await {
            Ok(response) => response.status().is_success() && response.json::<serde_json::Value>().await.is_ok(),
            Err(_) => false,
        };
        assert!(!good, "{kind:?}");
        assert_eq!(fixture.effects(EffectKind::Invite), usize::from(happens), "{kind:?}");
        let again = fixture.invite(LINKEDIN, PERSON, None).await;
        if happens {
            assert_eq!(again, refused("already_invited_recently"), "{kind:?}");
        } else {
            again.expect("nothing happened before");
        }
        assert_eq!(fixture.effects(EffectKind::Invite), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn wrong_calls_are_refused_as_unipile_refuses_them() {
    let fixture = calm().await;
    for (path, kind) in [
        ("users/sim-x-y-1", "missing_parameters"),
        ("users/sim-x-y-1?account_id=acc_none", "resource_not_found"),
        ("users/sim-x-y-1?account_id=acc_mail_1", "invalid_account"),
        ("users/ada-lind?account_id=acc_li_1", "invalid_resource_identifier"),
        ("users/ACoAAowner0002?account_id=acc_li_1", "invalid_resource_identifier"),
        ("accounts?limit=251", "limit_too_high"),
        ("accounts?limit=none", "invalid_parameters"),
        ("accounts?cursor=none", "invalid_parameters"),
        ("users/invite/sent?account_id=acc_li_1&limit=101", "limit_too_high"),
        ("messages?account_id=acc_li_1&after=yesterday", "invalid_parameters"),
        ("chats/cht_none/messages", "resource_not_found"),
        ("nothing", "resource_not_found"),
    ] {
        let (_, body) = sent(fixture.get(&format!("/unipile/api/v1/{path}"))).await;
        assert_eq!(body["type"], format!("errors/{kind}"), "{path}");
    }
    let another = fixture.provider_id("acc_li_2", PERSON).await;
    let body = json!({"account_id": LINKEDIN, "provider_id": another});
    let (_, body) = sent(fixture.post("/unipile/api/v1/users/invite", &body)).await;
    assert_eq!(body["type"], "errors/invalid_recipient");
}
