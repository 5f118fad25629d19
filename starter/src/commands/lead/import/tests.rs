use super::*;
use crate::diagnostic::{Look, render};

const FILE: &str = "\u{feff}E-Mail Address;LinkedIn URL;First;Last;Job Title;Firma;Domain;Country;Score;Colour\n\
    Mara@Lowen.example;;Mara;Ødegård;Owner;Löwenbräu am Fluss;www.lowen.example;Austria;80;red\n\
    \n\
    ;https://www.linkedin.com/in/sim-B%C3%B3-Li/;Bo;Li;;;;;;\n";

fn checked(text: &str, maps: &[&str], country: Option<&str>, sandbox: bool) -> (Checked, Columns) {
    let csv = csv_file::read("fair.csv", text).unwrap();
    let maps: Vec<String> = maps.iter().map(|map| (*map).to_owned()).collect();
    let columns = Columns::of(&csv.header, &maps).unwrap();
    (check(&csv, &columns, country, sandbox), columns)
}

#[test]
fn columns_are_found_by_usual_names_and_by_hand() {
    let (Checked { rows, source, mistakes }, columns) = checked(FILE, &["Firma=business"], Some("de"), false);
    assert_eq!(mistakes, []);
    assert_eq!(source, "sandbox");
    assert_eq!((rows[0].email.as_deref(), rows[0].country.as_str()), (Some("mara@lowen.example"), "at"));
    assert_eq!((rows[0].business.as_str(), rows[0].domain.as_deref()), ("Löwenbräu am Fluss", Some("lowen.example")));
    assert_eq!((rows[0].score, rows[0].line), (Some(80), 2));
    assert_eq!((rows[1].linkedin.as_deref(), rows[1].country.as_str(), rows[1].line), (Some("sim-bó-li"), "de", 4));
    let header = csv_file::read("fair.csv", FILE).unwrap().header;
    assert_eq!(columns.unused(&header), ["Colour"]);
}

#[test]
fn every_bad_row_is_told_with_its_line() {
    let text = "name,email,linkedin,score,timezone,country,website\n\
        Ada Dyke,ada@dyke,,,,,\n\
        ,ada@dyke.example,,,,,\n\
        Ada Dyke,,,,,,\n\
        Ada Dyke,,https://www.linkedin.com/company/dyke,,,,\n\
        Ada Dyke,ada@dyke.example,,101,,,\n\
        Ada Dyke,ada@dyke.example,,,Mars/Base,,\n\
        Ada Dyke,ada@dyke.example,,,,Atlantis,\n\
        Ada Dyke,ada@dyke.example,,,,,no domain\n\
        Ada Dyke,ada@dyke.example,,,,,,more\n\
        Bo Li,bo@li.test,,,,,\n\
        Ada Dyke,ada@dyke.example,,,,,\n\
        Ada Van Dyke,,sim-ada,,,,\n";
    let (Checked { rows, mistakes, .. }, _) = checked(text, &[], None, false);
    assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [12, 13]);
    assert_eq!((rows[1].first_name.as_str(), rows[1].last_name.as_str()), ("Ada", "Van Dyke"));
    let mistakes = Mistakes { file: "fair.csv".into(), text: text.into(), list: mistakes };
    insta::assert_snapshot!(render(&mistakes, Look { colour: false, unicode: false, width: 100 }));
    assert_eq!(bad_rows(&mistakes)[0], "line 2: email is not an email address");
}

#[test]
fn real_and_made_up_people_do_not_mix() {
    let text = "name,email\nAda Dyke,ada@dyke.example\nBo Li,bo@li.test\nCy Ng,cy@ng.test\n";
    let (Checked { rows, source, mistakes }, _) = checked(text, &[], None, false);
    assert_eq!((rows.len(), source), (2, "live"));
    assert_eq!(mistakes[0].message, "is a made-up person among real ones");
    let (Checked { rows, source, mistakes }, _) = checked(text, &[], None, true);
    assert_eq!((rows.len(), source, mistakes.len()), (3, "sandbox", 0));
}

#[test]
fn maps_that_fit_nothing_say_what_would() {
    let header = ["Mail".to_owned(), "Firma".to_owned()];
    let told = |map: &str| Columns::of(&header, &[map.to_owned()]).unwrap_err();
    assert!(told("Firma").contains("COLUMN=FIELD"));
    assert!(told("Ort=city").contains("its columns are Mail, Firma"));
    assert!(told("Firma=busness").contains("did you mean `business`?"));
    let told = Columns::of(&["Firma".to_owned()], &[]).unwrap_err();
    assert!(told.contains("no column holds an email address"), "{told}");
}

#[test]
fn what_was_read_and_stored_is_told() {
    let report = Report {
        name: "fair".into(),
        source: "live",
        columns: vec![("Mail".into(), "email"), ("name".into(), "name")],
        unused_columns: vec!["Colour".into()],
        rows: 40,
        bad_rows: vec!["line 7: has no name".into()],
        stored: Some(Imported {
            search_id: "0192f0c1-0000-7000-8000-000000000001".into(),
            new_leads: 36,
            known_leads: 2,
            left_out: 1,
            shared_addresses: vec![9],
            bounced_addresses: vec![11],
            ended: vec!["e".into()],
        }),
    };
    insta::assert_snapshot!(shown(&report, 100));
}
