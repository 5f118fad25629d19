//! Messages that programs write: notes that somebody is away, and receipts. In small letters, without accents and
//! punctuation; a phrase is the beginning of words, as `text::has` compares them.

use super::text::{has_any, plain, sentences};
use super::{Incoming, ReplyKind};

/// What a program wrote; `None` for what a person wrote, or may have.
///
/// A header of programs alone or such a subject is proof. Words are none where a person could have said them: without proof
/// the whole message has to read like a note, and nothing in it may be meant for us alone.
pub(super) fn kind(incoming: &Incoming, own: &str) -> Option<ReplyKind> {
    let (subject, text) = (plain(incoming.subject), plain(own));
    let starts = |beginnings: &[&str]| beginnings.iter().any(|beginning| subject.starts_with(beginning));
    if starts(&ABSENCE_SUBJECTS) {
        return Some(ReplyKind::OutOfOffice);
    }
    let is_away = has_any(&text, &AWAY) || has_any(&subject, &AWAY);
    let away_or = |otherwise| Some(if is_away { ReplyKind::OutOfOffice } else { otherwise });
    if incoming.is_automatic || starts(&AUTOMATIC_SUBJECTS) {
        return away_or(ReplyKind::Automatic);
    }
    if text.contains('?') || has_any(&text, &TO_US) {
        return None;
    }
    if has_any(&text, &DECLARED) {
        return away_or(ReplyKind::Automatic);
    }
    if incoming.may_be_automatic && has_any(&text, &RECEIVED) {
        return Some(ReplyKind::Automatic);
    }
    if (incoming.may_be_automatic && is_away) || is_absence_note(own) {
        return Some(ReplyKind::OutOfOffice);
    }
    None
}

/// A note that thanks for the message, or says whom to ask, and begins with the absence of its writer and when that ends. A
/// person who only says that they are away has replied.
fn is_absence_note(own: &str) -> bool {
    let sentences = sentences(own);
    let is_formal = |sentence: &&String| FORMALITIES.iter().any(|start| sentence.starts_with(start));
    let Some(first) = sentences.iter().find(|sentence| !is_formal(sentence) || has_any(sentence, &ABSENT)) else {
        return false;
    };
    let says = |words: &[&str]| sentences.iter().any(|sentence| has_any(sentence, words));
    has_any(first, &WRITER) && has_any(first, &ABSENT) && says(&RETURN) && says(&FORMULAS)
}

/// Beginnings of the subjects of absence notes.
const ABSENCE_SUBJECTS: [&str; 16] = [
    "out of office",
    "out of the office",
    "ooo",
    "vacation reply",
    "vacation notice",
    "absence du bureau",
    "message d absence",
    "fuera de la oficina",
    "ausente",
    "fuori sede",
    "fuori ufficio",
    "afwezig",
    "ausencia",
    "nieobecnosc",
    "poza biurem",
    "abwesen",
];

/// Beginnings of the subjects of other automatic answers.
const AUTOMATIC_SUBJECTS: [&str; 14] = [
    "automatic reply",
    "automatic response",
    "auto reply",
    "auto response",
    "autoreply",
    "automatische antwort",
    "automatische ruckantwort",
    "reponse automatique",
    "respuesta automatica",
    "risposta automatica",
    "automatisch antwoord",
    "resposta automatica",
    "automatyczna odpowiedz",
    "autoodpowiedz",
];

/// Whoever is known to be a program says by these that its owner is away.
const AWAY: [&str; 82] = [
    "out of the office",
    "out of office",
    "ooo ",
    "away ",
    "vacation",
    "holiday",
    "on leave",
    "annual leave",
    "maternity",
    "paternity",
    "parental",
    "sick leave",
    "travelling",
    "traveling",
    "be back",
    "am back",
    "back on",
    "back in the",
    "returning",
    "return on",
    "will return",
    "closed for",
    "reopen",
    "limited access",
    "no access to",
    "urlaub",
    "nicht im buro",
    "nicht im haus",
    "elternzeit",
    "mutterschutz",
    "nicht erreichbar",
    "wieder erreichbar",
    "wieder da",
    "wieder im",
    "wieder fur sie",
    "zuruck",
    "dienstreise",
    "conge",
    "vacances",
    "de retour",
    "retour le",
    "deplacement",
    "je reviens",
    "fuera de la oficina",
    "vacaciones",
    "ausente",
    "ausencia",
    "regres",
    "vuelvo",
    "volvere",
    "de baja por",
    "de viaje",
    "ferie",
    "fuori ufficio",
    "fuori sede",
    "assen",
    "rientr",
    "torno ",
    "tornero",
    "afwezig",
    "vakantie",
    "verlof",
    "niet op kantoor",
    "terug",
    "weer bereikbaar",
    "niet bereikbaar",
    "ferias",
    "fora do escritorio",
    "licenca",
    "volto ",
    "voltarei",
    "retorno ",
    "urlop",
    "nieobecn",
    "poza biurem",
    "wracam",
    "wroce",
    "ponownie dostepn",
    "delegacji",
    "zwolnieniu",
    "abwesen",
    "absen",
];

/// Programs that say that they are one.
const DECLARED: [&str; 28] = [
    "this is an automat",
    "this is an auto ",
    "this message was generated auto",
    "this message was sent auto",
    "automatically generated",
    "do not reply to this",
    "dies ist eine automatisch",
    "dies ist eine auto",
    "automatisch generierte",
    "automatisch erstellt",
    "antworten sie nicht auf diese",
    "ceci est un message auto",
    "ceci est une reponse auto",
    "message genere automatiquement",
    "merci de ne pas y repondre",
    "este es un mensaje auto",
    "esta es una respuesta auto",
    "mensaje generado automaticamente",
    "questo e un messaggio auto",
    "messaggio generato automaticamente",
    "messaggio automatico",
    "dit is een automatisch",
    "automatisch gegenereerd",
    "esta e uma mensagem auto",
    "mensagem automatica",
    "mensagem gerada automaticamente",
    "wygenerowana automatycznie",
    "wiadomosc automatyczna",
];

/// Receipts; whoever is not known to be a program may say these, too.
const RECEIVED: [&str; 22] = [
    "received your",
    "been received",
    "been created",
    "ticket",
    "get back to you",
    "will be in touch",
    "ist bei uns eingegangen",
    "nachricht erhalten",
    "anfrage erhalten",
    "bien recu",
    "accusons reception",
    "ete enregistree",
    "hemos recibido",
    "responderemos",
    "abbiamo ricevuto",
    "risponderemo",
    "hebben ontvangen",
    "bericht ontvangen",
    "recebemos",
    "otrzymalismy",
    "odpowiemy",
    "confirm that you are",
];

/// Said to somebody, not to everybody who writes.
const TO_US: [&str; 36] = [
    "let s ",
    "lets ",
    "call me",
    "ring me",
    "give me a call",
    "talk",
    "chat ",
    "happy to",
    "interested",
    "sounds",
    "count me",
    "your offer",
    "your idea",
    "but yes",
    "demo",
    "rufen sie mich",
    "ruf mich",
    "sprechen",
    "gern",
    "klingt",
    "appelez moi",
    "parler",
    "volontiers",
    "llam",
    "me interesa",
    "chiam",
    "sentiamo",
    "volentieri",
    "bel me",
    "graag",
    "ligue",
    "ligar",
    "falar",
    "zadzwon",
    "interess",
    "habl",
];

/// Sentences before the absence.
const FORMALITIES: [&str; 31] = [
    "hi",
    "hello",
    "dear",
    "good morning",
    "good day",
    "thank",
    "guten tag",
    "hallo",
    "sehr geehrte",
    "vielen dank",
    "bonjour",
    "madame",
    "merci",
    "hola",
    "buenos dias",
    "estimad",
    "gracias",
    "buongiorno",
    "salve",
    "gentile",
    "grazie",
    "beste",
    "geachte",
    "goedendag",
    "bedankt",
    "dank",
    "bom dia",
    "ola",
    "obrigad",
    "dzien dobry",
    "dziekuj",
];

/// What only notes to everybody say.
const FORMULAS: [&str; 32] = [
    "for your email",
    "for your e mail",
    "for your mail",
    "for your message",
    "for your note",
    "fur ihre mail",
    "fur ihre e mail",
    "fur ihre nachricht",
    "fur deine nachricht",
    "pour votre message",
    "pour votre mail",
    "de votre message",
    "por su mensaje",
    "por su correo",
    "por tu mensaje",
    "per la mail",
    "per la sua mail",
    "per il messaggio",
    "per il suo messaggio",
    "voor uw bericht",
    "voor uw mail",
    "voor je bericht",
    "voor uw e mail",
    "pela mensagem",
    "pela sua mensagem",
    "za wiadomosc",
    "urgent",
    "in the meantime",
    "dringend",
    "urgenc",
    "urgenz",
    "pilnych",
];

/// How a writer of a note begins to speak of themselves.
const WRITER: [&str; 22] = [
    "i am",
    "i m ",
    "i will be",
    "i ll be",
    "currently i",
    "ich bin",
    "derzeit bin ich",
    "ich befinde",
    "je suis",
    "je serai",
    "actuellement",
    "estoy",
    "estare",
    "me encuentro",
    "sono",
    "saro",
    "ik ben",
    "momenteel ben ik",
    "estou",
    "estarei",
    "encontro me",
    "jestem",
];

/// Absences as notes, and hardly people, put them.
const ABSENT: [&str; 23] = [
    "out of office",
    "out of the office",
    "annual leave",
    "maternity leave",
    "paternity leave",
    "parental leave",
    "nicht im buro",
    "nicht im haus",
    "abwesend",
    "elternzeit",
    "absent du bureau",
    "absente du bureau",
    "absent jusqu",
    "fuera de la oficina",
    "ausente de la oficina",
    "fuori ufficio",
    "assente dall",
    "niet op kantoor",
    "afwezig",
    "fora do escritorio",
    "ausente do escritorio",
    "poza biurem",
    "nieobecn",
];

/// What a note tells beside the absence.
const RETURN: [&str; 22] = [
    "until", "return", "back", "bis ", "ab dem", "zuruck", "jusqu", "retour", "hasta", "regres", "vuelv", "fino",
    "rientr", "tot ", "terug", "ate ", "volto", "regress", "do dnia", "do ", "wrac", "contact",
];
