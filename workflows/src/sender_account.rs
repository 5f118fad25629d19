//! Reads what happens on a sender account, a few times a day: connections, invitations, messages, mails.

use crate::contract::{AccountRef, UnipileActivities};
use crate::domain::ids::AccountId;
use crate::domain::provider::Provider;
use crate::domain::timings::Timings;
use crate::lead_search::STAGE;
use crate::shell::{Looking, Looks, options, sleep_or_look};
use serde::{Deserialize, Serialize};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult,
};

/// What the ids of accounts' workflows begin with.
pub const PREFIX: &str = "account/";

/// `account/{account_id}`.
pub fn workflow_id(account_id: &AccountId) -> String {
    format!("{PREFIX}{account_id}")
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SenderAccountInput {
    pub account: AccountRef,
    pub timings: Timings,
    /// [`crate::shell::EVENTS_PER_RUN`], or less in tests.
    pub events_per_run: u32,
}

#[workflow]
pub struct SenderAccount {
    input: SenderAccountInput,
    looks: Looks,
    /// The stage that the search attribute shows.
    shown: String,
}

#[workflow_methods]
impl SenderAccount {
    #[init]
    fn new(_view: &WorkflowContextView, input: SenderAccountInput) -> Self {
        Self { input, looks: Looks::default(), shown: String::new() }
    }

    #[run(name = "SenderAccount")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let input = ctx.state(|workflow| workflow.input.clone());
        let (timings, tenant) = (&input.timings, &input.account.tenant);
        loop {
            let queue = Provider::Unipile.task_queue();
            let mut options = options(timings, tenant, queue, timings.search_activity_ms, "read the account".into());
            options.heartbeat_timeout = Some(timings.heartbeat());
            let advice = ctx.execute_activity(UnipileActivities::read_account, input.account.clone(), options).await?;
            ctx.set_current_details(format!(
                "**{}**\n\n- last reading: {} new facts, {} contacts settled",
                advice.state, advice.learnt, advice.settled
            ));
            if ctx.state(|workflow| workflow.shown != advice.state) {
                ctx.upsert_search_attributes([STAGE.value_set(advice.state.clone())]);
                ctx.state_mut(|workflow| workflow.shown.clone_from(&advice.state));
            }
            if advice.state == "removed" {
                return Ok(());
            }
            sleep_or_look(ctx, advice.sleep_ms, "until the next reading".into()).await?;
            if ctx.history_length() >= input.events_per_run || ctx.continue_as_new_suggested() {
                ctx.continue_as_new(input.clone(), ContinueAsNewOptions::default())?;
            }
        }
    }

    /// Asks for a reading now.
    #[signal(name = "look")]
    pub fn look(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.looks.asked += 1;
    }
}

impl Looking for SenderAccount {
    fn looks(&mut self) -> &mut Looks {
        &mut self.looks
    }

    fn to_look(&self) -> bool {
        self.looks.is_due()
    }
}
