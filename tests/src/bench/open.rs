//! How much memory a worker has when thousands of enrollments are open and wait.

use super::actions::Actions;
use super::process::ProcessUsage;
use super::search::Limit;
use crate::field::campaign_settings;
use crate::field::unlimited_settings;
use crate::lab::{Lab, OrSay, Setup};
use anyhow::Context;
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_activities::store::imports::{ImportRow, NewImport};
use leadflow_starter::history;
use leadflow_workflows::contract::AdviceNext;
use leadflow_workflows::domain::account::CampaignSettings;
use leadflow_workflows::domain::ids::{CampaignId, EnrollmentId};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::enrollment;
use serde::Serialize;
use std::time::{Duration, Instant};

/// All enrollments wait at the same time, each in a workflow that has begun: the first wait ends after all were started, or the
/// campaign itself would decide what comes after it.
const SEQUENCE: &str = r#"
name = "long-wait"
stop_on = ["reply"]
[[step]]
id = "begin"
wait = "2h"
[[step]]
id = "rest"
wait = "60d"
[[step]]
id = "hello"
invite = "Hi {{ lead.first_name }}, {{ business.name }} caught my eye."
"#;
/// The goal, in MiB.
pub const MOST_PEAK_MIB: f64 = 150.0;
const PATIENCE: Duration = Duration::from_mins(15);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many of those that were started last are seen to sleep.
const LAST: usize = 100;
/// A round that begins with this many leads takes its time.
const ROUND_MS: u64 = 600_000;

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub enrollments: usize,
    /// LinkedIn accounts, 20 at most.
    pub accounts: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub enrollments: usize,
    pub accounts: usize,
    /// Until all workflows were started, and until each had decided and slept.
    pub seconds_to_start: f64,
    pub seconds: f64,
    pub worker_cpu_seconds: f64,
    pub worker_peak_mib: f64,
    pub limits: Vec<Limit>,
}

/// Opens so many enrollments, has each decide what comes next, and looks at the worker while they sleep.
///
/// # Errors
/// When the laboratory does not start, or the enrollments do not come to rest.
pub async fn run(mut setup: Setup, options: &Options) -> anyhow::Result<Measured> {
    setup.config.timings.round_activity_ms = ROUND_MS;
    let lab = Lab::start(setup).await?;
    let measured = measure(&lab, options).await;
    lab.stop().await?;
    measured
}

async fn measure(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let mut accounts = Vec::new();
    for number in 1..=options.accounts {
        accounts.push(lab.add_account(&format!("acc_li_{number}"), unlimited_settings(Channel::Linkedin)).await?);
    }
    let list = import(lab, options.enrollments).await?;
    let sequence = lab.add_sequence(SEQUENCE).await?;
    let worker = lab.stack.worker_pid().context("the laboratory has no worker")?;
    let before = ProcessUsage::of(worker)?;
    let began = Instant::now();
    let starts_per_day = Some(u32::try_from(options.enrollments.div_ceil(options.accounts))?);
    let settings = CampaignSettings { starts_per_day, ..campaign_settings() };
    let campaign = lab.start_campaign("open", &list, &sequence, &accounts, settings).await?;
    all(lab, options, &campaign, "were started", |one| one.workflow_started_at_ms.is_some()).await?;
    let seconds_to_start = began.elapsed().as_secs_f64();
    let enrollments = all(lab, options, &campaign, "have decided to rest", rests).await?;
    for enrollment in enrollments.iter().rev().take(LAST) {
        sleeps(lab, &enrollment.id).await?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let after = ProcessUsage::of(worker)?;
    #[expect(clippy::cast_precision_loss, reason = "some hundred megabytes")]
    let worker_peak_mib = after.peak_kib as f64 / 1_024.0;
    Ok(Measured {
        enrollments: options.enrollments,
        accounts: options.accounts,
        seconds_to_start,
        seconds,
        worker_cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        worker_peak_mib,
        limits: vec![Limit::at_most("peak memory of the worker, MiB", MOST_PEAK_MIB, worker_peak_mib)],
    })
}

/// Made-up people, each at a company of their own.
async fn import(lab: &Lab, count: usize) -> anyhow::Result<String> {
    let rows = (1..=u32::try_from(count)?).map(|line| ImportRow {
        line,
        linkedin: Some(format!("sim-open-{line}")),
        first_name: "Robin".into(),
        last_name: format!("Number {line}"),
        role: "Owner".into(),
        business: format!("Brewery {line}"),
        city: "Burlington".into(),
        region: "Vermont".into(),
        country: "us".into(),
        ..ImportRow::default()
    });
    let new = NewImport {
        tenant: lab.tenant().to_owned(),
        name: "open".into(),
        source: "sandbox",
        rows: rows.collect(),
        now_ms: lab.stack.clock.now_ms(),
    };
    Ok(lab.stack.store.import_leads(&new).await?.search_id)
}

/// Waits until all enrollments are there and `is_so` of each.
async fn all(
    lab: &Lab,
    options: &Options,
    campaign: &CampaignId,
    what: &str,
    is_so: impl Fn(&Enrollment) -> bool,
) -> anyhow::Result<Vec<Enrollment>> {
    lab.until_within(PATIENCE, LOOK_EVERY, &format!("all enrollments {what}"), async || {
        let enrollments = lab.enrollments(campaign).await?;
        let count = enrollments.iter().filter(|enrollment| is_so(enrollment)).count();
        Ok((count == options.enrollments).then_some(enrollments))
    })
    .await
}

/// Whether the workflow, and not only the round that began with the lead, has decided.
pub(crate) fn rests(enrollment: &Enrollment) -> bool {
    let next = enrollment.advice.as_ref().map(|advice| &advice.next);
    matches!(next, Some(AdviceNext::Wait { step, .. }) if step == "rest")
}

/// Waits until a workflow has started its timer.
async fn sleeps(lab: &Lab, enrollment_id: &str) -> anyhow::Result<()> {
    let id = enrollment::workflow_id(&EnrollmentId(enrollment_id.to_owned()));
    lab.until_within(PATIENCE, LOOK_EVERY, &format!("{id} sleeps"), async || {
        let runs = history::runs(&lab.stack.client, &id).await.or_say()?;
        Ok((Actions::of(&runs).is_ok_and(|actions| actions.timers > 0)).then_some(()))
    })
    .await
}
