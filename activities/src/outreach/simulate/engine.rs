//! The run of a simulation: events in the order of their time.

use super::books::{Books, collisions};
use super::people::Draws;
use super::state::{Account, Enrollment, Reserved};
use super::{Report, Simulation};
use crate::outreach::allot::{AccountDay, AllotRequest, Opener, allot, has_note, openers};
use crate::outreach::calendar::{Calendar, CalendarError};
use crate::outreach::look::needs_look;
use crate::outreach::planner::{CheckRequest, HORIZON_MS, PlanRequest, check, plan};
use leadflow_workflows::domain::outreach::{Action, Channel, EnrollmentState, Hold, TouchState};
use leadflow_workflows::domain::permits::{DAY_MS, MONTH_MS, Use, WEEK_MS, refusal};
use leadflow_workflows::domain::sequence::StopOn;
use leadflow_workflows::domain::walk::{Facts, Next, TouchFact, open_state, walk};
use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

const ROUND_MS: i64 = 3_600_000;

pub(super) struct Engine<'a> {
    simulation: &'a Simulation,
    openers: Vec<Opener>,
    accounts: Vec<Account<'a>>,
    /// By zone and country.
    lead_calendars: HashMap<(&'a str, &'a str), Calendar>,
    /// Indices of leads that wait for their turn, the best last.
    waiting: Vec<usize>,
    enrollments: Vec<Enrollment>,
    /// Instant, number, event: the earliest first, and of those the one that was planned first.
    events: BinaryHeap<Reverse<(i64, u64, Event)>>,
    planned_events: u64,
    books: Books,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Round,
    /// The turn of an enrollment has come.
    Begin(usize),
    /// The timer of an enrollment, if it is still that one.
    Timer(usize, u32),
    Accepted(usize),
    Replied(usize),
}

impl<'a> Engine<'a> {
    pub(super) fn new(simulation: &'a Simulation) -> Result<Self, CalendarError> {
        let campaign = &simulation.campaign;
        let mut accounts = Vec::new();
        for account in &simulation.accounts {
            let settings = &account.settings;
            let (zone, country) = (&settings.time_zone, &settings.country);
            accounts.push(Account {
                limits: &settings.limits,
                channel: account.channel,
                calendar: Calendar::new(&settings.hours, zone, country, campaign.keep_holidays)?,
                uses: BTreeMap::new(),
                done: Vec::new(),
                starts_ms: Vec::new(),
                pending: 0,
            });
        }
        let mut lead_calendars = HashMap::new();
        for lead in &simulation.leads {
            let key = (lead.time_zone.as_str(), lead.country.as_str());
            if let Entry::Vacant(entry) = lead_calendars.entry(key) {
                entry.insert(Calendar::new(&campaign.lead_hours, key.0, key.1, campaign.keep_holidays)?);
            }
        }
        let taken = |lead: &usize| simulation.leads[*lead].score >= campaign.minimum_score;
        let mut waiting: Vec<usize> = (0..simulation.leads.len()).filter(taken).collect();
        waiting.sort_by_key(|lead| Reverse(simulation.leads[*lead].score));
        waiting.truncate(campaign.leads.map_or(usize::MAX, |most| most as usize));
        waiting.reverse();
        Ok(Self {
            simulation,
            openers: openers(&simulation.sequence),
            accounts,
            lead_calendars,
            waiting,
            enrollments: Vec::new(),
            events: BinaryHeap::new(),
            planned_events: 0,
            books: Books::new(simulation),
        })
    }

    pub(super) fn run(mut self) -> Report {
        let end_ms = self.simulation.start_ms + i64::from(self.simulation.days) * DAY_MS;
        self.expect(self.simulation.start_ms, Event::Round);
        while let Some(Reverse((at_ms, _, event))) = self.events.pop() {
            if at_ms >= end_ms {
                break;
            }
            match event {
                Event::Round => self.round(at_ms),
                Event::Begin(index) => {
                    self.books.started(at_ms);
                    self.enrollments[index].facts.started_at_ms = at_ms;
                    self.advance(index, at_ms);
                }
                Event::Timer(index, timer) => self.wake(index, timer, at_ms),
                Event::Accepted(index) => self.tell(index, at_ms, |facts| facts.connected_at_ms = Some(at_ms)),
                Event::Replied(index) => {
                    if self.simulation.sequence.stop_on.contains(&StopOn::Reply) {
                        self.replied(index, at_ms);
                    }
                }
            }
        }
        // Leads whose start lies behind the end have not come to their turn either.
        let not_begun = self.enrollments.iter().filter(|enrollment| enrollment.facts.started_at_ms == i64::MAX).count();
        let waiting = u32::try_from(self.waiting.len() + not_begun).unwrap_or(u32::MAX);
        let mut states = BTreeMap::new();
        for enrollment in self.enrollments.iter().filter(|enrollment| enrollment.facts.started_at_ms != i64::MAX) {
            let state = enrollment.ended.unwrap_or_else(|| open_state(&enrollment.facts));
            *states.entry(state.name()).or_default() += 1;
        }
        let collisions = self.accounts.iter().map(|account| collisions(account.limits, &account.done)).sum();
        self.books.report(states, waiting, collisions)
    }

    fn expect(&mut self, at_ms: i64, event: Event) {
        self.planned_events += 1;
        self.events.push(Reverse((at_ms, self.planned_events, event)));
    }

    fn round(&mut self, now_ms: i64) {
        if self.waiting.is_empty() {
            return;
        }
        self.expect(now_ms + ROUND_MS, Event::Round);
        let channel = self.openers.first().map_or(Channel::Linkedin, |opener| opener.action.channel());
        let (senders, others): (Vec<usize>, Vec<usize>) =
            (0..self.accounts.len()).partition(|index| self.accounts[*index].channel == channel);
        let starts = {
            let uses: Vec<Vec<Use>> = senders
                .iter()
                .map(|index| {
                    self.openers.iter().flat_map(|opener| self.recent(*index, opener.action, now_ms)).copied().collect()
                })
                .collect();
            let days: Vec<AccountDay<'_>> = senders
                .iter()
                .zip(&uses)
                .map(|(index, uses)| {
                    let Account { limits, calendar, starts_ms, pending, .. } = &self.accounts[*index];
                    let recent = starts_ms.partition_point(|start_ms| *start_ms < now_ms - 2 * DAY_MS);
                    AccountDay { limits, sender: calendar, uses, starts_ms: &starts_ms[recent..], pending: *pending }
                })
                .collect();
            allot(&AllotRequest {
                now_ms,
                openers: &self.openers,
                starts_per_day: self.simulation.campaign.starts_per_day,
                accounts: &days,
                waiting: self.waiting.len(),
                jitter: self.simulation.seed ^ now_ms.unsigned_abs(),
            })
        };
        for start in starts {
            let Some(lead) = self.waiting.pop() else { break };
            let sender = senders[start.account];
            let other = (!others.is_empty()).then(|| others[self.enrollments.len() % others.len()]);
            let (linkedin, email) =
                if channel == Channel::Linkedin { (Some(sender), other) } else { (other, Some(sender)) };
            self.accounts[sender].starts_ms.push(start.at_ms);
            self.accounts[sender].pending += 1;
            let index = self.enrollments.len();
            let has = &self.simulation.leads[lead];
            self.enrollments.push(Enrollment {
                lead,
                linkedin,
                email,
                draws: Draws::new(self.simulation.seed, lead),
                facts: Facts {
                    started_at_ms: i64::MAX,
                    has_profile: has.has_profile && linkedin.is_some(),
                    has_email: has.has_email && email.is_some(),
                    ..Facts::default()
                },
                looked_at_ms: None,
                reserved: None,
                timer: 0,
                is_sleeping: false,
                is_pending: true,
                ended: None,
            });
            self.expect(start.at_ms, Event::Begin(index));
        }
    }

    /// Uses of an account that may still fall into a window, in the order of their time.
    fn recent(&self, account: usize, action: Action, now_ms: i64) -> &[Use] {
        let Account { uses, limits, .. } = &self.accounts[account];
        let longest_ms = if limits.notes_per_month.is_some() { MONTH_MS } else { WEEK_MS };
        let uses = uses.get(&action).map_or(&[][..], Vec::as_slice);
        &uses[uses.partition_point(|used| used.from_ms < now_ms - longest_ms)..]
    }

    fn wake(&mut self, index: usize, timer: u32, now_ms: i64) {
        let enrollment = &mut self.enrollments[index];
        if enrollment.timer != timer || enrollment.ended.is_some() {
            return;
        }
        enrollment.is_sleeping = false;
        self.books.timer_fired();
        match self.enrollments[index].reserved.take() {
            Some(reserved) => self.touch(index, &reserved, now_ms),
            None => self.advance(index, now_ms),
        }
    }

    /// Something was learnt of the person; the workflow looks, if it has not ended.
    fn tell(&mut self, index: usize, now_ms: i64, learn: impl FnOnce(&mut Facts)) {
        let enrollment = &mut self.enrollments[index];
        if enrollment.ended.is_some() {
            return;
        }
        learn(&mut enrollment.facts);
        self.books.signal(enrollment.is_sleeping);
        enrollment.is_sleeping = false;
        enrollment.timer += 1;
        self.advance(index, now_ms);
    }

    fn replied(&mut self, index: usize, now_ms: i64) {
        let enrollment = &mut self.enrollments[index];
        if enrollment.ended.is_none() {
            self.books.signal(enrollment.is_sleeping);
            self.books.activity();
            self.end(index, EnrollmentState::Replied, now_ms);
        }
    }

    fn advance(&mut self, index: usize, now_ms: i64) {
        self.books.activity();
        self.decide(index, now_ms);
    }

    /// What the activities do at their end: the next step, and its place in time.
    fn decide(&mut self, index: usize, now_ms: i64) {
        let enrollment = &mut self.enrollments[index];
        enrollment.facts.now_ms = now_ms;
        let walked = walk(&self.simulation.sequence, &enrollment.facts);
        enrollment.facts.decisions.extend(walked.decided);
        let until_ms = match walked.next {
            Next::Touch { step, action, due_ms } => self.reserve(index, step, action, due_ms, now_ms),
            Next::Wait { until_ms, .. } => {
                self.release(index);
                until_ms
            }
            // Outcomes are always known here.
            Next::Doubt { .. } => return,
            Next::End { state, .. } => return self.end(index, state, now_ms),
        };
        if let Some(reserved) = self.enrollments[index].reserved.take_if(|_| until_ms <= now_ms) {
            return self.touch(index, &reserved, now_ms);
        }
        self.sleep(index, until_ms);
    }

    fn sleep(&mut self, index: usize, until_ms: i64) {
        let enrollment = &mut self.enrollments[index];
        enrollment.timer += 1;
        enrollment.is_sleeping = true;
        let event = Event::Timer(index, enrollment.timer);
        self.books.timer();
        self.expect(until_ms, event);
    }

    /// Reserves the contact, or finds out when to ask again.
    fn reserve(&mut self, index: usize, step: String, action: Action, due_ms: i64, now_ms: i64) -> i64 {
        let kept = self.enrollments[index].reserved.as_ref().filter(|reserved| reserved.step == step);
        if let Some(reserved) = kept {
            return reserved.planned.from_ms;
        }
        self.release(index);
        let jitter = self.enrollments[index].draws.jitter();
        let enrollment = &self.enrollments[index];
        let account = enrollment.account(action).expect("a step without account is not walked to");
        let has_note = self.simulation.sequence.step(&step).is_some_and(|step| has_note(&step.kind));
        let Account { limits, calendar, .. } = &self.accounts[account];
        let uses = self.recent(account, action, now_ms);
        let lead = self.lead_calendar(enrollment.lead);
        let planned =
            plan(&PlanRequest { due_ms, now_ms, action, has_note, limits, sender: calendar, lead, uses, jitter });
        if let Some(hold) = &planned.hold {
            self.books.held(hold, planned.held_ms);
        }
        if planned.is_slot {
            let planned = Use { action, has_note, from_ms: planned.at_ms, until_ms: planned.at_ms };
            self.accounts[account].add(planned);
            let enrollment = &mut self.enrollments[index];
            enrollment.reserved = Some(Reserved { step, account, planned });
            if self.openers.last().is_some_and(|last| last.action == action) {
                self.settle_pending(index);
            }
        }
        planned.at_ms
    }

    fn lead_calendar(&self, lead: usize) -> &Calendar {
        let lead = &self.simulation.leads[lead];
        &self.lead_calendars[&(lead.time_zone.as_str(), lead.country.as_str())]
    }

    fn release(&mut self, index: usize) {
        if let Some(reserved) = self.enrollments[index].reserved.take() {
            self.accounts[reserved.account].remove(reserved.planned);
        }
    }

    /// Makes a contact whose reservation was taken from the enrollment, if everything still allows it.
    fn touch(&mut self, index: usize, reserved: &Reserved, now_ms: i64) {
        self.books.activity();
        let Reserved { step, account, planned } = reserved;
        let Use { action, has_note, .. } = *planned;
        self.accounts[*account].remove(*planned);
        let lead = self.lead_calendar(self.enrollments[index].lead);
        let Account { limits, calendar, .. } = &self.accounts[*account];
        let uses = self.recent(*account, action, now_ms);
        if check(&CheckRequest { now_ms, action, has_note, limits, sender: calendar, lead, uses }).is_some() {
            return self.decide(index, now_ms);
        }
        if let Some((hold, at_ms)) = self.look(index, *account, action, now_ms) {
            self.books.held(&hold, at_ms - now_ms);
            return self.sleep(index, at_ms);
        }
        let made = Use { from_ms: now_ms, until_ms: now_ms, ..*planned };
        self.accounts[*account].add(made);
        self.accounts[*account].done.push(made);
        self.books.touch(*account, &self.accounts[*account].calendar, action, now_ms);
        let rates = &self.simulation.rates;
        let enrollment = &mut self.enrollments[index];
        let fact = TouchFact { action, state: TouchState::Sent, settled_at_ms: Some(now_ms), problem: None };
        enrollment.facts.touches.insert(step.clone(), fact);
        let answer = match action {
            Action::VisitProfile => None,
            Action::Invite => {
                let delay_ms = enrollment.draws.delay_ms(rates.accept, rates.accept_after_ms);
                delay_ms.map(|delay_ms| (delay_ms, Event::Accepted(index)))
            }
            Action::Message | Action::Inmail | Action::Email => {
                let delay_ms = enrollment.draws.delay_ms(rates.reply, rates.reply_after_ms);
                delay_ms.map(|delay_ms| (delay_ms, Event::Replied(index)))
            }
        };
        if let Some((delay_ms, event)) = answer {
            self.expect(now_ms + delay_ms, event);
        }
        self.decide(index, now_ms);
    }

    /// Reads the person's profile if the contact needs that, or says what refuses it and until when.
    fn look(&mut self, index: usize, account: usize, action: Action, now_ms: i64) -> Option<(Hold, i64)> {
        let looked_at_ms = self.enrollments[index].looked_at_ms;
        if needs_look(action, looked_at_ms.is_some(), looked_at_ms, now_ms) {
            let uses = self.recent(account, Action::VisitProfile, now_ms);
            let refused = refusal(self.accounts[account].limits, Action::VisitProfile, false, uses, now_ms);
            if let Some((hold, at_ms)) = refused {
                return Some((hold, at_ms.min(now_ms + HORIZON_MS)));
            }
            let made = Use { action: Action::VisitProfile, has_note: false, from_ms: now_ms, until_ms: now_ms };
            self.accounts[account].add(made);
            self.accounts[account].done.push(made);
            self.enrollments[index].looked_at_ms = Some(now_ms);
        } else if action == Action::VisitProfile {
            self.enrollments[index].looked_at_ms = Some(now_ms);
        }
        None
    }

    fn end(&mut self, index: usize, state: EnrollmentState, now_ms: i64) {
        self.release(index);
        self.settle_pending(index);
        self.enrollments[index].ended = Some(state);
        self.books.ended(state, now_ms);
    }

    /// The last opener of an enrollment is reserved, or will not come.
    fn settle_pending(&mut self, index: usize) {
        let first = self.openers.first().map(|opener| opener.action);
        let enrollment = &mut self.enrollments[index];
        let account = first.and_then(|action| enrollment.account(action));
        if let (true, Some(account)) = (std::mem::take(&mut enrollment.is_pending), account) {
            self.accounts[account].pending -= 1;
        }
    }
}
