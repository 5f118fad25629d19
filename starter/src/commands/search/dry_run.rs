//! `starter search start --dry-run`: what a search would call, cost and take.

use super::super::{columns, print, print_json};
use crate::failure::Failure;
use crate::output::figures::{count, counted, duration, money};
use crate::output::{terminal_width, wrapped};
use leadflow_activities::config::{Config, Models};
use leadflow_workflows::domain::brief::{Brief, Place};
use leadflow_workflows::domain::estimate::{ASSUMPTIONS, Estimate, Prices, Span, estimate};
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::provider::Provider;
use serde_json::json;
use std::fmt::Write;

pub(super) fn run(config: &Config, brief: &Brief, exclusions: usize, json: bool) -> Result<(), Failure> {
    let estimate = estimate(brief, &prices(&config.models), |provider| config.provider(provider).calls_per_minute);
    let places: Vec<Place> = brief.places.iter().map(|text| Place::new(text)).collect();
    let budget = brief.want.budget_usd.and_then(MicroUsd::from_usd).unwrap_or(config.budgets.search);
    if json {
        let places: Vec<_> =
            places.iter().map(|place| json!({ "place": place.text, "country": place.country_name() })).collect();
        let providers: serde_json::Map<_, _> =
            Provider::SEARCH.iter().map(|provider| (provider.name().into(), state(config, *provider).into())).collect();
        return print_json(&json!({
            "dry_run": true, "name": brief.name, "places": places, "exclusions": exclusions,
            "businesses": estimate.businesses, "leads": estimate.leads, "calls": estimate.calls,
            "cost_microusd": estimate.cost, "budget_microusd": budget,
            "seconds_at_the_limits": estimate.seconds_at_the_limits, "providers": providers, "assumptions": ASSUMPTIONS,
        }));
    }
    print(&text(config, brief, &places, exclusions, &estimate, budget, terminal_width()))
}

fn text(
    config: &Config,
    brief: &Brief,
    places: &[Place],
    exclusions: usize,
    estimate: &Estimate,
    budget: MicroUsd,
    width: u16,
) -> String {
    let mut text = format!("dry run of `{}`: nothing is stored or paid\n\n", brief.name);
    let mut line = |label: &str, value: String| {
        writeln!(text, "{label:<11} {value}").expect("a text takes any line");
    };
    for (index, place) in places.iter().enumerate() {
        let label = if index == 0 { "where" } else { "" };
        line(label, format!("{} (in {})", place.text, place.country_name().unwrap_or("no country that we know")));
    }
    if exclusions > 0 {
        line("exclude", counted(exclusions as u64, "row"));
    }
    let leads = if estimate.leads.low == estimate.leads.high { "at most ".to_owned() } else { String::new() };
    line("leads", format!("{leads}{}", span(estimate.leads, |leads| count(*leads))));
    line("businesses", span(estimate.businesses, |businesses| count(*businesses)));
    line("cost", span(estimate.cost, |cost| money(*cost)));
    let fits = if estimate.cost.high <= budget {
        "enough"
    } else if estimate.cost.low > budget {
        "not enough: the search would wait until it is raised"
    } else {
        "the search waits when it is used up, until it is raised"
    };
    line("budget", format!("{} ({fits})", money(budget)));
    let time = span(estimate.seconds_at_the_limits, |seconds| duration(seconds * 1_000));
    line("time", format!("{time} at the rate limits, plus the time that answers take"));
    text.push('\n');
    let rows = estimate.calls.iter().map(|(provider, calls)| {
        vec![
            provider.to_string(),
            span(*calls, |calls| count(*calls)),
            format!("{} a minute", count(config.provider(*provider).calls_per_minute.into())),
            state(config, *provider).to_owned(),
        ]
    });
    text.push_str(&columns(&["provider", "calls", "limit", "set up"], &["calls", "limit"], rows, width));
    text.push_str("\nassumed:\n");
    for assumption in ASSUMPTIONS {
        text.push_str(&wrapped("- ", assumption, width));
    }
    text
}

/// `5 to 17`, or `6` when there is no doubt.
fn span<T: Copy + PartialEq>(span: Span<T>, shown: impl Fn(&T) -> String) -> String {
    if span.low == span.high { shown(&span.low) } else { format!("{} to {}", shown(&span.low), shown(&span.high)) }
}

fn state(config: &Config, provider: Provider) -> &'static str {
    let settings = config.provider(provider);
    match (settings.sandbox, settings.api_key.is_some()) {
        (true, _) => "sandbox",
        (false, true) => "real",
        (false, false) => "missing",
    }
}

fn prices(models: &Models) -> Prices {
    Prices {
        openai_input: models.openai_input_per_million,
        openai_output: models.openai_output_per_million,
        gemini_input: models.gemini_input_per_million,
        gemini_output: models.gemini_output_per_million,
        gemini_grounding: models.gemini_grounding,
        serper_credit: models.serper_credit,
        hunter_finder: models.hunter_finder,
        hunter_verifier: models.hunter_verifier,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_how_places_were_read_and_what_is_assumed() {
        let brief = crate::brief_file::parse("brief.toml", include_str!("../../../templates/brief.toml")).unwrap();
        let brief = Brief { places: vec!["Oregon, US".into(), "Denver, CO".into()], ..brief };
        let config = Config::sandbox("http://127.0.0.1:1");
        let estimate = estimate(&brief, &prices(&config.models), |provider| config.provider(provider).calls_per_minute);
        let places: Vec<Place> = brief.places.iter().map(|text| Place::new(text)).collect();
        insta::assert_snapshot!(text(&config, &brief, &places, 2, &estimate, MicroUsd(5_000_000), 100));
    }
}
