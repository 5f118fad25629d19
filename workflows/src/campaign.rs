//! Begins with the best leads of a campaign, day by day, as far as its accounts have capacity, and sees to it that no
//! enrollment is forgotten.

use crate::QUEUE_LONG;
use crate::contract::{CampaignAdvice, CampaignRef, OutreachActivities};
use crate::domain::ids::CampaignId;
use crate::domain::timings::Timings;
use crate::lead_search::{PROGRESS, STAGE};
use crate::shell::{Looking, Looks, options, sleep_or_look};
use serde::{Deserialize, Serialize};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult,
};

/// What the ids of these workflows begin with.
pub const PREFIX: &str = "campaign/";

/// `campaign/{campaign_id}`.
pub fn workflow_id(campaign_id: &CampaignId) -> String {
    format!("{PREFIX}{campaign_id}")
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CampaignInput {
    pub campaign: CampaignRef,
    pub timings: Timings,
    /// [`crate::shell::EVENTS_PER_RUN`], or less in tests.
    pub events_per_run: u32,
}

#[workflow]
pub struct Campaign {
    input: CampaignInput,
    looks: Looks,
    /// What the search attributes show.
    shown: (String, i64),
}

#[workflow_methods]
impl Campaign {
    #[init]
    fn new(_view: &WorkflowContextView, input: CampaignInput) -> Self {
        Self { input, looks: Looks::default(), shown: (String::new(), 0) }
    }

    /// Returns the state in which the campaign ended.
    #[run(name = "Campaign")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<String> {
        let input = ctx.state(|workflow| workflow.input.clone());
        loop {
            let (timings, tenant) = (&input.timings, &input.campaign.tenant);
            let options =
                options(timings, tenant, QUEUE_LONG, timings.round_activity_ms, "start enrollments, audit".into());
            let advice = ctx.execute_activity(OutreachActivities::round, input.campaign.clone(), options).await?;
            show(ctx, &advice);
            if matches!(advice.state.as_str(), "stopped" | "completed") {
                return Ok(advice.state);
            }
            sleep_or_look(ctx, advice.sleep_ms, "until the next round".into()).await?;
            if ctx.history_length() >= input.events_per_run || ctx.continue_as_new_suggested() {
                ctx.continue_as_new(input.clone(), ContinueAsNewOptions::default())?;
            }
        }
    }

    /// Asks the campaign to read what is wanted of it.
    #[signal(name = "look")]
    pub fn look(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.looks.asked += 1;
    }
}

impl Looking for Campaign {
    fn looks(&mut self) -> &mut Looks {
        &mut self.looks
    }

    fn to_look(&self) -> bool {
        self.looks.is_due()
    }
}

/// Keeps what the web UI shows up to date: details always, search attributes at every new state and quarter.
fn show(ctx: &WorkflowContext<Campaign>, advice: &CampaignAdvice) {
    let CampaignAdvice { state, open, ended, waiting, .. } = advice;
    ctx.set_current_details(format!(
        "**{state}**\n\n- {open} enrollments open, {ended} ended\n- {waiting} leads wait for their turn"
    ));
    let percent = u64::from(*ended) * 100 / u64::from((open + ended + waiting).max(1));
    let now = (state.clone(), i64::try_from(percent / 25 * 25).unwrap_or(100));
    if ctx.state(|workflow| workflow.shown != now) {
        ctx.upsert_search_attributes([STAGE.value_set(now.0.clone()), PROGRESS.value_set(now.1)]);
        ctx.state_mut(|workflow| workflow.shown = now);
    }
}
