//! Keeps the people who decide together at one company up to date: at once after a change, then at most once an hour.
//!
//! Whatever changes in between is stored, and the next refresh takes all of it. A company that is left alone for as long
//! as one refresh keeps the next away needs no workflow; the next change starts it again under the same id.

use crate::contract::{
    BuyerGroupActivities, BuyerGroupInputs, BuyerGroupPaidActivities, FinishRefresh, Opened, RefreshDone, RefreshRef,
    StageDone, StageProblem,
};
use crate::domain::buyer_group::Stage;
use crate::domain::ids::BusinessId;
use crate::lead_search::STAGE;
use crate::shell::{EVENTS_PER_RUN, Looking, Looks, describe, options, sleep};
use crate::{QUEUE, QUEUE_BUYER_GROUPS};
use std::time::Duration;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityCloseTimeouts, ActivityOptions, ContinueAsNewOptions, SyncWorkflowContext, WorkflowContext,
    WorkflowContextView, WorkflowResult, WorkflowTermination,
};

/// `buyer-group/{business_id}`.
pub fn workflow_id(business_id: &BusinessId) -> String {
    format!("{PREFIX}{business_id}")
}

/// What the ids of these workflows begin with.
pub const PREFIX: &str = "buyer-group/";

#[workflow]
pub struct BuyerGroupRefresh {
    input: BuyerGroupInputs,
    looks: Looks,
    /// What the search attribute shows.
    shown: &'static str,
}

#[workflow_methods]
impl BuyerGroupRefresh {
    #[init]
    fn new(_view: &WorkflowContextView, input: BuyerGroupInputs) -> Self {
        Self { input, looks: Looks::default(), shown: "" }
    }

    #[run(name = "BuyerGroupRefresh")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        loop {
            // What comes in from here on may be too late for this refresh, and is looked at again.
            ctx.state_mut(|workflow| workflow.looks.take());
            show(ctx, "waiting", "**waits for its turn**");
            let again = match open(ctx).await? {
                Opened::Nothing => false,
                // The store knows of a refresh of an earlier run.
                Opened::Wait { sleep_ms } => {
                    show(ctx, "resting", "**rests** until the company may be looked at again");
                    sleep(ctx, sleep_ms, "until the next refresh is allowed".into()).await?;
                    true
                }
                Opened::Refresh(refresh) => {
                    let done = refreshed(ctx, refresh).await?;
                    show(ctx, "resting", &details(&done));
                    sleep(ctx, done.sleep_ms, "until the next refresh is allowed".into()).await?;
                    done.again
                }
            };
            if !again && !ctx.state(Looking::to_look) {
                return Ok(());
            }
            if ctx.history_length() >= EVENTS_PER_RUN || ctx.continue_as_new_suggested() {
                // A new run looks before anything else.
                ctx.continue_as_new(ctx.state(|workflow| workflow.input.clone()), ContinueAsNewOptions::default())?;
            }
        }
    }

    /// Says that something has changed. What, is in the store.
    #[signal(name = "look")]
    pub fn look(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.looks.asked += 1;
    }
}

impl Looking for BuyerGroupRefresh {
    fn looks(&mut self) -> &mut Looks {
        &mut self.looks
    }

    fn to_look(&self) -> bool {
        self.looks.is_due()
    }
}

/// Takes all changes that are stored, when a refresh is due. Its queue holds the rate over all companies, so this is what
/// waits when many companies change at once.
async fn open(ctx: &WorkflowContext<BuyerGroupRefresh>) -> WorkflowResult<Opened> {
    let BuyerGroupInputs { company, timings } = ctx.state(|workflow| workflow.input.clone());
    let summary = "open a refresh".into();
    let options = options(&timings, &company.tenant, QUEUE_BUYER_GROUPS, timings.store_activity_ms, summary);
    Ok(ctx.execute_activity(BuyerGroupActivities::open, company, options).await?)
}

/// Takes a refresh through its stages. One that is lost costs what it would have brought, and the others go on.
async fn refreshed(ctx: &WorkflowContext<BuyerGroupRefresh>, refresh: RefreshRef) -> WorkflowResult<RefreshDone> {
    let BuyerGroupInputs { company, timings } = ctx.state(|workflow| workflow.input.clone());
    let mut problems = Vec::new();
    for stage in Stage::ALL {
        show(ctx, "refreshing", &format!("**refreshing**: {stage}"));
        let input = refresh.clone();
        let ended = match stage {
            Stage::People => ctx.execute_activity(BuyerGroupPaidActivities::people, input, paid(ctx, stage)).await,
            Stage::Roles => ctx.execute_activity(BuyerGroupPaidActivities::roles, input, paid(ctx, stage)).await,
            Stage::Contacts => ctx.execute_activity(BuyerGroupPaidActivities::contacts, input, paid(ctx, stage)).await,
        };
        match ended {
            Ok(StageDone { problem: None, .. }) => {}
            Ok(StageDone { problem: Some(problem), can_mend_itself }) => {
                problems.push(StageProblem { stage, problem, can_mend_itself });
            }
            Err(_) if ctx.cancellation_token().is_cancelled() => return Err(WorkflowTermination::cancelled()),
            Err(error) => {
                problems.push(StageProblem { stage, problem: describe(&error), can_mend_itself: true });
            }
        }
    }
    let summary = "write down what the refresh brought".into();
    let options = options(&timings, &company.tenant, QUEUE, timings.store_activity_ms, summary);
    let input = FinishRefresh { refresh, problems };
    Ok(ctx.execute_activity(BuyerGroupActivities::finish, input, options).await?)
}

/// A stage is given up when it takes too long: another change, or the next hour, brings another refresh.
fn paid(ctx: &WorkflowContext<BuyerGroupRefresh>, stage: Stage) -> ActivityOptions {
    let BuyerGroupInputs { company, timings } = ctx.state(|workflow| workflow.input.clone());
    let start_to_close_ms = match stage {
        Stage::Roles => timings.model_activity_ms,
        Stage::People | Stage::Contacts => timings.search_activity_ms,
    };
    let queue = stage.provider().task_queue();
    let mut options = options(&timings, &company.tenant, queue, start_to_close_ms, stage.to_string());
    options.heartbeat_timeout = Some(timings.heartbeat());
    options.close_timeouts = ActivityCloseTimeouts::ScheduleAndStartToClose {
        start_to_close: Duration::from_millis(start_to_close_ms),
        schedule_to_close: Duration::from_millis(timings.buyer_group_stage_ms),
    };
    options
}

/// Keeps what the web UI shows up to date: details always, the search attribute when its word changes.
fn show(ctx: &WorkflowContext<BuyerGroupRefresh>, stage: &'static str, details: &str) {
    ctx.set_current_details(details.to_owned());
    if ctx.state(|workflow| workflow.shown != stage) {
        ctx.upsert_search_attributes([STAGE.value_set(stage.into())]);
        ctx.state_mut(|workflow| workflow.shown = stage);
    }
}

/// Markdown: numbers only.
fn details(done: &RefreshDone) -> String {
    let RefreshDone { members, changes, problems, .. } = done;
    format!(
        "**rests** until the company may be looked at again\n\n- last refresh: {changes} changes, {members} people, {problems} stages with a problem"
    )
}
