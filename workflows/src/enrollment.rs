//! Takes one lead through its sequence, contact by contact, until someone replies or the last step is done.
//!
//! What comes next is decided by the pure rule [`crate::domain::walk`] on facts from the store; this file sleeps, makes the
//! contact, and looks when it is told to.

use crate::QUEUE_LONG;
use crate::contract::{Advice, AdviceNext, EnrollmentRef, OutreachActivities, TouchInput, UnipileActivities};
use crate::domain::ids::EnrollmentId;
use crate::domain::outreach::EnrollmentState;
use crate::domain::provider::Provider;
use crate::domain::timings::Timings;
use crate::lead_search::STAGE;
use crate::shell::{Looking, Looks, options, sleep_or_look};
use serde::{Deserialize, Serialize};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult,
};

/// What the ids of enrollments' workflows begin with.
pub const PREFIX: &str = "enrollment/";

/// `enrollment/{enrollment_id}`.
pub fn workflow_id(enrollment_id: &EnrollmentId) -> String {
    format!("{PREFIX}{enrollment_id}")
}

/// The stage of an enrollment that has not ended; then it is the state it ended in.
pub const OPEN: &str = "open";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnrollmentInput {
    pub enrollment: EnrollmentRef,
    pub timings: Timings,
    /// [`crate::shell::EVENTS_PER_RUN`], or less in tests.
    pub events_per_run: u32,
}

#[workflow]
pub struct Enrollment {
    input: EnrollmentInput,
    looks: Looks,
}

#[workflow_methods]
impl Enrollment {
    #[init]
    fn new(_view: &WorkflowContextView, input: EnrollmentInput) -> Self {
        Self { input, looks: Looks::default() }
    }

    /// Returns the state in which the enrollment ended.
    #[run(name = "Enrollment")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<EnrollmentState> {
        let input = ctx.state(|workflow| workflow.input.clone());
        let mut advice = advance(ctx, &input).await?;
        loop {
            ctx.set_current_details(details(&advice));
            advice = match advice.next {
                AdviceNext::Done => {
                    ctx.upsert_search_attributes([STAGE.value_set(advice.state.name().into())]);
                    return Ok(advice.state);
                }
                AdviceNext::Touch { step, sleep_ms, .. } => {
                    if sleep_or_look(ctx, sleep_ms, format!("until step {step}")).await? {
                        advance(ctx, &input).await?
                    } else {
                        touch(ctx, &input, step).await?
                    }
                }
                AdviceNext::Wait { step, sleep_ms, .. } => {
                    sleep_or_look(ctx, sleep_ms, format!("wait at step {step}")).await?;
                    advance(ctx, &input).await?
                }
            };
            if ctx.history_length() >= input.events_per_run || ctx.continue_as_new_suggested() {
                ctx.continue_as_new(input.clone(), ContinueAsNewOptions::default())?;
            }
        }
    }

    /// Asks the enrollment to read what has happened to it. It carries nothing, so that it can never be malformed.
    #[signal(name = "look")]
    pub fn look(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.looks.asked += 1;
    }
}

impl Looking for Enrollment {
    fn looks(&mut self) -> &mut Looks {
        &mut self.looks
    }

    fn to_look(&self) -> bool {
        self.looks.is_due()
    }
}

async fn advance(ctx: &WorkflowContext<Enrollment>, input: &EnrollmentInput) -> WorkflowResult<Advice> {
    let (timings, tenant) = (&input.timings, &input.enrollment.tenant);
    let options = options(timings, tenant, QUEUE_LONG, timings.store_activity_ms, "decide what comes next".into());
    Ok(ctx.execute_activity(OutreachActivities::advance, input.enrollment.clone(), options).await?)
}

async fn touch(ctx: &WorkflowContext<Enrollment>, input: &EnrollmentInput, step: String) -> WorkflowResult<Advice> {
    let (timings, tenant) = (&input.timings, &input.enrollment.tenant);
    let queue = Provider::Unipile.task_queue();
    let options = options(timings, tenant, queue, timings.touch_activity_ms, format!("contact: step {step}"));
    let touch = TouchInput { enrollment: input.enrollment.clone(), step };
    Ok(ctx.execute_activity(UnipileActivities::touch, touch, options).await?)
}

/// Markdown for the web UI: no name, no text.
fn details(advice: &Advice) -> String {
    let state = advice.state.name().replace('_', " ");
    match &advice.next {
        AdviceNext::Touch { step, action, at_ms, .. } => {
            format!("**{state}**\n\n- next: {} of step `{step}` at {at_ms} (Unix ms)", action.name().replace('_', " "))
        }
        AdviceNext::Wait { step, at_ms, hold, .. } => {
            format!("**{state}**\n\n- waits at step `{step}`: {hold}\n- looks again at {at_ms} (Unix ms) at the latest")
        }
        AdviceNext::Done => format!("**{state}**"),
    }
}
