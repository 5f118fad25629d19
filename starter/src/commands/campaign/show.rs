//! `starter campaign show`: the funnel, and what is reserved.

use super::super::{columns, instant, print, print_json};
use super::{CampaignArg, find, open_and_ended, waiting};
use crate::failure::Failure;
use crate::output::{SANDBOX_NOTICE, SANDBOX_SOURCE, printable, terminal_width, wrapped};
use crate::site::{GlobalArgs, Site};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use leadflow_activities::outreach::calendar::Calendar;
use leadflow_activities::store::Store;
use leadflow_activities::store::accounts::Account;
use leadflow_activities::store::campaigns::{Campaign, PlannedTouch, StateCount, StepCount};
use leadflow_activities::store::replies::ToneCounts;
use leadflow_workflows::domain::permits::WEEK_MS;
use leadflow_workflows::domain::sequence::Sequence;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

const BAR: usize = 30;

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CampaignReport {
    campaign_id: String,
    name: String,
    state: String,
    source: String,
    /// Name and version.
    sequence: String,
    accounts: Vec<String>,
    created_at_ms: i64,
    ended_at_ms: Option<i64>,
    /// Leads that wait for their turn.
    waiting: u32,
    /// When the next of them may begin, while the hours of all accounts that begin with leads are over.
    opens_at_ms: Option<i64>,
    open: u32,
    ended: u32,
    steps: Vec<StepRow>,
    states: Vec<StateCount>,
    /// What people wrote back.
    replies: ToneCounts,
    /// Contacts reserved for the next 7 days, by the account's own calendar: of each open lead the next one.
    planned: Vec<PlannedDay>,
}

/// What became of one contact of the sequence, over all enrollments.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
struct StepRow {
    step: String,
    action: String,
    planned: u32,
    sent: u32,
    refused: u32,
    in_doubt: u32,
}

#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct PlannedDay {
    account: String,
    /// `2026-03-14`.
    day: String,
    contacts: usize,
}

pub(super) async fn run(args: &CampaignArg, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let campaign = find(&site, &store, &args.campaign).await?;
    let report = CampaignReport::read(&store, campaign, site.clock.now_ms()).await?;
    if global.json { print_json(&report) } else { print(&report.text(terminal_width())) }
}

impl CampaignReport {
    pub(crate) async fn read(store: &Store, campaign: Campaign, now_ms: i64) -> Result<Self, Failure> {
        let (tenant, id) = (campaign.tenant.as_str(), campaign.id.as_str());
        let stored = store.sequence(tenant, &campaign.sequence_id).await?;
        let states = store.campaign_states(tenant, id).await?;
        let (open, ended) = open_and_ended(&states);
        let mut accounts = Vec::new();
        for account in &campaign.accounts {
            accounts.extend(store.account(tenant, account).await?);
        }
        let planned = store.planned_touches(tenant, id, now_ms + WEEK_MS).await?;
        let waiting = waiting(store, &campaign).await?;
        let sequence = stored.as_ref().map(|stored| &stored.sequence).filter(|_| waiting > 0);
        Ok(Self {
            opens_at_ms: sequence.and_then(|sequence| opens_at_ms(&campaign, sequence, &accounts, now_ms)),
            sequence: stored.as_ref().map_or(String::new(), |stored| format!("{}@{}", stored.name, stored.version)),
            steps: steps(stored.as_ref().map(|stored| &stored.sequence), &store.campaign_steps(tenant, id).await?),
            planned: planned_days(&accounts, &planned),
            accounts: accounts.into_iter().map(|account| format!("{} ({})", account.name, account.state)).collect(),
            waiting,
            replies: store.campaign_replies(tenant, id).await?,
            states,
            open,
            ended,
            campaign_id: campaign.id,
            name: campaign.name,
            state: campaign.state,
            source: campaign.source,
            created_at_ms: campaign.created_at_ms,
            ended_at_ms: campaign.ended_at_ms,
        })
    }

    pub(crate) fn text(&self, width: u16) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            text.push_str(&wrapped(&format!("{label:<12}"), &printable(value), width));
        };
        line("campaign", &format!("{}  {}", self.campaign_id, self.name));
        line("state", &self.state);
        line("sequence", &self.sequence);
        line("accounts", &self.accounts.join(", "));
        let ended = self.ended_at_ms.map_or(String::new(), |at_ms| format!(", ended {}", instant(at_ms)));
        line("time", &format!("started {}{ended}", instant(self.created_at_ms)));
        line("leads", &format!("{} wait for their turn, {} open, {} ended", self.waiting, self.open, self.ended));

        if let Some(at_ms) = self.opens_at_ms {
            line("next", &format!("begins with the working hours of its accounts at {}", instant(at_ms)));
        }
        let ToneCounts { positive, negative, neutral, not_read } = self.replies;
        line("replies", &format!("{positive} positive, {negative} negative, {neutral} unsure, {not_read} not read"));

        let begun = self.open + self.ended;
        text.push('\n');
        let rows = self.steps.iter().map(|step| {
            let numbers = [step.sent, step.planned, step.in_doubt, step.refused].map(|number| number.to_string());
            let mut row = vec![printable(&step.step), step.action.replace('_', " ")];
            row.extend(numbers);
            row.push(bar(step.sent, begun));
            row
        });
        let numbers = ["sent", "planned", "in doubt", "refused"];
        let header = ["step", "contact", "sent", "planned", "in doubt", "refused", "of those begun with"];
        text.push_str(&columns(&header, &numbers, rows, width));
        text.push('\n');
        let rows = self.states.iter().map(|state| {
            let paused = if state.paused > 0 { format!("{} held", state.paused) } else { String::new() };
            vec![state.state.replace('_', " "), state.enrollments.to_string(), paused, bar(state.enrollments, begun)]
        });
        text.push_str(&columns(&["state", "leads", "", "of those begun with"], &["leads"], rows, width));
        text.push_str("\nreserved for the next 7 days: the next contact of each open lead\n");
        if self.planned.is_empty() {
            text.push_str("nothing\n");
        } else {
            let most = self.planned.iter().map(|day| day.contacts).max().unwrap_or(0);
            let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            let rows = self.planned.iter().map(|day| {
                vec![
                    day.day.clone(),
                    printable(&day.account),
                    day.contacts.to_string(),
                    bar(short(day.contacts), short(most)),
                ]
            });
            text.push_str(&columns(&["day", "account", "contacts", ""], &["contacts"], rows, width));
        }
        if self.source == SANDBOX_SOURCE {
            text.push_str(SANDBOX_NOTICE);
            text.push('\n');
        }
        text
    }
}

/// When the first of the accounts opens that begin with leads; `None` when one is open, or none of them works.
fn opens_at_ms(campaign: &Campaign, sequence: &Sequence, accounts: &[Account], now_ms: i64) -> Option<i64> {
    let channel = sequence.steps.iter().find_map(|step| step.kind.action())?.channel();
    let begin = accounts.iter().filter(|account| account.channel == channel && account.state == "active");
    let opens = begin.filter_map(|Account { settings, deferred_until_ms, .. }| {
        let keeps = campaign.settings.keep_holidays;
        let calendar = Calendar::new(&settings.hours, &settings.time_zone, &settings.country, keeps).ok()?;
        Some(calendar.next_open(deferred_until_ms.map_or(now_ms, |until_ms| until_ms.max(now_ms))))
    });
    let first_ms = opens.min()?;
    (campaign.state == "running" && first_ms > now_ms).then_some(first_ms)
}

/// A share of [`BAR`] columns; what is not nothing shows.
fn bar(part: u32, of: u32) -> String {
    let columns = (part.min(of) as usize * BAR).checked_div(of as usize).unwrap_or(0);
    "#".repeat(columns.max(usize::from(part > 0)))
}

/// The contacts of the sequence in its order, then those of steps that only other versions have.
fn steps(sequence: Option<&Sequence>, counts: &[StepCount]) -> Vec<StepRow> {
    let known = sequence.into_iter().flat_map(|sequence| &sequence.steps);
    let mut rows: Vec<StepRow> = known
        .filter_map(|step| step.kind.action().map(|action| (step.id.as_str(), action.name())))
        // Looks at profiles before an invitation are no steps.
        .chain(
            counts
                .iter()
                .filter(|count| !count.step.starts_with("look/"))
                .map(|count| (count.step.as_str(), count.action.as_str())),
        )
        .map(|(step, action)| StepRow { step: step.into(), action: action.into(), ..StepRow::default() })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    rows.retain(|row| seen.insert(row.step.clone()));
    for count in counts {
        let Some(row) = rows.iter_mut().find(|row| row.step == count.step) else { continue };
        match count.state.as_str() {
            "planned" => row.planned += count.touches,
            "sent" => row.sent += count.touches,
            "refused" => row.refused += count.touches,
            "calling" | "unknown" => row.in_doubt += count.touches,
            _ => {}
        }
    }
    rows
}

fn planned_days(accounts: &[Account], planned: &[PlannedTouch]) -> Vec<PlannedDay> {
    let mut days: BTreeMap<(String, String), usize> = BTreeMap::new();
    for touch in planned {
        let Some(account) = accounts.iter().find(|account| account.id == touch.account_id) else { continue };
        let zone = TimeZone::get(&account.settings.time_zone).unwrap_or(TimeZone::UTC);
        let at = Timestamp::from_millisecond(touch.at_ms).unwrap_or(Timestamp::MAX).to_zoned(zone);
        *days.entry((at.date().to_string(), account.name.clone())).or_default() += 1;
    }
    days.into_iter().map(|((day, account), contacts)| PlannedDay { account, day, contacts }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::account::tests::account;
    use leadflow_workflows::domain::sequence::{Step, StepKind};

    fn count(step: &str, action: &str, state: &str, touches: u32) -> StepCount {
        StepCount { step: step.into(), action: action.into(), state: state.into(), touches }
    }

    #[test]
    fn the_funnel_follows_the_sequence_and_days_the_account() {
        let step = |id: &str, kind| Step { id: id.into(), after_ms: 0, kind, end: false };
        let sequence = Sequence {
            name: "intro".into(),
            stop_on: std::collections::BTreeSet::default(),
            steps: vec![
                step("hello", StepKind::Invite { note: String::new() }),
                step("wait", StepKind::WaitForConnection { timeout_ms: 1, on_timeout: None }),
                step("thanks", StepKind::Message { text: "Hi".into() }),
            ],
        };
        let counts = [
            count("hello", "invite", "sent", 30),
            count("hello", "invite", "planned", 6),
            count("hello", "invite", "unknown", 1),
            count("old", "email", "sent", 2),
            count("thanks", "message", "refused", 1),
        ];
        // 23:30 UTC is the next day in Vienna.
        let at_ms = 1_773_531_000_000;
        let planned = [at_ms, at_ms + 1, at_ms + 86_400_000].map(|at_ms| PlannedTouch {
            account_id: account().id,
            action: "invite".into(),
            at_ms,
        });
        let states = [("invite_sent", 25, 1), ("completed", 3, 0), ("replied", 12, 0)];
        let states = states.map(|(state, enrollments, paused)| StateCount { state: state.into(), enrollments, paused });
        let report = CampaignReport {
            campaign_id: "0192f0c1-0000-7000-8000-0000000000c1".into(),
            name: "spring".into(),
            state: "running".into(),
            source: "sandbox".into(),
            sequence: "intro@2".into(),
            accounts: vec!["anna (active)".into()],
            created_at_ms: 1_773_480_413_000,
            ended_at_ms: None,
            waiting: 12,
            opens_at_ms: Some(1_773_648_000_000),
            open: open_and_ended(&states).0,
            ended: open_and_ended(&states).1,
            steps: steps(Some(&sequence), &counts),
            states: states.into(),
            replies: ToneCounts { positive: 5, negative: 4, neutral: 2, not_read: 1 },
            planned: planned_days(&[account()], &planned),
        };
        assert_eq!((report.open, report.ended), (25, 15));
        assert_eq!(report.planned[0].day, "2026-03-15");
        insta::assert_snapshot!(report.text(110));
    }
}
