//! Until when the writer of an absence note is away, by the dates and weekdays that it names.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use leadflow_workflows::domain::permits::DAY_MS;
use leadflow_workflows::domain::replies::own_words;

/// For a note that names no date.
const USUAL_DAYS: i64 = 7;
/// Nobody is left alone for longer because of a note: it may have been read wrongly.
const LONGEST_DAYS: i64 = 60;
/// A date without a year that lies so many days back is one of the next year.
const PAST_DAYS: i32 = 60;
/// Words around a date that say what it is.
const NEAR: usize = 4;

/// Until when a note that came at `at_ms` asks to wait: the beginning, in UTC, of the day on which its writer is back.
pub(super) fn until_ms(subject: &str, text: &str, at_ms: i64) -> i64 {
    let sent = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC).date();
    let words = words(&format!("{subject} {}", own_words(text)));
    let back = named_dates(&words, sent).into_iter().filter(|date| *date > sent).max();
    let Some(back) = back.or_else(|| named_weekday(&words, sent)) else { return at_ms + USUAL_DAYS * DAY_MS };
    let back = back.min(sent.saturating_add(LONGEST_DAYS.days()));
    back.to_zoned(TimeZone::UTC).map_or(at_ms + USUAL_DAYS * DAY_MS, |day| day.timestamp().as_millisecond())
}

/// Small letters without accents; the marks within a word stay, because dates have them.
fn words(text: &str) -> Vec<String> {
    let plain = deunicode::deunicode(text).to_lowercase();
    let trimmed = plain.split_whitespace().map(|word| word.trim_matches(|mark: char| !mark.is_alphanumeric()));
    trimmed.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The days on which the writer is back, by every date in the note.
fn named_dates(words: &[String], sent: Date) -> Vec<Date> {
    let mut dates = Vec::new();
    for at in 0..words.len() {
        let found = numeric(words, at, sent).or_else(|| worded(words, at, sent));
        dates.extend(found.map(|(date, length)| back_on(words, at, length, date)));
    }
    dates
}

/// The date itself where the note says "back on", the day after it elsewhere: "until", "from … to".
fn back_on(words: &[String], at: usize, length: usize, date: Date) -> Date {
    let before = &words[at.saturating_sub(NEAR)..at];
    let after = &words[(at + length).min(words.len())..(at + length + NEAR).min(words.len())];
    let is_return = |word: &String| RETURN.iter().any(|start| word.starts_with(start)) || FROM.contains(&word.as_str());
    let is_until =
        |word: &String| UNTIL.iter().any(|until| word == until || (until.len() > 4 && word.starts_with(until)));
    // The nearest word decides.
    let says = before.iter().rev().find_map(|word| (is_until(word) || is_return(word)).then(|| is_return(word)));
    let is_back = says.unwrap_or_else(|| after.iter().any(|word| RETURN.iter().any(|start| word.starts_with(start))));
    if is_back { date } else { date.saturating_add(1.day()) }
}

/// `2026-05-04`, `04.05.2026`, `4/5/26`, and after a word that announces a date also `04.05.`.
fn numeric(words: &[String], at: usize, sent: Date) -> Option<(Date, usize)> {
    let parts: Vec<&str> = words[at].split(['.', '/', '-']).collect();
    let numbers: Vec<i16> = parts.iter().map_while(|part| part.parse().ok()).collect();
    if numbers.len() != parts.len() {
        return None;
    }
    let date = match *numbers.as_slice() {
        [year, month, day] if year >= 1000 => civil(year, month, day),
        [first, second, year] => {
            let year = if year < 100 { 2000 + year } else { year };
            let (day_first, month_first) = (civil(year, second, first), civil(year, first, second));
            // Only Americans put the month first, and they write strokes.
            let is_plausible = |date: &Date| *date > sent && *date <= sent.saturating_add(LONGEST_DAYS.days());
            let american = month_first.filter(|_| words[at].contains('/'));
            day_first.filter(is_plausible).or(american.filter(is_plausible)).or(day_first).or(american)
        }
        [day, month] if announced(words, at) && words[at].contains('.') => in_year_of(sent, month, day),
        _ => None,
    };
    date.map(|date| (date, 1))
}

fn announced(words: &[String], at: usize) -> bool {
    let mut before = words[at.saturating_sub(2)..at].iter().map(String::as_str);
    before
        .any(|word| UNTIL.contains(&word) || FROM.contains(&word) || RETURN.iter().any(|start| word.starts_with(start)))
}

/// `4 May`, `4th of May 2026`, `4 de mayo de 2026`, `May 4, 2026`.
fn worded(words: &[String], at: usize, sent: Date) -> Option<(Date, usize)> {
    let day_at = |index: usize| -> Option<i16> {
        let word = words.get(index)?;
        let digits = word.trim_end_matches(|letter: char| letter.is_alphabetic() || letter == '.');
        let ordinal = &word[digits.len()..];
        ["", ".", "st", "nd", "rd", "th", "er", "o", "a"].contains(&ordinal).then(|| digits.parse().ok())?
    };
    let month_at = |index: usize| words.get(index).and_then(|word| month(word));
    let of = |index: usize| words.get(index).is_some_and(|word| ["of", "de", "di"].contains(&word.as_str()));
    let (day, month, mut next) = if let Some(day) = day_at(at) {
        let place = at + 1 + usize::from(of(at + 1));
        (day, month_at(place)?, place + 1)
    } else {
        (day_at(at + 1)?, month_at(at)?, at + 2)
    };
    next += usize::from(of(next));
    let year = words.get(next).and_then(|word| word.parse::<i16>().ok()).filter(|year| (2000..2200).contains(year));
    let date = match year {
        Some(year) => civil(year, month, day),
        None => in_year_of(sent, month, day),
    };
    date.map(|date| (date, next - at))
}

fn civil(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn in_year_of(sent: Date, month: i16, day: i16) -> Option<Date> {
    let date = civil(sent.year(), month, day)?;
    let is_long_past = date < sent.saturating_sub(PAST_DAYS.days());
    if is_long_past { civil(sent.year() + 1, month, day) } else { Some(date) }
}

/// "Back on Monday", "until Friday": the next one.
fn named_weekday(words: &[String], sent: Date) -> Option<Date> {
    (0..words.len()).find_map(|at| {
        let day = weekday(&words[at])?;
        let before = &words[at.saturating_sub(NEAR)..at];
        let is_announced = before.iter().any(|word| {
            UNTIL.contains(&word.as_str())
                || FROM.contains(&word.as_str())
                || RETURN.iter().any(|start| word.starts_with(start))
        });
        let next = sent.nth_weekday(1, day).ok().filter(|_| is_announced)?;
        Some(back_on(words, at, 1, next))
    })
}

fn month(word: &str) -> Option<i16> {
    (1..).zip(MONTHS).find_map(|(number, names)| names.contains(&word).then_some(number))
}

fn weekday(word: &str) -> Option<Weekday> {
    let number = (1..).zip(WEEKDAYS).find_map(|(number, names)| names.contains(&word).then_some(number))?;
    Weekday::from_monday_one_offset(number).ok()
}

/// In English, German, French, Spanish, Italian, Dutch, Portuguese, Polish.
const MONTHS: [&[&str]; 12] = [
    &["january", "januar", "janvier", "enero", "gennaio", "januari", "janeiro", "stycznia", "jan"],
    &["february", "februar", "fevrier", "febrero", "febbraio", "februari", "fevereiro", "lutego", "feb"],
    &["march", "marz", "maerz", "mars", "marzo", "maart", "marco", "marca", "mar", "mrt"],
    &["april", "avril", "abril", "aprile", "kwietnia", "apr"],
    &["may", "mai", "mayo", "maggio", "mei", "maio", "maja"],
    &["june", "juni", "juin", "junio", "giugno", "junho", "czerwca", "jun"],
    &["july", "juli", "juillet", "julio", "luglio", "julho", "lipca", "jul"],
    &["august", "aout", "agosto", "augustus", "sierpnia", "aug"],
    &["september", "septembre", "septiembre", "settembre", "setembro", "wrzesnia", "sep", "sept"],
    &["october", "oktober", "octobre", "octubre", "ottobre", "outubro", "pazdziernika", "oct", "okt"],
    &["november", "novembre", "noviembre", "novembro", "listopada", "nov"],
    &["december", "dezember", "decembre", "diciembre", "dicembre", "dezembro", "grudnia", "dec", "dez"],
];
const WEEKDAYS: [&[&str]; 7] = [
    &["monday", "montag", "lundi", "lunes", "lunedi", "maandag", "segunda", "poniedzialek", "poniedzialku"],
    &["tuesday", "dienstag", "mardi", "martes", "martedi", "dinsdag", "terca", "wtorek", "wtorku"],
    &["wednesday", "mittwoch", "mercredi", "miercoles", "mercoledi", "woensdag", "quarta", "srode", "srody"],
    &["thursday", "donnerstag", "jeudi", "jueves", "giovedi", "donderdag", "quinta", "czwartek", "czwartku"],
    &["friday", "freitag", "vendredi", "viernes", "venerdi", "vrijdag", "sexta", "piatek", "piatku"],
    &["saturday", "samstag", "samedi", "sabado", "sabato", "zaterdag", "sobote", "soboty"],
    &["sunday", "sonntag", "dimanche", "domingo", "domenica", "zondag", "niedziele", "niedzieli"],
];
const UNTIL: [&str; 16] = [
    "until", "till", "til", "through", "to", "bis", "jusqu'au", "jusqu'a", "au", "hasta", "fino", "al", "tot", "ate",
    "do", "a",
];
/// Beginnings of words of coming back.
const RETURN: [&str; 20] = [
    "back", "return", "reopen", "zuruck", "wieder", "kehre", "retour", "revien", "regres", "vuelv", "rientr", "torn",
    "terug", "weer", "volto", "volta", "wrac", "wroc", "ponownie", "voltar",
];
/// Of a date from which on somebody is there again. Of one from which on they are away another date is later.
const FROM: [&str; 6] = ["ab", "from", "vanaf", "od", "desde", "dal"];

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 2 March 2026, nine o'clock.
    const SENT_MS: i64 = 1_772_442_000_000;

    fn back(text: &str) -> String {
        let at = Timestamp::from_millisecond(until_ms("Out of office", text, SENT_MS)).unwrap();
        at.to_zoned(TimeZone::UTC).date().to_string()
    }

    #[test]
    fn a_note_that_names_no_day_takes_a_week() {
        for text in
            ["I am away.", "", "Call +49 30 12.34 or 0142/556677, 24/7.", "Version 3.14", "32.13.2026", "May I?"]
        {
            assert_eq!(until_ms("Out of office", text, SENT_MS), SENT_MS + 7 * DAY_MS, "{text}");
        }
    }

    #[test]
    fn days_are_read_as_they_are_written() {
        for (text, expected) in [
            ("back on 4 March", "2026-03-04"),
            ("until 4th of March 2026", "2026-03-05"),
            ("until March 4, 2026", "2026-03-05"),
            ("back 3/4/2026", "2026-04-03"),
            ("back 3/23/26", "2026-03-23"),
            ("bis 13.03.", "2026-03-14"),
            ("back on Monday", "2026-03-09"),
            ("until Friday", "2026-03-07"),
            ("from 2 March to 6 March, back on 9 March", "2026-03-09"),
            ("back 2 January 2027", "2026-05-01"),
            ("back on 20 April\n\nOn 1 March 2026 Robin wrote:\n> see you on 30 April", "2026-04-20"),
        ] {
            assert_eq!(back(text), expected, "{text}");
        }
    }

    #[test]
    fn the_year_may_turn() {
        let december_ms = SENT_MS - 75 * DAY_MS;
        let at = Timestamp::from_millisecond(until_ms("", "back on 7 January", december_ms)).unwrap();
        assert_eq!(at.to_string(), "2026-01-07T00:00:00Z");
    }
}
