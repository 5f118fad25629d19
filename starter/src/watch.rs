//! Follows a running search: progress, cost, waits, problems in words, and leads as they come.

mod bars;
mod screen;

pub use screen::Screen;

use crate::failure::Failure;
use crate::launch::{Launcher, waits};
use crate::output::figures::{count, counted, money};
use crate::output::printable;
use leadflow_activities::store::leads::SearchKey;
use leadflow_activities::store::searches::{Progress, Search};
use leadflow_workflows::domain::ids::SearchId;
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::lead_search::{LeadSearch, workflow_id};
use std::collections::BTreeSet;
use std::time::Duration;
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_client::{Client, WorkflowDescribeOptions, WorkflowExecutionStatus};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What is dearer to ask for is asked for every so many looks, or when the progress has changed.
const DEAR_LOOKS: u32 = 5;
/// So many looks without any progress are reason to ask whether anybody works on the search.
const QUIET_LOOKS: u32 = 50;

/// A search to follow.
pub struct Watch<'a> {
    pub launcher: &'a Launcher,
    pub search: &'a Search,
    /// So many leads are shown as they come.
    pub leads_shown: usize,
}

/// One look at a search, for the screen.
pub(crate) struct View<'a> {
    progress: &'a Progress,
    cost: MicroUsd,
    /// What its calls wait for, in words; empty for nothing.
    waits: &'a str,
    /// Leads that the brief asks for.
    wanted: Option<u32>,
    email: bool,
}

impl Watch<'_> {
    /// Shows the search until it has ended. `each_look` is called with the progress about ten times a second.
    ///
    /// # Errors
    /// When the store cannot be read, `each_look` fails, or the workflow has ended without closing the books.
    pub async fn follow(
        &self,
        screen: &Screen,
        mut each_look: impl AsyncFnMut(&Progress) -> Result<(), Failure>,
    ) -> Result<Search, Failure> {
        let Launcher { store, gate, client, .. } = self.launcher;
        let key = SearchKey { tenant: &self.search.tenant, id: &self.search.id };
        let search_id = SearchId(self.search.id.clone());
        let want = &self.search.brief.want;
        let mut seen: BTreeSet<String> = store.ready_leads(key).await?.into_iter().map(|lead| lead.id).collect();
        let shown_before = seen.len();
        let mut last: Option<Progress> = None;
        let (mut cost, mut waiting, mut quiet_looks) = (MicroUsd::ZERO, String::new(), 0_u32);
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let progress = store.progress(key.tenant, key.id).await?.ok_or_else(|| self.gone())?;
            let changed = last.as_ref() != Some(&progress);
            quiet_looks = if changed { 0 } else { quiet_looks + 1 };
            if changed || quiet_looks.is_multiple_of(DEAR_LOOKS) {
                cost = gate.cost_of_search(key.tenant, key.id).await?;
                waiting = waits(client, &search_id).await;
            }
            screen.show(&View { progress: &progress, cost, waits: &waiting, wanted: want.leads, email: want.email });
            if last.as_ref().is_none_or(|last| last.leads_ready != progress.leads_ready) {
                let new = store.ready_leads(key).await?.into_iter().filter(|lead| !seen.contains(&lead.id));
                for lead in new.collect::<Vec<_>>() {
                    if seen.len() - shown_before < self.leads_shown {
                        screen.lead(&lead);
                    }
                    seen.insert(lead.id);
                }
            }
            if last.as_ref().is_none_or(|last| last.phase != progress.phase)
                && let Some(hold) = hold(&progress, key.id)
            {
                screen.say(&hold);
            }
            each_look(&progress).await?;
            if changed || quiet_looks.is_multiple_of(QUIET_LOOKS) {
                let search = store.search(key.tenant, key.id).await?.ok_or_else(|| self.gone())?;
                if search.is_finished() {
                    screen.clear();
                    return Ok(search);
                }
                if quiet_looks > 0 {
                    self.check_alive(screen, &search, quiet_looks).await?;
                }
            }
            last = Some(progress);
        }
    }

    /// Nothing has happened for a while: there may be no worker, or no workflow any more.
    async fn check_alive(&self, screen: &Screen, search: &Search, quiet_looks: u32) -> Result<(), Failure> {
        if search.started_at_ms.is_none() && quiet_looks == QUIET_LOOKS {
            screen.say("no worker has taken the search up yet\nhint: start one with `starter dev` or `worker`");
        }
        let (client, store, id) = (&self.launcher.client, &self.launcher.store, &search.id);
        if !workflow_has_ended(client, id).await {
            return Ok(());
        }
        // It may have ended properly since the store was read.
        if store.search(&search.tenant, id).await?.is_none_or(|search| search.is_finished()) {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "the workflow of search {id} has ended without closing its books\nhint: the Temporal web UI says \
             why; `starter search cancel {id}` closes them, and what was found stays"
        )))
    }

    fn gone(&self) -> Failure {
        Failure::Failed(format!("search {} is no longer in the store", self.search.id))
    }
}

impl View<'_> {
    /// Phase, cost and gaps.
    fn state(&self) -> String {
        let gaps = if self.progress.gaps == 0 {
            String::new()
        } else {
            format!(", {}", counted(self.progress.gaps.into(), "gap"))
        };
        format!("{}, {} %, {} so far{gaps}", phase(self.progress), self.progress.percent, money(self.cost))
    }

    fn problem(&self) -> Option<String> {
        let (phase, problem) = self.progress.problems.iter().next_back()?;
        Some(printable(&format!("{phase}: {problem}")))
    }

    /// Everything in one line.
    fn line(&self) -> String {
        let progress = self.progress;
        let wanted = self.wanted.map_or(String::new(), |wanted| format!(" of {}", count(wanted.into())));
        let waits = if self.waits.is_empty() { String::new() } else { format!("; {}", self.waits) };
        let problem = self.problem().map_or(String::new(), |problem| format!("; last problem: {problem}"));
        format!(
            "{}; businesses searched: {} of {}, leads found: {}, with a reason: {}{wanted}{waits}{problem}",
            self.state(),
            count(progress.businesses_searched.into()),
            count(progress.businesses.into()),
            count(progress.leads.into()),
            count(progress.leads_ready.into()),
        )
    }
}

/// Whether the server says that the workflow of a search has ended, or that it knows none.
pub(crate) async fn workflow_has_ended(client: &Client, search_id: &str) -> bool {
    use WorkflowExecutionStatus::{Canceled, Completed, Failed, Terminated, TimedOut};
    let handle = client.get_workflow_handle::<LeadSearch>(workflow_id(&SearchId(search_id.to_owned())));
    match handle.describe(WorkflowDescribeOptions::default()).await {
        Ok(described) => matches!(described.status(), Canceled | Completed | Failed | Terminated | TimedOut),
        Err(error) => matches!(error, WorkflowInteractionError::NotFound(_)),
    }
}

/// The phase as people say it.
pub(crate) fn phase(progress: &Progress) -> String {
    progress.phase.replace('_', " ")
}

/// Why a search stands still and what helps; `None` while it works.
pub(crate) fn hold(progress: &Progress, search_id: &str) -> Option<String> {
    let told = |words: &str| progress.problems.values().find(|problem| problem.contains(words));
    match progress.phase.as_str() {
        "paused" => Some(format!("the search is paused\nhint: `starter search resume {search_id}` lets it go on")),
        "over_budget" => {
            let problem = told("is used up").map_or("a budget is used up", String::as_str);
            let scope = match problem {
                problem if problem.contains("installation") => "installation".to_owned(),
                problem if problem.contains("tenant") => "tenant".to_owned(),
                _ => format!("search:{search_id}"),
            };
            Some(format!(
                "the search waits: {problem}\nhint: `starter budget show {search_id}` shows what is booked; \
                 `starter budget raise {scope} USD` sets a higher limit, and the search goes on at once"
            ))
        }
        "refused" => {
            let problem = told("refuses our calls").map_or("a provider refuses our calls", String::as_str);
            Some(format!(
                "the search waits: {problem}\nhint: `starter doctor` checks the keys; set a valid one, start the worker \
                 again, then `starter search resume {search_id}`"
            ))
        }
        _ => None,
    }
}
