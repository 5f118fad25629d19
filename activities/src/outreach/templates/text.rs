//! One text with tokens: reading it, and filling it in.
//!
//! Only tokens and a few filters are understood, so that what a text needs is known before anybody is contacted: a token
//! without value shows as missing, whatever surrounds it.

use super::tokens::{self, Token, Tokens};
use crate::config::document::nearest;
use minijinja::filters;
use minijinja::machinery::ast::{CallArg, EmitExpr, Expr, Filter, Stmt};
use minijinja::machinery::parse;
use std::borrow::Cow;
use std::fmt;

/// Longer texts are not read.
const LONGEST_SOURCE_BYTES: usize = 64 * 1024;

const FILTERS: [&str; 5] = ["default", "lower", "upper", "title", "trim"];

/// A text that was read without a problem.
#[derive(Debug)]
pub(super) struct Text(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Literal(String),
    Value(Value),
}

#[derive(Debug)]
enum Value {
    Token(&'static Token),
    Constant(String),
    Default(Box<Value>, Box<Value>),
    Changed(Box<Value>, fn(&str) -> String),
}

/// A stretch of a filled-in text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Value(String),
    /// The token that has no value.
    Missing(&'static str),
}

/// What is wrong with a text, whoever it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextProblem {
    /// Begins in lower case, without final stop.
    pub message: String,
    pub hint: String,
}

impl fmt::Display for TextProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; hint: {}", self.message, self.hint)
    }
}

fn problem(message: impl Into<String>, hint: impl Into<String>) -> TextProblem {
    TextProblem { message: message.into(), hint: hint.into() }
}

impl Text {
    /// # Errors
    /// All that is wrong with the text; a syntax error stands alone.
    pub(super) fn read(source: &str) -> Result<Self, Vec<TextProblem>> {
        if source.len() > LONGEST_SOURCE_BYTES {
            let message = format!("is longer than {} KiB", LONGEST_SOURCE_BYTES / 1024);
            return Err(vec![problem(message, "shorten it")]);
        }
        if let Some(letter) = source.chars().find(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
        {
            let message = format!("contains the control character {}", letter.escape_unicode());
            return Err(vec![problem(message, "remove it")]);
        }
        // The parser ends lines as Unix does.
        let unified = source.replace("\r\n", "\n");
        let parsed = match parse(&unified, "text", minijinja::syntax::SyntaxConfig::default()) {
            Ok(parsed) => parsed,
            Err(error) => {
                let line =
                    error.line().filter(|line| *line > 1).map_or(String::new(), |line| format!(" in line {line}"));
                let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                let hint = "a token is written `{{ lead.first_name }}`";
                return Err(vec![problem(format!("cannot be read{line}: {detail}"), hint)]);
            }
        };
        let Stmt::Template(template) = &parsed else { return Ok(Self(vec![])) };
        let mut problems = vec![];
        let mut pieces = vec![];
        for child in &template.children {
            match child {
                Stmt::EmitRaw(raw) => pieces.push(Piece::Literal(raw.raw.to_owned())),
                Stmt::EmitExpr(emitted) => {
                    let EmitExpr { expr } = &**emitted;
                    match value(expr) {
                        Ok(value) => pieces.push(Piece::Value(value)),
                        Err(problem) => problems.push(problem),
                    }
                }
                _ => problems.push(problem(
                    "contains `{% … %}`, which is not understood",
                    "use tokens only, such as `{{ lead.hook | default('…') }}`, and branches between steps",
                )),
            }
        }
        if problems.is_empty() { Ok(Self(pieces)) } else { Err(problems) }
    }

    pub(super) fn fill(&self, tokens: &Tokens) -> Vec<Part> {
        let parts = self.0.iter().map(|piece| match piece {
            Piece::Literal(text) => Part::Literal(text.clone()),
            Piece::Value(value) => match value.of(tokens) {
                Ok(text) => Part::Value(text),
                Err(token) => Part::Missing(token),
            },
        });
        parts.collect()
    }

    /// What is there for everyone.
    pub(super) fn literal(&self) -> String {
        let literals = self.0.iter().filter_map(|piece| match piece {
            Piece::Literal(text) => Some(text.as_str()),
            Piece::Value(_) => None,
        });
        literals.collect()
    }

    pub(super) fn has_tokens(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Value(_)))
    }
}

impl Value {
    fn of(&self, tokens: &Tokens) -> Result<String, &'static str> {
        match self {
            Self::Token((name, field)) => {
                // Line breaks of a value are none of the text's.
                let value = field(tokens).split_whitespace().collect::<Vec<_>>().join(" ");
                let value: String = value.chars().filter(|letter| !letter.is_control()).collect();
                if value.is_empty() { Err(name) } else { Ok(value) }
            }
            Self::Constant(text) => Ok(text.clone()),
            Self::Default(value, other) => value.of(tokens).or_else(|_| other.of(tokens)),
            Self::Changed(value, change) => value.of(tokens).map(|text| change(&text)),
        }
    }
}

fn value(expression: &Expr<'_>) -> Result<Value, TextProblem> {
    match expression {
        Expr::GetAttr(attribute) => match &attribute.expr {
            Expr::Var(root) => token(&format!("{}.{}", root.id, attribute.name)),
            _ => Err(not_understood()),
        },
        Expr::Var(name) => token(name.id),
        Expr::Const(constant) => match constant.value.as_str() {
            Some(text) => Ok(Value::Constant(text.to_owned())),
            None => Err(problem("contains a constant that is no text", "put it in quotes, or out of the braces")),
        },
        Expr::Filter(filter) => filtered(filter),
        _ => Err(not_understood()),
    }
}

fn not_understood() -> TextProblem {
    problem(
        "contains an expression that is more than a token with filters",
        "write `{{ business.name }}` or `{{ lead.hook | default('…') }}`",
    )
}

fn token(name: &str) -> Result<Value, TextProblem> {
    if let Some(token) = tokens::ALL.iter().find(|(known, _)| *known == name) {
        return Ok(Value::Token(token));
    }
    let names = || tokens::ALL.iter().map(|(known, _)| *known);
    let near = nearest(name, names())
        // `first_name` for `lead.first_name`.
        .or_else(|| names().find(|known| known.split_once('.').is_some_and(|(_, last)| last == name)));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the tokens are {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(problem(format!("unknown token `{name}`"), hint))
}

fn filtered(filter: &Filter<'_>) -> Result<Value, TextProblem> {
    let Some(inner) = &filter.expr else { return Err(not_understood()) };
    let inner = Box::new(value(inner)?);
    let change: fn(&str) -> String = match (filter.name, filter.args.as_slice()) {
        ("default" | "d", [CallArg::Pos(other)]) => return Ok(Value::Default(inner, Box::new(value(other)?))),
        ("default" | "d", _) => {
            return Err(problem("`default` needs one text", "write `{{ lead.hook | default('…') }}`"));
        }
        ("lower", []) => str::to_lowercase,
        ("upper", []) => str::to_uppercase,
        ("title", []) => |text| filters::title(Cow::Borrowed(text)),
        ("trim", []) => |text| text.trim().to_owned(),
        (name, _) if FILTERS.contains(&name) => {
            return Err(problem(format!("the filter `{name}` takes no value"), format!("write `| {name}`")));
        }
        (name, _) => {
            let hint = match nearest(name, FILTERS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the filters are {}", FILTERS.join(", ")),
            };
            return Err(problem(format!("unknown filter `{name}`"), hint));
        }
    };
    Ok(Value::Changed(inner, change))
}
