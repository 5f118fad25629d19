//! What a simulation foretells is what a campaign does.
//!
//! On a fast clock a worker that comes a moment late misses its place in the day, which no simulation foretells. So a run that
//! disagrees is made again on a slower clock: on a slow machine this takes longer, and only a simulation that is wrong
//! disagrees at every speed.

use crate::{alone, setup};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use leadflow_activities::outreach::sequence_file;
use leadflow_activities::outreach::simulate::{Rates, SimulatedAccount, SimulatedLead, Simulation, simulate};
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_clock::Clock;
use leadflow_sandbox::{Accept, Behaviour, ReplyRule, UnipileOptions, WebhookOptions};
use leadflow_tests::field::{HOUR_MS, KnownPerson, account_settings, campaign_settings, people};
use leadflow_tests::lab::Lab;
use leadflow_workflows::domain::account::{AccountSettings, CampaignSettings, Hours};
use leadflow_workflows::domain::outreach::{Action, Channel, TouchState};
use leadflow_workflows::domain::permits::ActionLimit;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const LEADS: usize = 10;
const DAYS: u32 = 15;
/// A day in 18 seconds at first, and then in twice as many each time.
const SPEEDS: [f64; 3] = [4_800.0, 2_400.0, 1_200.0];
/// Of two weeks on the slowest clock.
const PATIENCE: Duration = Duration::from_mins(12);
const ZONE: &str = "America/New_York";
const ACCEPT_AFTER_MS: i64 = 60_000;

/// Each wait ends before the next morning, so that chance moves a contact within its day and not to another.
const SEQUENCE: &str = r#"
name = "agreement"
stop_on = ["reply", "opt_out", "bounce"]
[[step]]
id = "look"
visit_profile = true
[[step]]
id = "hello"
after = "14h"
invite = "Hi {{ lead.first_name }}."
[[step]]
wait_for_connection = { timeout = "62h", on_timeout = "mail" }
[[step]]
id = "thanks"
after = "14h"
message = "Thanks for connecting, {{ lead.first_name }}."
end = true
[[step]]
id = "mail"
subject = "An idea"
email = "Hello {{ lead.first_name }}."
"#;

/// Contacts by day of the account's wall clock, then by action.
type Days = BTreeMap<(i64, &'static str), usize>;

/// A campaign whose people all accept, or all do not.
struct Course {
    name: &'static str,
    accepts: bool,
    people: Vec<KnownPerson>,
    /// A LinkedIn account and a mailbox.
    accounts: [&'static str; 2],
    starts_per_day: Option<u32>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulation_agrees_with_a_campaign_day_by_day() {
    let _alone = alone().await;
    // A Sunday: setting up takes hours of a fast clock, and is over before the first day of work.
    let start = jiff::civil::date(2026, 9, 13).at(9, 0, 0, 0).in_tz(ZONE).unwrap().timestamp().as_millisecond();
    let courses = courses();
    let simulated = courses.each_ref().map(|course| simulated(course, start));
    for speed in SPEEDS {
        let real = run(&courses, start, speed).await;
        let (mut difference, mut total) = (0, 0);
        for ((course, simulated), real) in courses.iter().zip(&simulated).zip(&real) {
            assert_eq!(by_action(real), by_action(simulated), "{}: in all", course.name);
            eprintln!("{}: day, action, simulated, real", course.name);
            for key in real.keys().chain(simulated.keys()).collect::<BTreeSet<_>>() {
                let count = |days: &Days| days.get(key).copied().unwrap_or(0);
                eprintln!("  {:>2} {:<13} {:>3} {:>3}", key.0, key.1, count(simulated), count(real));
                difference += count(simulated).abs_diff(count(real));
                total += count(simulated);
            }
        }
        // A contact on another day is one too few there and one too many here.
        let moved = difference / 2;
        eprintln!("{speed} times as fast as time, {moved} of {total} contacts are on another day");
        if moved * 20 <= total {
            return;
        }
    }
    panic!("at every speed more than 5 % of all contacts are on another day than the simulation says");
}

fn courses() -> [Course; 2] {
    let mut everybody = people_of_the_zone();
    let others = everybody.split_off(LEADS);
    [
        // As many begin on a day as are wanted.
        Course {
            name: "accepted",
            accepts: true,
            people: everybody,
            accounts: ["acc_li_1", "acc_mail_1"],
            starts_per_day: Some(5),
        },
        // As many begin as the limit of invitations has room for.
        Course {
            name: "ignored",
            accepts: false,
            people: others,
            accounts: ["acc_li_2", "acc_mail_2"],
            starts_per_day: None,
        },
    ]
}

/// The contacts of each course, on a clock of this speed.
async fn run(courses: &[Course], start_ms: i64, speed: f64) -> Vec<Days> {
    let mut setup = setup(1.0);
    setup.clock = Clock::fast(start_ms, speed);
    setup.sandbox.unipile = UnipileOptions {
        reply_permille: 0,
        bounce_permille: 0,
        reject_permille: 0,
        complaint_permille: 0,
        webhooks: WebhookOptions { relation_delay_ms: (0, 0), ..WebhookOptions::default() },
        ..UnipileOptions::default()
    };
    let lab = Lab::start(setup).await.unwrap();
    let sequence = lab.add_sequence(SEQUENCE).await.unwrap();
    let mut campaigns = Vec::new();
    for course in courses {
        let mut accounts = Vec::new();
        for name in course.accounts {
            accounts.push(lab.add_account(name, account(name)).await.unwrap());
        }
        for person in &course.people {
            let accept = if course.accepts { Accept::Later } else { Accept::Never };
            let behaviour = Behaviour {
                accept: Some(accept),
                accept_after_ms: Some(ACCEPT_AFTER_MS),
                reply: ReplyRule::Never,
                bounce: Some(false),
            };
            lab.sandbox().set_unipile_behaviour(&person.linkedin_public_id, behaviour);
        }
        let list = lab.import(course.name, &course.people).await.unwrap();
        let settings = settings(course);
        campaigns.push(lab.start_campaign(course.name, &list, &sequence, &accounts, settings).await.unwrap());
    }
    let mut real = Vec::new();
    for campaign in &campaigns {
        let enrollments = lab.campaign_ended_within(PATIENCE, campaign).await.unwrap();
        assert_eq!(enrollments.len(), LEADS);
        real.push(days(&lab, &enrollments, start_ms).await);
    }
    lab.stop().await.unwrap();
    real
}

fn people_of_the_zone() -> Vec<KnownPerson> {
    let people = people(&["US"], 600).unwrap().into_iter().filter(|person| person.timezone == ZONE);
    let people: Vec<KnownPerson> = people.take(2 * LEADS).collect();
    assert_eq!(people.len(), 2 * LEADS);
    people
}

fn hours() -> Hours {
    Hours { days: (1..=5).collect(), from_minute: 8 * 60, to_minute: 18 * 60 }
}

fn account(name: &str) -> AccountSettings {
    let channel = if name.starts_with("acc_mail") { Channel::Email } else { Channel::Linkedin };
    let mut settings = account_settings(channel);
    settings.hours = hours();
    // A look in flight counts until its call's deadline, which on a fast clock is hours away: no gap is kept to it.
    if let Some(visits) = settings.limits.actions.get_mut(&Action::VisitProfile) {
        visits.gap_ms = 0;
    }
    if channel == Channel::Linkedin {
        let invites = ActionLimit { per_day: 6, per_week: 12, gap_ms: HOUR_MS / 6 };
        settings.limits.actions.insert(Action::Invite, invites);
    }
    settings
}

fn settings(course: &Course) -> CampaignSettings {
    CampaignSettings {
        lead_hours: hours(),
        keep_holidays: true,
        starts_per_day: course.starts_per_day,
        ..campaign_settings()
    }
}

fn simulated(course: &Course, start_ms: i64) -> Days {
    let lead = |person: &KnownPerson| SimulatedLead {
        score: 100,
        country: person.country.clone(),
        time_zone: person.timezone.clone(),
        has_profile: true,
        has_email: true,
    };
    let account = |name: &&str| SimulatedAccount {
        name: (*name).to_owned(),
        channel: if name.starts_with("acc_mail") { Channel::Email } else { Channel::Linkedin },
        settings: account(name),
    };
    let accept = if course.accepts { 1.0 } else { 0.0 };
    let report = simulate(&Simulation {
        leads: course.people.iter().map(lead).collect(),
        sequence: sequence_file::parse("sequence.toml", SEQUENCE, None).unwrap(),
        accounts: course.accounts.iter().map(account).collect(),
        campaign: settings(course),
        // A mean of nothing is the shortest delay.
        rates: Rates { accept, accept_after_ms: 0, reply: 0.0, reply_after_ms: 0 },
        seed: 1,
        start_ms,
        days: DAYS,
    });
    let report = report.unwrap();
    assert_eq!((report.waiting, report.collisions), (0, 0));
    let mut days = Days::new();
    for (day, actions) in report.accounts.iter().flat_map(|account| (0..).zip(&account.days)) {
        for (action, count) in actions {
            *days.entry((day, *action)).or_default() += *count as usize;
        }
    }
    days
}

async fn days(lab: &Lab, enrollments: &[Enrollment], start_ms: i64) -> Days {
    let date = |at_ms: i64| Timestamp::from_millisecond(at_ms).unwrap().to_zoned(TimeZone::get(ZONE).unwrap()).date();
    let mut days = Days::new();
    for touch in lab.touches(enrollments).await.unwrap() {
        // A look at a profile is part of the invitation after it, and needed again when that is a day late.
        let is_step = !touch.step_id.contains('/');
        if let (TouchState::Sent, Some(called_at_ms), true) = (touch.state, touch.called_at_ms, is_step) {
            let day = (date(called_at_ms) - date(start_ms)).get_days();
            *days.entry((i64::from(day), touch.action.name())).or_default() += 1;
        }
    }
    days
}

fn by_action(days: &Days) -> BTreeMap<&'static str, usize> {
    let mut actions = BTreeMap::new();
    for ((_, action), count) in days {
        *actions.entry(*action).or_default() += count;
    }
    actions
}
