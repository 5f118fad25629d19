use super::*;
use leadflow_workflows::domain::account::Hours;
use leadflow_workflows::domain::permits::{DAY_MS, Limits, WarmUp};
use leadflow_workflows::domain::sequence::{Step, StepKind, StopOn};
use std::collections::BTreeSet;

/// Monday, 1 June 2026, 00:00 UTC.
const MONDAY_MS: i64 = 1_780_272_000_000;

fn step(id: &str, after_days: i64, kind: StepKind, end: bool) -> Step {
    Step { id: id.into(), after_ms: after_days * DAY_MS, kind, end }
}

/// Invitation, then messages to those who accept and a mail to those who do not.
fn sequence() -> Sequence {
    let text = || "Hello".to_owned();
    Sequence {
        name: "linkedin, else mail".into(),
        stop_on: BTreeSet::from([StopOn::Reply]),
        steps: vec![
            step("visit", 0, StepKind::VisitProfile, false),
            step("invite", 1, StepKind::Invite { note: text() }, false),
            step(
                "wait",
                0,
                StepKind::WaitForConnection { timeout_ms: 7 * DAY_MS, on_timeout: Some("mail".into()) },
                false,
            ),
            step("thanks", 1, StepKind::Message { text: text() }, false),
            step("again", 3, StepKind::Message { text: text() }, true),
            step("mail", 0, StepKind::Email { subject: text(), text: text() }, false),
        ],
    }
}

fn account(name: &str, channel: Channel) -> SimulatedAccount {
    let settings = AccountSettings {
        time_zone: "America/New_York".into(),
        country: "US".into(),
        hours: Hours::office(),
        limits: Limits::standard(),
        is_free: false,
        from_name: None,
    };
    SimulatedAccount { name: name.into(), channel, settings }
}

fn campaign() -> CampaignSettings {
    CampaignSettings {
        lead_hours: Hours::office(),
        keep_holidays: true,
        stop_company: false,
        allow_parallel: false,
        starts_per_day: None,
        minimum_score: 0,
        leads: None,
        postal_address: None,
        source_notice: None,
        policy: BTreeMap::new(),
    }
}

fn simulation(leads: usize, accounts: usize, days: u32) -> Simulation {
    let each = |number| {
        [Channel::Linkedin, Channel::Email].map(|channel| account(&format!("{} {number}", channel.name()), channel))
    };
    Simulation {
        leads: synthetic(leads, 7),
        sequence: sequence(),
        accounts: (0..accounts).flat_map(each).collect(),
        campaign: campaign(),
        rates: Rates::default(),
        seed: 7,
        start_ms: MONDAY_MS,
        days,
    }
}

#[test]
fn a_month_of_many_leads_breaks_no_limit_and_uses_what_there_is() {
    let report = simulate(&simulation(2_000, 3, 30)).unwrap();
    assert_eq!(report.collisions, 0);
    let begun: u32 = report.states.values().sum();
    assert_eq!(begun + report.waiting, 2_000);
    assert_eq!(begun, report.days.iter().map(|day| day.started).sum::<u32>());
    let invites: u32 = report.accounts.iter().map(|account| account.touches(Action::Invite)).sum();
    // Four weeks and two days of 100 a week and account, less one holiday.
    assert!((3 * 340..=3 * 440).contains(&invites), "{invites}");
    for account in &report.accounts {
        for (day, touches) in account.days.iter().enumerate() {
            assert!(touches.get("invite").is_none_or(|invites| *invites <= 20), "{day}: {touches:?}");
            assert!(touches.is_empty() || !matches!(day % 7, 6 | 0), "contacts on day {day}, a weekend");
        }
    }
    for state in ["invite_sent", "messaged", "completed", "replied"] {
        assert!(report.states.contains_key(state), "{state} is missing: {:?}", report.states);
    }
    assert!(report.busiest_minute.is_some_and(|minute| (1..=9).contains(&minute.touches)));
    assert!(report.temporal.actions_per_enrollment <= 16.0, "{:?}", report.temporal);
    assert!(report.temporal.events_per_enrollment <= 80.0, "{:?}", report.temporal);
    assert_eq!(report, simulate(&simulation(2_000, 3, 30)).unwrap());
}

#[test]
fn limits_that_bite_are_kept_and_named() {
    let mut simulation = simulation(400, 2, 45);
    for account in &mut simulation.accounts {
        account.settings.limits.warm_up = Some(WarmUp { started_at_ms: MONDAY_MS, days: 20 });
        account.settings.limits.notes_per_month = Some(40);
    }
    let report = simulate(&simulation).unwrap();
    assert_eq!(report.collisions, 0);
    let invites: u32 = report.accounts.iter().map(|account| account.touches(Action::Invite)).sum();
    assert!((100..=160).contains(&invites), "{invites} invitations");
    assert!(report.holds.contains_key("sender_hours") || report.holds.contains_key("lead_hours"), "{:?}", report.holds);
}

#[test]
fn a_look_before_an_invitation_counts_as_a_visit() {
    let mut simulation = simulation(200, 1, 14);
    simulation.sequence.steps.retain(|step| step.id == "invite");
    for account in &mut simulation.accounts {
        account.settings.limits.actions.entry(Action::VisitProfile).and_modify(|limit| limit.per_day = 5);
    }
    let report = simulate(&simulation).unwrap();
    assert_eq!(report.collisions, 0);
    let invites: Vec<u32> = report.days.iter().filter_map(|day| day.touches.get("invite").copied()).collect();
    assert!(invites.contains(&5) && invites.iter().all(|invites| *invites <= 5), "{invites:?}");
}

#[test]
fn one_lead_who_accepts_costs_what_its_steps_cost() {
    let mut simulation = simulation(1, 1, 40);
    simulation.rates = Rates { accept: 1.0, reply: 0.0, ..Rates::default() };
    let report = simulate(&simulation).unwrap();
    assert_eq!((report.touches(), report.states.get("completed")), (4, Some(&1)));
    // Start, first decision, a timer and an activity for each contact, the wait for the connection with the signal and the
    // decision that end it, the search attribute at the end.
    assert_eq!(report.temporal.enrollment_actions, 1 + 1 + 4 * 2 + 3 + 1);
    assert_eq!(report.temporal.other_actions, 2 * 40 * (24 + 2 * 4));
}

#[test]
fn a_reply_ends_the_contacts() {
    let mut simulation = simulation(50, 1, 60);
    simulation.rates = Rates { accept: 1.0, accept_after_ms: 3_600_000, reply: 1.0, reply_after_ms: 3_600_000 };
    let report = simulate(&simulation).unwrap();
    assert_eq!(report.states.get("replied").copied().unwrap_or(0), 50, "{:?}", report.states);
    assert_eq!(report.days.last().map(|day| day.open), Some(0));
}

#[test]
fn an_account_without_known_zone_is_refused() {
    let mut simulation = simulation(1, 1, 1);
    simulation.accounts[0].settings.time_zone = "Mars/Olympus".into();
    assert_eq!(simulate(&simulation).unwrap_err(), CalendarError::UnknownZone("Mars/Olympus".into()));
}
