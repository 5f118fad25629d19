//! What the models answer: content that fits the schema and the facts of the question, each item from its own facts alone.

mod insight;
mod personas;
mod reasons;
mod replies;
mod roles;
mod shape;

use serde_json::Value;

use crate::data::industry;
use crate::seed::Seed;

pub(crate) use insight::{Grounded, grounded};

/// A question for JSON.
pub(crate) struct Question<'a> {
    /// Of the schema, where the API has names.
    pub(crate) name: Option<&'a str>,
    pub(crate) schema: &'a Value,
    /// The user's last message: a JSON document.
    pub(crate) facts: &'a str,
}

/// The answer to `question`. `is_wrong` makes it one that fits the schema and not the facts.
pub(crate) fn content(seed: Seed, question: &Question<'_>, is_wrong: bool) -> Value {
    let facts = facts(question.facts);
    let is_insight = question.schema["properties"]["market_size"].is_object();
    let hint = match question.name {
        Some("business_personas") => personas::business_personas(seed, &facts),
        Some("decision_maker_personas") => personas::decision_maker_personas(seed, &facts),
        Some("buyer_group_roles") => roles::buyer_group_roles(&facts),
        Some("lead_reasons") => reasons::lead_reasons(seed, &facts),
        Some("reply_label") => replies::reply_label(seed, &facts),
        _ if is_insight => insight::structured(seed, &facts),
        _ => Value::Null,
    };
    // A caller's schema may differ from the one that the hint was made for: its parts are used where they fit.
    let mut answer = shape::shape(seed.of(&["shape", question.facts]), question.schema, &hint);
    if is_wrong {
        spoil(&mut answer);
    }
    answer
}

/// A sentence for questions without a schema.
pub(crate) fn sentence(seed: Seed, facts: &str) -> String {
    let generic = industry("");
    let pick = |texts: &[String], about| seed.of(&[about, facts]).pick(texts).clone();
    format!(
        "In short: {}; start from the goal of {}, and expect that {}.",
        pick(&generic.trends, "trend"),
        pick(&generic.goals, "goal"),
        pick(&generic.pains, "pain")
    )
}

/// The content with words around it, and broken off: not JSON.
pub(crate) fn malformed(content: &str) -> String {
    let end = content.floor_char_boundary(content.len() * 2 / 3);
    format!("Here is the JSON you asked for:\n```json\n{}", &content[..end])
}

/// The JSON document of a question, also with words around it; null when there is none.
fn facts(text: &str) -> Value {
    let within = || text.get(text.find('{')?..=text.rfind('}')?);
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(within()?).ok()).unwrap_or_default()
}

/// Leaves the last reason out; empties all lists and texts of other answers.
fn spoil(answer: &mut Value) {
    for (name, value) in answer.as_object_mut().into_iter().flatten() {
        match value {
            Value::Array(items) if name == "reasons" => drop(items.pop()),
            Value::Array(items) => items.clear(),
            Value::String(text) => text.clear(),
            _ => {}
        }
    }
}

/// The texts of a list of facts.
fn texts<'a>(facts: &'a Value, name: &str) -> Vec<&'a str> {
    facts[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// `text` up to a word's end within `max` characters.
fn shortened(text: &str, max: usize) -> String {
    let text = text.trim().trim_end_matches('.');
    let Some((end, _)) = text.char_indices().nth(max) else { return text.to_owned() };
    let cut = &text[..end];
    cut.rsplit_once(' ').map_or(cut, |(words, _)| words).trim_end_matches([',', ';', ':']).to_owned()
}
