//! The way out that stands in every email: in its headers and at its end, the same for a repeat, and one that works.

use super::errors::start;
use super::world::{MAILBOX, PUBLIC_URL, World};
use crate::config::SANDBOX_KEY;
use crate::outreach::events::unsubscribe;
use crate::store::testing::each_backend;
use leadflow_sandbox::{FaultKind, FaultRule, Provider};
use leadflow_workflows::domain::outreach::{EnrollmentState, TouchState};
use serde_json::Value;

/// The only mail, with everything that the provider has of it.
async fn sent_mail(world: &World) -> Value {
    let url = format!("{}/unipile/api/v1/emails?account_id={MAILBOX}", world.sandbox.base_url());
    let answer = reqwest::Client::new().get(url).header("x-api-key", SANDBOX_KEY).send().await.unwrap();
    let mut list: Value = answer.json().await.unwrap();
    let mails = list["items"].as_array_mut().unwrap();
    assert_eq!(mails.len(), 1);
    mails.remove(0)
}

#[tokio::test]
async fn an_email_has_a_link_out_in_headers_and_footer_and_it_works() {
    each_backend(async |store| {
        let world = start(&store, 3).await;
        let lead = world.lead(0);
        let enrollment = world.enroll("email", lead).await;
        world.make_due(&enrollment).await;
        // The mail goes out, its answer is lost, and the same bytes are sent once more.
        world.strike(vec![FaultRule {
            operation: Some("send_email".into()),
            times: Some(1),
            ..FaultRule::new(Provider::Unipile, FaultKind::TimeoutAfter)
        }]);
        world.touch(&enrollment).await;
        world.age_call(&enrollment).await;
        world.strike(Vec::new());
        world.touch(&enrollment).await;
        assert_eq!(world.stored_touch(&enrollment).await.state, TouchState::Sent);
        assert_eq!(world.effects(lead).len(), 1, "one mail");

        let request = world.stored_touch(&enrollment).await.request.unwrap_or_default();
        let mail = sent_mail(&world).await;
        let headers = mail["headers"].as_array().unwrap();
        let header =
            |name: &str| headers.iter().find(|header| header["name"] == name).unwrap()["value"].as_str().unwrap();
        assert_eq!(header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
        let ways = header("List-Unsubscribe");
        let (link, by_mail) = ways.split_once(", ").unwrap();
        assert_eq!(by_mail, "<mailto:owner1@senders.example?subject=STOP>");
        let url = link.trim_matches(['<', '>']);
        assert!(mail["body"].as_str().unwrap().contains(url), "the footer has it, too");
        assert!(request.contains(url), "a repeat has the same");
        let token = url.strip_prefix(&format!("{PUBLIC_URL}/u/")).unwrap();
        assert_eq!(token.len(), 43, "256 bits");
        assert!(!ways.contains(&lead.email) && !token.contains(&lead.person_id));
        let kept = sqlx::query_scalar("SELECT token_hash FROM unsubscribe_links").fetch_one(store.read());
        let kept: String = kept.await.unwrap();
        assert_ne!(kept, token, "who reads the store cannot unsubscribe anybody");

        assert_eq!(unsubscribe(&store, world.clock, "x").await.unwrap(), None);
        let open = world.enroll("message", lead).await;
        let received = unsubscribe(&store, world.clock, token).await.unwrap().unwrap();
        assert_eq!(received.tell, [format!("enrollment/{}", open.enrollment_id.as_str())]);
        assert_eq!(world.enrollment(&open).await.state, EnrollmentState::OptedOut);
        assert!(world.suppressed(lead).await.is_some());
    })
    .await;
}
