//! Reads a TOML file that a user wrote, and finds all its mistakes at once, each with the bytes it is about.
//!
//! The shape comes from the JSON schema of the Rust type. A key that is wrong is taken out or filled with something
//! neutral, so that the rest can still be read and checked.

mod shape;
mod syntax;
mod wording;

use super::mistakes::{Mistake, Mistakes, read_text};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shape::Shape;
use std::path::Path;
use toml::de::DeTable;

pub use wording::nearest;

/// Largest file that is read; what people write by hand is far smaller.
const LARGEST_BYTES: u64 = 1024 * 1024;

/// What a rule found that the shape cannot say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Keys and zero-based positions from the root, joined by dots.
    pub path: String,
    /// Continues after the name of the key: `must be 1 to 8, not 9`.
    pub message: String,
    pub hint: String,
}

/// Reads the file as a `T` and holds it against the rules in `check`.
///
/// # Errors
/// Everything that is wrong with the file, as far as it can be told apart.
pub fn load<T: DeserializeOwned + JsonSchema>(path: &Path, check: impl Fn(&T) -> Vec<Finding>) -> Result<T, Mistakes> {
    load_over(path, "", check)
}

/// [`load`] with defaults, as [`parse`] has them.
///
/// # Errors
/// As [`load`].
pub fn load_over<T: DeserializeOwned + JsonSchema>(
    path: &Path,
    defaults: &str,
    check: impl Fn(&T) -> Vec<Finding>,
) -> Result<T, Mistakes> {
    parse(&path.display().to_string(), &read_text(path, LARGEST_BYTES)?, defaults, check)
}

/// Like [`load`] for a text at hand. Keys that the text leaves out are taken from `defaults`, which is a TOML document
/// without mistakes, or empty.
///
/// # Errors
/// Everything that is wrong with the text; `file` is its name in the messages.
pub fn parse<T: DeserializeOwned + JsonSchema>(
    file: &str,
    text: &str,
    defaults: &str,
    check: impl Fn(&T) -> Vec<Finding>,
) -> Result<T, Mistakes> {
    let (mut root, errors) = DeTable::parse_recoverable(text);
    let syntax = syntax::mistakes(text, &errors);
    let whole = syntax.whole;
    let mut list = syntax.list;
    if whole {
        let defaults = DeTable::parse(defaults).expect("the defaults are valid TOML").into_inner();
        let schema = schemars::schema_for!(T).to_value();
        let mut shape = Shape::new(&schema, list.is_empty());
        shape.read(&mut root, &defaults);
        let value = T::deserialize(toml::de::Deserializer::from(root));
        let mut found = match value {
            Ok(value) => {
                let findings = check(&value);
                if findings.is_empty() && shape.mistakes.is_empty() && list.is_empty() {
                    return Ok(value);
                }
                shape.place(findings)
            }
            // What a schema does not say, or a consequence of a mistake that is already listed.
            Err(error) if shape.mistakes.is_empty() && list.is_empty() => {
                vec![Mistake { path: String::new(), span: error.span(), message: error.message().into(), hint: None }]
            }
            Err(_) => vec![],
        };
        found.append(&mut shape.mistakes);
        // The value on a line with broken syntax is a guess of the parser.
        let line = |mistake: &Mistake| mistake.span.as_ref().map(|span| text[..span.start].matches('\n').count());
        let broken: Vec<_> = list.iter().map(line).collect();
        list.extend(found.into_iter().filter(|mistake| !broken.contains(&line(mistake))));
    }
    list.sort_by_key(|mistake| mistake.span.as_ref().map_or(usize::MAX, |span| span.start));
    Err(Mistakes { file: file.into(), text: text.into(), list })
}

/// [`parse`] for JSON of the same shape. Mistakes have a path and no place.
///
/// # Errors
/// As [`parse`].
pub fn from_json<T: DeserializeOwned + JsonSchema>(
    file: &str,
    value: Value,
    check: impl Fn(&T) -> Vec<Finding>,
) -> Result<T, Mistakes> {
    let text = match without_nulls(value) {
        value @ Value::Object(_) => toml::to_string(&value).ok(),
        _ => None,
    };
    let Some(text) = text else {
        return Err(Mistakes::one(file, "is not an object of keys and values", "send one of the shape of the file"));
    };
    parse(file, &text, "", check).map_err(|mut mistakes| {
        mistakes.text.clear();
        for mistake in &mut mistakes.list {
            mistake.span = None;
        }
        mistakes
    })
}

/// TOML has no null; a key that is null is not there.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let entries = entries.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(entries.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(entries) => Value::Array(entries.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
