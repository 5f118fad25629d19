//! The moving part of the screen, on standard error: bars on a terminal, lines elsewhere.

use super::View;
use super::bars::Bars;
use crate::output::printable;
use leadflow_activities::store::leads::Lead;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where there are no bars, a line so often at most.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows a search that runs.
pub struct Screen {
    kind: Kind,
    state: Mutex<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bars,
    Lines,
    Silent,
}

#[derive(Default)]
struct State {
    bars: Option<Bars>,
    last_line: Option<(Instant, String)>,
}

impl Screen {
    /// Bars where standard error is a terminal, else plain lines.
    pub fn of_stderr() -> Self {
        Self::new(if io::stderr().is_terminal() { Kind::Bars } else { Kind::Lines })
    }

    /// Says nothing at all.
    pub fn silent() -> Self {
        Self::new(Kind::Silent)
    }

    fn new(kind: Kind) -> Self {
        Self { kind, state: Mutex::default() }
    }

    /// One line that stays, above the bars.
    pub fn say(&self, line: &str) {
        match &self.state().bars {
            _ if self.kind == Kind::Silent => {}
            Some(bars) => bars.say(line),
            // A closed standard error is no reason to stop.
            None => drop(writeln!(io::stderr(), "{line}")),
        }
    }

    pub(super) fn show(&self, view: &View<'_>) {
        match self.kind {
            Kind::Bars => self.state().bars.get_or_insert_with(|| Bars::new(view.email)).show(view),
            Kind::Lines => self.line(view),
            Kind::Silent => {}
        }
    }

    /// A line when there is news, but not at every step.
    fn line(&self, view: &View<'_>) {
        let line = view.line();
        let mut state = self.state();
        let due = state.last_line.as_ref().is_none_or(|(at, last)| at.elapsed() >= LINE_EVERY && *last != line);
        if due {
            // As above.
            drop(writeln!(io::stderr(), "{line}"));
            state.last_line = Some((Instant::now(), line));
        }
    }

    /// A lead that is ready: role, business and city, but not who it is.
    pub(super) fn lead(&self, lead: &Lead) {
        let score = lead.score.unwrap_or_default();
        self.say(&printable(&format!(
            "  lead with {score} points: {} at {} ({})",
            lead.role, lead.business, lead.city
        )));
    }

    /// Takes the bars away; what was said stays.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        if let Some(bars) = state.bars.take() {
            bars.clear();
        }
        state.last_line = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
