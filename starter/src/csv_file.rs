//! CSV as spreadsheets and customer systems export it, with the place of every row for messages.

use leadflow_activities::config::mistakes::{Mistake, Mistakes};
use std::ops::Range;

/// The largest list that is read.
pub(crate) const LARGEST_BYTES: u64 = 32 * 1024 * 1024;

/// A file that was read.
#[derive(Debug)]
pub struct CsvFile {
    /// As written.
    pub header: Vec<String>,
    pub rows: Vec<CsvRow>,
    /// Rows that are no CSV, or have more cells than the header.
    pub mistakes: Vec<Mistake>,
}

#[derive(Debug)]
pub struct CsvRow {
    /// From 1.
    pub line: u32,
    /// In the text: the first line of the row.
    pub span: Range<usize>,
    /// Trimmed; fewer than the header has when the row is short.
    pub cells: Vec<String>,
}

impl CsvRow {
    /// The cell of a column; `None` when it is empty or missing.
    pub fn cell(&self, column: usize) -> Option<&str> {
        self.cells.get(column).map(String::as_str).filter(|cell| !cell.is_empty())
    }

    pub fn mistake(&self, message: impl Into<String>, hint: impl Into<String>) -> Mistake {
        let (message, hint) = (message.into(), Some(hint.into()));
        Mistake { path: String::new(), span: Some(self.span.clone()), message, hint }
    }
}

/// Reads a text with a header; `file` is its name in the messages.
///
/// # Errors
/// The header is no CSV.
pub fn read(file: &str, text: &str) -> Result<CsvFile, Mistakes> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The byte order mark is in the text but not in the positions of the reader.
    let offset = text.len() - body.len();
    let first_line = body.lines().next().unwrap_or("");
    // Spreadsheets of half of Europe write semicolons.
    let delimiter = if first_line.contains(';') && !first_line.contains(',') { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(body.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.iter().map(str::to_owned).collect::<Vec<_>>(),
        Err(error) => return Err(Mistakes::one(file, format!("is not CSV: {error}"), "save it as CSV in UTF-8")),
    };
    // The reader begins a row where the last one ended, which may be before empty lines.
    let (mut counted_to, mut line) = (0, 1);
    let mut row_at = |position: Option<&csv::Position>, cells: Vec<String>| {
        let byte = position.map_or(0, csv::Position::byte);
        let start = offset + usize::try_from(byte).expect("the text is in memory");
        let start = start + (text.len() - start) - text[start..].trim_start_matches(['\r', '\n']).len();
        let span = start..start + text[start..].lines().next().map_or(0, str::len);
        line += text[counted_to..start].matches('\n').count();
        counted_to = start;
        CsvRow { line: u32::try_from(line).unwrap_or(u32::MAX), span, cells }
    };
    let (mut rows, mut mistakes) = (Vec::new(), Vec::new());
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                let row = row_at(error.position(), Vec::new());
                mistakes.push(row.mistake(format!("is not CSV: {error}"), "check the quotes of this row"));
                break;
            }
        }
        let row = row_at(record.position(), record.iter().map(str::to_owned).collect());
        if record.len() > header.len() {
            let message = format!("has {} cells, more than the header's {}", record.len(), header.len());
            mistakes.push(row.mistake(message, "put cells that contain a comma in quotes"));
        } else if row.cells.iter().any(|cell| !cell.is_empty()) {
            rows.push(row);
        }
    }
    Ok(CsvFile { header, rows, mistakes })
}
