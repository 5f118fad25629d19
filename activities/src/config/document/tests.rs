use super::*;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// Everything a document can be made of.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sample {
    /// What it is called.
    name: String,
    #[serde(default)]
    kind: Kind,
    limits: Limits,
    #[serde(default)]
    step: Vec<Step>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Small,
    Large,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Limits {
    /// Calls in a minute.
    #[schemars(range(min = 1, max = 60))]
    calls: u32,
    words: Option<Vec<String>>,
    ratio: Option<f64>,
    #[serde(default)]
    strict: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Wait { days: u32 },
    Message { text: String },
}

fn parse_sample(text: &str) -> Result<Sample, Mistakes> {
    parse("sample.toml", text, "", |sample: &Sample| {
        let long = sample.limits.words.iter().flatten().enumerate().filter(|(_, word)| word.len() > 5);
        long.map(|(index, _)| Finding {
            path: format!("limits.words.{index}"),
            message: "is too long".into(),
            hint: "cut it".into(),
        })
        .collect()
    })
}

/// Each mistake as `line:column text under the caret | message | hint`.
fn mistakes(text: &str) -> Vec<String> {
    let mistakes = parse_sample(text).expect_err("the text has mistakes");
    let told = |mistake: &Mistake| {
        let span = mistake.span.clone().unwrap();
        let (line, column) = mistakes.position(span.start);
        let hint = mistake.hint.as_deref().unwrap_or("");
        format!("{line}:{column} {} | {} | {hint}", &text[span], mistake.message)
    };
    mistakes.list.iter().map(told).collect()
}

#[test]
fn a_sound_document_is_read_with_its_defaults() {
    let sample =
        parse_sample("name = \"x\"\n[limits]\ncalls = 3\nratio = 2\n[[step]]\ndo = \"wait\"\ndays = 1\n").unwrap();
    let limits = Limits { calls: 3, words: None, ratio: Some(2.0), strict: false };
    assert_eq!(sample, Sample { name: "x".into(), kind: Kind::Small, limits, step: vec![Step::Wait { days: 1 }] });
}

#[test]
fn every_mistake_is_found_in_one_reading() {
    let text = r#"nmae = "x"
kind = "lagre"
calls = 3
[limits]
calls = "7"
words = ["short", "too long", 5]
ratio = nan
strict = "yes"
name = "y"
zzz = 1
[[step]]
do = "message"
"#;
    let expected = [
        "1:1 nmae | unknown key `nmae` | did you mean `name`?",
        "2:8 \"lagre\" | `kind` must be one of `small`, `large` | did you mean `large`?",
        "3:1 calls | unknown key `calls` | `calls` belongs in [limits]",
        "5:9 \"7\" | `limits.calls` must be a whole number, not a text in quotes | write it without quotes: `7`",
        "6:19 \"too long\" | entry 2 of `limits.words` is too long | cut it",
        "6:31 5 | entry 3 of `limits.words` must be a text in quotes, not a whole number | put it in quotes: `\"5\"`",
        "7:9 nan | `limits.ratio` must be finite, not nan | ",
        "8:10 \"yes\" | `limits.strict` must be `true` or `false`, not a text in quotes | write `true`, without quotes",
        "9:1 name | unknown key `name` in [limits] | `name` belongs at the top of the file, before the first [table]",
        "10:1 zzz | unknown key `zzz` in [limits] | the keys known here are `calls`, `ratio`, `strict`, `words`",
        "11:1 [[step]] | `text` is missing in [step.0] | add `text = \"...\"`",
    ];
    assert_eq!(mistakes(text), expected);
}

#[test]
fn missing_keys_are_named_where_their_table_begins() {
    assert_eq!(
        mistakes("# nothing yet\n"),
        [
            "1:1  | `limits` is missing | add a table `[limits]`",
            "1:1  | `name` is missing | add `name = \"...\"`: what it is called",
        ]
    );
    assert_eq!(
        mistakes("name = \"x\"\n[limits]\n"),
        ["2:1 [limits] | `calls` is missing in [limits] | add `calls = ...`: calls in a minute"]
    );
}

#[test]
fn numbers_out_of_range_are_refused_whatever_their_size() {
    for number in ["0", "61", "-1", "99999999999999999999999999999999999999999", "0xFFFF"] {
        let text = format!("name = \"x\"\n[limits]\ncalls = {number}\n");
        let found = mistakes(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`limits.calls` must be 1 to 60, not "), "{found:?}");
    }
}

#[test]
fn syntax_errors_do_not_hide_other_mistakes_nor_cause_false_ones() {
    let text = "name = brewery\nkind = \"huge\"\nkind = \"small\"\n[limits]\ncalls 3\n";
    assert_eq!(
        mistakes(text),
        [
            "1:8 brewery | string values must be quoted | write `\"brewery\"`",
            "2:8 \"huge\" | `kind` must be one of `small`, `large` | ",
            "3:1 kind | duplicate key | each key and each [table] may be there once: remove one of the two",
            "5:7  | key with no value | write `key = value`",
        ]
    );
}

#[test]
fn a_list_that_does_not_end_is_one_mistake() {
    let text = "name = \"x\"\n[limits]\nwords = [\"a\", \"b\"\ncalls = 3\nstrict = maybe\n";
    let found = mistakes(text);
    assert_eq!(
        found,
        [
            "4:1  | missing comma between array elements | close the list before with `]`, or put a comma between its entries"
        ]
    );
}

#[test]
fn an_unknown_tag_is_told_with_the_known_ones() {
    let found = mistakes("name = \"x\"\nlimits = { calls = 1 }\n[[step]]\ndo = \"jump\"\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("unknown variant `jump`, expected `wait` or `message`"), "{found:?}");
}

#[test]
fn defaults_fill_what_is_left_out_and_a_wrong_key_is_still_one_mistake() {
    let defaults = "name = \"d\"\n[limits]\ncalls = 1\nwords = [\"a\"]\n";
    let sample: Sample = parse("sample.toml", "[limits]\ncalls = 2\n", defaults, |_| vec![]).unwrap();
    assert_eq!((sample.name.as_str(), sample.limits.calls, sample.limits.words), ("d", 2, Some(vec!["a".into()])));
    let mistakes = parse::<Sample>("sample.toml", "[limits]\ncalls = true\n", defaults, |_| vec![]).unwrap_err();
    assert_eq!(
        mistakes.to_string(),
        "sample.toml:2:9: `limits.calls` must be a whole number, not `true` or `false`\n  hint: calls in a minute"
    );
}

proptest! {
    #[test]
    fn any_text_gives_a_value_or_mistakes_with_places_inside_it(text in "([a-z\\[\\]=\"'{}#.,0-9 \\n\u{e9}]|name|limits|calls|step|do){0,60}") {
        if let Err(mistakes) = parse_sample(&text) {
            prop_assert!(!mistakes.list.is_empty());
            for mistake in &mistakes.list {
                let span = mistake.span.clone().unwrap_or(0..0);
                prop_assert!(span.start <= span.end && span.end <= text.len().max(1), "{mistake:?}");
                mistakes.position(span.start);
            }
        }
    }

    #[test]
    fn what_was_written_is_read_again(name in ".{0,20}", calls in 1u32..=60, words in proptest::option::of(proptest::collection::vec("[a-z]{0,5}", 0..3)), strict in any::<bool>()) {
        let sample = Sample { name, kind: Kind::Large, limits: Limits { calls, words, ratio: None, strict }, step: vec![] };
        prop_assert_eq!(parse_sample(&toml::to_string(&sample).unwrap()).unwrap(), sample);
    }
}
