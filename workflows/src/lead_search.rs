//! Turns one brief into ranked leads: personas, businesses, people, emails, reasons, as one pipeline.
//!
//! What comes next is decided by [`SearchState`]; this file only carries it out. Every provider has lanes; a lane takes
//! the next job, runs it as one activity, and hands the outcome back.

use crate::QUEUE;
use crate::contract::{
    FinishInput, GiveUpInput, JobInput, PaidActivities, Prepared, SearchActivities, SearchRef, SearchResult, Wishes,
};
use crate::domain::ids::SearchId;
use crate::domain::provider::Provider;
use crate::domain::search_plan::{GiveUp, Hold, Job, Outcome, SearchState};
use crate::domain::timings::Timings;
use crate::shell::describe;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporalio_common::Priority;
use temporalio_common::error::{ActivityExecutionError, IncomingError};
use temporalio_common::search_attributes::SearchAttributeKey;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::workflows::{join_all, select};
use temporalio_workflow::{
    ActivityCancellationType, ActivityCloseTimeouts, ActivityOptions, ContinueAsNewOptions, RetryPolicy,
    SyncWorkflowContext, TimerOptions, WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult,
    WorkflowTermination,
};

/// Events after which a run hands over to a new one. A run adds some more while its lanes come to rest.
pub const EVENTS_PER_RUN: u32 = 1_200;

/// Whose work it is. Keyword.
pub const TENANT: SearchAttributeKey<String> = SearchAttributeKey::keyword("LeadflowTenant");
/// What a workflow is doing, in one word. Keyword.
pub const STAGE: SearchAttributeKey<String> = SearchAttributeKey::keyword("LeadflowStage");
/// 0 to 100. Int; written at every quarter, because each write is an event in the history.
pub const PROGRESS: SearchAttributeKey<i64> = SearchAttributeKey::int("LeadflowProgress");

/// `search/{search_id}`: the server refuses a second start of the same search.
pub fn workflow_id(search_id: &SearchId) -> String {
    format!("search/{search_id}")
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeadSearchInput {
    pub search: SearchRef,
    pub timings: Timings,
    /// [`EVENTS_PER_RUN`], or less in tests.
    pub events_per_run: u32,
    /// `None` on the first run; carried over by continue-as-new.
    pub state: Option<SearchState>,
}

/// What the `progress` query answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchProgress {
    pub phase: String,
    pub percent: u32,
    pub businesses: u32,
    pub businesses_searched: u32,
    pub leads: u32,
    pub leads_ready: u32,
    pub gaps: u32,
    pub last_problem: Option<String>,
}

#[workflow]
pub struct LeadSearch {
    input: LeadSearchInput,
    /// Present once the search is prepared.
    state: Option<SearchState>,
    /// Looks asked for, and taken.
    looks_asked: u32,
    looks_taken: u32,
    /// The last progress that the search attributes show.
    shown: (&'static str, u32),
}

#[workflow_methods]
impl LeadSearch {
    #[init]
    fn new(_view: &WorkflowContextView, input: LeadSearchInput) -> Self {
        let state = input.state.clone();
        // A signal may have come while the last run was ending, so a carried-over run begins with a look.
        let looks_asked = u32::from(state.is_some());
        Self { input, state, looks_asked, looks_taken: 0, shown: ("", 0) }
    }

    #[run(name = "LeadSearch")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<SearchResult> {
        let search = ctx.state(|workflow| workflow.input.search.clone());
        if ctx.state(|workflow| workflow.state.is_none()) {
            let options = store_options(ctx, "read the brief");
            let prepared = ctx.execute_activity(SearchActivities::prepare, search.clone(), options).await;
            match prepared {
                Ok(Prepared::Ready { plan }) => ctx.state_mut(|workflow| workflow.state = Some(SearchState::new(plan))),
                Ok(Prepared::AlreadyDone { result }) => return Ok(result),
                Err(ActivityExecutionError::Cancelled(_)) => return Self::end(ctx, search).await,
                Err(error) => return Err(error.into()),
            }
        }
        Self::show(ctx);
        let provider_lanes = Provider::SEARCH.into_iter().flat_map(|provider| {
            let ctx = ctx.clone();
            (0..SearchState::lanes(provider)).map(move |_| Self::lane(ctx.clone(), provider))
        });
        let (lanes, ()) = temporalio_workflow::workflows::join!(join_all(provider_lanes), Self::looks(ctx.clone()));
        drop(lanes);
        let complete = ctx.with_search(SearchState::is_complete);
        if !complete && !is_cancelled(ctx) {
            let next = ctx.state(|workflow| LeadSearchInput {
                state: workflow.state.clone().map(SearchState::for_next_run),
                ..workflow.input.clone()
            });
            ctx.continue_as_new(next, ContinueAsNewOptions::default())?;
        }
        Self::end(ctx, search).await
    }

    /// Asks the search to read what a person wants of it. It carries nothing, so that it can never be malformed.
    #[signal(name = "look")]
    pub fn look(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.looks_asked += 1;
    }

    #[query(name = "progress")]
    pub fn progress(&self, _view: &WorkflowContextView) -> Option<SearchProgress> {
        self.state.as_ref().map(|state| SearchProgress {
            phase: state.phase().into(),
            percent: state.percent(),
            businesses: state.businesses,
            businesses_searched: state.searched,
            leads: state.leads,
            leads_ready: state.ready,
            gaps: state.gaps,
            last_problem: state.last_problem.clone(),
        })
    }
}

impl LeadSearch {
    /// Takes job after job of one provider until the search is complete, drained or cancelled.
    async fn lane(ctx: WorkflowContext<Self>, provider: Provider) {
        loop {
            let ready = ctx.wait_condition(|workflow: &Self| {
                workflow.search(|state| state.next_job(provider).is_some()) || workflow.is_resting()
            });
            if ready.await.is_err() || is_cancelled(&ctx) {
                return;
            }
            let Some(job) = ctx.begin_job(provider) else { return };
            let outcome = Self::execute(&ctx, &job).await;
            let give_up = match outcome {
                Ok(outcome) => ctx.change(|state| state.finish(job, outcome)),
                Err(ActivityExecutionError::Cancelled(_)) => return,
                Err(error) => ctx.change(|state| state.fail(job, describe(&error), is_final(&error))),
            };
            if let Some(give_up) = give_up {
                Self::give_up(&ctx, give_up).await;
            }
            Self::show(&ctx);
            Self::drain_if_long(&ctx);
        }
    }

    /// A run that is long enough stops beginning work; its lanes come to rest and the next run goes on.
    fn drain_if_long(ctx: &WorkflowContext<Self>) {
        let long = ctx.history_length() >= ctx.state(|workflow| workflow.input.events_per_run);
        if (long || ctx.continue_as_new_suggested()) && !ctx.with_search(|state| state.draining) {
            ctx.change(|state| state.draining = true);
        }
    }

    async fn execute(ctx: &WorkflowContext<Self>, job: &Job) -> Result<Outcome, ActivityExecutionError> {
        let options = paid_options(ctx, job);
        let input = JobInput { search: ctx.state(|workflow| workflow.input.search.clone()), job: job.clone() };
        match job {
            Job::BusinessPersonas { .. } => {
                ctx.execute_activity(PaidActivities::business_personas, input, options).await
            }
            Job::DecisionMakers { .. } => ctx.execute_activity(PaidActivities::decision_makers, input, options).await,
            Job::MarketFacts { .. } => ctx.execute_activity(PaidActivities::market_facts, input, options).await,
            Job::MarketInsight { .. } => ctx.execute_activity(PaidActivities::market_insight, input, options).await,
            Job::Maps { .. } => ctx.execute_activity(PaidActivities::maps, input, options).await,
            Job::People { .. } => ctx.execute_activity(PaidActivities::people, input, options).await,
            Job::Emails { .. } => ctx.execute_activity(PaidActivities::emails, input, options).await,
            Job::Reasons { .. } => ctx.execute_activity(PaidActivities::lead_reasons, input, options).await,
        }
    }

    /// Writes a loss down. When even that fails, the search still ends: the loss is in the history.
    async fn give_up(ctx: &WorkflowContext<Self>, give_up: GiveUp) {
        let GiveUp { job, problem } = give_up;
        let input =
            GiveUpInput { search: ctx.state(|workflow| workflow.input.search.clone()), job: job.clone(), problem };
        let options = store_options(ctx, &format!("give up: {}", job.summary()));
        let outcome = ctx.execute_activity(SearchActivities::give_up, input, options).await;
        let outcome = outcome.unwrap_or_else(|_| {
            let lost = if let Job::Reasons { leads, .. } = &job { u32::try_from(leads.len()).unwrap_or(0) } else { 0 };
            ctx.with_search(|state| Some((state.gaps + 1, state.quarantined + lost)))
                .map_or(Outcome::Stored, |(gaps, quarantined)| Outcome::GivenUp { gaps, quarantined })
        });
        let nothing_left = ctx.change(|state| state.finish(job, outcome));
        debug_assert!(nothing_left.is_none(), "a job is given up once");
    }

    /// Reads what a person wants: when told to look, and by itself while the search waits for something.
    async fn looks(ctx: WorkflowContext<Self>) {
        loop {
            let token = ctx.cancellation_token().child_token();
            let waiting = ctx.state(Self::wait);
            let woken = match waiting {
                Some(wait) => {
                    let timer = TimerOptions::builder(wait)
                        .summary("look again whether the search may go on".to_string())
                        .cancellation_token(token.clone())
                        .build();
                    select! {
                        woken = ctx.wait_condition(Self::is_to_look) => woken,
                        _ = ctx.timer(timer) => Ok(()),
                    }
                }
                None => ctx.wait_condition(|workflow| workflow.is_to_look() || workflow.wait().is_some()).await,
            };
            token.cancel();
            if woken.is_err() || is_cancelled(&ctx) || ctx.state(Self::is_resting) {
                return;
            }
            if waiting.is_none() && !ctx.state(Self::is_to_look) {
                continue;
            }
            let asked = ctx.state(|workflow| workflow.looks_asked);
            let search = ctx.state(|workflow| workflow.input.search.clone());
            let options = store_options(&ctx, "look what is wanted");
            match ctx.execute_activity(SearchActivities::look, search, options).await {
                Ok(Wishes { paused }) => {
                    ctx.state_mut(|workflow| workflow.looks_taken = asked);
                    ctx.change(|state| {
                        state.paused = paused;
                        state.hold = None;
                    });
                    Self::show(&ctx);
                    Self::drain_if_long(&ctx);
                }
                Err(ActivityExecutionError::Cancelled(_)) => return,
                // The look will be repeated by the timer or the next signal.
                Err(_) => ctx.state_mut(|workflow| workflow.looks_taken = asked),
            }
        }
    }

    /// Closes the books, also after a cancel: what was found stays.
    async fn end(ctx: &WorkflowContext<Self>, search: SearchRef) -> WorkflowResult<SearchResult> {
        let cancelled = is_cancelled(ctx) && !ctx.with_search(SearchState::is_complete);
        let mut options = store_options(ctx, "close the books");
        options.cancellation_token = Some(WorkflowCancellationToken::new());
        let result = ctx.execute_activity(SearchActivities::finish, FinishInput { search, cancelled }, options).await?;
        Self::show(ctx);
        if cancelled { Err(WorkflowTermination::cancelled()) } else { Ok(result) }
    }

    /// Keeps what the web UI shows up to date: details always, search attributes at every quarter and new phase.
    fn show(ctx: &WorkflowContext<Self>) {
        let Some((phase, percent, details)) =
            ctx.state(|workflow| workflow.state.as_ref().map(|state| (state.phase(), state.percent(), details(state))))
        else {
            return;
        };
        ctx.set_current_details(details);
        let quarter = percent / 25 * 25;
        if ctx.state(|workflow| workflow.shown) != (phase, quarter) {
            ctx.state_mut(|workflow| workflow.shown = (phase, quarter));
            ctx.upsert_search_attributes([STAGE.value_set(phase.into()), PROGRESS.value_set(i64::from(quarter))]);
        }
    }

    fn search<T>(&self, read: impl FnOnce(&SearchState) -> T) -> T
    where
        T: Default,
    {
        self.state.as_ref().map(read).unwrap_or_default()
    }

    /// Whether the run has nothing more to begin: complete, or drained for the next run.
    fn is_resting(&self) -> bool {
        self.search(|state| state.is_complete() || (state.draining && state.is_idle()))
    }

    fn is_to_look(&self) -> bool {
        self.looks_asked > self.looks_taken || self.is_resting()
    }

    /// How long a search that waits for something sleeps before it looks by itself; `None` while it works.
    fn wait(&self) -> Option<Duration> {
        let look = self.input.timings.look_ms;
        self.search(|state| match &state.hold {
            Some(Hold::OverBudget { sleep_ms: Some(sleep), .. }) => Some(Duration::from_millis(*sleep.min(&look))),
            Some(_) => Some(Duration::from_millis(look)),
            None => state.paused.then_some(Duration::from_millis(look)),
        })
    }
}

/// Short forms for the state inside the workflow.
trait SearchContext {
    fn with_search<T: Default>(&self, read: impl FnOnce(&SearchState) -> T) -> T;
    fn change<T: Default>(&self, change: impl FnOnce(&mut SearchState) -> T) -> T;
    fn begin_job(&self, provider: Provider) -> Option<Job>;
}

impl SearchContext for WorkflowContext<LeadSearch> {
    fn with_search<T: Default>(&self, read: impl FnOnce(&SearchState) -> T) -> T {
        self.state(|workflow| workflow.search(read))
    }

    fn change<T: Default>(&self, change: impl FnOnce(&mut SearchState) -> T) -> T {
        self.state_mut(|workflow| workflow.state.as_mut().map(change).unwrap_or_default())
    }

    fn begin_job(&self, provider: Provider) -> Option<Job> {
        self.change(|state| state.next_job(provider).inspect(|job| state.begin(job)))
    }
}

fn is_cancelled(ctx: &WorkflowContext<LeadSearch>) -> bool {
    ctx.cancellation_token().is_cancelled()
}

/// Markdown for the web UI: numbers only.
fn details(state: &SearchState) -> String {
    let wanted = state.plan.leads.map_or(String::new(), |leads| format!(" of {leads} wanted"));
    let problem = state.last_problem.as_ref().map_or(String::new(), |problem| format!("\n- last problem: {problem}"));
    format!(
        "**{}**, {} %\n\n- {} businesses found, {} of them searched for people\n- {} people found, {} leads with a \
         reason{wanted}\n- {} gaps{problem}",
        state.phase().replace('_', " "),
        state.percent(),
        state.businesses,
        state.searched,
        state.leads,
        state.ready,
        state.gaps,
    )
}

/// Whether the activity itself said that no retry helps; else its time for retries has run out.
fn is_final(error: &ActivityExecutionError) -> bool {
    matches!(error.cause(), Some(IncomingError::Application(failure)) if failure.is_non_retryable())
}

fn paid_options(ctx: &WorkflowContext<LeadSearch>, job: &Job) -> ActivityOptions {
    let timings = ctx.state(|workflow| workflow.input.timings);
    let start_to_close_ms = match job.provider() {
        Provider::Openai | Provider::Gemini => timings.model_activity_ms,
        Provider::Serper | Provider::Hunter => timings.search_activity_ms,
        Provider::Unipile => timings.touch_activity_ms,
    };
    let timeouts = ActivityCloseTimeouts::ScheduleAndStartToClose {
        start_to_close: Duration::from_millis(start_to_close_ms),
        schedule_to_close: Duration::from_millis(timings.schedule_to_close_ms),
    };
    let mut options = options(ctx, job.provider().task_queue(), timeouts, job.summary());
    options.heartbeat_timeout = Some(timings.heartbeat());
    // The books are closed after the last call has ended and is booked, also after a cancel.
    options.cancellation_type = ActivityCancellationType::WaitCancellationCompleted;
    options
}

fn store_options(ctx: &WorkflowContext<LeadSearch>, summary: &str) -> ActivityOptions {
    let start_to_close = ctx.state(|workflow| Duration::from_millis(workflow.input.timings.store_activity_ms));
    // Without the store there is nothing to go on with, so these are tried for as long as it takes.
    options(ctx, QUEUE, ActivityCloseTimeouts::StartToClose(start_to_close), summary.into())
}

/// Retries are bounded by time, not by number; delays that a provider asks for come from the activity.
fn options(
    ctx: &WorkflowContext<LeadSearch>,
    queue: &str,
    timeouts: ActivityCloseTimeouts,
    summary: String,
) -> ActivityOptions {
    let timings = ctx.state(|workflow| workflow.input.timings);
    let tenant = ctx.state(|workflow| workflow.input.search.tenant.to_string());
    let retries = RetryPolicy::builder()
        .initial_interval(Duration::from_millis(timings.retry_first_ms))
        .backoff_coefficient(2.0)
        .maximum_interval(Duration::from_millis(timings.retry_longest_ms))
        .build();
    ActivityOptions::with_close_timeouts(timeouts)
        .task_queue(queue.to_owned())
        .summary(summary)
        .retry_policy(retries)
        .priority(Priority::builder().fairness_key(tenant).build())
        .build()
}
