//! Answers that contradict what is known of a person: the profile is read again, once, and decides.

use super::errors::start;
use super::world::LINKEDIN;
use crate::senders::{SendRequest, Sender};
use crate::store::testing::each_backend;
use leadflow_sandbox::{FaultKind, FaultRule, Provider};
use leadflow_workflows::contract::{AdviceNext, TouchInput};
use leadflow_workflows::domain::outreach::{EnrollmentState, TouchState};

#[tokio::test]
async fn an_invitation_that_is_pending_already_counts_as_sent() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let lead = world.lead(0);
        world.see(lead, false).await;
        let person_provider_id = world.unipile().profile(LINKEDIN, &lead.public_id).await.unwrap().provider_id;
        let by_hand = SendRequest::Invite { person_provider_id, note: None };
        world.unipile().send(LINKEDIN, &by_hand, "by hand").await.unwrap();
        let enrollment = world.enroll("invite", lead).await;
        world.make_due(&enrollment).await;
        world.touch(&enrollment).await;
        assert_eq!(world.stored_touch(&enrollment).await.deferred_by.as_deref(), Some("already_invited_recently"));
        world.make_due(&enrollment).await;
        let advice = world.touch(&enrollment).await;
        let touch = world.stored_touch(&enrollment).await;
        assert_eq!((touch.state, touch.settled_by.as_deref()), (TouchState::Sent, Some("pending_already")));
        assert!(matches!(&advice.next, AdviceNext::Wait { step, .. } if step == "accepted"), "{advice:?}");
        assert_eq!(world.effects(lead).len(), 1, "the one by hand");
    })
    .await;
}

/// The provider says of a person that they are a connection, and refuses the message because they are none.
#[tokio::test]
async fn a_connection_that_is_none_is_invited_once() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let lead = world.lead(0);
        world
            .start_campaign(
                "thanks",
                "[[step]]\nid = \"hello\"\ninvite = \"Hi\"\n[[step]]\nid = \"accepted\"\n\
                 wait_for_connection = { timeout = \"30d\" }\n[[step]]\nid = \"touch\"\nmessage = \"Thanks\"",
            )
            .await;
        world.see(lead, true).await;
        let enrollment = world.enroll("thanks", lead).await;
        world.make_due(&enrollment).await;
        let refusal = FaultRule::new(Provider::Unipile, FaultKind::Status);
        let refusal = FaultRule { error_type: Some("no_connection_with_recipient".to_owned()), ..refusal };
        world.strike(vec![refusal.clone()]);
        let advice = world.touch(&enrollment).await;
        assert!(matches!(&advice.next, AdviceNext::Touch { step, .. } if step == "hello"), "{advice:?}");
        assert_eq!(advice.state, EnrollmentState::Scheduled);
        world.mend().await;
        world.make_due(&enrollment).await;
        let hello = TouchInput { enrollment: enrollment.clone(), step: "hello".into() };
        let advice = world.work.touch(&hello).await.unwrap();
        assert!(matches!(&advice.next, AdviceNext::Touch { step, .. } if step == "touch"), "{advice:?}");
        world.make_due(&enrollment).await;
        world.strike(vec![refusal]);
        let advice = world.touch(&enrollment).await;
        assert!(matches!(advice.next, AdviceNext::Done), "{advice:?}");
        let ended = world.enrollment(&enrollment).await;
        assert_eq!((ended.state, ended.cause.as_str()), (EnrollmentState::Failed, "no_connection_with_recipient"));
        assert_eq!(world.effects(lead), []);
    })
    .await;
}
