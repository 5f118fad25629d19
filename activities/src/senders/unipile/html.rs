//! The words of a mail that has no plain text.

/// Elements that begin a line of their own.
const BLOCKS: [&str; 18] = [
    "address",
    "blockquote",
    "br",
    "div",
    "dl",
    "h1",
    "h2",
    "h3",
    "h4",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "table",
    "td",
    "tr",
    "ul",
];
/// Elements whose content nobody sees.
const UNSEEN: [&str; 4] = ["head", "script", "style", "title"];
/// The longest entity that is read.
const ENTITY_BYTES: usize = 8;

/// The text of a body, line by line; what is quoted begins with `>`, as in plain mails. One without tags stays as it is.
pub(super) fn words(body: &str) -> String {
    if !tags(body).any(|tag| tag.is_end || BLOCKS.contains(&tag.name.as_str())) {
        return body.to_owned();
    }
    let mut lines = vec![String::new()];
    let (mut quotes, mut at) = (0_usize, 0);
    let mut unseen: Option<String> = None;
    for tag in tags(body) {
        if unseen.is_none() {
            add(&mut lines, quotes, &body[at..tag.start]);
        }
        at = tag.end;
        match &unseen {
            Some(name) if tag.is_end && tag.name == *name => unseen = None,
            Some(_) => {}
            None if UNSEEN.contains(&tag.name.as_str()) && !tag.is_end => unseen = Some(tag.name),
            None => {
                if BLOCKS.contains(&tag.name.as_str()) {
                    lines.push(String::new());
                }
                if tag.name == "blockquote" {
                    quotes = if tag.is_end { quotes.saturating_sub(1) } else { quotes + 1 };
                }
            }
        }
    }
    if unseen.is_none() {
        add(&mut lines, quotes, &body[at..]);
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

fn add(lines: &mut [String], quotes: usize, text: &str) {
    let Some(line) = lines.last_mut() else { return };
    let text = decoded(text);
    if line.is_empty() && quotes > 0 && !text.trim().is_empty() {
        line.push_str("> ");
    }
    if text.starts_with(char::is_whitespace) {
        line.push(' ');
    }
    line.push_str(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    if text.ends_with(char::is_whitespace) {
        line.push(' ');
    }
}

struct Tag {
    start: usize,
    end: usize,
    /// In small letters; empty for a comment.
    name: String,
    is_end: bool,
}

/// A `<` is a tag only before a letter, `/` or `!`, and when it is closed: people write `<3`, too.
fn tags(body: &str) -> impl Iterator<Item = Tag> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + body[from..].find('<')?;
            let inner = &body[start + 1..];
            let (is_comment, is_end) = (inner.starts_with("!--"), inner.starts_with('/'));
            let is_tag = inner.starts_with(|first: char| first.is_ascii_alphabetic() || "/!".contains(first));
            let mark = if is_comment { "-->" } else { ">" };
            let Some(length) = inner.find(mark).filter(|_| is_tag) else {
                from = start + 1;
                continue;
            };
            from = start + 1 + length + mark.len();
            let name = inner[usize::from(is_end)..].chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
            return Some(Tag { start, end: from, name: name.to_lowercase(), is_end });
        }
    })
}

/// With the characters that entities stand for; an unknown one stays.
fn decoded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        plain.push_str(before);
        let entity = behind.split_once(';').filter(|(name, _)| name.len() <= ENTITY_BYTES);
        if let Some((characters, behind)) = entity.and_then(|(name, behind)| Some((character(name)?, behind))) {
            plain.push_str(&characters);
            rest = behind;
        } else {
            plain.push('&');
            rest = behind;
        }
    }
    plain.push_str(rest);
    plain
}

fn character(name: &str) -> Option<String> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).map(String::from);
    }
    let known = match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        "nbsp" => " ",
        "lsquo" | "rsquo" => "’",
        "ldquo" | "rdquo" => "”",
        "ndash" | "mdash" => "–",
        "hellip" => "…",
        "szlig" => "ß",
        _ => return accented(name),
    };
    Some(known.to_owned())
}

/// `&eacute;`: a letter and the accent that joins it.
fn accented(name: &str) -> Option<String> {
    let (letter, accent) = name.split_at_checked(1)?;
    let accent = match accent {
        "grave" => '\u{300}',
        "acute" => '\u{301}',
        "circ" => '\u{302}',
        "tilde" => '\u{303}',
        "uml" => '\u{308}',
        "ring" => '\u{30a}',
        "cedil" => '\u{327}',
        _ => return None,
    };
    Some(format!("{letter}{accent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_left_out_and_lines_kept_apart() {
        for (body, text) in [
            ("<div dir=\"ltr\">STOP</div>", "STOP"),
            ("<p>Please <b>remove</b>\n me.</p><p>Dana</p>", "Please remove me.\nDana"),
            ("No thanks<br>Dana<BR/>Nordhafen", "No thanks\nDana\nNordhafen"),
            ("<html><head><style>p { color: red }</style></head><body><!-- <p>x --><p>Yes</p></body></html>", "Yes"),
            ("<p>un</p><script>if (a < b) { '</p>' }</script><p>seen", "un\nseen"),
            ("<p>I &lt;3 it &amp; you&#39;ll &#xe9; &unknown; R&D</p>", "I <3 it & you'll é &unknown; R&D"),
            ("<p>D&eacute;sinscription&nbsp;!</p>", "De\u{301}sinscription !"),
            (
                "<div>STOP</div><div>On Monday, Robin wrote:<br></div><blockquote>Hello<p>Bye</p></blockquote>Thanks",
                "STOP\nOn Monday, Robin wrote:\n> Hello\n> Bye\nThanks",
            ),
        ] {
            assert_eq!(words(body), text, "{body}");
        }
    }

    #[test]
    fn what_is_no_html_stays() {
        for body in ["STOP\n\nDana <dana@nordhafen.example>", "4 < 5 and 6 > 5", "I <3 it", "<", "</", "&", ""] {
            assert_eq!(words(body), body, "{body}");
        }
    }
}
