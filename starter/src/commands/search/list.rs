//! `starter search list`.

use super::super::{columns, instant, print_list, rfc3339};
use super::report::state;
use crate::failure::Failure;
use crate::output::figures::money;
use crate::output::{printable, terminal_width};
use crate::site::{GlobalArgs, Site};
use leadflow_activities::gate::Gate;
use leadflow_activities::store::Store;
use leadflow_activities::store::searches::Search;
use leadflow_workflows::domain::money::MicroUsd;
use schemars::JsonSchema;
use serde::Serialize;

/// Older ones are found by id or name.
const LISTED: u32 = 100;

/// A search in a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SearchRow")]
pub(crate) struct Row {
    search_id: String,
    name: String,
    /// `sandbox` or `live`.
    source: String,
    /// `completed`, `completed_with_gaps` or `cancelled` when it has ended, else what it is doing.
    state: String,
    percent: u32,
    leads_ready: u32,
    leads_wanted: Option<u32>,
    gaps: u32,
    cost_microusd: i64,
    created_at: String,
    #[serde(skip)]
    created_at_ms: i64,
}

impl Row {
    pub(crate) async fn read(store: &Store, gate: &Gate, search: Search) -> Result<Self, Failure> {
        let progress = store.progress(&search.tenant, &search.id).await?;
        let cost = gate.cost_of_search(&search.tenant, &search.id).await?;
        let (percent, leads_ready, gaps) =
            progress.as_ref().map_or((0, 0, 0), |progress| (progress.percent, progress.leads_ready, progress.gaps));
        Ok(Self {
            state: state(&search, progress.as_ref()),
            percent,
            leads_ready,
            leads_wanted: search.brief.want.leads,
            gaps,
            cost_microusd: cost.0,
            created_at: rfc3339(search.created_at_ms),
            created_at_ms: search.created_at_ms,
            search_id: search.id,
            name: search.name,
            source: search.source,
        })
    }
}

pub(super) async fn run(global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let gate = site.gate(&store);
    let mut rows = Vec::new();
    for search in store.searches(site.tenant(), LISTED).await? {
        rows.push(Row::read(&store, &gate, search).await?);
    }
    let none = "no searches yet\nhint: `starter init` writes a brief, `starter search start brief.toml` starts it";
    print_list(&rows, global.json, false, none, || table(&rows, terminal_width()))
}

fn table(rows: &[Row], width: u16) -> String {
    let cells = rows.iter().map(|row| {
        let wanted = row.leads_wanted.map_or(String::new(), |wanted| format!("/{wanted}"));
        vec![
            row.search_id.clone(),
            printable(&row.name),
            row.state.clone(),
            format!("{} %", row.percent),
            format!("{}{wanted}", row.leads_ready),
            row.gaps.to_string(),
            money(MicroUsd(row.cost_microusd)),
            instant(row.created_at_ms),
        ]
    });
    let header = ["id", "name", "state", "done", "leads", "gaps", "cost", "started"];
    // An id that is broken over lines cannot be copied.
    columns(&header, &["done", "leads", "gaps", "cost"], cells, width.max(130))
}
