use super::*;
use leadflow_workflows::domain::account::Hours;
use leadflow_workflows::domain::permits::{ActionLimit, DAY_MS};
use proptest::prelude::*;

const HOUR_MS: i64 = 3_600_000;
/// Monday, 1 June 2026, 00:00 UTC.
const MONDAY_MS: i64 = 1_780_272_000_000;

fn limits(per_day: u32, per_week: u32, gap_minutes: i64) -> Limits {
    let limit = ActionLimit { per_day, per_week, gap_ms: gap_minutes * 60_000 };
    Limits { actions: [(Action::Invite, limit)].into(), warm_up: None, notes_per_month: None }
}

fn office(zone: &str, country: &str) -> Calendar {
    Calendar::new(&Hours::office(), zone, country, true).unwrap()
}

fn at(at_ms: i64) -> Use {
    Use { action: Action::Invite, has_note: false, from_ms: at_ms, until_ms: at_ms }
}

fn request<'a>(due_ms: i64, limits: &'a Limits, calendar: &'a Calendar, uses: &'a [Use]) -> PlanRequest<'a> {
    let (sender, lead) = (calendar, calendar);
    PlanRequest {
        due_ms,
        now_ms: due_ms,
        action: Action::Invite,
        has_note: false,
        limits,
        sender,
        lead,
        uses,
        jitter: 0,
    }
}

fn most_in(uses: &[Use], window_ms: i64) -> usize {
    let within =
        |last: &Use| uses.iter().filter(|used| (0..window_ms).contains(&(last.from_ms - used.from_ms))).count();
    uses.iter().map(within).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// Whoever asks, when and in whatever order: all plans together keep the limits, and each is in the hours of both.
    #[test]
    fn plans_keep_limits_and_hours_in_any_order(
        requests in prop::collection::vec((0..96 * HOUR_MS, 0..72 * HOUR_MS, any::<u64>(), 0..6usize), 1..70),
        per_day in 1..9u32, per_week in 4..20u32, gap_minutes in 0..60i64, sender in 0..6usize,
    ) {
        let zones = [
            ("Europe/Berlin", "DE"), ("America/New_York", "US"), ("Asia/Kolkata", "IN"), ("Australia/Sydney", "AU"),
            ("Pacific/Honolulu", "US"), ("Etc/UTC", "ZZ"),
        ];
        let calendars = zones.map(|(zone, country)| office(zone, country));
        let limits = limits(per_day, per_week, gap_minutes);
        // End of October: the clocks of some zones change.
        let start_ms = MONDAY_MS + 144 * DAY_MS;
        let mut uses: Vec<Use> = Vec::new();
        for (now, due, jitter, lead) in requests {
            let (sender, lead) = (&calendars[sender], &calendars[lead]);
            let now_ms = start_ms + now;
            let request = PlanRequest { now_ms, sender, lead, jitter, ..request(now_ms + due, &limits, lead, &uses) };
            let planned = plan(&request);
            prop_assert_eq!(&plan(&request), &planned);
            prop_assert!(planned.at_ms <= now_ms + HORIZON_MS);
            prop_assert!(planned.is_slot || planned.at_ms == now_ms + HORIZON_MS && planned.hold.is_some());
            if planned.is_slot {
                prop_assert!(planned.at_ms >= now_ms + due);
                prop_assert_eq!(sender.closed_at(planned.at_ms), None);
                prop_assert_eq!(lead.closed_at(planned.at_ms), None);
                uses.push(at(planned.at_ms));
            }
        }
        prop_assert!(most_in(&uses, DAY_MS) <= per_day as usize);
        prop_assert!(most_in(&uses, 7 * DAY_MS) <= per_week as usize);
        prop_assert!(gap_minutes == 0 || most_in(&uses, gap_minutes * 60_000) <= 1);
        // What was planned may be made when its time has come: nothing then refuses it.
        for planned in &uses {
            let others: Vec<Use> = uses.iter().filter(|used| used.from_ms != planned.from_ms).copied().collect();
            prop_assert_eq!(refusal(&limits, Action::Invite, false, &others, planned.from_ms), None);
        }
    }
}

#[test]
fn contacts_of_a_day_are_spread_over_its_hours() {
    let (limits, calendar) = (limits(100, 500, 0), office("Etc/UTC", "ZZ"));
    let open_ms = MONDAY_MS + 9 * HOUR_MS;
    let planned = (0..100u64).map(|number| {
        let jitter = number * ((8 * HOUR_MS - LATE_MS) / 100).unsigned_abs();
        plan(&PlanRequest { jitter, ..request(open_ms, &limits, &calendar, &[]) }).at_ms
    });
    let hours: Vec<i64> = planned.map(|at_ms| (at_ms - open_ms).div_euclid(HOUR_MS)).collect();
    for hour in 0..8 {
        let expected = if hour < 7 { 12..=14 } else { 9..=10 };
        assert!(expected.contains(&hours.iter().filter(|other| **other == hour).count()), "{hours:?}");
    }
}

#[test]
fn what_is_due_at_the_end_of_a_day_may_be_made_on_the_next() {
    let (limits, calendar) = (limits(100, 500, 0), office("Etc/UTC", "ZZ"));
    let due_ms = MONDAY_MS + 16 * HOUR_MS + HOUR_MS / 2;
    let at = |jitter| plan(&PlanRequest { jitter, ..request(due_ms, &limits, &calendar, &[]) }).at_ms;
    let (half_ms, next_ms) = (u64::try_from(HOUR_MS / 2).unwrap(), MONDAY_MS + 33 * HOUR_MS);
    // A quarter of an hour is left of the day, and the rest of the hour comes on the next.
    assert_eq!([at(0), at(half_ms), at(2 * half_ms - 1)], [due_ms, next_ms + LATE_MS, next_ms + 3 * LATE_MS - 1]);
}

#[test]
fn a_limit_that_decides_is_used_as_soon_as_it_allows() {
    let (limits, calendar) = (limits(2, 9, 0), office("Etc/UTC", "ZZ"));
    let uses = [at(MONDAY_MS + 10 * HOUR_MS), at(MONDAY_MS + 11 * HOUR_MS)];
    for jitter in [0, 1_000_000_007, u64::MAX] {
        let planned = plan(&PlanRequest { jitter, ..request(MONDAY_MS + 12 * HOUR_MS, &limits, &calendar, &uses) });
        let first_ms = MONDAY_MS + DAY_MS + 10 * HOUR_MS;
        assert!((first_ms..first_ms + SCARCE_JITTER_MS).contains(&planned.at_ms));
        assert_eq!(planned.hold, Some(Hold::DailyLimit { action: Action::Invite, limit: 2 }));
    }
}

#[test]
fn the_hold_names_what_makes_a_contact_late() {
    let none = limits(0, 0, 0);
    let limits = limits(20, 100, 5);
    let (berlin, los_angeles) = (office("Europe/Berlin", "DE"), office("America/Los_Angeles", "US"));
    let noon_ms = MONDAY_MS + 10 * HOUR_MS;
    let hold = |request: PlanRequest<'_>| plan(&request).hold;
    assert_eq!(hold(request(noon_ms, &limits, &berlin, &[])), None);
    assert_eq!(hold(request(noon_ms + 8 * HOUR_MS, &limits, &berlin, &[])), Some(Hold::SenderHours));
    assert_eq!(
        hold(PlanRequest { due_ms: noon_ms + 8 * DAY_MS, ..request(noon_ms, &limits, &berlin, &[]) }),
        Some(Hold::NotDue)
    );
    // Their hours never meet.
    let apart = plan(&PlanRequest { lead: &los_angeles, ..request(noon_ms, &limits, &berlin, &[]) });
    assert_eq!((apart.at_ms, apart.is_slot), (noon_ms + HORIZON_MS, false));
    // Nothing is allowed at all.
    let planned = plan(&request(noon_ms, &none, &berlin, &[]));
    assert_eq!((planned.at_ms, planned.is_slot), (noon_ms + HORIZON_MS, false));
    assert_eq!(planned.hold, Some(Hold::DailyLimit { action: Action::Invite, limit: 0 }));
    // New Year's Day.
    let new_year_ms = MONDAY_MS + 214 * DAY_MS + 10 * HOUR_MS;
    let holiday = hold(request(new_year_ms, &limits, &berlin, &[]));
    assert!(matches!(&holiday, Some(Hold::SenderHoliday { name }) if name.contains("New Year")), "{holiday:?}");
}

#[test]
fn a_check_asks_both_sides_then_the_limits() {
    let limits = limits(1, 5, 0);
    let (utc, sydney) = (office("Etc/UTC", "ZZ"), office("Australia/Sydney", "ZZ"));
    let at_ms = |hour| MONDAY_MS + hour * HOUR_MS;
    let check = |now_ms, lead, uses: &[Use]| {
        let (action, has_note, sender) = (Action::Invite, false, &utc);
        check(&CheckRequest { now_ms, action, has_note, limits: &limits, sender, lead, uses })
    };
    assert_eq!(check(at_ms(10), &utc, &[]), None);
    assert_eq!(check(at_ms(8), &utc, &[]), Some((Hold::SenderHours, at_ms(9))));
    assert_eq!(check(at_ms(10), &sydney, &[]), Some((Hold::LeadHours, at_ms(23))));
    let limit = Hold::DailyLimit { action: Action::Invite, limit: 1 };
    assert_eq!(check(at_ms(10), &utc, &[at(at_ms(9))]), Some((limit, at_ms(33))));
    assert_eq!(check(at_ms(10), &utc, &[at(at_ms(11))]), None);
}
