//! What the screen shows of the outreach: a funnel that moves, and what happens as it happens.

use super::outreach::TIME_ZONE;
use crate::failure::Failure;
use crate::output::printable;
use crate::stack::Stack;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use leadflow_activities::store::campaigns::{Campaign, StepCount};
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_activities::store::leads::Lead;
use leadflow_workflows::domain::outreach::EnrollmentState;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Where there are no bars, a line of numbers so often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows the outreach on standard error.
pub(super) struct Stage {
    is_silent: bool,
    bars: Option<Bars>,
    last_line: Option<Instant>,
    /// By the clock of the senders: day 1 begins with it.
    first_day: jiff::civil::Date,
    campaign_id: String,
    leads: BTreeMap<String, Lead>,
    taking_part: usize,
    /// Transitions that were shown, by enrollment.
    seen: BTreeMap<String, usize>,
    /// When the enrollments last changed their state.
    states: BTreeMap<String, (EnrollmentState, i64)>,
    accepted: BTreeSet<String>,
    answered: BTreeSet<String>,
}

/// How many leads have come how far.
struct Funnel {
    leads: usize,
    /// Name and number.
    rows: [(&'static str, usize); 6],
}

impl Stage {
    /// Nothing is shown when it is to be silent.
    pub(super) fn new(is_silent: bool) -> Self {
        Self {
            is_silent,
            bars: None,
            last_line: None,
            first_day: jiff::civil::Date::default(),
            campaign_id: String::new(),
            leads: BTreeMap::new(),
            taking_part: 0,
            seen: BTreeMap::new(),
            states: BTreeMap::new(),
            accepted: BTreeSet::new(),
            answered: BTreeSet::new(),
        }
    }

    pub(super) fn begin(&mut self, campaign: &Campaign, leads: &[Lead], taking_part: u32) {
        self.first_day = local(campaign.created_at_ms).date();
        self.campaign_id.clone_from(&campaign.id);
        self.leads = leads.iter().map(|lead| (lead.id.clone(), lead.clone())).collect();
        self.taking_part = self.leads.len().min(taking_part as usize);
        self.bars = (!self.is_silent && io::stderr().is_terminal()).then(Bars::new);
    }

    /// Shows what has changed since the last look.
    pub(super) async fn show(&mut self, stack: &Stack, enrollments: &[Enrollment]) -> Result<(), Failure> {
        if self.is_silent {
            return Ok(());
        }
        let tenant = stack.config.tenant.as_str();
        for enrollment in enrollments {
            let state = (enrollment.state, enrollment.state_at_ms);
            if self.states.insert(enrollment.id.clone(), state) != Some(state) {
                let transitions = stack.store.transitions(tenant, &enrollment.id).await?;
                let shown = self.seen.insert(enrollment.id.clone(), transitions.len()).unwrap_or(0);
                for transition in transitions.into_iter().skip(shown) {
                    self.note(enrollment, transition.to, &transition.cause, transition.at_ms);
                }
            }
        }
        let now_ms = stack.clock.now_ms();
        let steps = stack.store.campaign_steps(tenant, &self.campaign_id).await?;
        let funnel = self.funnel(enrollments, &steps);
        let day = self.instant(now_ms);
        match &self.bars {
            Some(bars) => bars.show(&funnel, &day),
            None if self.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY) => {
                self.last_line = Some(Instant::now());
                let rows: Vec<String> = funnel.rows.iter().map(|(name, number)| format!("{name} {number}")).collect();
                self.say(&format!("{day}  of {} leads: {}", funnel.leads, rows.join(", ")));
            }
            None => {}
        }
        Ok(())
    }

    /// Says what happened at an instant of the demo's clock.
    pub(super) fn happened(&self, at_ms: i64, what: &str) {
        self.say(&printable(&format!("{}  {what}", self.instant(at_ms))));
    }

    /// Takes the bars away; what was said stays.
    pub(super) fn end(&mut self) {
        if let Some(bars) = self.bars.take() {
            drop(bars.all.clear());
        }
    }

    fn note(&mut self, enrollment: &Enrollment, to: EnrollmentState, cause: &str, at_ms: i64) {
        use EnrollmentState::{Bounced, Connected, Declined, Failed, OptedOut, Replied, Stopped};
        let what = match to {
            Connected => {
                self.accepted.insert(enrollment.id.clone());
                return;
            }
            Replied | OptedOut => {
                self.answered.insert(enrollment.id.clone());
                if to == Replied { "replied: sequence ended" } else { "opted out: never contacted again" }
            }
            Bounced => "the mail came back: sequence ended",
            Declined => "declined the invitation: sequence ended",
            Failed | Stopped => cause,
            _ => return,
        };
        self.happened(at_ms, &format!("{}: {what}", self.who(&enrollment.lead_id)));
    }

    /// Role, business and city, but not who it is.
    fn who(&self, lead_id: &str) -> String {
        self.leads
            .get(lead_id)
            .map_or_else(|| "somebody".into(), |lead| format!("{} at {} ({})", lead.role, lead.business, lead.city))
    }

    fn funnel(&self, enrollments: &[Enrollment], steps: &[StepCount]) -> Funnel {
        let sent = |wanted: &str| {
            let of = steps.iter().filter(|step| step.state == "sent" && step.action == wanted);
            of.map(|step| step.touches as usize).sum::<usize>()
        };
        let ended = enrollments.iter().filter(|enrollment| !enrollment.is_open).count();
        Funnel {
            leads: self.taking_part,
            rows: [
                ("invited", sent("invite")),
                ("accepted", self.accepted.len()),
                ("messages", sent("message")),
                ("emails", sent("email")),
                ("answered", self.answered.len()),
                ("ended", ended),
            ],
        }
    }

    /// `day 2 14:05`.
    fn instant(&self, at_ms: i64) -> String {
        let at = local(at_ms);
        let day = at.date().since(self.first_day).map_or(0, |span| span.get_days()) + 1;
        format!("day {day} {}", at.strftime("%H:%M"))
    }

    fn say(&self, line: &str) {
        match &self.bars {
            _ if self.is_silent => {}
            // A closed terminal is no reason to stop.
            Some(bars) => drop(bars.all.println(line)),
            None => drop(writeln!(io::stderr(), "{line}")),
        }
    }
}

/// The wall clock of the senders.
fn local(at_ms: i64) -> jiff::Zoned {
    let zone = TimeZone::get(TIME_ZONE).unwrap_or(TimeZone::UTC);
    Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MAX).to_zoned(zone)
}

/// One bar for each row of the funnel, and the clock.
struct Bars {
    all: MultiProgress,
    rows: Vec<ProgressBar>,
    clock: ProgressBar,
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let add = |template: &str| {
            let style = ProgressStyle::with_template(template).expect("the template is fixed").progress_chars("=> ");
            all.add(ProgressBar::new(0).with_style(style))
        };
        let rows = (0..6).map(|_| add("{prefix:>12} [{bar:30}] {pos:>5}")).collect();
        let clock = add("{prefix:>12} {wide_msg}");
        clock.set_prefix("now");
        Self { all, rows, clock }
    }

    fn show(&self, funnel: &Funnel, day: &str) {
        for (bar, (name, number)) in self.rows.iter().zip(funnel.rows) {
            bar.set_prefix(name);
            bar.set_length(funnel.leads.max(number) as u64);
            bar.set_position(number as u64);
        }
        self.clock.set_message(format!("{day}, {} leads", funnel.leads));
    }
}
