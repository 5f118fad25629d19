//! The activities that the workflows need, by name and type. The crate `leadflow-activities` implements them; a
//! difference between the two does not compile. The error type of a declaration means nothing to the SDK.

use crate::domain::ids::{SearchId, TenantId};
use crate::domain::money::MicroUsd;
use crate::domain::search_plan::{Job, Outcome, SearchPlan};
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
