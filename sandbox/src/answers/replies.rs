//! What a reply is and how its writer takes an offer, by words that stand out. A model errs, and so does this.

use serde_json::{Value, json};

use crate::seed::Seed;

/// The label of one reply, from its own words alone.
pub(super) fn reply_label(seed: Seed, facts: &Value) -> Value {
    let reply = facts["reply"].as_str().unwrap_or_default().to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| reply.contains(word));
    let draw = seed.of(&["reply", &reply]);
    let sure = 90 + draw.of(&["sure"]).below(10);
    let label =
        |kind: &str, tone: &str, confidence: usize| json!({"kind": kind, "tone": tone, "confidence": confidence});
    if says(&OPT_OUT) {
        label("opt_out", "negative", sure)
    } else if says(&PROGRAM) {
        label("automatic", "neutral", sure)
    } else if says(&AWAY) && !says(&POSITIVE) && !reply.contains('?') {
        label("out_of_office", "neutral", sure)
    } else if says(&NEGATIVE) {
        label("human", "negative", sure)
    } else if says(&POSITIVE) {
        label("human", "positive", sure)
    } else {
        label("human", "neutral", 50 + draw.of(&["unsure"]).below(40))
    }
}

const OPT_OUT: [&str; 9] = [
    "unsubscribe me",
    "remove me",
    "stop writing",
    "never want to see",
    "lose my number",
    "take your business elsewhere",
    "in ruhe",
    "leave me alone",
    "do not contact me",
];
const PROGRAM: [&str; 3] = ["this is an automated", "automatically generated", "automatische antwort"];
const AWAY: [&str; 6] = ["out of office", "out of the office", "on vacation", "on leave", "im urlaub", "en congés"];
const NEGATIVE: [&str; 34] = [
    "not interested",
    "no interest",
    "not for us",
    "no thanks",
    "we have just signed",
    "we're all set",
    "built this ourselves",
    "get your facts",
    "kein interesse",
    "nein danke",
    "anderen anbieter",
    "nicht aktuell",
    "non merci",
    "déjà équipés",
    "no nos interesa",
    "no lo necesitamos",
    "non siamo interessati",
    "non ci serve",
    "geen interesse",
    "hebben al",
    "não temos",
    "nie jesteśmy",
    "mamy już",
    "we closed",
    "versorgt",
    "not at the moment",
    "isn't for us",
    "we do stop buying",
    "sorry, no",
    "already have",
    "no, ",
    "not now, thanks",
    "no budget",
    "no need",
];
const POSITIVE: [&str; 52] = [
    "happy to",
    "good timing",
    "let's",
    "yes",
    "sounds",
    "interested",
    "call me",
    "i would like to see",
    "i'd like to see",
    "count me in",
    "go ahead",
    "works for me",
    "tell me more",
    "good idea",
    "friday at ten",
    "can you come",
    "sure",
    "send over",
    "ring me",
    "wednesday?",
    "thursday 2pm",
    "gerne",
    "gern,",
    "spannend",
    "grundsätzlich ja",
    "passt es",
    "m'intéresse",
    "avec plaisir",
    "volontiers",
    "d'accord",
    "pourquoi pas",
    "me parece bien",
    "me interesa",
    "estoy de vacaciones hasta el lunes",
    "interessante",
    "volentieri",
    "leuk idee",
    "prima.",
    "pode ser",
    "tenho interesse",
    "chętnie",
    "tak.",
    "see it",
    "great",
    "love to",
    "looks good",
    "curious",
    "meet",
    "talk",
    "details",
    "👍",
    "ja, ",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reply: &str) -> (String, String) {
        let label = reply_label(Seed(1), &json!({"channel": "email", "reply": reply}));
        let word = |name: &str| label[name].as_str().expect("a word").to_owned();
        (word("kind"), word("tone"))
    }

    #[test]
    fn a_label_follows_from_the_words() {
        for (reply, kind, tone) in [
            ("Thanks, happy to talk on Tuesday.", "human", "positive"),
            ("Thanks, but this is not for us.", "human", "negative"),
            ("What does it cost?", "human", "neutral"),
            ("I never want to see a mail of yours again.", "opt_out", "negative"),
            ("I am out of office until Monday", "out_of_office", "neutral"),
        ] {
            assert_eq!(of(reply), (kind.to_owned(), tone.to_owned()), "{reply}");
        }
    }

    #[test]
    fn the_same_reply_has_the_same_label() {
        let facts = json!({"channel": "email", "reply": "Hm."});
        assert_eq!(reply_label(Seed(1), &facts), reply_label(Seed(1), &facts));
        assert!(reply_label(Seed(1), &facts)["confidence"].as_u64().is_some_and(|sure| sure < 90));
    }
}
