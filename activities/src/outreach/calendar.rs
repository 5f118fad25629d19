//! When somebody may be contacted: working hours by the wall clock of a zone, without its public holidays.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use leadflow_workflows::domain::account::Hours;
use leadflow_workflows::domain::permits::DAY_MS;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::LazyLock;

const MINUTE_MS: i64 = 60_000;

/// So far ahead the next open time is looked for; there is always one, except before a change of the zone that swallows it.
const FARTHEST_DAYS: i64 = 400;

/// Public holidays by country, then by days since 1970.
static HOLIDAYS: LazyLock<HashMap<String, BTreeMap<i64, String>>> = LazyLock::new(|| {
    let mut holidays: HashMap<String, BTreeMap<i64, String>> = HashMap::new();
    let mut rows = csv::Reader::from_reader(include_str!("../../data/holidays.csv").as_bytes());
    for row in rows.deserialize() {
        let (country, date, name): (String, String, String) =
            row.expect("the embedded table is whole, as a test shows");
        let date: Date = date.parse().expect("the embedded table has ISO dates, as a test shows");
        holidays.entry(country).or_default().insert(day_number(date), name);
    }
    holidays
});

/// The hours of one account, or of one lead.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
    /// Whether each day of the week is a working day; Monday first.
    open_days: [bool; 7],
    from_ms: i64,
    to_ms: i64,
    holidays: Option<&'static BTreeMap<i64, String>>,
}

/// Why nobody may be contacted now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    Hours,
    /// By its name.
    Holiday(String),
}

/// Hours that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalendarError {
    UnknownZone(String),
    NeverOpen,
}

impl Calendar {
    /// `time_zone` is an IANA name, `country` an ISO 3166-1 code in any case. A country whose holidays are not known has
    /// none.
    pub fn new(hours: &Hours, time_zone: &str, country: &str, keep_holidays: bool) -> Result<Self, CalendarError> {
        let zone = TimeZone::get(time_zone).map_err(|_| CalendarError::UnknownZone(time_zone.to_owned()))?;
        let open_days: [bool; 7] =
            std::array::from_fn(|day| u8::try_from(day + 1).is_ok_and(|day| hours.days.contains(&day)));
        let to_minute = hours.to_minute.min(24 * 60);
        if !open_days.contains(&true) || hours.from_minute >= to_minute {
            return Err(CalendarError::NeverOpen);
        }
        Ok(Self {
            zone,
            open_days,
            from_ms: i64::from(hours.from_minute) * MINUTE_MS,
            to_ms: i64::from(to_minute) * MINUTE_MS,
            holidays: HOLIDAYS.get(&country.to_uppercase()).filter(|_| keep_holidays),
        })
    }

    /// Why it is closed at this instant, or nothing if it is open. A holiday is told on working days only.
    pub fn closed_at(&self, at_ms: i64) -> Option<Closed> {
        let local_ms = at_ms.saturating_add(self.offset_ms(at_ms));
        let (day, in_day_ms) = (local_ms.div_euclid(DAY_MS), local_ms.rem_euclid(DAY_MS));
        if !self.is_working_day(day) {
            return Some(Closed::Hours);
        }
        if let Some(name) = self.holiday(day) {
            return Some(Closed::Holiday(name.to_owned()));
        }
        (!(self.from_ms..self.to_ms).contains(&in_day_ms)).then_some(Closed::Hours)
    }

    /// The first open instant from `at_ms` on.
    pub fn next_open(&self, at_ms: i64) -> i64 {
        self.windows(at_ms).next().map_or(i64::MAX, |(open_ms, _)| open_ms)
    }

    /// The open times from `from_ms` on, in order: each with its first instant and the first instant after it.
    ///
    /// The clocks of a zone change at some instants, and between two changes every day has 24 hours. So a working time that
    /// a change cuts comes in pieces, and an hour that comes twice is open twice.
    pub fn windows(&self, from_ms: i64) -> impl Iterator<Item = (i64, i64)> + '_ {
        let farthest_ms = from_ms.saturating_add(FARTHEST_DAYS * DAY_MS);
        let mut since_ms = from_ms;
        let steady = std::iter::from_fn(move || {
            let start_ms = since_ms;
            since_ms = self.next_change_ms(start_ms).min(farthest_ms);
            (start_ms < since_ms).then(|| (start_ms, since_ms, self.offset_ms(start_ms)))
        });
        steady.flat_map(move |(start_ms, end_ms, offset_ms)| {
            let days = (start_ms + offset_ms).div_euclid(DAY_MS)..=(end_ms + offset_ms).div_euclid(DAY_MS);
            let working_days = days.filter(move |day| self.is_working_day(*day) && self.holiday(*day).is_none());
            working_days.filter_map(move |day| {
                let midnight_ms = day * DAY_MS - offset_ms;
                let open_ms = (midnight_ms + self.from_ms).max(start_ms);
                let close_ms = (midnight_ms + self.to_ms).min(end_ms);
                (open_ms < close_ms).then_some((open_ms, close_ms))
            })
        })
    }

    /// The day by the wall clock, counted from the first of January 1970.
    pub fn day(&self, at_ms: i64) -> i64 {
        at_ms.saturating_add(self.offset_ms(at_ms)).div_euclid(DAY_MS)
    }

    fn is_working_day(&self, day: i64) -> bool {
        // The first of January 1970 was a Thursday.
        usize::try_from((day + 3).rem_euclid(7)).is_ok_and(|index| self.open_days[index])
    }

    fn holiday(&self, day: i64) -> Option<&'static str> {
        self.holidays.and_then(|holidays| holidays.get(&day)).map(String::as_str)
    }

    fn offset_ms(&self, at_ms: i64) -> i64 {
        i64::from(self.zone.to_offset(timestamp(at_ms)).seconds()) * 1000
    }

    /// The next instant at which the clocks of the zone change, or the end of time.
    fn next_change_ms(&self, after_ms: i64) -> i64 {
        let change = self.zone.following(timestamp(after_ms)).next();
        change.map_or(i64::MAX, |change| change.timestamp().as_millisecond())
    }
}

impl fmt::Display for CalendarError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownZone(zone) => write!(
                formatter,
                "`{zone}` is not a time zone; hint: write its name in the IANA database, such as `Europe/Berlin`"
            ),
            Self::NeverOpen => formatter.write_str(
                "the working hours are empty; hint: name at least one day, and an end that is later than the beginning",
            ),
        }
    }
}

impl std::error::Error for CalendarError {}

fn timestamp(at_ms: i64) -> Timestamp {
    let range = Timestamp::MIN.as_millisecond()..=Timestamp::MAX.as_millisecond();
    Timestamp::from_millisecond(at_ms.clamp(*range.start(), *range.end())).expect("the instant is in range")
}

fn day_number(date: Date) -> i64 {
    let midnight = date.to_zoned(TimeZone::UTC).expect("every date has a midnight in UTC");
    midnight.timestamp().as_millisecond().div_euclid(DAY_MS)
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
