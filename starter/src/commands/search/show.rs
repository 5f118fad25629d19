//! `starter search show`.

use super::super::{instant, print, print_json};
use super::SearchArg;
use super::report::SearchReport;
use crate::failure::Failure;
use crate::output::figures::{count, counted, duration, money};
use crate::output::{SANDBOX_NOTICE, SANDBOX_SOURCE, printable, terminal_width, wrapped};
use crate::site::{GlobalArgs, Site};
use crate::watch::hold;
use leadflow_activities::store::personas::Persona;
use leadflow_workflows::domain::answers::MarketInsight;
use leadflow_workflows::domain::money::MicroUsd;

/// Gaps and sources beyond are counted, and are all in `--json`.
const LISTED: usize = 20;

pub(super) async fn run(args: &SearchArg, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let search = site.search(&store, &args.search).await?;
    let report = SearchReport::read(&site, &store, &search).await?;
    if global.json { print_json(&report) } else { print(&text(&report, terminal_width())) }
}

/// Labelled lines that are broken at the width of the terminal.
struct Page {
    text: String,
    width: u16,
}

const LABEL_WIDTH: usize = 12;

impl Page {
    fn line(&mut self, label: &str, value: &str) {
        self.text.push_str(&wrapped(&format!("{label:<LABEL_WIDTH$}"), &printable(value), self.width));
    }

    fn lines<'a>(&mut self, label: &str, values: impl IntoIterator<Item = &'a str>) {
        for (index, value) in values.into_iter().enumerate() {
            self.line(if index == 0 { label } else { "" }, value);
        }
    }
}

fn text(report: &SearchReport, width: u16) -> String {
    let mut page = Page { text: String::new(), width };
    head(&mut page, report);
    personas(&mut page, report);
    market(&mut page, report);
    losses(&mut page, report);
    if let Some(web_ui) = &report.web_ui {
        page.line("web UI", web_ui);
    }
    if report.source == SANDBOX_SOURCE {
        page.line("", SANDBOX_NOTICE);
    }
    page.text
}

fn head(page: &mut Page, report: &SearchReport) {
    let progress = &report.progress;
    page.line("search", &format!("{}  {}", report.search_id, report.name));
    page.line("state", &format!("{}, {} %", report.status.replace('_', " "), progress.percent));
    let hold = hold(progress, &report.search_id).filter(|_| report.finished_at_ms.is_none()).unwrap_or_default();
    page.lines("", hold.lines());
    let want = &report.brief.want;
    let leads = want.leads.map_or("all leads that can be found".into(), |leads| counted(leads.into(), "lead"));
    let ideal = &report.brief.ideal;
    page.line("brief", &format!("{leads} at {} in {}", ideal.industries.join(", "), report.brief.places.join("; ")));
    if report.exclusions > 0 {
        page.line("", &format!("{} to leave out", counted(report.exclusions as u64, "row")));
    }
    let seconds = |seconds: Option<f64>| {
        seconds.map(|seconds| {
            duration(std::time::Duration::from_secs_f64(seconds).as_millis().try_into().unwrap_or(u64::MAX))
        })
    };
    let first = seconds(report.first_lead_seconds).map_or(String::new(), |first| format!(", first lead after {first}"));
    let all = seconds(report.seconds).map_or(String::new(), |all| format!(", ended after {all}"));
    page.line("time", &format!("started {}{first}{all}", instant(report.created_at_ms)));
    page.line(
        "businesses",
        &format!(
            "{} searched of {} found",
            count(progress.businesses_searched.into()),
            count(progress.businesses.into())
        ),
    );
    let emails =
        if want.email { format!(", {} looked up", count(progress.leads_looked_up.into())) } else { String::new() };
    let wanted = want.leads.map_or(String::new(), |wanted| format!(" of {} wanted", count(wanted.into())));
    page.line(
        "leads",
        &format!(
            "{} found{emails}, {} with a reason{wanted}",
            count(progress.leads.into()),
            count(progress.leads_ready.into())
        ),
    );
    page.line(
        "cost",
        &format!("{} of {}", money(MicroUsd(report.cost_microusd)), money(MicroUsd(report.budget_microusd))),
    );
    let calls: Vec<String> = report.calls.iter().map(|(provider, calls)| format!("{provider} {calls}")).collect();
    if !calls.is_empty() {
        page.line("calls", &calls.join(", "));
    }
    for (stage, problem) in progress.problems.iter().filter(|(_, problem)| !hold.contains(problem.as_str())) {
        page.line("problem", &format!("last in {stage}: {problem}"));
    }
}

fn personas(page: &mut Page, report: &SearchReport) {
    for shown in &report.personas {
        let Persona { rank, title, match_score, body } = &shown.persona;
        let stand_in = if body.is_none() { ", from the brief" } else { "" };
        page.line(&format!("persona {rank}"), &format!("{title} (match {match_score}{stand_in})"));
        if let Some(size) = body.as_ref().and_then(|body| body["market_potential"]["size"].as_str()) {
            page.line("", &format!("how many: {size}"));
        }
        let roles: Vec<String> =
            shown.roles.iter().map(|role| format!("{} ({})", role.title, role.match_score)).collect();
        if !roles.is_empty() {
            page.line("", &format!("roles: {}", roles.join(", ")));
        }
    }
}

fn market(page: &mut Page, report: &SearchReport) {
    for market in &report.market {
        let insight = market.insight.clone().and_then(|insight| serde_json::from_value::<MarketInsight>(insight).ok());
        let label = format!("market {}", market.rank);
        let Some(insight) = insight else {
            page.line(&label, &market.facts);
            continue;
        };
        page.line(&label, &insight.market_size);
        for (name, list) in
            [("trends", insight.trends), ("competitors", insight.competitors), ("conversation", insight.hooks)]
        {
            if !list.is_empty() {
                page.line("", &format!("{name}: {}", list.join("; ")));
            }
        }
        let sources: Vec<&str> =
            market.sources.as_array().into_iter().flatten().filter_map(|source| source["uri"].as_str()).collect();
        for source in sources.iter().take(LISTED) {
            page.line("", &format!("source: {source}"));
        }
    }
}

fn losses(page: &mut Page, report: &SearchReport) {
    for gap in report.gaps.iter().take(LISTED) {
        page.line("gap", &format!("{} ({}): {}", gap.item, gap.stage, gap.problem));
    }
    if report.gaps.len() > LISTED {
        page.line("", &format!("and {} more; --json has them all", report.gaps.len() - LISTED));
    }
    for group in &report.not_taken {
        let people = if group.people == 1 { "1 person".to_owned() } else { format!("{} people", group.people) };
        let reason = format!("{} {}: {}", people, group.state.replace('_', " "), group.problem);
        page.line("not taken", &format!("{reason}; see `starter lead explain {}`", group.example_lead));
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{NotTaken, PersonaReport};
    use super::*;
    use leadflow_activities::store::personas::MarketRow;
    use leadflow_activities::store::searches::{Gap, Progress};
    use serde_json::json;

    fn report() -> SearchReport {
        let brief = crate::brief_file::parse("brief.toml", include_str!("../../../templates/brief.toml")).unwrap();
        let persona = |rank, title: &str, body| Persona { rank, title: title.into(), match_score: 96, body };
        SearchReport {
            search_id: "0192f0c1-0000-7000-8000-000000000001".into(),
            name: brief.name.clone(),
            source: "sandbox".into(),
            status: "over_budget".into(),
            brief,
            exclusions: 3,
            progress: Progress {
                phase: "over_budget".into(),
                percent: 45,
                businesses: 43,
                businesses_searched: 36,
                leads: 60,
                leads_looked_up: 58,
                leads_ready: 27,
                gaps: 1,
                problems: [("emails", "the search `0192f0c1-0000-7000-8000-000000000001` budget is used up; raise it")]
                    .map(|(stage, problem)| (stage.into(), problem.into()))
                    .into(),
                first_lead_at_ms: Some(1_773_480_415_500),
                updated_at_ms: 1_773_480_420_000,
            },
            created_at: "2026-03-14T09:26:53Z".into(),
            started_at: None,
            finished_at: None,
            first_lead_seconds: Some(2.5),
            seconds: None,
            cost_microusd: 2_017_000,
            budget_microusd: 2_020_000,
            calls: [("openai".to_owned(), 8), ("serper".to_owned(), 40)].into(),
            personas: vec![
                PersonaReport {
                    persona: persona(
                        1,
                        "Independent craft brewery",
                        Some(json!({ "market_potential": { "size": "a few hundred in Oregon" } })),
                    ),
                    roles: vec![persona(1, "Owner", None), persona(2, "Head Brewer", None)],
                },
                PersonaReport { persona: persona(2, "brewpub", None), roles: vec![] },
            ],
            market: vec![MarketRow {
                rank: 1,
                facts: "facts".into(),
                sources: json!([{ "domain": "news.example", "title": "news", "uri": "https://news.example/article" }]),
                insight: Some(json!({
                    "market_size": "about 49 breweries with some 39 million dollars of yearly purchases and 5 % growth",
                    "trends": ["taproom sales grow", "lager takes shelf space"], "competitors": ["two suppliers"],
                    "hooks": []
                })),
            }],
            gaps: vec![Gap {
                stage: "emails".into(),
                item: "email of lead 5".into(),
                problem: "parameter refused".into(),
            }],
            not_taken: vec![NotTaken {
                state: "left_out".into(),
                problem: "the LinkedIn profile is excluded".into(),
                people: 2,
                example_lead: "0192f0c1-0000-7000-8000-00000000002a".into(),
            }],
            web_ui: Some("http://127.0.0.1:8233/namespaces/default/workflows/search%2F0192f0c1".into()),
            created_at_ms: 1_773_480_413_000,
            finished_at_ms: None,
        }
    }

    #[test]
    fn everything_is_told_within_the_width() {
        insta::assert_snapshot!(text(&report(), 100));
        for width in [60, 80, 120] {
            let longest = text(&report(), width).lines().map(textwrap::core::display_width).max();
            // The link of the web UI is one word.
            assert!(longest <= Some(usize::from(width).max(90)), "{width}: {longest:?}");
        }
    }
}
