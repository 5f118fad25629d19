//! A campaign's round: whose turn it is today, and whether anybody was forgotten.

use super::activities::{OutreachWork, fault, store_failure};
use super::allot::{AccountDay, AllotRequest, allot, openers};
use super::calendar::Calendar;
use super::start::unreached;
use crate::store::StoreError;
use crate::store::accounts::Account;
use crate::store::campaigns::{Campaign, state_for_share};
use crate::store::enrollments::{Enrollment, NewEnrollment, end_enrollment, enroll, lock_person};
use crate::store::replies::has_replied;
use futures::FutureExt;
use leadflow_workflows::contract::{AdviceNext, CampaignAdvice, CampaignRef, EnrollmentRef};
use leadflow_workflows::domain::ids::{EnrollmentId, TenantId};
use leadflow_workflows::domain::outreach::{Channel, EnrollmentState};
use leadflow_workflows::domain::permits::Use;
use leadflow_workflows::domain::sequence::Sequence;
use leadflow_workflows::enrollment::workflow_id;
use temporalio_sdk::activities::ActivityError;

const HOUR_MS: i64 = 3_600_000;
/// An enrollment that should have woken so long ago was forgotten.
const OVERDUE_MS: i64 = HOUR_MS;
/// Real time: however fast the clock runs, a campaign does not keep the server busy with its rounds.
const SHORTEST_PAUSE_MS: u64 = 1_000;

impl OutreachWork {
    pub(super) async fn round(&self, reference: &CampaignRef) -> Result<CampaignAdvice, ActivityError> {
        let (tenant, id) = (reference.tenant.as_str(), reference.campaign_id.as_str());
        let campaign = self.store.campaign(tenant, id).await.map_err(store_failure)?;
        let campaign = campaign.ok_or_else(|| fault("unknown_campaign", "the store does not hold this campaign"))?;
        if !campaign.has_ended() {
            self.remember_forgotten(&campaign).await?;
        }
        if campaign.state == "running" {
            self.begin_leads(&campaign).await?;
        }
        let now_ms = self.clock.now_ms();
        let counts = self.store.campaign_counts(&campaign).await.map_err(store_failure)?;
        let mut state = campaign.state.clone();
        if state == "running"
            && counts.open == 0
            && counts.waiting == 0
            && self.store.complete_campaign(tenant, id, now_ms).await.map_err(store_failure)?
        {
            state = "completed".into();
        }
        let sleep_ms = self.sleep_ms(now_ms, now_ms + HOUR_MS).max(SHORTEST_PAUSE_MS);
        Ok(CampaignAdvice { state, open: counts.open, ended: counts.ended, waiting: counts.waiting, sleep_ms })
    }

    /// Starts what has no workflow, and wakes what has slept too long.
    async fn remember_forgotten(&self, campaign: &Campaign) -> Result<(), ActivityError> {
        let now_ms = self.clock.now_ms();
        let overdue_ms = now_ms - OVERDUE_MS - self.virtual_ms(self.config.timings.touch_activity_ms);
        let forgotten = self
            .store
            .forgotten_enrollments(&campaign.tenant, &campaign.id, overdue_ms)
            .await
            .map_err(store_failure)?;
        for enrollment in forgotten {
            let delay_ms = if enrollment.workflow_started_at_ms.is_none() {
                self.sleep_ms(now_ms, enrollment.wakes_at_ms)
            } else {
                0
            };
            self.start_and_note(&enrollment, delay_ms).await?;
            if enrollment.workflow_started_at_ms.is_some() {
                let id = workflow_id(&EnrollmentId(enrollment.id.clone()));
                self.workflows.look(&enrollment.tenant, &id).await.map_err(unreached)?;
            }
        }
        Ok(())
    }

    /// Begins with the leads whose turn it is, the best first.
    async fn begin_leads(&self, campaign: &Campaign) -> Result<(), ActivityError> {
        let now_ms = self.clock.now_ms();
        let tenant = campaign.tenant.as_str();
        let sequence = self.sequence(tenant, &campaign.sequence_id).await?;
        let openers = openers(&sequence);
        let Some(channel) = openers.first().map(|opener| opener.action.channel()) else { return Ok(()) };
        let places = self.store.places_left(campaign).await.map_err(store_failure)? as usize;
        let waiting = self.store.waiting_leads_of_campaign(campaign).await.map_err(store_failure)?;
        if places == 0 || waiting.is_empty() {
            return Ok(());
        }
        let mut accounts = Vec::new();
        for id in &campaign.accounts {
            accounts.extend(self.store.account(tenant, id).await.map_err(store_failure)?);
        }
        let is_ready = |account: &&Account| {
            account.state == "active" && account.deferred_until_ms.is_none_or(|until_ms| until_ms <= now_ms)
        };
        let first: Vec<&Account> =
            accounts.iter().filter(|account| account.channel == channel).filter(is_ready).collect();
        let mut second: Vec<&Account> = accounts.iter().filter(|account| account.channel != channel).collect();
        // A lead keeps its accounts, so one that cannot send now is for when there is no other.
        if second.iter().any(is_ready) {
            second.retain(is_ready);
        }
        let mut days = Vec::new();
        for account in &first {
            days.push(self.day(campaign, account, now_ms).await.map_err(store_failure)?);
        }
        let account_days: Vec<AccountDay<'_>> = first
            .iter()
            .zip(&days)
            .map(|(account, day)| AccountDay {
                limits: &account.settings.limits,
                sender: &day.calendar,
                uses: &day.uses,
                starts_ms: &day.starts_ms,
                pending: day.pending,
            })
            .collect();
        let starts = allot(&AllotRequest {
            now_ms,
            openers: &openers,
            starts_per_day: campaign.settings.starts_per_day,
            accounts: &account_days,
            // There may be more leads than turns: one that cannot take part takes none.
            waiting: waiting.len().min(places),
            jitter: rand::random(),
        });
        let mut turns = waiting.into_iter().enumerate();
        for start in starts {
            let account = first[start.account];
            // A lead that cannot be enrolled now leaves its turn to the next.
            for (number, lead) in turns.by_ref() {
                let other = (!second.is_empty()).then(|| second[number % second.len()]);
                if self.begin_lead((campaign, &sequence), &lead, account, other, start.at_ms).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Enrolls one lead, reserves its first step, and starts its workflow for then. `false` when it is not its turn after all.
    async fn begin_lead(
        &self,
        (campaign, sequence): (&Campaign, &Sequence),
        lead_id: &str,
        account: &Account,
        other: Option<&Account>,
        at_ms: i64,
    ) -> Result<bool, ActivityError> {
        let sequence_id = campaign.sequence_id.clone();
        let background = self.background_of(campaign.clone(), sequence_id, sequence.clone(), lead_id).await?;
        let of = |channel| {
            [Some(account), other]
                .into_iter()
                .flatten()
                .find(|account| account.channel == channel)
                .map(|account| account.id.as_str())
        };
        let new = NewEnrollment {
            campaign_id: &campaign.id,
            lead_id,
            person_id: &background.lead.person_id,
            sequence_id: &campaign.sequence_id,
            linkedin_account_id: of(Channel::Linkedin),
            email_account_id: of(Channel::Email),
            is_exclusive: !campaign.settings.allow_parallel,
            started_at_ms: at_ms,
        };
        let tenant = campaign.tenant.as_str();
        let begun = self
            .store
            .write(|transaction| {
                let (background, new) = (&background, &new);
                async move {
                    lock_person(transaction, self.store.for_update(), tenant, new.person_id).await?;
                    // A campaign that is stopped meanwhile waits for this, and then ends the enrollment like all others.
                    if state_for_share(transaction, self.store.for_share(), tenant, new.campaign_id).await?.as_deref()
                        != Some("running")
                    {
                        return Ok(None);
                    }
                    // The person may have turned out to be somebody known.
                    let person: Option<String> =
                        sqlx::query_scalar("SELECT person_id FROM leads WHERE tenant = $1 AND id = $2")
                            .bind(tenant)
                            .bind(new.lead_id)
                            .fetch_optional(&mut **transaction)
                            .await?;
                    if person.as_deref() != Some(new.person_id) {
                        return Ok(None);
                    }
                    let now_ms = self.now_ms(transaction).await?;
                    let Some(id) = enroll(transaction, tenant, new, now_ms).await? else { return Ok(None) };
                    // Whoever has written to us is in a conversation, which no sequence takes over.
                    if has_replied(transaction, tenant, new.person_id).await? {
                        let (state, cause) = (EnrollmentState::Stopped, "the person has replied before: write by hand");
                        end_enrollment(transaction, tenant, &id, state, cause, now_ms).await?;
                        return Ok(Some((id, None)));
                    }
                    let reference =
                        EnrollmentRef { tenant: TenantId(tenant.to_owned()), enrollment_id: EnrollmentId(id.clone()) };
                    let decided = self.decide(transaction, background, &reference).await?;
                    let delay_ms = decided.and_then(|decided| match decided.advice.next {
                        AdviceNext::Touch { sleep_ms, .. } | AdviceNext::Wait { sleep_ms, .. } => Some(sleep_ms),
                        AdviceNext::Done => None,
                    });
                    Ok(Some((id, delay_ms)))
                }
                .boxed()
            })
            .await
            .map_err(store_failure)?;
        let Some((id, delay_ms)) = begun else { return Ok(false) };
        if let Some(delay_ms) = delay_ms
            && let Some(enrollment) = self.store.enrollment(tenant, &id).await.map_err(store_failure)?
        {
            self.start_and_note(&enrollment, delay_ms).await?;
            return Ok(true);
        }
        // It ended before it began: its turn goes to the next lead.
        Ok(false)
    }

    async fn start_and_note(&self, enrollment: &Enrollment, delay_ms: u64) -> Result<(), ActivityError> {
        self.start_enrollment(enrollment, delay_ms).await?;
        self.store
            .note_workflow_started(&enrollment.tenant, &enrollment.id, self.clock.now_ms())
            .await
            .map_err(store_failure)
    }

    async fn day(&self, campaign: &Campaign, account: &Account, now_ms: i64) -> Result<Day, StoreError> {
        let settings = &account.settings;
        let keeps = campaign.settings.keep_holidays;
        let calendar = Calendar::new(&settings.hours, &settings.time_zone, &settings.country, keeps)
            .map_err(|_| StoreError::unreadable("hours"))?;
        let uses = self.store.account_uses(&account.tenant, &account.id, now_ms).await?;
        let (starts_ms, pending) = self.store.starts_of_account(campaign, &account.id, now_ms).await?;
        Ok(Day { calendar, uses, starts_ms, pending })
    }
}

/// What the allotment knows of an account.
struct Day {
    calendar: Calendar,
    uses: Vec<Use>,
    starts_ms: Vec<i64>,
    pending: u32,
}
