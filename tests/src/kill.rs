//! The kill test: a worker that dies again and again, and providers that fail, change nothing that is found.

use crate::books::{self, Books};
use crate::lab::{Lab, LeadFacts, Setup, brief};
use anyhow::{Context, ensure};
use leadflow_activities::config::StoreConfig;
use leadflow_activities::store::leads::Lead;
use leadflow_sandbox::{FaultKind, FaultRule, Faults, Provider};
use leadflow_workflows::domain::brief::{Brief, Want};
use leadflow_workflows::domain::ids::SearchId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

/// Points at which a worker is killed by name, in turn; these come up again and again as long as a search runs.
const NAMED: [&str; 5] =
    ["gate-after-call", "people-before-number", "reasons-before-store", "gate-after-reserve", "gate-after-settle"];
/// Of every so many calls one is faulty in each of nine ways: a fifth of all.
const FAULT_PROBABILITY: f64 = 0.0245;
/// Gaps are allowed for so many of a hundred leads.
const GAPS_PERCENT: u64 = 5;
/// Kinds of fault that have to come up.
const KINDS: usize = 7;

/// What to search, and how often to kill.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that is guard and worker; this one without.
    pub program: Option<PathBuf>,
    /// Where the disturbed search is stored; in its laboratory without.
    pub store: Option<StoreConfig>,
    pub businesses: u32,
    /// Kills at named points, each by the worker itself.
    pub named_kills: u32,
    /// Kills from outside, after a random number of calls.
    pub random_kills: u32,
    /// Decides over faults and kills.
    pub seed: u64,
}

impl Options {
    /// Small enough for every change.
    pub fn short(program: Option<PathBuf>) -> Self {
        Self { program, store: None, businesses: 60, named_kills: 3, random_kills: 2, seed: 7 }
    }

    /// Long enough to be believed.
    pub fn long(program: Option<PathBuf>) -> Self {
        Self { businesses: 500, named_kills: 10, random_kills: 10, ..Self::short(program) }
    }
}

/// What the kills and faults did.
#[derive(Clone, Debug, Serialize)]
pub struct KillReport {
    pub status: String,
    pub businesses: u32,
    pub leads: usize,
    pub gaps: usize,
    /// Gaps by stage and problem.
    pub gap_problems: BTreeMap<String, u64>,
    /// Where each worker died: `POINT:N`, or `call N` of the search.
    pub kills: Vec<String>,
    pub calls: usize,
    /// Faulty calls by kind.
    pub faults: BTreeMap<String, u64>,
    /// Leads of the undisturbed search that are missing, or differ, and that no gap explains.
    pub lost: Vec<String>,
    /// Leads that the undisturbed search does not have, or people who are twice among the leads.
    pub doubled: usize,
    pub billed_microusd: u64,
    /// Our books, with each presumed call at what was billed for it.
    pub booked_microusd: u64,
    pub presumed_calls: usize,
    /// Differences between the providers' books and ours, call by call.
    pub book_differences: Vec<String>,
    /// Requests that were paid again although no fault had spoilt their first answer.
    pub paid_twice: u64,
    /// Calls that were running when a worker was killed.
    pub in_flight_at_kills: u64,
    pub undisturbed_seconds: f64,
    pub seconds: f64,
}

impl KillReport {
    /// What is wrong, in words; empty when nothing is.
    pub fn problems(&self, options: &Options) -> Vec<String> {
        let mut problems = Vec::new();
        let mut must = |holds: bool, otherwise: String| {
            if !holds {
                problems.push(otherwise);
            }
        };
        let faulty: u64 = self.faults.values().sum();
        let share = faulty * 100 / u64::try_from(self.calls).unwrap_or(u64::MAX).max(1);
        must(self.status.starts_with("completed"), format!("the search is {}", self.status));
        must(self.businesses == options.businesses, format!("{} businesses were searched", self.businesses));
        must(self.leads >= self.businesses as usize, format!("only {} leads were found", self.leads));
        let kills = (options.named_kills + options.random_kills) as usize;
        must(self.kills.len() == kills, format!("{} kills instead of {kills}", self.kills.len()));
        must((12..=28).contains(&share), format!("{share} % of the calls were faulty"));
        must(self.faults.len() == KINDS, format!("not every kind of fault came up: {:?}", self.faults));
        must(
            self.gaps as u64 * 100 <= self.leads as u64 * GAPS_PERCENT,
            format!("{} gaps for {} leads: {:?}", self.gaps, self.leads, self.gap_problems),
        );
        must(self.lost.is_empty(), format!("lost or changed without a gap: {}", self.lost.join("; ")));
        must(self.doubled == 0, format!("{} leads are doubled or new", self.doubled));
        must(self.book_differences.is_empty(), self.book_differences.join("; "));
        must(
            self.billed_microusd == self.booked_microusd,
            format!("{} were billed and {} booked", self.billed_microusd, self.booked_microusd),
        );
        must(
            self.paid_twice <= self.in_flight_at_kills,
            format!("{} calls paid twice, {} in flight at kills", self.paid_twice, self.in_flight_at_kills),
        );
        problems
    }
}

/// Runs the same search undisturbed and disturbed, and compares.
pub async fn run(options: &Options) -> anyhow::Result<KillReport> {
    let undisturbed = Undisturbed::run(options).await?;
    let mut setup = Setup::new(options.program.clone());
    setup.sandbox.faults = faults(options.seed);
    if let Some(store) = &options.store {
        setup.config.store = store.clone();
    }
    let began = Instant::now();
    let mut lab = Lab::start(setup).await?;
    let id = lab.search(exhaustive(options.businesses)).await?;
    let mut killer = Killer {
        random: StdRng::seed_from_u64(options.seed),
        calls_between: undisturbed.calls / (options.named_kills + options.random_kills + 1) as usize,
        in_flight: BTreeSet::new(),
        done: Vec::new(),
    };
    for (kill, number) in plan(options).into_iter().zip(1..) {
        killer.kill(&mut lab, &id, kill).await.with_context(|| format!("kill {number}, {kill:?}"))?;
    }
    lab.restart_worker(None).await?;
    let status = lab.finished(&id).await?;
    let seconds = began.elapsed().as_secs_f64();

    let books = Books::read(&lab).await?;
    let gaps = lab.stack.store.gaps(lab.tenant(), id.as_str()).await?;
    let (lost, doubled) = compare(&lab, &id, &undisturbed.leads).await?;
    let report = KillReport {
        status,
        businesses: lab.progress(&id).await?.businesses_searched,
        leads: lab.leads(&id).await?.len(),
        gaps: gaps.len(),
        gap_problems: counted(gaps.iter().map(|gap| format!("{}: {}", gap.stage, gap.problem))),
        kills: killer.done,
        calls: books.ledger.len(),
        faults: counted(books.ledger.iter().filter_map(|entry| entry.fault.clone())),
        lost,
        doubled,
        billed_microusd: books.billed(),
        booked_microusd: books.booked_without_presumption(),
        presumed_calls: books.in_state("presumed").count(),
        book_differences: books.differences(),
        paid_twice: books.paid_twice(),
        in_flight_at_kills: killer.in_flight.len() as u64,
        undisturbed_seconds: undisturbed.seconds,
        seconds,
    };
    lab.stop().await?;
    Ok(report)
}

/// The same search without faults and kills.
struct Undisturbed {
    leads: Vec<LeadFacts>,
    calls: usize,
    seconds: f64,
}

impl Undisturbed {
    async fn run(options: &Options) -> anyhow::Result<Self> {
        let began = Instant::now();
        let lab = Lab::start(Setup::new(options.program.clone())).await?;
        let id = lab.search(exhaustive(options.businesses)).await?;
        let status = lab.finished(&id).await?;
        let seconds = began.elapsed().as_secs_f64();
        ensure!(status == "completed", "the undisturbed search is {status}");
        let this = Self { leads: lab.leads(&id).await?, calls: lab.ledger().len(), seconds };
        lab.stop().await?;
        Ok(this)
    }
}

#[derive(Clone, Copy, Debug)]
enum Kill {
    Named(&'static str),
    Random,
}

/// Named and random kills by turns.
fn plan(options: &Options) -> Vec<Kill> {
    let mut named = NAMED.into_iter().cycle().take(options.named_kills as usize).map(Kill::Named);
    let mut random = std::iter::repeat_n(Kill::Random, options.random_kills as usize);
    let mut plan = Vec::new();
    loop {
        let before = plan.len();
        plan.extend(named.next());
        plan.extend(random.next());
        if plan.len() == before {
            return plan;
        }
    }
}

struct Killer {
    random: StdRng,
    calls_between: usize,
    /// Ids of calls that were running at a kill.
    in_flight: BTreeSet<String>,
    done: Vec<String>,
}

impl Killer {
    /// Starts a worker, and has it die.
    async fn kill(&mut self, lab: &mut Lab, id: &SearchId, kill: Kill) -> anyhow::Result<()> {
        match kill {
            Kill::Named(point) => {
                // A search passes the gate at every call, and a store of results once for many calls.
                let most = if point.starts_with("gate") { self.calls_between.max(1) } else { 2 };
                let point = format!("{point}:{}", self.random.random_range(1..=most));
                lab.restart_worker(Some(&point)).await?;
                lab.worker_died().await?;
                self.done.push(point);
            }
            Kill::Random => {
                lab.restart_worker(None).await?;
                let calls = lab.ledger().len() + self.random.random_range(1..=self.calls_between.max(1));
                lab.until("the search has made some more calls", async || {
                    ensure!(!lab.stored(id).await?.is_finished(), "the search has ended");
                    Ok((lab.ledger().len() >= calls).then_some(()))
                })
                .await?;
                lab.kill_worker().await?;
                self.done.push(format!("call {calls}"));
            }
        }
        let reserved = books::calls(lab).await?.into_iter().filter(|call| call.state == "reserved");
        self.in_flight.extend(reserved.map(|call| call.call_id));
        Ok(())
    }
}

/// Every lead of so many businesses.
fn exhaustive(businesses: u32) -> Brief {
    let mut brief = brief(None);
    let more = ["Oregon, US", "Washington, US", "Colorado, US", "California, US", "Michigan, US", "New York, US"];
    brief.places.extend(more.map(Into::into));
    let want = Want { leads: None, businesses: Some(businesses), email: true, insights: true, budget_usd: None };
    Brief { want, ..brief }
}

fn faults(seed: u64) -> Faults {
    let rule = |kind, status| FaultRule {
        provider: None,
        status,
        probability: FAULT_PROBABILITY,
        ..FaultRule::new(Provider::OpenAi, kind)
    };
    // The vendor that says with another status that calls come too fast: its 429 means that the plan is used up.
    let too_fast = |provider| FaultRule {
        provider: Some(provider),
        ..rule(FaultKind::Status, Some(if provider == Provider::Hunter { 403 } else { 429 }))
    };
    let by_chance = [
        too_fast(Provider::OpenAi),
        too_fast(Provider::Gemini),
        too_fast(Provider::Serper),
        too_fast(Provider::Hunter),
        rule(FaultKind::Status, Some(500)),
        rule(FaultKind::Status, Some(503)),
        rule(FaultKind::StatusAfter, Some(500)),
        rule(FaultKind::TimeoutBefore, None),
        rule(FaultKind::TimeoutAfter, None),
        rule(FaultKind::Malformed, None),
        rule(FaultKind::Cut, None),
        rule(FaultKind::Refusal, None),
    ];
    // A short search has so few calls, and fewer to models, that chance alone may leave a kind out: each comes up once.
    let surely = by_chance.iter().zip(1..).map(|(rule, number)| {
        let is_refusal = rule.kind == FaultKind::Refusal;
        FaultRule {
            operation: is_refusal.then(|| "chat_completions:lead_reasons".into()),
            skip: if is_refusal { 1 } else { 3 * number },
            times: Some(1),
            probability: 1.0,
            ..rule.clone()
        }
    });
    let rules = surely.chain(by_chance.clone()).collect();
    Faults { seed, rules }
}

fn counted(texts: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    counts
}

/// Leads that are missing or changed and that no gap explains, and how many are new or twice there.
async fn compare(lab: &Lab, id: &SearchId, undisturbed: &[LeadFacts]) -> anyhow::Result<(Vec<String>, usize)> {
    let store = &lab.stack.store;
    let gaps = store.gaps(lab.tenant(), id.as_str()).await?;
    let is_gap = |item: String| gaps.iter().any(|gap| gap.item == item);
    let businesses = store.numbered_businesses(lab.tenant(), id.as_str(), 0, u32::MAX).await?;
    let unsearched: BTreeSet<&str> = businesses
        .iter()
        .filter(|business| is_gap(format!("people of business {}", business.number + 1)))
        .map(|business| business.name.as_str())
        .collect();
    let all = store.all_leads(lab.key(id)).await?;
    let found: BTreeMap<&str, &Lead> = all.iter().map(|lead| (lead.linkedin_public_id.as_str(), lead)).collect();
    let mut lost = Vec::new();
    for expected in undisturbed {
        let lead = found.get(expected.linkedin_public_id.as_str());
        let number = lead.and_then(|lead| lead.number).map_or(0, |number| number + 1);
        let explained = match lead {
            None => unsearched.contains(expected.business.as_str()),
            Some(lead) if lead.state == "ready" => {
                LeadFacts::from((*lead).clone()) == *expected || is_gap(format!("email of lead {number}"))
            }
            Some(_) => is_gap(format!("lead {number}")),
        };
        if !explained {
            let now = lead.map_or("missing".to_owned(), |lead| format!("{:?}", LeadFacts::from((*lead).clone())));
            lost.push(format!("{expected:?} is now {now}"));
        }
    }
    let known: BTreeSet<&str> = undisturbed.iter().map(|lead| lead.linkedin_public_id.as_str()).collect();
    let new = found.iter().filter(|(person, lead)| lead.state == "ready" && !known.contains(**person)).count();
    Ok((lost, new + all.len() - found.len()))
}
