//! Messages that programs write: notes that somebody is away, and receipts. In small letters, without accents and
//! punctuation; a phrase is the beginning of words, as `text::has` compares them.

use super::text::{after, begins_any, has_any, plain, sentences};
use super::{Incoming, ReplyKind};

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

/// Beginnings of the subjects of absence notes.
const ABSENCE_SUBJECTS: [&str; 16] = [
    "out of office",
    "out of the office",
    "ooo ",
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

/// Beginnings of the subjects of other automatic answers, and of reports that name no address.
const AUTOMATIC_SUBJECTS: [&str; 18] = [
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
    "undeliver",
    "delivery status notification",
    "mail delivery failed",
    "unzustellbar",
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

/// How programs say that they are one.
const DECLARED: [&str; 66] = [
    "this is an automated message",
    "this is an automated reply",
    "this is an automated response",
    "this is an automated answer",
    "this is an automated email",
    "this is an automated e mail",
    "this is an automated mail ",
    "this is an automated notification",
    "this is an automated confirmation",
    "this is an automated acknowledg",
    "this is an automatic message",
    "this is an automatic reply",
    "this is an automatic response",
    "this is an automatic answer",
    "this is an automatic email",
    "this is an automatic e mail",
    "this is an automatic mail ",
    "this is an automatic notification",
    "this is an automatic confirmation",
    "this is an automatic acknowledg",
    "this is an auto reply",
    "this is an auto response",
    "this is an autoreply",
    "this message was generated auto",
    "this message was sent auto",
    "this message is automatically",
    "this message was automatically",
    "this email was generated auto",
    "this email was sent auto",
    "this email is automatically",
    "this email was automatically",
    "dies ist eine automatische nachricht",
    "dies ist eine automatische antwort",
    "dies ist eine automatische e mail",
    "dies ist eine automatische mail",
    "dies ist eine automatische empfang",
    "dies ist eine automatische eingang",
    "dies ist eine automatische benachricht",
    "dies ist eine automatisch generiert",
    "dies ist eine automatisch erstellt",
    "dies ist eine automatisch erzeugt",
    "dies ist eine automatisch versand",
    "diese nachricht wurde automatisch",
    "diese e mail wurde automatisch",
    "diese mail wurde automatisch",
    "ceci est un message auto",
    "ceci est une reponse auto",
    "message genere automatiquement",
    "este es un mensaje auto",
    "esta es una respuesta auto",
    "mensaje generado automaticamente",
    "questo e un messaggio auto",
    "messaggio generato automaticamente",
    "messaggio automatico",
    "dit is een automatisch bericht",
    "dit is een automatisch antwoord",
    "dit is een automatisch gegenereerd",
    "dit is een automatisch verzonden",
    "esta e uma mensagem auto",
    "mensagem automatica",
    "mensagem gerada automaticamente",
    "to jest wiadomosc wygenerowana auto",
    "to jest wiadomosc auto",
    "to jest automatyczna",
    "wiadomosc wygenerowana auto",
    "wiadomosc automatyczna",
];

/// What programs say, and people of themselves, or of our mail: it proves something beside a header of programs.
const HINTS: [&str; 17] = [
    "this is an automat",
    "this is an auto ",
    "automatically generated",
    "do not reply to this",
    "do not respond to this",
    "dies ist eine auto",
    "automatisch generiert",
    "automatisch erstellt",
    "antworten sie nicht auf diese",
    "merci de ne pas y repondre",
    "no responda a este",
    "non rispondere a questo",
    "niet op dit bericht te antwoorden",
    "automatisch gegenereerd",
    "nao responda a esta",
    "wygenerowana automatycznie",
    "nie odpowiadac na te",
];

/// Receipts; whoever is not known to be a program may say these, too.
const RECEIVED: [&str; 25] = [
    "received your",
    "been received",
    "been created",
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
    "ticket number",
    "ticket has",
    "your ticket",
    "ticketnummer",
];

/// Receipts speak of a house, not of one person.
const ONE_PERSON: [&str; 12] =
    ["i have ", "i ve ", "i received", "i got ", "i am ", "i m ", "i will ", "i ll ", "ich ", "j ai ", "je ", "ik "];

/// Said to somebody, not to everybody who writes.
const TO_US: [&str; 40] = [
    "let s ",
    "lets ",
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
    "sprechen",
    "gern",
    "klingt",
    "parler",
    "volontiers",
    "me interesa",
    "sentiamo",
    "volentieri",
    "graag",
    "falar",
    "interess",
    "habl",
    "robot",
    "look at it",
    "look at this",
    "look into it",
    "have a look",
    "take a look",
    "schaue es mir",
    "schaue mir",
    "sehe es mir",
    "sehe mir",
    "regarderai",
    "lo mirare",
    "guardero",
    "bekijk",
    "vou olhar",
    "przyjrze",
];

/// What people ask us for.
const REQUESTS: [&str; 46] = [
    "call me",
    "ring me",
    "give me a call",
    "rufen sie mich",
    "ruf mich",
    "appelez moi",
    "llam",
    "chiam",
    "bel me",
    "ligue",
    "ligar",
    "zadzwon",
    "send me",
    "send us",
    "send over",
    "send it",
    "drop me a",
    "bel mij",
    "schicken sie",
    "schick mir",
    "senden sie mir",
    "mailen sie mir",
    "envoyez moi",
    "envoyez nous",
    "m envoyer",
    "envieme",
    "enviame",
    "enviarme",
    "mandeme",
    "mandame",
    "mi mandi",
    "mandami",
    "mandatemi",
    "mi invii",
    "inviami",
    "inviatemi",
    "stuur mij",
    "stuur me",
    "stuur maar",
    "envie me",
    "me envie",
    "mande me",
    "me mande",
    "przyslac",
    "przeslac mi",
    "przyslij",
];

/// What notes ask to be sent to somebody else, or later.
const SENT_ELSEWHERE: [&str; 15] = [
    "an email",
    "an e mail",
    "a mail",
    "a message",
    "your",
    "urgent",
    "any",
    "all",
    "email",
    "e mail",
    "mail",
    "message",
    "request",
    "enquir",
    "inquir",
];

/// A request that holds for urgent cases alone is made to everybody.
const IN_CASE: [&str; 13] = [
    "urgent",
    "if you need",
    "in case of",
    "emergenc",
    "dringend",
    "notfall",
    "urgenc",
    "en caso de",
    "urgenz",
    "in caso di",
    "spoed",
    "em caso de",
    "piln",
];

const YOUR: [&str; 27] = [
    "your ", "ihr ", "ihre", "dein", "euer", "eure", "votre ", "vos ", "ton ", "ta ", "su ", "sus ", "tu ", "sua ",
    "tua ", "vostr", "uw ", "je ", "jouw ", "jullie ", "vossa ", "panstwa ", "pana ", "pani ", "twoj", "twoja", "wasz",
];

const OUR_THINGS: [&str; 45] = [
    "proposal",
    "offer",
    "idea",
    "quote",
    "product",
    "tool",
    "demo",
    "deck",
    "presentation",
    "pricing",
    "price",
    "suggestion",
    "brochure",
    "solution",
    "software",
    "platform",
    "slides",
    "angebot",
    "vorschlag",
    "idee",
    "produkt",
    "prasentation",
    "unterlagen",
    "losung",
    "proposition",
    "offre",
    "produit",
    "propuesta",
    "oferta",
    "producto",
    "solucion",
    "proposta",
    "offert",
    "prodott",
    "soluzion",
    "voorstel",
    "aanbod",
    "oplossing",
    "ideia",
    "produto",
    "solucao",
    "ofert",
    "propozycj",
    "pomysl",
    "rozwiazan",
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
