use super::*;
use crate::diagnostic::{Look, render};
use insta::assert_snapshot;
use std::fs;

const PLAIN: Look = Look { colour: false, unicode: false, width: 90 };

const GOOD: &str = r#"
name = "brewery-crm"
sell = "CRM for breweries: accounts, kegs and routes on one phone screen"
[ideal]
industries = ["brewery", "brewpub"]
roles = ["owner", "head of sales"]
exclude = ["chains", "domain:bigbrew.example"]
[where]
places = ["Oregon, US", "Washington, US"]
[want]
leads = 60
email = true
budget_usd = 5.0
"#;

fn shown(text: &str) -> String {
    render(&parse("brief.toml", text).expect_err("the brief has mistakes"), PLAIN)
}

#[test]
fn a_brief_as_users_write_it_is_read() {
    let brief = parse("brief.toml", GOOD).unwrap();
    assert_eq!(brief.ideal.personas, 3);
    assert_eq!(brief.places, ["Oregon, US", "Washington, US"]);
    assert_eq!((brief.want.leads, brief.want.budget_usd, brief.want.insights), (Some(60), Some(5.0), true));
    // Windows line ends and a byte order mark come from editors, not from users.
    let windows = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert_eq!(parse("brief.toml", &windows).unwrap(), brief);
}

#[test]
fn every_mistake_of_a_brief_is_shown_with_its_line_a_caret_and_a_hint() {
    assert_snapshot!(shown(
        r#"name = "brewery-crm"
sel = "CRM for breweries: accounts, kegs and routes on one phone screen"
leads = 60
[ideal]
industries = ["brewery", "", "Brewery"]
roles = "owner"
exclude = ["domain:", "phone:123"]
[where]
places = ["Oregon", "Bavaria, Germany"]
[want]
leads = 9999999999
email = "yes"
budget_usd = -5
"#
    ));
}

#[test]
fn an_empty_brief_says_what_is_missing() {
    assert_snapshot!(shown(""));
}

#[test]
fn broken_syntax_is_shown_with_what_else_is_wrong() {
    assert_snapshot!(shown("name = brewery\nsell = \"CRM for breweries\n[ideal]\nindustries = []\nname = \"x\"\n"));
}

#[test]
fn a_terminal_gets_colour_and_frames() {
    let mistakes = parse("brief.toml", &GOOD.replace("leads = 60", "leads = 0")).unwrap_err();
    let coloured = render(&mistakes, Look { colour: true, unicode: true, width: 90 });
    assert!(coloured.contains("\u{1b}[") && coloured.contains('╭'), "{coloured}");
    let monochrome = render(&mistakes, Look { colour: false, unicode: true, width: 90 });
    assert!(!monochrome.contains('\u{1b}') && monochrome.contains('╭'), "{monochrome}");
    assert!(render(&mistakes, PLAIN).is_ascii());
}

#[test]
fn files_that_cannot_be_a_brief_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("brief.toml");
    let shown = |path: &Path| {
        render(&load(path).unwrap_err(), Look { width: 400, ..PLAIN })
            .replace(&folder.path().display().to_string(), "FOLDER")
    };
    let mut all = shown(&file) + &shown(folder.path());
    fs::write(&file, "#".repeat(10 * 1024 * 1024)).unwrap();
    all += &shown(&file);
    fs::write(&file, b"name = \"caf\xE9\"\n").unwrap();
    all += &shown(&file);
    assert_snapshot!(all);
}

#[test]
fn neither_escape_sequences_nor_secrets_nor_endless_lines_reach_the_screen() {
    let text = format!(
        "{GOOD}api_key = \"sk-hidden\"\nurl = \"postgres://me:hidden@db/x\"\n# \u{1b}[2J\u{9b}\nx = 1\ny = \"{}\"\n",
        "z".repeat(5_000)
    );
    let shown = shown(&text);
    assert!(shown.contains("url = \"postgres://me:******@db/x\""), "{shown}");
    assert!(
        !shown.contains("hidden") && !shown.contains('\u{1b}') && !shown.contains('\u{9b}') && !shown.contains("zzz")
    );
    assert!(shown.contains("brief.toml:18:1: unknown key `y` in [want]"), "{shown}");
}

#[test]
fn hundreds_of_mistakes_are_cut_short() {
    let many = (0..300).map(|number| format!("unheard-of-{number} = 1")).collect::<Vec<_>>().join("\n");
    let shown = shown(&format!("{GOOD}{many}"));
    assert!(shown.ends_with("and 280 more; mend these first\n"));
}

#[test]
fn an_exclude_list_is_read_whatever_else_its_columns_hold() {
    let read = |text: &str| {
        let list = parse_exclude_list("list.csv", text).unwrap();
        list.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let text = "\u{feff}Domain,Company owner,email\r\nhttps://www.bigbrew.example/x,\"Doe, Jane\",\r\n\r\n,,joe@brew.example\r\n";
    assert_eq!(read(text), ["domain:bigbrew.example", "email:joe@brew.example"]);
    assert_eq!(read("name;cid\nBig, Brew;42\n"), ["name:Big, Brew", "cid:42"]);
    assert_eq!(read("domain\n"), Vec::<String>::new());
}

#[test]
fn bad_rows_of_an_exclude_list_are_shown_by_line_without_stopping_at_the_first() {
    let text = "domain,nmae,cid\nbigbrew.example,,1\nnodot,,\n\nok.example,,12a\na.example,b,1,d\n";
    assert_snapshot!(render(&parse_exclude_list("list.csv", text).unwrap_err(), PLAIN));
    assert_snapshot!(render(&parse_exclude_list("list.csv", "firm;city\nBig Brew;Portland\n").unwrap_err(), PLAIN));
}
