//! The courses that a search can take. The end-to-end tests play them, and so does whoever records their histories.

pub mod endings;
pub mod groups;
pub mod readings;
mod steer;

pub use steer::explained;

use crate::books::billed;
use crate::lab::{Lab, OrSay, Setup, brief};
use anyhow::{Context, ensure};
use leadflow_activities::gate::BudgetScope;
use leadflow_sandbox::{FaultKind, FaultRule, Faults, Provider as SandboxProvider};
use leadflow_starter::launch::Start;
use leadflow_workflows::domain::brief::{Brief, Want};
use leadflow_workflows::domain::ids::SearchId;
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::lead_search::EVENTS_PER_RUN;
use std::path::PathBuf;
use std::time::Duration;

/// Slow enough to be interrupted.
const LATENCY: Duration = Duration::from_millis(50);
/// A model refuses to write about this one.
pub const REFUSED_LEAD: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    Completed,
    WithGaps,
    Cancelled,
    PausedAndResumed,
    OverBudgetAndRaised,
    ContinuedAsNew,
}

impl Scenario {
    pub const ALL: [Self; 6] = [
        Self::Completed,
        Self::WithGaps,
        Self::Cancelled,
        Self::PausedAndResumed,
        Self::OverBudgetAndRaised,
        Self::ContinuedAsNew,
    ];

    /// As in the names of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::WithGaps => "with_gaps",
            Self::Cancelled => "cancelled",
            Self::PausedAndResumed => "paused_and_resumed",
            Self::OverBudgetAndRaised => "over_budget_and_raised",
            Self::ContinuedAsNew => "continued_as_new",
        }
    }

    pub fn setup(self, program: Option<PathBuf>) -> Setup {
        Setup::new(program).with_latency(LATENCY)
    }

    fn brief(self) -> Brief {
        let everything = Want { leads: Some(12), email: true, insights: true, ..Want::default() };
        match self {
            Self::Completed => Brief { want: everything, ..brief(None) },
            Self::WithGaps => brief(Some(8)),
            Self::Cancelled | Self::PausedAndResumed | Self::ContinuedAsNew => brief(Some(30)),
            Self::OverBudgetAndRaised => Brief {
                want: Want { leads: Some(12), insights: true, budget_usd: Some(0.04), ..Want::default() },
                ..brief(None)
            },
        }
    }

    /// Plays it to its end, and makes sure that it went as its name says.
    pub async fn play(self, lab: &Lab) -> anyhow::Result<SearchId> {
        let events_per_run = if self == Self::ContinuedAsNew { 60 } else { EVENTS_PER_RUN };
        if self == Self::WithGaps {
            refuse_one_lead(lab).await?;
        }
        let start = Start { events_per_run, ..Start::new(self.brief()) };
        let id = lab.launcher().start(start).await.or_say()?;
        let expected = match self {
            Self::Completed | Self::ContinuedAsNew => "completed",
            Self::WithGaps => "completed_with_gaps",
            Self::Cancelled => {
                first_leads(lab, &id).await?;
                lab.cancel(&id).await?;
                "cancelled"
            }
            Self::PausedAndResumed => {
                first_leads(lab, &id).await?;
                pause(lab, &id).await?;
                lab.wish(&id, false).await?;
                "completed"
            }
            Self::OverBudgetAndRaised => {
                raise_when_over_budget(lab, &id).await?;
                "completed"
            }
        };
        let status = lab.finished(&id).await?;
        let gaps = lab.stack.store.gaps(lab.tenant(), id.as_str()).await?;
        ensure!(status == expected, "the search is {status}, not {expected}; its gaps: {gaps:?}");
        Ok(id)
    }
}

async fn first_leads(lab: &Lab, id: &SearchId) -> anyhow::Result<()> {
    lab.until("the first leads are ready", async || Ok((lab.progress(id).await?.leads_ready > 0).then_some(()))).await
}

/// Pauses a search and makes sure that calls in flight end and no new one begins, even when it is told to look.
async fn pause(lab: &Lab, id: &SearchId) -> anyhow::Result<()> {
    lab.wish(id, true).await?;
    // The store shows the wish as soon as it is read, the workflow obeys it as soon as it hears of it.
    lab.phase(id, "paused").await?;
    lab.until("the workflow is paused", async || {
        Ok(lab.workflow_phase(id).await?.filter(|phase| phase == "paused").map(drop))
    })
    .await?;
    lab.until("calls in flight have ended", async || Ok(lab.pending(id).await?.is_empty().then_some(()))).await?;
    let calls = lab.ledger().len();
    let paused = lab.phase(id, "paused").await?;
    lab.look(id).await?;
    lab.until("the search has looked", async || {
        Ok((lab.progress(id).await?.updated_at_ms > paused.updated_at_ms).then_some(()))
    })
    .await?;
    lab.until("the look has ended", async || Ok(lab.pending(id).await?.is_empty().then_some(()))).await?;
    ensure!(lab.progress(id).await?.phase == "paused", "a look ended the pause");
    ensure!(lab.ledger().len() == calls, "a paused search made {} calls", lab.ledger().len() - calls);
    Ok(())
}

/// Lets a search run into its budget, and raises it a little each time, until it is through.
async fn raise_when_over_budget(lab: &Lab, id: &SearchId) -> anyhow::Result<()> {
    let scope = BudgetScope::Search { tenant: lab.tenant().to_owned(), search_id: id.0.clone() };
    let mut limit = MicroUsd(40_000);
    let mut holds = 0;
    loop {
        let is_over = lab
            .until("the search waits for money or ends", async || {
                let billed = billed(&lab.ledger());
                ensure!(billed <= u64::try_from(limit.0)?, "{billed} were billed against a limit of {limit}");
                let is_over = lab.progress(id).await?.phase == "over_budget";
                Ok((is_over || lab.stored(id).await?.is_finished()).then_some(is_over))
            })
            .await?;
        if !is_over {
            ensure!(holds > 0, "the search never came to its limit");
            return Ok(());
        }
        holds += 1;
        // Calls that began below the limit end, and none begins above it.
        lab.until("calls in flight have ended", async || {
            let pending = lab.pending(id).await?;
            Ok((!Provider::ALL.into_iter().any(|provider| crate::lab::calls(&pending, provider))).then_some(()))
        })
        .await?;
        let billed = billed(&lab.ledger());
        ensure!(billed <= u64::try_from(limit.0)?, "{billed} were billed against a limit of {limit}");
        limit = MicroUsd(limit.0 + 40_000);
        lab.launcher().gate.raise(&scope, limit).await?;
        lab.look(id).await?;
        lab.until("the search goes on", async || Ok((lab.progress(id).await?.phase != "over_budget").then_some(())))
            .await?;
    }
}

/// Finds out who would be a lead, under another tenant, and lets the model refuse to write about the business of one.
async fn refuse_one_lead(lab: &Lab) -> anyhow::Result<()> {
    let launcher = lab.launcher_of("scout").await?;
    let id = launcher.start(Start::new(Scenario::WithGaps.brief())).await.or_say()?;
    let leads = lab
        .until("the scout's search ends", async || {
            let search = launcher.store.search("scout", id.as_str()).await?.context("the search is stored")?;
            if !search.is_finished() {
                return Ok(None);
            }
            let key = leadflow_activities::store::leads::SearchKey { tenant: "scout", id: id.as_str() };
            Ok(Some(launcher.store.all_leads(key).await?))
        })
        .await?;
    let refused = leads.get(REFUSED_LEAD).context("the scout found too few leads")?;
    let rule = FaultRule {
        operation: Some("chat_completions:lead_reasons".into()),
        body_contains: Some(format!("{} {}", refused.first_name, refused.last_name)),
        ..FaultRule::new(SandboxProvider::OpenAi, FaultKind::Refusal)
    };
    let sandbox = lab.stack.sandbox.as_ref().context("a laboratory has a sandbox")?;
    sandbox.set_faults(Faults { seed: 1, rules: vec![rule] });
    Ok(())
}
