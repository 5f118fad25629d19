//! Each row of Unipile's table of errors, for each action that can meet it: what the store shows after the contact, and
//! that nobody was contacted twice by the end.

use super::world::{DAY_MS, HOUR_MS, LINKEDIN, Lead, MAILBOX, MONDAY_MS, World};
use crate::store::Store;
use crate::store::testing::each_backend;
use leadflow_clock::Clock;
use leadflow_sandbox::{FaultKind, FaultRule, Provider, UNIPILE_ERRORS};
use leadflow_workflows::contract::{Advice, AdviceNext, EnrollmentRef};
use leadflow_workflows::domain::outreach::{Action, EnrollmentState, Hold, TouchState};
use leadflow_workflows::domain::permits::{ActionLimit, Limits};
use leadflow_workflows::domain::timings::Timings;
use std::collections::BTreeSet;

/// Real time of a call, in all.
pub(super) const CALL_MS: u64 = 1_600;

/// What a contact can be when it meets an error. A look at a profile is no contact, but comes before an invitation.
const ALL: &str = "look visit invite message inmail email";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Never for this person: the step is written off.
    Never,
    /// The account waits for its owner or for us, in this state.
    Account(&'static str),
    /// The account waits for so long.
    AccountWaits(i64),
    /// This person is left alone for so long.
    LeadWaits(i64),
    /// The profile is read again; when it shows nothing pending, this person is left alone for so long.
    LooksAgain(i64),
    /// Goes on as with one who accepted.
    Connected,
    /// The address is suppressed.
    Buried,
    /// Tried again soon.
    Again,
    /// Asked for at the provider.
    Reconcile,
}

/// Types, the actions that can meet them, and what follows.
#[rustfmt::skip]
const ROWS: &[(&str, &str, Then)] = &[
    ("invalid_parameters missing_parameters invalid_request malformed_request content_too_large invalid_url", ALL, Then::Never),
    ("too_many_characters unescaped_characters limit_too_high invalid_action invalid_label", ALL, Then::Never),
    ("missing_credentials", ALL, Then::Account("held")),
    ("disconnected_account disconnected_feature expired_credentials invalid_credentials checkpoint_error", ALL, Then::Account("disconnected")),
    ("invalid_checkpoint_solution multiple_sessions wrong_account insufficient_privileges expired_link", ALL, Then::Account("disconnected")),
    ("invalid_proxy_credentials captcha_not_supported", ALL, Then::Account("disconnected")),
    ("invalid_imap_configuration invalid_smtp_configuration", "email", Then::Account("disconnected")),
    ("account_restricted", ALL, Then::Account("restricted")),
    ("feature_not_subscribed subscription_required insufficient_permissions account_mismatch", ALL, Then::Account("held")),
    ("session_mismatch unknown_authentication_context action_required resource_access_restricted", ALL, Then::Account("held")),
    ("resource_not_found invalid_resource_identifier", ALL, Then::Never),
    ("idempotency_conflict", "email", Then::Never),
    ("unsupported_media_type", "message inmail email", Then::Never),
    ("already_invited_recently", "invite", Then::LooksAgain(21 * DAY_MS)),
    ("already_connected", "invite", Then::Connected),
    ("cannot_resend_yet", "invite", Then::LeadWaits(21 * DAY_MS)),
    ("cannot_resend_within_24hrs", "invite", Then::LeadWaits(DAY_MS)),
    ("limit_exceeded", ALL, Then::AccountWaits(DAY_MS)),
    ("connection_limit_reached", "invite", Then::AccountWaits(7 * DAY_MS)),
    ("insufficient_credits not_allowed_inmail", "inmail", Then::Never),
    ("no_connection_with_recipient", "message", Then::Never),
    ("cannot_invite_attendee", "invite", Then::Never),
    ("cant_send_message", "message inmail", Then::Never),
    ("invalid_recipient blocked_recipient user_unreachable", "invite message inmail email", Then::Never),
    ("invalid_message", "invite message inmail email", Then::Never),
    ("action_already_performed unprocessable_entity", ALL, Then::Never),
    ("parent_mail_not_found invalid_reply_subject invalid_headers invalid_thread invalid_folder", "email", Then::Never),
    // One mailbox's set-up: no address of its leads is at fault.
    ("invalid_account", ALL, Then::Account("held")),
    ("send_as_denied sender_rejected ip_rejected_by_server account_configuration_error", "email", Then::Account("held")),
    ("recipient_rejected", "email", Then::Buried),
    ("provider_unreachable", "email", Then::Again),
    ("too_many_requests", ALL, Then::AccountWaits(4 * HOUR_MS)),
    ("feature_not_implemented", ALL, Then::Account("held")),
    ("unexpected_error provider_error authentication_intent_error", ALL, Then::Reconcile),
    ("no_client_session no_channel no_handler network_down service_unavailable request_timeout", ALL, Then::Reconcile),
];

/// What each kind of contact follows, and the step after it when it can never be made.
pub(super) const CAMPAIGNS: [(&str, &str); 5] = [
    (
        "visit",
        "[[step]]\nid = \"touch\"\nvisit_profile = true\n[[step]]\nid = \"after\"\nwait = \"30d\"\n\
         [[step]]\nsubject = \"An idea\"\nemail = \"Hello {{ lead.first_name }}\"",
    ),
    (
        "invite",
        "[[step]]\nid = \"touch\"\ninvite = \"Hi {{ lead.first_name }}\"\n[[step]]\nid = \"accepted\"\n\
         wait_for_connection = { timeout = \"30d\", on_timeout = \"after\" }\n[[step]]\nid = \"thanks\"\n\
         message = \"Thanks\"\nend = true\n[[step]]\nid = \"after\"\nwait = \"30d\"",
    ),
    (
        "message",
        "[[step]]\nid = \"accepted\"\nwait_for_connection = { timeout = \"30d\" }\n[[step]]\nid = \"touch\"\n\
         message = \"Hi {{ lead.first_name }}, how do you plan?\"",
    ),
    (
        "inmail",
        "[[step]]\nid = \"touch\"\nsubject = \"An idea\"\ninmail = \"Hi {{ lead.first_name }}, how do you plan?\"",
    ),
    ("email", "[[step]]\nid = \"touch\"\nsubject = \"An idea\"\nemail = \"Hello {{ lead.first_name }}\""),
];

#[test]
fn the_table_has_every_error_of_the_provider() {
    let tested: BTreeSet<&str> = ROWS.iter().flat_map(|(kinds, _, _)| kinds.split_whitespace()).collect();
    let known: BTreeSet<&str> = UNIPILE_ERRORS.iter().map(|(_, kind)| *kind).collect();
    assert_eq!(tested, known);
}

/// The first type of each row with all its actions, the others with one of them in turn.
fn cases() -> Vec<(&'static str, &'static str, Then)> {
    let mut cases = Vec::new();
    for (kinds, actions, then) in ROWS {
        let actions: Vec<_> = actions.split_whitespace().collect();
        for (number, kind) in kinds.split_whitespace().enumerate() {
            let tried = if number == 0 { &actions[..] } else { &actions[number % actions.len()..][..1] };
            cases.extend(tried.iter().map(|action| (kind, *action, *then)));
        }
    }
    cases
}

#[tokio::test]
async fn each_error_is_acted_on_as_its_row_says() {
    each_backend(async |store| {
        let cases = cases();
        let world = start(&store, cases.len()).await;
        for (number, (kind, action, then)) in cases.into_iter().enumerate() {
            Case { world: &world, lead: world.lead(number), kind, action }.check(then).await;
        }
    })
    .await;
}

pub(super) async fn start(store: &Store, people: usize) -> World {
    let plenty = ActionLimit { per_day: 100_000, per_week: 100_000, gap_ms: 0 };
    let actions = Action::ALL.map(|action| (action, plenty)).into();
    let limits = Limits { actions, warm_up: None, notes_per_month: None };
    let clock = Clock::fast(MONDAY_MS, 1.0);
    let world =
        World::start(store, clock, Timings { touch_call_ms: CALL_MS, ..Timings::test() }, &limits, people).await;
    for (name, steps) in CAMPAIGNS {
        world.start_campaign(name, steps).await;
    }
    world
}

struct Case<'a> {
    world: &'a World,
    lead: &'a Lead,
    kind: &'a str,
    action: &'a str,
}

impl Case<'_> {
    async fn check(&self, then: Then) {
        let Self { world, lead, kind, action } = *self;
        world.mend().await;
        let campaign = if action == "look" { "invite" } else { action };
        if ["invite", "message", "inmail"].contains(&action) {
            world.see(lead, action == "message").await;
        }
        let enrollment = world.enroll(campaign, lead).await;
        world.make_due(&enrollment).await;
        let rule = FaultRule::new(Provider::Unipile, FaultKind::Status);
        world.strike(vec![FaultRule { error_type: Some(kind.to_owned()), ..rule }]);
        let before_ms = world.clock.now_ms();
        let touched = world.work.touch(&super::world::input(&enrollment)).await;
        assert_eq!(world.effects(lead), [], "{self}: the person was contacted by a call that was refused");
        if action == "look" && matches!(then, Then::Reconcile) {
            // A read has no outcome to doubt: the activity is tried again, and nothing was claimed.
            assert!(touched.is_err(), "{self}: {touched:?}");
            assert!(!world.stored_touch(&enrollment).await.is_in_doubt(), "{self}");
            return;
        }
        let advice = touched.unwrap_or_else(|failure| panic!("{self}: {failure:?}"));
        match then {
            Then::Never => self.check_written_off(&enrollment, &advice).await,
            Then::Account(state) => self.check_account(&enrollment, &advice, state).await,
            Then::AccountWaits(wait_ms) => self.check_account_waits(&enrollment, &advice, before_ms + wait_ms).await,
            Then::LeadWaits(wait_ms) => {
                let LeadWaits { until_ms, problem } = self.lead_waits(&enrollment, &advice).await;
                self.check_near(until_ms, before_ms + wait_ms);
                assert_eq!(problem, kind, "{self}");
                self.check_untouched_account().await;
            }
            Then::LooksAgain(wait_ms) => self.check_looks_again(&enrollment, wait_ms).await,
            Then::Connected => {
                let touch = world.stored_touch(&enrollment).await;
                assert_eq!((touch.state, touch.settled_by.as_deref()), (TouchState::Refused, Some(kind)), "{self}");
                assert_eq!(advice.state, EnrollmentState::Connected, "{self}");
                assert!(
                    matches!(&advice.next, AdviceNext::Touch { step, .. } if step == "thanks"),
                    "{self}: {advice:?}"
                );
            }
            Then::Buried => {
                assert_eq!(self.ended(&enrollment, &advice).await, EnrollmentState::Bounced, "{self}");
                let list = world.store.suppressions("default").await.unwrap();
                assert!(list.iter().any(|entry| entry.value == lead.email), "{self}: the address is not on the list");
                assert_eq!(world.suppressed(lead).await, None, "{self}: a dead address closes the other channel, too");
            }
            Then::Again => {
                let touch = world.stored_touch(&enrollment).await;
                self.check_waits(&enrollment).await;
                self.check_near(touch.not_before_ms.unwrap_or_default(), before_ms + 60_000);
                assert!(matches!(advice.next, AdviceNext::Touch { .. }), "{self}: {advice:?}");
                self.check_untouched_account().await;
            }
            Then::Reconcile => self.check_reconciled(&enrollment, &advice).await,
        }
    }

    /// A visit is skipped, an invitation takes the way of one that is not accepted, anything else ends the enrollment.
    async fn check_written_off(&self, enrollment: &EnrollmentRef, advice: &Advice) {
        let touch = self.world.stored_touch(enrollment).await;
        let problem = touch.settled_by.as_deref();
        assert_eq!((touch.state, problem), (TouchState::Refused, Some(self.kind)), "{self}");
        match self.action {
            "look" | "visit" | "invite" => {
                assert!(matches!(&advice.next, AdviceNext::Wait { step, .. } if step == "after"), "{self}: {advice:?}");
            }
            _ => {
                assert_eq!(self.ended(enrollment, advice).await, EnrollmentState::Failed, "{self}");
                assert_eq!(self.world.enrollment(enrollment).await.cause, self.kind, "{self}");
            }
        }
        self.check_untouched_account().await;
    }

    async fn check_account(&self, enrollment: &EnrollmentRef, advice: &Advice, state: &str) {
        let account = self.world.account(self.account()).await;
        assert_eq!((account.state.as_str(), account.state_reason.as_deref()), (state, Some(self.kind)), "{self}");
        let expected = match state {
            "held" => Hold::AccountHeld { problem: self.kind.to_owned() },
            "restricted" => Hold::AccountRestricted,
            _ => Hold::AccountDisconnected,
        };
        assert!(matches!(&advice.next, AdviceNext::Wait { hold, .. } if *hold == expected), "{self}: {advice:?}");
        self.check_waits(enrollment).await;
        let calls = self.world.calls("");
        self.world.make_due(enrollment).await;
        self.world.touch(enrollment).await;
        assert_eq!(self.world.calls(""), calls, "{self}: a call through an account that is {state}");
    }

    async fn check_account_waits(&self, enrollment: &EnrollmentRef, advice: &Advice, until_ms: i64) {
        let account = self.world.account(self.account()).await;
        assert_eq!(account.state, "active", "{self}");
        self.check_near(account.deferred_until_ms.unwrap_or_default(), until_ms);
        assert_eq!(account.deferred_reason.as_deref(), Some(self.kind), "{self}");
        let (AdviceNext::Touch { at_ms, .. } | AdviceNext::Wait { at_ms, .. }) = advice.next else {
            panic!("{self}: {advice:?}");
        };
        assert!(at_ms >= account.deferred_until_ms.unwrap_or_default(), "{self}: {advice:?}");
        self.check_waits(enrollment).await;
    }

    /// Nothing is claimed, and what was planned may be planned anew.
    async fn check_waits(&self, enrollment: &EnrollmentRef) {
        let touch = self.world.stored_touch(enrollment).await;
        assert!(matches!(touch.state, TouchState::Released | TouchState::Planned), "{self}: {touch:?}");
        assert_eq!((touch.calls, touch.called_at_ms), (0, None), "{self}");
        assert!(self.world.enrollment(enrollment).await.is_open, "{self}");
    }

    async fn lead_waits(&self, enrollment: &EnrollmentRef, advice: &Advice) -> LeadWaits {
        let touch = self.world.stored_touch(enrollment).await;
        let (AdviceNext::Touch { at_ms, .. } | AdviceNext::Wait { at_ms, .. }) = advice.next else {
            panic!("{self}: {advice:?}");
        };
        let until_ms = touch.not_before_ms.unwrap_or_default();
        // Plans reach no further ahead than a week.
        assert!(at_ms >= until_ms.min(self.world.clock.now_ms() + 7 * DAY_MS - HOUR_MS), "{self}: {advice:?}");
        self.check_waits(enrollment).await;
        LeadWaits { until_ms, problem: touch.deferred_by.unwrap_or_default() }
    }

    async fn check_looks_again(&self, enrollment: &EnrollmentRef, wait_ms: i64) {
        let world = self.world;
        let touch = world.stored_touch(enrollment).await;
        assert_eq!((touch.deferred_by.as_deref(), touch.not_before_ms), (Some(self.kind), None), "{self}");
        self.check_waits(enrollment).await;
        world.mend().await;
        world.make_due(enrollment).await;
        let before_ms = world.clock.now_ms();
        let advice = world.touch(enrollment).await;
        let LeadWaits { until_ms, problem } = self.lead_waits(enrollment, &advice).await;
        self.check_near(until_ms, before_ms + wait_ms);
        assert_eq!(problem, self.kind, "{self}");
        assert_eq!(world.effects(self.lead), [], "{self}");
        self.check_untouched_account().await;
    }

    /// A call that was not made, although nobody could know: visits need no certainty, emails and invitations are repeated
    /// once it is sure that they are not there, messages are left in doubt.
    async fn check_reconciled(&self, enrollment: &EnrollmentRef, advice: &Advice) {
        let world = self.world;
        let touch = world.stored_touch(enrollment).await;
        if self.action == "visit" {
            assert_eq!((touch.state, touch.settled_by.as_deref()), (TouchState::Sent, Some(self.kind)), "{self}");
            return;
        }
        assert_eq!((touch.state, touch.calls), (TouchState::Unknown, 1), "{self}");
        assert!(
            matches!(&advice.next, AdviceNext::Touch { hold: Some(Hold::OutcomeUnknown { .. }), .. }),
            "{self}: {advice:?}"
        );
        world.mend().await;
        world.age_call(enrollment).await;
        world.touch(enrollment).await;
        let touch = world.stored_touch(enrollment).await;
        let expected = match self.action {
            "email" | "invite" => (TouchState::Sent, Some("answered"), 2, 1),
            _ => (TouchState::Unknown, Some("absent"), 1, 0),
        };
        let found = (touch.state, touch.settled_by.as_deref(), touch.calls, world.effects(self.lead).len());
        assert_eq!(found, expected, "{self}");
    }

    /// The state in which the enrollment ended.
    async fn ended(&self, enrollment: &EnrollmentRef, advice: &Advice) -> EnrollmentState {
        let stored = self.world.enrollment(enrollment).await;
        assert!(!stored.is_open && matches!(advice.next, AdviceNext::Done), "{self}: {advice:?}");
        stored.state
    }

    async fn check_untouched_account(&self) {
        let account = self.world.account(self.account()).await;
        assert_eq!((account.state.as_str(), account.deferred_until_ms), ("active", None), "{self}");
    }

    fn check_near(&self, at_ms: i64, expected_ms: i64) {
        assert!((expected_ms..expected_ms + 60_000).contains(&at_ms), "{self}: {} ms off", at_ms - expected_ms);
    }

    fn account(&self) -> &'static str {
        if self.action == "email" { MAILBOX } else { LINKEDIN }
    }
}

struct LeadWaits {
    until_ms: i64,
    problem: String,
}

impl std::fmt::Display for Case<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {}", self.kind, self.action)
    }
}
