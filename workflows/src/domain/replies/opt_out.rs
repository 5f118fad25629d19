//! Words by which people ask for no further contact.

mod phrases;

use super::text::{after, around, begins_any, has_any, plain, sentences};
use phrases::{
    ALONE, ASKING, AT_ONCE, BARE, CLAUSE_ENDS, COURTESY, FEW_BETWEEN, FEW_WORDS, FOR_NOW, FORBIDDEN, FORBIDDING,
    LEAVES, LEAVING, NAME_WORDS, NO_SUBJECTS, NOT, OF_ONESELF, OFFER_STARTS, OFFERS, ONLY_THEMSELVES, PLEASE, REMOVE,
    SENTENCE_MARKS, SHORT_WORDS, STAYING, SUBJECTS, WISHES,
};

/// Whether the words of a person ask for no further contact, however long they are.
pub(super) fn asks(own: &str) -> bool {
    let whole = plain(own);
    let is_brief = whole.split(' ').count() <= FEW_WORDS;
    ALONE.contains(&whole.as_str())
        || (is_brief && (ends_with_stop(own) || own.split(CLAUSE_ENDS).any(|clause| is_removal(&plain(clause)))))
        || sentences(own).iter().any(|sentence| sentence_asks(sentence))
}

/// Whether a line ends with nothing but "stop", and only a name stands below it.
fn ends_with_stop(own: &str) -> bool {
    let lines: Vec<&str> = own.lines().filter(|line| !line.trim().is_empty()).collect();
    let stops = |line: &&str| {
        let mut clauses = line.split(SENTENCE_MARKS).map(plain);
        clauses.rfind(|clause| !clause.is_empty()).is_some_and(|last| ALONE.contains(&last.as_str()))
    };
    let below = lines.iter().position(stops).map(|at| &lines[at + 1..]);
    below.is_some_and(|below| below.iter().all(|line| line.split_whitespace().count() <= NAME_WORDS))
}

/// Whether a clause says "remove", with nothing else to be removed than its writer: `please remove`, `bitte mich löschen`.
fn is_removal(clause: &str) -> bool {
    let words: Vec<&str> = clause.split(' ').collect();
    // What stands before a "please" says why.
    let please = words.iter().rposition(|word| PLEASE.contains(word)).filter(|at| at + 1 < words.len());
    let asked = &words[please.map_or(0, |at| at + 1)..];
    asked.iter().any(|word| REMOVE.contains(word))
        && asked.iter().all(|word| REMOVE.contains(word) || PLEASE.contains(word) || OF_ONESELF.contains(word))
}

fn sentence_asks(sentence: &str) -> bool {
    if has_any(sentence, &STAYING) || has_any(sentence, &OFFERS) || begins_any(sentence, &OFFER_STARTS) {
        return false;
    }
    let is_question = sentence.ends_with('?');
    let is_short = sentence.split(' ').count() <= SHORT_WORDS && !has_any(sentence, &NOT);
    (is_short && !is_question && has_any(sentence, &LEAVING))
        || BARE.contains(&without_courtesy(sentence).as_str())
        || wishes_to_leave(sentence)
        || forbids(sentence)
        || asks_in_some_language(sentence)
}

fn without_courtesy(sentence: &str) -> String {
    let words = sentence.split(' ').filter(|word| !PLEASE.contains(word) && !COURTESY.contains(word));
    words.collect::<Vec<_>>().join(" ")
}

/// "I would like to unsubscribe": themselves, not their guests.
fn wishes_to_leave(sentence: &str) -> bool {
    let Some(wish) = WISHES.iter().find_map(|wish| after(sentence, wish)) else { return false };
    let mut behind = LEAVES.iter().filter_map(|verb| wish.trim_start().strip_prefix(verb));
    behind.any(|rest| rest.is_empty() || (rest.starts_with(' ') && begins_any(rest.trim_start(), &ONLY_THEMSELVES)))
}

/// "Do not contact our company again", told to us: "our guests never contact us" forbids nothing.
fn forbids(sentence: &str) -> bool {
    FORBIDDING.iter().filter_map(|never| around(sentence, never)).any(|(before, behind)| {
        let is_subject = |word: &str| SUBJECTS.contains(&word) || (word.ends_with('s') && !NO_SUBJECTS.contains(&word));
        !before.split_whitespace().last().is_some_and(is_subject) && is_forbidden(behind)
    })
}

/// `contact me`, `call or email me`; not `hesitate to contact me`, and not for a time.
fn is_forbidden(behind: &str) -> bool {
    FORBIDDEN.iter().filter_map(|phrase| around(behind, phrase)).any(|(between, after)| {
        let words: Vec<&str> = between.split_whitespace().collect();
        let is_for_now = begins_any(after.trim_start().trim_start_matches("again "), &FOR_NOW);
        words.len() <= FEW_BETWEEN && !words.contains(&"to") && !is_for_now
    })
}

/// One of the phrases, with something behind it: at once, or anywhere in the sentence.
fn asks_in_some_language(sentence: &str) -> bool {
    let rests = |firsts: &'static [&str]| firsts.iter().filter_map(|first| after(sentence, first));
    AT_ONCE.iter().any(|(firsts, seconds)| rests(firsts).any(|rest| begins_any(rest.trim_start(), seconds)))
        || ASKING.iter().any(|(firsts, seconds)| rests(firsts).any(|rest| seconds.is_empty() || has_any(rest, seconds)))
}
