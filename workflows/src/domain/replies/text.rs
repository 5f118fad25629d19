//! The words of whoever wrote a message, in a form in which they can be compared.

/// Beginnings of the line above a quoted message, each with a word that ends it.
const QUOTE_LINES: [(&str, &str); 8] = [
    ("on ", "wrote:"),
    ("am ", "schrieb"),
    ("le ", "ecrit"),
    ("el ", "escribio"),
    ("il ", "scritto"),
    ("op ", "schreef"),
    ("em ", "escreveu"),
    ("w dniu ", "napisal"),
];

/// The first line of a quoted message's head, and a beginning of the line after it.
const HEADS: [&str; 7] = ["from:", "von:", "de:", "de :", "da:", "van:", "od:"];
const SECOND_LINES: [&str; 12] = [
    "sent:",
    "date:",
    "to:",
    "gesendet:",
    "datum:",
    "envoye",
    "enviad",
    "inviat",
    "verzonden",
    "wyslano",
    "data:",
    "subject:",
];

/// Without what is quoted and without the signature: our own mails, and theirs, offer to unsubscribe.
pub fn own_words(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut own = String::new();
    for (number, line) in lines.iter().enumerate() {
        let next = lines[number + 1..].iter().find(|line| !line.is_empty()).copied().unwrap_or_default();
        if is_rule(line) || is_quote_line(line, next) || is_head(line, next) {
            break;
        }
        if !line.starts_with('>') {
            own.push_str(line);
            own.push('\n');
        }
    }
    own
}

/// `--`, `____`, `-----Original Message-----`.
fn is_rule(line: &str) -> bool {
    let is_drawn = line.len() > 1 && line.chars().all(|letter| "-_=*".contains(letter));
    is_drawn || line.starts_with("-----") || line.starts_with("_____")
}

/// Mail programs break a long line in two.
fn is_quote_line(line: &str, next: &str) -> bool {
    let (line, next) = (folded(line), folded(next));
    QUOTE_LINES.iter().any(|(start, end)| {
        let is_broken = line.contains('@') && next.starts_with(end);
        line.starts_with(start) && (line.contains(end) || is_broken)
    })
}

fn is_head(line: &str, next: &str) -> bool {
    let (line, next) = (folded(line.trim_matches('*')), folded(next.trim_matches('*')));
    HEADS.iter().any(|head| line.starts_with(head)) && SECOND_LINES.iter().any(|second| next.starts_with(second))
}

/// The sentences of a text, each as [`plain`] makes it; a question ends with ` ?`.
pub(super) fn sentences(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, mark) in text.char_indices().filter(|(_, mark)| ".!?;\n".contains(*mark)) {
        if mark != '.' || ends_sentence(&text[start..at], &text[at + 1..]) {
            sentences.push(plain(&text[start..=at]));
            start = at + 1;
        }
    }
    sentences.push(plain(&text[start..]));
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// A dot stands within addresses, too, and behind a day: `13. März`.
fn ends_sentence(before: &str, behind: &str) -> bool {
    let last = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let is_day = (1..=2).contains(&last.len()) && last.bytes().all(|byte| byte.is_ascii_digit());
    let is_followed = behind.trim_start_matches(' ').starts_with(char::is_alphanumeric);
    let goes_on = behind.starts_with(char::is_alphanumeric) || is_day && is_followed;
    !goes_on
}

/// Small letters without accents; everything but letters, digits and question marks becomes one space.
pub(super) fn plain(text: &str) -> String {
    let folded = folded(text);
    // A contraction stays one word in English and becomes two in French, as the phrases are written.
    let folded = folded.replace("n't", "nt").replace("n’t", "nt").replace('?', " ? ");
    let words = folded.split(|letter: char| !letter.is_alphanumeric() && letter != '?').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Whether a word of `text` begins with `phrase`, or a row of words does. A phrase that ends with a space ends a word.
pub(super) fn has(text: &str, phrase: &str) -> bool {
    after(text, phrase).is_some()
}

/// What follows the first place where [`has`] finds the phrase.
pub(super) fn after<'a>(text: &'a str, phrase: &str) -> Option<&'a str> {
    around(text, phrase).map(|(_, behind)| behind)
}

/// What stands before the first place where [`has`] finds the phrase, and what follows it.
pub(super) fn around<'a>(text: &'a str, phrase: &str) -> Option<(&'a str, &'a str)> {
    text.match_indices(phrase.trim_end()).find_map(|(start, found)| {
        let (before, behind) = (&text[..start], &text[start + found.len()..]);
        let begins = before.is_empty() || before.ends_with(' ');
        let ends = !phrase.ends_with(' ') || behind.is_empty() || behind.starts_with(' ');
        (begins && ends).then_some((before, behind))
    })
}

/// Whether `text` begins with `phrase`, as [`has`] compares them.
pub(super) fn begins(text: &str, phrase: &str) -> bool {
    let rest = text.strip_prefix(phrase.trim_end());
    rest.is_some_and(|rest| !phrase.ends_with(' ') || rest.is_empty() || rest.starts_with(' '))
}

pub(super) fn begins_any(text: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| begins(text, phrase))
}

pub(super) fn has_any(text: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| has(text, phrase))
}

fn folded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars().flat_map(char::to_lowercase) {
        plain.push(match letter {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' => 'a',
            'ç' | 'ć' => 'c',
            'è' | 'é' | 'ê' | 'ë' | 'ę' => 'e',
            'ì' | 'í' | 'î' | 'ï' => 'i',
            'ł' => 'l',
            'ñ' | 'ń' => 'n',
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' => 'o',
            'ś' | 'ß' => 's',
            'ù' | 'ú' | 'û' | 'ü' => 'u',
            'ź' | 'ż' => 'z',
            // An accent that is written as a letter of its own.
            '\u{300}'..='\u{36f}' => continue,
            other => other,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_and_what_is_signed_is_not_theirs() {
        for (text, own) in [
            ("Yes.\n\nOn Monday, Robin wrote:\n> Hello", "Yes."),
            ("Yes.\nOn Mon, Mar 2, 2026 at 9:12 AM Robin <robin@senders.example>\nwrote:\n\n> Hello", "Yes."),
            ("Ja.\n\nVon: Robin\nGesendet: Montag\nBetreff: Hallo\n\nHallo", "Ja."),
            ("Yes.\n-- \nDana", "Yes."),
            ("Yes.\n-----Original Message-----\nHello", "Yes."),
            ("From: what I see, yes.\nDana", "From: what I see, yes.\nDana"),
            ("> Hello\nYes.\n> Bye\nThanks", "Yes.\nThanks"),
        ] {
            assert_eq!(own_words(text).trim(), own, "{text}");
        }
    }

    #[test]
    fn accents_and_marks_do_not_matter() {
        assert_eq!(plain("Désinscription, s’il vous plaît !"), "desinscription s il vous plait");
        assert_eq!(plain("De\u{301}sinscription"), "desinscription");
        assert_eq!(sentences("Don't. Why?\nI"), ["dont", "why ?", "i"]);
        assert_eq!(sentences("Bis 13. März weg. An x@y.example."), ["bis 13 marz weg", "an x y example"]);
        assert!(has("we stopped", "stop") && !has("we stopped", "stop ") && has("please stop", "stop "));
        assert!(!has("nonstop", "stop"));
        assert!(begins("ooo", "ooo ") && begins("ooo until monday", "ooo ") && !begins("oooh", "ooo "));
    }
}
