//! Words by which people ask for no further contact: in small letters, without accents and punctuation. A phrase is the
//! beginning of words, as `text::has` compares them.

use super::text::{after, has, has_any, plain, sentences};

/// Whether the words of a person ask for no further contact, however long they are.
pub(super) fn asks(own: &str) -> bool {
    let whole = plain(own);
    ALONE.contains(&whole.as_str())
        || (whole.split(' ').count() <= FEW_WORDS && own.split(CLAUSE_ENDS).any(|clause| is_removal(&plain(clause))))
        || sentences(own).iter().any(|sentence| sentence_asks(sentence))
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
    if has_any(sentence, &STAYING)
        || has_any(sentence, &OFFERS)
        || OFFER_STARTS.iter().any(|start| sentence.starts_with(start))
    {
        return false;
    }
    let is_question = sentence.ends_with('?');
    let is_short = sentence.split(' ').count() <= SHORT_WORDS && !has_any(sentence, &NOT);
    (is_short && !is_question && has_any(sentence, &LEAVING)) || asks_in_some_language(sentence)
}

fn asks_in_some_language(sentence: &str) -> bool {
    let followed = |firsts: &[&str], seconds: &[&str]| {
        let mut rests = firsts.iter().filter_map(|first| after(sentence, first));
        rests.any(|rest| seconds.is_empty() || seconds.iter().any(|second| has(rest, second)))
    };
    ASKING.iter().any(|(firsts, seconds)| followed(firsts, seconds))
}

/// A sentence with one of [`LEAVING`] says nothing else when it is no longer than this.
const SHORT_WORDS: usize = 4;
const NOT: [&str; 5] = ["dont ", "not ", "never ", "nicht ", "no longer"];

/// Messages that say nothing else.
const ALONE: [&str; 11] = [
    "stop",
    "stop it",
    "stop please",
    "please stop",
    "stop bitte",
    "bitte stoppen",
    "stopper",
    "arretez",
    "basta",
    "baja",
    "cancellazione",
];

/// A longer message may speak of other things that are to be removed.
const FEW_WORDS: usize = 12;
const CLAUSE_ENDS: [char; 9] = [',', '.', '!', ';', ':', '-', '–', '—', '\n'];
const PLEASE: [&str; 10] = ["please", "pls", "kindly", "just", "bitte", "veuillez", "svp", "favor", "favore", "prosze"];
/// Each is one whole word.
const REMOVE: [&str; 19] = [
    "remove",
    "delete",
    "entfernen",
    "loschen",
    "austragen",
    "streichen",
    "supprimer",
    "supprimez",
    "retirer",
    "retirez",
    "eliminar",
    "borrar",
    "rimuovere",
    "cancellare",
    "verwijderen",
    "remover",
    "excluir",
    "usunac",
    "wypisac",
];
const OF_ONESELF: [&str; 21] = [
    "me",
    "us",
    "from",
    "the",
    "your",
    "this",
    "list",
    "mailing",
    "database",
    "thanks",
    "thank",
    "you",
    "now",
    "mich",
    "uns",
    "aus",
    "dem",
    "der",
    "verteiler",
    "danke",
    "merci",
];

/// Words of leaving a list.
const LEAVING: [&str; 16] = [
    "unsubscribe",
    "opt out",
    "optout",
    "abmelden",
    "abbestellen",
    "austragen",
    "desinscri",
    "desabonn",
    "darme de baja",
    "cancelar suscripcion",
    "disiscri",
    "cancellami",
    "uitschrijven",
    "afmelden",
    "descadastr",
    "cancelar inscricao",
];

/// Whoever says this wants to stay.
const STAYING: [&str; 8] = [
    "dont unsubscribe",
    "not unsubscribe",
    "dont remove",
    "do not remove",
    "dont take me",
    "do not take me",
    "nicht abmelden",
    "nicht austragen",
];

/// A sentence with these offers others to leave, as footers do.
const OFFERS: [&str; 10] =
    ["http", "www", "click", "klicken", "cliquez", "haga clic", "clicca", "klik ", "clique ", "kliknij"];
const OFFER_STARTS: [&str; 27] = [
    "to unsubscribe",
    "to stop receiving",
    "to opt out",
    "you can unsubscribe",
    "you may unsubscribe",
    "if you no longer",
    "if you do not want",
    "if you dont want",
    "if you do not wish",
    "you receive",
    "you are receiving",
    "zum abmelden",
    "um sich abzumelden",
    "wenn sie keine",
    "wenn sie nicht mehr",
    "falls sie",
    "pour vous desinscrire",
    "si vous ne souhaitez",
    "para darse de baja",
    "si no desea",
    "per cancellar",
    "se non desidera",
    "om u uit te schrijven",
    "als u geen",
    "para cancelar",
    "se nao deseja",
    "jesli nie chce",
];

/// One of the first words, and somewhere behind it one of the second, if there are any.
const ASKING: &[(&[&str], &[&str])] = &[
    // English
    (&["remove me", "remove my", "remove us", "delete me ", "delete my", "delete our", "erase my", "erase our"], &[]),
    (&["remove this", "remove the"], &["address", "email"]),
    (&["take me", "take us", "take my", "take our", "take this address"], &["off", "out of", "from your"]),
    (&["stop "], &["contacting", "emailing", "e mailing", "mailing", "messaging", "writing", "spamming", "bothering"]),
    (&["stop sending", "quit sending"], &["me ", "us ", "these", "this", "message", "mail", "email"]),
    (
        &["do not", "dont ", "never "],
        &[
            "contact me",
            "contact us",
            "email me",
            "email us",
            "mail me",
            "mail us",
            "message me",
            "write to me",
            "write me",
        ],
    ),
    (&["do not", "dont ", "never "], &["email this", "mail this", "contact this", "contact anybody", "contact any "]),
    (
        &["dont want", "do not want", "dont wish", "do not wish", "no longer want", "no longer wish"],
        &["email", "mail", "message", "contacted", "to be contacted", "to hear from you", "be on your list"],
    ),
    (&["no more", "no further"], &["email", "mail", "message", "contact", "spam"]),
    (&["please unsubscribe", "unsubscribe me", "unsubscribe us", "unsubscribe this", "want to unsubscribe"], &[]),
    (&["to opt out", "opt me out", "opt us out", "i opt out"], &[]),
    (&["leave me alone", "leave us alone", "withdraw my consent", "cease and desist"], &[]),
    (&["object to"], &["processing", "marketing", "use of my"]),
    // German
    (
        &[
            "nehmen sie mich",
            "nehmen sie uns",
            "nimm mich",
            "nehmt mich",
            "tragen sie mich",
            "trag mich",
            "tragen sie uns",
        ],
        &["aus"],
    ),
    (&["streichen sie", "streich mich", "entfernen sie", "entferne"], &["mich", "uns ", "meine", "aus", "verteiler"]),
    (&["melden sie mich", "melden sie uns", "meld mich"], &["ab "]),
    (&["loschen sie", "losche ", "loscht", "loeschen sie"], &["mich", "meine", "uns", "alle daten", "adresse"]),
    (
        &["kontaktieren sie mich", "kontaktiere mich", "schreiben sie mir", "schreib mir", "mailen sie"],
        &["nicht", "nie "],
    ),
    (
        &["nicht mehr", "nicht weiter", "nie wieder", "nie mehr"],
        &["kontaktier", "anschreib", "angeschrieben", "belastig"],
    ),
    (
        &["keine weiteren", "keine weitere", "keinerlei"],
        &["nachricht", "mail", "e mail", "kontakt", "werbung", "anschreiben", "zusendung"],
    ),
    (&["keine mails", "keine e mails", "keine emails", "keine nachrichten", "keine werbung", "kein spam"], &["mehr"]),
    (
        &["unterlassen sie", "horen sie auf", "hor auf"],
        &["kontakt", "schreib", "mail", "e mail", "nachricht", "werbung", "zusendung", "belastig"],
    ),
    (&["lassen sie mich", "lassen sie uns", "lass mich"], &["in ruhe"]),
    (&["widersprech", "widerspruch"], &["daten", "werb", "kontakt", "verarbeitung"]),
    (
        &["will ", "mochte ", "bitte "],
        &["aus ihrem verteiler", "aus dem verteiler", "aus ihrer liste", "vom verteiler"],
    ),
    // French
    (&["ne me contact", "ne nous contact", "ne m ecri", "ne m envoy", "ne m appel"], &["plus", "jamais"]),
    (&["ne plus me", "ne plus nous", "ne plus etre contact", "ne plus m "], &[]),
    (
        &["arretez", "arrete ", "cessez", "cesser", "stop "],
        &["ecri", "envoy", "contact", "message", "mail", "harcel", "spam"],
    ),
    (
        &["retirez", "me retirer", "enlevez", "supprimez", "supprimer mes", "effacez", "effacer mes"],
        &["moi", "mon ", "mes ", "votre liste", "donnees"],
    ),
    (&["desinscrivez", "me desinscrire", "desabonnez", "me desabonner"], &[]),
    (
        &["ne souhaite", "ne veux", "ne voulons", "ne desir"],
        &["plus recevoir", "plus etre contact", "plus de mail", "plus de message"],
    ),
    (&["laissez moi tranquille", "laissez nous tranquille"], &[]),
    // Spanish
    (&["no me contact", "no nos contact", "no me escrib", "no nos escrib", "no me moleste"], &[]),
    (&["no me envi", "no me mand", "no vuelva"], &["mas", "a escrib", "a contact", "a envi"]),
    (&["dejen de", "deje de", "deja de"], &["escrib", "envi", "contact", "mand", "molest"]),
    (&["denme de baja", "deme de baja", "darme de baja", "dar de baja", "darnos de baja", "dame de baja"], &[]),
    (
        &["elimin", "borre", "borra", "quite", "quita", "saqu", "suprim"],
        &["mis datos", "mi correo", "mi email", "mi direccion", "mi nombre", "su lista", "la lista", "base de datos"],
    ),
    (
        &["no quiero", "no queremos", "no deseo", "no deseamos"],
        &[
            "recibir mas",
            "recibir sus",
            "recibir ningun",
            "recibir correo",
            "recibir mensaje",
            "mas correo",
            "mas mensaje",
        ],
    ),
    // Italian
    (
        &["non contatt", "non mi contatt", "non ci contatt", "non scriv", "non mi scriv", "non ci scriv", "non mandat"],
        &[],
    ),
    (&["cancellatemi", "cancellami", "mi cancelli", "rimuovetemi", "rimuovimi", "mi rimuova", "toglietemi"], &[]),
    (&["cancell", "rimuov", "elimin"], &["i miei dati", "mio indirizzo", "mia mail", "mia email", "vostra lista"]),
    (&["smett", "basta "], &["scriv", "contatt", "mandar", "inviar", "mail", "email", "messaggi"]),
    (
        &["non desider", "non vogli"],
        &["ricevere altr", "ricevere ulterior", "ricevere piu", "piu ricevere", "ricevere email", "essere contattat"],
    ),
    // Dutch
    (&["geen "], &["contact meer", "berichten meer", "mails meer", "e mails meer", "reclame meer"]),
    (&["niet meer"], &["benader", "contact", "mail", "te mailen", "schrijven"]),
    (
        &[
            "haal mij",
            "haal me",
            "haal ons",
            "verwijder mij",
            "verwijder me",
            "verwijder ons",
            "mij uitschrijven",
            "mij van",
        ],
        &[],
    ),
    (&["stop met", "stop "], &["mailen", "berichten", "sturen", "contact", "spammen"]),
    // Portuguese
    (&["nao me contact", "nao me contat", "nao me envi", "nao me mand", "nao me escrev", "nao nos conta"], &[]),
    (&["pare de", "parem de"], &["mand", "envi", "escrev", "contat", "contact"]),
    (
        &["remov", "retire", "tire ", "apague", "exclua", "elimine"],
        &["meu", "me ", "sua lista", "da lista", "sua base"],
    ),
    (
        &["nao quero", "nao queremos", "nao desejo"],
        &["receber mais", "mais receber", "receber mensagens", "receber email", "ser conta"],
    ),
    // Polish
    (
        &["prosze"],
        &[
            "o usuniecie",
            "usunac",
            "o wykreslenie",
            "mnie wypisac",
            "wypisac mnie",
            "nie pisac",
            "nie kontaktowac",
            "nie wysylac",
            "nie przysylac",
            "nie dzwonic",
        ],
    ),
    (&["nie chc", "nie zycz"], &["otrzymywac", "dostawac", "wiadomosci", "maili", "kontaktu", "kontaktow"]),
    (&["przestan"], &["pisac", "wysylac", "kontaktowac", "spamowac"]),
    (&["usun", "wypisz"], &["mnie", "nas ", "moj"]),
];
