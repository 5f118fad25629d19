//! `starter campaign simulate`: how a campaign would go, by the rules it would go by.

use super::super::account::add::{Warming, warm_up};
use super::super::sequence::in_file;
use super::super::{columns, instant, print, print_json};
use super::find_sequence;
use super::start::find_accounts;
use crate::failure::Failure;
use crate::output::figures::{count, counted, duration, money};
use crate::output::{terminal_width, wrapped};
use crate::site::{GlobalArgs, Site};
use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use leadflow_activities::outreach::simulate::{
    Day, Rates, Report, SimulatedAccount, SimulatedLead, Simulation, simulate, synthetic,
};
use leadflow_activities::outreach::{places, sequence_file};
use leadflow_activities::store::accounts::Account;
use leadflow_activities::store::leads::{Lead, SearchKey};
use leadflow_workflows::domain::account::{AccountSettings, CampaignSettings, Hours};
use leadflow_workflows::domain::outreach::{Action, Channel};
use leadflow_workflows::domain::permits::{DAY_MS, Limits, WarmUp};
use leadflow_workflows::domain::policy;
use leadflow_workflows::domain::sequence::Sequence;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What is simulated when no sequence is named.
const EXAMPLE: (&str, &str) =
    ("linkedin_then_email.toml", include_str!("../../../templates/sequences/linkedin_then_email.toml"));

/// Columns of a day's row beside its bar.
const BESIDE_BAR: u16 = 53;

/// See how a campaign would go: contacts for each account and day, what holds them back, and what it costs
///
/// Walks every lead by the rules of a real campaign, without server and without sending. Without --search the leads are
/// made up, in the larger cities of the United States; without --account the accounts are, with standard limits and
/// office hours.
///
/// Example: starter campaign simulate --leads 2000 --accounts 4 --days 30
#[derive(Args, Debug)]
pub struct SimulateArgs {
    /// A file, or a stored one as NAME or NAME@VERSION; without it the example that `starter init` writes
    #[arg(long, value_name = "FILE|NAME")]
    sequence: Option<String>,
    /// So many made-up leads
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    leads: u32,
    /// The ready leads of this search instead: id or its beginning, name, or `last`
    #[arg(long, value_name = "ID", conflicts_with = "leads")]
    search: Option<String>,
    /// LinkedIn accounts, and as many mailboxes if the sequence sends emails
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=200))]
    accounts: u32,
    /// Time that these take to grow into their limits, or `none`
    #[arg(long, value_name = "DAYS", value_parser = warm_up, default_value = "none")]
    warm_up: Warming,
    /// An account of yours instead, by name, with its limits, warm-up and hours; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with_all = ["accounts", "warm_up"])]
    account: Vec<String>,
    /// Most leads that each account begins with in a day; its limits hold besides
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    starts_per_day: Option<u32>,
    /// So many days
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    /// First day, such as 2026-06-01; today without it
    #[arg(long, value_name = "DATE")]
    start: Option<Date>,
    /// Share of invitations that are accepted
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, value_parser = share)]
    accept: f64,
    /// Share of messages and emails that are replied to
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    reply: f64,
    /// The same number gives the same result
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "this is no share\n  hint: write a number from 0 to 1, such as 0.3".into())
}

pub(super) async fn run(args: &SimulateArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let sequence = sequence(args, &site).await?;
    let leads = match &args.search {
        None => synthetic(args.leads as usize, args.seed),
        Some(word) => {
            let store = site.store().await?;
            let search = site.search(&store, word).await?;
            let leads = store.ready_leads(SearchKey { tenant: site.tenant(), id: &search.id }).await?;
            leads.iter().map(simulated).collect()
        }
    };
    let Some((time_zone, country)) = home(&leads) else {
        return Err(Failure::Refused(
            "the search has no ready leads\nhint: `starter search list` shows searches".into(),
        ));
    };
    let zone = TimeZone::get(&time_zone).map_err(|error| Failure::Failed(error.to_string()))?;
    let today =
        || jiff::Timestamp::from_millisecond(site.clock.now_ms()).unwrap_or_default().to_zoned(zone.clone()).date();
    let start = args.start.unwrap_or_else(today).to_zoned(zone.clone());
    let start = start.map_err(|error| Failure::Failed(format!("{error}\nhint: choose another first day")))?;
    let start_ms = start.timestamp().as_millisecond();
    let accounts = if args.account.is_empty() {
        let warm_up = args.warm_up.0.map(|days| WarmUp { started_at_ms: start_ms, days });
        made_up_accounts(args.accounts, warm_up, &sequence, &time_zone, &country)
    } else {
        stored_accounts(find_accounts(&site, &site.store().await?, &args.account).await?, &sequence)?
    };
    let simulation = Simulation {
        leads,
        accounts,
        sequence,
        campaign: campaign(args.starts_per_day),
        rates: Rates { accept: args.accept, reply: args.reply, ..Rates::default() },
        seed: args.seed,
        start_ms,
        days: args.days,
    };
    // Long and without any waiting, so it has a thread of its own.
    let task = tokio::task::spawn_blocking(move || (simulate(&simulation), simulation));
    let (report, simulation) = task.await.map_err(|error| Failure::Failed(error.to_string()))?;
    let report = report.map_err(|error| Failure::Failed(error.to_string()))?;
    if global.json {
        return print_json(&json!({
            "simulation": true, "sequence": simulation.sequence.name, "leads": simulation.leads.len(),
            "time_zone": time_zone, "seed": simulation.seed, "assumed": assumed(args), "report": report,
        }));
    }
    print(&text(&simulation, &report, &assumed(args), &zone, terminal_width()))
}

async fn sequence(args: &SimulateArgs, site: &Site) -> Result<Sequence, Failure> {
    let Some(word) = &args.sequence else { return Ok(sequence_file::parse(EXAMPLE.0, EXAMPLE.1, None)?) };
    match in_file(word)? {
        Some(sequence) => Ok(sequence),
        None => Ok(find_sequence(site, &site.store().await?, word).await?.sequence),
    }
}

fn simulated(lead: &Lead) -> SimulatedLead {
    let is_open = policy::is_open(&lead.country, Channel::Email, &BTreeMap::new()).is_ok();
    let zone = lead.timezone.clone();
    SimulatedLead {
        score: lead.score.unwrap_or(0),
        country: lead.country.to_uppercase(),
        time_zone: zone.unwrap_or_else(|| places::time_zone(&lead.country, &lead.region, &lead.city).into()),
        has_profile: !lead.linkedin_public_id.is_empty(),
        has_email: lead.email.is_some() && is_open,
    }
}

/// Zone and country of most leads: there the senders are.
fn home(leads: &[SimulatedLead]) -> Option<(String, String)> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for lead in leads {
        *counts.entry((&lead.time_zone, &lead.country)).or_default() += 1;
    }
    let ((zone, country), _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    Some((zone.to_owned(), country.to_owned()))
}

fn channels(sequence: &Sequence) -> BTreeSet<Channel> {
    sequence.actions().into_iter().map(Action::channel).collect()
}

fn made_up_accounts(
    count: u32,
    warm_up: Option<WarmUp>,
    sequence: &Sequence,
    time_zone: &str,
    country: &str,
) -> Vec<SimulatedAccount> {
    let account = |channel: Channel, number: u32| SimulatedAccount {
        name: format!("{} {number}", if channel == Channel::Email { "mailbox" } else { channel.name() }),
        channel,
        settings: AccountSettings {
            time_zone: time_zone.to_owned(),
            country: country.to_owned(),
            hours: Hours::office(),
            limits: Limits { warm_up, ..Limits::standard() },
            is_free: false,
            from_name: None,
        },
    };
    channels(sequence).into_iter().flat_map(|channel| (1..=count).map(move |number| account(channel, number))).collect()
}

fn stored_accounts(accounts: Vec<Account>, sequence: &Sequence) -> Result<Vec<SimulatedAccount>, Failure> {
    let missing = |channel: &Channel| accounts.iter().all(|account| account.channel != *channel);
    if let Some(channel) = channels(sequence).into_iter().find(missing) {
        return Err(Failure::Failed(format!(
            "the sequence sends by {0}, but there is no {0} account\nhint: add one with --account",
            channel.name()
        )));
    }
    let simulated = |Account { name, channel, settings, .. }| SimulatedAccount { name, channel, settings };
    Ok(accounts.into_iter().map(simulated).collect())
}

/// What is taken for granted of the accounts.
fn assumed(args: &SimulateArgs) -> String {
    if !args.account.is_empty() {
        return "the accounts can send, and have sent nothing in the days before".into();
    }
    let warm_up = match args.warm_up.0 {
        None => "without warm-up".into(),
        Some(days) => format!("with a warm-up of {}", counted(days.into(), "day")),
    };
    format!("standard limits {warm_up}, and office hours; with --account NAME those of an account of yours")
}

fn campaign(starts_per_day: Option<u32>) -> CampaignSettings {
    CampaignSettings {
        lead_hours: Hours::office(),
        keep_holidays: true,
        stop_company: false,
        allow_parallel: false,
        starts_per_day,
        minimum_score: 0,
        leads: None,
        postal_address: None,
        source_notice: None,
        policy: BTreeMap::new(),
    }
}

fn text(simulation: &Simulation, report: &Report, assumed: &str, zone: &TimeZone, width: u16) -> String {
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let mut text = format!(
        "simulation of `{}` with {} and {}: nothing is stored or sent\n\n",
        simulation.sequence.name,
        counted(number(simulation.leads.len()), "lead"),
        counted(number(simulation.accounts.len()), "account"),
    );
    text += &account_table(simulation, report, width);
    text.push('\n');
    text += &day_chart(report, zone, width);
    let mut line = |label: &str, value: &str| text += &wrapped(&format!("{label:<12} "), value, width);
    line("", "");
    line("assumed", assumed);
    let states =
        report.states.iter().map(|(state, leads)| format!("{} {}", count((*leads).into()), state.replace('_', " ")));
    line(
        "enrollments",
        &states.chain([format!("{} wait for their turn", count(report.waiting.into()))]).collect::<Vec<_>>().join(", "),
    );
    if let Some(minute) = report.busiest_minute {
        line(
            "busiest",
            &format!("{} in the minute of {}", counted(minute.touches.into(), "contact"), instant(minute.at_ms)),
        );
    }
    line(
        "limits",
        &match report.collisions {
            0 => "kept in every window of 24 hours, 7 days and 30 days, and between any two contacts".into(),
            collisions => format!("broken by {}", counted(collisions.into(), "contact")),
        },
    );
    for (rule, held) in &report.holds {
        let mean_ms = u64::try_from(held.delay_ms / i64::from(held.contacts.max(1))).unwrap_or(0);
        line(
            "held back",
            &format!(
                "{} by {}, {} each on average",
                counted(held.contacts.into(), "contact"),
                rule.replace('_', " "),
                duration(mean_ms)
            ),
        );
    }
    let temporal = &report.temporal;
    line(
        "Temporal",
        &format!(
            "{} ({:.1} for each enrollment), {:.0} history events for each enrollment; {} in its cloud",
            counted(temporal.enrollment_actions + temporal.other_actions, "action"),
            temporal.actions_per_enrollment,
            temporal.events_per_enrollment,
            money(temporal.cost_microusd)
        ),
    );
    text
}

fn account_table(simulation: &Simulation, report: &Report, width: u16) -> String {
    let actions = simulation.sequence.actions();
    let names: Vec<String> = actions.iter().map(|action| format!("{}s", action.name().replace('_', " "))).collect();
    let mut header = vec!["account"];
    header.extend(names.iter().map(String::as_str));
    header.push("busiest day");
    let rows = report.accounts.iter().map(|account| {
        let busiest = account.days.iter().map(|day| day.values().sum::<u32>()).max().unwrap_or(0);
        let counts = actions.iter().map(|action| account.touches(*action)).chain([busiest]);
        [account.name.clone()].into_iter().chain(counts.map(|touches| count(touches.into()))).collect()
    });
    columns(&header, &header[1..], rows, width)
}

/// One bar of contacts for each day.
fn day_chart(report: &Report, zone: &TimeZone, width: u16) -> String {
    let touches = |day: &Day| day.touches.values().sum::<u32>();
    let most = report.days.iter().map(touches).max().unwrap_or(0).max(1);
    let bar_width = u32::from(width.saturating_sub(BESIDE_BAR).clamp(10, 60));
    let mut text = format!("{:<16}{:>8}{:>8}{:>8}{:>10}\n", "day", "begun", "ended", "open", "contacts");
    for (index, day) in (0..).zip(&report.days) {
        let at_ms = report.start_ms + index * DAY_MS;
        let date = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default().to_zoned(zone.clone());
        let ended: u32 = day.ended.values().sum();
        let bar = "#".repeat((touches(day) * bar_width).div_ceil(most) as usize);
        let row = format!(
            "{:<16}{:>8}{:>8}{:>8}{:>10}  {bar}",
            date.strftime("%F %a"),
            count(day.started.into()),
            count(ended.into()),
            count(day.open.into()),
            count(touches(day).into())
        );
        writeln!(text, "{}", row.trim_end()).expect("a text takes any line");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::account::tests::account;
    use clap::Parser;

    /// Monday, 1 June 2026, 00:00 in New York.
    const START_MS: i64 = 1_780_286_400_000;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SimulateArgs,
    }

    fn args(words: &[&str]) -> Result<SimulateArgs, clap::Error> {
        Line::try_parse_from(["simulate"].iter().chain(words)).map(|line| line.args)
    }

    fn example() -> Sequence {
        sequence_file::parse(EXAMPLE.0, EXAMPLE.1, None).unwrap()
    }

    fn simulation(warm_up: Option<WarmUp>, starts_per_day: Option<u32>) -> Simulation {
        Simulation {
            accounts: made_up_accounts(2, warm_up, &example(), "America/New_York", "US"),
            leads: synthetic(120, 1),
            sequence: example(),
            campaign: campaign(starts_per_day),
            rates: Rates::default(),
            seed: 1,
            start_ms: START_MS,
            days: 10,
        }
    }

    #[test]
    fn the_result_reads_well_in_a_narrow_terminal() {
        let simulation = simulation(None, None);
        let report = simulate(&simulation).unwrap();
        let (assumed, zone) = (assumed(&args(&[]).unwrap()), TimeZone::get("America/New_York").unwrap());
        insta::assert_snapshot!(text(&simulation, &report, &assumed, &zone, 80));
    }

    #[test]
    fn a_warm_up_and_starts_a_day_are_kept_to() {
        let begun = |warm_up, starts_per_day| simulate(&simulation(warm_up, starts_per_day)).unwrap().days[0].started;
        let warm_up = WarmUp { started_at_ms: START_MS, days: 14 };
        assert!(begun(Some(warm_up), None) * 2 < begun(None, None), "a fifth of the invitations");
        assert_eq!(begun(None, Some(3)), 6, "on two accounts");
    }

    #[test]
    fn accounts_of_ones_own_keep_their_settings() {
        let mut anna = account();
        anna.settings.is_free = true;
        anna.settings.limits.notes_per_month = Some(5);
        anna.settings.limits.warm_up = Some(WarmUp { started_at_ms: START_MS, days: 14 });
        let alone = stored_accounts(vec![anna.clone()], &example()).unwrap_err();
        assert!(matches!(&alone, Failure::Failed(text) if text.contains("no email account")), "{alone:?}");
        let mail = Account { name: "mail".into(), channel: Channel::Email, ..anna.clone() };
        let both = stored_accounts(vec![anna.clone(), mail], &example()).unwrap();
        let found: Vec<_> = both.iter().map(|account| (account.name.as_str(), account.channel)).collect();
        assert_eq!(found, [("anna", Channel::Linkedin), ("mail", Channel::Email)]);
        assert!(both.iter().all(|account| account.settings == anna.settings));
    }

    #[test]
    fn accounts_are_named_or_made_up_and_the_result_says_which() {
        for words in [["--accounts", "2"], ["--warm-up", "14d"]] {
            assert!(args(&[&["--account", "anna"][..], &words[..]].concat()).is_err(), "{words:?}");
        }
        for (words, expected) in [
            (&["--account", "anna", "--account", "mail"][..], "have sent nothing"),
            (&["--accounts", "2"], "standard limits without warm-up"),
            (&["--warm-up", "14d"], "with a warm-up of 14 days"),
        ] {
            assert!(assumed(&args(words).unwrap()).contains(expected), "{words:?}");
        }
    }

    #[test]
    fn shares_are_from_nought_to_one() {
        assert_eq!(share("0.25"), Ok(0.25));
        for word in ["-0.1", "1.1", "30%", "NaN"] {
            assert!(share(word).unwrap_err().contains("hint:"), "{word}");
        }
    }

    #[test]
    fn senders_are_where_most_leads_are() {
        assert_eq!(home(&synthetic(500, 1)), Some(("America/New_York".into(), "US".into())));
        assert_eq!(home(&[]), None);
    }
}
