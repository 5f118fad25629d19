//! What an incoming message means. In doubt it is a reply, which ends a sequence and leaves the rest to a person.

mod wording;

use wording::{
    ABSENCE_PHRASES, ABSENCE_SUBJECTS, OPT_OUT_ALONE, OPT_OUT_PAIRS, OPT_OUT_PHRASES, QUOTE_LINES, RETURN_WORDS,
};

/// What a message from a person, or from their mailbox, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    Reply,
    /// Asks for no further contact.
    OptOut,
    /// Written by a program while its owner is away.
    OutOfOffice,
    /// A mail of ours could not be delivered.
    Bounce,
}

impl ReplyKind {
    /// As the store writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::OptOut => "opt_out",
            Self::OutOfOffice => "out_of_office",
            Self::Bounce => "bounce",
        }
    }
}

/// What is known of an incoming message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Incoming<'a> {
    pub subject: &'a str,
    pub text: &'a str,
    pub is_email: bool,
    /// Its headers say that a program wrote it.
    pub is_automatic: bool,
    pub report: Option<Report>,
}

/// What a program reports of a mail of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// It can never be delivered.
    Undeliverable,
    /// Its receiver has marked it as spam.
    Spam,
}

/// Longer messages talk about more than leaving a list, so that a person should read them.
const OPT_OUT_WORDS: usize = 60;
/// An absence note says so at once.
const ABSENCE_WORDS: usize = 40;

/// Says what an incoming message is.
pub fn classify(incoming: &Incoming) -> ReplyKind {
    match incoming.report {
        Some(Report::Spam) => return ReplyKind::OptOut,
        Some(Report::Undeliverable) => return ReplyKind::Bounce,
        None => {}
    }
    // Its text may offer to unsubscribe from the note's own sender.
    if incoming.is_automatic {
        return ReplyKind::OutOfOffice;
    }
    let text = plain(&own_words(incoming.text));
    let subject = plain(incoming.subject);
    if is_opt_out(&text) || (text.is_empty() && is_opt_out(&subject)) {
        ReplyKind::OptOut
    } else if incoming.is_email && is_absence(&subject, &text) {
        ReplyKind::OutOfOffice
    } else {
        ReplyKind::Reply
    }
}

fn is_opt_out(text: &str) -> bool {
    if text.split(' ').count() > OPT_OUT_WORDS {
        return false;
    }
    let has_pair = |(first, second): &(&str, &str)| match text.split_once(first) {
        Some((_, rest)) => rest.split(' ').any(|word| word == *second) || rest.contains(&format!(" {second}")),
        None => false,
    };
    OPT_OUT_ALONE.contains(&text)
        || OPT_OUT_PHRASES.iter().any(|phrase| contains_words(text, phrase))
        || OPT_OUT_PAIRS.iter().any(has_pair)
}

/// A subject that programs write, or a note that begins with the absence. A person who mentions a holiday has replied.
fn is_absence(subject: &str, text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').collect();
    let beginning = words[..words.len().min(ABSENCE_WORDS)].join(" ");
    ABSENCE_SUBJECTS.iter().any(|start| subject.starts_with(start))
        || (ABSENCE_PHRASES.iter().any(|phrase| contains_words(&beginning, phrase))
            && RETURN_WORDS.iter().any(|word| contains_words(text, word))
            && !text.contains('?'))
}

/// Whether `phrase` stands in `text` at the borders of words.
fn contains_words(text: &str, phrase: &str) -> bool {
    text.match_indices(phrase).any(|(start, _)| {
        let end = start + phrase.len();
        (start == 0 || text.as_bytes()[start - 1] == b' ') && (end == text.len() || text.as_bytes()[end] == b' ')
    })
}

/// Without what is quoted: our own mails offer to unsubscribe.
fn own_words(text: &str) -> String {
    let mut own = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        let folded = folded(trimmed);
        if trimmed.starts_with("-----") || trimmed.starts_with("_____") || trimmed == "--" {
            break;
        }
        if QUOTE_LINES.iter().any(|(start, end)| folded.starts_with(start) && folded.contains(end)) {
            break;
        }
        if !trimmed.starts_with('>') {
            own.push_str(trimmed);
            own.push('\n');
        }
    }
    own
}

/// Small letters without accents; everything but letters, digits and question marks becomes one space.
fn plain(text: &str) -> String {
    let folded = folded(text);
    // A contraction stays one word in English and becomes two in French, as the phrases above are written.
    let folded = folded.replace("n't", "nt").replace("n’t", "nt").replace('?', " ? ");
    let words = folded.split(|letter: char| !letter.is_alphanumeric() && letter != '?').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
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
            other => other,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> ReplyKind {
        classify(&Incoming { text, is_email: true, ..Incoming::default() })
    }

    #[test]
    fn who_asks_to_be_left_alone_is() {
        for text in [
            "STOP",
            "Unsubscribe.",
            "Please remove me from your list. Thanks",
            "Don't contact me again",
            "Stop emailing me!",
            "Bitte nehmen Sie mich aus Ihrem Verteiler.",
            "Bitte löschen Sie meine Daten.",
            "Melden Sie mich bitte ab",
            "Kein Interesse, bitte keine weiteren Nachrichten.",
            "Merci de ne plus me contacter.",
            "Désinscription",
            "Por favor, no me escriban más.",
            "Quiero darme de baja",
            "Per favore non contattatemi",
            "Graag geen contact meer",
            "Uitschrijven",
            "Por favor, não me contacte",
            "Proszę o usunięcie z listy",
            "Proszę więcej nie pisać",
            "unsubscribe\n\nOn Monday, 2 March, Kim wrote:\n> Hello",
        ] {
            assert_eq!(of(text), ReplyKind::OptOut, "{text}");
        }
        let empty = Incoming { subject: "Unsubscribe", is_email: true, ..Incoming::default() };
        assert_eq!(classify(&empty), ReplyKind::OptOut);
    }

    #[test]
    fn in_doubt_it_is_a_reply() {
        for text in [
            "Thanks, happy to talk on Tuesday.",
            "Not interested at the moment.",
            "How do people unsubscribe in your tool?",
            "We never stop brewing!",
            "Sounds good.\n\nOn Monday, 2 March, Kim wrote:\n> Hello\n> To unsubscribe me, write back",
            "Am Montag passt es.\n\nAm 02.03.2026 schrieb Kim:\nBitte nehmen Sie mich aus dem Verteiler",
            "I was on holiday until Monday. Can we talk now?",
            "",
        ] {
            assert_eq!(of(text), ReplyKind::Reply, "{text}");
        }
        let long = format!("{} remove me from", "word ".repeat(80));
        assert_eq!(of(&long), ReplyKind::Reply);
        let chat = Incoming { text: "I am out of office until Monday", ..Incoming::default() };
        assert_eq!(classify(&chat), ReplyKind::Reply, "nobody's LinkedIn answers by itself");
    }

    #[test]
    fn absence_notes_are_told_from_replies() {
        for text in [
            "I am out of the office and will return on 4 May.",
            "Ich bin bis zum 4. Mai nicht im Büro.",
            "Je suis absent du bureau jusqu'au 4 mai.",
        ] {
            assert_eq!(of(text), ReplyKind::OutOfOffice, "{text}");
        }
        let by_subject =
            Incoming { subject: "Automatische Antwort: Hallo", text: "x", is_email: true, ..Incoming::default() };
        assert_eq!(classify(&by_subject), ReplyKind::OutOfOffice);
        let by_header = Incoming { text: "unsubscribe", is_automatic: true, is_email: true, ..Incoming::default() };
        assert_eq!(classify(&by_header), ReplyKind::OutOfOffice);
    }

    #[test]
    fn reports_are_what_they_are() {
        let bounce = Incoming { report: Some(Report::Undeliverable), is_automatic: true, ..Incoming::default() };
        assert_eq!(classify(&bounce), ReplyKind::Bounce);
        let complaint = Incoming { report: Some(Report::Spam), is_automatic: true, ..Incoming::default() };
        assert_eq!(classify(&complaint), ReplyKind::OptOut);
    }
}
