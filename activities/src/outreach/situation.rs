//! All that is known of an enrollment, read under the locks of those it concerns.

use super::activities::{OutreachWork, fault, store_failure};
use super::calendar::Calendar;
use super::places;
use crate::store::accounts::{ACCOUNT_COLUMNS, Account, read_account_row};
use crate::store::campaigns::{Campaign, state_for_share};
use crate::store::enrollments::{self, Enrollment, lock_account, lock_person};
use crate::store::leads::Lead;
use crate::store::replies::has_replied;
use crate::store::touches::{self, Touch};
use crate::store::{StoreError, suppressions};
use leadflow_workflows::contract::EnrollmentRef;
use leadflow_workflows::domain::outreach::{Action, Channel, EnrollmentState};
use leadflow_workflows::domain::sequence::{Sequence, StopOn};
use leadflow_workflows::domain::walk::Facts;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::BTreeMap;
use temporalio_sdk::activities::ActivityError;

/// What does not change while an enrollment is decided upon.
pub(super) struct Background {
    pub(super) campaign: Campaign,
    pub(super) sequence_id: String,
    pub(super) sequence: Sequence,
    pub(super) lead: Lead,
    /// IANA name of the lead's zone, when it is known of the person.
    time_zone: Option<String>,
}

/// What was true when the locks were taken.
pub(super) struct Situation {
    pub(super) now_ms: i64,
    pub(super) enrollment: Enrollment,
    /// `running`, `paused`, `stopped` or `completed`.
    pub(super) campaign_state: String,
    pub(super) linkedin: Option<Account>,
    pub(super) email: Option<Account>,
    pub(super) touches: Vec<Touch>,
    /// Read under the lock: a bounce takes the address off the person.
    pub(super) address: Option<String>,
    /// Until when the person is away, as far as a note of theirs says.
    pub(super) absent_until_ms: Option<i64>,
    pub(super) seen: SeenPerson,
    /// Why nothing may be sent to the person, on any channel: the state in which that ends, and the cause.
    pub(super) forbidden: Option<(EnrollmentState, String)>,
}

/// The person as the LinkedIn account of the enrollment sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenPerson {
    pub(super) provider_id: Option<String>,
    pub(super) chat_id: Option<String>,
    pub(super) connected_at_ms: Option<i64>,
    pub(super) looked_at_ms: Option<i64>,
}

impl OutreachWork {
    pub(super) async fn background(&self, reference: &EnrollmentRef) -> Result<Background, ActivityError> {
        let (tenant, id) = (reference.tenant.as_str(), reference.enrollment_id.as_str());
        let enrollment = self.store.enrollment(tenant, id).await.map_err(store_failure)?;
        let enrollment =
            enrollment.ok_or_else(|| fault("unknown_enrollment", "the store does not hold this enrollment"))?;
        let campaign = self.store.campaign(tenant, &enrollment.campaign_id).await.map_err(store_failure)?;
        let campaign = campaign.ok_or_else(|| fault("unknown_campaign", "the store does not hold this campaign"))?;
        let sequence = self.sequence(tenant, &enrollment.sequence_id).await?;
        self.background_of(campaign, enrollment.sequence_id, sequence, &enrollment.lead_id).await
    }

    pub(super) async fn sequence(&self, tenant: &str, id: &str) -> Result<Sequence, ActivityError> {
        let stored = self.store.sequence(tenant, id).await.map_err(store_failure)?;
        let stored = stored.ok_or_else(|| fault("unknown_sequence", "the store does not hold this sequence"))?;
        Ok(stored.sequence)
    }

    /// The background of a lead in a campaign, enrolled or about to be.
    pub(super) async fn background_of(
        &self,
        campaign: Campaign,
        sequence_id: String,
        sequence: Sequence,
        lead_id: &str,
    ) -> Result<Background, ActivityError> {
        let tenant = campaign.tenant.as_str();
        let lead = self.store.lead(tenant, lead_id).await.map_err(store_failure)?;
        let lead = lead.ok_or_else(|| fault("unknown_lead", "the store does not hold this lead"))?;
        let time_zone = sqlx::query_scalar("SELECT timezone FROM persons WHERE tenant = $1 AND id = $2")
            .bind(tenant)
            .bind(&lead.person_id)
            .fetch_optional(self.store.read())
            .await
            .map_err(|error| store_failure(self.store.error(error)))?
            .flatten();
        Ok(Background { campaign, sequence_id, sequence, lead, time_zone })
    }

    /// Locks person, campaign, enrollment and accounts, in this order, and reads what is true of them now. Whoever pauses or
    /// stops the campaign waits for it, and so is not answered before a claim that saw the campaign running.
    pub(super) async fn situation(
        &self,
        transaction: &mut AnyConnection,
        background: &Background,
        reference: &EnrollmentRef,
    ) -> Result<Situation, StoreError> {
        let for_update = self.store.for_update();
        let (tenant, id) = (reference.tenant.as_str(), reference.enrollment_id.as_str());
        lock_person(transaction, for_update, tenant, &background.lead.person_id).await?;
        let campaign_state =
            state_for_share(transaction, self.store.for_share(), tenant, &background.campaign.id).await?;
        let campaign_state = campaign_state.ok_or_else(|| StoreError::unreadable("campaign_id"))?;
        let enrollment = enrollments::read_in(transaction, for_update, tenant, id).await?;
        let enrollment = enrollment.ok_or_else(|| StoreError::unreadable("enrollment_id"))?;
        let linkedin = self.lock_account(transaction, tenant, enrollment.linkedin_account_id.as_deref()).await?;
        let email = self.lock_account(transaction, tenant, enrollment.email_account_id.as_deref()).await?;
        // Only now, because the locks may have taken a while.
        let now_ms = self.now_ms(transaction).await?;
        let touches = touches::of_enrollment(transaction, tenant, id).await?;
        let person: Option<(Option<String>, Option<i64>)> =
            sqlx::query_as("SELECT email, absent_until_ms FROM persons WHERE tenant = $1 AND id = $2")
                .bind(tenant)
                .bind(&enrollment.person_id)
                .fetch_optional(&mut *transaction)
                .await?;
        let (address, absent_until_ms) = person.unwrap_or_default();
        let seen = match &enrollment.linkedin_account_id {
            Some(account) => seen_person(transaction, tenant, account, &enrollment.person_id).await?,
            None => SeenPerson::default(),
        };
        let forbidden = forbidden(transaction, tenant, &enrollment, background).await?;
        Ok(Situation {
            now_ms,
            enrollment,
            campaign_state,
            linkedin,
            email,
            touches,
            address,
            absent_until_ms,
            seen,
            forbidden,
        })
    }

    async fn lock_account(
        &self,
        transaction: &mut AnyConnection,
        tenant: &str,
        account_id: Option<&str>,
    ) -> Result<Option<Account>, StoreError> {
        let Some(account_id) = account_id else { return Ok(None) };
        lock_account(transaction, self.store.for_update(), tenant, account_id).await?;
        let sql = format!("SELECT {ACCOUNT_COLUMNS} FROM accounts WHERE tenant = $1 AND id = $2");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(tenant).bind(account_id).fetch_optional(transaction).await?;
        row.as_ref().map(read_account_row).transpose()
    }
}

impl Background {
    /// When this lead may be contacted.
    pub(super) fn lead_calendar(&self) -> Result<Calendar, StoreError> {
        let Lead { country, region, city, .. } = &self.lead;
        let zone = self.time_zone.as_deref().unwrap_or_else(|| places::time_zone(country, region, city));
        let settings = &self.campaign.settings;
        Calendar::new(&settings.lead_hours, zone, country, settings.keep_holidays)
            .map_err(|_| StoreError::unreadable("lead_hours"))
    }

    /// When this account may contact anybody.
    pub(super) fn sender_calendar(&self, account: &Account) -> Result<Calendar, StoreError> {
        let settings = &account.settings;
        Calendar::new(&settings.hours, &settings.time_zone, &settings.country, self.campaign.settings.keep_holidays)
            .map_err(|_| StoreError::unreadable("hours"))
    }
}

impl Situation {
    pub(super) fn account(&self, action: Action) -> Option<&Account> {
        match action.channel() {
            Channel::Linkedin => self.linkedin.as_ref(),
            Channel::Email => self.email.as_ref(),
        }
    }

    pub(super) fn touch(&self, step: &str) -> Option<&Touch> {
        self.touches.iter().find(|touch| touch.step_id == step)
    }

    /// What the rule for the next step goes by.
    pub(super) fn facts(&self, background: &Background) -> Facts {
        let touches: BTreeMap<_, _> = self.touches.iter().map(|touch| (touch.step_id.clone(), touch.fact())).collect();
        Facts {
            now_ms: self.now_ms,
            started_at_ms: self.enrollment.started_at_ms,
            connected_at_ms: self.seen.connected_at_ms,
            declined_at_ms: self.touches.iter().find_map(|touch| touch.declined_at_ms),
            has_profile: !background.lead.linkedin_public_id.is_empty() && self.linkedin.is_some(),
            has_email: self.address.is_some() && self.email.is_some(),
            touches,
            decisions: self.enrollment.decisions.clone(),
        }
    }
}

async fn seen_person(
    transaction: &mut AnyConnection,
    tenant: &str,
    account_id: &str,
    person_id: &str,
) -> Result<SeenPerson, StoreError> {
    let row = sqlx::query(
        "SELECT provider_id, provider_chat_id, connected_at_ms, looked_at_ms FROM account_people \
         WHERE tenant = $1 AND account_id = $2 AND person_id = $3",
    )
    .bind(tenant)
    .bind(account_id)
    .bind(person_id)
    .fetch_optional(transaction)
    .await?;
    let Some(row) = row else { return Ok(SeenPerson::default()) };
    Ok(SeenPerson {
        provider_id: row.try_get("provider_id")?,
        chat_id: row.try_get("provider_chat_id")?,
        connected_at_ms: row.try_get("connected_at_ms")?,
        looked_at_ms: row.try_get("looked_at_ms")?,
    })
}

/// Suppression, erasure, and replies of the person or, when the campaign asks for it, of their company. What stores such a
/// fact also ends the enrollment; this is the look that holds when it could not, as with an enrollment begun meanwhile.
async fn forbidden(
    transaction: &mut AnyConnection,
    tenant: &str,
    enrollment: &Enrollment,
    background: &Background,
) -> Result<Option<(EnrollmentState, String)>, StoreError> {
    let stopped = |cause: &str| Ok(Some((EnrollmentState::Stopped, cause.to_owned())));
    if let Some(suppression) = suppressions::suppressed(transaction, tenant, &enrollment.person_id).await? {
        return stopped(&format!("suppressed: {}", suppression.reason));
    }
    let erased: Option<Option<i64>> =
        sqlx::query_scalar("SELECT removed_at_ms FROM persons WHERE tenant = $1 AND id = $2")
            .bind(tenant)
            .bind(&enrollment.person_id)
            .fetch_optional(&mut *transaction)
            .await?;
    if erased.is_none_or(|erased| erased.is_some()) {
        return stopped("the person's data were erased");
    }
    // Whoever had replied before was not enrolled, so this reply came after that, however far ahead the first step lies.
    if background.sequence.stop_on.contains(&StopOn::Reply)
        && has_replied(transaction, tenant, &enrollment.person_id).await?
    {
        return Ok(Some((EnrollmentState::Replied, "replied".into())));
    }
    if background.campaign.settings.stop_company {
        // From the campaign's beginning on, because a colleague's turn may come after the reply.
        let replies: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM replies r JOIN leads l ON l.tenant = r.tenant AND l.person_id = r.person_id \
             WHERE r.tenant = $1 AND r.kind IN ('reply', 'opt_out') AND r.received_at_ms >= $2 \
             AND l.business_id = (SELECT business_id FROM leads WHERE tenant = $1 AND id = $3)",
        )
        .bind(tenant)
        .bind(background.campaign.created_at_ms)
        .bind(&enrollment.lead_id)
        .fetch_one(&mut *transaction)
        .await?;
        if replies > 0 {
            return stopped("someone at the same company has replied");
        }
    }
    Ok(None)
}
