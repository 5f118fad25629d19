//! Who works at the company, and what is true of the hints about them.

use super::{Bought, BuyerGroupWork, Missing, not_set_up, payer};
use crate::outreach::events::tell_one;
use crate::providers::SearchQuery;
use crate::search::{RESULTS, store_failure};
use crate::store::buyer_groups::Company;
use crate::store::person_changes::{Hint, Look};
use leadflow_workflows::contract::{RefreshRef, StageDone};
use leadflow_workflows::domain::buyer_group::{TITLES, is_search_good};
use leadflow_workflows::domain::people::{Profile, is_same_business, is_same_place, people_query, person_query};
use leadflow_workflows::domain::person_change::Consequence;
use leadflow_workflows::domain::provider::Provider;
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// Hints that one refresh looks into; the next one takes the rest.
const HINTS_AT_MOST: u8 = 10;

impl BuyerGroupWork {
    pub(super) async fn people(&self, ctx: &ActivityContext, refresh: &RefreshRef) -> Result<StageDone, ActivityError> {
        let company = self.company(refresh).await?;
        let (tenant, store) = (refresh.company.tenant.as_str(), &self.search.store);
        let mut missing = None;
        let (found, searched_at_ms) = match self.colleagues(ctx, refresh, &company).await? {
            Bought::Value(found) => found,
            Bought::Without(lost) => {
                missing = Some(lost);
                (Vec::new(), self.search.clock.now_ms())
            }
        };
        // What is seen of them at other companies is stored first, so that nobody is taken in who has left.
        if let Err(lost) = self.look_into_hints(ctx, refresh, &company).await? {
            missing.get_or_insert(lost);
        }
        store
            .store_group(tenant, &company, &found, searched_at_ms, self.search.clock.now_ms())
            .await
            .map_err(store_failure)?;
        Ok(missing.map_or_else(StageDone::default, Into::into))
    }

    /// The people whom the web shows at this very company, from a stored search while that is good, and when it was made.
    async fn colleagues(
        &self,
        ctx: &ActivityContext,
        refresh: &RefreshRef,
        company: &Company,
    ) -> Result<Bought<(Vec<Profile>, i64)>, ActivityError> {
        let (tenant, store, now_ms) = (refresh.company.tenant.as_str(), &self.search.store, self.search.clock.now_ms());
        let query = people_query(&company.name, TITLES);
        let stored = store.group_search(tenant, &company.cid, &query).await.map_err(store_failure)?;
        let newest = store.newest_change_ms(tenant, &company.id).await.map_err(store_failure)?;
        let (profiles, at_ms) = match stored {
            Some((profiles, at_ms)) if is_search_good(at_ms, newest, now_ms) => (profiles, at_ms),
            _ => {
                let profiles = match self.searched(ctx, refresh, company, query.clone()).await? {
                    Bought::Value(profiles) => profiles,
                    Bought::Without(lost) => return Ok(Bought::Without(lost)),
                };
                store.store_group_search(tenant, company, &query, &profiles, now_ms).await.map_err(store_failure)?;
                (profiles, now_ms)
            }
        };
        // Another business of the same name elsewhere has other people.
        let here = |profile: &Profile| {
            is_same_business(&profile.company, &company.name)
                && is_same_place(&profile.location, &company.city, &company.region) != Some(false)
        };
        Ok(Bought::Value((profiles.into_iter().filter(here).collect(), at_ms)))
    }

    /// Looks at the profiles of people about whom there are hints, and tells the workflows that a true one concerns.
    async fn look_into_hints(
        &self,
        ctx: &ActivityContext,
        refresh: &RefreshRef,
        company: &Company,
    ) -> Result<Result<(), Missing>, ActivityError> {
        let (tenant, store) = (refresh.company.tenant.as_str(), &self.search.store);
        let since_ms = store.refresh_started_ms(tenant, &refresh.refresh_id).await.map_err(store_failure)?;
        let mut lost = Ok(());
        let hints = store.open_hints(tenant, &company.id, since_ms, HINTS_AT_MOST).await.map_err(store_failure)?;
        for hint in &hints {
            let seen = match self.profile_of(ctx, refresh, company, hint).await? {
                Bought::Value(seen) => seen,
                Bought::Without(missing) => {
                    lost = Err(missing);
                    break;
                }
            };
            let look = Look { seen: seen.as_ref().map_err(|why| *why), since_ms, now_ms: self.search.clock.now_ms() };
            store.note_look(tenant, &company.id, hint, look).await.map_err(store_failure)?;
        }
        // Also what an earlier attempt has decided, and perhaps not told.
        for workflow_id in store.decided_since(tenant, &company.id, since_ms).await.map_err(store_failure)? {
            tell_one(store, &*self.workflows, tenant, &workflow_id).await.map_err(|error| {
                ApplicationFailure::builder(error.to_string()).type_name("temporal_unreachable".to_owned()).build()
            })?;
        }
        Ok(lost)
    }

    /// What the web shows of the person of a hint, or why it shows nothing. Only a look that may decide the hint is paid for.
    async fn profile_of(
        &self,
        ctx: &ActivityContext,
        refresh: &RefreshRef,
        company: &Company,
        hint: &Hint,
    ) -> Result<Bought<Result<Profile, &'static str>>, ActivityError> {
        let Profile { linkedin_public_id, first_name, last_name, company: employer, .. } = &hint.profile;
        if linkedin_public_id.is_empty() {
            // A name alone may be anybody's.
            return Ok(Bought::Value(Err("the person's profile is not known")));
        }
        if employer.is_empty() && hint.kind.consequence() == Consequence::Stop {
            return Ok(Bought::Value(Err("it is not known where the person worked")));
        }
        let query = person_query(first_name, last_name);
        Ok(match self.searched(ctx, refresh, company, query).await? {
            Bought::Value(profiles) => {
                let is_theirs = |seen: &Profile| seen.linkedin_public_id == *linkedin_public_id;
                let seen = profiles.into_iter().find(is_theirs);
                Bought::Value(seen.ok_or("the web does not show the person's profile"))
            }
            Bought::Without(lost) => Bought::Without(lost),
        })
    }

    async fn searched(
        &self,
        ctx: &ActivityContext,
        refresh: &RefreshRef,
        company: &Company,
        q: String,
    ) -> Result<Bought<Vec<Profile>>, ActivityError> {
        let gl = if company.country.is_empty() { "us".into() } else { company.country.clone() };
        let query = SearchQuery { q, gl, hl: "en".into(), num: RESULTS };
        match self.search.find_people(payer(ctx, refresh), &query).await {
            Some(called) => self.bought(ctx, called),
            None => Ok(Bought::Without(not_set_up(Provider::Serper))),
        }
    }
}
