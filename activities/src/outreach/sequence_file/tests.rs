use super::*;
use leadflow_workflows::domain::sequence::Condition;
use std::fs;

const ISSUE: &str = r#"
name = "brewery-intro"
stop_on = ["reply", "opt_out", "bounce"]
[[step]]
id = "hello"
invite = "Hi {{ lead.first_name }}, {{ business.name }} in {{ business.city }} caught my eye."
[[step]]
wait_for_connection = { timeout = "7d", on_timeout = "mail" }
[[step]]
after = "1d"
message = "Thanks for connecting. {{ lead.hook | default('How do you track kegs today?') }}"
end = true
[[step]]
id = "mail"
subject = "Kegs at {{ business.name }}"
email = "file:mail.md"
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mail.md"), "Hello {{ lead.first_name }},\n\nkegs?\n").unwrap();
    folder
}

/// Each mistake as `line:column text under the caret | message | hint`.
fn mistakes(steps: &str) -> Vec<String> {
    let folder = folder();
    let text = format!("name = \"x\"\n{steps}");
    let mistakes = parse("s.toml", &text, Some(folder.path())).expect_err("the text has mistakes");
    let told = mistakes.list.iter().map(|mistake| {
        let span = mistake.span.clone().unwrap();
        let (line, column) = mistakes.position(span.start);
        format!("{line}:{column} {} | {} | {}", &text[span], mistake.message, mistake.hint.as_deref().unwrap_or(""))
    });
    told.collect()
}

/// The one mistake of these steps.
#[track_caller]
fn mistake(steps: &str, expected: &str) {
    let found = mistakes(steps);
    assert!(found.len() == 1 && found[0].contains(expected), "{steps}\n{found:#?}");
}

#[test]
fn a_sequence_is_read_as_its_author_writes_it() {
    let folder = folder();
    let path = folder.path().join("sequence.toml");
    fs::write(&path, ISSUE).unwrap();
    let sequence = load(&path).unwrap();
    let ids: Vec<&str> = sequence.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["hello", "wait_for_connection", "message", "mail"]);
    assert_eq!(sequence.stop_on.len(), 3);
    let on_timeout = Some("mail".to_owned());
    assert_eq!(sequence.steps[1].kind, StepKind::WaitForConnection { timeout_ms: 7 * DAY_MS, on_timeout });
    assert_eq!((sequence.steps[2].after_ms, sequence.steps[2].end), (DAY_MS, true));
    let StepKind::Email { subject, text } = &sequence.steps[3].kind else { panic!("{:?}", sequence.steps[3]) };
    assert_eq!(
        (subject.as_str(), text.as_str()),
        ("Kegs at {{ business.name }}", "Hello {{ lead.first_name }},\n\nkegs?\n")
    );
}

#[test]
fn steps_without_id_are_called_after_their_kind_and_counted() {
    let sequence = parse(
        "s.toml",
        "name = \"x\"\n[[step]]\nid = \"first\"\nemail = \"a\"\nsubject = \"b\"\n[[step]]\nwait = \"36h\"\n\
         [[step]]\nemail = \"a\"\nsubject = \"b\"\n[[step]]\nwait = \"1d 30m\"\n[[step]]\nvisit_profile = true\n[[step]]\nend = true",
        None,
    )
    .unwrap();
    let ids: Vec<&str> = sequence.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["first", "wait", "email-2", "wait-2", "visit_profile", "end"]);
    assert_eq!(sequence.steps[3].kind, StepKind::Wait { for_ms: DAY_MS + 30 * 60_000 });
    assert_eq!(sequence.stop_on, BTreeSet::from([StopOn::Reply, StopOn::OptOut, StopOn::Bounce]));
}

#[test]
fn json_of_the_same_shape_is_the_same_sequence() {
    let json = r#"{"name": "x", "stop_on": null, "step": [
        {"branch": {"if": "has_email", "otherwise": "end"}}, {"subject": "a", "email": "b", "after": "1d", "id": null},
        {"end": true}]}"#;
    let toml = "name = \"x\"\n[[step]]\nbranch = { if = \"has_email\", otherwise = \"end\" }\n\
                [[step]]\nsubject = \"a\"\nemail = \"b\"\nafter = \"1d\"\n[[step]]\nend = true";
    let sequence = parse_json(json).unwrap();
    assert_eq!(sequence, parse("s.toml", toml, None).unwrap());
    let branch = StepKind::Branch { condition: Condition::HasEmail, then: None, otherwise: Some("end".into()) };
    assert_eq!(sequence.steps[0].kind, branch);
    assert_eq!(parse_json(&serde_json::to_string(&sequence).unwrap()).unwrap_err().list[0].span, None);
    for (json, expected) in [
        ("[1]", "sequence: is not an object"),
        ("{", "sequence: is not JSON: "),
        (r#"{"name": "x", "step": [{"subject": "a", "email": "file:/etc/passwd"}]}"#, "names a file"),
        (r#"{"name": "x", "step": [{"mesage": "a"}]}"#, "unknown key `mesage`"),
    ] {
        let told = parse_json(json).unwrap_err().to_string();
        assert!(told.contains(expected) && told.contains("hint: "), "{json}: {told}");
    }
}

#[test]
fn every_mistake_is_found_in_one_reading_with_its_place_and_a_hint() {
    let steps = r#"stop_on = ["repli"]
[[step]]
mesage = "x"
[[step]]
id = "Hello"
invite = "Hi {{ lead.fist_name }}"
[[step]]
wait_for_connection = { timeout = "soon", on_timeout = "mial" }
[[step]]
id = "mail"
email = "file:none.md"
"#;
    assert_eq!(
        mistakes(steps),
        [
            "2:12 \"repli\" | entry 1 of `stop_on` must be one of `reply`, `opt_out`, `bounce` | did you mean `reply`?",
            "3:1 [[step]] | entry 1 of `step` does nothing | write one of `invite`, `message`, `inmail`, `email`, \
             `visit_profile`, `wait`, `wait_for_connection`, `branch`, or `end = true`",
            "4:1 mesage | unknown key `mesage` in [step.0] | did you mean `message`?",
            "6:6 \"Hello\" | `step.1.id` is not an id | write 1 to 64 of a-z, 0-9, `_` and `-`",
            "7:10 \"Hi {{ lead.fist_name }}\" | `step.1.invite` unknown token `lead.fist_name` | did you mean `lead.first_name`?",
            "9:35 \"soon\" | `step.2.wait_for_connection.timeout` is not a length of time | write for example \"30m\", \"36h\" or \"7d\"",
            "9:56 \"mial\" | `step.2.wait_for_connection.on_timeout` names `mial`, which is no step | did you mean `mail`?",
            "10:1 [[step]] | entry 4 of `step` has no subject | add `subject = \"…\"`",
            "12:9 \"file:none.md\" | `step.3.email` names `none.md`: there is no such file | check the path, or run `starter init` to write a first one",
        ]
    );
}

const MAIL: &str = "[[step]]\nid = \"mail\"\nsubject = \"a\"\nemail = \"b\"\n";

#[test]
fn a_step_does_one_thing() {
    mistake(&format!("{MAIL}[[step]]\nafter = \"1d\""), "entry 2 of `step` does nothing");
    mistake(&format!("{MAIL}[[step]]\ninvite = \"\"\nwait = \"1d\""), "has `invite` and `wait`");
    mistake(&format!("{MAIL}[[step]]\nwait = \"1d\"\nend = true"), "`step.1.end` cannot stand beside `wait`");
    mistake(&format!("{MAIL}[[step]]\ninvite = \"x\"\nsubject = \"y\""), "`step.1.subject` has no place here");
    mistake(&format!("{MAIL}[[step]]\nvisit_profile = false"), "must be true");
    mistake(&format!("{MAIL}[[step]]\nwait = \"0d\""), "must be more than nothing");
    mistake(&format!("{MAIL}[[step]]\nwait = \"400d\""), "longer than 365 days");
    mistake(&format!("{MAIL}[[step]]\nwait = \"1mo\""), "not a length of time");
    mistake(&format!("{MAIL}[[step]]\nafter = \"-1d\"\nend = true"), "must not be negative");
    mistake("[[step]]\nvisit_profile = true", "contacts nobody");
    mistake(&MAIL.replace("\"b\"", "\"\""), "`step.0.email` is empty");
}

#[test]
fn ids_and_targets_are_clear() {
    mistake(&format!("{MAIL}{MAIL}"), "`step.1.id` has the id `mail`, as step 1 does");
    mistake(
        &format!("[[step]]\nid = \"email\"\nwait = \"1d\"\n{}", MAIL.replace("id = \"mail\"\n", "")),
        "give one of the two",
    );
    let branch = |targets: &str| format!("[[step]]\nbranch = {{ if = \"has_email\", {targets} }}\n{MAIL}");
    mistake(&branch("then = \"branch\""), "goes back to `branch`");
    mistake(&branch("otherwise = \"mial\""), "did you mean `mail`?");
    mistake(&branch("").replace(", }", " }"), "leads to the next step either way");
    mistake(&branch("then = \"mail\"").replace("has_email", "has_mail"), "did you mean `has_email`?");
}

#[test]
fn every_step_can_be_reached_and_sent() {
    mistake(&format!("[[step]]\nmessage = \"x\"\n{MAIL}"), "`step.0.message` can be reached without a connection");
    mistake(
        &format!("{MAIL}[[step]]\nend = true\n[[step]]\nwait = \"1d\""),
        "entry 3 of `step` (`wait`) is never reached",
    );
    mistake("[[step]]\ninvite = \"\"\n[[step]]\nid = \"again\"\ninvite = \"\"", "comes after another invitation");
    // On the way of the time-out nobody is a connection.
    let wait = "[[step]]\ninvite = \"\"\n[[step]]\nwait_for_connection = { timeout = \"7d\", on_timeout = \"late\" }\n";
    mistake(&format!("{wait}[[step]]\nmessage = \"x\"\n[[step]]\nid = \"late\"\nmessage = \"y\""), "`step.3.message`");
    let sound = [
        format!(
            "{wait}[[step]]\nmessage = \"x\"\nend = true\n[[step]]\nid = \"late\"\nsubject = \"a\"\ninmail = \"b\""
        ),
        format!(
            "[[step]]\nbranch = {{ if = \"connected\", otherwise = \"mail\" }}\n[[step]]\nmessage = \"x\"\nend = true\n{MAIL}"
        ),
        format!(
            "[[step]]\nbranch = {{ if = \"has_email\", then = \"mail\" }}\n[[step]]\ninvite = \"\"\nend = true\n{MAIL}\
             [[step]]\nid = \"later\"\ninvite = \"\""
        ),
    ];
    for steps in sound {
        parse("s.toml", &format!("name = \"x\"\n{steps}"), None).unwrap();
    }
}

#[test]
fn texts_come_from_the_folder_of_the_sequence_only() {
    let folder = folder();
    let outside = folder.path().join("secret.md");
    fs::write(&outside, "secret").unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    std::os::unix::fs::symlink(&outside, inner.join("link.md")).unwrap();
    for name in ["../secret.md", outside.to_str().unwrap(), "link.md", ""] {
        let text = format!("name = \"x\"\n[[step]]\nsubject = \"a\"\nemail = \"file:{name}\"");
        let told = parse("s.toml", &text, Some(&inner)).unwrap_err().to_string();
        assert!(told.contains("is not in the folder of the sequence") && !told.contains("secret\n"), "{name}: {told}");
    }
    fs::write(inner.join("bad.md"), "a\n\n{{ lead.nmae }}").unwrap();
    let text = "name = \"x\"\n[[step]]\nsubject = \"a\"\nemail = \"file:bad.md\"";
    let told = parse("s.toml", text, Some(&inner)).unwrap_err().to_string();
    assert!(told.contains("`step.0.email` (`bad.md`) unknown token `lead.nmae`"), "{told}");
}
