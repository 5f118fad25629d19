use super::*;
use jiff::Zoned;
use proptest::prelude::*;
use std::collections::BTreeSet;

const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Every zone of the places that are known.
static ZONES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut rows = csv::Reader::from_reader(include_str!("../../data/places.csv").as_bytes());
    let zones: BTreeSet<String> = rows.records().map(|row| row.unwrap()[4].to_owned()).collect();
    zones.into_iter().collect()
});

fn ms(text: &str) -> i64 {
    text.parse::<Zoned>().unwrap().timestamp().as_millisecond()
}

fn hours(days: &[u8], from_minute: u16, to_minute: u16) -> Hours {
    Hours { days: days.iter().copied().collect(), from_minute, to_minute }
}

fn office(zone: &str, country: &str) -> Calendar {
    Calendar::new(&Hours::office(), zone, country, true).unwrap()
}

/// How much open time there is from one instant to another.
fn open_ms_between(calendar: &Calendar, from_ms: i64, to_ms: i64) -> i64 {
    let windows = calendar.windows(from_ms).take_while(|(open_ms, _)| *open_ms < to_ms);
    windows.map(|(open_ms, close_ms)| close_ms.min(to_ms) - open_ms).sum()
}

/// By the words of the rule, with the calendar of another library's making.
fn is_open(hours: &Hours, zone: &TimeZone, holidays: &[Date], at_ms: i64) -> bool {
    let local = Timestamp::from_millisecond(at_ms).unwrap().to_zoned(zone.clone());
    let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap();
    let day = u8::try_from(local.weekday().to_monday_one_offset()).unwrap();
    hours.days.contains(&day)
        && (hours.from_minute..hours.to_minute).contains(&minute)
        && !holidays.contains(&local.date())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any zone, any hours, any two days of ten years: minute by minute as the wall clock says.
    #[test]
    fn open_is_what_the_wall_clock_says(
        zone in prop::sample::select(&*ZONES), days in prop::collection::btree_set(1..=7u8, 1..7), from_minute in 0..1440u16,
        length in 1..1440u16, start_minute in 0..(10 * 365 * 1440i64), country in prop::sample::select(vec!["US", "DE", "ZZ"]),
    ) {
        let hours = Hours { days, from_minute, to_minute: (from_minute + length).min(1440) };
        same_as_the_wall_clock(&hours, &zone, country, ms("2020-01-01T00:00Z[UTC]") + start_minute * MINUTE_MS, 2 * 1440)?;
    }

    /// The same around the changes of the clocks, where mistakes would be.
    #[test]
    fn a_change_of_the_clocks_moves_no_hour(
        zone in prop::sample::select(&*ZONES), year in 2024..2032i16, from_minute in 0..1440u16, length in 1..1440u16,
    ) {
        let hours = Hours { days: (1..=7).collect(), from_minute, to_minute: (from_minute + length).min(1440) };
        let tz = TimeZone::get(&zone).unwrap();
        let new_year = jiff::civil::date(year, 1, 1).to_zoned(tz.clone()).unwrap().timestamp();
        let year_end_ms = new_year.as_millisecond() + 366 * DAY_MS;
        for change in tz.following(new_year).take_while(|change| change.timestamp().as_millisecond() < year_end_ms) {
            let start_ms = change.timestamp().as_millisecond() - 12 * HOUR_MS;
            same_as_the_wall_clock(&hours, &zone, "ZZ", start_ms, 1440)?;
        }
    }

    /// A window is open from its first to its last instant and closed around; nothing open is between two.
    #[test]
    fn windows_are_all_that_is_open(zone in prop::sample::select(&*ZONES), start_minute in 0..(10 * 365 * 1440i64)) {
        let calendar = office(&zone, "US");
        let start_ms = ms("2020-01-01T00:00Z[UTC]") + start_minute * MINUTE_MS;
        let mut last_ms = start_ms;
        for (open_ms, close_ms) in calendar.windows(start_ms).take(12) {
            prop_assert!(last_ms <= open_ms && open_ms < close_ms);
            prop_assert_eq!(calendar.closed_at(open_ms), None);
            prop_assert_eq!(calendar.closed_at(close_ms - 1), None);
            prop_assert!(calendar.closed_at(close_ms).is_some());
            prop_assert!(open_ms == start_ms || calendar.closed_at(open_ms - 1).is_some());
            prop_assert_eq!(calendar.next_open(last_ms), open_ms);
            last_ms = close_ms;
        }
    }
}

fn same_as_the_wall_clock(
    hours: &Hours,
    zone: &str,
    country: &str,
    start_ms: i64,
    minutes: i64,
) -> Result<(), TestCaseError> {
    let calendar = Calendar::new(hours, zone, country, true).unwrap();
    let tz = TimeZone::get(zone).unwrap();
    let holidays: Vec<Date> = HOLIDAYS.get(country).map_or_else(Vec::new, |days| {
        days.keys()
            .map(|day| Timestamp::from_millisecond(day * DAY_MS).unwrap().to_zoned(TimeZone::UTC).date())
            .collect()
    });
    let mut open_minutes = 0;
    for minute in 0..minutes {
        let at_ms = start_ms + minute * MINUTE_MS;
        let open = is_open(hours, &tz, &holidays, at_ms);
        prop_assert_eq!(calendar.closed_at(at_ms).is_none(), open, "{} at {}", zone, at_ms);
        open_minutes += i64::from(open);
    }
    prop_assert_eq!(open_ms_between(&calendar, start_ms, start_ms + minutes * MINUTE_MS), open_minutes * MINUTE_MS);
    Ok(())
}

#[test]
fn whole_years_of_every_zone_have_no_contact_outside_of_office_hours() {
    for zone in ZONES.iter() {
        let (calendar, tz) = (office(zone, "DE"), TimeZone::get(zone).unwrap());
        let mut days = 0;
        for (open_ms, close_ms) in calendar.windows(ms("2026-01-01T00:00Z[UTC]")) {
            if open_ms >= ms("2028-01-01T00:00Z[UTC]") {
                break;
            }
            let local = |at_ms| Timestamp::from_millisecond(at_ms).unwrap().to_zoned(tz.clone());
            let (first, last) = (local(open_ms), local(close_ms - 1));
            assert_eq!(first.date(), last.date(), "{zone}");
            assert!(first.weekday().to_monday_one_offset() <= 5, "{zone}");
            assert!(first.hour() >= 9 && last.hour() < 17, "{zone}: {first} to {last}");
            days += 1;
        }
        // 400 days ahead of the start: as many working days as everywhere, less the holidays.
        assert!((260..=286).contains(&days), "{zone}: {days}");
    }
}

#[test]
fn an_hour_that_comes_twice_is_open_twice_and_one_that_never_comes_is_not() {
    let night = |from, to| Calendar::new(&hours(&[7], from, to), "Europe/Berlin", "DE", true).unwrap();
    let (autumn, spring) = (ms("2026-10-25T00:00[Europe/Berlin]"), ms("2026-03-29T00:00[Europe/Berlin]"));
    assert_eq!(open_ms_between(&night(150, 180), autumn, autumn + DAY_MS), 2 * 30 * MINUTE_MS);
    assert_eq!(open_ms_between(&night(0, 1440), autumn, autumn + 26 * HOUR_MS), 25 * HOUR_MS);
    assert_eq!(open_ms_between(&night(120, 180), spring, spring + DAY_MS), 0);
    assert_eq!(open_ms_between(&night(0, 1440), spring, spring + DAY_MS), 23 * HOUR_MS);
    // The Sunday after has the hour again.
    assert_eq!(night(120, 180).next_open(spring), ms("2026-04-05T02:00[Europe/Berlin]"));
}

#[test]
fn offices_open_at_nine_by_their_own_clock_before_and_after_a_change() {
    let calendar = office("America/New_York", "US");
    assert_eq!(calendar.next_open(ms("2026-03-06T17:00[America/New_York]")), ms("2026-03-09T09:00[America/New_York]"));
    assert_eq!(calendar.next_open(ms("2026-10-30T17:00[America/New_York]")), ms("2026-11-02T09:00[America/New_York]"));
}

#[test]
fn holidays_are_closed_unless_they_are_not_to_be_kept() {
    let christmas = ms("2026-12-25T10:00[Europe/Berlin]");
    let kept = office("Europe/Berlin", "de");
    assert!(matches!(kept.closed_at(christmas), Some(Closed::Holiday(name)) if name.contains("Christmas")));
    // A holiday at the weekend is a weekend.
    assert_eq!(kept.closed_at(ms("2026-12-26T10:00[Europe/Berlin]")), Some(Closed::Hours));
    assert_eq!(kept.next_open(christmas), ms("2026-12-28T09:00[Europe/Berlin]"));
    let not_kept = Calendar::new(&Hours::office(), "Europe/Berlin", "DE", false).unwrap();
    assert_eq!(not_kept.closed_at(christmas), None);
}

#[test]
fn hours_that_cannot_be_kept_are_refused_with_a_hint() {
    for hours in [hours(&[], 0, 60), hours(&[1], 60, 60), hours(&[8], 0, 60)] {
        assert_eq!(Calendar::new(&hours, "UTC", "DE", true).unwrap_err(), CalendarError::NeverOpen);
    }
    let error = Calendar::new(&Hours::office(), "Europe/Bamberg", "DE", true).unwrap_err();
    assert!(error.to_string().contains("`Europe/Bamberg`") && error.to_string().contains("hint:"), "{error}");
}
