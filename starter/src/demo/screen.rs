//! The moving part of the demo's screen, on standard error.

use crate::output::figures::{counted, money};
use crate::output::{SANDBOX_NOTICE, printable};
use crate::watch::Bars;
use leadflow_activities::store::leads::Lead;
use leadflow_activities::store::searches::Progress;
use leadflow_workflows::domain::brief::Brief;
use leadflow_workflows::domain::money::MicroUsd;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Leads shown as they come; the table at the end has them all.
const LEADS_SHOWN: usize = 3;

pub(super) struct Screen {
    terminal: bool,
    quiet: bool,
    bars: Mutex<Option<Bars>>,
    shown: AtomicBool,
}

impl Screen {
    pub(super) fn new(terminal: bool, quiet: bool) -> Self {
        Self { terminal, quiet, bars: Mutex::new(None), shown: AtomicBool::new(false) }
    }

    pub(super) fn title(&self, kill: bool, brief: &Brief) {
        let how = if kill { ", with two kills of the worker on the way" } else { "" };
        self.say(&format!("demo: `{}` in {}{how}", brief.name, brief.places.join("; ")));
        self.say(SANDBOX_NOTICE);
    }

    /// One line above the bars.
    pub(super) fn say(&self, line: &str) {
        match &*self.bars() {
            _ if self.quiet => {}
            Some(bars) => bars.say(line),
            // A closed standard error is no reason to stop.
            None => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }

    pub(super) fn progress(&self, progress: &Progress, cost: MicroUsd, wanted: Option<u32>) {
        if self.terminal {
            self.bars().get_or_insert_with(Bars::new).show(progress, cost, wanted);
        }
    }

    pub(super) fn waits(&self, waits: &str) {
        if let Some(bars) = &*self.bars() {
            bars.waits(waits);
        }
    }

    /// The first leads, as they come.
    pub(super) fn leads(&self, leads: &[Lead]) {
        if !self.shown.swap(true, Ordering::Relaxed) {
            for lead in leads.iter().take(LEADS_SHOWN) {
                let score = lead.score.unwrap_or_default();
                let line = format!("  first leads: {score} points, {} at {} ({})", lead.role, lead.business, lead.city);
                self.say(&printable(&line));
            }
        }
    }

    pub(super) fn done(&self, leads: u32, cost: MicroUsd) {
        if let Some(bars) = self.bars().take() {
            bars.clear();
        }
        self.shown.store(false, Ordering::Relaxed);
        self.say(&format!("search ended: {} for {}", counted(leads.into(), "lead"), money(cost)));
    }

    fn bars(&self) -> MutexGuard<'_, Option<Bars>> {
        self.bars.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
