//! One search with its store, its activities and its sandbox.

use futures::FutureExt;
use futures::future::BoxFuture;
use leadflow_activities::config::Config;
use leadflow_activities::gate::Gate;
use leadflow_activities::outreach::events::{TellError, Teller};
use leadflow_activities::providers::Clients;
use leadflow_activities::search::{PaidActivities, SearchActivities, SearchWork};
use leadflow_activities::store::Store;
use leadflow_activities::store::leads::{Lead, SearchKey};
use leadflow_activities::store::searches::NewSearch;
use leadflow_clock::Clock;
use leadflow_sandbox::{FaultRule, Faults, LedgerEntry, Sandbox, SandboxConfig};
use leadflow_workflows::contract::{FinishInput, GiveUpInput, JobInput, Prepared, SearchRef, SearchResult, Wishes};
use leadflow_workflows::domain::brief::{Brief, Ideal, Want};
use leadflow_workflows::domain::ids::{SearchId, TenantId};
use leadflow_workflows::domain::search_plan::{Job, Outcome, Round};
use leadflow_workflows::domain::timings::Timings;
use serde::Serialize;
use sqlx::{Row, TypeInfo, ValueRef};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;
use temporalio_sdk::activities::ActivityError;
use temporalio_sdk::testing::{ActivityEnvironment, ActivityEnvironmentError, TestActivityInfoOptions};

/// 2026-03-14 12:00 UTC.
const NOON_MS: i64 = 1_773_489_600_000;
pub(crate) const BUSINESSES: u32 = 12;
/// A busy machine is no time-out.
pub(crate) const PATIENT: Timings = Timings { model_call_ms: 20_000, search_call_ms: 20_000, ..Timings::test() };

/// The paid activities in the order of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    BusinessPersonas,
    MarketFacts,
    MarketInsight,
    Maps,
    DecisionMakers,
    People,
    Emails,
    Reasons,
}

impl Step {
    pub(crate) const ALL: [Self; 8] = [
        Self::BusinessPersonas,
        Self::MarketFacts,
        Self::MarketInsight,
        Self::Maps,
        Self::DecisionMakers,
        Self::People,
        Self::Emails,
        Self::Reasons,
    ];

    /// The sandbox's provider and the beginning of its operation.
    pub(crate) fn call(self) -> (leadflow_sandbox::Provider, &'static str) {
        use leadflow_sandbox::Provider;
        match self {
            Self::BusinessPersonas => (Provider::OpenAi, "chat_completions:business_personas"),
            Self::DecisionMakers => (Provider::OpenAi, "chat_completions:decision_maker_personas"),
            Self::Reasons => (Provider::OpenAi, "chat_completions:lead_reasons"),
            Self::MarketFacts | Self::MarketInsight => (Provider::Gemini, ""),
            Self::Maps => (Provider::Serper, "maps"),
            Self::People => (Provider::Serper, "search"),
            Self::Emails => (Provider::Hunter, "email_finder"),
        }
    }
}

/// How an activity failed, as the server sees it.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) is_retried: bool,
    pub(crate) delay: Option<Duration>,
}

/// Remembers who was told.
#[derive(Default)]
struct Told(Mutex<BTreeSet<String>>);

impl Teller for Told {
    fn start(&self, _request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>> {
        futures::future::ready(Ok(())).boxed()
    }

    fn look<'a>(&'a self, tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<bool, TellError>> {
        assert_eq!(tenant, "acme");
        self.0.lock().unwrap().insert(workflow_id.to_owned());
        futures::future::ready(Ok(true)).boxed()
    }
}

pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) sandbox: Sandbox,
    pub(crate) search: SearchRef,
    work: Arc<SearchWork>,
    told: Arc<Told>,
}

impl Site {
    pub(crate) async fn new(store: &Store) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let mut config = Config::sandbox(&sandbox.base_url());
        config.timings = PATIENT;
        config.hunter.calls_per_minute = 60_000;
        config.serper.calls_per_minute = 60_000;
        let search = SearchRef { tenant: TenantId("acme".into()), search_id: SearchId("search-1".into()) };
        let new = NewSearch {
            id: search.search_id.0.clone(),
            tenant: search.tenant.0.clone(),
            source: "sandbox",
            brief: brief(),
            exclusions: Vec::new(),
            now_ms: NOON_MS,
        };
        store.create_search(&new).await.unwrap();
        let told = Arc::new(Told::default());
        let work = Arc::new(work_on(store, config, &told));
        Self { store: store.clone(), sandbox, search, work, told }
    }

    /// Another worker on the same store, with a mended configuration.
    pub(crate) fn mend(&mut self, change: impl FnOnce(&mut Config)) {
        let mut config = self.work.config.as_ref().clone();
        change(&mut config);
        self.work = Arc::new(work_on(&self.store, config, &self.told));
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.work.gate
    }

    fn environment(&self, activity: &str, attempt: u32) -> ActivityEnvironment {
        let info = TestActivityInfoOptions::builder()
            .workflow_id(Some("search/search-1".to_owned()))
            .activity_id(activity.to_owned())
            .attempt(attempt)
            .build();
        ActivityEnvironment::builder()
            .register_activities(PaidActivities(Arc::clone(&self.work)))
            .register_activities(SearchActivities(Arc::clone(&self.work)))
            .info(info)
            .build()
    }

    /// One attempt of the activity that does `job`.
    pub(crate) async fn attempt(&self, job: &Job, attempt: u32) -> Result<Outcome, Failed> {
        self.run_in(&self.environment(&job.summary(), attempt), job).await
    }

    /// An attempt that is cancelled as soon as the sandbox has `calls` calls on its ledger.
    pub(crate) async fn cancelled_attempt(&self, job: &Job, calls: usize) -> Result<Outcome, Failed> {
        let environment = self.environment(&job.summary(), 1);
        let cancel = async {
            while self.ledger().len() < calls {
                tokio::task::yield_now().await;
            }
            environment.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = self.run_in(&environment, job) => ended,
            () = cancel => unreachable!("it waits for ever"),
        }
    }

    async fn run_in(&self, environment: &ActivityEnvironment, job: &Job) -> Result<Outcome, Failed> {
        let input = JobInput { search: self.search.clone(), job: job.clone() };
        let ended = match job {
            Job::BusinessPersonas { .. } => environment.run(PaidActivities::business_personas, input).await,
            Job::DecisionMakers { .. } => environment.run(PaidActivities::decision_makers, input).await,
            Job::MarketFacts { .. } => environment.run(PaidActivities::market_facts, input).await,
            Job::MarketInsight { .. } => environment.run(PaidActivities::market_insight, input).await,
            Job::Maps { .. } => environment.run(PaidActivities::maps, input).await,
            Job::People { .. } => environment.run(PaidActivities::people, input).await,
            Job::Emails { .. } => environment.run(PaidActivities::emails, input).await,
            Job::Reasons { .. } => environment.run(PaidActivities::lead_reasons, input).await,
        };
        let ended = ended.map_err(failed);
        self.assert_private(&format!("{ended:?}")).await;
        ended
    }

    pub(crate) async fn prepare(&self) -> Prepared {
        self.environment("prepare", 1).run(SearchActivities::prepare, self.search.clone()).await.unwrap()
    }

    pub(crate) async fn look(&self) -> Wishes {
        self.environment("look", 1).run(SearchActivities::look, self.search.clone()).await.unwrap()
    }

    pub(crate) async fn give_up(&self, job: &Job, problem: &str) -> Outcome {
        let input = GiveUpInput { search: self.search.clone(), job: job.clone(), problem: problem.into() };
        self.environment("give up", 1).run(SearchActivities::give_up, input).await.unwrap()
    }

    pub(crate) async fn finish(&self, cancelled: bool) -> SearchResult {
        let input = FinishInput { search: self.search.clone(), cancelled };
        self.environment("finish", 1).run(SearchActivities::finish, input).await.unwrap()
    }

    /// The job of a step, once the steps before it are done.
    pub(crate) async fn job(&self, step: Step) -> Job {
        let round = Round::default();
        let numbers = || async { self.leads().await.iter().filter_map(|lead| lead.number).collect::<Vec<_>>() };
        match step {
            Step::BusinessPersonas => Job::BusinessPersonas { round },
            Step::MarketFacts => Job::MarketFacts { persona: 0, round },
            Step::MarketInsight => Job::MarketInsight { persona: 0, round },
            Step::Maps => Job::Maps { persona: 0, place: 0, page: 1, pages: 2 },
            Step::DecisionMakers => Job::DecisionMakers { persona: 0, round },
            Step::People => Job::People { from: 0, to: BUSINESSES },
            Step::Emails => Job::Emails { from: 0, to: u32::try_from(numbers().await.len()).unwrap() },
            Step::Reasons => Job::Reasons { leads: numbers().await, round },
        }
    }

    /// Does everything that comes before `step` and gives its job; the sandbox's ledger goes on.
    pub(crate) async fn reach(&self, step: Step) -> Job {
        self.prepare().await;
        for before in Step::ALL.into_iter().take_while(|before| *before != step) {
            let job = self.job(before).await;
            let outcome = self.attempt(&job, 1).await.unwrap();
            assert!(!matches!(outcome, Outcome::Bad { .. } | Outcome::Held(_)), "{before:?}: {outcome:?}");
        }
        self.job(step).await
    }

    pub(crate) fn strike(&self, rule: FaultRule) {
        self.sandbox.set_faults(Faults { seed: 0, rules: vec![rule] });
    }

    pub(crate) fn heal(&self) {
        self.sandbox.set_faults(Faults::default());
    }

    pub(crate) fn ledger(&self) -> Vec<LedgerEntry> {
        self.sandbox.ledger()
    }

    /// Calls of a step that the sandbox has billed.
    pub(crate) fn billed(&self, step: Step) -> usize {
        let (provider, operation) = step.call();
        let is_of_step = |entry: &&LedgerEntry| {
            entry.provider == provider && entry.operation.starts_with(operation) && !entry.units.is_empty()
        };
        self.ledger().iter().filter(is_of_step).count()
    }

    pub(crate) fn bill_micro_usd(&self) -> i64 {
        self.ledger().iter().map(|entry| i64::try_from(entry.billed_microusd).unwrap()).sum()
    }

    pub(crate) fn key(&self) -> SearchKey<'_> {
        SearchKey { tenant: self.search.tenant.as_str(), id: self.search.search_id.as_str() }
    }

    pub(crate) async fn leads(&self) -> Vec<Lead> {
        self.store.all_leads(self.key()).await.unwrap()
    }

    pub(crate) async fn gaps(&self) -> Vec<(String, String)> {
        let gaps = self.store.gaps(self.key().tenant, self.key().id).await.unwrap();
        gaps.into_iter().map(|gap| (gap.item, gap.problem)).collect()
    }

    /// An open enrollment of a lead's person; the id of its workflow.
    pub(crate) async fn enroll(&self, lead: &Lead) -> String {
        let (id, person) = (&lead.id, &lead.person_id);
        let insert = sqlx::AssertSqlSafe(format!(
            "INSERT INTO enrollments (id, tenant, campaign_id, lead_id, person_id, sequence_id, state, cause, state_at_ms, \
             is_open, is_exclusive, decisions, started_at_ms, wakes_at_ms) VALUES ('e-{id}', 'acme', 'c', '{id}', '{person}', \
             's', 'scheduled', 'its turn', 0, 1, 0, '{{}}', 0, 0)"
        ));
        sqlx::query(insert).execute(self.store.read()).await.unwrap();
        format!("enrollment/e-{id}")
    }

    /// The workflows that were told to look.
    pub(crate) fn told(&self) -> BTreeSet<String> {
        self.told.0.lock().unwrap().clone()
    }

    /// States and booked costs of the calls that were never answered.
    pub(crate) async fn presumed(&self) -> Vec<i64> {
        let select = "SELECT cost_micro_usd FROM api_usage_logs WHERE state = 'presumed' ORDER BY call_id";
        sqlx::query_scalar(select).fetch_all(self.store.read()).await.unwrap()
    }

    /// What is booked for the search without those calls.
    pub(crate) async fn settled_micro_usd(&self) -> i64 {
        let select = "SELECT CAST(COALESCE(SUM(cost_micro_usd), 0) AS BIGINT) FROM api_usage_logs \
                      WHERE state IN ('settled', 'failed')";
        sqlx::query_scalar(select).fetch_one(self.store.read()).await.unwrap()
    }

    /// Every value of every table. The clock stands still, so that instants do not differ.
    pub(crate) async fn snapshot(&self) -> BTreeSet<String> {
        const TABLES: [&str; 14] = [
            "api_usage_logs",
            "breakers",
            "budgets",
            "businesses",
            "gaps",
            "leads",
            "map_pages",
            "market_insights",
            "people_searches",
            "personas",
            "persons",
            "results_cache",
            "search_businesses",
            "searches",
        ];
        let mut all = BTreeSet::new();
        for table in TABLES.into_iter().chain(["search_progress"]) {
            let select = sqlx::AssertSqlSafe(format!("SELECT * FROM {table}"));
            for row in sqlx::query(select).fetch_all(self.store.read()).await.unwrap() {
                let values: Vec<String> = (0..row.len()).map(|column| value(&row, column)).collect();
                all.insert(format!("{table}: {}", values.join(" | ")));
            }
        }
        all
    }

    /// What leaves the activity, and what the gaps and problems show, tells of nobody.
    async fn assert_private(&self, told: &str) {
        let progress = self.store.progress(self.key().tenant, self.key().id).await.unwrap().unwrap();
        let told = format!("{told} {:?} {:?}", self.gaps().await, progress.problems);
        for lead in self.leads().await {
            let name = format!("{} {}", lead.first_name, lead.last_name);
            let private = [Some(name), Some(lead.linkedin_public_id), lead.email];
            for private in private.into_iter().flatten().filter(|private| private.trim().len() > 1) {
                assert!(!told.contains(&private), "`{private}` is in: {told}");
            }
        }
        assert!(!told.contains('@'), "an address is in: {told}");
    }
}

fn work_on(store: &Store, config: Config, told: &Arc<Told>) -> SearchWork {
    let clock = Clock::fast(NOON_MS, 1e-9);
    let gate = Gate::new(store.clone(), clock, config.budgets.clone(), config.timings);
    let clients = Clients::from_config(&config).unwrap();
    SearchWork::new(store.clone(), gate, clients, Arc::new(config), clock, Arc::clone(told) as Arc<dyn Teller>)
}

fn brief() -> Brief {
    Brief {
        name: "brewery-crm".into(),
        sell: "CRM for breweries: accounts, kegs and routes on one phone screen".into(),
        ideal: Ideal { industries: vec!["brewery".into()], roles: Vec::new(), exclude: Vec::new(), personas: 1 },
        places: vec!["California, US".into()],
        want: Want { businesses: Some(BUSINESSES), email: true, ..Want::default() },
    }
}

fn failed(error: ActivityEnvironmentError) -> Failed {
    match error {
        ActivityEnvironmentError::Activity(ActivityError::Application(failure)) => Failed {
            kind: failure.type_name().unwrap_or_default().to_owned(),
            message: failure.to_string(),
            is_retried: !failure.is_non_retryable(),
            delay: failure.next_retry_delay(),
        },
        ActivityEnvironmentError::Activity(ActivityError::Cancelled { .. }) => {
            Failed { kind: "cancelled".into(), message: String::new(), is_retried: false, delay: None }
        }
        other => panic!("an unexpected end: {other:?}"),
    }
}

fn value(row: &sqlx::any::AnyRow, column: usize) -> String {
    let raw = row.try_get_raw(column).unwrap();
    if raw.is_null() {
        return "null".into();
    }
    match raw.type_info().name() {
        "TEXT" => row.get::<String, _>(column),
        _ => row.get::<i64, _>(column).to_string(),
    }
}

/// Fails with both values in full.
pub(crate) fn assert_same<T: PartialEq + Serialize>(what: &str, first: &T, second: &T) {
    let json = |value: &T| serde_json::to_string(value).unwrap();
    assert!(first == second, "{what}: {} became {}", json(first), json(second));
}
