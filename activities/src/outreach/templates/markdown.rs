//! The body of an email: Markdown to HTML, in which the values of tokens are nothing but text.

use super::text::Part;
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};
use pulldown_cmark_escape::escape_html;

/// Stands for the first value while Markdown is read; the following letters of this plane, which no text uses, for the
/// others.
const FIRST_VALUE: u32 = 0xF_0000;
const MOST_VALUES: u32 = 0xFFFD;

/// A body with its values, as HTML. Values neither format nor end anything; HTML in the text shows as text; only links to
/// the web and to mail addresses stay links.
pub(super) fn html(parts: &[Part]) -> String {
    let mut values = vec![];
    let mut source = String::new();
    for part in parts {
        match part {
            Part::Literal(text) => source.extend(text.chars().filter(|letter| number(*letter).is_none())),
            Part::Value(_) | Part::Missing(_) => {
                let number = u32::try_from(values.len()).unwrap_or(MOST_VALUES).min(MOST_VALUES);
                source.extend(char::from_u32(FIRST_VALUE + number));
                values.push(super::shown(part));
            }
        }
    }
    let filled = |text: &str| -> String {
        let mut filled = String::with_capacity(text.len());
        for letter in text.chars() {
            match number(letter).and_then(|number| values.get(number)) {
                Some(value) => filled.push_str(value),
                None => filled.push(letter),
            }
        }
        filled
    };
    // Links that were dropped, so that their ends are, too; links are never in links.
    let mut dropped = false;
    let events = Parser::new_ext(&source, Options::empty()).filter_map(|event| match event {
        Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(filled(&text).into())),
        Event::Code(text) => Some(Event::Code(filled(&text).into())),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let dest_url = match link_type {
                LinkType::Email => CowStr::from(filled(&dest_url)),
                _ => safe(filled(&dest_url)).into(),
            };
            dropped = dest_url.is_empty();
            (!dropped).then(|| Event::Start(Tag::Link { link_type, dest_url, title: filled(&title).into(), id }))
        }
        Event::End(TagEnd::Link) if std::mem::take(&mut dropped) => None,
        // Remote pictures mark a mail as advertising; their description says what they would show.
        Event::Start(Tag::Image { .. } | Tag::HtmlBlock) | Event::End(TagEnd::Image | TagEnd::HtmlBlock) => None,
        other => Some(other),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

fn number(letter: char) -> Option<usize> {
    let number = u32::from(letter).checked_sub(FIRST_VALUE).filter(|number| *number <= MOST_VALUES)?;
    usize::try_from(number).ok()
}

/// The address of a link, or nothing when it is not one to follow from a mail.
fn safe(address: String) -> String {
    let scheme = address.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("https" | "http" | "mailto") => address,
        _ => String::new(),
    }
}

/// A plain text as HTML, with its line breaks.
pub fn plain_html(text: &str) -> String {
    let mut out = String::from("<p>");
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            out.push_str("<br />\n");
        }
        escape_html(&mut out, line).expect("a text takes any text");
    }
    out.push_str("</p>\n");
    out
}
