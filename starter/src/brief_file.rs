//! Reads what a user writes for a search: the brief, and the list of what to leave out.

use leadflow_activities::config::document::{self, Finding, nearest};
use leadflow_activities::config::mistakes::{Mistake, Mistakes, read_text};
use leadflow_workflows::domain::brief::Brief;
use leadflow_workflows::domain::exclude::Exclusion;
use std::path::Path;

/// Columns of an exclude list that are read. Each is a kind that [`Exclusion`] knows.
const COLUMNS: [&str; 5] = ["domain", "name", "cid", "linkedin", "email"];

const LARGEST_LIST_BYTES: u64 = 32 * 1024 * 1024;

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
    parse_exclude_list(&path.display().to_string(), &read_text(path, LARGEST_LIST_BYTES)?)
}

fn parse_exclude_list(file: &str, text: &str) -> Result<Vec<Exclusion>, Mistakes> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The byte order mark is in the text but not in the positions of the reader.
    let offset = text.len() - body.len();
    let first_line = body.lines().next().unwrap_or("");
    // Spreadsheets of half of Europe write semicolons.
    let delimiter = if first_line.contains(';') && !first_line.contains(',') { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(body.as_bytes());
    let mut list = vec![];
    // The reader begins a row where the last one ended, which may be before empty lines.
    let mut add = |byte: u64, message: String, hint: String| {
        let start = offset + usize::try_from(byte).expect("the text is in memory");
        let start = start + (text.len() - start) - text[start..].trim_start_matches(['\r', '\n']).len();
        let span = start..start + text[start..].lines().next().map_or(0, str::len);
        list.push(Mistake { path: String::new(), span: Some(span), message, hint: Some(hint) });
    };

    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_lowercase).collect(),
        Err(error) => return Err(Mistakes::one(file, format!("is not CSV: {error}"), "save it as CSV in UTF-8")),
    };
    let columns: Vec<_> = (0..).zip(&header).filter(|(_, name)| COLUMNS.contains(&name.as_str())).collect();
    if columns.is_empty() {
        add(0, "the header names no column to exclude by".into(), format!("name one of {}", COLUMNS.join(", ")));
    }
    for name in header.iter().filter(|name| !COLUMNS.contains(&name.as_str())) {
        if let Some(near) = nearest(name, COLUMNS) {
            add(0, format!("unknown column `{name}`"), format!("did you mean `{near}`?"));
        }
    }

    let mut exclusions = vec![];
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                let start = error.position().map_or(0, csv::Position::byte);
                add(start, format!("is not CSV: {error}"), "check the quotes of this row".into());
                break;
            }
        }
        let start = record.position().map_or(0, csv::Position::byte);
        if record.len() > header.len() {
            let message = format!("has {} cells, more than the header's {}", record.len(), header.len());
            add(start, message, "put cells that contain a comma in quotes".into());
            continue;
        }
        for (index, column) in &columns {
            let cell = record.get(*index).unwrap_or("");
            if cell.is_empty() {
                continue;
            }
            match format!("{column}:{cell}").parse::<Exclusion>() {
                Ok(exclusion) => exclusions.push(exclusion),
                Err(problem) => add(start, format!("`{column}` {}", problem.message), problem.hint),
            }
        }
    }
    if list.is_empty() { Ok(exclusions) } else { Err(Mistakes { file: file.into(), text: text.into(), list }) }
}

#[cfg(test)]
mod tests;
