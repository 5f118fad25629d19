//! What the demo ends with: leads, cost, calls, times, the funnel; and what the kills changed.

use super::outreach::Contacted;
use super::{Followed, ledger};
use crate::failure::Failure;
use crate::history;
use crate::output::figures::{counted, money};
use crate::output::{Format, LeadRow, SANDBOX_NOTICE, terminal_width, write_leads};
use crate::rows::lead_rows;
use crate::stack::Stack;
use leadflow_activities::store::leads::SearchKey;
use leadflow_activities::store::searches::Gap;
use leadflow_workflows::domain::ids::SearchId;
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::lead_search::workflow_id;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

/// The report of one run of the demo. As JSON it is the whole output.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    search_id: String,
    status: String,
    notice: &'static str,
    leads: Vec<LeadRow>,
    counts: Counts,
    gaps: Vec<Gap>,
    cost_microusd: i64,
    /// What the providers billed, by their own books.
    billed_microusd: u64,
    calls: BTreeMap<String, u64>,
    paid_twice: u64,
    history_events: usize,
    pub(super) setup_seconds: f64,
    first_lead_seconds: f64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kills: Option<Kills>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outreach: Option<Contacted>,
    #[serde(skip)]
    killed: u32,
}

#[derive(Debug, Serialize)]
struct Counts {
    businesses: u32,
    businesses_searched: u32,
    leads_found: u32,
    leads_ready: u32,
    gaps: u32,
}

/// What the kills changed, against a run that nobody disturbed.
#[derive(Debug, Serialize)]
pub(super) struct Kills {
    /// Worker processes ended by SIGKILL.
    workers_killed: u32,
    /// Leads of the undisturbed run that this run lacks.
    lost: usize,
    /// People who are twice among the leads.
    doubled: usize,
    /// Requests that the providers billed twice.
    paid_twice: u64,
    /// Whether leads, scores and reasons are the same, one by one.
    leads_equal: bool,
}

impl Kills {
    pub(super) fn compare(undisturbed: &Report, report: &Report) -> Self {
        let people: BTreeSet<&str> = report.leads.iter().map(person).collect();
        let lost = undisturbed.leads.iter().filter(|lead| !people.contains(person(lead))).count();
        let same = |one: &LeadRow, other: &LeadRow| {
            (person(one), &one.business, one.score, &one.reason, &one.email)
                == (person(other), &other.business, other.score, &other.reason, &other.email)
        };
        let leads_equal = report.leads.len() == undisturbed.leads.len()
            && report.leads.iter().zip(&undisturbed.leads).all(|(one, other)| same(one, other));
        Self {
            workers_killed: report.killed,
            lost,
            doubled: report.leads.len() - people.len(),
            paid_twice: report.paid_twice,
            leads_equal,
        }
    }
}

impl Report {
    pub(super) async fn read(stack: &Stack, search_id: &SearchId, ended: &Followed) -> Result<Self, Failure> {
        let tenant = stack.config.tenant.as_str();
        let key = SearchKey { tenant, id: search_id.as_str() };
        let missing = || Failure::Failed("the search is gone from the store".into());
        let search = stack.store.search(tenant, key.id).await?.ok_or_else(missing)?;
        let progress = stack.store.progress(tenant, key.id).await?.ok_or_else(missing)?;
        history::until_closed(&stack.client, &workflow_id(search_id)).await;
        let events: usize =
            history::runs(&stack.client, &workflow_id(search_id)).await?.iter().map(|run| run.events.len()).sum();
        let entries = stack.sandbox.as_ref().map(leadflow_sandbox::Sandbox::ledger).unwrap_or_default();
        Ok(Self {
            search_id: search_id.0.clone(),
            status: search.status,
            notice: SANDBOX_NOTICE,
            leads: lead_rows(&stack.store, key).await?,
            counts: Counts {
                businesses: progress.businesses,
                businesses_searched: progress.businesses_searched,
                leads_found: progress.leads,
                leads_ready: progress.leads_ready,
                gaps: progress.gaps,
            },
            gaps: stack.store.gaps(tenant, key.id).await?,
            cost_microusd: stack.launcher().gate.cost_of_search(tenant, key.id).await?.0,
            billed_microusd: ledger::billed(&entries),
            calls: ledger::calls(&entries),
            paid_twice: ledger::paid_twice(&entries),
            history_events: events,
            setup_seconds: 0.0,
            first_lead_seconds: ended.first_lead.unwrap_or(ended.all).as_secs_f64(),
            seconds: ended.all.as_secs_f64(),
            kills: None,
            outreach: None,
            killed: ended.killed,
        })
    }

    pub(super) fn search_id(&self) -> SearchId {
        SearchId(self.search_id.clone())
    }

    pub(super) fn write(&self, json: bool, folder: &Path) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, self).map_err(io::Error::from)?;
            writeln!(out)?;
            return Ok(());
        }
        write_leads(&mut out, &mut io::sink(), &self.leads, Format::Table, terminal_width())?;
        let calls: Vec<String> = self.calls.iter().map(|(provider, calls)| format!("{provider} {calls}")).collect();
        let counts = &self.counts;
        writeln!(out)?;
        writeln!(
            out,
            "{} with a reason ({}), from {} of {} businesses; {}",
            counted(self.leads.len() as u64, "lead"),
            self.status.replace('_', " "),
            counts.businesses_searched,
            counts.businesses,
            counted(counts.gaps.into(), "gap"),
        )?;
        writeln!(
            out,
            "cost {} on our books, {} on the providers'; calls: {}",
            money(MicroUsd(self.cost_microusd)),
            money(MicroUsd(i64::try_from(self.billed_microusd).unwrap_or(i64::MAX))),
            calls.join(", ")
        )?;
        writeln!(
            out,
            "first lead after {:.1} s, all after {:.1} s (set-up before that {:.1} s); {}",
            self.first_lead_seconds,
            self.seconds,
            self.setup_seconds,
            counted(self.history_events as u64, "history event"),
        )?;
        if let Some(kills) = &self.kills {
            writeln!(
                out,
                "{}: lost {}, doubled {}, paid twice {} (calls in flight at a kill); leads {} to those of the undisturbed run",
                counted(kills.workers_killed.into(), "kill"),
                kills.lost,
                kills.doubled,
                kills.paid_twice,
                if kills.leads_equal { "equal" } else { "NOT equal" },
            )?;
        }
        if let Some(contacted) = &self.outreach {
            writeln!(out, "\n{}", contacted.campaign.text(terminal_width()))?;
            write!(out, "{}", contacted.verdict())?;
        }
        let folder = folder.display();
        writeln!(
            out,
            "look again: starter dev --data {folder}; beside it, starter campaign show last --data {folder}"
        )?;
        Ok(())
    }
}

impl Contacted {
    fn verdict(&self) -> String {
        let witness = &self.witness;
        let kills = match self.workers_killed {
            0 => String::new(),
            kills => format!(" and {}", counted(kills as u64, "kill")),
        };
        let open = match self.left_open {
            0 => String::new(),
            open => format!("; {open} still open, {} of them in doubt", self.in_doubt),
        };
        format!(
            "{:.1} days of outreach in {:.1} s{open}\n\
             {} saw {}, {} and {} by the sandbox's own ledger; our books {}\n\
             after {}{kills}: contacted twice {}, contacted after a reply {}\n",
            self.days,
            self.seconds,
            if witness.people == 1 { "1 person".to_owned() } else { format!("{} people", witness.people) },
            counted(witness.invitations as u64, "invitation"),
            counted(witness.messages as u64, "message"),
            counted(witness.emails as u64, "email"),
            if self.books_agree { "agree" } else { "do NOT agree" },
            counted(witness.contacts() as u64, "contact"),
            witness.twice,
            witness.after_reply,
        )
    }
}

fn person(lead: &LeadRow) -> &str {
    lead.linkedin_url.as_deref().unwrap_or(&lead.id)
}
