//! What changes between the plan of a contact and its call.

use super::errors::start;
use super::world::{DAY_MS, LINKEDIN, MAILBOX, World};
use crate::store::testing::each_backend;
use crate::store::touches::Claimed;
use futures::FutureExt;
use leadflow_sandbox::{FaultKind, FaultRule, Provider};
use leadflow_workflows::contract::{Advice, AdviceNext, EnrollmentRef};
use leadflow_workflows::domain::outreach::{Action, Hold, TouchState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What keeps the next contact back, and until when it is put off.
fn held(advice: &Advice) -> (Option<Hold>, i64) {
    match &advice.next {
        AdviceNext::Touch { hold, at_ms, .. } => (hold.clone(), *at_ms),
        AdviceNext::Wait { hold, at_ms, .. } => (Some(hold.clone()), *at_ms),
        AdviceNext::Done => panic!("{advice:?}"),
    }
}

async fn due(world: &World, campaign: &str) -> EnrollmentRef {
    let lead = world.lead(0);
    world.see(lead, false).await;
    let enrollment = world.enroll(campaign, lead).await;
    world.make_due(&enrollment).await;
    enrollment
}

/// A touch of another campaign that was sent at an instant; the action with whether it is a live invitation.
async fn another_touch(world: &World, (person, account): (&str, &str), (action, is_live): (&str, u8), at_ms: i64) {
    world
        .run(&format!(
            "INSERT INTO touches (id, tenant, campaign_id, enrollment_id, person_id, account_id, step_id, action, has_note, \
             state, called_at_ms, call_deadline_ms, calls, settled_at_ms, is_live_invite, created_at_ms) \
             VALUES ('other', 'default', 'other', 'other', '{person}', '{account}', 'other', '{action}', 0, 'sent', {at_ms}, \
             {at_ms}, 1, {at_ms}, {is_live}, {at_ms})"
        ))
        .await;
}

/// Another version may do something else under the id of a step.
#[tokio::test]
async fn a_step_is_made_as_the_enrollments_version_has_it() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let enrollment = due(&world, "visit").await;
        let planned = world.stored_touch(&enrollment).await;
        assert_eq!((planned.action, planned.account_id.as_str()), (Action::VisitProfile, LINKEDIN));
        let email = world.store.campaign("default", "email").await.unwrap().unwrap().sequence_id;
        world.run(&format!("UPDATE enrollments SET sequence_id = '{email}'")).await;
        world.make_due(&enrollment).await;
        world.touch(&enrollment).await;
        let made = world.stored_touch(&enrollment).await;
        assert_eq!((made.action, made.state, made.account_id.as_str()), (Action::Email, TouchState::Sent, MAILBOX));
        assert_eq!((world.calls("send_email"), world.calls("visit_profile")), (1, 0));
        assert_eq!(made.id, planned.id, "the step has one touch in all versions");
    })
    .await;
}

#[tokio::test]
async fn an_account_of_another_installation_contacts_nobody() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let enrollment = due(&world, "email").await;
        world.run("UPDATE accounts SET source = 'import'").await;
        for advice in [world.touch(&enrollment).await, world.work.advance(&enrollment).await.unwrap()] {
            let (hold, _) = held(&advice);
            assert!(matches!(hold, Some(Hold::AccountHeld { .. })), "{hold:?}");
        }
        assert_eq!(world.calls("send_email"), 0);
    })
    .await;
}

#[tokio::test]
async fn what_puts_off_a_contact_puts_off_its_repeat() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let enrollment = due(&world, "email").await;
        world.strike(vec![FaultRule {
            operation: Some("send_email".into()),
            ..FaultRule::new(Provider::Unipile, FaultKind::TimeoutBefore)
        }]);
        world.touch(&enrollment).await;
        world.mend().await;
        world.age_call(&enrollment).await;
        let until_ms = world.clock.now_ms() + DAY_MS / 4;
        world.run(&format!("UPDATE accounts SET deferred_until_ms = {until_ms}")).await;
        world.touch(&enrollment).await;
        assert_eq!(world.stored_touch(&enrollment).await.state, TouchState::Unknown);
        assert_eq!(world.calls("send_email"), 1, "only the first call");
        assert!(held(&world.work.advance(&enrollment).await.unwrap()).1 >= until_ms);
        world.run("UPDATE accounts SET deferred_until_ms = NULL").await;
        world.touch(&enrollment).await;
        assert_eq!(world.stored_touch(&enrollment).await.state, TouchState::Sent);
        assert_eq!((world.calls("send_email"), world.effects(world.lead(0)).len()), (2, 1));
    })
    .await;
}

#[tokio::test]
async fn a_pending_invitation_of_another_holds_for_two_weeks() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let enrollment = due(&world, "invite").await;
        // Pending since another campaign.
        another_touch(&world, (&world.lead(0).person_id, "other"), ("invite", 1), 1).await;
        let (hold, at_ms) = held(&world.touch(&enrollment).await);
        assert_eq!(hold, Some(Hold::OtherContact));
        assert!(at_ms >= world.clock.now_ms() + DAY_MS / 2, "asked again tomorrow");
        world.run(&format!("UPDATE enrollments SET started_at_ms = started_at_ms - {}", 15 * DAY_MS)).await;
        world.make_due(&enrollment).await;
        world.touch(&enrollment).await;
        let touch = world.stored_touch(&enrollment).await;
        assert_eq!(
            (touch.state, touch.settled_by.as_deref()),
            (TouchState::Refused, Some("invited_by_another_account"))
        );
        assert_eq!(world.calls("send_invite"), 0);
    })
    .await;
}

/// A refusal says nothing about the provider, so it ends no row of failures.
#[tokio::test]
async fn a_refusal_does_not_count_for_the_breaker() {
    each_backend(async |store| {
        let world = start(&store, 2).await;
        let failures = async || -> i64 {
            sqlx::query_scalar("SELECT failures FROM breakers WHERE provider = 'unipile'")
                .fetch_one(store.read())
                .await
                .unwrap()
        };
        world.run("UPDATE breakers SET failures = 4 WHERE provider = 'unipile'").await;
        let rule = FaultRule::new(Provider::Unipile, FaultKind::Status);
        let refused = FaultRule { error_type: Some("invalid_headers".into()), times: Some(1), ..rule };
        for (number, rule, expected) in [(0, vec![refused], 4), (1, vec![], 0)] {
            let enrollment = world.enroll("email", world.lead(number)).await;
            world.make_due(&enrollment).await;
            world.strike(rule);
            world.touch(&enrollment).await;
            assert_eq!(failures().await, expected);
        }
        assert_eq!(world.calls("send_email"), 2);
    })
    .await;
}

/// What is advised comes into a history, which no erasure reaches.
#[tokio::test]
async fn why_a_person_holds_a_lead_stays_in_the_store() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let enrollment = due(&world, "email").await;
        let why = "on parental leave until May";
        let changed = store.hold_person("default", &world.lead(0).person_id, Some(why)).await.unwrap();
        assert_eq!(changed, [enrollment.enrollment_id.as_str()]);
        for advice in [world.touch(&enrollment).await, world.work.advance(&enrollment).await.unwrap()] {
            assert_eq!(held(&advice).0, Some(Hold::EnrollmentPaused));
        }
        assert_eq!(world.calls("send_email"), 0);
        assert_eq!(world.enrollment(&enrollment).await.paused.as_deref(), Some(why));
    })
    .await;
}

/// What a clock that was set back puts into the future has been done all the same.
#[tokio::test]
async fn a_clock_that_is_set_back_gives_no_quota_back() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let enrollment = due(&world, "visit").await;
        world.run("UPDATE accounts SET settings = REPLACE(settings, '\"per_day\":100000', '\"per_day\":1')").await;
        let later_ms = world.clock.now_ms() + DAY_MS / 8;
        another_touch(&world, ("", LINKEDIN), ("visit_profile", 0), later_ms).await;
        let (hold, _) = held(&world.touch(&enrollment).await);
        assert!(matches!(hold, Some(Hold::DailyLimit { .. })), "{hold:?}");
        assert_eq!(world.calls("visit_profile"), 0);
    })
    .await;
}

/// A claim that is not committed yet shows to nobody, so whoever pauses or stops its campaign waits for it.
#[tokio::test]
async fn a_campaign_stays_as_a_claim_saw_it_until_that_is_committed() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let enrollment = due(&world, "email").await;
        let background = world.work.background(&enrollment).await.unwrap();
        for is_stop in [false, true] {
            let is_decided = AtomicBool::new(false);
            let (seen, mut is_seen) = tokio::sync::mpsc::unbounded_channel();
            let claim = store.write(|transaction| {
                let (seen, work, is_decided) = (seen.clone(), &world.work, &is_decided);
                let (background, enrollment) = (&background, &enrollment);
                async move {
                    let situation = work.situation(transaction, background, enrollment).await?;
                    assert_eq!(situation.campaign_state, "running");
                    seen.send(()).expect("somebody waits for it");
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    is_decided.store(true, Ordering::SeqCst);
                    Ok(())
                }
                .boxed()
            });
            let change = async {
                is_seen.recv().await;
                if is_stop {
                    store.stop_campaign("default", "email", "by hand", world.clock.now_ms()).await.unwrap().unwrap();
                } else {
                    assert!(store.pause_campaign("default", "email").await.unwrap());
                }
                assert!(is_decided.load(Ordering::SeqCst), "answered before the claim");
            };
            let (claimed, ()) = tokio::join!(claim, change);
            claimed.unwrap();
            store.resume_campaign("default", "email").await.unwrap();
        }
        assert!(!world.enrollment(&enrollment).await.is_open);
    })
    .await;
}

/// Whoever stops or pauses something is answered once no contact begins any more.
#[tokio::test]
async fn a_stop_is_answered_after_the_calls_that_were_claimed_before_it() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let enrollment = due(&world, "email").await;
        let id = enrollment.enrollment_id.as_str().to_owned();
        let ids = [id];
        world.run(&format!("UPDATE touches SET state = 'calling', call_begin_by_ms = {}", i64::MAX / 4)).await;
        // Were these waited for, it would be for ever.
        world.store.until_begun(world.clock, "default", Claimed::Campaign("other")).await.unwrap();
        world.store.until_begun(world.clock, "default", Claimed::Enrollments(&[])).await.unwrap();
        for claimed in [Claimed::Campaign("email"), Claimed::Account(MAILBOX), Claimed::Enrollments(&ids)] {
            let begin_by_ms = world.clock.now_ms() + 300;
            world.run(&format!("UPDATE touches SET call_begin_by_ms = {begin_by_ms}")).await;
            world.store.until_begun(world.clock, "default", claimed).await.unwrap();
            assert!(world.clock.now_ms() >= begin_by_ms, "{claimed:?}");
        }
    })
    .await;
}

/// What ends colleagues when a reply comes does not reach those whose turn has not come.
#[tokio::test]
async fn a_reply_of_a_colleague_counts_from_the_campaigns_beginning() {
    each_backend(async |store| {
        let world = start(&store, 2).await;
        let now_ms = world.clock.now_ms();
        world
            .run(&format!(
                "UPDATE campaigns SET created_at_ms = {}, \
                 settings = REPLACE(settings, '\"stop_company\":false', '\"stop_company\":true')",
                now_ms - DAY_MS
            ))
            .await;
        world.run("UPDATE leads SET business_id = (SELECT MIN(business_id) FROM leads)").await;
        let replied = async |id: &str, at_ms: i64| {
            world
                .run(&format!(
                    "INSERT INTO replies (id, tenant, person_id, account_id, channel, kind, provider_message_id, text, at_ms, \
                     received_at_ms) VALUES ('{id}', 'default', '{}', '{MAILBOX}', 'email', 'reply', '{id}', '', {at_ms}, {at_ms})",
                    world.lead(1).person_id
                ))
                .await;
        };
        replied("before", now_ms - 2 * DAY_MS).await;
        let enrollment = due(&world, "email").await;
        assert!(world.enrollment(&enrollment).await.is_open, "that was before the campaign");
        replied("meanwhile", now_ms - DAY_MS / 2).await;
        assert!(matches!(world.touch(&enrollment).await.next, AdviceNext::Done));
        let ended = world.enrollment(&enrollment).await;
        assert!(ended.started_at_ms > now_ms - DAY_MS / 2, "the enrollment began after the reply");
        assert_eq!(ended.cause, "someone at the same company has replied");
        assert_eq!(world.calls("send_email"), 0);
    })
    .await;
}
