//! One company with three people of the sandbox's table, each in a campaign of their own, and a clock that stands still.

use futures::FutureExt;
use futures::future::BoxFuture;
use leadflow_activities::buyer_groups::{BuyerGroupActivities, BuyerGroupPaidActivities, BuyerGroupWork};
use leadflow_activities::config::Config;
use leadflow_activities::gate::Gate;
use leadflow_activities::outreach::events::{
    ChangeKind, ChangedPerson, PersonChange, Position, Received, TellError, Teller, receive_person_change,
};
use leadflow_activities::providers::Clients;
use leadflow_activities::search::SearchWork;
use leadflow_activities::store::Store;
use leadflow_activities::store::buyer_groups::{Member, RefreshLog};
use leadflow_activities::store::imports::{ImportRow, NewImport};
use leadflow_clock::Clock;
use leadflow_sandbox::{LedgerEntry, Sandbox, SandboxConfig};
use leadflow_workflows::contract::{
    CompanyRef, FinishRefresh, Opened, RefreshDone, RefreshRef, StageDone, StageProblem,
};
use leadflow_workflows::domain::buyer_group::Stage;
use leadflow_workflows::domain::ids::{BusinessId, TenantId};
use leadflow_workflows::domain::timings::Timings;
use sqlx::{AssertSqlSafe, Row, TypeInfo, ValueRef};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;
use temporalio_sdk::activities::ActivityError;
use temporalio_sdk::testing::{ActivityEnvironment, ActivityEnvironmentError, TestActivityInfoOptions};

/// 2026-03-14 12:00 UTC.
pub(crate) const NOON_MS: i64 = 1_773_489_600_000;
pub(crate) const HOUR_MS: i64 = 3_600_000;
pub(crate) const TENANT: &str = "acme";
pub(crate) const COMPANY: &str = "General Mills, Inc.";
pub(crate) const OTHER_COMPANY: &str = "Ford Motor Company";
/// Chief Executive Officer, Head of IT, Chief Operating Officer.
pub(crate) const KARL: &str = "sim-karl-mann-efe559";
pub(crate) const ROBIN: &str = "sim-robin-hart-04c3ce";
pub(crate) const KIM: &str = "sim-kimberly-perkins-e57f85";
const DAVID: &str = "sim-david-baker-ec1bfc";

/// Remembers who was told.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<String>>);

impl Teller for Told {
    fn start(&self, _request: StartWorkflowExecutionRequest) -> BoxFuture<'_, Result<(), TellError>> {
        futures::future::ready(Ok(())).boxed()
    }

    fn look<'a>(&'a self, tenant: &'a str, workflow_id: &'a str) -> BoxFuture<'a, Result<bool, TellError>> {
        assert_eq!(tenant, TENANT);
        self.0.lock().unwrap().push(workflow_id.to_owned());
        async { Ok(true) }.boxed()
    }
}

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) sandbox: Sandbox,
    pub(crate) company: CompanyRef,
    config: Config,
    clock: Clock,
    told: Arc<Told>,
}

impl World {
    pub(crate) async fn start(store: &Store) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let mut config = Config::sandbox(&sandbox.base_url());
        config.timings = Timings { buyer_group_rest_ms: 3_600_000, ..Timings::test() };
        config.timings.model_call_ms = 20_000;
        config.timings.search_call_ms = 20_000;
        let mut world = Self {
            store: store.clone(),
            sandbox,
            company: CompanyRef { tenant: TenantId(TENANT.into()), business_id: BusinessId(String::new()) },
            config,
            clock: Clock::fast(NOON_MS, 1e-9),
            told: Arc::default(),
        };
        world.import().await;
        world.company.business_id = BusinessId(world.business_id(COMPANY).await);
        world
    }

    async fn import(&self) {
        let row =
            |line, first: &str, last: &str, role: &str, linkedin: &str, business: &str, domain: &str, city: &str| {
                ImportRow {
                    line,
                    linkedin: Some(linkedin.into()),
                    first_name: first.into(),
                    last_name: last.into(),
                    role: role.into(),
                    business: business.into(),
                    domain: Some(domain.into()),
                    city: city.into(),
                    country: "us".into(),
                    ..ImportRow::default()
                }
            };
        let at = |line, first, last, role, linkedin| {
            row(line, first, last, role, linkedin, COMPANY, "general-mills.example", "Minneapolis")
        };
        let rows = vec![
            at(1, "Karl", "Mann", "Chief Executive Officer", KARL),
            at(2, "Robin", "Hart", "Head of IT", ROBIN),
            row(3, "David", "Baker", "Chief Executive Officer", DAVID, OTHER_COMPANY, "ford-motor.example", "Dearborn"),
        ];
        let new = NewImport {
            tenant: TENANT.into(),
            name: "fair".into(),
            source: "sandbox",
            rows,
            now_ms: NOON_MS - HOUR_MS,
        };
        self.store.import_leads(&new).await.unwrap();
    }

    pub(crate) async fn business_id(&self, name: &str) -> String {
        let sql = "SELECT id FROM businesses WHERE tenant = $1 AND name = $2";
        sqlx::query_scalar(sql).bind(TENANT).bind(name).fetch_one(self.store.read()).await.unwrap()
    }

    pub(crate) async fn person_id(&self, public_id: &str) -> String {
        let sql = "SELECT id FROM persons WHERE tenant = $1 AND linkedin_public_id = $2";
        sqlx::query_scalar(sql).bind(TENANT).bind(public_id).fetch_one(self.store.read()).await.unwrap()
    }

    /// Another worker, with another configuration.
    pub(crate) fn mend(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
    }

    /// Time passes.
    pub(crate) fn at(&mut self, now_ms: i64) {
        self.clock = Clock::fast(now_ms, 1e-9);
    }

    fn environment(&self, activity: &str, attempt: u32) -> ActivityEnvironment {
        let gate = Gate::new(self.store.clone(), self.clock, self.config.budgets.clone(), self.config.timings);
        let clients = Clients::from_config(&self.config).unwrap();
        let config = Arc::new(self.config.clone());
        let workflows: Arc<dyn Teller> = Arc::clone(&self.told) as _;
        let search = SearchWork::new(self.store.clone(), gate, clients, config, self.clock, Arc::clone(&workflows));
        let work = Arc::new(BuyerGroupWork { search: Arc::new(search), workflows });
        let info = TestActivityInfoOptions::builder()
            .workflow_id(Some("buyer-group/1".to_owned()))
            .activity_id(activity.to_owned())
            .attempt(attempt)
            .build();
        ActivityEnvironment::builder()
            .register_activities(BuyerGroupActivities(Arc::clone(&work)))
            .register_activities(BuyerGroupPaidActivities(work))
            .info(info)
            .build()
    }

    pub(crate) async fn ask(&self) {
        let id = self.company.business_id.as_str();
        self.store.ask_for_refresh(TENANT, id, "a person asked", self.clock.now_ms()).await.unwrap();
    }

    pub(crate) async fn open(&self) -> Opened {
        self.environment("open", 1).run(BuyerGroupActivities::open, self.company.clone()).await.unwrap()
    }

    /// The refresh that is due.
    pub(crate) async fn opened(&self) -> RefreshRef {
        match self.open().await {
            Opened::Refresh(refresh) => refresh,
            other => panic!("no refresh is due: {other:?}"),
        }
    }

    pub(crate) async fn try_stage(
        &self,
        stage: Stage,
        refresh: &RefreshRef,
        attempt: u32,
    ) -> Result<StageDone, (String, bool)> {
        let environment = self.environment(&stage.to_string(), attempt);
        let input = refresh.clone();
        let ended = match stage {
            Stage::People => environment.run(BuyerGroupPaidActivities::people, input).await,
            Stage::Roles => environment.run(BuyerGroupPaidActivities::roles, input).await,
            Stage::Contacts => environment.run(BuyerGroupPaidActivities::contacts, input).await,
        };
        ended.map_err(|error| match error {
            ActivityEnvironmentError::Activity(ActivityError::Application(failure)) => {
                (failure.type_name().unwrap_or_default().to_owned(), !failure.is_non_retryable())
            }
            other => panic!("an unexpected end: {other:?}"),
        })
    }

    pub(crate) async fn stage(&self, stage: Stage, refresh: &RefreshRef) -> StageDone {
        self.try_stage(stage, refresh, 1).await.unwrap()
    }

    pub(crate) async fn finish(&self, refresh: &RefreshRef, problems: Vec<StageProblem>) -> RefreshDone {
        let input = FinishRefresh { refresh: refresh.clone(), problems };
        self.environment("finish", 1).run(BuyerGroupActivities::finish, input).await.unwrap()
    }

    /// A whole refresh, as the workflow takes it through its stages.
    pub(crate) async fn refresh(&self) -> RefreshDone {
        let refresh = self.opened().await;
        let mut problems = Vec::new();
        for stage in Stage::ALL {
            let StageDone { problem, can_mend_itself } = self.stage(stage, &refresh).await;
            problems.extend(problem.map(|problem| StageProblem { stage, problem, can_mend_itself }));
        }
        self.finish(&refresh, problems).await
    }

    pub(crate) async fn members(&self) -> Vec<Member> {
        self.store.members(TENANT, self.company.business_id.as_str()).await.unwrap()
    }

    pub(crate) async fn member(&self, public_id: &str) -> Option<Member> {
        let members = self.members().await;
        members.into_iter().find(|member| member.linkedin_public_id.as_deref() == Some(public_id))
    }

    pub(crate) async fn logs(&self) -> Vec<RefreshLog> {
        self.store.refresh_logs(TENANT, self.company.business_id.as_str(), 10).await.unwrap()
    }

    pub(crate) fn ledger(&self) -> Vec<LedgerEntry> {
        self.sandbox.ledger()
    }

    /// Who was told since the last time.
    pub(crate) fn told(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.told.0.lock().unwrap()).into_iter().collect()
    }

    /// An open enrollment of somebody through their first lead.
    pub(crate) async fn enroll(&self, public_id: &str, enrollment: &str) {
        let person = self.person_id(public_id).await;
        let sql = format!(
            "INSERT INTO enrollments (id, tenant, campaign_id, lead_id, person_id, sequence_id, state, cause, state_at_ms, \
             is_open, is_exclusive, decisions, started_at_ms, wakes_at_ms) \
             SELECT '{enrollment}', '{TENANT}', 'c-{enrollment}', MIN(id), '{person}', 's', 'scheduled', 'its turn', 0, 1, 0, \
             '{{}}', 0, 0 FROM leads WHERE tenant = '{TENANT}' AND person_id = '{person}'"
        );
        self.store
            .write(|transaction| {
                let sql = sql.clone();
                async move {
                    sqlx::query(AssertSqlSafe(sql)).execute(&mut **transaction).await?;
                    Ok(())
                }
                .boxed()
            })
            .await
            .unwrap();
    }

    /// State, cause, and what holds it.
    pub(crate) async fn enrollment(&self, id: &str) -> (String, String, Option<String>) {
        let found = self.store.enrollment(TENANT, id).await.unwrap().unwrap();
        (found.state.name().to_owned(), found.cause, found.paused)
    }

    pub(crate) async fn told_of(&self, change: &PersonChange) -> Received {
        receive_person_change(&self.store, self.clock, TENANT, "peopledata", change).await.unwrap()
    }

    /// Every value of the tables that a refresh writes.
    pub(crate) async fn snapshot(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for table in [
            "api_usage_logs",
            "budgets",
            "buyer_group_changes",
            "buyer_group_members",
            "buyer_group_refresh_logs",
            "buyer_groups",
            "enrollments",
            "people_searches",
            "person_changes",
            "person_emails",
            "persons",
            "results_cache",
        ] {
            let select = AssertSqlSafe(format!("SELECT * FROM {table}"));
            for row in sqlx::query(select).fetch_all(self.store.read()).await.unwrap() {
                let value = |column| match row.try_get_raw(column).unwrap() {
                    raw if raw.is_null() => "null".to_owned(),
                    raw if raw.type_info().name() == "TEXT" => row.get::<String, _>(column),
                    _ => row.get::<i64, _>(column).to_string(),
                };
                let values: Vec<String> = (0..row.len()).map(value).collect();
                all.insert(format!("{table}: {}", values.join(" | ")));
            }
        }
        all
    }
}

/// A change of somebody, as a vendor tells it.
pub(crate) fn change(key: &str, kind: ChangeKind, public_id: &str, current: Option<(&str, &str)>) -> PersonChange {
    let position = |(title, company): (&str, &str)| Position {
        title: Some(title.into()),
        company: Some(company.into()),
        ..Position::default()
    };
    PersonChange {
        event_key: key.into(),
        kind,
        occurred_at_ms: NOON_MS,
        person: ChangedPerson { linkedin_public_id: Some(public_id.into()), ..ChangedPerson::default() },
        previous: None,
        current: current.map(position),
        confidence: None,
        is_hint: false,
    }
}

/// The same, as anybody could have written it.
pub(crate) fn hint(key: &str, kind: ChangeKind, public_id: &str, current: Option<(&str, &str)>) -> PersonChange {
    PersonChange { is_hint: true, ..change(key, kind, public_id, current) }
}
