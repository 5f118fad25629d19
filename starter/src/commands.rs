//! The commands, one file for each group. A result goes to standard output, everything else to standard error.

pub mod account;
pub mod audit;
pub mod budget;
pub mod buyer_group;
pub mod campaign;
pub mod doctor;
pub mod events;
pub mod history;
mod keys;
pub mod lead;
pub mod reply;
pub mod search;
pub mod sequence;
pub mod serve;
pub mod suppression;
pub mod token;
pub mod usage;

use crate::failure::Failure;
use crate::output::printable;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use jiff::Timestamp;
use serde::Serialize;
use std::io::{self, BufRead, ErrorKind, IsTerminal, Write};

/// Writes a result. A reader that has seen enough, such as `head`, is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Writes a result as the one JSON document that `--json` promises.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).expect("results have text keys and no failing serialiser");
    text.push('\n');
    print(&text)
}

/// Writes a list: its rows with `--json`, else its table, or `none` where there are no rows yet. A list that options have
/// narrowed down to nothing is refused.
fn print_list<R: Serialize>(
    rows: &[R],
    json: bool,
    is_narrowed: bool,
    none: &str,
    table: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if json {
        print_json(&rows)?;
    }
    match rows {
        [] if is_narrowed => {
            Err(Failure::Refused("nothing matches these options\nhint: leave one out to see more".into()))
        }
        _ if json => Ok(()),
        [] => {
            tell(none);
            Ok(())
        }
        _ => print(&table()),
    }
}

/// The one thing that a word means; `none` and `many` go on after the word, with a hint each.
fn the_one<T>(mut found: Vec<T>, what: &str, word: &str, none: &str, many: &str) -> Result<T, Failure> {
    let word = printable(word);
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::Refused(format!("no {what} matches `{word}`\nhint: {none}"))),
        _ => Err(Failure::Refused(format!("more than one {what} matches `{word}`\nhint: {many}"))),
    }
}

/// Has a person type `yes` before something that cannot be taken back. `unasked` is the refusal where nobody can be asked.
fn confirm(question: &str, unasked: &str, refused: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Refused(unasked.to_owned()));
    }
    tell(&format!("{question} Type `yes`:"));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::Refused(refused.to_owned())) }
}

/// Tells something beside the result.
fn tell(line: &str) {
    // A closed standard error is no reason to stop.
    drop(writeln!(io::stderr(), "{line}"));
}

/// Rows under a header, without frame; the columns named in `numbers` are flush right.
fn columns(header: &[&str], numbers: &[&str], rows: impl IntoIterator<Item = Vec<String>>, width: u16) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(header.iter().copied()).add_rows(rows);
    for (column, title) in table.column_iter_mut().zip(header) {
        column.set_padding((0, 2));
        if numbers.contains(title) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = table.lines().collect();
    lines.iter().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

/// `2026-03-14 09:26:53 UTC`.
fn instant(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MAX);
    at.strftime("%F %T UTC").to_string()
}

/// RFC 3339, for programs.
fn rfc3339(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MAX).to_string()
}
