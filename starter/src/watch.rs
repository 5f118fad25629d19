//! Shows a running search: one bar a phase, counts, cost, waits, the last problem in words.

use crate::output::figures::money;
use crate::output::printable;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use leadflow_activities::store::searches::Progress;
use leadflow_workflows::domain::money::MicroUsd;

/// The bars of one search.
pub struct Bars {
    all: MultiProgress,
    businesses: ProgressBar,
    people: ProgressBar,
    emails: ProgressBar,
    reasons: ProgressBar,
    state: ProgressBar,
    problem: ProgressBar,
}

impl Default for Bars {
    fn default() -> Self {
        Self::new()
    }
}

impl Bars {
    pub fn new() -> Self {
        let all = MultiProgress::new();
        let bar = |name: &'static str| {
            let style = ProgressStyle::with_template("{prefix:>12} [{bar:30}] {pos:>5}/{len:<5} {msg}")
                .expect("the template is fixed")
                .progress_chars("=> ");
            all.add(ProgressBar::new(0).with_style(style).with_prefix(name))
        };
        let line = || {
            let style = ProgressStyle::with_template("{msg}").expect("the template is fixed");
            all.add(ProgressBar::new(0).with_style(style))
        };
        Self {
            businesses: bar("businesses"),
            people: bar("people"),
            emails: bar("emails"),
            reasons: bar("reasons"),
            state: line(),
            problem: line(),
            all,
        }
    }

    /// `wanted`: leads that the brief asks for.
    pub fn show(&self, progress: &Progress, cost: MicroUsd, wanted: Option<u32>) {
        let set = |bar: &ProgressBar, done: u32, of: u32| {
            bar.set_length(of.max(done).into());
            bar.set_position(done.into());
        };
        let target = wanted.unwrap_or(progress.leads);
        set(&self.businesses, progress.businesses_searched, progress.businesses);
        set(&self.people, progress.leads, target);
        set(&self.emails, progress.leads_looked_up, progress.leads.min(target));
        set(&self.reasons, progress.leads_ready, target);
        let gaps = if progress.gaps == 0 { String::new() } else { format!(", {} gaps", progress.gaps) };
        self.state.set_message(format!("{:>12}  {} so far{gaps}", progress.phase.replace('_', " "), money(cost)));
        let last = progress.problems.iter().next_back();
        self.problem.set_message(last.map_or(String::new(), |(phase, problem)| {
            format!("{:>12}  {}", "last problem", printable(&format!("{phase}: {problem}")))
        }));
    }

    /// Tells what the search waits for; empty for nothing.
    pub fn waits(&self, waits: &str) {
        self.businesses.set_message(String::new());
        self.reasons.set_message(waits.to_owned());
    }

    /// One line above the bars.
    pub fn say(&self, line: &str) {
        // A closed terminal is no reason to stop.
        drop(self.all.println(line));
    }

    pub fn clear(&self) {
        drop(self.all.clear());
    }
}
