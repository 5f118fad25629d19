//! `starter usage`: calls, tokens, credits and cost.

use super::{columns, print, print_json, tell};
use crate::failure::Failure;
use crate::output::figures::{count, money};
use crate::output::{printable, terminal_width};
use crate::site::{GlobalArgs, Site};
use clap::{Args, ValueEnum};
use leadflow_activities::gate::{Gate, UsageFilter, UsageRow};
use leadflow_activities::store::searches::Search;
use leadflow_workflows::domain::money::MicroUsd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// Show calls, tokens, credits and cost
///
/// Example: starter usage --by day
#[derive(Args, Debug)]
pub struct UsageArgs {
    /// Only this search: id or its beginning, name, or `last`
    #[arg(long, value_name = "ID")]
    search: Option<String>,
    /// What to add up by
    #[arg(long, value_enum, default_value_t)]
    by: By,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "UsageBy", inline)]
pub(crate) enum By {
    #[default]
    Provider,
    Search,
    Day,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Search => "search",
            Self::Day => "day",
        }
    }
}

/// What calls cost, added up.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Usage {
    by: By,
    groups: Vec<Group>,
    total: Sums,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UsageGroup")]
struct Group {
    /// Of the provider, the id of the search, or the UTC day.
    name: String,
    #[serde(flatten)]
    sums: Sums,
}

impl Usage {
    /// Of one search, or of all calls of a tenant.
    pub(crate) async fn read(gate: &Gate, tenant: &str, search: Option<&Search>, by: By) -> Result<Self, Failure> {
        let search_id = search.map(|search| search.id.as_str());
        let rows = gate.usage(UsageFilter { tenant: Some(tenant), search_id, ..UsageFilter::default() }).await?;
        let (groups, total) = add_up(&rows, by);
        let groups = groups.into_iter().map(|(name, sums)| Group { name, sums }).collect();
        Ok(Self { by, groups, total })
    }
}

/// Sums of some calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "UsageSums")]
struct Sums {
    calls: i64,
    input_tokens: i64,
    output_tokens: i64,
    credits: i64,
    cost_microusd: i64,
    /// Booked at their upper bound, because their answer never came or is still awaited; parts of the sums above.
    presumed_calls: i64,
    presumed_microusd: i64,
}

impl Sums {
    fn add(&mut self, row: &UsageRow) {
        self.calls += row.calls;
        self.input_tokens += row.input_tokens;
        self.output_tokens += row.output_tokens;
        self.credits += row.credits;
        self.cost_microusd += row.cost.0;
        self.presumed_calls += row.presumed_calls;
        self.presumed_microusd += row.presumed_cost.0;
    }
}

pub async fn run(args: &UsageArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let search = match &args.search {
        Some(word) => Some(site.search(&store, word).await?),
        None => None,
    };
    let usage = Usage::read(&site.gate(&store), site.tenant(), search.as_ref(), args.by).await?;
    let Usage { by, groups, total } = &usage;
    let key = by.name();
    if global.json {
        let groups: Vec<_> = groups
            .iter()
            .map(|group| {
                let mut sums = serde_json::to_value(group.sums).expect("numbers under text keys");
                sums[key] = json!(group.name);
                sums
            })
            .collect();
        return print_json(&json!({ "by": key, "groups": groups, "total": total }));
    }
    if groups.is_empty() {
        tell("no calls yet\nhint: searches make them; `starter search list` shows how far they are");
        return Ok(());
    }
    let names: BTreeMap<String, String> = if args.by == By::Search {
        store.searches(site.tenant(), u32::MAX).await?.into_iter().map(|search| (search.id, search.name)).collect()
    } else {
        BTreeMap::new()
    };
    let groups = groups.iter().map(|group| (group.name.clone(), group.sums)).collect();
    print(&table(key, &groups, total, &names, terminal_width()))
}

fn add_up(rows: &[UsageRow], by: By) -> (BTreeMap<String, Sums>, Sums) {
    let (mut groups, mut total) = (BTreeMap::<String, Sums>::new(), Sums::default());
    for row in rows {
        let name = match by {
            By::Provider => &row.provider,
            By::Search => &row.search_id,
            By::Day => &row.day,
        };
        groups.entry(name.clone()).or_default().add(row);
        total.add(row);
    }
    (groups, total)
}

/// `names` of searches, by id.
fn table(
    key: &str,
    groups: &BTreeMap<String, Sums>,
    total: &Sums,
    names: &BTreeMap<String, String>,
    width: u16,
) -> String {
    let number = |number: i64| count(u64::try_from(number).unwrap_or(0));
    let row = |name: &str, sums: &Sums| {
        let called = names.get(name).map_or(String::new(), |called| format!("  {}", printable(called)));
        vec![
            format!("{name}{called}"),
            number(sums.calls),
            number(sums.input_tokens),
            number(sums.output_tokens),
            number(sums.credits),
            money(MicroUsd(sums.cost_microusd)),
            if sums.presumed_calls == 0 {
                "-".into()
            } else {
                format!("{} in {}", money(MicroUsd(sums.presumed_microusd)), number(sums.presumed_calls))
            },
        ]
    };
    let rows = groups.iter().map(|(name, sums)| row(name, sums)).chain([row("total", total)]);
    let header = [key, "calls", "tokens in", "out", "credits", "cost", "presumed"];
    columns(&header, &["calls", "tokens in", "out", "credits", "cost", "presumed"], rows, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_added_up_by_any_key() {
        let row = |provider: &str, day: &str, calls, presumed_calls| UsageRow {
            provider: provider.into(),
            operation: "any".into(),
            search_id: "0192f0c1-0000-7000-8000-000000000001".into(),
            day: day.into(),
            calls,
            input_tokens: 1_000 * calls,
            output_tokens: 10,
            credits: 0,
            cost: MicroUsd(12_500 * calls),
            presumed_calls,
            presumed_cost: MicroUsd(12_500 * presumed_calls),
        };
        let rows =
            [row("openai", "2026-03-14", 3, 1), row("serper", "2026-03-14", 2, 0), row("openai", "2026-03-15", 1, 0)];
        for (by, expected) in [(By::Provider, 2), (By::Search, 1), (By::Day, 2)] {
            let (groups, total) = add_up(&rows, by);
            assert_eq!((groups.len(), total.calls, total.cost_microusd), (expected, 6, 75_000));
            assert_eq!(groups.values().map(|sums| sums.calls).sum::<i64>(), 6);
        }
        let (groups, total) = add_up(&rows, By::Provider);
        insta::assert_snapshot!(table("provider", &groups, &total, &BTreeMap::new(), 100), @r"
        provider  calls  tokens in  out  credits     cost      presumed
        openai        4      4,000   20        0  $0.0500  $0.0125 in 1
        serper        2      2,000   10        0  $0.0250             -
        total         6      6,000   30        0  $0.0750  $0.0125 in 1
        ");
    }
}
