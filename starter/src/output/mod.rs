//! Results as people and programs read them: tables for a terminal, CSV for a spreadsheet, JSON for scripts.

mod csv_text;
pub mod figures;
mod lead_table;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;
use std::io::{self, Write};

/// Told wherever invented people are shown.
pub const SANDBOX_NOTICE: &str = "sandbox data: people are fictitious, hosts end in .example";

/// The `source` of a lead that a stand-in made up.
pub const SANDBOX_SOURCE: &str = "sandbox";

/// Width of a table that goes to no terminal.
const WIDTH_ELSEWHERE: u16 = 120;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Csv,
    Json,
}

/// One lead, as it is shown. The order of the fields is the order of the columns in CSV, which only grows at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeadRow {
    pub id: String,
    /// 1 for the best.
    pub rank: u32,
    pub name: String,
    pub role: String,
    pub business: String,
    pub category: String,
    pub city: String,
    pub region: String,
    pub country: String,
    /// 0 to 100, the sum of the four parts.
    pub score: u32,
    pub score_business_fit: u32,
    pub score_role: u32,
    pub score_evidence: u32,
    pub score_reachable: u32,
    pub email: Option<String>,
    pub email_status: String,
    pub linkedin_url: Option<String>,
    pub website: Option<String>,
    pub phone: Option<String>,
    pub reason: Option<String>,
    pub hook: Option<String>,
    /// `sandbox`, or what vouches for a real lead.
    pub source: String,
    /// Title of the business persona it was found for.
    pub persona: String,
}

/// Writes leads to `out`. That they are fictitious is told in the table itself; beside CSV and JSON, which other
/// programs read, it is told on `notices`.
///
/// # Errors
/// What the writers answer.
pub fn write_leads(
    out: &mut impl Write,
    notices: &mut impl Write,
    leads: &[LeadRow],
    format: Format,
    width: u16,
) -> io::Result<()> {
    let fictitious = leads.iter().any(|lead| lead.source == SANDBOX_SOURCE);
    match format {
        Format::Table => {
            write!(out, "{}", lead_table::table(leads, width))?;
            if fictitious {
                writeln!(out, "{SANDBOX_NOTICE}")?;
            }
            return Ok(());
        }
        Format::Csv => csv_text::write(out, leads)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, leads)?;
            writeln!(out)?;
        }
    }
    if fictitious {
        writeln!(notices, "{SANDBOX_NOTICE}")?;
    }
    Ok(())
}

/// Columns of the terminal, or a fixed number elsewhere.
pub fn terminal_width() -> u16 {
    terminal_size::terminal_size().map_or(WIDTH_ELSEWHERE, |(width, _)| width.0)
}

/// Text broken into lines of at most `width` columns, but never inside a word: ids and addresses are to be copied.
/// `first` begins the first line, spaces of the same width the others.
pub(crate) fn wrapped(first: &str, text: &str, width: u16) -> String {
    let rest = " ".repeat(textwrap::core::display_width(first));
    let options = textwrap::Options::new(width.into())
        .initial_indent(first)
        .subsequent_indent(&rest)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(text, options) + "\n"
}

/// One line of text without anything that a terminal would obey: what the web says is not to be trusted.
pub fn printable(text: &str) -> String {
    text.split(|letter: char| letter.is_control()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
