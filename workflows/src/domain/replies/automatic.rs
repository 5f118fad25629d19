//! Messages that programs write: notes that somebody is away, and receipts.

mod phrases;

use super::text::{after, begins_any, has_any, plain, sentences};
use super::{Incoming, ReplyKind};
use phrases::{
    ABSENCE_SUBJECTS, ABSENT, AUTOMATIC_SUBJECTS, AWAY, DECLARED, FORMALITIES, FORMULAS, HINTS, IN_CASE, ONE_PERSON,
    OUR_THINGS, RECEIVED, REQUESTS, RETURN, SENT_ELSEWHERE, TO_US, WRITER, YOUR,
};

/// What a program wrote that is known as one: by a header of programs alone, or by such a subject.
pub(super) fn proven(incoming: &Incoming, own: &str) -> Option<ReplyKind> {
    let (subject, text) = (plain(incoming.subject), plain(own));
    if begins_any(&subject, &ABSENCE_SUBJECTS) {
        return Some(ReplyKind::OutOfOffice);
    }
    let is_program = incoming.is_automatic || begins_any(&subject, &AUTOMATIC_SUBJECTS);
    is_program.then(|| absence_or_receipt(has_any(&text, &AWAY) || has_any(&subject, &AWAY)))
}

/// What a program wrote that its words show, alone or with a header that people's mails have, too; `None` for what a person
/// may have written: the message has to read like a note, and nothing in it may be meant for us alone.
pub(super) fn by_words(incoming: &Incoming, own: &str) -> Option<ReplyKind> {
    let (text, sentences) = (plain(own), sentences(own));
    if text.contains('?') || has_any(&text, &TO_US) || sentences.iter().any(|sentence| is_for_us(sentence)) {
        return None;
    }
    // People say of our mail, too, that it is an automatic one, so a sentence has to begin with it.
    let is_declared = sentences.iter().any(|sentence| begins_any(sentence, &DECLARED));
    if is_declared || (incoming.may_be_automatic && has_any(&text, &HINTS)) {
        return Some(absence_or_receipt(has_any(&text, &AWAY)));
    }
    if incoming.may_be_automatic && has_any(&text, &RECEIVED) && !has_any(&text, &ONE_PERSON) {
        return Some(ReplyKind::Automatic);
    }
    let tells_absence = |sentence: &String| has_any(sentence, &WRITER) && has_any(sentence, &AWAY);
    if (incoming.may_be_automatic && sentences.iter().any(tells_absence)) || is_absence_note(&sentences) {
        return Some(ReplyKind::OutOfOffice);
    }
    None
}

fn absence_or_receipt(is_away: bool) -> ReplyKind {
    if is_away { ReplyKind::OutOfOffice } else { ReplyKind::Automatic }
}

/// Whether a sentence asks us for something, or speaks of what we offer. Notes ask, too, but for urgent cases.
fn is_for_us(sentence: &str) -> bool {
    let asks = has_any(sentence, &REQUESTS)
        || after(sentence, "please send").is_some_and(|rest| !begins_any(rest.trim_start(), &SENT_ELSEWHERE));
    (asks && !has_any(sentence, &IN_CASE)) || names_our_thing(sentence)
}

/// `your proposal`, `Ihr letztes Angebot`.
fn names_our_thing(sentence: &str) -> bool {
    let words: Vec<&str> = sentence.split(' ').collect();
    let is_thing = |word: &&str| OUR_THINGS.iter().any(|thing| word.starts_with(thing));
    let mut yours = words.iter().enumerate().filter(|(_, word)| has_any(word, &YOUR));
    yours.any(|(at, _)| words[at + 1..].iter().take(2).any(is_thing))
}

/// A note that thanks for the message, or says whom to ask, and begins with the absence of its writer and when that ends. A
/// person who only says that they are away has replied.
fn is_absence_note(sentences: &[String]) -> bool {
    let is_formal = |sentence: &&String| begins_any(sentence, &FORMALITIES);
    let Some(first) = sentences.iter().find(|sentence| !is_formal(sentence) || has_any(sentence, &ABSENT)) else {
        return false;
    };
    let says = |words: &[&str]| sentences.iter().any(|sentence| has_any(sentence, words));
    has_any(first, &WRITER) && has_any(first, &ABSENT) && says(&RETURN) && says(&FORMULAS)
}
