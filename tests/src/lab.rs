//! A laboratory: Temporal server, sandbox and worker process over a temporary folder, and ways to watch them.

use crate::kill_points;
use anyhow::{Context, bail};
use leadflow_activities::config::Config;
use leadflow_activities::gate::Gate;
use leadflow_activities::store::Store;
use leadflow_activities::store::leads::{Lead, SearchKey};
use leadflow_activities::store::searches::{Progress, Search};
use leadflow_clock::Clock;
use leadflow_sandbox::{LedgerEntry, Sandbox, SandboxConfig};
use leadflow_starter::failure::Failure;
use leadflow_starter::launch::{Launcher, Start};
use leadflow_starter::stack::{Part, Stack, StackOptions, tail};
use leadflow_workflows::domain::brief::{Brief, Ideal, Want};
use leadflow_workflows::domain::ids::SearchId;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::timings::Timings;
use leadflow_workflows::lead_search::{LeadSearch, workflow_id};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use temporalio_client::{WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowQueryOptions};
use temporalio_common::protos::temporal::api::workflow::v1::PendingActivityInfo;

/// How long anything that is waited for may take, on a machine that is busy with other tests.
pub const LIMIT: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Fast enough to be no limit.
const CALLS_PER_MINUTE: u32 = 60_000;

/// How to build a laboratory.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program that is guard and worker; this one without, which then answers [`kill_points::main_if_internal`].
    pub program: Option<PathBuf>,
    pub config: Config,
    pub sandbox: SandboxConfig,
    pub clock: Clock,
    /// Variables for the worker beside the configuration.
    pub worker_env: Vec<(String, String)>,
}

impl Setup {
    /// Short time-outs, no rate limit, no latency, no fault.
    pub fn new(program: Option<PathBuf>) -> Self {
        let mut config = Config { timings: Timings::test(), ..Config::default() };
        let Config { openai, gemini, serper, hunter, unipile, .. } = &mut config;
        for provider in [openai, gemini, serper, hunter, unipile] {
            provider.calls_per_minute = CALLS_PER_MINUTE;
        }
        let sandbox = SandboxConfig { seed: 11, ..SandboxConfig::default() };
        Self { program, config, sandbox, clock: Clock::system(), worker_env: Vec::new() }
    }

    /// Calls that take a while, so that something can happen meanwhile.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        (self.sandbox.search_latency, self.sandbox.model_latency) = (latency, latency);
        self
    }
}

/// What makes two leads the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeadFacts {
    pub linkedin_public_id: String,
    pub business: String,
    pub score: Option<u32>,
    pub reason: Option<String>,
    pub email: Option<String>,
}

impl From<Lead> for LeadFacts {
    fn from(lead: Lead) -> Self {
        let Lead { linkedin_public_id, business, score, reason, email, .. } = lead;
        Self { linkedin_public_id, business, score, reason, email }
    }
}

pub struct Lab {
    pub stack: Stack,
    /// Removed with the laboratory.
    _folder: TempDir,
}

impl Lab {
    pub async fn start(setup: Setup) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("leadflow-lab-").tempdir()?;
        let options = StackOptions {
            sandbox: setup.sandbox,
            clock: setup.clock,
            headless: true,
            worker_env: setup.worker_env,
            program: setup.program,
            ..StackOptions::new(folder.path().join("data"), setup.config)
        };
        let stack = Stack::start(options, &|_| {}).await.or_say()?;
        Ok(Self { stack, _folder: folder })
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.stack.stop().await.or_say()
    }

    pub fn tenant(&self) -> &str {
        &self.stack.config.tenant
    }

    pub fn launcher(&self) -> Launcher {
        self.stack.launcher()
    }

    /// What steers the searches of another tenant, whom the database keeps apart.
    pub async fn launcher_of(&self, tenant: &str) -> anyhow::Result<Launcher> {
        let store = Store::connect(&self.stack.config.store).await?.for_tenant(tenant);
        let mut launcher = self.launcher();
        tenant.clone_into(&mut launcher.config.tenant);
        launcher.gate =
            Gate::new(store.clone(), launcher.clock, launcher.config.budgets.clone(), launcher.config.timings);
        Ok(Launcher { store, ..launcher })
    }

    pub async fn search(&self, brief: Brief) -> anyhow::Result<SearchId> {
        self.launcher().start(Start::new(brief)).await.or_say()
    }

    pub async fn stored(&self, id: &SearchId) -> anyhow::Result<Search> {
        self.stack.store.search(self.tenant(), id.as_str()).await?.context("the search is not in the store")
    }

    pub async fn progress(&self, id: &SearchId) -> anyhow::Result<Progress> {
        self.stack.store.progress(self.tenant(), id.as_str()).await?.context("the search has no progress")
    }

    /// The leads of a search that are ready, in the order of their numbers.
    pub async fn leads(&self, id: &SearchId) -> anyhow::Result<Vec<LeadFacts>> {
        let leads = self.stack.store.all_leads(self.key(id)).await?;
        Ok(leads.into_iter().filter(|lead| lead.state == "ready").map(Into::into).collect())
    }

    pub fn key<'a>(&'a self, id: &'a SearchId) -> SearchKey<'a> {
        SearchKey { tenant: self.tenant(), id: id.as_str() }
    }

    pub fn sandbox(&self) -> &Sandbox {
        self.stack.sandbox.as_ref().expect("a laboratory has a sandbox")
    }

    /// What the providers have on their books.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.stack.sandbox.as_ref().map(leadflow_sandbox::Sandbox::ledger).unwrap_or_default()
    }

    /// Writes what a person wants, and tells the search.
    pub async fn wish(&self, id: &SearchId, pause: bool) -> anyhow::Result<()> {
        self.stack.store.wish(self.tenant(), id.as_str(), pause).await?;
        self.look(id).await
    }

    pub async fn look(&self, id: &SearchId) -> anyhow::Result<()> {
        self.launcher().look(&self.stored(id).await?).await.or_say()
    }

    pub async fn cancel(&self, id: &SearchId) -> anyhow::Result<()> {
        self.launcher().cancel(&self.stored(id).await?, "the test wants it").await.or_say()
    }

    /// What the workflow itself says of its phase; none before it is prepared.
    pub async fn workflow_phase(&self, id: &SearchId) -> anyhow::Result<Option<String>> {
        let handle = self.stack.client.get_workflow_handle::<LeadSearch>(workflow_id(id));
        let progress = handle.query(LeadSearch::progress, (), WorkflowQueryOptions::default()).await?;
        Ok(progress.map(|progress| progress.phase))
    }

    /// Activities that Temporal has scheduled or started, and not ended.
    pub async fn pending(&self, id: &SearchId) -> anyhow::Result<Vec<PendingActivityInfo>> {
        let handle = self.stack.client.get_workflow_handle::<LeadSearch>(workflow_id(id));
        Ok(handle.describe(WorkflowDescribeOptions::default()).await?.raw().pending_activities.clone())
    }

    /// Kills the worker if it still runs, and starts the next one.
    pub async fn restart_worker(&mut self, kill_at: Option<&str>) -> anyhow::Result<()> {
        self.stack.kill_worker().await.or_say()?;
        let kill_at = kill_at.map(|point| (kill_points::VARIABLE.to_owned(), point.to_owned()));
        self.stack.worker_env = kill_at.into_iter().collect();
        self.stack.start_worker().await.or_say()
    }

    pub async fn kill_worker(&mut self) -> anyhow::Result<()> {
        self.stack.kill_worker().await.or_say()
    }

    /// Waits until the worker process has died at its kill point.
    pub async fn worker_died(&mut self) -> anyhow::Result<()> {
        match tokio::time::timeout(LIMIT, self.stack.ended()).await {
            Ok(Part::Worker) => Ok(()),
            Ok(Part::Server) => bail!("the Temporal server ended by itself"),
            Err(_) => bail!("the worker has not come to its kill point within {} s", LIMIT.as_secs()),
        }
    }

    /// Waits until a search and its workflow have ended, and gives the status of the search.
    pub async fn finished(&self, id: &SearchId) -> anyhow::Result<String> {
        let status = self
            .until("the search ends", async || {
                let search = self.stored(id).await?;
                Ok(search.is_finished().then_some(search.status))
            })
            .await?;
        let handle = self.stack.client.get_workflow_handle::<LeadSearch>(workflow_id(id));
        self.until("the workflow ends", async || {
            let described = handle.describe(WorkflowDescribeOptions::default()).await?;
            Ok((described.status() != WorkflowExecutionStatus::Running).then_some(()))
        })
        .await?;
        Ok(status)
    }

    /// Waits until the progress of a search shows this phase.
    pub async fn phase(&self, id: &SearchId, phase: &str) -> anyhow::Result<Progress> {
        self.until(&format!("the phase is {phase}"), async || {
            let progress = self.progress(id).await?;
            Ok((progress.phase == phase).then_some(progress))
        })
        .await
    }

    /// What the newest search and the worker are doing, for the message of a test that has waited in vain.
    async fn state(&self) -> String {
        let log = tail(&self.stack.folder.logs().join("worker.log"), 12);
        let newest = self.stack.store.searches(self.tenant(), 1).await.ok().and_then(|mut searches| searches.pop());
        let Some(id) = newest.map(|search| SearchId(search.id)) else {
            return format!("the worker's log ends with\n{log}");
        };
        let pending = self.pending(&id).await.unwrap_or_default();
        let pending: Vec<String> = pending
            .iter()
            .map(|activity| {
                let kind = activity.activity_type.as_ref().map_or("", |kind| kind.name.as_str());
                let failure = activity.last_failure.as_ref().map_or("", |failure| failure.message.as_str());
                format!("  {kind}, attempt {}, {:?}: {failure}", activity.attempt, activity.state())
            })
            .collect();
        format!(
            "{:?}\npending activities:\n{}\nthe worker's log ends with\n{log}",
            self.progress(&id).await.ok(),
            pending.join("\n")
        )
    }

    /// Waits until `look` finds something; when it takes too long, the error says what goes on.
    pub async fn until<T>(
        &self,
        what: &str,
        look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        self.until_within(LIMIT, LOOK_EVERY, what, look).await
    }

    /// [`Self::until`] for what takes longer, or is too much to look at often.
    pub async fn until_within<T>(
        &self,
        limit: Duration,
        look_every: Duration,
        what: &str,
        mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let look_on = async {
            let mut every = tokio::time::interval(look_every);
            loop {
                every.tick().await;
                if let Some(found) = look().await? {
                    return Ok(found);
                }
            }
        };
        match tokio::time::timeout(limit, look_on).await {
            Ok(found) => found,
            Err(_) => bail!("waited {} s until {what}; {}", limit.as_secs(), self.state().await),
        }
    }
}

/// A brief for breweries in three states, good for some hundred leads: three personas, no email look-up, no market.
pub fn brief(leads: Option<u32>) -> Brief {
    Brief {
        name: "brewery-crm".into(),
        sell: "CRM for breweries: accounts, kegs and routes on one phone screen".into(),
        ideal: Ideal {
            industries: vec!["brewery".into(), "brewpub".into(), "taproom".into()],
            roles: Vec::new(),
            exclude: Vec::new(),
            personas: 3,
        },
        places: ["Vermont, US", "New Hampshire, US", "Maine, US"].map(Into::into).into(),
        want: Want { leads, insights: false, ..Want::default() },
    }
}

/// Failures of the command line, as errors.
pub trait OrSay<T> {
    fn or_say(self) -> anyhow::Result<T>;
}

impl<T> OrSay<T> for Result<T, Failure> {
    fn or_say(self) -> anyhow::Result<T> {
        self.map_err(|failure| match failure {
            Failure::Refused(text) | Failure::Failed(text) | Failure::Unavailable(text) => anyhow::Error::msg(text),
            Failure::Input(mistakes) => anyhow::Error::msg(format!("{mistakes:?}")),
        })
    }
}

/// Whether a provider's activities are among these.
pub fn calls(pending: &[PendingActivityInfo], provider: Provider) -> bool {
    let prefix = format!("{}.", provider.name());
    pending.iter().any(|activity| activity.activity_type.as_ref().is_some_and(|kind| kind.name.starts_with(&prefix)))
}
