//! Shows the mistakes of a file: each with its line, a caret and a hint.

use leadflow_activities::config::mistakes::{Mistake, Mistakes};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use std::borrow::Cow;
use std::fmt;
use std::io::IsTerminal;

/// So many mistakes are shown; whoever has more mends these first.
const SHOWN: usize = 20;
/// A longer line is not quoted.
const LONGEST_LINE_BYTES: usize = 500;

/// How mistakes are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub colour: bool,
    /// Box-drawing characters; otherwise plain ASCII.
    pub unicode: bool,
    /// Columns.
    pub width: usize,
}

impl Look {
    /// What standard error can show: all of it on a terminal, without colour if `NO_COLOR` is set, ASCII elsewhere.
    pub fn of_stderr() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = if terminal { super::output::terminal_width().into() } else { 100 };
        Self { colour: terminal && !no_colour, unicode: terminal, width }
    }

    fn theme(self) -> GraphicalTheme {
        match (self.colour, self.unicode) {
            (true, true) => GraphicalTheme::unicode(),
            (true, false) => GraphicalTheme::ascii(),
            (false, true) => GraphicalTheme::unicode_nocolor(),
            (false, false) => GraphicalTheme::none(),
        }
    }
}

/// All mistakes as text for a person, with a final line break.
pub fn render(mistakes: &Mistakes, look: Look) -> String {
    let text = presentable(&mistakes.text);
    let source = NamedSource::new(&mistakes.file, text.clone());
    let mut out = String::new();
    for mistake in mistakes.list.iter().take(SHOWN) {
        let span = mistake.span.clone().filter(|span| !text.is_empty() && short_around(&text, span.start, 0));
        let message = match (&span, &mistake.span) {
            (Some(_), _) => mistake.message.clone(),
            (None, None) => format!("{}: {}", mistakes.file, mistake.message),
            (None, Some(span)) => {
                let (line, column) = mistakes.position(span.start);
                format!("{}:{line}:{column}: {}", mistakes.file, mistake.message)
            }
        };
        let context = span.as_ref().is_some_and(|span| short_around(&text, span.start, 1)).into();
        let label = span.map(|span| caret(&text, span));
        let shown = Shown { message, label, source: &source };
        let mut handler = GraphicalReportHandler::new_themed(look.theme())
            .with_width(look.width)
            .with_links(false)
            .with_context_lines(context);
        if let Some(hint) = hint(mistake) {
            handler = handler.with_footer(hint);
        }
        handler.render_report(&mut out, &shown).expect("a text takes any report");
        out.push('\n');
    }
    let more = mistakes.list.len().saturating_sub(SHOWN);
    if more > 0 {
        out.extend(["and ", &more.to_string(), " more; mend these first\n"]);
    }
    out
}

fn hint(mistake: &Mistake) -> Option<String> {
    mistake.hint.as_ref().map(|hint| format!("hint: {}", presentable(hint)))
}

/// At least one character, and no more than the rest of the line.
fn caret(text: &str, span: std::ops::Range<usize>) -> LabeledSpan {
    let rest = &text[span.start..];
    let line_length = rest.find(['\r', '\n']).unwrap_or(rest.len());
    let one = rest.chars().next().map_or(0, char::len_utf8);
    LabeledSpan::new_with_span(None, (span.start, span.len().min(line_length).max(one.min(line_length))))
}

/// Whether the line of the byte, and so many lines before and after it, are short enough to be shown.
fn short_around(text: &str, byte: usize, more: usize) -> bool {
    let number = text[..byte].matches('\n').count();
    let mut lines = text.lines().skip(number.saturating_sub(more)).take(2 * more + 1);
    lines.all(|line| line.len() <= LONGEST_LINE_BYTES)
}

/// The text with everything taken out that a terminal would obey or nobody else should read, at the same length in
/// bytes, so that positions stay valid.
fn presentable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        for letter in secret_free(line).chars() {
            if letter.is_control() && !matches!(letter, '\n' | '\r' | '\t') {
                shown.extend(std::iter::repeat_n('?', letter.len_utf8()));
            } else {
                shown.push(letter);
            }
        }
    }
    shown
}

/// The line with the value of a key that sounds secret, and the password of an address, as asterisks.
fn secret_free(line: &str) -> Cow<'_, str> {
    let key = line.split_once('=').map_or("", |(key, _)| key).trim().to_lowercase();
    let secret = if ["key", "token", "secret", "password"].iter().any(|word| key.ends_with(word)) {
        line.find('=').map(|start| start + 1..line.trim_end().len())
    } else {
        password_span(line)
    };
    let Some(secret) = secret.filter(|secret| !secret.is_empty()) else { return Cow::Borrowed(line) };
    let stars = "*".repeat(secret.len());
    Cow::Owned(format!("{}{stars}{}", &line[..secret.start], &line[secret.end..]))
}

/// Where in `scheme://user:password@host` the password stands.
fn password_span(line: &str) -> Option<std::ops::Range<usize>> {
    let start = line.find("://")? + 3;
    let end = start + line[start..].find(['/', '"', '\'', ' ']).unwrap_or(line.len() - start);
    let at = start + line[start..end].rfind('@')?;
    let colon = start + line[start..at].find(':')?;
    Some(colon + 1..at)
}

/// One mistake as the renderer wants it.
#[derive(Debug)]
struct Shown<'a> {
    message: String,
    label: Option<LabeledSpan>,
    source: &'a NamedSource<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&presentable(&self.message))
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.label.as_ref().map(|_| self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.label.iter().cloned()))
    }
}
