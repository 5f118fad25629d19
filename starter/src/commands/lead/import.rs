//! `starter lead import`.

mod columns;
mod rows;

use super::super::{print, print_json, tell};
use super::tell_changed;
use crate::csv_file;
use crate::failure::Failure;
use crate::output::figures::{count, counted};
use crate::output::{SANDBOX_NOTICE, SANDBOX_SOURCE, printable, terminal_width, wrapped};
use crate::site::{GlobalArgs, Site};
use clap::Args;
use columns::Columns;
use leadflow_activities::config::mistakes::{Mistakes, read_text};
use leadflow_activities::store::imports::{Imported, NewImport};
use leadflow_workflows::domain::brief::Place;
use rows::{Checked, check};
use serde::Serialize;
use std::path::PathBuf;

/// Bring your own leads: a CSV file with a header and one person a row
///
/// Each row needs a name, and an email address or a LinkedIn profile. Whoever is known already stays one person. The same
/// file again changes nothing; a new file with the same list name adds to the list.
///
/// Example: starter lead import fair.csv --map Firma=business --country AT
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The file, in UTF-8
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// Name of the list; without it that of the file
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What a column is, when its header does not say: email, linkedin, first_name, last_name, name, role, business, website,
    /// city, region, country, score, reason, hook or timezone
    #[arg(long, value_name = "COLUMN=FIELD")]
    map: Vec<String>,
    /// Leave bad rows out instead of storing nothing
    #[arg(long)]
    skip_bad: bool,
    /// Country of rows that name none: two letters or its English name
    #[arg(long, value_name = "COUNTRY")]
    country: Option<String>,
    /// Show what would be read; store nothing
    #[arg(long)]
    dry_run: bool,
    /// Treat everybody in the file as made up, so that they are never contacted through a real account
    #[arg(long)]
    sandbox: bool,
}

/// What an import read and stored.
#[derive(Serialize)]
struct Report {
    name: String,
    /// `sandbox` or `live`.
    source: &'static str,
    /// Header to field.
    columns: Vec<(String, &'static str)>,
    unused_columns: Vec<String>,
    rows: usize,
    /// Rows that were left out, each with its line and reason.
    bad_rows: Vec<String>,
    /// `None` for a dry run.
    stored: Option<Imported>,
}

pub(super) async fn run(args: &ImportArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let file = args.file.display().to_string();
    let text = read_text(&args.file, csv_file::LARGEST_BYTES)?;
    let csv = csv_file::read(&file, &text)?;
    let name = list_name(args)?;
    let columns = Columns::of(&csv.header, &args.map).map_err(Failure::Failed)?;
    let Checked { rows, source, mistakes } = check(&csv, &columns, country(args)?.as_deref(), args.sandbox);
    let mistakes = Mistakes { file, text, list: mistakes };
    if !mistakes.list.is_empty() && !args.skip_bad {
        let bad = mistakes.list.len();
        tell(&format!(
            "nothing was stored: {} of {} are bad",
            count(bad as u64),
            counted(csv.rows.len() as u64, "row")
        ));
        return Err(mistakes.into());
    }
    if rows.is_empty() {
        return Err(Failure::Failed(format!(
            "{}: no row can be used{}\nhint: each row needs a name, and an email address or a LinkedIn profile",
            mistakes.file,
            mistakes.list.first().map_or(String::new(), |_| format!("\n{mistakes}"))
        )));
    }
    let mut report = Report {
        name: name.clone(),
        source,
        columns: columns.named(&csv.header),
        unused_columns: columns.unused(&csv.header),
        rows: csv.rows.len(),
        bad_rows: if mistakes.list.is_empty() { vec![] } else { bad_rows(&mistakes) },
        stored: None,
    };
    if !args.dry_run {
        let site = Site::find(global)?;
        let now_ms = site.clock.now_ms();
        let new = NewImport { tenant: site.tenant().to_owned(), name, source, rows, now_ms };
        let stored = site.store().await?.import_leads(&new).await?;
        tell_changed(&site, &stored.ended).await;
        report.stored = Some(stored);
    }
    if global.json { print_json(&report) } else { print(&shown(&report, terminal_width())) }
}

fn list_name(args: &ImportArgs) -> Result<String, Failure> {
    let stem = || args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = args.name.clone().unwrap_or_else(stem).trim().to_owned();
    let is_sound = (1..=80).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if !is_sound || name.eq_ignore_ascii_case("last") {
        return Err(Failure::Failed(format!(
            "`{}` is no name for a list\nhint: give one of 1 to 80 characters, other than `last`, with --name",
            printable(&name)
        )));
    }
    Ok(name)
}

fn country(args: &ImportArgs) -> Result<Option<String>, Failure> {
    let Some(text) = &args.country else { return Ok(None) };
    let unknown = || {
        Failure::Failed(format!(
            "--country: `{}` is no country\nhint: write for example `AT` or `Austria`",
            printable(text)
        ))
    };
    Place::new(text).country.ok_or_else(unknown).map(Some)
}

fn bad_rows(mistakes: &Mistakes) -> Vec<String> {
    let line = |span: &std::ops::Range<usize>| mistakes.position(span.start).0;
    let told = |mistake: &leadflow_activities::config::mistakes::Mistake| match &mistake.span {
        Some(span) => format!("line {}: {}", line(span), mistake.message),
        None => mistake.message.clone(),
    };
    mistakes.list.iter().map(told).collect()
}

fn shown(report: &Report, width: u16) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        text.push_str(&wrapped(&format!("{label:<12}"), &printable(value), width));
    };
    line("list", &report.name);
    let columns: Vec<String> = report
        .columns
        .iter()
        .map(|(header, field)| if header == field { header.clone() } else { format!("{header} as {field}") })
        .collect();
    line("columns", &columns.join(", "));
    if !report.unused_columns.is_empty() {
        line("not used", &report.unused_columns.join(", "));
    }
    let bad = report.bad_rows.len();
    line("rows", &format!("{} read, {} bad", count(report.rows as u64), count(bad as u64)));
    for bad in &report.bad_rows {
        line("", bad);
    }
    match &report.stored {
        None => line("leads", "none stored: this was a dry run"),
        Some(stored) => {
            let known = stored.known_leads;
            line(
                "leads",
                &format!("{} new, {} on the list before", count(stored.new_leads.into()), count(known.into())),
            );
            if stored.left_out > 0 {
                line("", &format!("{} left out: they asked not to be processed", count(stored.left_out.into())));
            }
            for row in &stored.shared_addresses {
                line(
                    "",
                    &format!("line {row}: stored without its address, which is that of a person with another profile"),
                );
            }
            for row in &stored.bounced_addresses {
                line(
                    "",
                    &format!("line {row}: stored without its address, which bounced, or left out if it has no profile"),
                );
            }
            if !stored.ended.is_empty() {
                let ended = counted(stored.ended.len() as u64, "enrollment");
                line("", &format!("{ended} ended, because two persons turned out to be one"));
            }
            line("see them", &format!("starter search leads {}", stored.search_id));
        }
    }
    line("source", if report.source == SANDBOX_SOURCE { SANDBOX_NOTICE } else { report.source });
    text
}

#[cfg(test)]
mod tests;
