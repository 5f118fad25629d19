//! Each activity again, at every point where it may have been cut off: nobody is contacted a second time.

use super::errors::{CAMPAIGNS, start};
use super::world::{HOUR_MS, Lead, World, input};
use crate::store::testing::each_backend;
use futures::FutureExt;
use leadflow_sandbox::{FaultKind, FaultRule, Provider, UnipileOptions};
use leadflow_workflows::contract::{AdviceNext, EnrollmentRef};
use leadflow_workflows::domain::outreach::{Hold, TouchState};
use std::time::Duration;

/// The calls by which somebody is contacted.
const CONTACTS: [&str; 6] = ["visit_profile", "send_invite", "start_chat", "send_message", "send_inmail", "send_email"];

fn contacts(world: &World) -> usize {
    CONTACTS.iter().map(|operation| world.calls(operation)).sum()
}

/// A person whose contact of this kind is due.
async fn due(world: &World, campaign: &str, lead: &Lead) -> EnrollmentRef {
    if campaign != "email" && campaign != "visit" {
        world.see(lead, campaign == "message").await;
    }
    let enrollment = world.enroll(campaign, lead).await;
    world.make_due(&enrollment).await;
    enrollment
}

/// Of the people with these numbers, the first who takes InMail.
async fn takes_inmail(world: &World, numbers: std::ops::Range<usize>) -> usize {
    use crate::senders::Sender;
    for number in numbers {
        let person = &world.lead(number).public_id;
        if world.unipile().profile(super::world::LINKEDIN, person).await.unwrap().can_send_inmail {
            return number;
        }
    }
    panic!("none of them takes InMail");
}

fn rule(kind: FaultKind) -> Vec<FaultRule> {
    vec![FaultRule { operation: None, ..FaultRule::new(Provider::Unipile, kind) }]
}

#[tokio::test]
async fn a_step_that_is_sent_is_not_called_again() {
    each_backend(async |store| {
        let world = start(&store, 40).await;
        for (number, (campaign, _)) in CAMPAIGNS.into_iter().enumerate() {
            let number = if campaign == "inmail" { takes_inmail(&world, 10..40).await } else { number };
            let enrollment = due(&world, campaign, world.lead(number)).await;
            world.touch(&enrollment).await;
            assert_eq!(world.stored_touch(&enrollment).await.state, TouchState::Sent, "{campaign}");
            let (calls, touches) =
                (world.calls(""), world.store.touches("default", enrollment.enrollment_id.as_str()).await);
            for _ in 0..2 {
                let (first, second) = tokio::join!(world.touch(&enrollment), world.touch(&enrollment));
                let advised = world.work.advance(&enrollment).await.unwrap();
                let ends = [first, second, advised].map(|advice| matches!(advice.next, AdviceNext::Done));
                assert!(ends.iter().all(|end| *end == ends[0]), "{campaign}: {ends:?}");
            }
            assert_eq!(world.calls(""), calls, "{campaign}");
            let again = world.store.touches("default", enrollment.enrollment_id.as_str()).await;
            assert_eq!(again.unwrap(), touches.unwrap(), "{campaign}");
            assert_eq!(world.effects(world.lead(number)).len(), 1, "{campaign}");
        }
    })
    .await;
}

#[tokio::test]
async fn advancing_again_moves_nothing() {
    each_backend(async |store| {
        let world = start(&store, 5).await;
        for (number, (campaign, _)) in CAMPAIGNS.into_iter().enumerate() {
            let lead = world.lead(number);
            world.see(lead, campaign == "message").await;
            let enrollment = world.enroll(campaign, lead).await;
            let planned = || async {
                let advice = world.work.advance(&enrollment).await.unwrap();
                let AdviceNext::Touch { at_ms, .. } = advice.next else { panic!("{campaign}: {advice:?}") };
                let touch = world.stored_touch(&enrollment).await;
                assert_eq!((touch.state, touch.planned_at_ms), (TouchState::Planned, Some(at_ms)), "{campaign}");
                (touch.id, at_ms)
            };
            let first = planned().await;
            assert_eq!((planned().await, planned().await), (first.clone(), first), "{campaign}");
            // Before its time nothing is called.
            let contacted = contacts(&world);
            world.touch(&enrollment).await;
            assert_eq!(contacts(&world), contacted, "{campaign}");
        }
    })
    .await;
}

/// What became of an invitation is asked for within the account's limits of profile views.
#[tokio::test]
async fn asking_after_an_invitation_counts_as_a_look() {
    each_backend(async |store| {
        let world = start(&store, 1).await;
        let enrollment = due(&world, "invite", world.lead(0)).await;
        world.strike(rule(FaultKind::TimeoutBefore));
        world.touch(&enrollment).await;
        world.mend().await;
        world.age_call(&enrollment).await;
        let views = |from: u32, to: u32| {
            format!(
                "UPDATE accounts SET settings = \
                 REPLACE(settings, '\"visit_profile\":{{\"per_day\":{from},', '\"visit_profile\":{{\"per_day\":{to},')"
            )
        };
        world.run(&views(100_000, 0)).await;
        let calls = world.calls("");
        world.touch(&enrollment).await;
        assert_eq!(world.calls(""), calls, "the account may look at nobody");
        let touch = world.stored_touch(&enrollment).await;
        assert_eq!((touch.state, touch.settled_by), (TouchState::Unknown, None));
        assert!(touch.not_before_ms.is_some_and(|at_ms| at_ms > world.clock.now_ms()));

        world.run(&views(0, 100_000)).await;
        world.run("UPDATE touches SET not_before_ms = NULL").await;
        world.touch(&enrollment).await;
        let touch = world.stored_touch(&enrollment).await;
        assert_eq!((touch.state, touch.calls), (TouchState::Sent, 2));
        let touches = world.store.touches("default", enrollment.enrollment_id.as_str()).await.unwrap();
        assert_eq!(touches.iter().filter(|touch| touch.settled_by.as_deref() == Some("look")).count(), 1);
    })
    .await;
}

/// Of several attempts at once, one makes the call.
#[tokio::test]
async fn attempts_at_the_same_time_make_one_call() {
    each_backend(async |store| {
        let world = start(&store, 5).await;
        for (number, campaign) in ["visit", "invite", "message", "email"].into_iter().enumerate() {
            let enrollment = due(&world, campaign, world.lead(number)).await;
            let workers = [0; 4].map(|_| world.worker(std::sync::Arc::new(world.unipile())));
            let input = input(&enrollment);
            futures::future::join_all(workers.iter().map(|worker| worker.touch(&input))).await;
            assert_eq!(world.effects(world.lead(number)).len(), 1, "{campaign}");
            assert_eq!(world.stored_touch(&enrollment).await.calls, 1, "{campaign}");
        }
    })
    .await;
}

/// Whoever finds the claim of a lost attempt calls nobody while that call may be on its way; then it asks.
#[tokio::test]
async fn a_claim_of_another_attempt_is_left_alone_until_its_call_has_ended() {
    each_backend(async |store| {
        let world = start(&store, 20).await;
        let lost = [(FaultKind::TimeoutAfter, true), (FaultKind::TimeoutBefore, false)];
        let cases = lost.into_iter().flat_map(|lost| ["invite", "message", "email"].map(|campaign| (campaign, lost)));
        for (number, (campaign, (fault, was_made))) in cases.enumerate() {
            let case = format!("{campaign}, {fault:?}");
            let lead = world.lead(number);
            let enrollment = due(&world, campaign, lead).await;
            let before = contacts(&world);
            world.strike(rule(fault));
            // The attempt is dropped in the middle of its call.
            let attempt = input(&enrollment);
            let mut attempt = world.work.touch(&attempt).boxed();
            while contacts(&world) == before {
                let _ = tokio::time::timeout(Duration::from_millis(5), &mut attempt).await;
            }
            drop(attempt);
            world.mend().await;
            assert_eq!(world.stored_touch(&enrollment).await.state, TouchState::Calling, "{case}");

            let calls = world.calls("");
            let advice = world.touch(&enrollment).await;
            let AdviceNext::Touch { at_ms, hold: Some(Hold::OutcomeUnknown { .. }), .. } = advice.next else {
                panic!("{case}: {advice:?}");
            };
            let touch = world.stored_touch(&enrollment).await;
            assert!(at_ms > touch.call_deadline_ms.unwrap(), "{case}: asked before it can have ended");
            assert_eq!((world.calls(""), touch.state), (calls, TouchState::Calling), "{case}");

            world.age_call(&enrollment).await;
            world.touch(&enrollment).await;
            let touch = world.stored_touch(&enrollment).await;
            let expected = match (was_made, campaign) {
                (true, _) => (TouchState::Sent, Some("found"), 1, 1),
                (false, "message") => (TouchState::Unknown, Some("absent"), 1, 0),
                (false, _) => (TouchState::Sent, Some("answered"), 2, 1),
            };
            let found = (touch.state, touch.settled_by.as_deref(), touch.calls, world.effects(lead).len());
            assert_eq!(found, expected, "{case}");
        }
    })
    .await;
}

/// What was done shows late, so each of these is asked about in vain.
#[tokio::test]
async fn a_repeat_is_one_the_provider_keeps_single() {
    each_backend(async |store| {
        let world = start(&store, 3).await;
        world.sandbox.set_unipile_options(UnipileOptions {
            accept_permille: 0,
            decline_permille: 0,
            reply_permille: 0,
            bounce_permille: 0,
            reject_permille: 0,
            complaint_permille: 0,
            list_lag_ms: 6 * HOUR_MS,
            ..UnipileOptions::default()
        });
        for (number, (campaign, expected)) in [
            ("email", (TouchState::Sent, Some("answered"), 2)),
            // That the second is refused proves the first.
            ("invite", (TouchState::Sent, Some("already_invited_recently"), 2)),
            ("message", (TouchState::Unknown, Some("absent"), 1)),
        ]
        .into_iter()
        .enumerate()
        {
            let lead = world.lead(number);
            let enrollment = due(&world, campaign, lead).await;
            world.strike(rule(FaultKind::StatusAfter));
            world.touch(&enrollment).await;
            world.mend().await;
            world.age_call(&enrollment).await;
            world.touch(&enrollment).await;
            world.touch(&enrollment).await;
            let touch = world.stored_touch(&enrollment).await;
            assert_eq!((touch.state, touch.settled_by.as_deref(), touch.calls), expected, "{campaign}");
            assert_eq!(world.effects(lead).len(), 1, "{campaign}");
            if campaign == "email" {
                let keys: Vec<_> = world.effects(lead).into_iter().map(|entry| entry.effect.idempotency_key).collect();
                assert_eq!(keys, [Some(touch.id)]);
            }
        }
    })
    .await;
}

/// An invitation is repeated once, an email while its key is remembered, a message never.
#[tokio::test]
async fn repeats_have_an_end() {
    each_backend(async |store| {
        let world = start(&store, 4).await;
        for (number, (campaign, operation, hours, calls)) in [
            ("invite", "send_invite", 1, 2),
            ("message", "start_chat", 1, 1),
            ("email", "send_email", 1, 5),
            ("email", "send_email", 12, 1),
        ]
        .into_iter()
        .enumerate()
        {
            let enrollment = due(&world, campaign, world.lead(number)).await;
            let before = world.calls(operation);
            for _ in 0..5 {
                world.strike(vec![FaultRule {
                    operation: Some(operation.into()),
                    ..FaultRule::new(Provider::Unipile, FaultKind::Status)
                }]);
                world.touch(&enrollment).await;
                world.mend().await;
                for _ in 0..hours {
                    world.age_call(&enrollment).await;
                }
            }
            assert_eq!(world.calls(operation) - before, calls, "{campaign} after {hours} h");
            assert_eq!(world.effects(world.lead(number)), [], "{campaign}");
            assert_eq!(world.stored_touch(&enrollment).await.state, TouchState::Unknown, "{campaign}");
        }
    })
    .await;
}

/// A claim waited long for its locks: by now others may act as if its call had begun and ended.
#[tokio::test]
async fn an_attempt_that_stalls_before_its_call_does_not_make_it() {
    each_backend(async |store| {
        let world = start(&store, 2).await;
        for (number, campaign) in ["invite", "email"].into_iter().enumerate() {
            let enrollment = due(&world, campaign, world.lead(number)).await;
            let person = world.lead(number).person_id.clone();
            let stall = Duration::from_millis(super::errors::CALL_MS);
            let (held, mut is_held) = tokio::sync::mpsc::unbounded_channel();
            let locks = store.write(|transaction| {
                let (held, person) = (held.clone(), person.clone());
                let for_update = store.for_update();
                async move {
                    crate::store::enrollments::lock_person(transaction, for_update, "default", &person).await?;
                    held.send(()).expect("somebody waits for it");
                    tokio::time::sleep(stall).await;
                    Ok(())
                }
                .boxed()
            });
            let touches = async {
                is_held.recv().await;
                world.touch(&enrollment).await
            };
            let (locked, _) = tokio::join!(locks, touches);
            locked.unwrap();
            assert_eq!(world.effects(world.lead(number)), [], "{campaign}");
            let touch = world.stored_touch(&enrollment).await;
            assert_eq!((touch.calls, touch.deferred_by.as_deref()), (0, Some("began_too_late")), "{campaign}");
        }
    })
    .await;
}
