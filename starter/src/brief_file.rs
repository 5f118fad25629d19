//! Reads what a user writes for a search: the brief, and the list of what to leave out.

use crate::csv_file::{self, CsvFile};
use leadflow_activities::config::document::{self, Finding, nearest};
use leadflow_activities::config::mistakes::{Mistake, Mistakes, read_text};
use leadflow_workflows::domain::brief::Brief;
use leadflow_workflows::domain::exclude::Exclusion;
use std::path::Path;

/// Columns of an exclude list that are read. Each is a kind that [`Exclusion`] knows.
const COLUMNS: [&str; 5] = ["domain", "name", "cid", "linkedin", "email"];

/// Reads and checks a brief.
///
/// # Errors
/// Every mistake in the file that can be found at once, for [`crate::diagnostic::render`].
pub fn load(path: &Path) -> Result<Brief, Mistakes> {
    document::load(path, findings)
}

/// [`load`] for a text at hand; `file` is its name in the messages.
///
/// # Errors
/// As [`load`].
pub fn parse(file: &str, text: &str) -> Result<Brief, Mistakes> {
    document::parse(file, text, "", findings)
}

/// [`load`] for JSON of the same shape. Mistakes have a path and no place.
///
/// # Errors
/// As [`load`].
pub fn from_json(value: serde_json::Value) -> Result<Brief, Mistakes> {
    document::from_json("brief", value, findings)
}

fn findings(brief: &Brief) -> Vec<Finding> {
    let problems = brief.check().into_iter();
    problems.map(|problem| Finding { path: problem.path, message: problem.message, hint: problem.hint }).collect()
}

/// Reads an exclude list: CSV with a header that names at least one of the columns `domain`, `name`, `cid`, `linkedin`
/// and `email`, as customer systems export it. Every filled cell of such a column is one exclusion; other columns are
/// not read.
///
/// # Errors
/// The file, its header, and each bad row by its line.
pub fn load_exclude_list(path: &Path) -> Result<Vec<Exclusion>, Mistakes> {
    parse_exclude_list(&path.display().to_string(), &read_text(path, csv_file::LARGEST_BYTES)?)
}

fn parse_exclude_list(file: &str, text: &str) -> Result<Vec<Exclusion>, Mistakes> {
    let CsvFile { header, rows, mistakes: mut list } = csv_file::read(file, text)?;
    let header: Vec<String> = header.iter().map(|name| name.to_lowercase()).collect();
    let columns: Vec<_> = (0..).zip(&header).filter(|(_, name)| COLUMNS.contains(&name.as_str())).collect();
    let mut add_to_header = |message: String, hint: String| {
        let span = text.len() - text.trim_start_matches('\u{feff}').len()..text.lines().next().map_or(0, str::len);
        list.push(Mistake { path: String::new(), span: Some(span), message, hint: Some(hint) });
    };
    if columns.is_empty() {
        let hint = format!("name one of {}", COLUMNS.join(", "));
        add_to_header("the header names no column to exclude by".into(), hint);
    }
    for name in header.iter().filter(|name| !COLUMNS.contains(&name.as_str())) {
        if let Some(near) = nearest(name, COLUMNS) {
            add_to_header(format!("unknown column `{name}`"), format!("did you mean `{near}`?"));
        }
    }
    let mut exclusions = vec![];
    for row in &rows {
        for (index, column) in &columns {
            let Some(cell) = row.cell(*index) else { continue };
            match format!("{column}:{cell}").parse::<Exclusion>() {
                Ok(exclusion) => exclusions.push(exclusion),
                Err(problem) => list.push(row.mistake(format!("`{column}` {}", problem.message), problem.hint)),
            }
        }
    }
    list.sort_by_key(|mistake| mistake.span.as_ref().map(|span| span.start));
    if list.is_empty() { Ok(exclusions) } else { Err(Mistakes { file: file.into(), text: text.into(), list }) }
}

#[cfg(test)]
mod tests;
