use super::outreach::{Action, EnrollmentState, Hold, TouchState};
use super::sequence::{Condition, Sequence, Step, StepKind, StopOn};
use super::walk::{BAD_ADDRESS, Decision, Facts, Next, TouchFact, open_state, walk};
use proptest::prelude::*;
use std::collections::BTreeSet;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn step(id: &str, after_ms: i64, kind: StepKind, end: bool) -> Step {
    Step { id: id.into(), after_ms, kind, end }
}

fn sequence(steps: Vec<Step>) -> Sequence {
    Sequence { name: "test".into(), stop_on: BTreeSet::from([StopOn::Reply]), steps }
}

fn email() -> StepKind {
    StepKind::Email { subject: String::new(), text: String::new() }
}

/// LinkedIn, falling back to email.
fn brewery() -> Sequence {
    let wait = StepKind::WaitForConnection { timeout_ms: 7 * DAY_MS, on_timeout: Some("mail".into()) };
    sequence(vec![
        step("hello", 0, StepKind::Invite { note: String::new() }, false),
        step("wait", 0, wait, false),
        step("thanks", DAY_MS, StepKind::Message { text: String::new() }, true),
        step("mail", 0, email(), false),
    ])
}

fn known(now_ms: i64) -> Facts {
    Facts { now_ms, has_profile: true, has_email: true, ..Facts::default() }
}

impl Facts {
    fn touched(mut self, step: &str, action: Action, state: TouchState, at_ms: i64) -> Self {
        let problem = (state == TouchState::Refused).then(|| "invalid_recipient".to_owned());
        self.touches.insert(step.into(), TouchFact { action, state, settled_at_ms: Some(at_ms), problem });
        self
    }
}

fn touch(step: &str, action: Action, due_ms: i64) -> Next {
    Next::Touch { step: step.into(), action, due_ms }
}

fn end_state(next: &Next) -> Option<EnrollmentState> {
    match next {
        Next::End { state, .. } => Some(*state),
        _ => None,
    }
}

#[test]
fn an_accepted_invitation_is_thanked_a_day_later_and_that_is_all() {
    let sequence = brewery();
    assert_eq!(walk(&sequence, &known(0)).next, touch("hello", Action::Invite, 0));
    let invited = known(HOUR_MS).touched("hello", Action::Invite, TouchState::Sent, HOUR_MS);
    let waiting = Hold::WaitingForConnection;
    let until_ms = HOUR_MS + 7 * DAY_MS;
    assert_eq!(walk(&sequence, &invited).next, Next::Wait { step: "wait".into(), until_ms, hold: waiting });
    let connected = Facts { connected_at_ms: Some(3 * DAY_MS), now_ms: 3 * DAY_MS, ..invited };
    assert_eq!(walk(&sequence, &connected).next, touch("thanks", Action::Message, 4 * DAY_MS));
    assert_eq!(open_state(&connected), EnrollmentState::Connected);
    let thanked = connected.touched("thanks", Action::Message, TouchState::Sent, 4 * DAY_MS);
    assert_eq!(end_state(&walk(&sequence, &thanked).next), Some(EnrollmentState::Completed));
    assert_eq!(open_state(&thanked), EnrollmentState::Messaged);
}

#[test]
fn an_invitation_that_comes_to_nothing_falls_back_to_email() {
    let sequence = brewery();
    let invited = known(8 * DAY_MS).touched("hello", Action::Invite, TouchState::Sent, HOUR_MS);
    let late = walk(&sequence, &invited);
    let deadline_ms = HOUR_MS + 7 * DAY_MS;
    assert_eq!(late.next, touch("mail", Action::Email, deadline_ms));
    assert_eq!(late.decided, [("wait".to_owned(), Decision { to: "mail".into(), at_ms: deadline_ms })]);
    // Accepted after all: the way that was taken stays.
    let mut after = Facts { connected_at_ms: Some(9 * DAY_MS), now_ms: 9 * DAY_MS, ..invited.clone() };
    assert_eq!(walk(&sequence, &after).next, touch("thanks", Action::Message, 10 * DAY_MS), "nothing was decided");
    after.decisions.extend(late.decided);
    assert_eq!(walk(&sequence, &after).next, touch("mail", Action::Email, deadline_ms));

    let declined = Facts { declined_at_ms: Some(2 * DAY_MS), now_ms: 2 * DAY_MS, ..invited };
    assert_eq!(walk(&sequence, &declined).next, touch("mail", Action::Email, 2 * DAY_MS));
    let refused = known(HOUR_MS).touched("hello", Action::Invite, TouchState::Refused, HOUR_MS);
    assert_eq!(walk(&sequence, &refused).next, touch("mail", Action::Email, HOUR_MS));
    let hidden = Facts { has_profile: false, ..known(0) };
    assert_eq!(walk(&sequence, &hidden).next, touch("mail", Action::Email, 0));
}

#[test]
fn without_a_way_out_what_cannot_be_done_ends_the_enrollment() {
    let wait = StepKind::WaitForConnection { timeout_ms: DAY_MS, on_timeout: None };
    let only = sequence(vec![
        step("hello", 0, StepKind::Invite { note: String::new() }, false),
        step("wait", 0, wait, false),
        step("thanks", 0, StepKind::Message { text: String::new() }, true),
        // A way of its own, which is not that of the invitation.
        step("other", 0, StepKind::WaitForConnection { timeout_ms: 1, on_timeout: Some("mail".into()) }, false),
        step("mail", 0, email(), false),
    ]);
    let state = |facts: &Facts| end_state(&walk(&only, facts).next);
    let refused = known(0).touched("hello", Action::Invite, TouchState::Refused, 0);
    assert_eq!(state(&refused), Some(EnrollmentState::Failed));
    let invited = known(2 * DAY_MS).touched("hello", Action::Invite, TouchState::Sent, 0);
    assert_eq!(state(&invited), Some(EnrollmentState::Completed));
    assert_eq!(state(&Facts { declined_at_ms: Some(1), ..invited }), Some(EnrollmentState::Declined));
    assert_eq!(
        state(&Facts { connected_at_ms: Some(0), has_profile: false, ..known(0) }),
        Some(EnrollmentState::Failed)
    );

    let mail = sequence(vec![step("mail", 0, email(), false)]);
    let mut bounced = known(0).touched("mail", Action::Email, TouchState::Refused, 0);
    assert_eq!(end_state(&walk(&mail, &bounced).next), Some(EnrollmentState::Failed));
    bounced.touches.get_mut("mail").unwrap().problem = Some(BAD_ADDRESS.into());
    assert_eq!(end_state(&walk(&mail, &bounced).next), Some(EnrollmentState::Bounced));
    let Next::End { cause, .. } = walk(&mail, &Facts { has_email: false, ..known(0) }).next else { panic!("no end") };
    assert_eq!(cause, "no_email_address");
}

#[test]
fn a_contact_in_doubt_holds_everything_and_a_released_one_is_planned_again() {
    for state in TouchState::ALL {
        let next = walk(&brewery(), &known(DAY_MS).touched("hello", Action::Invite, state, 0)).next;
        let in_doubt = matches!(state, TouchState::Calling | TouchState::Unknown);
        assert_eq!(in_doubt, next == Next::Doubt { step: "hello".into(), action: Action::Invite }, "{state:?}");
        let again = matches!(state, TouchState::Planned | TouchState::Released);
        assert_eq!(again, next == touch("hello", Action::Invite, 0), "{state:?}");
    }
}

#[test]
fn a_visit_that_was_passed_over_is_not_made_up_for() {
    let look = sequence(vec![step("look", 0, StepKind::VisitProfile, false), step("mail", DAY_MS, email(), false)]);
    let first = walk(&look, &Facts { has_profile: false, ..known(0) });
    assert_eq!(first.next, touch("mail", Action::Email, DAY_MS));
    let mut later = known(DAY_MS);
    later.decisions.extend(first.decided);
    assert_eq!(walk(&look, &later).next, touch("mail", Action::Email, DAY_MS));
}

#[test]
fn a_newer_version_goes_on_where_the_older_one_was() {
    let done = known(9 * DAY_MS).touched("hello", Action::Invite, TouchState::Sent, 0);
    let done = Facts { connected_at_ms: Some(DAY_MS), ..done };
    let mut newer = brewery();
    newer.steps.insert(0, step("look", 0, StepKind::VisitProfile, false));
    newer.steps[1].kind = StepKind::Inmail { subject: String::new(), text: String::new() };
    newer.steps.remove(2);
    let looked = done.touched("look", Action::VisitProfile, TouchState::Sent, 2 * DAY_MS);
    // `hello` was done as an invitation, and is not done again as an InMail.
    assert_eq!(walk(&newer, &looked).next, touch("thanks", Action::Message, DAY_MS));
    let mut gone = looked;
    gone.decisions.insert("hello".into(), Decision { to: "dropped".into(), at_ms: 0 });
    assert_eq!(end_state(&walk(&newer, &gone).next), Some(EnrollmentState::Completed));
}

/// A step of any kind whose targets lie ahead, if it has any.
fn any_step(index: usize, (kind, after, target, end): (u8, i64, usize, bool)) -> Step {
    let ahead = |skip: usize| (skip > 0).then(|| format!("s{}", index + skip));
    let kind = match kind {
        0 => StepKind::VisitProfile,
        1 | 2 => StepKind::Invite { note: String::new() },
        3 => StepKind::Message { text: String::new() },
        4 => StepKind::Inmail { subject: String::new(), text: String::new() },
        5 => email(),
        6 => StepKind::Wait { for_ms: 1 + after },
        7 | 8 => StepKind::WaitForConnection { timeout_ms: 10 + after, on_timeout: ahead(target) },
        9 => StepKind::Branch { condition: Condition::Connected, then: ahead(target), otherwise: ahead(target / 2) },
        10 => StepKind::Branch { condition: Condition::HasEmail, then: None, otherwise: ahead(target) },
        11 => StepKind::Branch { condition: Condition::HasProfile, then: ahead(target), otherwise: None },
        _ => StepKind::End,
    };
    step(&format!("s{index}"), after, kind, end)
}

fn any_sequence() -> impl Strategy<Value = Sequence> {
    let one = (0..13_u8, 0..50_i64, 0..4_usize, prop::bool::weighted(0.1));
    prop::collection::vec(one, 1..12)
        .prop_map(|steps| sequence(steps.into_iter().enumerate().map(|(index, step)| any_step(index, step)).collect()))
}

/// What the world does next; a number for each moment.
fn any_course() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 80)
}

/// Lives through an enrollment and checks on the way what always holds. `change` may swap the sequence in the middle.
fn live(first: &Sequence, newer: Option<(&Sequence, usize)>, course: &[u8]) -> Result<(), TestCaseError> {
    let mut facts = Facts { now_ms: 1_000, started_at_ms: 1_000, ..Facts::default() };
    let mut called = BTreeSet::new();
    let mut furthest = 0;
    for (moment, choice) in course.iter().enumerate() {
        let changed = newer.filter(|(_, at)| moment >= *at);
        let sequence = changed.map_or(first, |(newer, _)| newer);
        let walked = walk(sequence, &facts);
        prop_assert_eq!(&walked, &walk(sequence, &facts));
        for (step, decision) in walked.decided {
            prop_assert!(facts.decisions.insert(step, decision).is_none(), "decided twice");
        }
        // Kept decisions change nothing but that they need not be made again.
        prop_assert_eq!(&walk(sequence, &facts).next, &walked.next);
        match &walked.next {
            Next::Touch { step, action, due_ms } => {
                prop_assert!(!called.contains(step), "{} a second time", step);
                let index = sequence.position(step).unwrap();
                prop_assert!(changed.is_some() || index >= furthest, "back to {}", step);
                prop_assert!(changed.is_some() || *due_ms >= facts.started_at_ms + sequence.steps[index].after_ms);
                let last_ms = facts.touches.values().filter_map(|touch| touch.settled_at_ms).max().unwrap_or(0);
                if changed.is_none() {
                    prop_assert!(*due_ms >= last_ms + sequence.steps[index].after_ms, "{} before it is due", step);
                    furthest = index;
                }
                facts.now_ms = facts.now_ms.max(*due_ms) + i64::from(choice % 5);
                let state = match choice % 8 {
                    0 => TouchState::Refused,
                    1 => TouchState::Unknown,
                    2 => TouchState::Released,
                    _ => TouchState::Sent,
                };
                if state != TouchState::Released {
                    called.insert(step.clone());
                }
                let is_settled = matches!(state, TouchState::Sent | TouchState::Refused);
                let settled_at_ms = is_settled.then_some(facts.now_ms);
                let touch = TouchFact { action: *action, state, settled_at_ms, problem: None };
                facts.touches.insert(step.clone(), touch);
            }
            Next::Doubt { step, .. } => {
                facts.now_ms += 1;
                let touch = facts.touches.get_mut(step).unwrap();
                touch.state = if choice % 4 == 0 { TouchState::Refused } else { TouchState::Sent };
                touch.settled_at_ms = Some(facts.now_ms);
            }
            Next::Wait { until_ms, .. } => {
                prop_assert!(*until_ms > facts.now_ms, "waits for what has passed");
                let early = *choice % 2 == 0;
                facts.now_ms = if early { facts.now_ms + 1 } else { *until_ms };
            }
            Next::End { state, .. } => {
                prop_assert!(state.is_end());
                return Ok(());
            }
        }
        // What is learnt comes at any time, and late.
        match choice >> 3 {
            0 | 1 => facts.connected_at_ms = facts.connected_at_ms.or(Some(facts.now_ms)),
            2 => facts.declined_at_ms = facts.declined_at_ms.or(Some(facts.now_ms)),
            3 | 4 => facts.has_email = true,
            5 | 6 => facts.has_profile = true,
            _ => {}
        }
    }
    // Nothing more is learnt or refused: time alone ends it.
    let sequence = newer.map_or(first, |(newer, _)| newer);
    for _ in 0..=4 * sequence.steps.len() {
        let walked = walk(sequence, &facts);
        facts.decisions.extend(walked.decided);
        match walked.next {
            Next::Touch { step, action, due_ms } => {
                facts.now_ms = facts.now_ms.max(due_ms);
                let settled_at_ms = Some(facts.now_ms);
                let sent = TouchFact { action, state: TouchState::Sent, settled_at_ms, problem: None };
                facts.touches.insert(step, sent);
            }
            Next::Doubt { step, .. } => facts.touches.get_mut(&step).unwrap().state = TouchState::Sent,
            Next::Wait { until_ms, .. } => facts.now_ms = until_ms,
            Next::End { .. } => return Ok(()),
        }
    }
    Err(TestCaseError::fail("it never ends"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_walk_goes_forward_contacts_once_at_its_time_and_ends(sequence in any_sequence(), course in any_course()) {
        live(&sequence, None, &course)?;
    }

    #[test]
    fn a_newer_version_never_repeats_a_step(
        older in any_sequence(), newer in any_sequence(), at in 0..20_usize, course in any_course(),
    ) {
        live(&older, Some((&newer, at)), &course)?;
    }

    #[test]
    fn what_was_done_stays_done_when_less_is_known(sequence in any_sequence(), done in prop::collection::btree_set(0..12_usize, 0..12)) {
        let mut facts = known(1_000_000);
        for index in done {
            if let Some(step) = sequence.steps.get(index) && let Some(action) = step.kind.action() {
                facts = facts.touched(&step.id.clone(), action, TouchState::Sent, 500_000);
            }
        }
        if let Next::Touch { step, .. } = walk(&sequence, &facts).next {
            prop_assert!(!facts.touches.contains_key(&step));
        }
    }
}
