//! Names and advice in the messages about a document.

use serde_json::Value;
use toml::de::DeValue;

/// How a message names a key or entry: `` `want.leads` ``, or ``entry 2 of `where.places` ``.
pub(super) fn told(path: &str) -> String {
    match path.rsplit_once('.').map(|(list, index)| (list, index.parse::<usize>())) {
        Some((list, Ok(index))) => format!("entry {} of `{list}`", index + 1),
        _ => format!("`{path}`"),
    }
}

/// The kind of a value, in the words of JSON schema.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "date",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

/// A kind as a person says it.
pub(super) fn kind_told(kind: &str) -> &str {
    match kind {
        "string" => "a text in quotes",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "date" => "a date",
        "array" => "a list in brackets",
        "object" => "a table",
        other => other,
    }
}

/// How to write a value of the wrong kind, when that can be told from it.
pub(super) fn rewritten(wanted: &str, value: &DeValue<'_>) -> Option<String> {
    let short = |text: &str| text.len() <= 40 && !text.contains(char::is_control);
    match (wanted, value) {
        ("integer" | "number", DeValue::String(text)) if text.parse::<f64>().is_ok() => {
            Some(format!("write it without quotes: `{text}`"))
        }
        ("boolean", DeValue::String(text)) => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" => Some("write `true`, without quotes".into()),
            "false" | "no" | "off" => Some("write `false`, without quotes".into()),
            _ => None,
        },
        ("string", DeValue::Integer(number)) => Some(format!("put it in quotes: `\"{number}\"`")),
        ("string", DeValue::Float(number)) => Some(format!("put it in quotes: `\"{number}\"`")),
        ("array", DeValue::String(text)) if short(text) => Some(format!("put it in brackets: `[\"{text}\"]`")),
        ("array", _) => Some("put it in brackets: `[...]`".into()),
        _ => None,
    }
}

/// What the doc comment of a field says first, as the rest of a hint.
pub(super) fn described(schema: &Value) -> Option<String> {
    let description = schema["description"].as_str()?.replace('\n', " ");
    let sentence = description.split(". ").next()?.trim_end_matches('.');
    let mut letters = sentence.chars();
    let first = letters.next()?;
    // A word in capitals stays as it is.
    let keep = letters.clone().next().is_some_and(char::is_uppercase);
    Some(if keep { sentence.into() } else { format!("{}{}", first.to_lowercase(), letters.as_str()) })
}

/// The known word that was probably meant.
pub fn nearest<'w>(written: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let written = written.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&written, word), word))
        .filter(|(distance, word)| *distance <= (word.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
