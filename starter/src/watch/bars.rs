//! One bar for each phase of a search, and below them cost, waits and the last problem.

use super::View;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The bars of one search.
pub(super) struct Bars {
    all: MultiProgress,
    businesses: ProgressBar,
    people: ProgressBar,
    /// Only when the brief wants email addresses.
    emails: Option<ProgressBar>,
    reasons: ProgressBar,
    state: ProgressBar,
    waits: ProgressBar,
    problem: ProgressBar,
}

impl Bars {
    pub(super) fn new(email: bool) -> Self {
        let all = MultiProgress::new();
        let add = |template: &str, name: &'static str| {
            let style = ProgressStyle::with_template(template).expect("the template is fixed").progress_chars("=> ");
            all.add(ProgressBar::new(0).with_style(style).with_prefix(name))
        };
        let bar = |name| add("{prefix:>12} [{bar:30}] {pos:>5}/{len:<5} {msg}", name);
        let line = |name| add("{prefix:>12} {wide_msg}", name);
        Self {
            businesses: bar("businesses"),
            people: bar("people"),
            emails: email.then(|| bar("emails")),
            reasons: bar("reasons"),
            state: line("state"),
            waits: line("waits"),
            problem: line("last problem"),
            all,
        }
    }

    pub(super) fn show(&self, view: &View<'_>) {
        let set = |bar: &ProgressBar, done: u32, of: u32| {
            bar.set_length(of.max(done).into());
            bar.set_position(done.into());
        };
        let progress = view.progress;
        let target = view.wanted.unwrap_or(progress.leads);
        set(&self.businesses, progress.businesses_searched, progress.businesses);
        set(&self.people, progress.leads, target);
        if let Some(emails) = &self.emails {
            set(emails, progress.leads_looked_up, progress.leads.min(target));
        }
        set(&self.reasons, progress.leads_ready, target);
        self.state.set_message(view.state());
        self.waits.set_message(if view.waits.is_empty() { "for nothing".into() } else { view.waits.to_owned() });
        self.problem.set_message(view.problem().unwrap_or_else(|| "none".into()));
    }

    /// One line above the bars.
    pub(super) fn say(&self, line: &str) {
        // A closed terminal is no reason to stop.
        drop(self.all.println(line));
    }

    pub(super) fn clear(&self) {
        drop(self.all.clear());
    }
}
