//! One person, found by a search and brought along in a file, in two campaigns with accounts of their own.

use crate::{alone, setup};
use anyhow::{Context, ensure};
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_activities::store::leads::Lead;
use leadflow_activities::store::touches::Touch;
use leadflow_sandbox::{EffectKind, UnipileOptions, WebhookOptions};
use leadflow_tests::field::{HOUR_MS, KnownPerson, account_settings, campaign_settings};
use leadflow_tests::lab::{Lab, brief};
use leadflow_workflows::domain::brief::{Brief, Want};
use leadflow_workflows::domain::ids::CampaignId;
use leadflow_workflows::domain::outreach::{Action, Channel, EnrollmentState, TouchState};
use std::collections::BTreeSet;

const FOUND: u32 = 10;
const IN_BOTH: usize = 5;

/// Both have the same steps and other words.
fn sequence(name: &str) -> String {
    format!(
        r#"
name = "{name}"
stop_on = ["reply", "opt_out", "bounce"]
[[step]]
invite = "{name}: hello {{{{ lead.first_name }}}}."
[[step]]
wait_for_connection = {{ timeout = "3d" }}
[[step]]
after = "6h"
message = "{name}: thanks, {{{{ lead.first_name }}}}."
[[step]]
after = "1d"
subject = "{name}"
email = "{name}: good day, {{{{ lead.first_name }}}}."
[[step]]
after = "1d"
message = "{name}: one more thought, {{{{ lead.first_name }}}}."
"#
    )
}

/// Two ways to one person: what the search found, and what the file says.
struct Both {
    found: Lead,
    person_id: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_campaigns_take_turns_with_a_person_and_an_opt_out_ends_both() {
    let _alone = alone().await;
    let mut setup = setup(20_000.0);
    setup.sandbox.unipile = UnipileOptions {
        accept_permille: 1_000,
        decline_permille: 0,
        accept_delay_ms: (HOUR_MS, 6 * HOUR_MS),
        reply_permille: 0,
        bounce_permille: 0,
        reject_permille: 0,
        webhooks: WebhookOptions { relation_delay_ms: (0, 0), ..WebhookOptions::default() },
        ..UnipileOptions::default()
    };
    let lab = Lab::start(setup).await.unwrap();
    let search = lab.search(with_addresses()).await.unwrap();
    assert_eq!(lab.finished(&search).await.unwrap(), "completed");
    let (list, both) = bring_along(&lab, search.as_str()).await.unwrap();

    let mut accounts = Vec::new();
    for name in ["acc_li_1", "acc_mail_1", "acc_li_2", "acc_mail_2"] {
        let channel = if name.starts_with("acc_mail") { Channel::Email } else { Channel::Linkedin };
        accounts.push(lab.add_account(name, account_settings(channel)).await.unwrap());
    }
    let mut campaigns = Vec::new();
    for (name, leads, accounts) in [("found", search.as_str(), &accounts[..2]), ("brought", &list, &accounts[2..])] {
        let sequence = lab.add_sequence(&sequence(name)).await.unwrap();
        campaigns.push(lab.start_campaign(name, leads, &sequence, accounts, campaign_settings()).await.unwrap());
    }
    // One in each campaign if both have begun with some, each with another kind of account.
    let over_linkedin = opt_out(&lab, &both, &[]).await.unwrap();
    let over_mail = opt_out(&lab, &both, &[&over_linkedin]).await.unwrap();
    until_ended(&lab, &campaigns, &both).await.unwrap();

    let mut turns = 0;
    for person in &both {
        let enrollments = lab.stack.store.enrollments_of_person(lab.tenant(), &person.person_id).await.unwrap();
        take_turns(&lab, person, &enrollments).await.unwrap();
        let has_opted_out = [&over_linkedin, &over_mail].contains(&&person.person_id);
        if has_opted_out {
            is_left_alone(&lab, person, &enrollments).await.unwrap();
        } else {
            assert_eq!(enrollments.len(), 2, "{enrollments:#?}");
            assert!(enrollments.iter().all(|each| each.state == EnrollmentState::Completed), "{enrollments:#?}");
            turns += 1;
        }
    }
    assert_eq!(turns, IN_BOTH - 2);
    lab.stop().await.unwrap();
}

fn with_addresses() -> Brief {
    let brief = brief(Some(FOUND));
    Brief { want: Want { email: true, ..brief.want }, ..brief }
}

/// Imports some of the people whom the search found, and returns the list and who they are.
async fn bring_along(lab: &Lab, search: &str) -> anyhow::Result<(String, Vec<Both>)> {
    let key = leadflow_activities::store::leads::SearchKey { tenant: lab.tenant(), id: search };
    let found = lab.stack.store.ready_leads(key).await?;
    let found: Vec<Lead> = found.into_iter().filter(|lead| lead.email.is_some()).take(IN_BOTH).collect();
    ensure!(found.len() == IN_BOTH, "the search found only {} people with an address", found.len());
    let rows = found.iter().map(|lead| KnownPerson {
        first_name: lead.first_name.clone(),
        last_name: lead.last_name.clone(),
        title: "Whatever the file says".into(),
        company_name: lead.business.clone(),
        city: lead.city.clone(),
        country: "US".into(),
        timezone: "America/New_York".into(),
        linkedin_public_id: lead.linkedin_public_id.clone(),
        connection_degree: 2,
        email: lead.email.clone().unwrap_or_default(),
    });
    let list = lab.import("brought along", &rows.collect::<Vec<_>>()).await?;
    let key = leadflow_activities::store::leads::SearchKey { tenant: lab.tenant(), id: &list };
    let brought = lab.stack.store.ready_leads(key).await?;
    let people: BTreeSet<&str> = brought.iter().map(|lead| lead.person_id.as_str()).collect();
    ensure!(found.iter().all(|lead| people.contains(lead.person_id.as_str())), "somebody has become two persons");
    ensure!(brought.iter().all(|lead| found.iter().all(|other| other.id != lead.id)), "a lead is in both lists");
    Ok((list, found.into_iter().map(|found| Both { person_id: found.person_id.clone(), found }).collect()))
}

/// Somebody whom a campaign has written to, and who may still get more, asks to be removed: on LinkedIn if nobody did
/// so before, else by mail. Returns their person.
async fn opt_out(lab: &Lab, both: &[Both], before: &[&String]) -> anyhow::Result<String> {
    let kind = if before.is_empty() { EffectKind::Message } else { EffectKind::Email };
    let (person, account) = lab
        .until("somebody got a message", async || {
            one_at_a_time(lab, both).await?;
            for person in both.iter().filter(|person| !before.contains(&&person.person_id)) {
                let keys = [Some(&person.found.linkedin_public_id), person.found.email.as_ref()];
                let effects = lab.sandbox().effects();
                let got = effects.into_iter().rev().find(|entry| {
                    entry.effect.kind == kind
                        && keys.iter().flatten().any(|key| key.eq_ignore_ascii_case(&entry.effect.person))
                });
                let is_open = open(lab, person).await? == 1;
                if let Some(got) = got.filter(|_| is_open) {
                    return Ok(Some((got.effect.person, got.effect.account_id)));
                }
            }
            Ok(None)
        })
        .await?;
    lab.sandbox().unipile_reply(&account, &person, "Please remove me from your list.")?;
    let is_meant = |both: &&Both| {
        let keys = [Some(&both.found.linkedin_public_id), both.found.email.as_ref()];
        keys.into_iter().flatten().any(|key| key.eq_ignore_ascii_case(&person))
    };
    Ok(both.iter().find(is_meant).context("the person is in both campaigns")?.person_id.clone())
}

/// Waits until both campaigns have ended; all the while nobody is in both at once.
async fn until_ended(lab: &Lab, campaigns: &[CampaignId], both: &[Both]) -> anyhow::Result<()> {
    lab.until("both campaigns have ended", async || {
        one_at_a_time(lab, both).await?;
        for campaign in campaigns {
            let stored = lab.stack.store.campaign(lab.tenant(), campaign.as_str()).await?;
            if !stored.context("the campaign is stored")?.has_ended() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    for campaign in campaigns {
        lab.campaign_ended(campaign).await?;
    }
    Ok(())
}

async fn one_at_a_time(lab: &Lab, both: &[Both]) -> anyhow::Result<()> {
    for person in both {
        ensure!(open(lab, person).await? <= 1, "{} is in two campaigns at once", person.person_id);
    }
    Ok(())
}

async fn open(lab: &Lab, person: &Both) -> anyhow::Result<usize> {
    let enrollments = lab.stack.store.enrollments_of_person(lab.tenant(), &person.person_id).await?;
    Ok(enrollments.iter().filter(|enrollment| enrollment.is_open).count())
}

/// The second campaign begins with somebody only after the first has ended with them, and all that they saw is what the
/// store has of both.
async fn take_turns(lab: &Lab, person: &Both, enrollments: &[Enrollment]) -> anyhow::Result<()> {
    let touches = lab.touches(enrollments).await?;
    let mut in_order: Vec<&Enrollment> = enrollments.iter().collect();
    // Ids are in the order of their making. An enrollment may begin as of the round that found its turn, a moment before.
    in_order.sort_by_key(|enrollment| &enrollment.id);
    for pair in in_order.windows(2) {
        let ended_at_ms = pair[0].ended_at_ms.context("an enrollment has ended")?;
        let of_second = touches.iter().filter(|touch| touch.enrollment_id == pair[1].id);
        let first_ms = of_second.filter_map(|touch| touch.called_at_ms).min();
        ensure!(first_ms.is_none_or(|first_ms| ended_at_ms <= first_ms), "{pair:#?} overlap");
    }
    let keys = [Some(&person.found.linkedin_public_id), person.found.email.as_ref()];
    let effects = lab.sandbox().effects();
    let seen = effects.iter().filter(|entry| {
        entry.effect.kind != EffectKind::ProfileView
            && keys.iter().flatten().any(|key| key.eq_ignore_ascii_case(&entry.effect.person))
    });
    let (mut calls, mut senders) = (0, Vec::new());
    for entry in seen {
        calls += 1;
        let (_, number) = entry.effect.account_id.rsplit_once('_').context("accounts have numbers")?;
        senders.push(number.to_owned());
    }
    senders.dedup();
    ensure!(senders.len() <= enrollments.len(), "{} was written to in turns: {senders:?}", person.person_id);
    // Whoever is looked at sees nothing of it.
    let is_sent = |touch: &&Touch| {
        touch.state == TouchState::Sent && touch.called_at_ms.is_some() && touch.action != Action::VisitProfile
    };
    let sent = touches.iter().filter(is_sent).count();
    ensure!(calls == sent, "{} saw {calls} contacts, the store has {sent}: {touches:#?}", person.person_id);
    Ok(())
}

/// Nothing was sent once the event of the opt-out was answered, and neither campaign may go on.
async fn is_left_alone(lab: &Lab, person: &Both, enrollments: &[Enrollment]) -> anyhow::Result<()> {
    let suppression = lab.stack.store.suppression_of(lab.tenant(), &person.person_id).await?;
    ensure!(suppression.is_some(), "{} asked for no more, and is not suppressed", person.person_id);
    let keys = [Some(&person.found.linkedin_public_id), person.found.email.as_ref()];
    let is_theirs = |name: &str| keys.iter().flatten().any(|key| key.eq_ignore_ascii_case(name));
    let asked = lab
        .sandbox()
        .deliveries()
        .into_iter()
        .find(|delivery| delivery.kind == "by_request" && delivery.person.as_deref().is_some_and(is_theirs));
    let answered_us = asked.and_then(|delivery| delivery.answered_real_us).context("the opt-out was answered")?;
    let late = lab.sandbox().effects().into_iter().filter(|entry| is_theirs(&entry.effect.person));
    let late: Vec<_> = late.filter(|entry| entry.real_at_us > answered_us).collect();
    ensure!(late.is_empty(), "after the opt-out: {late:#?}");
    let opted_out = enrollments.iter().filter(|each| each.state == EnrollmentState::OptedOut).count();
    ensure!(opted_out == 1, "{enrollments:#?}");
    for other in enrollments.iter().filter(|each| each.state != EnrollmentState::OptedOut) {
        let touches = lab.stack.store.touches(lab.tenant(), &other.id).await?;
        let began_after = other.state == EnrollmentState::Stopped && touches.is_empty();
        ensure!(began_after || other.state == EnrollmentState::Completed, "{other:#?}\n{touches:#?}");
    }
    Ok(())
}
