//! Starts campaigns and sender accounts, and has running workflows look.

use crate::failure::Failure;
use crate::output::printable;
use leadflow_activities::config::Config;
use leadflow_activities::outreach::events::{TellError, tell_one, teller};
use leadflow_activities::store::Store;
use leadflow_activities::store::accounts::{Account, NewAccount};
use leadflow_activities::store::campaigns::Campaign;
use leadflow_activities::store::touches::Claimed;
use leadflow_clock::Clock;
use leadflow_workflows::QUEUE_LONG;
use leadflow_workflows::campaign::{self, Campaign as CampaignWorkflow, CampaignInput};
use leadflow_workflows::contract::{AccountRef, CampaignRef};
use leadflow_workflows::domain::ids::{AccountId, CampaignId, EnrollmentId, TenantId};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::enrollment;
use leadflow_workflows::lead_search::{PROGRESS, STAGE, TENANT};
use leadflow_workflows::sender_account::{self, SenderAccount, SenderAccountInput};
use leadflow_workflows::shell::{ACCOUNT, CAMPAIGN, EVENTS_PER_RUN};
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::tonic::Code;
use temporalio_client::{Client, WorkflowIdReusePolicy, WorkflowStartOptions};
use temporalio_common::search_attributes::SearchAttributes;

/// The parts of an installation that can start outreach and steer it.
#[derive(Clone)]
pub struct Outreach {
    pub config: Config,
    pub store: Store,
    pub client: Client,
    pub clock: Clock,
}

impl Outreach {
    /// Stores a campaign and starts its workflow; `false` when its name is taken. When Temporal refuses the workflow, nothing
    /// stays behind. With the same id again it goes on where an attempt was cut off.
    pub async fn start_campaign(&self, new: &Campaign) -> Result<bool, Failure> {
        let is_new = self.store.create_campaign(new).await?;
        if !is_new && self.store.campaign(&new.tenant, &new.id).await?.is_none() {
            return Ok(false);
        }
        match self.ensure_campaign(new).await {
            Ok(_) => Ok(true),
            Err(error) if is_new && is_refusal(&error) => {
                self.store.discard_campaign(&new.tenant, &new.id).await?;
                Err(not_started("campaign", &error))
            }
            Err(error) => Err(perhaps_started("campaign", &new.name, &error)),
        }
    }

    /// Stores a sender account and starts the workflow that reads it; `false` when its name, its profile or mailbox, or the
    /// account at the provider is taken. When Temporal refuses the workflow, nothing stays behind. With the same id again it
    /// goes on where an attempt was cut off.
    pub async fn start_account(&self, new: &NewAccount) -> Result<bool, Failure> {
        let is_new = self.store.add_account(new).await?;
        if !is_new && self.store.account(&new.tenant, &new.id).await?.is_none() {
            return Ok(false);
        }
        match self.ensure_account(&new.tenant, &new.id, new.channel).await {
            Ok(_) => Ok(true),
            Err(error) if is_new && is_refusal(&error) => {
                self.store.discard_account(&new.tenant, &new.id).await?;
                Err(not_started("account's reading", &error))
            }
            Err(error) => Err(perhaps_started("account", &new.name, &error)),
        }
    }

    /// Has the account of this name go on under another id at the provider, where its owner has connected it anew, and reads it
    /// at once. `None` when there is none of this profile or mailbox, or the id is taken.
    pub async fn relink_account(&self, new: &NewAccount) -> Result<Option<Account>, Failure> {
        let Some(account) = self.store.relink_account(new).await? else { return Ok(None) };
        let ensured = self.ensure_account(&account.tenant, &account.id, account.channel).await;
        ensured.map_err(|error| perhaps_started("account", &account.name, &error))?;
        self.tell_account(&account.id).await?;
        Ok(Some(account))
    }

    /// Starts the workflows of this tenant's campaigns and accounts that have none, or whose last one failed.
    pub async fn ensure_all(&self) -> Result<(), Failure> {
        let tenant = self.config.tenant.as_str();
        for account in self.store.accounts(tenant).await? {
            let ensured = self.ensure_account(tenant, &account.id, account.channel).await;
            ensured.map_err(|error| perhaps_started("account", &account.name, &error))?;
        }
        for campaign in self.store.campaigns(tenant).await?.iter().filter(|campaign| !campaign.has_ended()) {
            let ensured = self.ensure_campaign(campaign).await;
            ensured.map_err(|error| perhaps_started("campaign", &campaign.name, &error))?;
        }
        Ok(())
    }

    /// Starts the workflow of a campaign; `false` when it runs already.
    async fn ensure_campaign(&self, campaign: &Campaign) -> Result<bool, WorkflowStartError> {
        let (tenant, campaign_id) = (TenantId(campaign.tenant.clone()), CampaignId(campaign.id.clone()));
        let input = CampaignInput {
            campaign: CampaignRef { tenant: tenant.clone(), campaign_id: campaign_id.clone() },
            timings: self.config.timings,
            events_per_run: EVENTS_PER_RUN,
        };
        let options = WorkflowStartOptions::new(QUEUE_LONG, campaign::workflow_id(&campaign_id))
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicateFailedOnly)
            .search_attributes(SearchAttributes::new([
                TENANT.value_set(tenant.0),
                CAMPAIGN.value_set(campaign.id.clone()),
                STAGE.value_set("running".into()),
                PROGRESS.value_set(0),
            ]))
            .static_summary(format!("campaign {}", campaign.name))
            .static_details(format!("`starter campaign show {campaign_id}` shows how far it is."))
            .build();
        is_started(self.client.start_workflow(CampaignWorkflow::run, input, options).await)
    }

    /// Starts the workflow that reads an account; `false` when it runs already.
    async fn ensure_account(&self, tenant: &str, id: &str, channel: Channel) -> Result<bool, WorkflowStartError> {
        let (tenant, account_id) = (TenantId(tenant.to_owned()), AccountId(id.to_owned()));
        let input = SenderAccountInput {
            account: AccountRef { tenant: tenant.clone(), account_id: account_id.clone() },
            timings: self.config.timings,
            events_per_run: EVENTS_PER_RUN,
        };
        let options = WorkflowStartOptions::new(QUEUE_LONG, sender_account::workflow_id(&account_id))
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicateFailedOnly)
            .search_attributes(SearchAttributes::new([
                TENANT.value_set(tenant.0),
                ACCOUNT.value_set(id.to_owned()),
                STAGE.value_set("active".into()),
            ]))
            .static_summary(format!("{} account", channel.name()))
            .static_details(format!("`starter account show {account_id}` shows its limits and its health."))
            .build();
        is_started(self.client.start_workflow(SenderAccount::run, input, options).await)
    }

    /// Has a campaign contact nobody. Returns how many enrollments were told, as all that follow.
    pub async fn pause_campaign(&self, campaign: &Campaign) -> Result<usize, Failure> {
        refuse_ended(campaign)?;
        if !self.store.pause_campaign(&campaign.tenant, &campaign.id).await? {
            // Whoever asks again may do so because they could not be told.
            self.tell_open(campaign).await?;
            return Err(Failure::Refused(format!(
                "campaign {} is {} already\nhint: `starter campaign resume {0}` lets it go on",
                printable(&campaign.name),
                campaign.state
            )));
        }
        let told = self.tell_open(campaign).await?;
        self.until_begun(&campaign.tenant, Claimed::Campaign(&campaign.id)).await?;
        Ok(told)
    }

    /// Lets a paused campaign go on, also one whose workflow is missing.
    pub async fn resume_campaign(&self, campaign: &Campaign) -> Result<usize, Failure> {
        refuse_ended(campaign)?;
        let was_paused = self.store.resume_campaign(&campaign.tenant, &campaign.id).await?;
        let ensured = self.ensure_campaign(campaign).await;
        let was_missing = ensured.map_err(|error| perhaps_started("campaign", &campaign.name, &error))?;
        let told = self.tell_open(campaign).await?;
        if !was_paused && !was_missing {
            return Err(Failure::Refused(format!(
                "campaign {} is running already\nhint: `starter campaign show {0}` tells how far it is",
                printable(&campaign.name)
            )));
        }
        Ok(told)
    }

    /// Ends a campaign for everyone in it.
    pub async fn stop_campaign(&self, campaign: &Campaign) -> Result<usize, Failure> {
        let (tenant, id) = (campaign.tenant.as_str(), campaign.id.as_str());
        let cause = "a person stopped the campaign";
        let stopped = self.store.stop_campaign(tenant, id, cause, self.clock.now_ms()).await?;
        let Some(stopped) = stopped else { return Err(ended_before(campaign)) };
        self.tell_campaign(id).await?;
        self.tell_enrollments(&stopped).await?;
        self.until_begun(tenant, Claimed::Campaign(id)).await?;
        Ok(stopped.len())
    }

    /// Has an account contact nobody.
    pub async fn pause_account(&self, account: &Account) -> Result<usize, Failure> {
        if !self.store.pause_account(&account.tenant, &account.id, self.clock.now_ms()).await? {
            self.tell_users(account).await?;
            return Err(Failure::Refused(format!(
                "account {} is paused already\nhint: `starter account resume {0}` lets it go on",
                printable(&account.name)
            )));
        }
        let told = self.tell_users(account).await?;
        self.until_begun(&account.tenant, Claimed::Account(&account.id)).await?;
        Ok(told)
    }

    /// Lets an account go on, whatever held it, also one whose workflow is missing.
    pub async fn resume_account(&self, account: &Account) -> Result<usize, Failure> {
        let was_held = self.store.resume_account(&account.tenant, &account.id, self.clock.now_ms()).await?;
        let ensured = self.ensure_account(&account.tenant, &account.id, account.channel).await;
        let was_missing = ensured.map_err(|error| perhaps_started("account", &account.name, &error))?;
        // What it missed is read first: an account that is still disconnected says so at once.
        self.tell_account(&account.id).await?;
        let told = self.tell_users(account).await?;
        if !was_held && !was_missing {
            return Err(Failure::Refused(format!(
                "account {} is active already\nhint: `starter account show {0}` tells its limits and its health",
                printable(&account.name)
            )));
        }
        Ok(told)
    }

    /// What is paused or stopped is answered once no contact of it begins any more.
    async fn until_begun(&self, tenant: &str, claimed: Claimed<'_>) -> Result<(), Failure> {
        Ok(self.store.until_begun(self.clock, tenant, claimed).await?)
    }

    /// Has a campaign and its open enrollments look.
    async fn tell_open(&self, campaign: &Campaign) -> Result<usize, Failure> {
        let enrollments = self.store.enrollments_of_campaign(&campaign.tenant, &campaign.id).await?;
        let open: Vec<&str> = enrollments.iter().filter(|one| one.is_open).map(|one| one.id.as_str()).collect();
        self.tell_campaign(&campaign.id).await?;
        self.tell_enrollments(&open).await?;
        Ok(open.len())
    }

    /// Has the campaigns and the open enrollments that use an account look. Returns how many enrollments.
    async fn tell_users(&self, account: &Account) -> Result<usize, Failure> {
        for campaign in self.store.open_campaigns_of_account(&account.tenant, &account.id).await? {
            self.tell_campaign(&campaign).await?;
        }
        let open = self.store.open_enrollments_of_account(&account.tenant, &account.id).await?;
        let ids: Vec<&str> = open.iter().map(|enrollment| enrollment.id.as_str()).collect();
        self.tell_enrollments(&ids).await?;
        Ok(ids.len())
    }

    /// Has a campaign read what is wanted of it.
    pub async fn tell_campaign(&self, id: &str) -> Result<(), Failure> {
        self.tell(&campaign::workflow_id(&CampaignId(id.to_owned()))).await
    }

    /// Has an account's reading begin now.
    pub async fn tell_account(&self, id: &str) -> Result<(), Failure> {
        self.tell(&sender_account::workflow_id(&AccountId(id.to_owned()))).await
    }

    /// Has enrollments look at what has changed.
    pub async fn tell_enrollments<Id: AsRef<str>>(&self, ids: &[Id]) -> Result<(), Failure> {
        let ids: Vec<String> =
            ids.iter().map(|id| enrollment::workflow_id(&EnrollmentId(id.as_ref().to_owned()))).collect();
        // A server takes signals far faster than one at a time, but not any number at once.
        for some in ids.chunks(20) {
            futures::future::try_join_all(some.iter().map(|id| self.tell(id))).await?;
        }
        Ok(())
    }

    async fn tell(&self, workflow_id: &str) -> Result<(), Failure> {
        let teller = teller(self.client.clone(), &self.config);
        match tell_one(&self.store, &*teller, &self.config.tenant, workflow_id).await {
            Ok(()) => Ok(()),
            Err(TellError::Store(error)) => Err(error.into()),
            Err(TellError::Temporal(error)) => Err(Failure::Unavailable(format!(
                "it is stored, but its workflow could not be told: {error}\nhint: it looks by itself when it wakes next, \
                 which may be days ahead; the same command again tells it now"
            ))),
        }
    }
}

fn refuse_ended(campaign: &Campaign) -> Result<(), Failure> {
    if campaign.has_ended() { Err(ended_before(campaign)) } else { Ok(()) }
}

pub(crate) fn ended_before(campaign: &Campaign) -> Failure {
    Failure::Refused(format!(
        "campaign {} is {} already\nhint: `starter campaign show {0}` tells what it came to",
        printable(&campaign.name),
        campaign.state
    ))
}

/// Whether a workflow was started; one that is there already needs no start.
fn is_started<Handle>(answer: Result<Handle, WorkflowStartError>) -> Result<bool, WorkflowStartError> {
    match answer {
        Ok(_) => Ok(true),
        Err(WorkflowStartError::AlreadyStarted { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the workflow was surely not started: any other error may have come after the start.
fn is_refusal(error: &WorkflowStartError) -> bool {
    match error {
        WorkflowStartError::PayloadConversion(_) => true,
        WorkflowStartError::Rpc(status) => matches!(
            status.code(),
            Code::InvalidArgument
                | Code::NotFound
                | Code::FailedPrecondition
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::Unimplemented
        ),
        _ => false,
    }
}

fn perhaps_started(what: &str, name: &str, error: &dyn std::fmt::Display) -> Failure {
    let name = printable(name);
    Failure::Unavailable(format!(
        "{what} {name} is stored, but its workflow could perhaps not be started: {error}\nhint: `starter {what} resume \
         {name}` makes sure"
    ))
}

fn not_started(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::Unavailable(format!(
        "the {what} could not be started: {error}\nhint: `starter doctor` shows what is missing; nothing was stored"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use temporalio_client::tonic::Status;

    #[test]
    fn what_may_have_been_started_is_not_discarded() {
        let refused = |code| is_refusal(&WorkflowStartError::Rpc(Status::new(code, "")));
        assert!(refused(Code::InvalidArgument) && refused(Code::NotFound) && refused(Code::PermissionDenied));
        for code in [Code::DeadlineExceeded, Code::Unavailable, Code::Unknown, Code::Internal, Code::Cancelled] {
            assert!(!refused(code), "{code:?}");
        }
        let Failure::Unavailable(text) = perhaps_started("campaign", "spring", &"timed out") else {
            panic!("wrong kind")
        };
        assert!(text.contains("`starter campaign resume spring` makes sure"), "{text}");
    }

    #[test]
    fn a_workflow_that_is_there_already_is_no_error() {
        let source = Status::already_exists("");
        assert!(!is_started::<()>(Err(WorkflowStartError::AlreadyStarted { run_id: None, source })).unwrap());
        assert!(is_started(Ok(())).unwrap());
        assert!(is_started::<()>(Err(WorkflowStartError::Rpc(Status::unavailable("")))).is_err());
    }
}
