//! Market insights: a grounded answer in words, and the structure of one.

use serde_json::{Value, json};

use super::{shortened, texts};
use crate::data::{DATA, industry};
use crate::seed::Seed;

/// An answer out of web results, of which each sentence names its sources.
pub(crate) struct Grounded {
    pub(crate) queries: Vec<String>,
    /// Hosts of the sources, all of them under `.example`.
    pub(crate) hosts: Vec<String>,
    /// Sentences, each with the numbers of its sources in `hosts`.
    pub(crate) sentences: Vec<(String, Vec<usize>)>,
}

const SIZE: &str = "Market size: ";
const TRENDS: &str = "Trends: ";
const COMPETITORS: &str = "Competitors: ";
const HOOKS: &str = "Conversation starters: ";

/// Answers about the industry and the places that the prompt's JSON document names.
pub(crate) fn grounded(seed: Seed, prompt: &str) -> Grounded {
    let facts = super::facts(prompt);
    let name = facts["industry"].as_str().unwrap_or("business");
    let places = match texts(&facts, "places") {
        places if places.is_empty() => vec!["the region"],
        places => places,
    };
    let sell = shortened(facts["sell"].as_str().unwrap_or("the offer"), 60);
    let place = places.join(" and ");
    let seed = seed.of(&["insight", name, &place, &sell]);
    let known = industry(name);
    let listed: usize = places.iter().map(|place| DATA.listed(name, place).len()).sum();
    let volume = 5 + seed.of(&["volume"]).below(90);
    let growth = 1 + seed.of(&["growth"]).below(7);
    let rivals = seed.of(&["rivals"]);
    let rival = |n: usize| *rivals.of(&[&n.to_string()]).pick(&RIVALS[n]);
    let sentences = vec![
        (
            format!(
                "{SIZE}about {} businesses of the kind “{name}” in {place}, with some {volume} million dollars of yearly purchases \
                 and {growth} % growth a year.",
                listed.max(12)
            ),
            vec![0, 1],
        ),
        (format!("{TRENDS}{}.", known.trends.join("; ")), vec![1, 2]),
        (format!("{COMPETITORS}{}; {}; {}.", rival(0), rival(1), rival(2)), vec![3]),
        (
            format!(
                "{HOOKS}ask how they deal with this: {}; mention that {}; offer a comparison with others in {} before speaking of {sell}.",
                seed.of(&["pain"]).pick(&known.pains),
                seed.of(&["trend"]).pick(&known.trends),
                places[0]
            ),
            vec![2, 3],
        ),
    ];
    let slug = crate::data::words(name).collect::<Vec<_>>().join("-");
    Grounded {
        queries: vec![format!("{name} market size {place}"), format!("{name} trends {place}")],
        hosts: vec![
            format!("{slug}-statistics.example"),
            format!("{slug}-report.example"),
            "trade-news.example".into(),
            "supplier-review.example".into(),
        ],
        sentences,
    }
}

const RIVALS: [[&str; 3]; 3] = [
    [
        "large distributors with a full catalogue",
        "two national suppliers with field sales",
        "importers that compete on price",
    ],
    ["regional dealers with same-day service", "online shops without advice", "makers that sell directly"],
    ["doing it by hand as before", "used equipment from businesses that closed", "joint purchasing by neighbours"],
];

/// The structure of a grounded answer; of another text, its first sentences.
pub(super) fn structured(seed: Seed, facts: &Value) -> Value {
    let text = facts["facts"].as_str().unwrap_or_default();
    let labelled = |label: &str| text.lines().find_map(|line| line.trim().strip_prefix(label));
    let items = |label: &str| -> Vec<String> {
        let items = labelled(label).into_iter().flat_map(|line| line.split(';'));
        items.map(|item| item.trim().trim_end_matches('.').to_owned()).filter(|item| !item.is_empty()).collect()
    };
    let mut sentences = text.split(['.', '\n']).map(str::trim).filter(|sentence| !sentence.is_empty());
    let market_size = labelled(SIZE).map(|line| line.trim_end_matches('.')).or_else(|| sentences.next());
    let mut trends = items(TRENDS);
    if trends.is_empty() {
        trends = sentences.take(3).map(str::to_owned).collect();
    }
    if trends.is_empty() {
        trends = vec![seed.of(&["trend", text]).pick(&industry("").trends).clone()];
    }
    json!({
        "market_size": market_size.unwrap_or("not stated"),
        "trends": trends,
        "competitors": items(COMPETITORS),
        "hooks": items(HOOKS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grounded_answer_can_be_structured() {
        let answer = grounded(Seed(1), r#"{"sell":"kegs","industry":"brewery","places":["Vermont, US","Maine, US"]}"#);
        assert!(answer.hosts.iter().all(|host| host.ends_with(".example")), "{:?}", answer.hosts);
        let text: Vec<_> = answer.sentences.iter().map(|(sentence, _)| sentence.as_str()).collect();
        let insight = structured(Seed(1), &json!({"facts": text.join("\n")}));
        assert!(insight["market_size"].as_str().is_some_and(|size| size.contains("brewery") && size.contains("Maine")));
        for list in ["trends", "competitors", "hooks"] {
            assert_eq!(insight[list].as_array().map(Vec::len), Some(3), "{insight}");
        }
    }

    #[test]
    fn any_text_has_a_size_and_a_trend() {
        for text in ["", "One sentence. Another one."] {
            let insight = structured(Seed(1), &json!({"facts": text}));
            assert!(insight["market_size"].as_str().is_some_and(|size| !size.is_empty()));
            assert!(!insight["trends"].as_array().expect("a list").is_empty());
        }
    }
}
