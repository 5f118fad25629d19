//! CSV that a spreadsheet opens without running any of it.

use super::printable;
use serde::Serialize;
use std::io::{self, Write};

/// Writes a header of the field names, also when there is no row, and a line for each row.
pub(super) fn write<R: Serialize + Default>(out: &mut impl Write, rows: &[R]) -> io::Result<()> {
    let mut plain = csv::Writer::from_writer(vec![]);
    if rows.is_empty() {
        plain.serialize(R::default())?;
    }
    for row in rows {
        plain.serialize(row)?;
    }
    let plain = plain.into_inner().map_err(csv::IntoInnerError::into_error)?;

    let mut safe = csv::Writer::from_writer(out);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(plain.as_slice());
    for record in reader.records().take(rows.len() + 1) {
        safe.write_record(record?.iter().map(harmless))?;
    }
    safe.flush()
}

/// One line without control characters, such as the tab and the line break that also begin a formula; a cell that begins
/// like a formula gets an apostrophe, which spreadsheets take as "this is text".
fn harmless(cell: &str) -> String {
    let line = printable(cell);
    if line.starts_with(['=', '+', '-', '@']) { format!("'{line}") } else { line }
}
