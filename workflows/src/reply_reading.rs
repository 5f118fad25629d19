//! Has a model read a reply that the rules took for a person's. The webhook has been answered, and the enrollment has ended,
//! before this begins: it only adds what a person wants to know, and finds opt-outs that no rule knows.

use crate::contract::{ReplyActivities, ReplyRead, ReplyRef};
use crate::domain::ids::ReplyId;
use crate::domain::provider::Provider;
use crate::domain::timings::Timings;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporalio_common::Priority;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityCloseTimeouts, ActivityOptions, RetryPolicy, WorkflowContext, WorkflowContextView, WorkflowResult,
};

/// What every id begins with.
pub const PREFIX: &str = "reply/";

/// `reply/{reply_id}`: the server refuses a second reading of the same reply.
pub fn workflow_id(reply_id: &ReplyId) -> String {
    format!("{PREFIX}{reply_id}")
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReplyReadingInput {
    pub reply: ReplyRef,
    pub timings: Timings,
}

#[workflow]
pub struct ReplyReading {
    input: ReplyReadingInput,
}

#[workflow_methods]
impl ReplyReading {
    #[init]
    fn new(_view: &WorkflowContextView, input: ReplyReadingInput) -> Self {
        Self { input }
    }

    /// Returns what the model says: no word of the reply itself.
    #[run(name = "ReplyReading")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<ReplyRead> {
        let input = ctx.state(|workflow| workflow.input.clone());
        let options = options(&input);
        let read = ctx.execute_activity(ReplyActivities::read_reply, input.reply, options).await?;
        ctx.set_current_details(match &read {
            ReplyRead::Labelled { label } => {
                format!("{}, {}, {} % sure", label.kind.name().replace('_', " "), label.tone.name(), label.confidence)
            }
            ReplyRead::NotRead { problem } => format!("not read: {problem}"),
        });
        Ok(read)
    }
}

/// Tried for hours: nobody waits for it, and the reply is a person's meanwhile.
fn options(input: &ReplyReadingInput) -> ActivityOptions {
    let timings = &input.timings;
    let retries = RetryPolicy::builder()
        .initial_interval(Duration::from_millis(timings.retry_first_ms))
        .backoff_coefficient(2.0)
        .maximum_interval(Duration::from_millis(timings.retry_longest_ms))
        .build();
    let mut options = ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::ScheduleAndStartToClose {
        start_to_close: Duration::from_millis(timings.model_activity_ms),
        schedule_to_close: Duration::from_millis(timings.schedule_to_close_ms),
    })
    .task_queue(Provider::Openai.task_queue().to_owned())
    .summary("read one reply".to_owned())
    .retry_policy(retries)
    .priority(Priority::builder().fairness_key(input.reply.tenant.to_string()).build())
    .build();
    options.heartbeat_timeout = Some(timings.heartbeat());
    options
}
