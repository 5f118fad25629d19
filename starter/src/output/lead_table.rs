//! Leads as a table that fits the terminal: the narrower it is, the fewer columns.

use super::{LeadRow, printable};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

struct Column {
    title: &'static str,
    /// Columns of the terminal below which it is not worth showing.
    least_width: u16,
    /// The column with the highest number is the first to go.
    keep: u8,
    cell: fn(&LeadRow) -> String,
}

const COLUMNS: [Column; 8] = [
    Column { title: "#", least_width: 3, keep: 0, cell: |lead| lead.rank.to_string() },
    Column { title: "score", least_width: 5, keep: 1, cell: |lead| lead.score.to_string() },
    Column { title: "name", least_width: 10, keep: 0, cell: |lead| printable(&lead.name) },
    Column { title: "role", least_width: 9, keep: 3, cell: |lead| printable(&lead.role) },
    Column { title: "business", least_width: 12, keep: 2, cell: |lead| printable(&lead.business) },
    Column { title: "place", least_width: 12, keep: 6, cell: place },
    Column { title: "contact", least_width: 26, keep: 5, cell: contact },
    Column { title: "reason", least_width: 24, keep: 4, cell: |lead| printable(lead.reason.as_deref().unwrap_or("")) },
];

/// Spaces around the text of a column.
const PADDING: u16 = 2;
/// Between two columns.
const SEPARATOR: u16 = 1;

pub(super) fn table(leads: &[LeadRow], width: u16) -> Table {
    let columns = fitting(leads, width);
    let mut table = Table::new();
    table
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(columns.iter().map(|column| column.title))
        .add_rows(leads.iter().map(|lead| columns.iter().map(|column| (column.cell)(lead)).collect::<Vec<_>>()));
    for (shown, column) in table.column_iter_mut().zip(&columns) {
        shown.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(column.least_width + PADDING)));
        if matches!(column.title, "#" | "score") {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The columns that have something to say and room to say it, in their order.
fn fitting(leads: &[LeadRow], width: u16) -> Vec<&'static Column> {
    let mut columns: Vec<_> = COLUMNS
        .iter()
        .filter(|column| leads.is_empty() || leads.iter().any(|lead| !(column.cell)(lead).is_empty()))
        .collect();
    let needed =
        |columns: &[&Column]| columns.iter().map(|column| column.least_width + PADDING + SEPARATOR).sum::<u16>();
    while needed(&columns) > width + SEPARATOR {
        let Some(last) = columns.iter().map(|column| column.keep).max().filter(|keep| *keep > 0) else { break };
        columns.retain(|column| column.keep != last);
    }
    columns
}

fn place(lead: &LeadRow) -> String {
    let parts = [&lead.city, &lead.region, &lead.country].map(|part| printable(part));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The email address, else the profile without what all profiles have.
fn contact(lead: &LeadRow) -> String {
    let profile = lead.linkedin_url.as_deref().unwrap_or("");
    let profile = profile.trim_start_matches("https://").trim_start_matches("www.");
    printable(lead.email.as_deref().unwrap_or(profile))
}
