//! Whose turn it is: a campaign's places are for those who can take part, and its accounts are those that can send.

use super::errors::start;
use super::world::{MAILBOX, World};
use crate::store::Store;
use crate::store::enrollments::Enrollment;
use crate::store::testing::each_backend;
use leadflow_workflows::contract::CampaignRef;
use leadflow_workflows::domain::ids::{CampaignId, TenantId};
use leadflow_workflows::domain::outreach::Channel;
use std::collections::BTreeSet;

/// So many people of one list, whom every campaign may contact; each takes two.
async fn two_places(store: &Store, people: usize) -> World {
    let world = start(store, people).await;
    world
        .run(
            "UPDATE campaigns SET search_id = (SELECT id FROM searches), \
             settings = REPLACE(settings, '\"leads\":null', '\"leads\":2')",
        )
        .await;
    world
}

/// Open, ended and waiting after a round.
async fn round(world: &World, campaign: &str) -> (u32, u32, u32) {
    let reference = CampaignRef { tenant: TenantId("default".into()), campaign_id: CampaignId(campaign.into()) };
    let advice = world.work.round(&reference).await.unwrap();
    (advice.open, advice.ended, advice.waiting)
}

async fn open(world: &World, campaign: &str) -> Vec<Enrollment> {
    let enrollments = world.store.enrollments_of_campaign("default", campaign).await.unwrap();
    enrollments.into_iter().filter(|enrollment| enrollment.is_open).collect()
}

async fn assert_begun(world: &World, campaign: &str, numbers: [usize; 2]) {
    let begun: BTreeSet<String> = open(world, campaign).await.into_iter().map(|one| one.person_id).collect();
    assert_eq!(begun, BTreeSet::from(numbers.map(|number| world.lead(number).person_id.clone())));
}

#[tokio::test]
async fn leads_that_cannot_take_part_use_no_place() {
    each_backend(async |store| {
        let world = two_places(&store, 6).await;
        let [closed, suppressed, unknown] = [0, 1, 2].map(|number| world.lead(number));
        for sql in [
            format!(
                "UPDATE businesses SET country = 'DE' WHERE id = (SELECT business_id FROM leads WHERE person_id = '{}')",
                closed.person_id
            ),
            format!(
                "INSERT INTO suppressions (id, tenant, kind, value, reason, origin, created_at_ms) \
                 VALUES ('s', 'default', 'linkedin', '{}', 'asked by phone', 'person', 0)",
                suppressed.public_id
            ),
            format!("UPDATE persons SET email = NULL WHERE id = '{}'", unknown.person_id),
        ] {
            world.run(&sql).await;
        }
        for _ in 0..2 {
            assert_eq!(round(&world, "email").await, (2, 3, 0), "the last one finds no place");
        }
        assert_begun(&world, "email", [3, 4]).await;
        let campaign = world.store.campaign("default", "email").await.unwrap().unwrap();
        assert_eq!(world.store.leads_begun(&campaign).await.unwrap(), 2);
        world.run("UPDATE enrollments SET is_open = 0, state = 'replied'").await;
        assert_eq!(world.store.leads_begun(&campaign).await.unwrap(), 2, "whoever began keeps the place");
    })
    .await;
}

#[tokio::test]
async fn leads_of_another_campaign_keep_nobody_behind_them_waiting() {
    each_backend(async |store| {
        let world = two_places(&store, 4).await;
        for number in [0, 1] {
            world.enroll("visit", world.lead(number)).await;
        }
        world.run("UPDATE enrollments SET is_exclusive = 1").await;
        assert_eq!(round(&world, "email").await, (2, 0, 0));
        assert_begun(&world, "email", [2, 3]).await;
    })
    .await;
}

#[tokio::test]
async fn an_account_that_cannot_send_gets_leads_only_when_there_is_no_other() {
    each_backend(async |store| {
        let world = two_places(&store, 4).await;
        let limits = world.account(MAILBOX).await.settings.limits;
        world.add_account("second", Channel::Email, &limits).await;
        world
            .run("INSERT INTO campaign_accounts (campaign_id, tenant, account_id) VALUES ('inmail', 'default', 'second')")
            .await;
        world.run(&format!("UPDATE accounts SET state = 'disconnected' WHERE id = '{MAILBOX}'")).await;
        assert_eq!(round(&world, "inmail").await, (2, 0, 0));
        for enrollment in open(&world, "inmail").await {
            assert_eq!(enrollment.email_account_id.as_deref(), Some("second"));
        }
        world.run("UPDATE accounts SET state = 'disconnected' WHERE id = 'second'").await;
        world.run("UPDATE campaigns SET settings = REPLACE(settings, '\"leads\":2', '\"leads\":4')").await;
        assert_eq!(round(&world, "inmail").await, (4, 0, 0));
        assert!(open(&world, "inmail").await.iter().all(|enrollment| enrollment.email_account_id.is_some()));
    })
    .await;
}
