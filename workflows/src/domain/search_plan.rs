//! What a lead search does next: a pure function of what it has done.
//!
//! The search is a pipeline, not a row of barriers. Each provider has a number of lanes; a free lane asks
//! [`SearchState::next_job`], carries the job out as one activity, and gives the outcome to [`SearchState::finish`].
//! Businesses and leads are numbered in their canonical order (persona rank, place, page, position): there is one lane
//! for the map and people searches, so the numbers do not depend on which answer came first.

use super::provider::Provider;
pub use super::search_job::{Hold, Job, Outcome, Round};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Businesses or leads that one activity of a look-up provider takes at most.
pub const CHUNK: u32 = 25;
/// Leads whose reasons one model call writes at most.
pub const REASON_BATCH: u32 = 20;
/// Businesses on a full page of map results.
pub const PAGE_SIZE: u32 = 20;
/// Calls to one provider that a search has in flight at most.
pub const LANES: u32 = 5;
/// How often a model is asked again after a bad answer before the item is given up.
pub const REPAIR_ROUNDS: u32 = 3;
/// The same for the reason of a lead: a bad batch is halved up to five times before its leads stand alone.
pub const REASON_ROUNDS: u32 = 7;
/// Pages after which a map search of one industry in one place ends, whatever it still has.
pub const LAST_PAGE: u32 = 20;

/// The size of a search: numbers from its brief.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchPlan {
    /// Business personas.
    pub personas: u32,
    pub places: u32,
    /// Leads wanted; `None` for every lead that can be found.
    pub leads: Option<u32>,
    /// Businesses searched at most.
    pub businesses: Option<u32>,
    pub email: bool,
    pub insights: bool,
}

/// A job that no more rounds or retries can save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GiveUp {
    pub job: Job,
    /// Without personal data.
    pub problem: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    #[default]
    Open,
    Running,
    Done,
}

/// Everything that a search knows in its workflow; it also carries a run over to the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchState {
    pub plan: SearchPlan,
    business_personas: Stage,
    decision_makers: Vec<Stage>,
    market_facts: Vec<Stage>,
    market_insights: Vec<Stage>,
    /// The stream that is read, persona by persona and place by place.
    stream: u32,
    page: u32,
    /// Businesses numbered when the last stream of each persona ended.
    numbered_by_persona: Vec<u32>,
    /// Businesses numbered, and searched for people.
    pub businesses: u32,
    pub searched: u32,
    /// Leads numbered, sent to the email look-up, sent for a reason, ready, and given up.
    pub leads: u32,
    pub emailed: u32,
    reasoned: u32,
    pub ready: u32,
    pub quarantined: u32,
    pub gaps: u32,
    /// Jobs to do again before any new one: after a bad answer, a hold, or a new run.
    again: Vec<Job>,
    in_flight: BTreeMap<Provider, u32>,
    pub hold: Option<Hold>,
    pub paused: bool,
    /// The run ends soon (continue-as-new): nothing new is begun.
    pub draining: bool,
    pub last_problem: Option<String>,
}

impl SearchState {
    pub fn new(plan: SearchPlan) -> Self {
        let per_persona = vec![Stage::Open; plan.personas as usize];
        let insights = if plan.insights { Stage::Open } else { Stage::Done };
        Self {
            business_personas: Stage::Open,
            decision_makers: per_persona,
            market_facts: vec![insights; plan.personas as usize],
            market_insights: vec![insights; plan.personas as usize],
            stream: 0,
            page: 1,
            numbered_by_persona: Vec::new(),
            businesses: 0,
            searched: 0,
            leads: 0,
            emailed: 0,
            reasoned: 0,
            ready: 0,
            quarantined: 0,
            gaps: 0,
            again: Vec::new(),
            in_flight: BTreeMap::new(),
            hold: None,
            paused: false,
            draining: false,
            last_problem: None,
            plan,
        }
    }

    /// Calls that a search keeps in flight at a provider: activities that make one call each have several lanes,
    /// activities that make many calls have one and spread the calls inside.
    pub fn lanes(provider: Provider) -> u32 {
        match provider {
            Provider::Openai => LANES,
            Provider::Gemini | Provider::Serper | Provider::Hunter => 1,
            Provider::Unipile => 0,
        }
    }

    /// The next job of a free lane, or `None` while there is nothing to do.
    pub fn next_job(&self, provider: Provider) -> Option<Job> {
        if self.paused || self.draining || self.hold.is_some() {
            return None;
        }
        self.wanted_job(provider)
    }

    /// Notes that a lane has begun a job that [`Self::next_job`] named.
    pub fn begin(&mut self, job: &Job) {
        *self.in_flight.entry(job.provider()).or_default() += 1;
        if let Some(position) = self.again.iter().position(|again| again == job) {
            self.again.remove(position);
            return;
        }
        match job {
            Job::BusinessPersonas { .. } => self.business_personas = Stage::Running,
            Job::DecisionMakers { persona, .. } => self.decision_makers[*persona as usize] = Stage::Running,
            Job::MarketFacts { persona, .. } => self.market_facts[*persona as usize] = Stage::Running,
            Job::MarketInsight { persona, .. } => self.market_insights[*persona as usize] = Stage::Running,
            Job::Maps { .. } | Job::People { .. } | Job::Emails { .. } => {}
            Job::Reasons { leads, .. } => self.reasoned += count(leads),
        }
    }

    /// Takes in what a job brought. A job that is now to be given up comes back and stays in flight: the lane writes
    /// its loss down and finishes it once more, with [`Outcome::GivenUp`].
    #[must_use]
    pub fn finish(&mut self, job: Job, outcome: Outcome) -> Option<GiveUp> {
        let provider = job.provider();
        let give_up = self.take_in(job, outcome);
        if let Some(give_up) = &give_up {
            self.last_problem = Some(format!("{}: {}", give_up.job.summary(), give_up.problem));
        } else {
            let in_flight = self.in_flight.entry(provider).or_default();
            *in_flight = in_flight.saturating_sub(1);
        }
        give_up
    }

    fn take_in(&mut self, job: Job, outcome: Outcome) -> Option<GiveUp> {
        match (job, outcome) {
            (job, Outcome::Held(hold)) => {
                self.last_problem = Some(hold.describe());
                self.hold = Some(hold);
                self.again.insert(0, job);
            }
            (Job::Reasons { leads, round }, Outcome::Bad { problem }) => {
                return self.reason_again(leads, round, problem);
            }
            (Job::Reasons { .. }, Outcome::Reasoned { ready }) => self.ready = self.ready.max(ready),
            (job, Outcome::Bad { problem }) => {
                let Some(next) = next_round(&job, &problem) else {
                    return Some(GiveUp { job, problem });
                };
                self.last_problem = Some(format!("{}: {problem}", job.summary()));
                self.again.push(next);
            }
            (Job::Maps { persona, place, .. }, Outcome::Mapped { businesses, next_page, gaps }) => {
                self.businesses = self.businesses.max(businesses);
                self.gaps = self.gaps.max(gaps);
                match next_page.filter(|page| *page <= LAST_PAGE) {
                    Some(page) => self.page = page,
                    None => self.end_stream(persona, place),
                }
            }
            (Job::People { to, .. }, Outcome::Peopled { leads, gaps }) => {
                self.searched = self.searched.max(to);
                self.leads = self.leads.max(leads);
                self.gaps = self.gaps.max(gaps);
            }
            (Job::Emails { to, .. }, Outcome::Emailed { gaps, quarantined }) => {
                self.emailed = self.emailed.max(to);
                self.gaps = self.gaps.max(gaps);
                self.quarantined = self.quarantined.max(quarantined);
            }
            (job, Outcome::GivenUp { gaps, quarantined }) => {
                self.gaps = self.gaps.max(gaps);
                self.quarantined = self.quarantined.max(quarantined);
                match job {
                    Job::Maps { persona, place, .. } => self.end_stream(persona, place),
                    Job::People { to, .. } => self.searched = self.searched.max(to),
                    Job::Emails { to, .. } => self.emailed = self.emailed.max(to),
                    Job::MarketFacts { persona, .. } => {
                        self.done(&job);
                        self.market_insights[persona as usize] = Stage::Done;
                    }
                    job => self.done(&job),
                }
            }
            (job, _) => self.done(&job),
        }
        None
    }

    /// Takes in a job that has failed as a whole. What could not be reached in hours is waited for, unless the search can
    /// do without it; a batch that was refused is asked about in halves; the rest is given up.
    #[must_use]
    pub fn fail(&mut self, job: Job, problem: String, is_final: bool) -> Option<GiveUp> {
        match &job {
            Job::Reasons { leads, .. } if is_final && leads.len() > 1 => self.finish(job, Outcome::Bad { problem }),
            needed if !is_final && matches!(needed.provider(), Provider::Openai | Provider::Serper) => {
                let hold = Hold::Refused { provider: job.provider(), problem };
                self.finish(job, Outcome::Held(hold))
            }
            _ => {
                self.last_problem = Some(format!("{}: {problem}", job.summary()));
                Some(GiveUp { job, problem })
            }
        }
    }

    /// Whether nothing runs and nothing is left to do.
    pub fn is_complete(&self) -> bool {
        self.is_idle() && Provider::SEARCH.iter().all(|provider| self.wanted_job(*provider).is_none())
    }

    pub fn is_idle(&self) -> bool {
        self.in_flight.values().all(|count| *count == 0)
    }

    /// Leads up to this number are looked up and written about; later ones are spare.
    pub fn lead_limit(&self) -> u32 {
        self.plan.leads.map_or(u32::MAX, |leads| leads.saturating_add(self.quarantined))
    }

    /// The state of an idle search for its next run.
    #[must_use]
    pub fn for_next_run(mut self) -> Self {
        self.draining = false;
        self.in_flight.clear();
        self
    }

    /// How far the search is, 0 to 100. With a target it counts leads, without one the slower of businesses and leads.
    pub fn percent(&self) -> u32 {
        if self.is_complete() {
            return 100;
        }
        let share = |part: u32, of: u32| (part.min(of) * 99).checked_div(of).unwrap_or(0);
        match self.plan.leads {
            Some(wanted) => share(self.ready, wanted),
            None if self.sources_left() => {
                let streams = self.plan.personas * self.plan.places;
                share(self.stream, streams) / 2
            }
            None => share(self.searched, self.businesses).min(share(self.ready + self.quarantined, self.leads)),
        }
    }

    /// What the search is doing, in one word: the search attribute and the progress row use it.
    pub fn phase(&self) -> &'static str {
        match () {
            () if self.paused => "paused",
            () if matches!(self.hold, Some(Hold::OverBudget { .. })) => "over_budget",
            () if self.hold.is_some() => "refused",
            () if self.is_complete() => "done",
            () if self.business_personas != Stage::Done => "personas",
            () if self.searched == 0 => "businesses",
            () if self.ready == 0 => "people",
            () => "leads",
        }
    }

    fn wanted_job(&self, provider: Provider) -> Option<Job> {
        if let Some(again) = self.again.iter().find(|job| job.provider() == provider) {
            return Some(again.clone());
        }
        match provider {
            Provider::Openai => self.model_job(),
            Provider::Gemini => self.insight_job(),
            Provider::Serper => self.search_job(),
            Provider::Hunter => self.email_job(),
            Provider::Unipile => None,
        }
    }

    fn model_job(&self) -> Option<Job> {
        match self.business_personas {
            Stage::Open => return Some(Job::BusinessPersonas { round: Round::default() }),
            Stage::Running => return None,
            Stage::Done => {}
        }
        // A persona's roles are asked for when its businesses come into sight, not before: they cost money.
        let open = (0..self.personas_in_sight()).find(|persona| self.decision_makers[*persona as usize] == Stage::Open);
        if let Some(persona) = open {
            return Some(Job::DecisionMakers { persona, round: Round::default() });
        }
        let waiting: Vec<u32> = (self.reasoned..self.contactable().min(self.reasoned + REASON_BATCH)).collect();
        let full = count(&waiting) == REASON_BATCH;
        // A batch that is not full goes alone, or last: each call takes a place at the provider's rate limit.
        let goes = full || self.in_flight_at(Provider::Openai) == 0 || !self.more_leads_come();
        (goes && !waiting.is_empty()).then_some(Job::Reasons { leads: waiting, round: Round::default() })
    }

    fn insight_job(&self) -> Option<Job> {
        if self.business_personas != Stage::Done {
            return None;
        }
        (0..self.plan.personas).find_map(|persona| {
            let index = persona as usize;
            match (self.market_facts[index], self.market_insights[index]) {
                (Stage::Open, Stage::Open) => Some(Job::MarketFacts { persona, round: Round::default() }),
                (Stage::Done, Stage::Open) => Some(Job::MarketInsight { persona, round: Round::default() }),
                _ => None,
            }
        })
    }

    /// Map and people searches share one lane, so that businesses and leads are numbered in one order.
    fn search_job(&self) -> Option<Job> {
        if self.in_flight_at(Provider::Serper) > 0
            || self.business_personas != Stage::Done
            || self.leads >= self.lead_limit()
        {
            return None;
        }
        let wanted = self.businesses_wanted();
        let ahead = self.businesses - self.searched;
        if ahead < wanted
            && let Some(persona) = self.current_persona()
        {
            let pages = (wanted - ahead).div_ceil(PAGE_SIZE);
            let place = self.stream % self.plan.places;
            return Some(Job::Maps { persona, place, page: self.page, pages });
        }
        let to = self.businesses_with_roles().min(self.searched + wanted);
        (to > self.searched).then_some(Job::People { from: self.searched, to })
    }

    fn email_job(&self) -> Option<Job> {
        let to = self.leads.min(self.lead_limit()).min(self.emailed + CHUNK);
        let goes = self.plan.email && self.in_flight_at(Provider::Hunter) == 0 && to > self.emailed;
        goes.then_some(Job::Emails { from: self.emailed, to })
    }

    /// Businesses to search for people next: few at first, for an early lead; then as many as the target may need,
    /// at two leads a business.
    fn businesses_wanted(&self) -> u32 {
        let missing = self.lead_limit().saturating_sub(self.leads).div_ceil(2).clamp(1, CHUNK);
        if self.searched == 0 { missing.min(LANES) } else { missing }
    }

    /// Businesses whose persona has its roles, up to the first that has not.
    fn businesses_with_roles(&self) -> u32 {
        let mut end = 0;
        for (persona, stage) in self.decision_makers.iter().enumerate() {
            if *stage != Stage::Done {
                return end;
            }
            end = self.numbered_by_persona.get(persona).copied().unwrap_or(self.businesses);
        }
        end
    }

    /// Leads that have everything that a reason can speak of.
    fn contactable(&self) -> u32 {
        let leads = if self.plan.email { self.emailed } else { self.leads };
        leads.min(self.lead_limit())
    }

    fn more_leads_come(&self) -> bool {
        self.in_flight_at(Provider::Serper) > 0
            || self.in_flight_at(Provider::Hunter) > 0
            || self.email_job().is_some()
            || (self.leads < self.lead_limit() && (self.sources_left() || self.searched < self.businesses))
    }

    fn in_flight_at(&self, provider: Provider) -> u32 {
        self.in_flight.get(&provider).copied().unwrap_or(0)
    }

    fn sources_left(&self) -> bool {
        self.current_persona().is_some()
    }

    /// The persona whose map stream is read; `None` when all streams have ended.
    fn current_persona(&self) -> Option<u32> {
        let enough = self.plan.businesses.is_some_and(|limit| self.businesses >= limit);
        let persona = self.stream.checked_div(self.plan.places)?;
        (persona < self.plan.personas && !enough).then_some(persona)
    }

    /// Personas of which businesses are known, or are about to be.
    fn personas_in_sight(&self) -> u32 {
        let begun = u32::from(self.page > 1 || !self.stream.is_multiple_of(self.plan.places.max(1)));
        let ended = self.stream.checked_div(self.plan.places).unwrap_or(0);
        self.current_persona().map_or(ended + begun, |persona| persona + 1).min(self.plan.personas)
    }

    fn end_stream(&mut self, persona: u32, place: u32) {
        self.stream = self.stream.max(persona * self.plan.places + place + 1);
        self.page = 1;
        while self.numbered_by_persona.len() < (self.stream / self.plan.places) as usize {
            self.numbered_by_persona.push(self.businesses);
        }
    }

    fn done(&mut self, job: &Job) {
        match job {
            Job::BusinessPersonas { .. } => self.business_personas = Stage::Done,
            Job::DecisionMakers { persona, .. } => self.decision_makers[*persona as usize] = Stage::Done,
            Job::MarketFacts { persona, .. } => self.market_facts[*persona as usize] = Stage::Done,
            Job::MarketInsight { persona, .. } => self.market_insights[*persona as usize] = Stage::Done,
            Job::Maps { .. } | Job::People { .. } | Job::Emails { .. } | Job::Reasons { .. } => {}
        }
    }

    /// A bad answer about several leads is asked for again in halves, so that one bad lead costs no other.
    fn reason_again(&mut self, leads: Vec<u32>, round: Round, problem: String) -> Option<GiveUp> {
        if leads.len() == 1 && round.number >= REASON_ROUNDS {
            return Some(GiveUp { job: Job::Reasons { leads, round }, problem });
        }
        let (first, second) = leads.split_at(leads.len().div_ceil(2));
        for half in [first, second].into_iter().filter(|half| !half.is_empty()) {
            self.again.push(Job::Reasons { leads: half.to_vec(), round: round.next(&problem) });
        }
        self.last_problem = Some(format!("{}: {problem}", Job::Reasons { leads, round }.summary()));
        None
    }
}

/// The same question once more, with what was wrong with the answer; `None` when the rounds are used up.
fn next_round(job: &Job, problem: &str) -> Option<Job> {
    let mut next = job.clone();
    match &mut next {
        Job::BusinessPersonas { round }
        | Job::DecisionMakers { round, .. }
        | Job::MarketFacts { round, .. }
        | Job::MarketInsight { round, .. }
            if round.number < REPAIR_ROUNDS =>
        {
            *round = round.next(problem);
            Some(next)
        }
        _ => None,
    }
}

fn count(leads: &[u32]) -> u32 {
    u32::try_from(leads.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "search_plan_tests.rs"]
mod tests;
