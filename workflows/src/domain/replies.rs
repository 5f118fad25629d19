//! What an incoming message means. In doubt it is a person's reply, which ends a sequence and leaves the rest to people.

mod automatic;
mod opt_out;
mod text;

pub use text::own_words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a message from a person, or from their mailbox, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplyKind {
    /// Of a person.
    Reply,
    /// Asks for no further contact.
    OptOut,
    /// Written by a program while its owner is away.
    OutOfOffice,
    /// Written by a program that takes messages in: a ticket, "we have received your message", "no longer works here". It says
    /// neither that somebody has read ours nor when somebody will.
    Automatic,
    /// A mail of ours could not be delivered.
    Bounce,
}

/// How a person takes what was offered. Unsure is an answer: a question, a pointer to somebody else, a riddle.
// Without comments on the variants, or the schema is no plain list of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    Positive,
    Negative,
    Neutral,
}

impl ReplyKind {
    pub const ALL: [Self; 5] = [Self::Reply, Self::OptOut, Self::OutOfOffice, Self::Automatic, Self::Bounce];

    /// As the store writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::OptOut => "opt_out",
            Self::OutOfOffice => "out_of_office",
            Self::Automatic => "automatic",
            Self::Bounce => "bounce",
        }
    }
}

impl Tone {
    pub const ALL: [Self; 3] = [Self::Positive, Self::Negative, Self::Neutral];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tone| tone.name() == name)
    }

    /// As the store writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Neutral => "neutral",
        }
    }
}

/// What is known of an incoming message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Incoming<'a> {
    pub subject: &'a str,
    pub text: &'a str,
    pub is_email: bool,
    /// Its headers say that a program answered.
    pub is_automatic: bool,
    /// Its headers are those that programs write, and also help desks and mailing lists through which people answer.
    pub may_be_automatic: bool,
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

/// Says what an incoming message is: by its headers, then by its words.
pub fn classify(incoming: &Incoming) -> ReplyKind {
    match incoming.report {
        Some(Report::Spam) => return ReplyKind::OptOut,
        Some(Report::Undeliverable) => return ReplyKind::Bounce,
        None => {}
    }
    let own = own_words(incoming.text);
    let of_program =
        |rule: fn(&Incoming, &str) -> Option<ReplyKind>| rule(incoming, &own).filter(|_| incoming.is_email);
    // Before the words of leaving: what is known to be a program may offer to unsubscribe from its own notices.
    if let Some(kind) = of_program(automatic::proven) {
        return kind;
    }
    if opt_out::asks(&own) || (own.trim().is_empty() && opt_out::asks(incoming.subject)) {
        return ReplyKind::OptOut;
    }
    of_program(automatic::by_words).unwrap_or(ReplyKind::Reply)
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
            "Don't contact me again",
            "Quiero darme de baja",
            "Proszę więcej nie pisać",
            "No need - please remove",
            "Remove me from your list and do not reply to this email.",
            "STOP\n\nDana Whitlock",
            "Don't call or email me again.",
            "No thanks. Unsubscribe dana@nordhafen.example",
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
            "Stop! That is exactly what I need.",
            "We never stop brewing!",
            "Please don't unsubscribe me, I like your letters.",
            "Please remove the second keg from the offer.",
            "Sorry, there is nothing to remove.",
            "Ich habe keine weiteren Fragen.",
            "I am out of the office until Monday, but let's talk then.",
            "Thank you for your email. I am on annual leave until Monday and will read your proposal when I return.",
            "Thanks for your message. I am out of office until Monday, please send me the price list.",
            "This is an auto repair shop.",
            "I know that this is an automated message, but it is not for us.",
            "Please do not hesitate to contact me.",
            "Guests do not write to us, they call.",
            "Please do not contact us before May.",
            "We want to stop emailing spreadsheets.",
            "We removed our old list, tell me more.",
            "How do I unsubscribe my customers with your tool?",
            "",
        ] {
            assert_eq!(of(text), ReplyKind::Reply, "{text}");
        }
        let hurrah = Incoming { subject: "Oooh, kegs", text: "Until Monday!", is_email: true, ..Incoming::default() };
        assert_eq!(classify(&hurrah), ReplyKind::Reply);
        let chat = Incoming { text: "I am out of office until Monday", ..Incoming::default() };
        assert_eq!(classify(&chat), ReplyKind::Reply, "nobody's LinkedIn answers by itself");
    }

    #[test]
    fn a_header_of_programs_needs_words_of_a_program_beside_it() {
        let weak = |text| classify(&Incoming { text, is_email: true, may_be_automatic: true, ..Incoming::default() });
        assert_eq!(weak("Is Friday at ten all right?"), ReplyKind::Reply);
        assert_eq!(weak("We have received your message."), ReplyKind::Automatic);
        assert_eq!(weak("I am on vacation until 4 May."), ReplyKind::OutOfOffice);
        assert_eq!(of("I am on vacation until 4 May."), ReplyKind::Reply);
        assert_eq!(weak("Do not reply to this email."), ReplyKind::Automatic);
        assert_eq!(of("Do not reply to this email."), ReplyKind::Reply);
        assert_eq!(weak("I have received your email, it is nothing for us."), ReplyKind::Reply);
        assert_eq!(weak("I have received your email, please remove me from your list."), ReplyKind::OptOut);
        let sure = |text| classify(&Incoming { text, is_email: true, is_automatic: true, ..Incoming::default() });
        assert_eq!(sure("Thank you."), ReplyKind::Automatic);
        assert_eq!(sure("unsubscribe"), ReplyKind::Automatic, "whatever it offers to leave");
        assert_eq!(sure("On vacation!"), ReplyKind::OutOfOffice);
    }

    #[test]
    fn a_request_for_urgent_cases_is_made_to_everybody() {
        let note = |asks: &str| of(&format!("Thank you for your email. I am out of the office until Monday. {asks}"));
        assert_eq!(note("For urgent matters please call me."), ReplyKind::OutOfOffice);
        assert_eq!(note("Please send your request to office@nordhafen.example."), ReplyKind::OutOfOffice);
        assert_eq!(note("Please call me then."), ReplyKind::Reply);
        assert_eq!(note("Please send the price list."), ReplyKind::Reply);
    }

    #[test]
    fn reports_are_what_they_are() {
        let bounce = Incoming { report: Some(Report::Undeliverable), is_automatic: true, ..Incoming::default() };
        assert_eq!(classify(&bounce), ReplyKind::Bounce);
        let complaint = Incoming { report: Some(Report::Spam), is_automatic: true, ..Incoming::default() };
        assert_eq!(classify(&complaint), ReplyKind::OptOut);
    }
}
