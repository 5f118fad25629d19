//! What an email is: a person's, a program's, a delivery report, a complaint. The same in lists and in events.

use super::html;
use super::wire::text;
use serde_json::Value;

/// The parts of an email that say what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) in_reply_to: Option<String>,
    pub(super) is_ours: bool,
    /// Names in small letters.
    headers: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) auto_submitted: bool,
    pub(super) may_be_automatic: bool,
    pub(super) bounced_address: Option<String>,
    pub(super) complaint_address: Option<String>,
}

/// The local part, in small letters, of what writes nothing but reports: not every mailbox hands headers on.
const DAEMON: &str = "mailer-daemon";
/// Those of what writes reports, and of people, too: what it writes has to have one of the fields of a report.
const REPORTERS: [&str; 4] = ["postmaster", "feedback", "fbl", "abuse"];
const REPORT_FIELDS: [&str; 4] = ["Final-Recipient", "Original-Recipient", "Reporting-MTA", "Feedback-Type"];

impl Letter {
    pub(super) fn read(mail: &Value) -> Self {
        let in_reply_to = &mail["in_reply_to"];
        let is_sent = mail["event"].as_str() == Some("mail_sent")
            || mail["role"].as_str().is_some_and(|role| role.eq_ignore_ascii_case("sent"));
        Self {
            from: text(&mail["from_attendee"], "identifier").unwrap_or_default(),
            to: attendees(&mail["to_attendees"]),
            subject: text(mail, "subject").unwrap_or_default(),
            text: text(mail, "body_plain")
                .filter(|plain| !plain.trim().is_empty())
                .or_else(|| text(mail, "body").map(|body| html::words(&body)))
                .unwrap_or_default(),
            in_reply_to: text(mail, "in_reply_to").or_else(|| text(in_reply_to, "message_id")),
            is_ours: is_sent,
            headers: headers(&mail["headers"]),
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim().to_lowercase())
    }

    /// A line of a report's machine part, which mailboxes show as text: `Final-Recipient: rfc822; dana@nordhafen.example`.
    fn field(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let (known, value) = line.trim().split_once(':')?;
            known.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// An address of a report, without its type.
    fn address(&self, name: &str) -> Option<String> {
        let value = self.field(name)?;
        let address = value.rsplit(';').next()?.trim().trim_matches(['<', '>']);
        address.contains('@').then(|| address.to_lowercase())
    }
}

/// What a received mail says that no person wrote. Our own mails report nothing.
pub(super) fn report(letter: &Letter) -> Report {
    if letter.is_ours {
        return Report::default();
    }
    let is_report = is_report(letter);
    let is_complaint =
        is_report && letter.field("Feedback-Type").is_some_and(|kind| kind.eq_ignore_ascii_case("abuse"));
    let complaint_address = || letter.address("Original-Rcpt-To").or_else(|| letter.address("Removal-Recipient"));
    Report {
        auto_submitted: is_report || is_automatic(letter),
        may_be_automatic: may_be_automatic(letter),
        bounced_address: (is_report && !is_complaint && is_permanent(letter)).then(|| bounced(letter)).flatten(),
        complaint_address: is_complaint.then(complaint_address).flatten(),
    }
}

fn is_report(letter: &Letter) -> bool {
    let local_part = letter.from.split('@').next().unwrap_or_default().to_lowercase();
    let has_field = || {
        letter.header("x-failed-recipients").is_some() || REPORT_FIELDS.iter().any(|name| letter.field(name).is_some())
    };
    local_part == DAEMON
        || letter.header("content-type").is_some_and(|kind| kind.starts_with("multipart/report"))
        || (REPORTERS.contains(&local_part.as_str()) && has_field())
}

/// What only answering programs write. A report of a failure has no sender to answer to.
fn is_automatic(letter: &Letter) -> bool {
    letter.header("auto-submitted").is_some_and(|value| value.starts_with("auto-replied"))
        || letter.header("x-autoreply").is_some_and(|value| value != "no")
        || letter.header("x-autorespond").is_some()
        || letter.header("precedence").is_some_and(|value| value == "auto_reply")
        || letter.header("return-path").is_some_and(|value| value == "<>")
}

/// What programs write, and what stands on people's mails, too, when these come through a help desk or a mailing list.
fn may_be_automatic(letter: &Letter) -> bool {
    letter.header("auto-submitted").is_some_and(|value| value.starts_with("auto-"))
        || letter.header("precedence").is_some_and(|value| matches!(value.as_str(), "bulk" | "junk"))
        || letter.header("x-auto-response-suppress").is_some_and(|value| value != "none")
}

/// A report of a delay is no bounce: the mail may still arrive. One that does not say is a failure.
fn is_permanent(letter: &Letter) -> bool {
    match (letter.field("Status"), letter.field("Action")) {
        (Some(status), _) => status.starts_with('5'),
        (None, Some(action)) => action.eq_ignore_ascii_case("failed"),
        (None, None) => true,
    }
}

fn bounced(letter: &Letter) -> Option<String> {
    let listed = || {
        let failed = letter.header("x-failed-recipients")?;
        failed.split(',').map(str::trim).find(|address| address.contains('@')).map(str::to_owned)
    };
    // The original is what we wrote to; the final one may be where that was forwarded.
    letter.address("Original-Recipient").or_else(|| letter.address("Final-Recipient")).or_else(listed)
}

fn attendees(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|attendee| text(attendee, "identifier")).collect()
}

/// A list of names and values, or an object.
fn headers(value: &Value) -> Vec<(String, String)> {
    let pair = |name: &str, value: &Value| Some((name.to_lowercase(), value.as_str()?.to_owned()));
    match value {
        Value::Array(list) => {
            list.iter().filter_map(|header| pair(header["name"].as_str()?, &header["value"])).collect()
        }
        Value::Object(object) => object.iter().filter_map(|(name, value)| pair(name, value)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(mail: &Value) -> Report {
        report(&Letter::read(mail))
    }

    fn from_daemon(body: &str) -> Report {
        let daemon = json!({ "identifier": "MAILER-DAEMON@mx.example" });
        of(&json!({ "from_attendee": daemon, "subject": "Undelivered Mail Returned to Sender", "body_plain": body }))
    }

    #[test]
    fn a_delivery_report_names_the_address_that_failed() {
        let bounce = from_daemon(
            "I could not deliver your mail.\n\nFinal-Recipient: rfc822; Dana@nordhafen.example\nAction: failed\nStatus: 5.1.1\n",
        );
        assert_eq!(bounce.bounced_address.as_deref(), Some("dana@nordhafen.example"));
        assert!(bounce.auto_submitted && bounce.complaint_address.is_none());
        let forwarded = from_daemon(
            "Original-Recipient: rfc822;dana@nordhafen.example\nFinal-Recipient: rfc822; d@elsewhere.example\nStatus: 5.2.1",
        );
        assert_eq!(forwarded.bounced_address.as_deref(), Some("dana@nordhafen.example"));
        let listed = of(&json!({
            "from_attendee": { "identifier": "postmaster@mx.example" }, "body_plain": "no such user",
            "headers": [{ "name": "X-Failed-Recipients", "value": "dana@nordhafen.example" }]
        }));
        assert_eq!(listed.bounced_address.as_deref(), Some("dana@nordhafen.example"));
    }

    #[test]
    fn a_delay_is_no_bounce() {
        for body in [
            "Final-Recipient: rfc822; dana@nordhafen.example\nAction: delayed\nStatus: 4.4.7\n",
            "Final-Recipient: rfc822; dana@nordhafen.example\nAction: delayed\n",
        ] {
            let report = from_daemon(body);
            assert_eq!((report.bounced_address, report.auto_submitted), (None, true), "{body}");
        }
    }

    /// Else anybody could have any address suppressed.
    #[test]
    fn a_person_who_quotes_a_report_is_a_person() {
        let quoting = of(&json!({
            "from_attendee": { "identifier": "dana@nordhafen.example" }, "subject": "Re: hello",
            "body_plain": "You sent me this:\nFinal-Recipient: rfc822; kim@nordhafen.example\nStatus: 5.1.1\nFeedback-Type: abuse\n"
        }));
        assert_eq!(quoting, Report::default());
    }

    #[test]
    fn a_spam_report_names_who_complained() {
        let report = of(&json!({
            "from_attendee": { "identifier": "fbl@mailbox.example" }, "subject": "complaint",
            "body_plain": "Feedback-Type: abuse\nOriginal-Rcpt-To: <dana@nordhafen.example>\n"
        }));
        assert_eq!(report.complaint_address.as_deref(), Some("dana@nordhafen.example"));
        assert!(report.auto_submitted && report.bounced_address.is_none());
    }

    #[test]
    fn people_write_from_addresses_of_programs() {
        for name in REPORTERS {
            let from = json!({ "identifier": format!("{name}@nordhafen.example") });
            assert_eq!(of(&json!({ "from_attendee": from, "body_plain": "STOP" })), Report::default(), "{name}");
            let headers = json!({ "Content-Type": "multipart/report; report-type=feedback-report" });
            assert!(of(&json!({ "from_attendee": from, "body_plain": "", "headers": headers })).auto_submitted);
        }
        assert!(from_daemon("No such user.").auto_submitted);
    }

    #[test]
    fn a_mail_without_plain_text_is_read_without_its_tags() {
        for plain in [json!(null), json!(" \r\n")] {
            let letter = Letter::read(&json!({ "body": "<div dir=\"ltr\">STOP</div>", "body_plain": plain }));
            assert_eq!(letter.text, "STOP");
        }
    }

    #[test]
    fn programs_are_known_by_their_headers() {
        let with = |name: &str, value: &str| {
            let from = json!({ "identifier": "dana@nordhafen.example" });
            let report = of(&json!({ "from_attendee": from, "headers": [{ "name": name, "value": value }] }));
            (report.auto_submitted, report.may_be_automatic)
        };
        for (name, value, expected) in [
            ("Auto-Submitted", "auto-replied", (true, true)),
            ("Auto-Submitted", "auto-generated", (false, true)),
            ("Auto-Submitted", "no", (false, false)),
            ("X-Autoreply", "yes", (true, false)),
            ("Precedence", "auto_reply", (true, false)),
            ("Precedence", "bulk", (false, true)),
            ("Precedence", "list", (false, false)),
            ("X-Auto-Response-Suppress", "All", (false, true)),
            ("Return-Path", "<>", (true, false)),
            ("Return-Path", "<dana@nordhafen.example>", (false, false)),
        ] {
            assert_eq!(with(name, value), expected, "{name}: {value}");
        }
    }
}
