use super::*;
use insta::assert_snapshot;

fn leads() -> Vec<LeadRow> {
    let mara = LeadRow {
        id: "0192f0c1-0000-7000-8000-000000000001".into(),
        rank: 1,
        name: "Mara Ødegård".into(),
        role: "Owner & Head Brewer".into(),
        business: "Löwenbräu am Fluss".into(),
        category: "Brewery".into(),
        city: "Portland".into(),
        region: "Oregon".into(),
        country: "US".into(),
        score: 92,
        score_business_fit: 28,
        score_role: 30,
        score_evidence: 22,
        score_reachable: 12,
        email: Some("mara@lowen.example".into()),
        email_status: "valid".into(),
        linkedin_url: Some("https://www.linkedin.com/in/mara-o".into()),
        website: Some("https://lowen.example".into()),
        phone: Some("+1 503 555 0100".into()),
        reason: Some(
            "Löwenbräu am Fluss runs three taprooms and still plans its kegs on paper, so a phone screen helps.".into(),
        ),
        hook: Some("=HYPERLINK(\"http://x.example\")".into()),
        source: "sandbox".into(),
        persona: "Independent craft brewery".into(),
    };
    let evil = LeadRow {
        id: "0192f0c1-0000-7000-8000-000000000002".into(),
        rank: 2,
        name: "李 小龙".into(),
        role: "\u{1b}[31mSales\r\nManager".into(),
        business: "@Home Brewing".into(),
        category: "Brewpub".into(),
        score: 61,
        score_business_fit: 25,
        score_role: 20,
        score_evidence: 10,
        score_reachable: 6,
        email_status: "not_looked_up".into(),
        linkedin_url: Some("https://www.linkedin.com/in/xiaolong".into()),
        reason: None,
        source: "sandbox".into(),
        persona: "Neighbourhood brewpub".into(),
        ..LeadRow::default()
    };
    vec![mara, evil]
}

fn written(leads: &[LeadRow], format: Format, width: u16) -> (String, String) {
    let (mut out, mut notices) = (vec![], vec![]);
    write_leads(&mut out, &mut notices, leads, format, width).unwrap();
    (String::from_utf8(out).unwrap(), String::from_utf8(notices).unwrap())
}

#[test]
fn a_wide_table_shows_everything() {
    assert_snapshot!(written(&leads(), Format::Table, 150).0);
}

#[test]
fn a_narrow_table_drops_columns() {
    assert_snapshot!(written(&leads(), Format::Table, 100).0);
    assert_snapshot!(written(&leads(), Format::Table, 80).0);
    assert_snapshot!(written(&leads(), Format::Table, 40).0);
}

#[test]
fn no_line_is_wider_than_the_terminal_and_nothing_obeys_the_text() {
    for width in 24..200 {
        let (text, _) = written(&leads(), Format::Table, width);
        assert!(!text.contains('\u{1b}') && !text.contains('\r'));
        // A single word, such as an address, may be wider; it is never broken.
        for line in text.lines().filter(|line| *line != SANDBOX_NOTICE && line.trim().contains(' ')) {
            assert!(textwrap::core::display_width(line) <= width.into(), "{width}: {line}");
        }
    }
}

#[test]
fn an_empty_table_has_its_header() {
    assert!(written(&[], Format::Table, 120).0.contains("business"));
    let (text, _) = written(&[], Format::Csv, 80);
    assert!(text.starts_with("id,rank,name,") && text.lines().count() == 1, "{text}");
}

#[test]
fn csv_has_stable_columns_and_no_formula() {
    let (text, notices) = written(&leads(), Format::Csv, 80);
    assert_snapshot!(text);
    assert_eq!(notices.trim(), SANDBOX_NOTICE);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    for record in reader.records() {
        assert!(record.unwrap().iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])));
    }
}

#[test]
fn json_keeps_every_value_as_it_is() {
    let (text, notices) = written(&leads(), Format::Json, 80);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value[0]["phone"], "+1 503 555 0100");
    assert_eq!(value[1]["email"], serde_json::Value::Null);
    assert_eq!(value[0].as_object().unwrap().len(), 23);
    assert_eq!(notices.trim(), SANDBOX_NOTICE);
}

#[test]
fn real_leads_carry_no_notice() {
    let real: Vec<_> = leads().into_iter().map(|lead| LeadRow { source: "live".into(), ..lead }).collect();
    for format in [Format::Table, Format::Csv, Format::Json] {
        let (out, notices) = written(&real, format, 100);
        assert!(!out.contains("fictitious") && notices.is_empty());
    }
}
