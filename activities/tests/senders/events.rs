//! Webhook bodies as Unipile documents them.

use leadflow_activities::senders::unipile::parse_event;
use leadflow_activities::senders::{AccountStatus, EventError, EventKind, ProviderEvent};
use serde_json::{Value, json};

fn parse(body: &Value) -> Result<ProviderEvent, EventError> {
    parse_event(body.to_string().as_bytes())
}

fn relation() -> Value {
    json!({
        "event": "new_relation", "account_id": "acc_7Qd", "account_type": "LINKEDIN", "webhook_name": "relations",
        "user_full_name": "Dana Whitlock", "user_provider_id": "ACoAAAsim001", "user_public_identifier": "dana-whitlock",
        "user_profile_url": "https://profiles.example/in/dana-whitlock/", "user_picture_url": "https://img.example/d.jpg"
    })
}

fn message(sender: &str) -> Value {
    let dana =
        json!({ "attendee_id": "att_2", "attendee_name": "Dana Whitlock", "attendee_provider_id": "ACoAAAsim001" });
    let from = json!({ "attendee_id": "att_1", "attendee_name": "Somebody", "attendee_provider_id": sender });
    json!({
        "event": "message_received", "account_id": "acc_7Qd", "account_type": "LINKEDIN",
        "account_info": { "type": "LINKEDIN", "feature": "classic", "user_id": "ACoAAAowner" },
        "chat_id": "cht_1", "message_id": "msg_9", "timestamp": "2026-01-15T09:31:04.120Z", "webhook_name": "inbox",
        "message": "Thanks, happy to talk on Tuesday.", "subject": null, "sender": from, "attendees": [dana],
        "attachments": []
    })
}

fn mail() -> Value {
    json!({
        "event": "mail_received", "email_id": "eml_4", "account_id": "acc_m1", "webhook_name": "mail",
        "date": "2026-01-15T09:31:04.120Z",
        "from_attendee": { "identifier": "dana@nordhafen.example", "display_name": "Dana Whitlock" },
        "to_attendees": [{ "identifier": "kim@senders.example", "display_name": "" }], "cc_attendees": [],
        "subject": "Re: Kegs", "body": "<p>Please remove me.</p>", "body_plain": "Please remove me.",
        "message_id": "<a1@nordhafen.example>", "provider_id": "p4", "tracking_id": null,
        "in_reply_to": { "message_id": "<o1@senders.example>", "id": "eml_3" }, "role": "inbox", "origin": "external"
    })
}

#[test]
fn a_new_relation_is_a_connection() {
    let event = parse(&relation()).expect("an event");
    let expected = ProviderEvent {
        key: "new_relation/acc_7Qd/ACoAAAsim001".into(),
        account: "acc_7Qd".into(),
        at_ms: None,
        what: EventKind::Connected { provider_id: "ACoAAAsim001".into(), public_id: Some("dana-whitlock".into()) },
    };
    assert_eq!(event, expected);
    assert_eq!(parse(&relation()), Ok(expected), "a second delivery has the same key");
}

#[test]
fn a_public_identifier_is_the_same_however_it_is_written() {
    for written in ["jos%C3%A9-x", "Jos%c3%a9-X", "josé-x"] {
        let mut body = relation();
        body["user_public_identifier"] = written.into();
        let known = EventKind::Connected { provider_id: "ACoAAAsim001".into(), public_id: Some("josé-x".into()) };
        assert_eq!(parse(&body).expect("an event").what, known, "{written}");
    }
}

#[test]
fn a_message_of_the_person_is_theirs() {
    let event = parse(&message("ACoAAAsim001")).expect("an event");
    let expected = ProviderEvent {
        key: "message_received/acc_7Qd/msg_9".into(),
        account: "acc_7Qd".into(),
        at_ms: Some(1_768_469_464_120),
        what: EventKind::Message {
            chat_id: "cht_1".into(),
            message_id: "msg_9".into(),
            sender_provider_id: "ACoAAAsim001".into(),
            is_ours: false,
            text: "Thanks, happy to talk on Tuesday.".into(),
            person_provider_id: Some("ACoAAAsim001".into()),
        },
    };
    assert_eq!(event, expected);
}

#[test]
fn our_own_message_is_ours_and_about_the_other() {
    let told = |body: &Value| match parse(body).expect("an event").what {
        EventKind::Message { is_ours, person_provider_id, .. } => (is_ours, person_provider_id),
        other => panic!("{other:?}"),
    };
    assert_eq!(told(&message("ACoAAAowner")), (true, Some("ACoAAAsim001".into())));
    let mut with_owner = message("ACoAAAowner");
    with_owner["attendees"] = json!([
        { "attendee_provider_id": "ACoAAAowner" }, { "attendee_provider_id": "ACoAAAsim001" }
    ]);
    assert_eq!(told(&with_owner), (true, Some("ACoAAAsim001".into())));
}

/// An attachment alone comes without text, and is a reply.
#[test]
fn a_message_may_have_no_text() {
    let mut body = message("ACoAAAsim001");
    body["message"] = Value::Null;
    let what = parse(&body).expect("an event").what;
    assert!(matches!(&what, EventKind::Message { text, is_ours: false, .. } if text.is_empty()), "{what:?}");
}

#[test]
fn a_mail_is_read_with_what_it_answers() {
    let event = parse(&mail()).expect("an event");
    let what = EventKind::Mail {
        email_id: "eml_4".into(),
        message_id: Some("<a1@nordhafen.example>".into()),
        from: "dana@nordhafen.example".into(),
        to: vec!["kim@senders.example".into()],
        subject: "Re: Kegs".into(),
        text: "Please remove me.".into(),
        in_reply_to: Some("<o1@senders.example>".into()),
        tracking_id: None,
        is_ours: false,
        auto_submitted: false,
        may_be_automatic: false,
        bounced_address: None,
        complaint_address: None,
    };
    let (key, account) = ("mail_received/acc_m1/eml_4".into(), "acc_m1".into());
    assert_eq!(event, ProviderEvent { key, account, at_ms: Some(1_768_469_464_120), what });

    let mut flat = mail();
    flat["in_reply_to"] = json!("<o1@senders.example>");
    flat["event"].take();
    assert_eq!(parse(&flat), parse(&mail()), "fields may be named otherwise or lack the event");
}

#[test]
fn bounces_and_absence_notes_are_told_apart_from_people() {
    let told = |changes: &[(&str, Value)]| {
        let mut body = mail();
        for (field, value) in changes {
            body[*field] = value.clone();
        }
        match parse(&body).expect("an event").what {
            EventKind::Mail { is_ours, auto_submitted, bounced_address, .. } => {
                (is_ours, auto_submitted, bounced_address)
            }
            other => panic!("{other:?}"),
        }
    };
    let daemon = json!({ "identifier": "MAILER-DAEMON@mx.example" });
    let report = json!("Final-Recipient: rfc822; gone@nordhafen.example\nStatus: 5.1.1\n");
    let bounce = told(&[("from_attendee", daemon), ("body_plain", report)]);
    assert_eq!(bounce, (false, true, Some("gone@nordhafen.example".into())));
    // What its subject says is for the rules to read.
    assert_eq!(told(&[("subject", json!("Automatic reply: Kegs"))]), (false, false, None));
    let replied = json!([{ "name": "Auto-Submitted", "value": "auto-replied" }]);
    assert_eq!(told(&[("headers", replied)]), (false, true, None));
    assert_eq!(told(&[("event", json!("mail_sent"))]), (true, false, None));
    assert_eq!(told(&[("role", json!("sent"))]), (true, false, None));
}

#[test]
fn opens_and_clicks_are_told() {
    let body = |event: &str| {
        json!({ "event": event, "event_id": "ev_1", "tracking_id": "trk", "date": "2026-01-15T09:31:04.120Z",
                "email_id": "eml_3", "account_id": "acc_m1", "ip": "192.0.2.1", "url": "https://a.example/x" })
    };
    let opened = parse(&body("mail_opened")).expect("an event");
    assert_eq!(opened.key, "mail_opened/acc_m1/ev_1");
    let (tracking_id, email_id) = (Some("trk".to_owned()), Some("eml_3".to_owned()));
    assert_eq!(opened.what, EventKind::Opened { tracking_id: tracking_id.clone(), email_id: email_id.clone() });
    let clicked = parse(&body("mail_link_clicked")).expect("an event");
    assert_eq!(clicked.what, EventKind::Clicked { tracking_id, email_id, url: Some("https://a.example/x".into()) });
}

#[test]
fn each_account_status_pauses_resumes_or_waits() {
    let status = |message: &str| {
        let body =
            json!({ "AccountStatus": { "account_id": "acc_7Qd", "account_type": "LINKEDIN", "message": message } });
        parse(&body).expect("an event")
    };
    for (message, can_send) in [
        ("OK", Some(true)),
        ("RECONNECTED", Some(true)),
        ("SYNC_SUCCESS", Some(true)),
        ("CREATION_SUCCESS", Some(true)),
        ("CREDENTIALS", Some(false)),
        ("ERROR", Some(false)),
        ("STOPPED", Some(false)),
        ("DELETED", Some(false)),
        ("CONNECTING", None),
    ] {
        let EventKind::AccountStatus { status } = status(message).what else { panic!("{message}") };
        assert_eq!(status.can_send(), can_send, "{message}");
    }
    assert_eq!(status("CREDENTIALS").what, EventKind::AccountStatus { status: AccountStatus::Credentials });
    assert_eq!(status("ADDED_NEXT_YEAR").what, EventKind::Other { name: "account_status".into() });
    // The second loss of a log-in is news, although its body is the same.
    assert_ne!(status("CREDENTIALS").key, status("CREDENTIALS").key);
}

#[test]
fn other_events_are_kept_by_name() {
    for name in ["message_read", "message_reaction", "mail_moved", "added_next_year"] {
        let body = json!({ "event": name, "account_id": "acc_7Qd", "message_id": "msg_9" });
        let event = parse(&body).expect("an event");
        assert_eq!(event.what, EventKind::Other { name: name.into() });
        assert_eq!(parse(&body).expect("an event").key, event.key);
        assert_ne!(parse(&json!({ "event": name, "account_id": "acc_8" })).expect("an event").key, event.key);
    }
}

#[test]
fn what_is_missing_is_named_and_nothing_else() {
    let without = |mut body: Value, path: &[&str]| {
        let (last, parents) = path.split_last().expect("a field");
        let parent = parents.iter().fold(&mut body, |parent, name| &mut parent[*name]);
        parent.as_object_mut().expect("an object").remove(*last);
        parse(&body).expect_err("incomplete").to_string()
    };
    let cases = [
        (without(relation(), &["event"]), "`event`"),
        (without(relation(), &["account_id"]), "`account_id`"),
        (without(relation(), &["user_provider_id"]), "`user_provider_id`"),
        (without(message("ACoAAAsim001"), &["message_id"]), "`message_id`"),
        (without(message("ACoAAAsim001"), &["chat_id"]), "`chat_id`"),
        (without(message("ACoAAAsim001"), &["sender", "attendee_provider_id"]), "`sender.attendee_provider_id`"),
        (without(message("ACoAAAsim001"), &["account_info"]), "`account_info.user_id`"),
        (without(mail(), &["email_id"]), "`email_id`"),
        (without(mail(), &["from_attendee", "identifier"]), "`from_attendee.identifier`"),
        (
            parse(&json!({ "AccountStatus": { "message": "OK" } })).expect_err("incomplete").to_string(),
            "`AccountStatus.account_id`",
        ),
    ];
    for (text, field) in cases {
        assert!(text.contains(field) && text.contains("hint: "), "{text}");
        assert!(!text.contains("Dana") && !text.contains("ACoAA") && !text.contains('@'), "{text}");
    }
    for body in [&b""[..], b"event=new_relation&account_id=a", b"[]", b"\"new_relation\"", b"\xff", b"{\"event\":"] {
        assert_eq!(parse_event(body), Err(EventError::NotJson));
    }
    for body in [json!({}), json!({ "event": 7 }), json!({ "AccountStatus": "OK" })] {
        assert!(matches!(parse(&body), Err(EventError::Missing { .. })), "{body}");
    }
}

#[test]
fn what_is_said_in_a_group_is_no_message_of_a_person() {
    for (sender, others) in [("ACoAAAsim001", 1), ("ACoAAstranger", 0), ("ACoAAowner", 1)] {
        let mut group = message(sender);
        for number in 0..others {
            let another = json!({ "attendee_id": "att_3", "attendee_provider_id": format!("ACoAAother{number}") });
            group["attendees"].as_array_mut().expect("a list").push(another);
        }
        let event = parse(&group).expect("an event");
        assert_eq!(event.what, EventKind::Other { name: "group_message".into() }, "{sender}");
        assert_eq!(event.key, "message_received/acc_7Qd/msg_9");
    }
}

#[test]
fn what_no_database_can_store_is_dropped_or_refused() {
    let mut body = message("ACoAAAsim001");
    body["message"] = "No\u{0} thanks".into();
    let EventKind::Message { text, .. } = parse(&body).expect("an event").what else { panic!("{body}") };
    assert_eq!(text, "No thanks");
    body["message_id"] = "m".repeat(1_001).into();
    assert_eq!(parse(&body), Err(EventError::TooLong { field: "message_id", most: 1_000 }));
}
