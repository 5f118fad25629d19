//! What a person writes for hours, limits and times on the command line, and how these are shown again.

use leadflow_workflows::domain::account::Hours;
use leadflow_workflows::domain::brief::Place;
use leadflow_workflows::domain::outreach::Action;
use leadflow_workflows::domain::permits::{ActionLimit, DAY_MS};
use std::collections::BTreeSet;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const HOURS_HINT: &str = "write for example `mon-fri 09:00-17:00` or `mon,wed,sat 8:00-12:30`";

/// One limit to set: only what is named changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitWord {
    pub action: Action,
    per_day: Option<u32>,
    per_week: Option<u32>,
    gap_ms: Option<i64>,
}

impl LimitWord {
    pub fn apply(self, limit: &mut ActionLimit) {
        limit.per_day = self.per_day.unwrap_or(limit.per_day);
        limit.per_week = self.per_week.unwrap_or(limit.per_week);
        limit.gap_ms = self.gap_ms.unwrap_or(limit.gap_ms);
    }
}

/// `mon-fri 09:00-17:00`.
pub fn hours(text: &str) -> Result<Hours, String> {
    let read = || {
        let (days, times) = text.trim().split_once(char::is_whitespace)?;
        let mut set = BTreeSet::new();
        for part in days.to_lowercase().split(',') {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to) = (day(from)?, day(to)?);
            // `sat-mon` goes over the end of the week.
            set.extend(
                (0..7).map(|offset| (from + offset) % 7).take(usize::from((to + 7 - from) % 7) + 1).map(|day| day + 1),
            );
        }
        let (from, to) = times.trim().split_once('-')?;
        let hours = Hours { days: set, from_minute: minute(from)?, to_minute: minute(to)? };
        (hours.from_minute < hours.to_minute).then_some(hours)
    };
    read().ok_or_else(|| format!("`{text}` are no working hours\n  hint: {HOURS_HINT}"))
}

/// From 0 for Monday.
fn day(word: &str) -> Option<u8> {
    DAYS.iter().position(|day| *day == word.trim()).and_then(|position| u8::try_from(position).ok())
}

fn minute(word: &str) -> Option<u16> {
    let (hours, minutes) = word.trim().split_once(':').unwrap_or((word.trim(), "0"));
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 24 && minutes < 60).then(|| hours * 60 + minutes).filter(|minute| *minute <= 24 * 60)
}

pub fn shown_hours(hours: &Hours) -> String {
    let mut spans: Vec<(u8, u8)> = Vec::new();
    for day in &hours.days {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == *day => *last = *day,
            _ => spans.push((*day, *day)),
        }
    }
    let name = |day: u8| DAYS.get(usize::from(day).saturating_sub(1)).copied().unwrap_or("?");
    let days: Vec<String> = spans
        .into_iter()
        .map(|(first, last)| if first == last { name(first).into() } else { format!("{}-{}", name(first), name(last)) })
        .collect();
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!("{} {}-{}", days.join(","), time(hours.from_minute), time(hours.to_minute))
}

/// `invite=20/day,100/week,gap=5m`.
pub fn limit(text: &str) -> Result<LimitWord, String> {
    let problem = |what: String| {
        let actions = Action::ALL.map(Action::name).join(", ");
        format!("{what}\n  hint: write for example `invite=20/day,100/week,gap=5m`; the actions are {actions}")
    };
    let (name, rest) = text.split_once('=').ok_or_else(|| problem(format!("`{text}` is no limit")))?;
    let action = Action::named(name.trim()).ok_or_else(|| problem(format!("there is no action `{name}`")))?;
    let mut word = LimitWord { action, per_day: None, per_week: None, gap_ms: None };
    for part in rest.split(',').map(str::trim) {
        let number = |of: &str| part.strip_suffix(of).and_then(|number| number.trim().parse().ok());
        if let Some(gap) = part.strip_prefix("gap=") {
            word.gap_ms = Some(time_span(gap)?);
        } else if let Some(per_day) = number("/day") {
            word.per_day = Some(per_day);
        } else if let Some(per_week) = number("/week") {
            word.per_week = Some(per_week);
        } else {
            return Err(problem(format!("`{part}` is no limit")));
        }
    }
    Ok(word)
}

/// `14d`, `36h`, `5m`, `30s`, in milliseconds.
pub fn time_span(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let read = || {
        let unit_ms = match text.chars().last()? {
            'd' => DAY_MS,
            'h' => 3_600_000,
            'm' => 60_000,
            's' => 1_000,
            _ => return None,
        };
        let number: u32 = text[..text.len() - 1].parse().ok()?;
        i64::from(number).checked_mul(unit_ms)
    };
    read().ok_or_else(|| format!("`{text}` is no span of time\n  hint: write for example `14d`, `36h`, `5m` or `30s`"))
}

/// Whole days of warm-up; none for `none`.
pub fn warm_up(text: &str) -> Result<Option<u32>, String> {
    if text.trim() == "none" {
        return Ok(None);
    }
    let days =
        time_span(text).ok().filter(|span_ms| span_ms % DAY_MS == 0 && *span_ms > 0).map(|span_ms| span_ms / DAY_MS);
    let days = days.and_then(|days| u32::try_from(days).ok()).filter(|days| *days <= 365);
    days.map(Some).ok_or_else(|| format!("`{text}` is no warm-up\n  hint: write days from `1d` to `365d`, or `none`"))
}

/// The code, in capitals, of a country given by code or name.
pub fn country(text: &str) -> Result<String, String> {
    let country = Place::new(text).country.map(|code| code.to_uppercase());
    country.ok_or_else(|| format!("`{text}` is no country\n  hint: write its two letters, such as `US` or `AT`"))
}

/// An IANA name that is known here.
pub fn zone(text: &str) -> Result<String, String> {
    let known = jiff::tz::TimeZone::get(text.trim()).ok();
    let name = known.as_ref().and_then(jiff::tz::TimeZone::iana_name).map(str::to_owned);
    name.ok_or_else(|| format!("`{text}` is no time zone\n  hint: write an IANA name, such as `Europe/Vienna`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_read_and_show_alike() {
        for (text, shown) in [
            ("mon-fri 09:00-17:00", "mon-fri 09:00-17:00"),
            ("MON,wed,Sat 8-12:30", "mon,wed,sat 08:00-12:30"),
            ("sat-mon 00:00-24:00", "mon,sat-sun 00:00-24:00"),
            ("sun 23:59-24:00", "sun 23:59-24:00"),
        ] {
            assert_eq!(shown_hours(&hours(text).unwrap()), shown, "{text}");
        }
        for text in ["", "mon", "mon 9-9", "mon 17-9", "moon 9-17", "mon 9:60-17", "mon 9-25", "9-17"] {
            assert!(hours(text).unwrap_err().contains("hint: write for example"), "{text}");
        }
    }

    #[test]
    fn a_limit_changes_what_it_names() {
        let mut set = ActionLimit { per_day: 20, per_week: 100, gap_ms: 300_000 };
        limit("invite=15/day").unwrap().apply(&mut set);
        assert_eq!(set, ActionLimit { per_day: 15, per_week: 100, gap_ms: 300_000 });
        let word = limit("visit_profile= 9/day, 40/week ,gap=90s").unwrap();
        word.apply(&mut set);
        assert_eq!(
            (word.action, set),
            (Action::VisitProfile, ActionLimit { per_day: 9, per_week: 40, gap_ms: 90_000 })
        );
        for text in ["invite", "fax=1/day", "invite=many/day", "invite=5/hour", "invite=gap=1x", "invite=-1/day"] {
            assert!(limit(text).unwrap_err().contains("hint: "), "{text}");
        }
    }

    #[test]
    fn spans_warm_ups_countries_and_zones_are_checked() {
        assert_eq!((time_span("14d"), time_span("5m")), (Ok(14 * DAY_MS), Ok(300_000)));
        assert_eq!((warm_up("14d"), warm_up("none")), (Ok(Some(14)), Ok(None)));
        for text in ["", "d", "5", "5w", "-5m", "99999999999d"] {
            assert!(time_span(text).is_err(), "{text}");
        }
        for text in ["0d", "36h", "366d", "soon"] {
            assert!(warm_up(text).is_err(), "{text}");
        }
        assert_eq!((country("at"), country("Germany")), (Ok("AT".into()), Ok("DE".into())));
        assert!(country("Atlantis").is_err() && zone("Europe/Atlantis").is_err());
        assert_eq!(zone("europe/vienna"), Ok("Europe/Vienna".into()));
    }
}
