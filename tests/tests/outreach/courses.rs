//! What becomes of a campaign when nobody disturbs it.

use crate::{alone, setup};
use leadflow_sandbox::UnipileOptions;
use leadflow_tests::field::{SEQUENCE, account_settings, campaign_settings, disagreements, people};
use leadflow_tests::lab::Lab;
use leadflow_workflows::domain::outreach::Channel;
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_runs_to_its_end_and_contacts_nobody_twice() {
    let _alone = alone().await;
    let mut setup = setup(20_000.0);
    setup.sandbox.unipile = UnipileOptions { accept_permille: 600, ..UnipileOptions::default() };
    let lab = Lab::start(setup).await.unwrap();
    let linkedin = lab.add_account("acc_li_1", account_settings(Channel::Linkedin)).await.unwrap();
    let mail = lab.add_account("acc_mail_1", account_settings(Channel::Email)).await.unwrap();
    let list = lab.import("brewers", &people(&["US"], 12).unwrap()).await.unwrap();
    let sequence = lab.add_sequence(SEQUENCE).await.unwrap();
    let campaign =
        lab.start_campaign("spring", &list, &sequence, &[linkedin, mail], campaign_settings()).await.unwrap();
    let enrollments = lab.campaign_ended(&campaign).await.unwrap();
    let mut states: BTreeMap<&str, u32> = BTreeMap::new();
    for enrollment in &enrollments {
        *states.entry(enrollment.state.name()).or_default() += 1;
    }
    eprintln!("{states:?}");
    let problems = disagreements(&lab, &enrollments).await.unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(enrollments.len(), 12);
    lab.stop().await.unwrap();
}
