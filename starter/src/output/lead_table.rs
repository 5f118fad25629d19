//! Leads as text that fits the terminal: a line of columns for each, and below it at full width the parts of the score,
//! how to reach the lead, and the reason. The narrower the terminal, the fewer columns.

use super::{LeadRow, printable, wrapped};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, Width};
use std::fmt::Write;

struct Column {
    title: &'static str,
    /// Columns of the terminal below which it is not worth showing.
    least_width: u16,
    /// The column with the highest number is the first to go.
    keep: u8,
    cell: fn(&LeadRow) -> String,
}

const COLUMNS: [Column; 6] = [
    Column { title: "#", least_width: 3, keep: 0, cell: |lead| lead.rank.to_string() },
    Column { title: "score", least_width: 5, keep: 0, cell: |lead| lead.score.to_string() },
    Column { title: "name", least_width: 14, keep: 0, cell: |lead| printable(&lead.name) },
    Column { title: "role", least_width: 12, keep: 2, cell: |lead| printable(&lead.role) },
    Column { title: "business", least_width: 16, keep: 1, cell: |lead| printable(&lead.business) },
    PLACE,
];
const PLACE: Column = Column { title: "place", least_width: 10, keep: 3, cell: place };
/// Stands for [`PLACE`] where that would be cut off.
const CITY: Column = Column { title: "city", cell: |lead| printable(&lead.city), ..PLACE };
const WIDE: u16 = 110;

/// Spaces after the text of a column.
const GAP: u16 = 2;
/// Before what stands below a lead: the width of the first column.
const INDENT: &str = "     ";

pub(super) fn table(leads: &[LeadRow], width: u16) -> String {
    let columns = fitting(width);
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        // No line holds one, so a text is cut where its column ends and not after a word.
        .set_delimiter('\n')
        .set_header(one_line(columns.iter().map(|column| column.title.to_owned())))
        .add_rows(leads.iter().map(|lead| one_line(columns.iter().map(|column| (column.cell)(lead)))));
    for (shown, column) in table.column_iter_mut().zip(&columns) {
        shown.set_padding((0, GAP));
        shown.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(column.least_width + GAP)));
        if matches!(column.title, "#" | "score") {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut lines = table.lines();
    let mut text = String::new();
    let mut line = |text: &mut String| writeln!(text, "{}", lines.next().unwrap_or_default().trim_end());
    line(&mut text).expect("a text takes any line");
    for lead in leads {
        line(&mut text).expect("a text takes any line");
        for below in [Some(details(lead)), lead.reason.as_deref().map(printable)].into_iter().flatten() {
            text.push_str(&wrapped(INDENT, &below, width));
        }
    }
    text
}

fn one_line(cells: impl Iterator<Item = String>) -> Row {
    let mut row = Row::from(cells.collect::<Vec<_>>());
    row.max_height(1);
    row
}

/// The columns that there is room for, in their order.
fn fitting(width: u16) -> Vec<&'static Column> {
    let mut columns: Vec<&Column> = COLUMNS.iter().collect();
    let needed = |columns: &[&Column]| columns.iter().map(|column| column.least_width + GAP).sum::<u16>();
    while needed(&columns) > width + GAP {
        let Some(last) = columns.iter().map(|column| column.keep).max().filter(|keep| *keep > 0) else { break };
        columns.retain(|column| column.keep != last);
    }
    if width < WIDE {
        columns.iter_mut().filter(|column| column.title == PLACE.title).for_each(|column| *column = &CITY);
    }
    columns
}

fn place(lead: &LeadRow) -> String {
    let parts = [&lead.city, &lead.region, &lead.country].map(|part| printable(part));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Where the score comes from, how to reach the lead, and what the data come from.
fn details(lead: &LeadRow) -> String {
    let mut details = vec![format!(
        "fit {} + role {} + evidence {} + reachable {}",
        lead.score_business_fit, lead.score_role, lead.score_evidence, lead.score_reachable
    )];
    details.extend(lead.email.as_deref().map(printable));
    let profile = lead.linkedin_url.as_deref().map(printable);
    details.extend(profile.map(|url| url.trim_start_matches("https://").trim_start_matches("www.").to_owned()));
    details.push(printable(&lead.source));
    details.join(" · ")
}
