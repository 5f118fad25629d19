use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn plan(leads: Option<u32>) -> SearchPlan {
    SearchPlan { personas: 3, places: 2, leads, businesses: None, email: true, insights: true }
}

/// A world that answers jobs: how many businesses each stream has, how many leads each business has, and which
/// answers are bad. It checks what the rules promise on the way.
struct World {
    stream_businesses: Vec<u32>,
    leads_per_business: u32,
    businesses: u32,
    leads: u32,
    ready: BTreeSet<u32>,
    searched: BTreeSet<u32>,
    emailed: BTreeSet<u32>,
    /// Every so many-th answer is bad; 0 for never.
    bad_every: u32,
    answers: u32,
}

impl World {
    fn answer(&mut self, job: &Job, personas_stored: bool) -> Outcome {
        self.answers += 1;
        let bad = self.bad_every > 0 && self.answers.is_multiple_of(self.bad_every);
        match job {
            Job::BusinessPersonas { .. }
            | Job::DecisionMakers { .. }
            | Job::MarketFacts { .. }
            | Job::MarketInsight { .. } => {
                if bad {
                    Outcome::Bad { problem: "cut".into() }
                } else {
                    Outcome::Stored
                }
            }
            Job::Maps { persona, place, page, pages } => {
                assert!(personas_stored, "maps before personas");
                let all = self.stream_businesses[(persona * 2 + place) as usize];
                let before = (page - 1) * PAGE_SIZE;
                let got = all.saturating_sub(before).min(pages * PAGE_SIZE);
                self.businesses += got;
                let next_page = (before + pages * PAGE_SIZE <= all).then_some(page + pages);
                Outcome::Mapped { businesses: self.businesses, next_page, gaps: 0 }
            }
            Job::People { from, to } => {
                assert!(*to <= self.businesses && to - from <= CHUNK);
                for business in *from..*to {
                    assert!(self.searched.insert(business), "business {business} searched twice");
                    self.leads += self.leads_per_business;
                }
                Outcome::Peopled { leads: self.leads, gaps: 0 }
            }
            Job::Emails { from, to } => {
                assert!(*to <= self.leads && to - from <= CHUNK);
                for lead in *from..*to {
                    assert!(self.emailed.insert(lead), "lead {lead} looked up twice");
                }
                Outcome::Emailed { gaps: 0, quarantined: 0 }
            }
            Job::Reasons { leads, .. } => {
                assert!(leads.len() <= REASON_BATCH as usize && !leads.is_empty());
                assert!(leads.iter().all(|lead| self.emailed.contains(lead)), "a reason before its email");
                if bad {
                    return Outcome::Bad { problem: "refused".into() };
                }
                for lead in leads {
                    assert!(self.ready.insert(*lead), "lead {lead} got two reasons");
                }
                Outcome::Reasoned { ready: u32::try_from(self.ready.len()).expect("small") }
            }
        }
    }
}

/// Runs a search to its end; `picks` says which of the jobs in flight ends next.
fn run(plan: SearchPlan, world: &mut World, picks: &[u8], hold_every: usize) -> SearchState {
    let mut state = SearchState::new(plan);
    let mut in_flight: Vec<Job> = Vec::new();
    for step in 0..100_000 {
        for provider in Provider::SEARCH {
            while in_flight.iter().filter(|job| job.provider() == provider).count()
                < SearchState::lanes(provider) as usize
                && let Some(job) = state.next_job(provider)
            {
                state.begin(&job);
                in_flight.push(job);
            }
        }
        if in_flight.is_empty() {
            if state.hold.take().is_some() {
                continue;
            }
            assert!(state.is_complete(), "stuck: {state:?}");
            return state;
        }
        let pick = usize::from(picks[step % picks.len()]) % in_flight.len();
        let job = in_flight.remove(pick);
        let personas_stored = state.business_personas == Stage::Done;
        let outcome = if hold_every > 0 && step % hold_every == hold_every - 1 {
            Outcome::Held(Hold::OverBudget { budget: "search".into(), sleep_ms: None })
        } else {
            world.answer(&job, personas_stored)
        };
        if let Some(give_up) = state.finish(job, outcome) {
            let lost = if let Job::Reasons { leads, .. } = &give_up.job { count(leads) } else { 0 };
            let (gaps, quarantined) = (state.gaps + 1, state.quarantined + lost);
            assert_eq!(state.finish(give_up.job, Outcome::GivenUp { gaps, quarantined }), None);
        }
        assert!(state.percent() <= 100);
    }
    panic!("no end: {state:?}");
}

fn world(stream_businesses: Vec<u32>, leads_per_business: u32, bad_every: u32) -> World {
    World {
        stream_businesses,
        leads_per_business,
        businesses: 0,
        leads: 0,
        ready: BTreeSet::new(),
        searched: BTreeSet::new(),
        emailed: BTreeSet::new(),
        bad_every,
        answers: 0,
    }
}

#[test]
fn a_target_stops_the_search_early() {
    let mut world = world(vec![70, 30, 60, 20, 40, 10], 2, 0);
    let state = run(plan(Some(60)), &mut world, &[0], 0);
    assert_eq!(state.ready, 60);
    assert!(world.businesses <= 80, "{} businesses were paid for", world.businesses);
    assert!(world.searched.len() <= 40);
}

#[test]
fn without_a_target_everything_is_found() {
    let mut world = world(vec![70, 30, 0, 20, 40, 10], 2, 0);
    let state = run(plan(None), &mut world, &[0], 0);
    assert_eq!((state.businesses, state.searched, state.ready), (170, 170, 340));
    assert_eq!(state.percent(), 100);
}

#[test]
fn the_first_reason_is_asked_for_early() {
    let mut state = SearchState::new(plan(Some(60)));
    let personas = state.next_job(Provider::Openai).expect("personas first");
    state.begin(&personas);
    assert_eq!(state.next_job(Provider::Serper), None, "no map search before the personas");
    assert_eq!(state.finish(personas, Outcome::Stored), None);
    let maps = state.next_job(Provider::Serper).expect("maps");
    assert_eq!(maps, Job::Maps { persona: 0, place: 0, page: 1, pages: 1 });
    let roles = state.next_job(Provider::Openai).expect("roles");
    state.begin(&roles);
    state.begin(&maps);
    assert_eq!(state.finish(maps, Outcome::Mapped { businesses: 20, next_page: Some(2), gaps: 0 }), None);
    assert_eq!(state.next_job(Provider::Serper), None, "no people search before the roles");
    assert_eq!(state.finish(roles, Outcome::Stored), None);
    assert_eq!(state.next_job(Provider::Serper), Some(Job::People { from: 0, to: LANES }));
}

#[test]
fn a_hold_stops_everything_and_loses_nothing() {
    let mut state = SearchState::new(plan(None));
    let job = state.next_job(Provider::Openai).expect("a job");
    state.begin(&job);
    let hold = Hold::OverBudget { budget: "search".into(), sleep_ms: None };
    assert_eq!(state.finish(job.clone(), Outcome::Held(hold)), None);
    assert!(Provider::SEARCH.iter().all(|provider| state.next_job(*provider).is_none()));
    assert!(!state.is_complete());
    assert_eq!(state.phase(), "over_budget");
    state.hold = None;
    assert_eq!(state.next_job(Provider::Openai), Some(job));
}

#[test]
fn a_persona_that_stays_bad_is_given_up_after_its_rounds() {
    let mut state = SearchState::new(plan(None));
    for number in 0..=REPAIR_ROUNDS {
        let job = state.next_job(Provider::Openai).expect("a job");
        assert!(matches!(&job, Job::BusinessPersonas { round } if round.number == number), "{job:?}");
        state.begin(&job);
        let give_up = state.finish(job, Outcome::Bad { problem: "cut".into() });
        assert_eq!(give_up.is_some(), number == REPAIR_ROUNDS);
        if let Some(give_up) = give_up {
            assert_eq!(state.finish(give_up.job, Outcome::GivenUp { gaps: 1, quarantined: 0 }), None);
        }
    }
    assert!(state.next_job(Provider::Serper).is_some(), "the search goes on with what the brief says");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever ends first, whatever is bad, whatever waits: the search ends, no number is worked on twice, and
    /// what is ready, given up and wanted fit together.
    #[test]
    fn every_interleaving_ends_with_the_same_leads(
        picks in prop::collection::vec(any::<u8>(), 1..50),
        streams in prop::collection::vec(0u32..60, 6),
        leads_per_business in 0u32..4,
        wanted in prop::option::of(1u32..150),
        businesses in prop::option::of(1u32..100),
        bad_every in prop::sample::select(vec![0u32, 2, 3, 7]),
        hold_every in prop::sample::select(vec![0usize, 5, 11]),
    ) {
        let mut world = world(streams, leads_per_business, bad_every);
        let plan = SearchPlan { businesses, ..plan(wanted) };
        let state = run(plan, &mut world, &picks, hold_every);
        let ready = u32::try_from(world.ready.len()).expect("small");
        prop_assert_eq!(state.ready, ready);
        prop_assert!(ready + state.quarantined <= world.leads);
        if let Some(wanted) = wanted {
            prop_assert!(ready <= wanted);
            if ready < wanted {
                prop_assert_eq!(ready + state.quarantined, world.leads, "leads were left while some were missing");
            }
        } else {
            prop_assert_eq!(ready + state.quarantined, world.leads);
        }
    }
}
