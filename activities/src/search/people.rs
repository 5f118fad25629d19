//! People: one web search for each business, asking for all its roles.

use super::personas::wrong_job;
use super::{ITEM_ATTEMPTS, Paid, Payer, SearchWork, key, not_set_up, owner, refused_item, store_failure};
use crate::failpoint::fail_point;
use crate::gate::{CallId, Called, GateError, Settled, UsageNumbers};
use crate::providers::{Organic, ProviderError, SearchQuery, Usage};
use crate::store::businesses::SearchBusiness;
use crate::store::leads::{Candidate, Evidence};
use crate::store::personas::Persona;
use crate::store::searches::Search;
use futures::{StreamExt, stream};
use leadflow_workflows::contract::JobInput;
use leadflow_workflows::domain::exclude::ExcludeList;
use leadflow_workflows::domain::people::{
    Profile, fitting_role, is_same_business, is_same_place, parse_profile, people_query, profile_url,
};
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::search_plan::{Hold, Job, LANES, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// A people search of an earlier search is good for so long: people change jobs.
const GOOD_FOR_MS: i64 = 30 * 24 * 3_600_000;
pub(crate) const RESULTS: u32 = 10;

impl SearchWork {
    pub(super) async fn people(&self, ctx: &ActivityContext, input: &JobInput) -> Result<Outcome, ActivityError> {
        let &Job::People { from, to } = &input.job else { return Err(wrong_job()) };
        let search = self.load(&input.search).await?;
        let businesses =
            self.store.numbered_businesses(&search.tenant, &search.id, from, to).await.map_err(store_failure)?;
        let roles = self.roles_of(&search, &businesses).await?;
        let open = businesses.iter().filter(|business| !business.searched);
        let calls: Vec<_> = open.map(|business| self.people_of(ctx, &search, business, &roles)).collect();
        let searched: Vec<_> = stream::iter(calls).buffered(LANES as usize).collect().await;

        let exclude = search.exclude_list();
        let (mut found, mut gaps, mut failing) = (Vec::new(), Vec::new(), Vec::new());
        for result in searched {
            let (business, outcome) = result?;
            match outcome {
                PeopleOutcome::Profiles(profiles) => {
                    let roles = &roles[&business.persona];
                    found.push((business.id.clone(), candidates(business, roles, profiles, &exclude)));
                }
                PeopleOutcome::Held(hold) => return Ok(Outcome::Held(hold)),
                PeopleOutcome::Lost(problem) => {
                    gaps.push((format!("people of business {}", business.number + 1), problem));
                    found.push((business.id.clone(), Vec::new()));
                }
                PeopleOutcome::Failing(error) => failing.push((business, error)),
            }
        }
        for (business, error) in failing {
            if found.is_empty() {
                return Err(error.into_failure(ctx.info().attempt, &self.config.timings));
            }
            gaps.push((format!("people of business {}", business.number + 1), error.kind.replace('_', " ")));
            found.push((business.id.clone(), Vec::new()));
        }
        fail_point("people-before-number").await;
        let now_ms = self.clock.now_ms();
        if !gaps.is_empty() {
            self.store.store_gaps(&search.tenant, &search.id, "people", &gaps, now_ms).await.map_err(store_failure)?;
        }
        let (leads, gaps) = self.store.store_people(key(&search), &found, now_ms).await.map_err(store_failure)?;
        Ok(Outcome::Peopled { leads, gaps })
    }

    async fn roles_of(
        &self,
        search: &Search,
        businesses: &[SearchBusiness],
    ) -> Result<BTreeMap<u32, Vec<Persona>>, ActivityError> {
        let mut roles = BTreeMap::new();
        for persona in businesses.iter().map(|business| business.persona).collect::<BTreeSet<_>>() {
            let found = self.store.roles(&search.tenant, &search.id, persona + 1).await.map_err(store_failure)?;
            roles.insert(persona, found);
        }
        Ok(roles)
    }

    async fn people_of<'b>(
        &self,
        ctx: &ActivityContext,
        search: &Search,
        business: &'b SearchBusiness,
        roles: &BTreeMap<u32, Vec<Persona>>,
    ) -> Result<(&'b SearchBusiness, PeopleOutcome), ActivityError> {
        let q = people_query(&business.name, roles[&business.persona].iter().map(|role| role.title.as_str()));
        let since_ms = self.clock.now_ms() - GOOD_FOR_MS;
        let known = self.store.people_search(&search.tenant, &business.cid, &q, &search.source, since_ms).await;
        if let Some(profiles) = known.map_err(store_failure)? {
            return Ok((business, PeopleOutcome::Profiles(profiles)));
        }
        let gl = if business.country.is_empty() { "us".into() } else { business.country.clone() };
        let query = SearchQuery { q, gl, hl: "en".into(), num: RESULTS };
        let payer =
            Payer { tenant: &search.tenant, search_id: &search.id, scope: &search.id, lead: None, owner: owner(ctx) };
        let Some(called) = self.find_people(payer, &query).await else {
            return Ok((business, PeopleOutcome::Held(not_set_up(Provider::Serper))));
        };
        let called = match called {
            Err(GateError::Provider(error)) if refused_item(&error) => {
                return Ok((business, PeopleOutcome::Lost(error.kind.replace('_', " "))));
            }
            Err(GateError::Provider(error)) if ctx.info().attempt >= ITEM_ATTEMPTS && !error.needs_a_person() => {
                return Ok((business, PeopleOutcome::Failing(error)));
            }
            called => called,
        };
        let profiles: Vec<Profile> = match self.settle(ctx, search, "people", called).await? {
            Paid::Held(hold) => return Ok((business, PeopleOutcome::Held(hold))),
            Paid::Value(profiles) => profiles,
        };
        self.store
            .store_people_search(&search.tenant, &search.id, &business.cid, &query.q, &profiles, self.clock.now_ms())
            .await
            .map_err(store_failure)?;
        Ok((business, PeopleOutcome::Profiles(profiles)))
    }

    /// One web search for people; `None` when Serper is not set up.
    pub(crate) async fn find_people(
        &self,
        payer: Payer<'_>,
        query: &SearchQuery,
    ) -> Option<Result<Called<Vec<Profile>>, GateError>> {
        let client = self.clients.serper.as_ref()?;
        let request = serde_json::to_vec(query).expect("a query has only text and numbers");
        let bound = Usage::serper_search_at_most().cost(&self.config.models);
        let call = payer.call(Provider::Serper, "people", 0, &request, bound);
        self.pace.serper.until_ready().await;
        let perform = |call_id: CallId| async move {
            let answer = client.search(call_id.as_str(), query).await?;
            Ok(Settled {
                value: answer.organic.iter().filter_map(read_profile).collect::<Vec<Profile>>(),
                cost: Usage::Serper { credits: answer.credits }.cost(&self.config.models),
                usage: UsageNumbers { credits: answer.credits.into(), ..UsageNumbers::default() },
                reusable: true,
            })
        };
        Some(self.gate.call(call, perform).await)
    }
}

enum PeopleOutcome {
    Profiles(Vec<Profile>),
    Held(Hold),
    /// Refused for good.
    Lost(String),
    /// It has failed often enough to be lost, unless its neighbours fail too: then the provider is down.
    Failing(ProviderError),
}

fn read_profile(result: &Organic) -> Option<Profile> {
    parse_profile(&result.title, &result.link, result.snippet.as_deref().unwrap_or_default())
}

/// The people among the results who fill a role at this very business, the best role first.
fn candidates(
    business: &SearchBusiness,
    roles: &[Persona],
    profiles: Vec<Profile>,
    exclude: &ExcludeList,
) -> Vec<Candidate> {
    let mut seen = BTreeSet::new();
    let mut found: Vec<Candidate> = profiles
        .into_iter()
        .filter_map(|profile| {
            let role = fitting_role(&profile.title, roles.iter().map(|role| role.title.as_str()))?;
            let place_agrees = is_same_place(&profile.location, &business.city, &business.region);
            // Another business of the same name elsewhere has other people.
            let here = is_same_business(&profile.company, &business.name) && place_agrees != Some(false);
            (here && seen.insert(profile.linkedin_public_id.clone())).then(|| Candidate {
                role_rank: roles[role].rank,
                evidence: Evidence {
                    employer_agrees: true,
                    place_agrees,
                    profile_url: profile_url(&profile.linkedin_public_id),
                },
                left_out: exclude.excludes_person(Some(&profile.linkedin_public_id), None),
                profile,
            })
        })
        .collect();
    found.sort_by_key(|candidate| candidate.role_rank);
    found
}
