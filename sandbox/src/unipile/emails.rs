//! Emails sent from linked mailboxes, and what comes back.

use serde_json::{Value, json};

use super::Answered;
use super::errors::error;
use super::mail::{Attendee, Mail};
use super::options::ReplyKind;
use super::pages::{Bounds, asked_period, page};
use super::people;
use super::state::{Happening, State, between};
use super::webhooks::{Announcement, Source};
use crate::exchange::{Call, Reply};
use crate::ledger::{Effect, EffectKind};

/// How long an idempotency key is remembered.
const KEY_LIVES_MS: i64 = 24 * 3_600_000;
const LONGEST_KEY: usize = 255;

#[derive(Debug)]
pub(super) struct FirstResult {
    at_ms: i64,
    request_hash: String,
    body: Value,
}

impl State {
    pub(super) fn send_email(&mut self, call: &Call) -> Answered {
        self.check_form(call)?;
        let now_ms = call.arrived_at_ms;
        let account = self.account_of(call, true)?;
        let (account_id, from) =
            (account.id.clone(), Attendee { name: account.owner_name(), address: account.address() });
        let key = call.header("idempotency-key").map(str::to_owned);
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > LONGEST_KEY) {
            return Err(error("invalid_parameters", "The Idempotency-Key has 1 to 255 characters."));
        }
        if let Some(key) = &key
            && let Some(first) = self.first_results.get(&(account_id.clone(), key.clone()))
            && now_ms < first.at_ms + KEY_LIVES_MS
        {
            if first.request_hash != call.hash() {
                return Err(error("idempotency_conflict", "The Idempotency-Key belongs to another request."));
            }
            return Ok(Reply::free(201, first.body.clone()));
        }
        let to = recipient(call)?;
        let body = call.field("body").ok_or_else(|| error("missing_parameters", "body is required"))?.to_owned();
        let headers = custom_headers(call)?;
        let in_reply_to = match call.field("reply_to") {
            None => None,
            Some(id) => {
                let mails = self.mails.get(&account_id).into_iter().flatten();
                let parent =
                    mails.rev().find(|mail| mail.id == id || mail.provider_id() == id || mail.message_id == id);
                let parent = parent.ok_or_else(|| error("parent_mail_not_found", "No mail has this id."))?;
                Some((parent.message_id.clone(), parent.id.clone()))
            }
        };
        if self.is_rejected(&to.address) {
            return Err(error("recipient_rejected", "The server of the recipient refuses the address."));
        }

        let subject = call.field("subject").unwrap_or_default().to_owned();
        let person = to.address.clone();
        let mail = self.new_mail(now_ms, &account_id, from, to);
        let tracking_id = format!("trk_{}", mail.provider_id());
        let mail =
            Mail { is_ours: true, tracking_id: Some(tracking_id.clone()), subject, body, in_reply_to, headers, ..mail };
        let provider_id = mail.provider_id();
        let answer = json!({
            "object": "EmailSent", "tracking_id": tracking_id, "provider_id": provider_id, "provider_immutable_id": null,
        });
        let effect = Effect {
            account_id: account_id.clone(),
            person,
            kind: EffectKind::Email,
            text: Some(mail.body.clone()),
            message_id: Some(provider_id),
            invitation_id: None,
            idempotency_key: key.clone(),
        };
        self.plan_consequences(now_ms, &account_id, &mail);
        self.add_mail(&account_id, mail, "own");
        if let Some(key) = key {
            let result = FirstResult { at_ms: now_ms, request_hash: call.hash(), body: answer.clone() };
            self.first_results.insert((account_id, key), result);
        }
        Ok(Reply { effect: Some(effect), ..Reply::free(201, answer) })
    }

    fn is_rejected(&self, address: &str) -> bool {
        let profile = people::by_email(self.world_seed, address);
        let known_as = profile.map_or_else(|| address.to_owned(), |profile| profile.public_id);
        let is_set = self.behaviour(&known_as, Some(address)).bounce.is_some();
        !is_set && self.seed.of(&["rejected", address]).permille(self.options.reject_permille)
    }

    /// Whether the mail comes back, is complained about, or is answered.
    fn plan_consequences(&mut self, now_ms: i64, account: &str, mail: &Mail) {
        let address = &mail.to.address;
        let seed = self.seed.of(&["mail", account, address, &mail.id]);
        let profile = people::by_email(self.world_seed, address);
        let known_as = profile.as_ref().map_or(address, |profile| &profile.public_id);
        let drawn = || profile.is_none() || self.seed.of(&["bounces", address]).permille(self.options.bounce_permille);
        let (account, mail_id) = (account.to_owned(), mail.id.clone());
        if self.behaviour(known_as, Some(address)).bounce.unwrap_or_else(drawn) {
            let due_ms = now_ms + between(seed.of(&["bounce delay"]), self.options.bounce_delay_ms);
            return self.schedule(due_ms, Happening::Bounce { account, mail_id });
        }
        if seed.of(&["complains"]).permille(self.options.complaint_permille) {
            let due_ms = now_ms + between(seed.of(&["complaint delay"]), self.options.bounce_delay_ms);
            return self.schedule(due_ms, Happening::Complaint { account, mail_id });
        }
        let nth = self.mails.get(&account).into_iter().flatten().filter(|sent| sent.to.address == *address).count();
        if let Some(reply) = self.decide_reply(now_ms, &account, address, nth, true) {
            let happening = Happening::MailReply { account, mail_id, kind: reply.kind, text: reply.text };
            self.schedule(reply.at_ms, happening);
        }
    }

    pub(super) fn receive_reply(&mut self, at_ms: i64, account: &str, mail_id: &str, kind: ReplyKind, text: &str) {
        let Some(sent) = self.mail(account, mail_id) else { return };
        let is_automatic = kind == ReplyKind::OutOfOffice;
        let headers =
            if is_automatic { vec![("Auto-Submitted".to_owned(), "auto-replied".to_owned())] } else { Vec::new() };
        let subject =
            if is_automatic { format!("Automatic reply: {}", sent.subject) } else { format!("Re: {}", sent.subject) };
        let mail = self.new_mail(at_ms, account, sent.to, sent.from);
        let mail =
            Mail { subject, body: text.to_owned(), in_reply_to: Some((sent.message_id, sent.id)), headers, ..mail };
        self.add_mail(account, mail, kind.name());
    }

    pub(super) fn receive_bounce(&mut self, at_ms: i64, account: &str, mail_id: &str) {
        let Some(sent) = self.mail(account, mail_id) else { return };
        let daemon =
            Attendee { name: "Mail Delivery System".to_owned(), address: format!("mailer-daemon@{}", sent.to.host()) };
        let address = &sent.to.address;
        let body = format!(
            "I'm sorry to have to inform you that your message could not be delivered.\n\nReporting-MTA: dns; mx.{}\n\n\
             Final-Recipient: rfc822; {address}\nOriginal-Recipient: rfc822;{address}\nAction: failed\nStatus: 5.1.1\n\
             Diagnostic-Code: smtp; 550 5.1.1 <{address}>: Recipient address rejected: User unknown\n",
            sent.to.host()
        );
        let kind = "multipart/report; report-type=delivery-status; boundary=\"report\"";
        let headers = [("Auto-Submitted", "auto-replied"), ("Content-Type", kind)];
        let mail = self.new_mail(at_ms, account, daemon, sent.from);
        let mail = Mail {
            subject: "Undelivered Mail Returned to Sender".to_owned(),
            body,
            in_reply_to: Some((sent.message_id, sent.id)),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..mail
        };
        self.add_mail(account, mail, "bounce");
    }

    pub(super) fn receive_complaint(&mut self, at_ms: i64, account: &str, mail_id: &str) {
        let Some(sent) = self.mail(account, mail_id) else { return };
        let reporter = Attendee { name: "Feedback Loop".to_owned(), address: format!("feedback@{}", sent.to.host()) };
        let body = format!(
            "This is an email abuse report.\n\nFeedback-Type: abuse\nVersion: 1\nOriginal-Rcpt-To: {}\n\
             Removal-Recipient: {}\n",
            sent.to.address, sent.to.address
        );
        let kind = "multipart/report; report-type=feedback-report; boundary=\"report\"";
        let mail = self.new_mail(at_ms, account, reporter, sent.from);
        let mail = Mail {
            subject: format!("FW: {}", sent.subject),
            body,
            in_reply_to: Some((sent.message_id, sent.id)),
            headers: vec![("Content-Type".to_owned(), kind.to_owned())],
            ..mail
        };
        self.add_mail(account, mail, "complaint");
    }

    /// A person writes now: in answer to the last mail that they got from the account, if there is one.
    pub(super) fn write_mail(&mut self, at_ms: i64, account: &str, address: &str, text: &str, is_ours: bool) -> String {
        let mails = self.mails.get(account).into_iter().flatten();
        let last = mails.rev().find(|mail| mail.is_ours && mail.to.address == address).cloned();
        let owner = self
            .accounts
            .get(account)
            .map(|account| Attendee { name: account.owner_name(), address: account.address() });
        let owner = owner.unwrap_or_else(|| Attendee { name: String::new(), address: String::new() });
        let name = people::by_email(self.world_seed, address).map_or_else(String::new, |profile| profile.full_name());
        let person = Attendee { name, address: address.to_owned() };
        let (from, to) = if is_ours { (owner, person) } else { (person, owner) };
        let mail = self.new_mail(at_ms, account, from, to);
        let subject = last.as_ref().map_or_else(|| "Hello".to_owned(), |last| format!("Re: {}", last.subject));
        let in_reply_to = last.map(|last| (last.message_id, last.id));
        let mail = Mail { is_ours, subject, body: text.to_owned(), in_reply_to, ..mail };
        let id = mail.id.clone();
        self.add_mail(account, mail, if is_ours { "by_hand" } else { "by_request" });
        id
    }

    fn mail(&self, account: &str, id: &str) -> Option<Mail> {
        self.mails.get(account)?.iter().find(|mail| mail.id == id).cloned()
    }

    fn new_mail(&self, at_ms: i64, account: &str, from: Attendee, to: Attendee) -> Mail {
        let nth = self.mails.get(account).map_or(0, Vec::len);
        let id = format!("mail_{}", self.seed.of(&["mail id", account, &nth.to_string()]).hex(16));
        Mail {
            message_id: format!("<{id}@{}>", from.host()),
            id,
            tracking_id: None,
            at_ms,
            is_ours: false,
            from,
            to,
            subject: String::new(),
            body: String::new(),
            in_reply_to: None,
            headers: Vec::new(),
        }
    }

    fn add_mail(&mut self, account: &str, mail: Mail, kind: &str) {
        let event = if mail.is_ours { "mail_sent" } else { "mail_received" };
        let mut body = mail.view(account);
        body["event"] = json!(event);
        body["email_id"] = body["id"].take();
        if let Some(fields) = body.as_object_mut() {
            for name in ["object", "id", "kind"] {
                fields.remove(name);
            }
        }
        let announcement = Announcement {
            account: account.to_owned(),
            source: Source::Email,
            event,
            person: Some(mail.person().to_owned()),
            kind: kind.to_owned(),
            message_id: Some(mail.id.clone()),
            key: format!("mail {}", mail.id),
            delay_ms: 0,
            body,
        };
        let at_ms = mail.at_ms;
        self.mails.entry(account.to_owned()).or_default().push(mail);
        self.announce(at_ms, &announcement);
    }

    pub(super) fn list_emails(&mut self, call: &Call) -> Answered {
        let account = self.account_of(call, true)?.id.clone();
        let shown_ms = call.arrived_at_ms - self.options.list_lag_ms;
        let (after_ms, before_ms) = asked_period(call)?;
        let role = call.parameter("role");
        let mails = self.mails.get(&account).into_iter().flatten();
        let mut mails: Vec<_> = mails
            .enumerate()
            .filter(|(_, mail)| mail.at_ms <= shown_ms && (after_ms..before_ms).contains(&mail.at_ms))
            .filter(|(_, mail)| role.is_none_or(|role| role == mail.role()))
            .collect();
        mails.sort_by_key(|(nth, mail)| std::cmp::Reverse((mail.at_ms, *nth)));
        page(call, "EmailList", Bounds::USUAL, mails, |(_, mail)| mail.view(&account))
    }
}

/// The one recipient; the field `to` is JSON text in a form, and plain JSON otherwise.
fn recipient(call: &Call) -> Result<Attendee, Reply> {
    let wrong = || error("invalid_parameters", "to must be a JSON list of {display_name, identifier}.");
    let copies =
        ["cc", "bcc"].iter().any(|name| json_field(call, name).as_array().is_some_and(|list| !list.is_empty()));
    let to = match json_field(call, "to") {
        Value::Null => return Err(error("missing_parameters", "to is required")),
        Value::Array(to) => to,
        _ => return Err(wrong()),
    };
    if copies || to.len() > 1 {
        return Err(error("feature_not_implemented", "The sandbox sends to one recipient at a time."));
    }
    let first = to.first().ok_or_else(wrong)?;
    let address = first["identifier"].as_str().map(str::trim).map(str::to_lowercase).ok_or_else(wrong)?;
    if address.split_once('@').is_none_or(|(local, host)| local.is_empty() || !host.contains('.')) {
        return Err(error("invalid_recipient", "The identifier is not an email address."));
    }
    Ok(Attendee { name: first["display_name"].as_str().unwrap_or_default().to_owned(), address })
}

fn custom_headers(call: &Call) -> Result<Vec<(String, String)>, Reply> {
    let wrong = || error("invalid_headers", "custom_headers must be a JSON list of {name, value}.");
    match json_field(call, "custom_headers") {
        Value::Null => Ok(Vec::new()),
        Value::Array(headers) => headers
            .iter()
            .map(|header| Some((header["name"].as_str()?.to_owned(), header["value"].as_str()?.to_owned())))
            .collect::<Option<_>>()
            .ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn json_field(call: &Call, name: &str) -> Value {
    match &call.body[name] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        value => value.clone(),
    }
}
