//! One email, ours or somebody else's.

use serde_json::{Value, json};

use super::pages::timestamp;

#[derive(Clone, Debug)]
pub(super) struct Mail {
    pub(super) id: String,
    /// `<…@host>`.
    pub(super) message_id: String,
    pub(super) tracking_id: Option<String>,
    pub(super) at_ms: i64,
    pub(super) is_ours: bool,
    pub(super) from: Attendee,
    pub(super) to: Attendee,
    pub(super) subject: String,
    /// HTML of ours; plain text of others'.
    pub(super) body: String,
    /// `message_id` and `id` of the mail that it answers.
    pub(super) in_reply_to: Option<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(super) struct Attendee {
    pub(super) name: String,
    pub(super) address: String,
}

impl Attendee {
    pub(super) fn view(&self) -> Value {
        json!({"display_name": self.name, "identifier": self.address, "identifier_type": "EMAIL_ADDRESS"})
    }

    pub(super) fn host(&self) -> &str {
        self.address.rsplit_once('@').map_or("unknown.example", |(_, host)| host)
    }
}

impl Mail {
    pub(super) fn provider_id(&self) -> String {
        self.id.replace("mail_", "provider_")
    }

    pub(super) fn person(&self) -> &str {
        if self.is_ours { &self.to.address } else { &self.from.address }
    }

    pub(super) fn role(&self) -> &'static str {
        if self.is_ours { "sent" } else { "inbox" }
    }

    pub(super) fn view(&self, account: &str) -> Value {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let folder = if self.is_ours { "Sent" } else { "INBOX" };
        let mut view = json!({
            "object": "Email", "kind": "2_full", "id": self.id, "account_id": account, "type": "MAIL",
            "date": timestamp(self.at_ms), "role": self.role(), "folders": [folder], "folderIds": [folder],
            "message_id": self.message_id, "provider_id": self.provider_id(), "from_attendee": self.from.view(),
            "to_attendees": [self.to.view()], "cc_attendees": [], "bcc_attendees": [], "reply_to_attendees": [],
            "subject": self.subject, "body": self.body, "body_plain": without_tags(&self.body), "has_attachments": false,
            "attachments": [], "headers": headers, "origin": if self.tracking_id.is_some() { "unipile" } else { "external" },
        });
        if let Some(tracking_id) = &self.tracking_id {
            view["tracking_id"] = json!(tracking_id);
        }
        if let Some((message_id, id)) = &self.in_reply_to {
            view["in_reply_to"] = json!({"message_id": message_id, "id": id});
        }
        view
    }
}

/// The text of simple HTML, paragraphs and lines kept apart.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, tag_and_rest)) = rest.split_once('<') {
        text.push_str(before);
        let Some((tag, after)) = tag_and_rest.split_once('>') else {
            rest = tag_and_rest;
            break;
        };
        if matches!(tag.trim_end_matches('/').trim(), "br" | "/p" | "/div" | "/li") {
            text.push('\n');
        }
        rest = after;
    }
    text.push_str(rest);
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
        .into_iter()
        .fold(text, |text, (entity, letter)| text.replace(entity, letter))
        .trim()
        .to_owned()
}
