//! What is done to bring an ending about, and to see that it came.

use super::endings::{Ending, waits};
use crate::field::{KnownPerson, campaign_settings};
use crate::lab::{LIMIT, Lab, OrSay};
use anyhow::{Context, ensure};
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_sandbox::{Behaviour, EffectKind};
use leadflow_starter::commands::campaign::explain;
use leadflow_starter::history;
use leadflow_workflows::QUEUE_LONG;
use leadflow_workflows::campaign;
use leadflow_workflows::contract::AdviceNext;
use leadflow_workflows::domain::ids::{CampaignId, EnrollmentId, TenantId};
use leadflow_workflows::domain::outreach::{Hold, TouchState};
use leadflow_workflows::domain::timings::Timings;
use leadflow_workflows::enrollment;
use temporalio_client::{WorkflowDescribeOptions, WorkflowStartOptions, WorkflowTerminateOptions};
use temporalio_common::HasWorkflowDefinition;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

/// Wide enough that no line of an explanation is broken.
const WIDTH: u16 = 400;

/// Accounts, sequences and people for all scenarios.
pub(super) struct Field<'a> {
    pub(super) lab: &'a Lab,
    pub(super) linkedin: String,
    pub(super) mail: String,
    pub(super) sequence: String,
    pub(super) mails: String,
    pub(super) people: Vec<KnownPerson>,
}

impl Field<'_> {
    pub(super) fn tenant(&self) -> TenantId {
        TenantId(self.lab.tenant().to_owned())
    }

    pub(super) fn timings(&self) -> Timings {
        self.lab.stack.config.timings
    }

    pub(super) fn behave(&self, person: usize, behaviour: Behaviour) {
        let KnownPerson { linkedin_public_id, email, .. } = &self.people[person];
        self.lab.sandbox().set_unipile_behaviour(linkedin_public_id, behaviour.clone());
        self.lab.sandbox().set_unipile_behaviour(&email.to_lowercase(), behaviour);
    }

    /// Starts a campaign for people, by their places, who do what is said here.
    pub(super) async fn begin(
        &self,
        name: &str,
        sequence: &str,
        account: &str,
        cast: impl IntoIterator<Item = (usize, Behaviour)>,
    ) -> anyhow::Result<CampaignId> {
        let mut people = Vec::new();
        for (person, behaviour) in cast {
            self.behave(person, behaviour);
            people.push(self.people[person].clone());
        }
        let list = self.lab.import(name, &people).await?;
        self.lab.start_campaign(name, &list, sequence, &[account.to_owned()], campaign_settings()).await
    }

    /// Starts a campaign for one person, and waits until they are invited, who does not answer.
    pub(super) async fn invited(
        &self,
        name: &str,
        person: usize,
        account: &str,
    ) -> anyhow::Result<(CampaignId, Enrollment)> {
        let campaign = self.begin(name, &self.sequence, account, [(person, waits())]).await?;
        // In memory, so that many scenarios side by side can look often.
        let what = format!("the invitation of {name} is sent");
        self.lab.until(&what, async || Ok((self.seen(person, EffectKind::Invite) > 0).then_some(()))).await?;
        let enrollment = self
            .lab
            .until(&what, async || {
                let enrollments = self.lab.enrollments(&campaign).await?;
                let touches = self.lab.touches(&enrollments).await?;
                let is_sent = touches.iter().any(|touch| touch.step_id == "hello" && touch.state == TouchState::Sent);
                Ok(enrollments.into_iter().next().filter(|_| is_sent))
            })
            .await?;
        Ok((campaign, enrollment))
    }

    /// Has a campaign and its enrollments look.
    pub(super) async fn tell(&self, campaign: &CampaignId) -> anyhow::Result<()> {
        let enrollments = self.lab.enrollments(campaign).await?;
        let ids: Vec<&str> = enrollments.iter().map(|enrollment| enrollment.id.as_str()).collect();
        let outreach = self.lab.outreach();
        outreach.tell_campaign(campaign.as_str()).await.or_say()?;
        outreach.tell_enrollments(&ids).await.or_say()
    }

    pub(super) async fn stop(&self, campaign: &CampaignId) -> anyhow::Result<()> {
        let (store, now_ms) = (&self.lab.stack.store, self.lab.stack.clock.now_ms());
        let cause = "a person stopped the campaign";
        let stopped = store.stop_campaign(self.lab.tenant(), campaign.as_str(), cause, now_ms).await?;
        ensure!(stopped.is_some(), "the campaign had ended");
        self.tell(campaign).await
    }

    /// Ends a workflow by force and starts it again with another input.
    pub(super) async fn restart<W>(&self, run: W, input: W::Input, id: &str) -> anyhow::Result<()>
    where
        W: HasWorkflowDefinition,
        W::Input: Send,
    {
        let client = &self.lab.stack.client;
        let reason = WorkflowTerminateOptions::builder().reason("it starts again".to_owned()).build();
        client.get_workflow_handle::<enrollment::Enrollment>(id).terminate(reason).await?;
        client.start_workflow(run, input, WorkflowStartOptions::new(QUEUE_LONG, id).build()).await?;
        Ok(())
    }

    /// Waits until a workflow is in its second run.
    pub(super) async fn handed_over(&self, id: &str) -> anyhow::Result<()> {
        let handle = self.lab.stack.client.get_workflow_handle::<enrollment::Enrollment>(id);
        let run = async || anyhow::Ok(handle.describe(WorkflowDescribeOptions::default()).await?.run_id().to_owned());
        let first = run().await?;
        self.lab.until(&format!("{id} hands over"), async || Ok((run().await? != first).then_some(()))).await
    }

    /// Waits until a campaign and its workflows have ended, and gives its enrollments.
    pub(super) async fn ended(&self, campaign: &CampaignId) -> anyhow::Result<Vec<Enrollment>> {
        let id = campaign::workflow_id(campaign);
        // Waits at the server; when that takes too long, the laboratory says what goes on.
        let closed = tokio::time::timeout(LIMIT, history::until_closed(&self.lab.stack.client, &id)).await;
        drop(closed);
        self.lab.campaign_ended(campaign).await
    }

    /// Waits until an enrollment is held by this, and gives what is explained then.
    pub(super) async fn held(&self, enrollment: &Enrollment, by: &Hold) -> anyhow::Result<String> {
        self.lab
            .until(&format!("{by}"), async || {
                let stored = self.lab.stack.store.enrollment(self.lab.tenant(), &enrollment.id).await?;
                let next = stored.and_then(|stored| stored.advice).map(|advice| advice.next);
                Ok(matches!(next, Some(AdviceNext::Wait { hold, .. }) if hold == *by).then_some(()))
            })
            .await?;
        explained(self.lab, &enrollment.lead_id).await
    }

    /// Waits until the last stage that a workflow has shown is this one.
    pub(super) async fn staged(&self, id: &str, stage: &str) -> anyhow::Result<()> {
        let wanted = format!("\"{stage}\"");
        self.lab
            .until(&format!("{id} shows {stage}"), async || {
                let runs = history::runs(&self.lab.stack.client, id).await.or_say()?;
                let mut shown = runs.iter().flat_map(|run| &run.events).filter_map(|event| match &event.attributes {
                    Some(Attributes::UpsertWorkflowSearchAttributesEventAttributes(shown)) => {
                        shown.search_attributes.as_ref()?.indexed_fields.get("LeadflowStage")
                    }
                    _ => None,
                });
                Ok(shown.next_back().is_some_and(|last| last.data == wanted.as_bytes()).then_some(()))
            })
            .await
    }

    /// How often the person at this place was contacted in this way.
    pub(super) fn seen(&self, person: usize, kind: EffectKind) -> usize {
        let id = &self.people[person].linkedin_public_id;
        let effects = self.lab.sandbox().effects();
        effects.iter().filter(|entry| entry.effect.kind == kind && entry.effect.person == *id).count()
    }

    /// The enrollment of the person at this place.
    pub(super) async fn of_person<'e>(
        &self,
        enrollments: &'e [Enrollment],
        person: usize,
    ) -> anyhow::Result<&'e Enrollment> {
        let id = &self.people[person].linkedin_public_id;
        for enrollment in enrollments {
            let lead = self.lab.stack.store.lead(self.lab.tenant(), &enrollment.lead_id).await?;
            if lead.is_some_and(|lead| lead.linkedin_public_id.eq_ignore_ascii_case(id)) {
                return Ok(enrollment);
            }
        }
        anyhow::bail!("{id} has no enrollment")
    }

    /// An enrollment that must have ended in this state.
    pub(super) async fn enrollment(
        &self,
        scenario: &'static str,
        enrollment: &Enrollment,
        state: &str,
    ) -> anyhow::Result<Ending> {
        let ended = enrollment.state.name();
        ensure!(ended == state, "{scenario}: the enrollment is {ended}: {}", enrollment.cause);
        let id = enrollment::workflow_id(&EnrollmentId(enrollment.id.clone()));
        let ending = self.ending("enrollment", scenario, &id).await?;
        Ok(Ending { lead_id: Some(enrollment.lead_id.clone()), ..ending })
    }

    /// A campaign that must have ended in this state.
    pub(super) async fn campaign(
        &self,
        scenario: &'static str,
        id: &CampaignId,
        state: &str,
    ) -> anyhow::Result<Ending> {
        let stored = self.lab.stack.store.campaign(self.lab.tenant(), id.as_str()).await?;
        let ended = stored.context("the campaign is stored")?.state;
        ensure!(ended == state, "{scenario}: the campaign is {ended}");
        self.ending("campaign", scenario, &campaign::workflow_id(id)).await
    }

    /// What a workflow has done up to now.
    pub(super) async fn ending(
        &self,
        workflow: &'static str,
        scenario: &'static str,
        id: &str,
    ) -> anyhow::Result<Ending> {
        let client = &self.lab.stack.client;
        let mut runs = Vec::new();
        for run in history::runs(client, id).await.or_say()? {
            runs.push(history::export(client, id, &run.run_id).await.or_say()?);
        }
        Ok(Ending { workflow, scenario, runs, lead_id: None, held: None })
    }
}

/// What `starter lead explain` says of a lead's outreach now.
pub async fn explained(lab: &Lab, lead_id: &str) -> anyhow::Result<String> {
    let store = &lab.stack.store;
    let lead = store.lead(lab.tenant(), lead_id).await?.context("the lead is stored")?;
    explain::text(store, lab.tenant(), &lead, lab.stack.clock.now_ms(), WIDTH).await.or_say()
}
