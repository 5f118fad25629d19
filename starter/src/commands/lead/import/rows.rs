//! The rows of a list, checked one by one.

use super::columns::{Columns, Field};
use crate::csv_file::{CsvFile, CsvRow};
use crate::output::SANDBOX_SOURCE;
use jiff::tz::TimeZone;
use leadflow_activities::config::mistakes::Mistake;
use leadflow_activities::store::imports::ImportRow;
use leadflow_workflows::domain::brief::Place;
use leadflow_workflows::domain::suppression::SuppressionTarget;

/// Longest text of a cell; more is no name, place or hook.
const LONGEST_CHARACTERS: usize = 1_000;

pub(super) struct Checked {
    pub(super) rows: Vec<ImportRow>,
    /// `sandbox` when everybody is made up, else `live`.
    pub(super) source: &'static str,
    /// In the order of the file.
    pub(super) mistakes: Vec<Mistake>,
}

/// Reads all rows. Addresses that end in `.example` and LinkedIn ids that begin with `sim-` are made up; the two kinds of
/// people do not mix, so in a file with both the rows of the smaller kind are mistakes. `all_made_up` takes all as such.
pub(super) fn check(csv: &CsvFile, columns: &Columns, country: Option<&str>, all_made_up: bool) -> Checked {
    let (mut rows, mut mistakes) = (Vec::new(), csv.mistakes.clone());
    for row in &csv.rows {
        match read(row, columns, country) {
            Ok(read) => rows.push((row, read)),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    let made_up = rows.iter().filter(|(_, row)| is_made_up(row)).count();
    let sandbox = all_made_up || made_up * 2 > rows.len();
    let mut kept = Vec::with_capacity(rows.len());
    for (row, read) in rows {
        if all_made_up || is_made_up(&read) == sandbox {
            kept.push(read);
        } else {
            let message =
                if sandbox { "is a real person among made-up ones" } else { "is a made-up person among real ones" };
            mistakes
                .push(row.mistake(message, "put made-up and real people into files of their own, or add --sandbox"));
        }
    }
    mistakes.sort_by_key(|mistake| mistake.span.as_ref().map(|span| span.start));
    Checked { rows: kept, source: if sandbox { SANDBOX_SOURCE } else { "live" }, mistakes }
}

fn is_made_up(row: &ImportRow) -> bool {
    row.email.as_ref().is_none_or(|email| email.ends_with(".example"))
        && row.linkedin.as_ref().is_none_or(|id| id.starts_with("sim-"))
}

fn read(row: &CsvRow, columns: &Columns, default_country: Option<&str>) -> Result<ImportRow, Mistake> {
    let cell = |field: Field| columns.index(field).and_then(|column| row.cell(column));
    let bad = |field: Field, problem: &str, hint: &str| row.mistake(format!("{} {problem}", field.name()), hint);
    for field in [
        Field::FirstName,
        Field::LastName,
        Field::Name,
        Field::Role,
        Field::Business,
        Field::City,
        Field::Region,
        Field::Reason,
        Field::Hook,
    ] {
        if cell(field).is_some_and(|text| text.chars().count() > LONGEST_CHARACTERS) {
            return Err(bad(field, "is longer than 1,000 characters", "check the quotes of this row"));
        }
    }
    let target = |field: Field| match cell(field) {
        Some(text) => {
            let read = format!("{}:{text}", field.name()).parse::<SuppressionTarget>();
            read.map(|target| Some(target.value))
                .map_err(|problem| bad(field, &problem.message, "correct it, or leave it empty"))
        }
        None => Ok(None),
    };
    let (email, linkedin) = (target(Field::Email)?, target(Field::Linkedin)?);
    if email.is_none() && linkedin.is_none() {
        return Err(row.mistake("has neither an email address nor a LinkedIn profile", "give at least one of them"));
    }
    let (full_first, full_last) = cell(Field::Name).map_or(("", ""), |name| name.split_once(' ').unwrap_or((name, "")));
    let first_name = cell(Field::FirstName).unwrap_or(full_first);
    let last_name = cell(Field::LastName).unwrap_or(full_last.trim_start());
    if first_name.is_empty() && last_name.is_empty() {
        return Err(row.mistake("has no name", "give first_name and last_name, or name"));
    }
    let country = match cell(Field::Country) {
        Some(text) => Place::new(text)
            .country
            .ok_or_else(|| bad(Field::Country, "is no country", "write for example `AT` or `Austria`"))?,
        None => default_country.unwrap_or_default().to_owned(),
    };
    let score =
        match cell(Field::Score) {
            Some(text) => Some(text.parse().ok().filter(|score| *score <= 100).ok_or_else(|| {
                bad(Field::Score, "is no whole number from 0 to 100", "correct it, or leave it empty")
            })?),
            None => None,
        };
    let domain = match cell(Field::Website) {
        Some(text) => Some(
            format!("domain:{text}")
                .parse::<SuppressionTarget>()
                .map_err(|_| bad(Field::Website, "is no web address and no domain", "write it like `example.com`"))?
                .value,
        ),
        None => None,
    };
    let timezone = match cell(Field::Timezone) {
        Some(text) => match TimeZone::get(text) {
            Ok(zone) => zone.iana_name().map(str::to_owned),
            Err(_) => return Err(bad(Field::Timezone, "is no time zone", "write it like `Europe/Vienna`")),
        },
        None => None,
    };
    let owned = |field: Field| cell(field).unwrap_or_default().to_owned();
    Ok(ImportRow {
        line: row.line,
        email,
        linkedin,
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        role: owned(Field::Role),
        business: owned(Field::Business),
        website: cell(Field::Website)
            .map(|text| if text.contains("://") { text.to_owned() } else { format!("https://{text}") }),
        domain,
        city: owned(Field::City),
        region: owned(Field::Region),
        country,
        score,
        reason: cell(Field::Reason).map(str::to_owned),
        hook: cell(Field::Hook).map(str::to_owned),
        timezone,
    })
}
