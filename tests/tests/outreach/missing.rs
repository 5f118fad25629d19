//! Campaigns and accounts that would not go on by themselves: their workflow is missing, because its start was cut off or it was
//! ended by force, or it sleeps.

use crate::{alone, setup};
use leadflow_starter::failure::Failure;
use leadflow_starter::history;
use leadflow_tests::field::{account_settings, campaign_settings, people};
use leadflow_tests::lab::{Lab, OrSay};
use leadflow_workflows::campaign;
use leadflow_workflows::domain::ids::{AccountId, CampaignId};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::sender_account;
use temporalio_client::{WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowTerminateOptions};
use temporalio_common::protos::temporal::api::enums::v1::EventType;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;

const SEQUENCE: &str = r#"
name = "missing"
[[step]]
subject = "An idea for {{ business.name }}"
email = "Hello {{ lead.first_name }}, I would like to show you how others plan their week."
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resuming_starts_a_workflow_that_is_missing() {
    let _alone = alone().await;
    let lab = Lab::start(setup(1.0)).await.unwrap();
    let outreach = lab.outreach();
    let account_id = lab.add_account("acc_mail_1", account_settings(Channel::Email)).await.unwrap();
    let account = lab.stack.store.account(lab.tenant(), &account_id).await.unwrap().unwrap();
    let list = lab.import("people", &people(&["US"], 1).unwrap()).await.unwrap();
    let sequence = lab.add_sequence(SEQUENCE).await.unwrap();
    // What a process leaves that is killed between the row and the workflow.
    let new = lab.campaign("spring", &list, &sequence, std::slice::from_ref(&account_id), campaign_settings());
    assert!(lab.stack.store.create_campaign(&new).await.unwrap());

    outreach.resume_campaign(&new).await.unwrap();
    let of_campaign = campaign::workflow_id(&CampaignId(new.id.clone()));
    assert!(is_running(&lab, &of_campaign).await);
    assert!(matches!(outreach.resume_campaign(&new).await, Err(Failure::Refused(_))), "it is running already");

    let of_account = sender_account::workflow_id(&AccountId(account_id));
    assert!(matches!(outreach.resume_account(&account).await, Err(Failure::Refused(_))), "it is active already");
    end_by_force(&lab, &[&of_campaign, &of_account]).await;
    outreach.resume_campaign(&new).await.unwrap();
    outreach.resume_account(&account).await.unwrap();
    assert!(is_running(&lab, &of_campaign).await && is_running(&lab, &of_account).await);

    end_by_force(&lab, &[&of_campaign, &of_account]).await;
    for _ in 0..2 {
        outreach.ensure_all().await.unwrap();
        assert!(is_running(&lab, &of_campaign).await && is_running(&lab, &of_account).await);
    }
    lab.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_that_found_its_account_paused_begins_when_it_goes_on() {
    let _alone = alone().await;
    // In real time the next round of the campaign is an hour away.
    let lab = Lab::start(setup(1.0)).await.unwrap();
    let account_id = lab.add_account("acc_mail_1", account_settings(Channel::Email)).await.unwrap();
    let account = lab.stack.store.account(lab.tenant(), &account_id).await.unwrap().unwrap();
    lab.outreach().pause_account(&account).await.unwrap();
    let list = lab.import("people", &people(&["US"], 1).unwrap()).await.unwrap();
    let sequence = lab.add_sequence(SEQUENCE).await.unwrap();
    let campaign = lab.start_campaign("spring", &list, &sequence, &[account_id], campaign_settings()).await.unwrap();
    lab.until("the campaign sleeps", async || {
        let runs = history::runs(&lab.stack.client, &campaign::workflow_id(&campaign)).await.or_say()?;
        let events = runs.iter().flat_map(|run| &run.events);
        Ok(events.map(HistoryEvent::event_type).find(|event| *event == EventType::TimerStarted))
    })
    .await
    .unwrap();
    assert!(lab.enrollments(&campaign).await.unwrap().is_empty());

    lab.outreach().resume_account(&account).await.unwrap();
    lab.until("the campaign begins", async || Ok(lab.enrollments(&campaign).await?.pop())).await.unwrap();
    lab.stop().await.unwrap();
}

async fn is_running(lab: &Lab, id: &str) -> bool {
    let handle = lab.stack.client.get_workflow_handle::<campaign::Campaign>(id);
    handle.describe(WorkflowDescribeOptions::default()).await.unwrap().status() == WorkflowExecutionStatus::Running
}

async fn end_by_force(lab: &Lab, ids: &[&str]) {
    for id in ids {
        let handle = lab.stack.client.get_workflow_handle::<campaign::Campaign>(*id);
        let reason = WorkflowTerminateOptions::builder().reason("the test wants it".to_owned()).build();
        handle.terminate(reason).await.unwrap();
        assert!(!is_running(lab, id).await);
    }
}
