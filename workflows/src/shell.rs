//! What the long-lived workflows share: they sleep until a known instant, or until they are told to look.

use crate::domain::ids::TenantId;
use crate::domain::timings::Timings;
use std::time::Duration;
use temporalio_common::Priority;
use temporalio_common::error::{ActivityExecutionError, IncomingError};
use temporalio_common::search_attributes::SearchAttributeKey;
use temporalio_workflow::workflows::select;
use temporalio_workflow::{
    ActivityCloseTimeouts, ActivityOptions, RetryPolicy, TimerOptions, WorkflowContext, WorkflowTermination,
};

/// Which campaign an enrollment belongs to. Keyword.
pub const CAMPAIGN: SearchAttributeKey<String> = SearchAttributeKey::keyword("LeadflowCampaign");
/// Which account an enrollment or a reading uses. Keyword.
pub const ACCOUNT: SearchAttributeKey<String> = SearchAttributeKey::keyword("LeadflowAccount");

/// Events after which a long-lived workflow hands over to a new run.
pub const EVENTS_PER_RUN: u32 = 1_000;

/// Counts the looks that were asked for, and taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Looks {
    pub(crate) asked: u32,
    taken: u32,
}

/// A workflow that can be told to look.
pub(crate) trait Looking {
    fn looks(&mut self) -> &mut Looks;
    fn to_look(&self) -> bool;
}

impl Looks {
    pub(crate) fn is_due(self) -> bool {
        self.asked > self.taken
    }

    /// What is read after this is up to date with every look so far.
    pub(crate) fn take(&mut self) {
        self.taken = self.asked;
    }
}

/// Sleeps for `sleep_ms`, or until a look is due. What is read after this is up to date with every look so far.
///
/// # Errors
/// The workflow was cancelled.
pub(crate) async fn sleep_or_look<W: Looking + 'static>(
    ctx: &WorkflowContext<W>,
    sleep_ms: u64,
    summary: String,
) -> Result<bool, WorkflowTermination> {
    let looked = if ctx.state(Looking::to_look) {
        true
    } else if sleep_ms == 0 {
        false
    } else {
        let token = ctx.cancellation_token().child_token();
        let timer = TimerOptions::builder(Duration::from_millis(sleep_ms))
            .summary(summary)
            .cancellation_token(token.clone())
            .build();
        let looked = select! {
            woken = ctx.wait_condition(Looking::to_look) => { woken?; true }
            _ = ctx.timer(timer) => false,
        };
        token.cancel();
        looked
    };
    if ctx.cancellation_token().is_cancelled() {
        return Err(WorkflowTermination::cancelled());
    }
    ctx.state_mut(|workflow| workflow.looks().take());
    Ok(looked)
}

/// Sleeps for `sleep_ms`, whatever looks come in meanwhile.
///
/// # Errors
/// The workflow was cancelled.
pub(crate) async fn sleep<W: 'static>(
    ctx: &WorkflowContext<W>,
    sleep_ms: u64,
    summary: String,
) -> Result<(), WorkflowTermination> {
    if sleep_ms > 0 {
        ctx.timer(TimerOptions::builder(Duration::from_millis(sleep_ms)).summary(summary).build()).await;
    }
    if ctx.cancellation_token().is_cancelled() { Err(WorkflowTermination::cancelled()) } else { Ok(()) }
}

/// Activities of the long-lived workflows are tried for as long as it takes: what they return says when to come back.
pub(crate) fn options(
    timings: &Timings,
    tenant: &TenantId,
    queue: &str,
    start_to_close_ms: u64,
    summary: String,
) -> ActivityOptions {
    let retries = RetryPolicy::builder()
        .initial_interval(Duration::from_millis(timings.retry_first_ms))
        .backoff_coefficient(2.0)
        .maximum_interval(Duration::from_millis(timings.retry_longest_ms))
        .build();
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(Duration::from_millis(start_to_close_ms)))
        .task_queue(queue.to_owned())
        .summary(summary)
        .retry_policy(retries)
        .priority(Priority::builder().fairness_key(tenant.to_string()).build())
        .build()
}

/// The last cause, which for our own failures is a stable text without personal data.
pub(crate) fn describe(error: &ActivityExecutionError) -> String {
    match error.cause() {
        Some(IncomingError::Application(failure)) => failure.type_name().unwrap_or("unknown_failure").to_owned(),
        _ if error.as_timeout().is_some() => "timed_out".into(),
        _ => "failed".into(),
    }
}
