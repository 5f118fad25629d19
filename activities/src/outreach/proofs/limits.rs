//! No account exceeds a limit: counted in the stand-in's ledger over every rolling day and week, while several workers claim
//! contacts of two campaigns at the same time, freeze at any point, and lose answers.

use super::world::{DAY_MS, HOUR_MS, MONDAY_MS, World};
use crate::outreach::OutreachWork;
use crate::senders::unipile::Unipile;
use crate::senders::{
    AccountState, Chat, ChatMessage, MailMessage, Page, ProfileView, Relation, SendRequest, SendResult, Sender, Sent,
    SentInvitation,
};
use crate::store::Store;
use crate::store::testing::each_backend;
use leadflow_clock::Clock;
use leadflow_sandbox::{EffectEntry, EffectKind, FaultKind, FaultRule, Faults, Provider};
use leadflow_workflows::contract::{AdviceNext, EnrollmentRef, TouchInput};
use leadflow_workflows::domain::outreach::Action;
use leadflow_workflows::domain::permits::{ActionLimit, Limits, WEEK_MS};
use leadflow_workflows::domain::timings::Timings;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

/// Nine days take some sixteen seconds.
const SPEED: f64 = 50_000.0;
const DAYS: i64 = 9;
const WORKERS: usize = 4;
/// Contacts of each kind, at least.
const ENOUGH: usize = 6;
const LEADS: usize = 40;
const STEPS: &str = "[[step]]\nid = \"look\"\nvisit_profile = true\n[[step]]\nid = \"hello\"\n\
     invite = \"Hi {{ lead.first_name }}\"\n[[step]]\nid = \"mail\"\nsubject = \"An idea\"\n\
     email = \"Hello {{ lead.first_name }}\"";
/// Short, because an hour passes in 72 ms; long enough for claims that wait for each other on a busy machine.
const TIMINGS: Timings = Timings {
    touch_call_ms: 1_200,
    touch_read_ms: 1_200,
    touch_activity_ms: 2_500,
    breaker_open_ms: 20,
    ..Timings::test()
};

fn limits() -> Limits {
    let limit = |per_day, per_week, minutes: i64| ActionLimit { per_day, per_week, gap_ms: minutes * 60_000 };
    let actions = [
        (Action::VisitProfile, limit(15, 60, 5)),
        (Action::Invite, limit(5, 12, 10)),
        (Action::Email, limit(6, 15, 30)),
    ];
    Limits { actions: actions.into(), warm_up: None, notes_per_month: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_compete_keep_the_limits() {
    each_backend(async |store| Race::run(&store, 1, Vec::new(), 0).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_freeze_and_lose_answers_keep_the_limits() {
    each_backend(async |store| Race::run(&store, 2, faults(), 300).await).await;
}

/// Of the calls by which people are contacted, and of those by which it is found out what became of them.
fn faults() -> Vec<FaultRule> {
    let rule = |kind, probability, latency_ms| FaultRule {
        probability,
        latency_ms,
        ..FaultRule::new(Provider::Unipile, kind)
    };
    vec![
        rule(FaultKind::TimeoutBefore, 0.02, None),
        rule(FaultKind::TimeoutAfter, 0.02, None),
        rule(FaultKind::StatusAfter, 0.02, None),
        rule(FaultKind::Status, 0.02, None),
        rule(FaultKind::Reset, 0.02, None),
        rule(FaultKind::Latency, 0.15, Some(40)),
        rule(FaultKind::Latency, 0.02, Some(1_100)),
    ]
}

/// Workers, each taking whatever enrollment it likes, until the days are over.
struct Race {
    world: World,
    /// When it is worth while to come back to each.
    enrollments: Mutex<Vec<(EnrollmentRef, i64)>>,
    /// Instants at which profiles were read, which count as visits.
    looks: Arc<Mutex<Vec<i64>>>,
    end_ms: i64,
    /// One of so many polls freezes its worker; none when 0.
    freezes: u32,
}

impl Race {
    async fn run(store: &Store, seed: u64, rules: Vec<FaultRule>, freezes: u32) {
        let clock = Clock::fast(MONDAY_MS, SPEED);
        let world = World::start(store, clock, TIMINGS, &limits(), LEADS).await;
        let mut enrollments = Vec::new();
        for (campaign, from) in [("one", 0), ("two", 1)] {
            world.start_campaign(campaign, STEPS).await;
            for number in (from..LEADS).step_by(2) {
                enrollments.push((world.enroll(campaign, world.lead(number)).await, 0));
            }
        }
        world.sandbox.set_faults(Faults { seed, rules });
        let looks = Arc::default();
        let end_ms = clock.now_ms() + DAYS * DAY_MS;
        let race = Arc::new(Self { world, enrollments: Mutex::new(enrollments), looks, end_ms, freezes });
        let workers = (0..WORKERS).map(|number| {
            let race = Arc::clone(&race);
            tokio::spawn(async move { race.work(StdRng::seed_from_u64(seed * 100 + number as u64)).await })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.expect("no worker panics");
        }
        race.check(store.place());
    }

    async fn work(&self, mut random: StdRng) {
        let looks = Looks { unipile: self.world.unipile(), at_ms: Arc::clone(&self.looks), clock: self.world.clock };
        let work = self.world.worker(Arc::new(looks));
        while self.world.clock.now_ms() < self.end_ms || self.is_idle() {
            let number = self.pick(&mut random);
            let enrollment = self.enrollments.lock().unwrap()[number].0.clone();
            // What fails is tried again, as Temporal would.
            let wakes_at_ms = self.step(&work, &enrollment, &mut random).await.unwrap_or(0);
            self.enrollments.lock().unwrap()[number].1 = wakes_at_ms;
            tokio::time::sleep(Duration::from_micros(random.random_range(0..4_000))).await;
        }
    }

    /// Whether a busy machine has let too little happen to tell anything; at some time that is an error of its own.
    fn is_idle(&self) -> bool {
        let effects = self.world.sandbox.effects();
        let count = |kind| effects.iter().filter(|entry| entry.effect.kind == kind).count();
        count(EffectKind::Invite).min(count(EffectKind::Email)) < ENOUGH
            && self.world.clock.now_ms() < self.end_ms + 4 * DAYS * DAY_MS
    }

    /// The one that waits longest; sometimes any, as after a signal, which may be another's.
    fn pick(&self, random: &mut impl Rng) -> usize {
        let mut enrollments = self.enrollments.lock().unwrap();
        if random.random_ratio(1, 8) {
            return random.random_range(0..enrollments.len());
        }
        let first = (0..enrollments.len()).min_by_key(|number| enrollments[*number].1).expect("there are enrollments");
        if random.random_ratio(3, 4) {
            enrollments[first].1 = self.world.clock.now_ms() + HOUR_MS;
        }
        first
    }

    async fn step(&self, work: &OutreachWork, enrollment: &EnrollmentRef, random: &mut StdRng) -> Option<i64> {
        let advice = self.freezing(work.advance(enrollment), random).await.ok()?;
        let AdviceNext::Touch { step, at_ms, .. } = advice.next else { return Some(wakes_at_ms(&advice.next)) };
        if at_ms > self.world.clock.now_ms() + HOUR_MS / 2 {
            return Some(at_ms);
        }
        let input = TouchInput { enrollment: enrollment.clone(), step };
        while self.world.clock.now_ms() < at_ms {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let advice = self.freezing(work.touch(&input), random).await.ok()?;
        Some(wakes_at_ms(&advice.next))
    }

    /// The worker of `work` stops at any point for anything between a moment and longer than a call may take.
    async fn freezing<F: Future>(&self, work: F, random: &mut StdRng) -> F::Output {
        let random = StdRng::seed_from_u64(random.random());
        Freezing { work: Box::pin(work), random, one_of: self.freezes, frozen: None }.await
    }

    fn check(&self, place: &str) {
        let effects = self.world.sandbox.effects();
        let mut contacted = BTreeSet::new();
        for EffectEntry { effect, .. } in &effects {
            let is_contact = effect.kind != EffectKind::ProfileView;
            assert!(
                !is_contact || contacted.insert((effect.kind, effect.person.clone())),
                "{place}: twice: {effect:?}"
            );
        }
        for (kind, action) in [
            (EffectKind::ProfileView, Action::VisitProfile),
            (EffectKind::Invite, Action::Invite),
            (EffectKind::Email, Action::Email),
        ] {
            let of_kind = effects.iter().filter(|entry| entry.effect.kind == kind);
            let mut at_ms: Vec<i64> = of_kind.map(|entry| entry.at_ms).collect();
            if action == Action::VisitProfile {
                at_ms.extend(self.looks.lock().unwrap().iter());
            }
            at_ms.sort_unstable();
            let limit = limits().actions[&action];
            let (most_a_day, most_a_week) = (most_in(&at_ms, DAY_MS), most_in(&at_ms, WEEK_MS));
            let shortest_gap_ms = at_ms.windows(2).map(|two| two[1] - two[0]).min().unwrap_or(i64::MAX);
            let found = format!(
                "{place}: {kind:?}: {} in all, {most_a_day} a day, {most_a_week} a week, {shortest_gap_ms} ms apart",
                at_ms.len()
            );
            assert!(most_a_day <= limit.per_day as usize, "{found}");
            assert!(most_a_week <= limit.per_week as usize, "{found}");
            assert!(shortest_gap_ms >= limit.gap_ms, "{found}");
            // Otherwise nothing was put to the test.
            assert!(at_ms.len() >= ENOUGH, "{found}");
            println!("{found}");
        }
    }
}

fn wakes_at_ms(next: &AdviceNext) -> i64 {
    match next {
        AdviceNext::Touch { at_ms, .. } | AdviceNext::Wait { at_ms, .. } => *at_ms,
        AdviceNext::Done => i64::MAX,
    }
}

/// The most in any window of this length, by counting each window that begins with one of them.
fn most_in(at_ms: &[i64], window_ms: i64) -> usize {
    let count = |from_ms: i64| at_ms.iter().filter(|at_ms| (from_ms..from_ms + window_ms).contains(at_ms)).count();
    at_ms.iter().map(|from_ms| count(*from_ms)).max().unwrap_or(0)
}

struct Freezing<F> {
    work: Pin<Box<F>>,
    random: StdRng,
    one_of: u32,
    frozen: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<F: Future> Future for Freezing<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let one_of = self.one_of;
        if self.frozen.is_none() && one_of > 0 && self.random.random_ratio(1, one_of) {
            let longest_ms = if self.random.random_ratio(1, 4) { TIMINGS.touch_call_ms } else { 30 };
            let for_ms = self.random.random_range(1..=longest_ms);
            self.frozen = Some(Box::pin(tokio::time::sleep(Duration::from_millis(for_ms))));
        }
        if let Some(frozen) = &mut self.frozen {
            if frozen.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.frozen = None;
        }
        self.work.as_mut().poll(context)
    }
}

/// Notes when profiles are read, before an invitation and to ask after one.
struct Looks {
    unipile: Unipile,
    at_ms: Arc<Mutex<Vec<i64>>>,
    clock: Clock,
}

impl Sender for Looks {
    fn send<'a>(&'a self, account: &'a str, request: &'a SendRequest, key: &'a str) -> SendResult<'a, Sent> {
        self.unipile.send(account, request, key)
    }

    fn profile<'a>(&'a self, account: &'a str, person: &'a str) -> SendResult<'a, ProfileView> {
        self.at_ms.lock().unwrap().push(self.clock.now_ms());
        self.unipile.profile(account, person)
    }

    fn sent_invitations<'a>(
        &'a self,
        account: &'a str,
        cursor: Option<&'a str>,
    ) -> SendResult<'a, Page<SentInvitation>> {
        self.unipile.sent_invitations(account, cursor)
    }

    fn relations<'a>(&'a self, account: &'a str, cursor: Option<&'a str>) -> SendResult<'a, Page<Relation>> {
        self.unipile.relations(account, cursor)
    }

    fn chats<'a>(&'a self, account: &'a str, cursor: Option<&'a str>) -> SendResult<'a, Page<Chat>> {
        self.unipile.chats(account, cursor)
    }

    fn chat_messages<'a>(
        &'a self,
        account: &'a str,
        chat_id: &'a str,
        cursor: Option<&'a str>,
    ) -> SendResult<'a, Page<ChatMessage>> {
        self.unipile.chat_messages(account, chat_id, cursor)
    }

    fn messages<'a>(&'a self, account: &'a str, cursor: Option<&'a str>) -> SendResult<'a, Page<ChatMessage>> {
        self.unipile.messages(account, cursor)
    }

    fn emails<'a>(&'a self, account: &'a str, cursor: Option<&'a str>) -> SendResult<'a, Page<MailMessage>> {
        self.unipile.emails(account, cursor)
    }

    fn withdraw<'a>(&'a self, account: &'a str, invitation_id: &'a str) -> SendResult<'a, ()> {
        self.unipile.withdraw(account, invitation_id)
    }

    fn accounts(&self) -> SendResult<'_, Vec<AccountState>> {
        self.unipile.accounts()
    }

    fn account<'a>(&'a self, account: &'a str) -> SendResult<'a, AccountState> {
        self.unipile.account(account)
    }

    fn register_webhook<'a>(&'a self, url: &'a str, secret: &'a str, accounts: &'a [String]) -> SendResult<'a, ()> {
        self.unipile.register_webhook(url, secret, accounts)
    }
}
