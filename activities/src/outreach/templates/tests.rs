use super::*;
use leadflow_workflows::domain::sequence::StepKind;

fn tokens() -> Tokens {
    Tokens {
        lead: LeadTokens { first_name: "Mara".into(), email: "mara@lowen.example".into(), ..LeadTokens::default() },
        business: BusinessTokens {
            name: "Löwen _Bräu_ <b>&Co".into(),
            city: "Graz".into(),
            ..BusinessTokens::default()
        },
        sender: SenderTokens { name: "Ann Doe".into(), ..SenderTokens::default() },
        campaign: CampaignTokens::default(),
    }
}

fn step(kind: StepKind) -> Step {
    Step { id: "hello".into(), after_ms: 0, kind, end: false }
}

fn message(text: &str) -> Result<String, String> {
    let rendered = render(&step(StepKind::Message { text: text.into() }), &tokens());
    rendered.map(|message| message.text).map_err(|error| error.to_string())
}

fn email(text: &str) -> Message {
    render(&step(StepKind::Email { subject: "On {{ business.name }}".into(), text: text.into() }), &tokens()).unwrap()
}

#[test]
fn tokens_are_filled_in_and_defaults_stand_in_for_what_is_not_known() {
    for (text, expected) in [
        ("Hi {{ lead.first_name }} in {{business.city|upper}}\n", "Hi Mara in GRAZ"),
        ("{{ lead.hook | default('How do you track kegs?') }}", "How do you track kegs?"),
        ("{{ lead.hook | trim | d(business.city | lower) }}", "graz"),
        ("{{ lead.first_name | default('there') }}", "Mara"),
        ("{# a note to myself #}{{ 'x' }}{{ '{% y %}' }}", "x{% y %}"),
    ] {
        assert_eq!(message(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn no_message_ever_has_a_gap() {
    let missing = message("Hi {{ lead.hook }}, {{ lead.role | upper }}, {{ lead.hook }}").unwrap_err();
    assert_eq!(
        missing,
        "step `hello`: the message needs `lead.hook` and `lead.role`, unknown for this lead; hint: write \
         `{{ lead.hook | default('…') }}`, or leave such leads out"
    );
    assert!(message("{{ lead.hook | default(lead.reason) }}").unwrap_err().contains("`lead.reason`"));
    let blank = Tokens { lead: LeadTokens { hook: " \u{a0}\n".into(), ..LeadTokens::default() }, ..Tokens::default() };
    let hook = step(StepKind::Message { text: "{{ lead.hook }}".into() });
    assert!(matches!(render(&hook, &blank).unwrap_err().problem, TemplateProblem::Missing { .. }));
    assert_eq!(draft(&hook, &blank).message.text, "[lead.hook is missing]");
    assert!(message("{{ '' }}").unwrap_err().contains("the message is empty"));
}

#[test]
fn what_is_more_than_tokens_and_filters_is_refused_whoever_it_is_for() {
    for (text, expected, hint) in [
        ("{{ lead.fist_name }}", "unknown token `lead.fist_name`", "did you mean `lead.first_name`?"),
        ("{{ hook }}", "unknown token `hook`", "did you mean `lead.hook`?"),
        ("{{ lead }}", "unknown token `lead`", "the tokens are "),
        ("{{ lead.hook | defalt('x') }}", "unknown filter `defalt`", "did you mean `default`?"),
        ("{{ lead.hook | default }}", "`default` needs one text", "write "),
        ("{{ lead.hook | upper('x') }}", "the filter `upper` takes no value", "write "),
        ("{{ lead.hook ~ lead.role }}", "more than a token", "write "),
        ("{{ 'x' * 100000 }}", "more than a token", "write "),
        ("{{ 3 }}", "a constant that is no text", "put it in quotes"),
        ("{{ lead.hook", "cannot be read", "a token is written"),
        ("a\nb {{ lead.hook | }}", "cannot be read in line 2", "a token is written"),
        ("{% if lead.hook %}x{% endif %}", "`{% … %}`", "use tokens only"),
        ("{% include 'x' %}", "cannot be read", "a token is written"),
        ("a\u{1b}b", "control character", "remove it"),
        (" ", "is empty", "write what"),
    ] {
        let problems = check(Field::Message, text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(problems[0].message.contains(expected), "{text}: {}", problems[0]);
        assert!(problems[0].hint.starts_with(hint), "{text}: {}", problems[0]);
        assert!(text.trim().is_empty() || message(text).is_err(), "{text}");
    }
    let two = check(Field::Message, "{{ lead.fist_name }} {{ lead.rolle }}");
    assert_eq!(two.len(), 2, "{two:?}");
    assert_eq!(check(Field::Note, ""), []);
    assert_eq!(check(Field::EmailSubject, "a\nb")[0].message, "has more than one line");
    assert!(check(Field::Note, &"x".repeat(301))[0].message.contains("301 characters before any token"));
    assert!(check(Field::Message, &" ".repeat(70_000))[0].message.contains("longer than 64 KiB"));
}

#[test]
fn lengths_are_counted_as_the_provider_counts_them() {
    let note = |note: &str, is_free| {
        let mut tokens = tokens();
        tokens.sender.is_free = is_free;
        render(&step(StepKind::Invite { note: note.into() }), &tokens)
    };
    let exact = format!("{{{{ lead.first_name }}}}{}", "x".repeat(296));
    assert_eq!(note(&exact, false).unwrap().text.len(), 300);
    let problem = note(&exact, true).unwrap_err().problem;
    assert_eq!(problem, TemplateProblem::TooLong { field: Field::Note, count: 300, limit: 200 });
    assert_eq!(problem.to_string(), "the note has 300 characters, 100 more than 200");
    assert!(note(&(exact + "x"), false).is_err());
    // One letter to a reader, two to the provider.
    assert!(note(&"🍺".repeat(151), false).is_err());
    assert_eq!(note("", true).unwrap().text, "");
}

#[test]
fn values_do_not_format_an_email() {
    let message = email(
        "Hi **{{ lead.first_name }}**,\n\n{{ business.name }} at [us](https://us.example/?a=1&b={{ business.city }})",
    );
    assert_eq!(message.subject.as_deref(), Some("On Löwen _Bräu_ <b>&Co"));
    assert!(message.text.contains("**Mara**") && message.text.contains("Löwen _Bräu_ <b>&Co"), "{}", message.text);
    assert_eq!(
        message.html.as_deref(),
        Some(
            "<p>Hi <strong>Mara</strong>,</p>\n<p>Löwen _Bräu_ &lt;b&gt;&amp;Co at \
             <a href=\"https://us.example/?a=1&amp;b=Graz\">us</a></p>\n"
        )
    );
}

#[test]
fn an_email_has_no_markup_of_its_own_and_no_link_but_to_the_web() {
    let html = email("<script>x</script>\n\n<img src=y> [a](javascript:x) [b](mailto:b@c.example) ![c](https://d.example/e) `{{ business.city }}`").html;
    let html = html.unwrap();
    assert!(html.contains("&lt;script&gt;x&lt;/script&gt;") && html.contains("&lt;img src=y&gt; a "), "{html}");
    assert!(html.contains("<a href=\"mailto:b@c.example\">b</a> c <code>Graz</code>"), "{html}");
    assert_eq!(html.matches("<a ").count(), html.matches("</a>").count(), "{html}");
    // Letters that stand for values while the text is read are none of the text's own.
    assert_eq!(email("a\u{f0000}{{ business.city }}").html.unwrap(), "<p>aGraz</p>\n");
}

#[test]
fn the_footer_names_sender_source_and_the_way_out() {
    let hours = leadflow_workflows::domain::account::Hours::office();
    let settings = leadflow_workflows::domain::account::CampaignSettings {
        lead_hours: hours,
        keep_holidays: true,
        stop_company: false,
        allow_parallel: false,
        starts_per_day: None,
        minimum_score: 0,
        leads: None,
        postal_address: Some("Kegs & Co\nMain St 1, Graz".into()),
        source_notice: Some("Found on your public profile.".into()),
        policy: std::collections::BTreeMap::new(),
    };
    let message = email("Hi").with_footer(&email_footer(&settings, Some("https://u.example/u/a?b&c")));
    assert_eq!(
        message.text,
        "Hi\n\n-- \nFound on your public profile.\nKegs & Co\nMain St 1, Graz\nNo further mail: https://u.example/u/a?b&c"
    );
    assert_eq!(
        message.html.unwrap(),
        "<p>Hi</p>\n<hr />\n<p>Found on your public profile.<br />\nKegs &amp; Co<br />\nMain St 1, Graz<br />\n\
         <a href=\"https://u.example/u/a?b&amp;c\">No further mail</a></p>\n"
    );
    assert!(email_footer(&settings, None).text.ends_with("Answer with STOP and you will not hear from us again."));
}
