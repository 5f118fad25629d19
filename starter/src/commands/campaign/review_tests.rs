//! What a review finds, all at once.

use super::super::account::tests::account;
use super::explain::tests::{lead, settings};
use super::review::*;
use super::turn::NotEnrolled;
use leadflow_activities::store::accounts::Account;
use leadflow_activities::store::leads::Lead;
use leadflow_activities::store::searches::Search;
use leadflow_workflows::domain::account::{AccountSettings, CampaignSettings};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::domain::permits::Limits;
use leadflow_workflows::domain::sequence::{Sequence, Step, StepKind};
use std::collections::{BTreeMap, BTreeSet};

fn search() -> Search {
    let brief = crate::brief_file::parse("brief.toml", include_str!("../../../templates/brief.toml")).unwrap();
    Search {
        id: "s".into(),
        tenant: "default".into(),
        name: brief.name.clone(),
        source: "sandbox".into(),
        brief,
        exclusions: vec![],
        status: "completed".into(),
        paused: false,
        created_at_ms: 0,
        started_at_ms: Some(0),
        finished_at_ms: Some(1),
    }
}

fn sequence() -> Sequence {
    let step = |id: &str, kind, end| Step { id: id.into(), after_ms: 0, kind, end };
    let note = "Hi {{ lead.first_name }}, {{ business.name }} caught my eye.".into();
    let on_timeout = Some("mail".into());
    let text = "{{ lead.hook }}\n\nRegards, {{ sender.name }}".into();
    Sequence {
        name: "intro".into(),
        stop_on: BTreeSet::new(),
        steps: vec![
            step("hello", StepKind::Invite { note }, false),
            step("wait", StepKind::WaitForConnection { timeout_ms: 1, on_timeout }, false),
            step("thanks", StepKind::Message { text: "Thanks for connecting.".into() }, true),
            step("mail", StepKind::Email { subject: "Kegs at {{ business.name }}".into(), text }, false),
        ],
    }
}

fn mailbox() -> Account {
    let settings = AccountSettings { limits: Limits::standard(), ..account().settings };
    Account { id: "mail".into(), name: "anna-mail".into(), channel: Channel::Email, settings, ..account() }
}

type Change<'a> = &'a dyn Fn(&mut Case);

struct Case {
    leads: Vec<Lead>,
    accounts: Vec<Account>,
    settings: CampaignSettings,
    suppressed: BTreeMap<String, String>,
    answered: BTreeMap<String, NotEnrolled>,
    other_campaigns: BTreeMap<String, String>,
    search: Search,
}

impl Case {
    /// Everything is in order.
    fn good() -> Self {
        let lead = |index: u32| Lead {
            id: format!("lead-{index}"),
            person_id: format!("person-{index}"),
            hook: Some("You opened a second taproom.".into()),
            ..lead()
        };
        Self {
            leads: (1..=4).map(lead).collect(),
            accounts: vec![account(), mailbox()],
            settings: CampaignSettings {
                postal_address: Some("Brew CRM, 1 Main Street, Graz".into()),
                source_notice: Some("Your address is from your website.".into()),
                leads: None,
                ..settings()
            },
            suppressed: BTreeMap::new(),
            answered: BTreeMap::new(),
            other_campaigns: BTreeMap::new(),
            search: search(),
        }
    }

    fn review(&self) -> Review {
        review(&ReviewFacts {
            campaign: "spring",
            search: &self.search,
            leads: &self.leads,
            sequence: &sequence(),
            accounts: &self.accounts,
            settings: &self.settings,
            suppressed: &self.suppressed,
            answered: &self.answered,
            other_campaigns: &self.other_campaigns,
        })
    }
}

#[test]
fn a_campaign_that_may_start_shows_its_first_message_and_whom_it_passes_over() {
    let mut case = Case::good();
    case.suppressed.insert("person-1".into(), "asked by phone".into());
    case.other_campaigns.insert("person-2".into(), "autumn".into());
    case.leads[3].country = "de".into();
    case.accounts[1].state = "paused".into();
    let review = case.review();
    assert_eq!((review.problems.as_slice(), review.leads, review.ready), ([].as_slice(), 2, 4));
    insta::assert_snapshot!(review.text(100));
}

#[test]
fn every_misfit_is_named() {
    let problems = |change: Change<'_>| {
        let mut case = Case::good();
        change(&mut case);
        case.review().problems.join("\n")
    };
    let no_hooks = |case: &mut Case| case.leads.iter_mut().for_each(|lead| lead.hook = None);
    assert_eq!(problems(&|_| {}), "");
    let cases: [(Change<'_>, &str); 7] = [
        (
            &|case| case.accounts.truncate(1),
            "the sequence sends by email, but there is no email account: add one with --account",
        ),
        (
            &|case| case.search.source = "live".into(),
            "account anna is sandbox, the leads are live: made-up and real never mix",
        ),
        (
            &|case| case.settings.postal_address = None,
            "cold email needs the sender's postal address: give --postal-address",
        ),
        (
            &|case| case.settings.source_notice = None,
            "cold email needs the sender's source notice: give --source-notice",
        ),
        (&|case| case.accounts[1].settings.limits.actions.clear(), "account anna-mail may make no email"),
        (&|case| case.leads.clear(), "none of the leads can take part"),
        (&no_hooks, "4 leads: step `mail`: the email needs `lead.hook`"),
    ];
    for (change, expected) in cases {
        let told = problems(change);
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let told = problems(&no_hooks);
    assert!(told.ends_with("for example lead-1, lead-2, lead-3"), "{told}");
}

#[test]
fn the_best_are_taken_until_there_are_enough() {
    let mut case = Case::good();
    case.settings.leads = Some(3);
    case.settings.minimum_score = 60;
    case.leads[0].score = Some(59);
    let review = case.review();
    let passed: Vec<(&str, usize)> = review.passed_over.iter().map(|group| (group.why.as_str(), group.leads)).collect();
    assert_eq!((review.leads, passed), (3, vec![("the score is below 60", 1)]));
    case.settings.leads = Some(1);
    assert_eq!(case.review().leads, 1);
    assert_eq!(case.review().first.map(|first| first.step), Some("hello".into()));
}
