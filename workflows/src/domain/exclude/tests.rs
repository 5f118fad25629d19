use super::*;
use proptest::prelude::*;

fn list(texts: &[&str]) -> ExcludeList {
    texts.iter().map(|text| text.parse::<Exclusion>().expect("a sound exclusion")).collect()
}

fn named(name: &str) -> BusinessFacts<'_> {
    BusinessFacts { name, same_name_count: 1, same_domain_count: 1, ..BusinessFacts::default() }
}

#[test]
fn a_domain_covers_what_is_below_it_and_nothing_beside_it() {
    let list = list(&["domain:https://www.BigBrew.example/about"]);
    let facts = |domain| BusinessFacts { domain: Some(domain), ..named("Any") };
    for domain in ["bigbrew.example", "Shop.BigBrew.Example", "www.bigbrew.example."] {
        assert_eq!(list.excludes_business(&facts(domain)).as_deref(), Some("excluded by `domain:bigbrew.example`"));
    }
    for domain in ["notbigbrew.example", "bigbrew.example.com", "example"] {
        assert_eq!(list.excludes_business(&facts(domain)), None, "{domain}");
    }
    assert!(list.excludes_person(None, Some("Jane@mail.bigbrew.example")).is_some());
    assert_eq!(list.excludes_person(None, Some("jane@brew.example")), None);
}

#[test]
fn chains_count_names_and_domains_but_not_shared_hosts() {
    let list = list(&["chains"]);
    let facts = |same_name_count, same_domain_count, domain| BusinessFacts {
        domain: Some(domain),
        same_name_count,
        same_domain_count,
        ..named("Any")
    };
    assert_eq!(list.excludes_business(&facts(2, 2, "a.example")), None);
    let reason = list.excludes_business(&facts(3, 1, "a.example"));
    assert_eq!(reason.as_deref(), Some("excluded by `chains`: 3 businesses share the name"));
    let reason = list.excludes_business(&facts(1, 4, "a.example"));
    assert_eq!(reason.as_deref(), Some("excluded by `chains`: 4 businesses share the domain"));
    assert_eq!(list.excludes_business(&facts(1, 9, "m.facebook.com")), None);
    assert_eq!(ExcludeList::default().excludes_business(&facts(9, 9, "a.example")), None);
}

#[test]
fn names_match_whole_and_phrases_match_by_word() {
    let list = list(&["name:Big Brew", "hotels", "brew supply", "cid:42"]);
    for (name, excluded) in [
        ("BIG-BREW", true),
        ("Big Brew Portland", false),
        ("The Grand Hotel", true),
        ("Hoteliers United", false),
        ("Oregon Brew Supply Co.", true),
        ("Brew and Supply", false),
    ] {
        assert_eq!(list.excludes_business(&named(name)).is_some(), excluded, "{name}");
    }
    assert!(list.excludes_business(&BusinessFacts { category: Some("Hotel"), ..named("Sunrise") }).is_some());
    assert!(list.excludes_business(&BusinessFacts { cid: Some("42"), ..named("Sunrise") }).is_some());
    assert_eq!(list.excludes_business(&BusinessFacts { cid: Some("4"), ..named("Sunrise") }), None);
}

#[test]
fn people_are_known_by_profile_and_address_and_reasons_do_not_tell_them() {
    let list = list(&["linkedin:https://www.linkedin.com/in/Jane-Doe/?a=b", "email:Joe@Brew.example"]);
    for (id, email) in
        [(Some("jane-doe"), None), (None, Some("joe@brew.example")), (Some("JANE-DOE"), Some("x@y.example"))]
    {
        let reason = list.excludes_person(id, email).expect("an excluded person");
        assert!(!reason.to_lowercase().contains("jane") && !reason.contains('@'), "{reason}");
    }
    assert_eq!(list.excludes_person(Some("jane"), Some("jane@brew.example")), None);
    for written in ["linkedin:José-X", "linkedin:https://www.linkedin.com/in/jos%C3%A9-x/", "linkedin:jos%c3%a9-x"] {
        assert_eq!(written.parse::<Exclusion>(), Ok(Exclusion::Linkedin("josé-x".into())), "{written}");
    }
    assert_eq!(list.excludes_person(None, Some("no address")), None);
}

#[test]
fn malformed_texts_say_how_to_write_them() {
    for text in [
        "",
        "x",
        "domain:",
        "domain:nodot",
        "domain:a b.example",
        "cid:12a",
        "cid:",
        "name: -",
        "linkedin:a/b",
        "linkedin:?a",
        "email:x@",
        "phone:1",
    ] {
        let problem = text.parse::<Exclusion>().expect_err(text);
        assert!(!problem.message.is_empty() && !problem.hint.is_empty());
    }
}

proptest! {
    #[test]
    fn an_exclusion_survives_its_text_form(text in "(domain:|name:|cid:|linkedin:|email:)?[a-zA-Z0-9@.% -]{0,20}") {
        if let Ok(exclusion) = text.parse::<Exclusion>() {
            prop_assert_eq!(exclusion.to_string().parse::<Exclusion>(), Ok(exclusion));
        }
    }

    #[test]
    fn a_domain_excludes_itself_and_every_sub_domain_in_any_case(
        domain in "[a-z0-9]{1,8}\\.[a-z]{2,5}", below in "([a-zA-Z0-9]{1,6}\\.){0,3}"
    ) {
        let list = list(&[&format!("domain:{domain}")]);
        let found = format!("{below}{}", domain.to_uppercase());
        let facts = BusinessFacts { domain: Some(&found), ..named("Any") };
        prop_assert!(list.excludes_business(&facts).is_some());
        let beside = format!("x{domain}");
        let facts = BusinessFacts { domain: Some(&beside), ..named("Any") };
        prop_assert!(list.excludes_business(&facts).is_none());
    }

    #[test]
    fn the_order_of_exclusions_does_not_matter(mut texts in proptest::collection::vec("[a-c]{2,3}|name:[a-c]{1,2}", 0..6), name in "[a-c ]{1,8}") {
        let forward = texts.iter().map(|text| text.parse::<Exclusion>().expect("a sound exclusion")).collect::<ExcludeList>();
        texts.reverse();
        let backward = texts.iter().map(|text| text.parse::<Exclusion>().expect("a sound exclusion")).collect::<ExcludeList>();
        prop_assert_eq!(forward.excludes_business(&named(&name)), backward.excludes_business(&named(&name)));
    }
}
