//! The activities that the workflows need, by name and type. The crate `leadflow-activities` implements them; a
//! difference between the two does not compile. The error type of a declaration means nothing to the SDK.

use crate::domain::answers::ReplyLabel;
use crate::domain::buyer_group::Stage;
use crate::domain::ids::{AccountId, BusinessId, CampaignId, EnrollmentId, ReplyId, SearchId, TenantId};
use crate::domain::money::MicroUsd;
use crate::domain::outreach::{Action, EnrollmentState, Hold};
use crate::domain::search_plan::{Job, Outcome, SearchPlan};
use crate::domain::timings::Timings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use temporalio_macros::activity_definitions;

/// Which search an activity works for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchRef {
    pub tenant: TenantId,
    pub search_id: SearchId,
}

/// One unit of work of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobInput {
    pub search: SearchRef,
    pub job: Job,
}

/// A job to be written down as lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiveUpInput {
    pub search: SearchRef,
    pub job: Job,
    /// Why, without personal data.
    pub problem: String,
}

/// The first look at a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Prepared {
    Ready {
        plan: SearchPlan,
    },
    /// The store says that this search has ended: the server forgets a finished workflow, the store does not.
    AlreadyDone {
        result: SearchResult,
    },
}

/// What a person has asked for since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    pub paused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishInput {
    pub search: SearchRef,
    pub cancelled: bool,
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchResult {
    /// `completed`, `completed_with_gaps` or `cancelled`.
    pub status: String,
    pub leads: u32,
    pub gaps: u32,
    pub cost: MicroUsd,
}

/// Activities that only talk to the store. Task queue [`crate::QUEUE`].
pub struct SearchActivities;

#[activity_definitions]
impl SearchActivities {
    /// Reads the brief of a search and marks it as running.
    #[activity(name = "search.prepare")]
    pub fn prepare(_search: SearchRef) -> Result<Prepared, Infallible> {
        unimplemented!()
    }

    /// Reads what a person has asked for.
    #[activity(name = "search.look")]
    pub fn look(_search: SearchRef) -> Result<Wishes, Infallible> {
        unimplemented!()
    }

    /// Writes down a job that is lost, and puts what the brief says in the place of a lost persona.
    #[activity(name = "search.give_up")]
    pub fn give_up(_input: GiveUpInput) -> Result<Outcome, Infallible> {
        unimplemented!()
    }

    /// Ranks the leads, closes the books, and marks the search as ended.
    #[activity(name = "search.finish")]
    pub fn finish(_input: FinishInput) -> Result<SearchResult, Infallible> {
        unimplemented!()
    }
}

/// Paid calls. Each runs on the task queue of its provider, where the server holds the rate limit.
pub struct PaidActivities;

#[activity_definitions]
impl PaidActivities {
    #[activity(name = "openai.business_personas")]
    pub fn business_personas(_input: JobInput) -> Result<Outcome, Infallible> {
        unimplemented!()
    }

    #[activity(name = "openai.decision_makers")]
    pub fn decision_makers(_input: JobInput) -> Result<Outcome, Infallible> {
        unimplemented!()
    }

    #[activity(name = "openai.lead_reasons")]
    pub fn lead_reasons(_input: JobInput) -> Result<Outcome, Infallible> {
        unimplemented!()
    }

    #[activity(name = "gemini.market_facts")]
    pub fn market_facts(_input: JobInput) -> Result<Outcome, Infallible> {
        unimplemented!()
    }

    #[activity(name = "gemini.market_insight")]
    pub fn market_insight(_input: JobInput) -> Result<Outcome, Infallible> {
        unimplemented!()
    }

    #[activity(name = "serper.maps")]
    pub fn maps(_input: JobInput) -> Result<Outcome, Infallible> {
        unimplemented!()
    }

    #[activity(name = "serper.people")]
    pub fn people(_input: JobInput) -> Result<Outcome, Infallible> {
        unimplemented!()
    }

    #[activity(name = "hunter.emails")]
    pub fn emails(_input: JobInput) -> Result<Outcome, Infallible> {
        unimplemented!()
    }
}

/// The marker types, for the implementations.
pub mod search {
    pub use super::search_activities::*;
}

/// The marker types, for the implementations.
pub mod paid {
    pub use super::paid_activities::*;
}

/// Which enrollment an activity works for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollmentRef {
    pub tenant: TenantId,
    pub enrollment_id: EnrollmentId,
}

/// One step's contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchInput {
    pub enrollment: EnrollmentRef,
    pub step: String,
}

/// What an enrollment does next. Sleeps are real milliseconds, instants are the installation's clock's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    pub state: EnrollmentState,
    pub next: AdviceNext,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AdviceNext {
    /// Make the contact of this step, at `at_ms`; `hold` is the rule that moved it furthest.
    Touch { step: String, action: Action, at_ms: i64, sleep_ms: u64, hold: Option<Hold> },
    /// Look again at `at_ms`, at the latest.
    Wait { step: String, at_ms: i64, sleep_ms: u64, hold: Hold },
    /// The store says why: causes may quote what a person typed, and have no place in a history.
    Done,
}

/// Which campaign an activity works for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignRef {
    pub tenant: TenantId,
    pub campaign_id: CampaignId,
}

/// What a campaign does next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignAdvice {
    /// `running`, `paused`, `stopped` or `completed`; the last two end the workflow.
    pub state: String,
    pub open: u32,
    pub ended: u32,
    /// Leads that wait for their turn.
    pub waiting: u32,
    /// Real time until the next round.
    pub sleep_ms: u64,
}

/// Which account an activity works for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRef {
    pub tenant: TenantId,
    pub account_id: AccountId,
}

/// What an account's reading brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountAdvice {
    /// `active`, `paused`, `disconnected`, `restricted`, `held`; `removed` ends the workflow.
    pub state: String,
    /// Touches that were settled by this reading.
    pub settled: u32,
    /// Facts that were new: connections, replies, declined invitations.
    pub learnt: u32,
    /// Real time until the next reading.
    pub sleep_ms: u64,
}

/// Activities of outreach that only talk to the store and to Temporal. Task queue [`crate::QUEUE_LONG`].
pub struct OutreachActivities;

#[activity_definitions]
impl OutreachActivities {
    /// Reads what has happened to an enrollment, decides its next step and reserves it.
    #[activity(name = "enrollment.advance")]
    pub fn advance(_enrollment: EnrollmentRef) -> Result<Advice, Infallible> {
        unimplemented!()
    }

    /// Starts the day's enrollments of a campaign, and restarts those that lost their workflow.
    #[activity(name = "campaign.round")]
    pub fn round(_campaign: CampaignRef) -> Result<CampaignAdvice, Infallible> {
        unimplemented!()
    }
}

/// Calls to Unipile. Task queue of [`crate::domain::provider::Provider::Unipile`], where the server holds the rate limit.
pub struct UnipileActivities;

#[activity_definitions]
impl UnipileActivities {
    /// Makes the contact of one step, or finds out that it was made, and decides the next step.
    #[activity(name = "unipile.touch")]
    pub fn touch(_input: TouchInput) -> Result<Advice, Infallible> {
        unimplemented!()
    }

    /// Reads connections, invitations, messages and mails of an account, and settles what was in doubt.
    #[activity(name = "unipile.read_account")]
    pub fn read_account(_account: AccountRef) -> Result<AccountAdvice, Infallible> {
        unimplemented!()
    }
}

/// The marker types, for the implementations.
pub mod outreach {
    pub use super::outreach_activities::*;
}

/// The marker types, for the implementations.
pub mod unipile {
    pub use super::unipile_activities::*;
}

/// Which reply an activity works for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyRef {
    pub tenant: TenantId,
    pub reply_id: ReplyId,
}

/// What came of a model's reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReplyRead {
    Labelled {
        label: ReplyLabel,
    },
    /// It stays a person's reply that no model has read; why, without personal data.
    NotRead {
        problem: String,
    },
}

/// Task queue of [`crate::domain::provider::Provider::Openai`], where the server holds the rate limit.
pub struct ReplyActivities;

#[activity_definitions]
impl ReplyActivities {
    /// Has a model say what a reply is and how the person takes our offer, and stores that.
    #[activity(name = "openai.read_reply")]
    pub fn read_reply(_reply: ReplyRef) -> Result<ReplyRead, Infallible> {
        unimplemented!()
    }
}

/// The marker types, for the implementations.
pub mod reply {
    pub use super::reply_activities::*;
}

/// Which company a refresh is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyRef {
    pub tenant: TenantId,
    pub business_id: BusinessId,
}

/// Input of [`crate::buyer_group::BuyerGroupRefresh`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyerGroupInputs {
    pub company: CompanyRef,
    pub timings: Timings,
}

/// One refresh of one company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshRef {
    pub company: CompanyRef,
    /// Id of its row in the log.
    pub refresh_id: String,
}

/// Whether a company is to be refreshed now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Opened {
    Refresh(RefreshRef),
    /// Not for this long, in real time: the last refresh is too near.
    Wait {
        sleep_ms: u64,
    },
    /// Nothing has changed.
    Nothing,
}

/// How a stage ended that was not lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageDone {
    /// What it had to do without, if anything; without personal data.
    pub problem: Option<String>,
    /// Whether a later refresh may do better without anybody's doing.
    pub can_mend_itself: bool,
}

/// What a stage had to do without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageProblem {
    pub stage: Stage,
    pub problem: String,
    pub can_mend_itself: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishRefresh {
    pub refresh: RefreshRef,
    pub problems: Vec<StageProblem>,
}

/// What a refresh brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshDone {
    /// People of the group now.
    pub members: u32,
    /// Changes that it was for.
    pub changes: u32,
    /// Stages that had to do without something.
    pub problems: u32,
    /// Real time until the next refresh is allowed.
    pub sleep_ms: u64,
    /// Whether there is to be one even if nobody asks.
    pub again: bool,
}

/// Activities of buyer groups that only talk to the store: `open` on [`crate::QUEUE_BUYER_GROUPS`], `finish` on [`crate::QUEUE`].
pub struct BuyerGroupActivities;

#[activity_definitions]
impl BuyerGroupActivities {
    /// Takes the changes of a company into a refresh, if one is due.
    #[activity(name = "buyer_group.open")]
    pub fn open(_company: CompanyRef) -> Result<Opened, Infallible> {
        unimplemented!()
    }

    /// Closes the books of a refresh and writes its log.
    #[activity(name = "buyer_group.finish")]
    pub fn finish(_input: FinishRefresh) -> Result<RefreshDone, Infallible> {
        unimplemented!()
    }
}

/// The stages of a refresh. Each runs on the task queue of its provider, where the server holds the rate limit.
pub struct BuyerGroupPaidActivities;

#[activity_definitions]
impl BuyerGroupPaidActivities {
    /// Finds out who works at the company, and whether hints about people are true.
    #[activity(name = "serper.buyer_group_people")]
    pub fn people(_refresh: RefreshRef) -> Result<StageDone, Infallible> {
        unimplemented!()
    }

    /// Gives each person their role.
    #[activity(name = "openai.buyer_group_roles")]
    pub fn roles(_refresh: RefreshRef) -> Result<StageDone, Infallible> {
        unimplemented!()
    }

    /// Looks up how to reach those who matter.
    #[activity(name = "hunter.buyer_group_contacts")]
    pub fn contacts(_refresh: RefreshRef) -> Result<StageDone, Infallible> {
        unimplemented!()
    }
}

/// The marker types, for the implementations.
pub mod buyer_group {
    pub use super::buyer_group_activities::*;
}

/// The marker types, for the implementations.
pub mod buyer_group_paid {
    pub use super::buyer_group_paid_activities::*;
}
