//! The texts of a sequence for one lead: strict, so that a message never has a gap.

mod footer;
mod markdown;
mod text;
mod tokens;

pub use footer::{Footer, email_footer};
pub use markdown::plain_html;
pub use text::TextProblem;
pub use tokens::{BusinessTokens, CampaignTokens, LeadTokens, SenderTokens, Tokens};

use leadflow_workflows::domain::sequence::{Step, StepKind};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use text::{Part, Text};

/// What a contact says. The text of an email is its Markdown; `html` is there for emails only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Message {
    pub subject: Option<String>,
    /// Empty for an invitation without note, and for a step that says nothing.
    pub text: String,
    pub html: Option<String>,
}

/// Why a step cannot be sent to a lead. Says nothing of the lead but which values are not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("step `{step}`: {problem}; hint: {hint}")]
pub struct TemplateError {
    pub step: String,
    pub problem: TemplateProblem,
    pub hint: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateProblem {
    /// Tokens without value and without default.
    Missing {
        field: Field,
        tokens: Vec<String>,
    },
    Empty {
        field: Field,
    },
    /// In characters, as the provider counts them.
    TooLong {
        field: Field,
        count: usize,
        limit: usize,
    },
    /// The text itself is wrong.
    Syntax {
        field: Field,
        message: String,
    },
}

/// A text of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Note,
    Message,
    InmailSubject,
    Inmail,
    EmailSubject,
    Email,
}

/// A note of a free LinkedIn account.
const FREE_NOTE: usize = 200;

impl Field {
    /// Most characters that the provider takes.
    pub fn limit(self) -> usize {
        match self {
            Self::Note => 300,
            Self::Message => 8_000,
            Self::InmailSubject => 200,
            Self::Inmail => 1_900,
            Self::EmailSubject => 998,
            Self::Email => 100_000,
        }
    }

    fn is_subject(self) -> bool {
        matches!(self, Self::InmailSubject | Self::EmailSubject)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Note => "the note",
            Self::Message => "the message",
            Self::InmailSubject | Self::EmailSubject => "the subject",
            Self::Inmail => "the InMail",
            Self::Email => "the email",
        })
    }
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { field, tokens } => {
                let tokens: Vec<String> = tokens.iter().map(|token| format!("`{token}`")).collect();
                write!(formatter, "{field} needs {}, unknown for this lead", tokens.join(" and "))
            }
            Self::Empty { field } => write!(formatter, "{field} is empty"),
            Self::TooLong { field, count, limit } => {
                write!(formatter, "{field} has {count} characters, {} more than {limit}", count - limit)
            }
            Self::Syntax { field, message } => write!(formatter, "{field} {message}"),
        }
    }
}

/// A step for one lead as far as it can be filled in, with all that keeps it from being sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// With `[lead.hook is missing]` where a value is.
    pub message: Message,
    pub problems: Vec<TemplateError>,
}

/// What a step says to a lead.
///
/// # Errors
/// The first thing that keeps it from being sent as it is.
pub fn render(step: &Step, tokens: &Tokens) -> Result<Message, TemplateError> {
    let Draft { message, problems } = draft(step, tokens);
    problems.into_iter().next().map_or(Ok(message), Err)
}

/// What a step would say to a lead, with everything that is wrong with it.
pub fn draft(step: &Step, tokens: &Tokens) -> Draft {
    let mut problems = vec![];
    let mut filled = |field: Field, source: &str| {
        let (parts, found) = fill(field, source, tokens);
        problems.extend(found.into_iter().map(|(problem, hint)| TemplateError {
            step: step.id.clone(),
            problem,
            hint,
        }));
        parts
    };
    let message = match &step.kind {
        StepKind::Invite { note } => Message { text: joined(&filled(Field::Note, note)), ..Message::default() },
        StepKind::Message { text } => Message { text: joined(&filled(Field::Message, text)), ..Message::default() },
        StepKind::Inmail { subject, text } => Message {
            subject: Some(joined(&filled(Field::InmailSubject, subject))),
            text: joined(&filled(Field::Inmail, text)),
            html: None,
        },
        StepKind::Email { subject, text } => {
            let subject = Some(joined(&filled(Field::EmailSubject, subject)));
            let parts = filled(Field::Email, text);
            Message { subject, text: joined(&parts), html: Some(markdown::html(&parts)) }
        }
        StepKind::VisitProfile
        | StepKind::Wait { .. }
        | StepKind::WaitForConnection { .. }
        | StepKind::Branch { .. }
        | StepKind::End => Message::default(),
    };
    Draft { message, problems }
}

/// What is wrong with a text, whoever it is for.
pub fn check(field: Field, source: &str) -> Vec<TextProblem> {
    let text = match Text::read(source) {
        Ok(text) => text,
        Err(problems) => return problems,
    };
    let problem = |message: String, hint: &str| vec![TextProblem { message, hint: hint.to_owned() }];
    let literal = text.literal();
    if field != Field::Note && literal.trim().is_empty() && !text.has_tokens() {
        return problem("is empty".into(), "write what it is to say");
    }
    if field.is_subject() && literal.contains('\n') {
        return problem("has more than one line".into(), "a subject is one line");
    }
    let count = length(literal.trim());
    if count > field.limit() {
        let message = format!("has {count} characters before any token is filled in, more than {}", field.limit());
        return problem(message, "shorten it");
    }
    vec![]
}

/// How the provider counts a text: in UTF-16 units, never less than what a reader counts.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

fn fill(field: Field, source: &str, tokens: &Tokens) -> (Vec<Part>, Vec<(TemplateProblem, String)>) {
    let parts = match Text::read(source) {
        Ok(text) => trimmed(text.fill(tokens)),
        Err(problems) => {
            let problems = problems.into_iter();
            let problems =
                problems.map(|problem| (TemplateProblem::Syntax { field, message: problem.message }, problem.hint));
            return (vec![], problems.collect());
        }
    };
    let mut missing: Vec<String> = vec![];
    for part in &parts {
        if let Part::Missing(token) = part
            && !missing.iter().any(|known| known == token)
        {
            missing.push((*token).to_owned());
        }
    }
    let mut problems = vec![];
    if let Some(first) = missing.first() {
        let hint = format!("write `{{{{ {first} | default('…') }}}}`, or leave such leads out");
        problems.push((TemplateProblem::Missing { field, tokens: missing }, hint));
    }
    let text = joined(&parts);
    if text.is_empty() && field != Field::Note {
        problems.push((TemplateProblem::Empty { field }, "write what it is to say".into()));
    }
    let limit = if field == Field::Note && tokens.sender.is_free { FREE_NOTE } else { field.limit() };
    let count = length(&text);
    if count > limit && problems.is_empty() {
        problems.push((TemplateProblem::TooLong { field, count, limit }, "shorten the text".into()));
    }
    (parts, problems)
}

/// Without space at either end.
fn trimmed(mut parts: Vec<Part>) -> Vec<Part> {
    if let Some(Part::Literal(first)) = parts.first_mut() {
        *first = first.trim_start().to_owned();
    }
    if let Some(Part::Literal(last)) = parts.last_mut() {
        *last = last.trim_end().to_owned();
    }
    parts
}

fn joined(parts: &[Part]) -> String {
    parts.iter().map(shown).collect()
}

fn shown(part: &Part) -> String {
    match part {
        Part::Literal(text) | Part::Value(text) => text.clone(),
        Part::Missing(token) => format!("[{token} is missing]"),
    }
}

#[cfg(test)]
mod tests;
