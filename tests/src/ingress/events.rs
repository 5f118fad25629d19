//! Events as Unipile and a vendor of people's data post them.

use super::{FIRST, MAILBOX, Person, SECOND};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A body, and by what it is known afterwards.
#[derive(Clone, Debug)]
pub struct Event {
    /// Of its row; empty for the state of an account, which has no identity.
    pub key: String,
    pub door: Door,
    pub body: String,
    pub does: Does,
}

/// Who posts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Unipile,
    PersonChange,
}

/// What it leaves behind, once: beside its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Does {
    /// A message of this kind, by the provider's id.
    Answer { message_id: String, kind: &'static str },
    /// A change of a working life, known by its title.
    Change { title: String },
    /// The second account knows the person from then on.
    Connect { public_id: String },
    /// Only something for the moment.
    Nothing,
}

impl Event {
    pub fn reply(person: &Person, id: &str) -> Self {
        Self::mail(person, id, "reply", "Re: an idea", "Good idea, call me.")
    }

    pub fn opt_out(person: &Person, id: &str) -> Self {
        Self::mail(person, id, "opt_out", "Re: an idea", "Please remove me from your list.")
    }

    /// Puts off what is planned, and ends nothing.
    pub fn absence(person: &Person, id: &str) -> Self {
        let text = "I am out of the office and will be back in a week.";
        Self::mail(person, id, "out_of_office", "Automatic reply: an idea", text)
    }

    fn mail(person: &Person, id: &str, kind: &'static str, subject: &str, text: &str) -> Self {
        let body = json!({
            "event": "mail_received", "email_id": id, "account_id": MAILBOX, "date": now(),
            "from_attendee": {"identifier": person.email}, "to_attendees": [{"identifier": "owner@senders.example"}],
            "subject": subject, "body_plain": text, "message_id": format!("<{id}@mx.example>"), "role": "inbox",
        });
        let does = Does::Answer { message_id: id.to_owned(), kind };
        Self::unipile(format!("mail_received/{MAILBOX}/{id}"), &body, does)
    }

    /// A reply over LinkedIn, of somebody whom the first account knows.
    pub fn message(person: &Person, id: &str) -> Self {
        let provider_id = provider_id(FIRST, person);
        let body = json!({
            "event": "message_received", "account_id": FIRST, "account_type": "LINKEDIN",
            "account_info": {"type": "LINKEDIN", "feature": "classic", "user_id": "ACoAAowner"},
            "chat_id": format!("chat_{provider_id}"), "message_id": id, "timestamp": now(), "subject": null,
            "message": "Good idea, call me.", "sender": {"attendee_id": "att_1", "attendee_provider_id": provider_id},
            "attendees": [{"attendee_id": "att_1", "attendee_provider_id": provider_id}], "attachments": [],
        });
        let does = Does::Answer { message_id: id.to_owned(), kind: "reply" };
        Self::unipile(format!("message_received/{FIRST}/{id}"), &body, does)
    }

    /// The first account gets to know somebody, as it does before they can write to it.
    pub fn introduction(person: &Person) -> Self {
        Self { does: Does::Nothing, ..Self::relation(FIRST, person) }
    }

    pub fn connection(person: &Person) -> Self {
        Self::relation(SECOND, person)
    }

    fn relation(account: &str, person: &Person) -> Self {
        let provider_id = provider_id(account, person);
        let body = json!({
            "event": "new_relation", "account_id": account, "account_type": "LINKEDIN", "webhook_name": "relations",
            "user_provider_id": provider_id, "user_public_identifier": person.public_id,
        });
        let does = Does::Connect { public_id: person.public_id.clone() };
        Self::unipile(format!("new_relation/{account}/{provider_id}"), &body, does)
    }

    /// `OK` or what is wrong with the second account.
    pub fn status(message: &str) -> Self {
        let status = json!({"account_id": SECOND, "account_type": "LINKEDIN", "message": message});
        Self::unipile(String::new(), &json!({"AccountStatus": status}), Does::Nothing)
    }

    /// `job_changed` ends outreach, `promoted` holds it.
    pub fn change(person: &Person, kind: &str, id: &str) -> Self {
        let title = format!("Head of Planning {id}");
        let body = json!({
            "id": id, "type": format!("person.{kind}"), "occurred_at": now(),
            "data": {
                "person": {"linkedin_url": format!("https://www.linkedin.com/in/{}/", person.public_id)},
                "current": {"title": title, "company": "Nordhafen Logistics", "company_domain": "nordhafen.example"},
                "confidence": 0.93,
            },
        });
        Self { key: id.to_owned(), door: Door::PersonChange, body: body.to_string(), does: Does::Change { title } }
    }

    fn unipile(key: String, body: &Value, does: Does) -> Self {
        Self { key, door: Door::Unipile, body: body.to_string(), does }
    }
}

/// Each account knows people by ids of its own.
fn provider_id(account: &str, person: &Person) -> String {
    format!("ACoAA{account}-{}", person.public_id)
}

fn now() -> String {
    Timestamp::now().to_string()
}
