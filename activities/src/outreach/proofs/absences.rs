//! Whoever is away is left alone until they are back, whatever was planned for them.

use super::errors::start;
use super::world::{DAY_MS, MAILBOX, World};
use crate::outreach::events::receive;
use crate::store::testing::each_backend;
use jiff::Timestamp;
use leadflow_workflows::contract::{Advice, AdviceNext, EnrollmentRef};
use leadflow_workflows::domain::outreach::{Hold, TouchState};
use serde_json::json;

/// Instant and hold of the contact that comes next.
fn planned(advice: &Advice) -> (i64, Option<Hold>) {
    match &advice.next {
        AdviceNext::Touch { at_ms, hold, .. } => (*at_ms, hold.clone()),
        other => panic!("{other:?}"),
    }
}

async fn note(world: &World, id: &str, from: &str, text: &str) {
    let now = Timestamp::from_millisecond(world.clock.now_ms()).unwrap().to_string();
    let body = json!({
        "event": "mail_received", "email_id": id, "account_id": MAILBOX, "date": now, "from_attendee": { "identifier": from },
        "subject": "Automatic reply: An idea", "body_plain": text,
    });
    receive(&world.store, world.clock, "default", body.to_string().as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_planned_contact_moves_behind_the_absence_on_every_channel() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let lead = world.lead(0);
        let mut enrollments: Vec<EnrollmentRef> = Vec::new();
        for campaign in ["email", "visit"] {
            enrollments.push(world.enroll(campaign, lead).await);
        }
        let back_ms = (world.clock.now_ms() / DAY_MS + 3) * DAY_MS;
        for enrollment in &enrollments {
            let (at_ms, hold) = planned(&world.work.advance(enrollment).await.unwrap());
            assert!(at_ms < back_ms && !matches!(hold, Some(Hold::Absent { .. })), "{hold:?}");
            assert_eq!(world.stored_touch(enrollment).await.state, TouchState::Planned);
        }
        let back = Timestamp::from_millisecond(back_ms).unwrap().strftime("%F").to_string();
        note(&world, "eml_1", &lead.email, &format!("I am on vacation and back on {back}.")).await;
        for enrollment in &enrollments {
            let (at_ms, hold) = planned(&world.work.advance(enrollment).await.unwrap());
            assert!(at_ms >= back_ms, "{at_ms} is before {back_ms}");
            assert_eq!(hold, Some(Hold::Absent { until_ms: back_ms }));
            // Asked again it stays, and says the same.
            let (again_ms, hold) = planned(&world.touch(enrollment).await);
            assert_eq!((again_ms, hold), (at_ms, Some(Hold::Absent { until_ms: back_ms })));
            assert_eq!(world.stored_touch(enrollment).await.planned_at_ms, Some(at_ms));
        }
        assert!(world.effects(lead).is_empty(), "nobody who is away was contacted");
    })
    .await;
}

/// The places are planned at most a week ahead.
#[tokio::test]
async fn a_long_absence_is_waited_for_without_a_place() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let lead = world.lead(0);
        let enrollment = world.enroll("email", lead).await;
        world.make_due(&enrollment).await;
        note(&world, "eml_1", &lead.email, "I am on parental leave and back in two years: 1 January 2029.").await;
        let advice = world.touch(&enrollment).await;
        let AdviceNext::Wait { hold: Hold::Absent { until_ms }, at_ms, .. } = advice.next else { panic!("{advice:?}") };
        let now_ms = world.clock.now_ms();
        assert!((59 * DAY_MS..=61 * DAY_MS).contains(&(until_ms - now_ms)), "{until_ms}");
        assert!(at_ms > now_ms && at_ms <= until_ms, "it looks by itself before");
        assert!(world.effects(lead).is_empty(), "what was due a moment ago is not sent");
    })
    .await;
}
