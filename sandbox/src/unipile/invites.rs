//! Invitations and the relations that come of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Answered;
use super::accounts::{Act, Kind};
use super::errors::error;
use super::options::Accept;
use super::pages::{Bounds, ago, page, timestamp};
use super::people::{self, Profile};
use super::state::{Happening, State, between};
use super::webhooks::{Announcement, Source};
use crate::exchange::{Call, Reply};
use crate::ledger::{Effect, EffectKind};

pub(super) const DAY_MS: i64 = 86_400_000;
/// How long nobody can be invited again after a decline or a withdrawal.
const COOL_DOWN_MS: i64 = 21 * DAY_MS;
const LONGEST_NOTE: usize = 300;
const LONGEST_FREE_NOTE: usize = 200;
/// Connections from before the sandbox's time began within the 300 days after 14 November 2023.
const OLD_CONNECTIONS_FROM_MS: i64 = 1_700_000_000_000;

/// What is between an account and a person.
#[derive(Clone, Debug, Default)]
pub(super) struct Bond {
    pub(super) connected_at_ms: Option<i64>,
    /// In the order in which they were sent.
    pub(super) invitations: Vec<Invitation>,
}

#[derive(Clone, Debug)]
pub(super) struct Invitation {
    pub(super) id: String,
    text: Option<String>,
    sent_at_ms: i64,
    ended: Option<(i64, Ending)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Accepted,
    Declined,
    Withdrawn,
}

/// What a person is going to do with an invitation.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) account: String,
    pub(super) person: String,
    invitation_id: String,
    accepts: bool,
}

impl Bond {
    /// The invitation that was open at `at_ms`.
    pub(super) fn open_invitation(&self, at_ms: i64) -> Option<&Invitation> {
        self.invitations.iter().find(|invitation| {
            invitation.sent_at_ms <= at_ms && invitation.ended.is_none_or(|(ended_at_ms, _)| ended_at_ms > at_ms)
        })
    }

    /// How the last invitation ended, while it keeps LinkedIn from taking another.
    pub(super) fn cool_down(&self, now_ms: i64) -> Option<Ending> {
        let (ended_at_ms, ending) = self.invitations.last()?.ended?;
        (ending != Ending::Accepted && now_ms < ended_at_ms + COOL_DOWN_MS).then_some(ending)
    }
}

impl State {
    pub(super) fn bond(&self, account: &str, person: &str, degree: u8) -> Bond {
        self.bonds.get(&(account.to_owned(), person.to_owned())).cloned().unwrap_or_else(|| Bond {
            connected_at_ms: self.old_connection_ms(account, person, degree),
            invitations: Vec::new(),
        })
    }

    pub(super) fn bond_mut(&mut self, account: &str, person: &str, degree: u8) -> &mut Bond {
        let bond = self.bond(account, person, degree);
        self.bonds.entry((account.to_owned(), person.to_owned())).or_insert(bond)
    }

    fn old_connection_ms(&self, account: &str, person: &str, degree: u8) -> Option<i64> {
        let seed = self.seed.of(&["connected", account, person]);
        let connected = degree == 1 && seed.permille(self.options.connected_permille);
        connected.then(|| OLD_CONNECTIONS_FROM_MS + between(seed.of(&["since"]), (0, 300 * DAY_MS)))
    }

    pub(super) fn send_invite(&mut self, call: &Call) -> Answered {
        let now_ms = call.arrived_at_ms;
        let note = call.field("message").map(str::to_owned);
        let note_length = note.as_ref().map_or(0, |note| note.chars().count());
        let account = self.account_of(call, false)?;
        let (account_id, kind) = (account.id.clone(), account.kind);
        let provider_id =
            call.field("provider_id").ok_or_else(|| error("missing_parameters", "provider_id is required"))?;
        let longest = if kind == Kind::Free { LONGEST_FREE_NOTE } else { LONGEST_NOTE };
        if note_length > longest {
            return Err(error("too_many_characters", &format!("The message has more than {longest} characters.")));
        }
        let profile = self
            .visible(&account_id, provider_id)
            .ok_or_else(|| error("invalid_recipient", "No person has this provider_id for this account."))?;
        let person = profile.public_id.clone();
        let bond = self.bond(&account_id, &person, profile.degree);
        if bond.connected_at_ms.is_some() {
            return Err(error("already_connected", "The person is a first-degree connection."));
        }
        if bond.open_invitation(now_ms).is_some() {
            return Err(error("already_invited_recently", "An invitation to this person is pending."));
        }
        if bond.cool_down(now_ms).is_some() {
            return Err(error("cannot_resend_yet", "LinkedIn does not take another invitation to this person yet."));
        }
        let usage_percent = self.check_invite_limits(&account_id, note.is_some(), now_ms)?;

        let invitation_id = self.invitation_id(&account_id, &person, bond.invitations.len());
        let invitation = Invitation { id: invitation_id.clone(), text: note.clone(), sent_at_ms: now_ms, ended: None };
        self.bond_mut(&account_id, &person, profile.degree).invitations.push(invitation);
        self.plan_answer(now_ms, &account_id, &person, &invitation_id);
        let mut reply = Reply::free(200, json!({"object": "UserInvitationSent", "invitation_id": invitation_id}));
        if let Some(usage_percent) = usage_percent {
            reply.body["usage"] = json!(usage_percent);
        }
        reply.effect = Some(Effect {
            account_id,
            person,
            kind: EffectKind::Invite,
            text: note,
            message_id: None,
            invitation_id: Some(invitation_id),
            idempotency_key: None,
        });
        Ok(reply)
    }

    /// Counts the invitation, and says how much of a limit it has used up, in LinkedIn's steps.
    fn check_invite_limits(&mut self, account: &str, with_note: bool, now_ms: i64) -> Result<Option<usize>, Reply> {
        let limits = self.options.limits.clone();
        let Some(account) = self.accounts.get_mut(account) else { return Ok(None) };
        let (today, this_week) =
            (account.used(Act::Invite, now_ms, DAY_MS), account.used(Act::Invite, now_ms, 7 * DAY_MS));
        if today >= limits.invites_per_day || this_week >= limits.invites_per_week {
            return Err(error(limits.answer.error_type(), "The account has sent too many invitations."));
        }
        let notes = account.used(Act::Note, now_ms, 30 * DAY_MS);
        if with_note && account.kind == Kind::Free && notes >= limits.free_notes_per_month {
            return Err(error("limit_exceeded", "A free account may send only a few invitations with a note."));
        }
        account.count(Act::Invite, now_ms);
        if with_note {
            account.count(Act::Note, now_ms);
        }
        let percent = |used: usize, limit: usize| (used + 1) * 100 / limit.max(1);
        let used = percent(today, limits.invites_per_day).max(percent(this_week, limits.invites_per_week));
        Ok([95, 90, 75, 50].into_iter().find(|step| used >= *step))
    }

    /// 19 digits.
    fn invitation_id(&self, account: &str, person: &str, nth: usize) -> String {
        let seed = self.seed.of(&["invitation", account, person, &nth.to_string()]);
        format!("7{:018}", seed.0 % 1_000_000_000_000_000_000)
    }

    fn plan_answer(&mut self, sent_at_ms: i64, account: &str, person: &str, invitation_id: &str) {
        let seed = self.seed.of(&["answer", account, person]);
        let address = self.person(person).and_then(|profile| profile.email);
        let behaviour = self.behaviour(person, address.as_deref());
        let drawn = seed.of(&["whether"]).below(1000);
        let (accepts, usual_ms) = match behaviour.accept {
            Some(Accept::AtOnce) => (true, Some(0)),
            Some(Accept::Later) => (true, None),
            Some(Accept::Decline) => (false, None),
            None if drawn < self.options.accept_permille => (true, None),
            None if drawn < self.options.accept_permille + self.options.decline_permille => (false, None),
            Some(Accept::Never) | None => return,
        };
        let drawn_ms = || between(seed.of(&["delay"]), self.options.accept_delay_ms);
        let after_ms = behaviour.accept_after_ms.or(usual_ms).unwrap_or_else(drawn_ms);
        let (account, person, invitation_id) = (account.to_owned(), person.to_owned(), invitation_id.to_owned());
        let answer = Answer { account, person, invitation_id, accepts };
        self.schedule(sent_at_ms + after_ms, Happening::Answer(answer));
    }

    /// Lets a person decide anew about the invitations that they have.
    pub(super) fn replan_answers(&mut self, now_ms: i64, person: &str) {
        self.unschedule_answers(person);
        let open = self
            .bonds
            .iter()
            .filter(|((_, invited), _)| invited == person)
            .filter_map(|((account, _), bond)| Some((account.clone(), bond.open_invitation(now_ms)?.id.clone())));
        for (account, invitation_id) in open.collect::<Vec<_>>() {
            self.plan_answer(now_ms, &account, person, &invitation_id);
        }
    }

    pub(super) fn answer_invitation(&mut self, at_ms: i64, answer: &Answer) {
        let Some(bond) = self.bonds.get_mut(&(answer.account.clone(), answer.person.clone())) else { return };
        let ending = if answer.accepts { Ending::Accepted } else { Ending::Declined };
        let is_meant =
            |invitation: &&mut Invitation| invitation.id == answer.invitation_id && invitation.ended.is_none();
        let Some(invitation) = bond.invitations.iter_mut().find(is_meant) else { return };
        invitation.ended = Some((at_ms, ending));
        if answer.accepts {
            bond.connected_at_ms = Some(at_ms);
            self.announce_relation(at_ms, &answer.account, &answer.person);
        }
    }

    /// The person becomes a connection without an invitation, or accepts the one that is open.
    pub(super) fn connect_by_hand(&mut self, now_ms: i64, account: &str, person: &str) -> Result<(), String> {
        let profile = self.known(account, person)?;
        self.unschedule_answers(person);
        let bond = self.bond_mut(account, person, profile.degree);
        if bond.connected_at_ms.is_some() {
            return Err(format!("{account} and {person} are connected already"));
        }
        bond.connected_at_ms = Some(now_ms);
        if let Some(invitation) = bond.invitations.last_mut().filter(|invitation| invitation.ended.is_none()) {
            invitation.ended = Some((now_ms, Ending::Accepted));
        }
        self.announce_relation(now_ms, account, person);
        Ok(())
    }

    fn announce_relation(&mut self, at_ms: i64, account: &str, person: &str) {
        let Some(profile) = self.person(person) else { return };
        let provider_id = people::provider_id(account, person);
        let seed = self.seed.of(&["relation delay", account, person]);
        let announcement = Announcement {
            account: account.to_owned(),
            source: Source::Users,
            event: "new_relation",
            person: Some(person.to_owned()),
            kind: "connected".to_owned(),
            message_id: None,
            key: format!("relation {account} {person}"),
            delay_ms: between(seed, self.options.webhooks.relation_delay_ms),
            body: json!({
                "event": "new_relation", "account_id": account, "account_type": "LINKEDIN",
                "user_full_name": profile.full_name(), "user_provider_id": provider_id, "user_public_identifier": person,
                "user_profile_url": format!("https://www.linkedin.com/in/{person}/"), "user_picture_url": null,
            }),
        };
        self.announce(at_ms, &announcement);
    }

    pub(super) fn list_invites(&mut self, call: &Call) -> Answered {
        let account = self.account_of(call, false)?;
        let (account, owner_name, owner_id) = (account.id.clone(), account.owner_name(), account.owner_id());
        let shown_ms = call.arrived_at_ms - self.options.list_lag_ms;
        let bonds = self.bonds.iter().filter(|((of, _), _)| *of == account);
        let mut open: Vec<_> =
            bonds.filter_map(|((_, person), bond)| Some((person, bond.open_invitation(shown_ms)?))).collect();
        open.sort_by_key(|(_, invitation)| std::cmp::Reverse((invitation.sent_at_ms, &invitation.id)));
        page(call, "InvitationList", Bounds::INVITATIONS, open, |(person, invitation)| {
            let profile = self.person(person);
            json!({
                "object": "InvitationSent", "id": invitation.id,
                "invited_user": profile.as_ref().map(Profile::full_name),
                "invited_user_id": people::provider_id(&account, person), "invited_user_public_id": person,
                "invited_user_description": profile.as_ref().map(Profile::headline),
                "date": ago(call.arrived_at_ms - invitation.sent_at_ms).to_string(),
                "parsed_datetime": timestamp(invitation.sent_at_ms), "invitation_text": invitation.text,
                "inviter": {
                    "inviter_name": owner_name, "inviter_id": owner_id,
                    "inviter_public_identifier": format!("sandbox-{account}"), "inviter_description": null,
                },
                "specifics": {"provider": "LINKEDIN", "shared_secret": format!("secret-{}", invitation.id)},
            })
        })
    }

    pub(super) fn withdraw_invite(&mut self, call: &Call, invitation_id: &str) -> Answered {
        let account = self.account_of(call, false)?.id.clone();
        let bonds = self.bonds.iter_mut().filter(|((of, _), _)| *of == account);
        let mut invitations = bonds.flat_map(|(_, bond)| &mut bond.invitations);
        let is_meant = |invitation: &&mut Invitation| invitation.id == invitation_id && invitation.ended.is_none();
        let unknown = || error("resource_not_found", "No pending invitation has this id.");
        invitations.find(is_meant).ok_or_else(unknown)?.ended = Some((call.arrived_at_ms, Ending::Withdrawn));
        Ok(Reply::free(200, json!({"object": "InvitationCanceled"})))
    }

    pub(super) fn list_relations(&mut self, call: &Call) -> Answered {
        let account = self.account_of(call, false)?.id.clone();
        let shown_ms = call.arrived_at_ms - self.options.list_lag_ms;
        let touched = self.bonds.keys().filter(|(of, _)| *of == account);
        let mut candidates: BTreeSet<&str> = touched.map(|(_, person)| person.as_str()).collect();
        candidates.extend(people::close_people());
        let mut relations: Vec<(i64, &str)> = candidates
            .into_iter()
            .filter_map(|person| {
                let since_ms =
                    self.bond(&account, person, 1).connected_at_ms.filter(|since_ms| *since_ms <= shown_ms)?;
                Some((since_ms, person))
            })
            .collect();
        relations.sort_by(|a, b| b.cmp(a));
        page(call, "UserRelationsList", Bounds::RELATIONS, relations, |(since_ms, person)| {
            let profile = self.person(person);
            let id = people::provider_id(&account, person);
            json!({
                "object": "UserRelation", "first_name": profile.as_ref().map(|profile| &profile.first_name),
                "last_name": profile.as_ref().map(|profile| &profile.last_name),
                "headline": profile.as_ref().map(Profile::headline), "public_identifier": person,
                "public_profile_url": format!("https://www.linkedin.com/in/{person}/"), "created_at": since_ms,
                "member_id": id, "member_urn": format!("urn:li:member:{id}"),
                "connection_urn": format!("urn:li:fsd_connection:{id}"),
            })
        })
    }

    /// Open invitations and connections that came of one or were made by hand.
    pub(super) fn bond_counts(&self, now_ms: i64) -> Value {
        let count = |is_meant: &dyn Fn(&Bond) -> bool| self.bonds.values().filter(|bond| is_meant(bond)).count();
        let ended = |ending| {
            let invitations = self.bonds.values().flat_map(|bond| &bond.invitations);
            invitations.filter(|invitation| invitation.ended.is_some_and(|(_, how)| how == ending)).count()
        };
        json!({
            "pending": count(&|bond| bond.open_invitation(now_ms).is_some()),
            "accepted": ended(Ending::Accepted), "declined": ended(Ending::Declined), "withdrawn": ended(Ending::Withdrawn),
            "connected": count(&|bond| bond.connected_at_ms.is_some()),
        })
    }
}
