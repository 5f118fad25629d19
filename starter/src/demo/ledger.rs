//! What the sandbox has on its books: the demo's independent witness.

use leadflow_activities::store::leads::Lead;
use leadflow_sandbox::{Delivery, EffectEntry, EffectKind, LedgerEntry};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Calls by provider, all of them.
pub(super) fn calls(entries: &[LedgerEntry]) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    for entry in entries {
        *calls.entry(provider(entry)).or_default() += 1;
    }
    calls
}

/// What all calls together were billed.
pub(super) fn billed(entries: &[LedgerEntry]) -> u64 {
    entries.iter().map(|entry| entry.billed_microusd).sum()
}

/// Requests that were billed more than once: a call that a killed worker had in flight.
pub(super) fn paid_twice(entries: &[LedgerEntry]) -> u64 {
    let mut times: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.billed_microusd > 0) {
        *times.entry((&entry.operation, &entry.request_hash)).or_default() += 1;
    }
    times.values().map(|times| times - 1).sum()
}

fn provider(entry: &LedgerEntry) -> String {
    serde_json::to_value(entry.provider).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What reached people, by what they saw themselves. Visits of their profiles are no contacts.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Witness {
    pub(super) people: usize,
    pub(super) invitations: usize,
    pub(super) messages: usize,
    pub(super) emails: usize,
    /// Messages or mails that somebody got twice, and second invitations.
    pub(super) twice: usize,
    /// Contacts that began after the person's reply had been taken in.
    pub(super) after_reply: usize,
}

impl Witness {
    pub(super) fn contacts(&self) -> usize {
        self.invitations + self.messages + self.emails
    }
}

/// What people saw of us, without looks at their profiles.
pub(super) fn contacts(effects: &[EffectEntry]) -> impl Iterator<Item = &EffectEntry> {
    effects.iter().filter(|entry| entry.effect.kind != EffectKind::ProfileView)
}

/// Counts what reached these leads, who are known by profile and by address.
pub(super) fn witness(effects: &[EffectEntry], deliveries: &[Delivery], leads: &[Lead]) -> Witness {
    let mut person_of: BTreeMap<String, &str> = BTreeMap::new();
    for lead in leads {
        for key in [Some(&lead.linkedin_public_id), lead.email.as_ref()].into_iter().flatten() {
            person_of.insert(key.to_lowercase(), &lead.person_id);
        }
    }
    let who = |key: &str| {
        let key = key.to_lowercase();
        person_of.get(&key).map_or(key, |person| (*person).to_owned())
    };
    let mut replied: BTreeMap<String, i64> = BTreeMap::new();
    for delivery in deliveries.iter().filter(|delivery| is_reply(delivery)) {
        if let (Some(person), Some(answered_us)) = (&delivery.person, delivery.answered_real_us) {
            let first = replied.entry(who(person)).or_insert(answered_us);
            *first = answered_us.min(*first);
        }
    }
    let (mut people, mut seen, mut witness) = (BTreeSet::new(), BTreeSet::new(), Witness::default());
    for entry in contacts(effects) {
        let (effect, person) = (&entry.effect, who(&entry.effect.person));
        *match effect.kind {
            EffectKind::Invite => &mut witness.invitations,
            EffectKind::Email => &mut witness.emails,
            EffectKind::Message | EffectKind::InMail | EffectKind::ProfileView => &mut witness.messages,
        } += 1;
        let text = effect.text.as_deref().filter(|_| effect.kind != EffectKind::Invite);
        witness.twice += usize::from(!seen.insert((person.clone(), effect.kind, text)));
        witness.after_reply +=
            usize::from(replied.get(&person).is_some_and(|replied_us| entry.real_at_us > *replied_us));
        people.insert(person);
    }
    witness.people = people.len();
    witness
}

/// Whether somebody's answer, but not an absence note or a bounce, was taken in.
fn is_reply(delivery: &Delivery) -> bool {
    matches!(delivery.kind.as_str(), "positive" | "negative" | "question" | "opt_out" | "by_request")
        && delivery.status.is_some_and(|status| (200..300).contains(&status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use leadflow_sandbox::Effect;

    fn effect(kind: EffectKind, person: &str, text: &str, real_at_us: i64) -> EffectEntry {
        let effect = Effect {
            account_id: "acc_li_1".into(),
            person: person.into(),
            kind,
            text: Some(text.into()),
            message_id: None,
            invitation_id: None,
            idempotency_key: None,
        };
        EffectEntry { seq: 0, at_ms: 0, real_at_us, effect }
    }

    fn reply(person: &str, kind: &str, answered_real_us: i64, status: u16) -> Delivery {
        Delivery {
            webhook_id: "w".into(),
            event: "message_received".into(),
            account_id: "acc_li_1".into(),
            person: Some(person.into()),
            kind: kind.into(),
            message_id: None,
            copy: 1,
            attempt: 1,
            happened_at_ms: 0,
            sent_at_ms: 0,
            answered_at_ms: None,
            answered_real_us: Some(answered_real_us),
            status: Some(status),
            is_lost: false,
        }
    }

    #[test]
    fn doubled_and_late_contacts_are_found() {
        use EffectKind::{Email, Invite, Message, ProfileView};
        let clean = [
            effect(ProfileView, "sim-a", "", 1),
            effect(ProfileView, "sim-a", "", 2),
            effect(Invite, "sim-a", "hi", 3),
            effect(Message, "sim-a", "one", 4),
            effect(Message, "sim-a", "two", 5),
            effect(Email, "b@b.example", "one", 6),
        ];
        let replies = [reply("sim-a", "question", 6, 200), reply("b@b.example", "out_of_office", 1, 200)];
        let expected = Witness { people: 2, invitations: 1, messages: 2, emails: 1, twice: 0, after_reply: 0 };
        assert_eq!(witness(&clean, &replies, &[]), expected);

        let bad = [
            effect(Invite, "sim-a", "hi", 1),
            effect(Invite, "Sim-A", "hello", 2),
            effect(Message, "sim-a", "one", 3),
            effect(Message, "sim-a", "one", 4),
            effect(Email, "b@b.example", "one", 5),
            effect(Email, "b@b.example", "one", 9),
        ];
        let replies = [reply("b@b.example", "positive", 5, 500), reply("b@b.example", "positive", 7, 200)];
        let found = witness(&bad, &replies, &[]);
        assert_eq!((found.twice, found.after_reply), (3, 1));
    }
}
