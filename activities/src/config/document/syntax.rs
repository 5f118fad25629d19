//! Syntax errors of TOML, in words that say how to mend them.

use super::Mistake;
use toml::de::Error;

pub(super) struct Syntax {
    pub(super) list: Vec<Mistake>,
    /// Whether the parser can have understood the rest of the text.
    pub(super) whole: bool,
}

/// Keeps the errors that are mistakes of their own: one a line, and none after a list or text that does not end,
/// because there every following line is an error.
pub(super) fn mistakes(text: &str, errors: &[Error]) -> Syntax {
    let mut errors: Vec<_> = errors.iter().map(|error| (error.span().map_or(0, |span| span.start), error)).collect();
    errors.sort_by_key(|(start, _)| *start);
    let runs_on =
        |error: &Error| ["array", "inline table", "multi-line"].iter().any(|part| error.message().contains(part));
    let whole = !errors.iter().any(|(_, error)| runs_on(error));
    let mut list: Vec<Mistake> = vec![];
    let mut last_line = None;
    for (start, error) in errors {
        let line = text[..start].matches('\n').count();
        if last_line.replace(line) != Some(line) {
            list.push(mistake(text, error));
        }
        if runs_on(error) {
            break;
        }
    }
    Syntax { list, whole }
}

fn mistake(text: &str, error: &Error) -> Mistake {
    let message = error.message().split(", expected").next().unwrap_or_default();
    let span = error.span().unwrap_or(0..0);
    let quoted = &text[span.clone()];
    let hint = match message {
        "string values must be quoted" if matches!(quoted, "yes" | "no" | "on" | "off" | "True" | "False") => {
            "write `true` or `false`".into()
        }
        "string values must be quoted" => format!("write `\"{}\"`", quoted.trim()),
        "duplicate key" => "each key and each [table] may be there once: remove one of the two".into(),
        "key with no value" => "write `key = value`".into(),
        "invalid basic string" | "invalid literal string" => "close the text with a quote on the same line".into(),
        "unclosed table" => "close the name of the table with `]`".into(),
        _ if message.contains("multi-line") => "close the text with three quotes".into(),
        _ if message.contains("inline table") => "close the table with `}`, with commas between its entries".into(),
        _ if message.contains("array") => "close the list before with `]`, or put a comma between its entries".into(),
        _ if message.starts_with("unexpected key or value") => {
            "start a new line here, or put the text in quotes".into()
        }
        _ => "see https://toml.io for how TOML is written".into(),
    };
    Mistake { path: String::new(), span: Some(span), message: message.into(), hint: Some(hint) }
}
