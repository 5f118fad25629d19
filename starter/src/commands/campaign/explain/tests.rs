//! Every reason for which a lead is not contacted now, and what is told of it.

use super::super::turn::{NotEnrolled, TurnFacts, kept_out, not_begun};
use super::*;
use crate::commands::account::tests::account;
use leadflow_activities::store::campaigns::Campaign;
use leadflow_workflows::contract::Advice;
use leadflow_workflows::domain::account::{CampaignSettings, Hours};
use leadflow_workflows::domain::outreach::{Action, EnrollmentState};
use leadflow_workflows::domain::score::EmailStatus;
use leadflow_workflows::domain::sequence::{Sequence, Step, StepKind};
use std::collections::{BTreeMap, BTreeSet};

const NOW_MS: i64 = 1_773_480_413_000;
const HOUR_MS: i64 = 3_600_000;

fn enrollment() -> EnrollmentFacts {
    EnrollmentFacts {
        enrollment: Enrollment {
            id: "0192f0c1-0000-7000-8000-0000000000e1".into(),
            tenant: "default".into(),
            campaign_id: "c".into(),
            lead_id: "l".into(),
            person_id: "p".into(),
            sequence_id: "s".into(),
            linkedin_account_id: Some(account().id),
            email_account_id: Some("mail".into()),
            state: EnrollmentState::InviteSent,
            cause: "the invitation was sent".into(),
            state_at_ms: NOW_MS,
            is_open: true,
            paused: None,
            decisions: BTreeMap::new(),
            started_at_ms: NOW_MS,
            advice: Some(touch_advice(Action::Message, None)),
            wakes_at_ms: NOW_MS + HOUR_MS,
            workflow_started_at_ms: Some(NOW_MS),
            ended_at_ms: None,
        },
        campaign: "spring".into(),
        campaign_state: "running".into(),
        sequence: "intro@2".into(),
        accounts: vec![account(), Account { id: "mail".into(), channel: Channel::Email, ..account() }],
        touches: vec![touch(TouchState::Sent)],
        transitions: vec![],
    }
}

fn touch_advice(action: Action, hold: Option<Hold>) -> Advice {
    let next = AdviceNext::Touch { step: "thanks".into(), action, at_ms: NOW_MS + HOUR_MS, sleep_ms: 1, hold };
    Advice { state: EnrollmentState::InviteSent, next }
}

fn wait_advice(hold: Hold) -> Advice {
    let next = AdviceNext::Wait { step: "wait".into(), at_ms: NOW_MS + HOUR_MS, sleep_ms: 1, hold };
    Advice { state: EnrollmentState::InviteSent, next }
}

fn touch(state: TouchState) -> Touch {
    Touch {
        id: "t".into(),
        campaign_id: "c".into(),
        enrollment_id: "e".into(),
        person_id: "p".into(),
        account_id: account().id,
        step_id: "hello".into(),
        action: Action::Invite,
        has_note: true,
        state,
        planned_at_ms: Some(NOW_MS),
        token: None,
        request: None,
        deferred_by: None,
        not_before_ms: None,
        called_at_ms: Some(NOW_MS),
        call_deadline_ms: Some(NOW_MS),
        calls: 1,
        settled_at_ms: Some(NOW_MS),
        provider_message_id: None,
        provider_chat_id: None,
        settled_by: Some("answered".into()),
        declined_at_ms: None,
    }
}

fn told(facts: EnrollmentFacts) -> String {
    all(facts).text(200)
}

fn all(facts: EnrollmentFacts) -> ExplainFacts {
    ExplainFacts { now_ms: NOW_MS, suppressed: None, replies: vec![], enrollments: vec![facts], not_enrolled: vec![] }
}

fn came(kind: &str, not_read: Option<&str>) -> CameBack {
    CameBack { kind: kind.into(), at_ms: NOW_MS, label: None, not_read: not_read.map(str::to_owned) }
}

fn held_by(text: &str) -> &str {
    let line = text.lines().find_map(|line| line.strip_prefix("  held by"));
    line.unwrap_or_else(|| panic!("{text}")).trim()
}

/// One of each; a new rule does not compile until it is here.
fn every_hold() -> Vec<Hold> {
    let action = Action::Message;
    let known = |hold: &Hold| match hold {
        Hold::NotDue
        | Hold::WaitingForConnection
        | Hold::CampaignPaused
        | Hold::EnrollmentPaused
        | Hold::AccountPaused
        | Hold::AccountDisconnected
        | Hold::AccountRestricted
        | Hold::AccountHeld { .. }
        | Hold::AccountDeferred { .. }
        | Hold::LeadDeferred { .. }
        | Hold::Absent { .. }
        | Hold::SenderHours
        | Hold::LeadHours
        | Hold::SenderHoliday { .. }
        | Hold::LeadHoliday { .. }
        | Hold::DailyLimit { .. }
        | Hold::WeeklyLimit { .. }
        | Hold::MonthlyNotes { .. }
        | Hold::WarmUp { .. }
        | Hold::MinimumGap { .. }
        | Hold::OutcomeUnknown { .. }
        | Hold::OtherContact
        | Hold::BreakerOpen => {}
    };
    let holds = vec![
        Hold::NotDue,
        Hold::Absent { until_ms: NOW_MS + HOUR_MS },
        Hold::WaitingForConnection,
        Hold::CampaignPaused,
        Hold::EnrollmentPaused,
        Hold::AccountPaused,
        Hold::AccountDisconnected,
        Hold::AccountRestricted,
        Hold::AccountHeld { problem: "feature_not_subscribed".into() },
        Hold::AccountDeferred { problem: "limit_exceeded".into() },
        Hold::LeadDeferred { problem: "cannot_resend_yet".into() },
        Hold::SenderHours,
        Hold::LeadHours,
        Hold::SenderHoliday { name: "Epiphany".into() },
        Hold::LeadHoliday { name: "Thanksgiving".into() },
        Hold::DailyLimit { action, limit: 60 },
        Hold::WeeklyLimit { action, limit: 300 },
        Hold::MonthlyNotes { limit: 5 },
        Hold::WarmUp { action, limit: 12 },
        Hold::MinimumGap { action, gap_ms: 120_000 },
        Hold::OutcomeUnknown { action },
        Hold::OtherContact,
        Hold::BreakerOpen,
    ];
    holds.iter().for_each(known);
    holds
}

#[test]
fn every_rule_that_holds_back_is_told_while_it_does() {
    for hold in every_hold() {
        // What is a state of campaign, lead or account is taken from there.
        let mut facts = enrollment();
        match &hold {
            Hold::CampaignPaused => facts.campaign_state = "paused".into(),
            Hold::EnrollmentPaused => facts.enrollment.paused = Some("the owner wrote by hand".into()),
            Hold::AccountPaused => facts.accounts[0].state = "paused".into(),
            Hold::AccountDisconnected => facts.accounts[0].state = "disconnected".into(),
            Hold::AccountRestricted => facts.accounts[0].state = "restricted".into(),
            Hold::AccountHeld { problem } => {
                facts.accounts[0].state = "held".into();
                facts.accounts[0].state_reason = Some(problem.clone());
            }
            Hold::AccountDeferred { problem } => {
                facts.accounts[0].deferred_until_ms = Some(NOW_MS + 1);
                facts.accounts[0].deferred_reason = Some(problem.clone());
            }
            _ => facts.enrollment.advice = Some(wait_advice(hold.clone())),
        }
        let text = told(facts.clone());
        let expected = match &hold {
            Hold::Absent { until_ms } => format!("{hold}, until {}", crate::commands::instant(*until_ms)),
            Hold::EnrollmentPaused => format!("{hold}: the owner wrote by hand"),
            _ => hold.to_string(),
        };
        assert_eq!(held_by(&text), expected, "{hold:?}");

        // And with a contact that is planned.
        facts.enrollment.advice = Some(touch_advice(Action::Message, Some(hold.clone())));
        let text = told(facts);
        assert_eq!(held_by(&text), expected, "{hold:?}");
        assert!(text.contains("next        step thanks, message at 2026-03-14 10:26:53 UTC"), "{text}");
    }
}

#[test]
fn what_has_changed_since_the_advice_counts() {
    for hold in every_hold().into_iter().filter(is_of_a_state) {
        let mut facts = enrollment();
        facts.enrollment.advice = Some(wait_advice(hold.clone()));
        let text = told(facts);
        assert_eq!(held_by(&text), format!("nothing any more; until lately {hold}"));
    }
    let mut facts = enrollment();
    facts.enrollment.advice = Some(wait_advice(Hold::NotDue));
    facts.campaign_state = "stopped".into();
    assert!(held_by(&told(facts.clone())).contains("the campaign is stopped"));
    let suppressed = ExplainFacts { suppressed: Some("asked by phone".into()), ..all(facts) };
    let text = suppressed.text(200);
    assert!(text.contains("suppressed    asked by phone; nobody contacts"), "{text}");
    assert!(held_by(&text).contains("the person is suppressed"), "{text}");

    // The account of the channel that is next, and no other.
    let mut facts = enrollment();
    facts.accounts[1].state = "disconnected".into();
    assert_eq!(held_by(&told(facts.clone())), "nothing");
    facts.enrollment.advice = Some(touch_advice(Action::Email, None));
    assert_eq!(held_by(&told(facts.clone())), Hold::AccountDisconnected.to_string());
    // A pause of the account delays no acceptance.
    facts.accounts[0].state = "paused".into();
    facts.enrollment.advice = Some(wait_advice(Hold::WaitingForConnection));
    assert_eq!(held_by(&told(facts.clone())), Hold::WaitingForConnection.to_string());
    facts.enrollment.advice = None;
    facts.accounts[0].state = "active".into();
    assert!(told(facts).contains("its first step is decided at 2026-03-14 10:26:53 UTC"));
}

#[test]
fn every_state_is_told_with_its_cause() {
    for state in EnrollmentState::ALL {
        let mut facts = enrollment();
        facts.enrollment.state = state;
        facts.enrollment.is_open = !state.is_end();
        facts.enrollment.cause = "so it was".into();
        let text = told(facts);
        let name = state.name().replace('_', " ");
        let end = if state.is_end() { "ended: " } else { "" };
        let line = format!("{end}{name} since 2026-03-14 09:26:53 UTC: so it was");
        assert!(text.contains(&line), "{text}");
        assert_eq!(text.contains("  held by"), !state.is_end(), "{text}");
    }
}

#[test]
fn every_contact_is_told_with_what_became_of_it() {
    for (state, part) in [
        (TouchState::Planned, "hello, invite: planned for 2026-03-14 09:26:53 UTC"),
        (TouchState::Calling, "being made since 2026-03-14 09:26:53 UTC; its outcome is not known yet"),
        (TouchState::Sent, "sent at 2026-03-14 09:26:53 UTC (answered)"),
        (TouchState::Refused, "refused at 2026-03-14 09:26:53 UTC (answered); it is not tried again"),
        (TouchState::Unknown, "nobody knows whether it was done (answered); it is never sent again on a guess"),
        (TouchState::Released, "was planned, and its place given back"),
    ] {
        let facts = EnrollmentFacts { touches: vec![touch(state)], ..enrollment() };
        let text = told(facts).replace("\n                ", " ");
        assert!(text.contains(part), "{state:?}: {text}");
    }
    let declined = Touch { declined_at_ms: Some(NOW_MS), ..touch(TouchState::Sent) };
    let deferred = Touch {
        deferred_by: Some("cannot_resend_yet".into()),
        not_before_ms: Some(NOW_MS + HOUR_MS),
        ..touch(TouchState::Released)
    };
    let text = told(EnrollmentFacts { touches: vec![declined, deferred], ..enrollment() });
    assert!(text.contains("gone without a connection at 2026-03-14"), "{text}");
    assert!(text.contains("put off by the provider (cannot_resend_yet) until 2026-03-14 10:26:53 UTC"), "{text}");
}

#[test]
fn a_course_reads_well() {
    let mut facts = enrollment();
    facts.enrollment.advice = Some(touch_advice(Action::Message, Some(Hold::LeadHoliday { name: "Epiphany".into() })));
    facts.touches.push(Touch { step_id: "thanks".into(), action: Action::Message, ..touch(TouchState::Planned) });
    let step = |from, to, cause: &str| Transition { from, to, cause: cause.into(), at_ms: NOW_MS };
    facts.transitions = vec![
        step(EnrollmentState::Scheduled, EnrollmentState::InviteSent, "the invitation was sent"),
        step(EnrollmentState::InviteSent, EnrollmentState::Connected, "the person is a connection"),
    ];
    let facts = ExplainFacts {
        replies: vec![came("out_of_office", None), came("reply", Some("over budget"))],
        not_enrolled: vec![("autumn".into(), NotEnrolled::OtherCampaign { name: "spring".into() })],
        ..all(facts)
    };
    insta::assert_snapshot!(facts.text(100));
}

pub(in super::super) fn lead() -> Lead {
    Lead {
        id: "0192f0c1-0000-7000-8000-00000000002a".into(),
        search_id: "s".into(),
        number: Some(3),
        state: "ready".into(),
        problem: None,
        person_id: "p".into(),
        first_name: "Mara".into(),
        last_name: "Lind".into(),
        role: "Head Brewer".into(),
        linkedin_public_id: "mara-o".into(),
        email: Some("mara@lowen.example".into()),
        email_status: EmailStatus::Valid,
        email_confidence: Some(91),
        timezone: None,
        business: "Lowen".into(),
        category: "Brewery".into(),
        city: "Portland".into(),
        region: "Oregon".into(),
        country: "us".into(),
        website: None,
        domain: None,
        phone: None,
        rating_tenths: None,
        rating_count: 0,
        persona_rank: 1,
        role_rank: 1,
        evidence: leadflow_activities::store::leads::Evidence::default(),
        score: Some(70),
        points: vec![],
        reason: None,
        hook: None,
        source: "sandbox".into(),
    }
}

pub(in super::super) fn settings() -> CampaignSettings {
    CampaignSettings {
        lead_hours: Hours::office(),
        keep_holidays: true,
        stop_company: false,
        allow_parallel: false,
        starts_per_day: None,
        minimum_score: 50,
        leads: Some(10),
        postal_address: None,
        source_notice: None,
        policy: BTreeMap::new(),
    }
}

fn sequence(kind: StepKind) -> Sequence {
    let step = Step { id: "first".into(), after_ms: 0, kind, end: false };
    Sequence { name: "intro".into(), stop_on: BTreeSet::new(), steps: vec![step] }
}

#[test]
fn every_reason_for_not_being_enrolled_is_found_and_told() {
    let invite = sequence(StepKind::Invite { note: String::new() });
    let email = sequence(StepKind::Email { subject: "s".into(), text: "t".into() });
    let channels = BTreeSet::from([Channel::Linkedin, Channel::Email]);
    let settings = settings();
    let told = |lead: &Lead,
                sequence: &Sequence,
                suppressed: Option<&str>,
                answered: Option<&NotEnrolled>,
                other_campaign: Option<&str>| {
        kept_out(&TurnFacts {
            lead,
            sequence,
            settings: &settings,
            channels: &channels,
            suppressed,
            answered,
            other_campaign,
        })
    };
    let why = |lead: &Lead, sequence: &Sequence, suppressed: Option<&str>, other: Option<&str>| {
        told(lead, sequence, suppressed, None, other)
    };
    let answered = |why: &NotEnrolled| told(&lead(), &invite, None, Some(why), None);
    assert_eq!(why(&lead(), &invite, None, None), None);
    assert_eq!(why(&lead(), &email, None, None), None);
    let left_out = Lead { state: "left_out".into(), problem: Some("excluded".into()), ..lead() };
    let german = Lead { country: "de".into(), ..lead() };
    let campaign = |state: &str| Campaign {
        id: "c".into(),
        tenant: "default".into(),
        name: "spring".into(),
        search_id: "s".into(),
        sequence_id: "q".into(),
        source: "sandbox".into(),
        settings: settings.clone(),
        state: state.into(),
        created_at_ms: 0,
        ended_at_ms: None,
        accounts: vec![],
    };
    let cases = [
        (why(&left_out, &invite, None, None), "the lead is not ready, but left out (excluded)"),
        (why(&lead(), &invite, Some("asked by phone"), None), "suppressed: asked by phone"),
        (answered(&NotEnrolled::Replied), "the person has replied before: write by hand"),
        (answered(&NotEnrolled::CompanyReplied), "someone at the same company has replied"),
        (why(&Lead { score: Some(49), ..lead() }, &invite, None, None), "its score of 49 is below 50"),
        (why(&Lead { score: None, ..lead() }, &invite, None, None), "its score of 0 is below 50"),
        (why(&lead(), &invite, None, Some("autumn")), "the person is in campaign autumn"),
        (why(&german, &email, None, None), "cold email to Germany needs consent"),
        (why(&Lead { email: None, ..german.clone() }, &email, None, None), "no email address is known"),
        (why(&Lead { email: None, ..lead() }, &email, None, None), "no email address is known"),
        (
            why(&Lead { linkedin_public_id: String::new(), ..lead() }, &invite, None, None),
            "no LinkedIn profile is known",
        ),
        (Some(not_begun(&campaign("paused"), 0, 0)), "the campaign is paused"),
        (Some(not_begun(&campaign("stopped"), 0, 0)), "the campaign is stopped"),
        (Some(not_begun(&campaign("completed"), 0, 0)), "the campaign is completed"),
        (Some(not_begun(&campaign("running"), 4, 6)), "the campaign takes 10 leads, and others come first"),
        (Some(not_begun(&campaign("running"), 3, 6)), "it waits for its turn; 3 with a better score come first"),
        (Some(not_begun(&campaign("running"), 0, 6)), "it is next in its turn"),
    ];
    for (why, expected) in cases {
        let why = why.unwrap_or_else(|| panic!("{expected}"));
        let not_enrolled = vec![("spring".to_owned(), why)];
        let facts =
            ExplainFacts { now_ms: NOW_MS, suppressed: None, replies: vec![], enrollments: vec![], not_enrolled };
        let text = facts.text(200);
        assert!(text.starts_with(&format!("campaign      spring: not enrolled: {expected}")), "{text}");
    }
    let none = ExplainFacts {
        now_ms: NOW_MS,
        suppressed: None,
        replies: vec![],
        enrollments: vec![],
        not_enrolled: vec![(String::new(), NotEnrolled::NoCampaign)],
    };
    assert_eq!(none.text(100), "outreach      none: no campaign takes leads of this search\n");
}
