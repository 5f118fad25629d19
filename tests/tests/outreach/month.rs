//! A month on a fast clock, from New York to Europe: both change their clocks in it, a week apart, and each has holidays.

use crate::{alone, setup};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_activities::store::touches::Touch;
use leadflow_clock::Clock;
use leadflow_sandbox::{EffectEntry, UnipileOptions, WebhookOptions};
use leadflow_tests::field::{DAY_MS, KnownPerson, account_settings, campaign_settings, disagreements, people};
use leadflow_tests::lab::Lab;
use leadflow_workflows::domain::account::{AccountSettings, CampaignSettings, Hours};
use leadflow_workflows::domain::outreach::{Action, Channel, TouchState};
use leadflow_workflows::domain::permits::ActionLimit;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A day of it in five seconds, an hour of common hours in 208 milliseconds.
const SPEED: f64 = 17_280.0;
/// What comes too late for its hours is made on another day, so that a slow machine takes longer.
const PATIENCE: Duration = Duration::from_mins(12);
const SENDER_ZONE: &str = "America/New_York";
const LEADS: usize = 10;
const GAP_MS: i64 = 20 * 60_000;
/// Real time that a call may take from its claim to its arrival.
const ON_THE_WAY: Duration = Duration::from_secs(2);

const SEQUENCE: &str = r#"
name = "month"
stop_on = ["reply"]
[[step]]
id = "look"
visit_profile = true
[[step]]
id = "hello"
after = "1d"
invite = "Hi {{ lead.first_name }}."
[[step]]
wait_for_connection = { timeout = "14d" }
[[step]]
id = "thanks"
after = "1d"
message = "Thanks for connecting, {{ lead.first_name }}."
"#;

/// By the two letters of the country.
fn holidays(country: &str) -> &'static [Date] {
    const VETERANS_DAY: Date = date(2026, 11, 11);
    const NATIONAL_DAY: Date = date(2026, 10, 26);
    match country {
        "US" => &[VETERANS_DAY],
        "AT" => &[NATIONAL_DAY],
        _ => &[],
    }
}

/// Whether somebody works at this instant, by the wall clock of their zone.
fn works(at_ms: i64, zone: &str, country: &str, from_hour: i8, to_hour: i8) -> bool {
    let local = Timestamp::from_millisecond(at_ms).unwrap().to_zoned(TimeZone::get(zone).unwrap());
    local.weekday().to_monday_one_offset() <= 5
        && (from_hour..to_hour).contains(&local.hour())
        && !holidays(country).contains(&local.date())
}

fn hours(from: i8, to: i8) -> Hours {
    let minute = |hour: i8| u16::try_from(hour).unwrap() * 60;
    Hours { days: (1..=5).collect(), from_minute: minute(from), to_minute: minute(to) }
}

/// One account with its campaign.
struct Side {
    provider_account: &'static str,
    /// Of the sender.
    hours: (i8, i8),
    people: Vec<KnownPerson>,
}

const LEAD_HOURS: (i8, i8) = (9, 18);

impl Side {
    fn account(&self) -> AccountSettings {
        let mut settings = account_settings(Channel::Linkedin);
        assert_eq!(settings.time_zone, SENDER_ZONE);
        settings.hours = hours(self.hours.0, self.hours.1);
        let limits = &mut settings.limits.actions;
        limits.insert(Action::Invite, ActionLimit { per_day: 2, per_week: 3, gap_ms: GAP_MS });
        limits.insert(Action::Message, ActionLimit { per_day: 2, per_week: 6, gap_ms: GAP_MS });
        settings
    }

    fn may_contact(&self, person: &KnownPerson, at_ms: i64) -> bool {
        works(at_ms, SENDER_ZONE, "US", self.hours.0, self.hours.1)
            && works(at_ms, &person.timezone, &person.country, LEAD_HOURS.0, LEAD_HOURS.1)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_keeps_the_hours_of_both_sides_and_every_limit() {
    let _alone = alone().await;
    // A Saturday, so that all is ready on Monday.
    let start = date(2026, 10, 17).at(0, 0, 0, 0).in_tz(SENDER_ZONE).unwrap().timestamp();
    let mut setup = setup(1.0);
    setup.clock = Clock::fast(start.as_millisecond(), SPEED);
    setup.sandbox.unipile = UnipileOptions {
        accept_permille: 1_000,
        decline_permille: 0,
        accept_delay_ms: (0, DAY_MS),
        reply_permille: 0,
        webhooks: WebhookOptions { relation_delay_ms: (0, 0), ..WebhookOptions::default() },
        ..UnipileOptions::default()
    };
    let lab = Lab::start(setup).await.unwrap();
    let (first, second) = two_groups();
    // Early risers share five or six hours of a day with Europe, others three or four.
    let wide = Side { provider_account: "acc_li_1", hours: (7, 15), people: first };
    let narrow = Side { provider_account: "acc_li_2", hours: (9, 17), people: second };
    let sequence = lab.add_sequence(SEQUENCE).await.unwrap();
    let settings =
        CampaignSettings { lead_hours: hours(LEAD_HOURS.0, LEAD_HOURS.1), keep_holidays: true, ..campaign_settings() };
    let mut campaigns = Vec::new();
    for side in [&wide, &narrow] {
        let account = lab.add_account(side.provider_account, side.account()).await.unwrap();
        let list = lab.import(side.provider_account, &side.people).await.unwrap();
        let name = side.provider_account;
        campaigns.push(lab.start_campaign(name, &list, &sequence, &[account], settings.clone()).await.unwrap());
    }
    let mut contacts = Vec::new();
    for (side, campaign) in [&wide, &narrow].into_iter().zip(&campaigns) {
        let enrollments = lab.campaign_ended_within(PATIENCE, campaign).await.unwrap();
        let problems = disagreements(&lab, &enrollments).await.unwrap();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        assert!(enrollments.iter().all(|enrollment| enrollment.state.name() == "completed"), "{enrollments:#?}");
        contacts.extend(times_are_right(&lab, side, &enrollments).await);
    }
    // All this has only been seen if something was done in each part of the month, and on the days around a holiday.
    let days: BTreeSet<Date> = contacts.iter().map(|at_ms| local_date(*at_ms)).collect();
    eprintln!("{} contacts on {} days, {days:?}", contacts.len(), days.len());
    let some = |from: Date, to: Date| days.iter().any(|day| (from..=to).contains(day));
    assert!(some(date(2026, 10, 19), date(2026, 10, 23)), "none before Europe changed its clocks");
    assert!(some(date(2026, 10, 26), date(2026, 10, 30)), "none between both changes");
    assert!(some(date(2026, 11, 2), date(2026, 11, 6)), "none after both");
    assert!(some(date(2026, 11, 9), date(2026, 11, 10)) && some(date(2026, 11, 12), date(2026, 11, 13)), "{days:?}");
    lab.stop().await.unwrap();
}

/// Germans, Austrians and Britons in turn, each in one of the groups.
fn two_groups() -> (Vec<KnownPerson>, Vec<KnownPerson>) {
    let by_country = [("DE", 8), ("AT", 4), ("GB", 8)].map(|(country, count)| people(&[country], count).unwrap());
    let mut groups = (Vec::new(), Vec::new());
    for (number, person) in by_country.into_iter().flatten().enumerate() {
        if number % 2 == 0 { groups.0.push(person) } else { groups.1.push(person) }
    }
    assert_eq!((groups.0.len(), groups.1.len()), (LEADS, LEADS));
    groups
}

/// Looks at each contact of a campaign, as the store and as the people have it; returns when they were claimed.
async fn times_are_right(lab: &Lab, side: &Side, enrollments: &[Enrollment]) -> Vec<i64> {
    let by_id: BTreeMap<&str, &KnownPerson> =
        side.people.iter().map(|person| (person.linkedin_public_id.as_str(), person)).collect();
    let effects = lab.sandbox().effects();
    let mut effects: Vec<&EffectEntry> =
        effects.iter().filter(|entry| entry.effect.account_id == side.provider_account).collect();
    effects.sort_by_key(|entry| entry.at_ms);
    let mut claims: BTreeMap<String, Vec<Touch>> = BTreeMap::new();
    for enrollment in enrollments {
        let lead = lab.stack.store.lead(lab.tenant(), &enrollment.lead_id).await.unwrap().unwrap();
        let touches = lab.stack.store.touches(lab.tenant(), &enrollment.id).await.unwrap();
        let sent = touches.into_iter().filter(|touch| touch.state == TouchState::Sent && touch.called_at_ms.is_some());
        claims.insert(lead.linkedin_public_id, sent.collect());
    }

    let mut called = Vec::new();
    for (person, touches) in &claims {
        for touch in touches {
            let at_ms = touch.called_at_ms.unwrap();
            assert!(
                side.may_contact(by_id[person.as_str()], at_ms),
                "{person} of {side}: {touch:?}",
                side = side.provider_account
            );
            called.push(at_ms);
        }
    }
    // A call arrives soon after its claim, and never before.
    let lock_slack_ms = i64::try_from(lab.stack.clock.virtual_duration(ON_THE_WAY).as_millis()).unwrap();
    let mut uses: BTreeMap<Action, Vec<i64>> = BTreeMap::new();
    for entry in &effects {
        let action = action_of(entry);
        let touches = claims[&entry.effect.person].iter().filter(|touch| touch.action == action);
        let claimed_ms = touches.filter_map(|touch| touch.called_at_ms).filter(|at_ms| *at_ms <= entry.at_ms).max();
        let claimed_ms = claimed_ms.unwrap_or_else(|| panic!("nothing was claimed before {entry:?}"));
        assert!(entry.at_ms - claimed_ms <= lock_slack_ms, "{entry:?} was claimed at {claimed_ms}");
        uses.entry(action).or_default().push(entry.at_ms);
    }
    assert!(uses[&Action::Invite].len() == LEADS && uses[&Action::Message].len() == LEADS, "{uses:?}");
    let limits = side.account().limits.actions;
    for (action, at_ms) in &uses {
        let ActionLimit { per_day, per_week, gap_ms } = limits[action];
        for (number, from_ms) in at_ms.iter().enumerate() {
            let within =
                |window_ms: i64| at_ms[number..].iter().take_while(|at_ms| **at_ms - from_ms < window_ms).count();
            assert!(within(DAY_MS) <= per_day as usize, "{action:?}: {} in a day", within(DAY_MS));
            assert!(within(7 * DAY_MS) <= per_week as usize, "{action:?}: {} in a week", within(7 * DAY_MS));
            assert_eq!(within(gap_ms), 1, "{action:?}: a gap is too short");
        }
    }
    called
}

fn action_of(entry: &EffectEntry) -> Action {
    use leadflow_sandbox::EffectKind;
    match entry.effect.kind {
        EffectKind::ProfileView => Action::VisitProfile,
        EffectKind::Invite => Action::Invite,
        EffectKind::Message => Action::Message,
        EffectKind::InMail => Action::Inmail,
        EffectKind::Email => Action::Email,
    }
}

fn local_date(at_ms: i64) -> Date {
    Timestamp::from_millisecond(at_ms).unwrap().to_zoned(TimeZone::get(SENDER_ZONE).unwrap()).date()
}
