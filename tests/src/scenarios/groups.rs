//! The courses that the refreshes of a buyer group can take.

use super::endings::Ending;
use crate::field::{KnownPerson, MONDAY_MS, people};
use crate::lab::{LIMIT, Lab, OrSay, Setup};
use anyhow::{Context, ensure};
use leadflow_activities::outreach::events::{
    ChangeKind, ChangedPerson, PersonChange, Position, Teller, Workflows, receive_person_change, tell,
};
use leadflow_activities::store::buyer_groups::RefreshLog;
use leadflow_clock::Clock;
use leadflow_sandbox::{FaultKind, FaultRule, Faults, Provider};
use leadflow_starter::history;
use leadflow_workflows::buyer_group::{BuyerGroupRefresh, workflow_id};
use leadflow_workflows::domain::ids::BusinessId;
use std::path::PathBuf;
use temporalio_client::WorkflowTerminateOptions;
use tokio::task::JoinSet;

/// The workflow, as the name of a folder.
pub const BUYER_GROUPS: &str = "buyer_group_refresh";
/// As the names of files.
pub const GROUP_SCENARIOS: [&str; 4] = ["completed", "coalesced", "restarted", "with_gaps"];

/// Twenty seconds are an hour: long enough for a burst within it on a slow machine.
const SPEED: f64 = 180.0;
const HOUR_MS: u64 = 3_600_000;
/// Changes at one company.
const BURST: u32 = 200;

pub fn setup(program: Option<PathBuf>) -> Setup {
    let mut setup = Setup { clock: Clock::fast(MONDAY_MS, SPEED), ..Setup::new(program) };
    setup.config.timings.buyer_group_rest_ms = HOUR_MS;
    setup.config.timings.buyer_group_stage_ms = 10_000;
    setup
}

/// Plays all of [`GROUP_SCENARIOS`] and makes sure that each went as its name says.
pub async fn play(lab: &Lab) -> anyhow::Result<Vec<Ending>> {
    let people = people(&["US"], GROUP_SCENARIOS.len())?;
    lab.import("groups", &people).await?;
    let company = |place: usize| Company::find(lab, &people[place]);
    let (one, two, three, four) = tokio::try_join!(company(0), company(1), company(2), company(3))?;
    let (completed, coalesced, restarted, with_gaps) =
        tokio::try_join!(completed(&one), coalesced(&two), restarted(&three), with_gaps(&four))?;
    Ok(vec![completed, coalesced, restarted, with_gaps])
}

/// A company with one known person.
pub struct Company<'a> {
    lab: &'a Lab,
    person: KnownPerson,
    pub business_id: String,
}

impl<'a> Company<'a> {
    pub async fn find(lab: &'a Lab, person: &KnownPerson) -> anyhow::Result<Self> {
        let mut found = lab.stack.store.matching_companies(lab.tenant(), &person.company_name).await?;
        let group = found.pop().with_context(|| format!("{} was not imported", person.company_name))?;
        Ok(Self { lab, person: person.clone(), business_id: group.business_id })
    }

    pub fn workflow_id(&self) -> String {
        workflow_id(&BusinessId(self.business_id.clone()))
    }

    fn workflows(&self) -> Workflows {
        Workflows {
            client: self.lab.stack.client.clone(),
            timings: self.lab.stack.config.timings,
            reads_replies: false,
        }
    }

    /// As `starter buyer-group refresh` does.
    pub async fn ask(&self) -> anyhow::Result<()> {
        let (lab, now_ms) = (self.lab, self.lab.stack.clock.now_ms());
        lab.stack.store.ask_for_refresh(lab.tenant(), &self.business_id, "a person asked", now_ms).await?;
        self.workflows().look(lab.tenant(), &self.workflow_id()).await?;
        Ok(())
    }

    /// The refreshes so far, the oldest first.
    pub async fn logs(&self) -> anyhow::Result<Vec<RefreshLog>> {
        let mut logs = self.lab.stack.store.refresh_logs(self.lab.tenant(), &self.business_id, 100).await?;
        logs.reverse();
        Ok(logs)
    }

    /// Waits until so many refreshes have ended.
    async fn refreshed(&self, count: usize) -> anyhow::Result<Vec<RefreshLog>> {
        self.lab
            .until(&format!("{count} refreshes have ended"), async || {
                let logs = self.logs().await?;
                let ended = logs.iter().filter(|log| log.ended_at_ms.is_some()).count();
                Ok((ended >= count).then_some(logs))
            })
            .await
    }

    /// Waits until the workflow has ended, by itself, and gives what it did.
    async fn ended(&self, scenario: &'static str) -> anyhow::Result<Ending> {
        let (client, id) = (&self.lab.stack.client, self.workflow_id());
        let closed = tokio::time::timeout(LIMIT, history::until_closed(client, &id)).await;
        closed.with_context(|| format!("{scenario}: the workflow never ends"))?;
        let mut runs = Vec::new();
        for run in history::runs(client, &id).await.or_say()? {
            runs.push(history::export(client, &id, &run.run_id).await.or_say()?);
        }
        Ok(Ending { workflow: BUYER_GROUPS, scenario, runs, lead_id: None, held: None })
    }

    /// A vendor tells that the person was promoted, for the `number`th time.
    fn promotion(&self, number: u32) -> PersonChange {
        let position = Position {
            title: Some(format!("Head of Planning {number}")),
            company: Some(self.person.company_name.clone()),
            ..Position::default()
        };
        PersonChange {
            event_key: format!("{}/{number}", self.business_id),
            kind: ChangeKind::Promoted,
            // One instant for all: several are on their way at once, and none is to be older than another.
            occurred_at_ms: MONDAY_MS,
            person: ChangedPerson {
                linkedin_public_id: Some(self.person.linkedin_public_id.to_lowercase()),
                ..ChangedPerson::default()
            },
            previous: None,
            current: Some(position),
            confidence: None,
            is_hint: false,
        }
    }

    /// Stores changes and tells the workflows, as the ingress does, several at a time.
    async fn changes(&self, numbers: std::ops::Range<u32>) -> anyhow::Result<()> {
        let (store, clock) = (&self.lab.stack.store, self.lab.stack.clock);
        let mut tasks = JoinSet::new();
        for number in numbers {
            if tasks.len() >= 8 {
                tasks.join_next().await.context("there are tasks")???;
            }
            let (store, workflows, change) = (store.clone(), self.workflows(), self.promotion(number));
            let tenant = self.lab.tenant().to_owned();
            tasks.spawn(async move {
                let received = receive_person_change(&store, clock, &tenant, "peopledata", &change).await?;
                ensure!(received.is_new && received.tell.len() == 1, "{received:?}");
                Ok(tell(&store, &workflows, clock, &tenant, &received.event_id, &received.tell).await?)
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// One wish, one refresh, an hour of rest, the end.
async fn completed(company: &Company<'_>) -> anyhow::Result<Ending> {
    company.ask().await?;
    let ending = company.ended("completed").await?;
    let logs = company.logs().await?;
    ensure!(logs.len() == 1 && logs[0].outcome == "completed" && logs[0].changes == 1, "{logs:?}");
    ensure!(logs[0].members > 0 && logs[0].calls > 0, "{logs:?}");
    Ok(ending)
}

/// A burst of changes: one refresh at once, and one at the end of the hour with all the rest.
async fn coalesced(company: &Company<'_>) -> anyhow::Result<Ending> {
    company.changes(0..1).await?;
    company.refreshed(1).await?;
    company.changes(1..BURST).await?;
    let ending = company.ended("coalesced").await?;
    let logs = company.logs().await?;
    let changes: Vec<u32> = logs.iter().map(|log| log.changes).collect();
    ensure!(changes == [1, BURST - 1], "the refreshes took {changes:?} changes");
    let apart_ms = logs[1].started_at_ms - logs[0].started_at_ms;
    ensure!(apart_ms >= i64::try_from(HOUR_MS)?, "the second refresh began {apart_ms} ms after the first");
    eprintln!("{BURST} changes: refreshes with {changes:?} of them, {apart_ms} ms of the clock apart");
    Ok(ending)
}

/// The workflow is ended by force; the next one knows from the store that the company still rests.
async fn restarted(company: &Company<'_>) -> anyhow::Result<Ending> {
    company.ask().await?;
    company.refreshed(1).await?;
    let handle = company.lab.stack.client.get_workflow_handle::<BuyerGroupRefresh>(company.workflow_id());
    handle.terminate(WorkflowTerminateOptions::builder().reason("the test wants it".to_owned()).build()).await?;
    company.ask().await?;
    let ending = company.ended("restarted").await?;
    let logs = company.logs().await?;
    ensure!(logs.len() == 2, "{logs:?}");
    let apart_ms = logs[1].started_at_ms - logs[0].started_at_ms;
    ensure!(apart_ms >= i64::try_from(HOUR_MS)?, "the second refresh began {apart_ms} ms after the first");
    Ok(ending)
}

/// The web search has no time for this company for longer than a stage is tried: the refresh ends without, and another one
/// makes up for it. A refusal for too many calls opens no breaker, so that the other companies notice nothing.
async fn with_gaps(company: &Company<'_>) -> anyhow::Result<Ending> {
    let down = FaultRule {
        body_contains: Some(company.person.company_name.clone()),
        status: Some(429),
        ..FaultRule::new(Provider::Serper, FaultKind::Status)
    };
    company.lab.sandbox().set_faults(Faults { seed: 1, rules: vec![down] });
    company.ask().await?;
    company.refreshed(1).await?;
    company.lab.sandbox().set_faults(Faults::default());
    let ending = company.ended("with_gaps").await?;
    let logs = company.logs().await?;
    let outcomes: Vec<&str> = logs.iter().map(|log| log.outcome.as_str()).collect();
    ensure!(outcomes == ["completed_with_gaps", "completed"], "{logs:?}");
    ensure!(logs[0].problems.iter().any(|problem| problem.starts_with("people: ")), "{logs:?}");
    Ok(ending)
}
