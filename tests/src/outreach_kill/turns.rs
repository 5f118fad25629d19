//! Whether campaigns have taken turns with the people whom they share.

use super::Running;
use crate::field::address_of;
use crate::lab::Lab;
use anyhow::Context;
use leadflow_activities::store::enrollments::Enrollment;
use leadflow_clock::Clock;
use leadflow_sandbox::{EffectEntry, EffectKind};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Ids and clocks show whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(2);

/// People who were in two campaigns at once, or whom one contacted between contacts of another, as the store and as the
/// people have it.
pub(super) async fn out_of_turn(
    lab: &Lab,
    campaigns: &[Running],
    enrollments: &[Enrollment],
) -> anyhow::Result<Vec<String>> {
    let mut contacts = BTreeMap::<String, Vec<EffectEntry>>::new();
    for entry in lab.sandbox().effects().into_iter().filter(|entry| entry.effect.kind != EffectKind::ProfileView) {
        contacts.entry(entry.effect.person.to_lowercase()).or_default().push(entry);
    }
    let mut by_person = BTreeMap::<&str, Vec<&Enrollment>>::new();
    for enrollment in enrollments {
        by_person.entry(&enrollment.person_id).or_default().push(enrollment);
    }
    let mut problems = Vec::new();
    let now = (SystemTime::now(), lab.stack.clock.now_ms());
    for (person, theirs) in by_person {
        let mut spans = Vec::new();
        for enrollment in &theirs {
            spans.push(span(lab.stack.clock, now, enrollment)?);
        }
        if overlap(spans) {
            problems.push(format!("{person} was in two campaigns at once: {theirs:?}"));
        }
        let mut keys = BTreeSet::new();
        for enrollment in &theirs {
            let lead = lab.stack.store.lead(lab.tenant(), &enrollment.lead_id).await?.context("the lead is stored")?;
            keys.insert(lead.linkedin_public_id.to_lowercase());
            let touches = lab.stack.store.touches(lab.tenant(), &enrollment.id).await?;
            keys.extend(touches.iter().filter_map(address_of).map(|address| address.to_lowercase()));
        }
        let mut seen: Vec<&EffectEntry> = keys.iter().filter_map(|key| contacts.get(key)).flatten().collect();
        seen.sort_by_key(|entry| entry.seq);
        let mut turns = Vec::new();
        for entry in seen {
            let by = campaigns.iter().find(|campaign| campaign.senders.contains(&entry.effect.account_id));
            turns.push(by.map_or("an account of no campaign", |campaign| campaign.name));
        }
        if come_back(&turns) {
            problems.push(format!("{person} was contacted in turns by {turns:?}"));
        }
    }
    Ok(problems)
}

/// From when until when somebody was in a campaign. Its steps may be reckoned from before it was written, so its id tells
/// when that was.
fn span(clock: Clock, (now, now_ms): (SystemTime, i64), enrollment: &Enrollment) -> anyhow::Result<(i64, i64)> {
    let written = Uuid::parse_str(&enrollment.id)?.get_timestamp().context("the id has a time")?;
    let (seconds, nanoseconds) = written.to_unix();
    let age = now.duration_since(UNIX_EPOCH + Duration::new(seconds, nanoseconds))?;
    let from_ms = now_ms - clock.virtual_ms(age.saturating_sub(ROUNDING));
    Ok((from_ms, enrollment.ended_at_ms.unwrap_or(i64::MAX)))
}

fn overlap(mut spans: Vec<(i64, i64)>) -> bool {
    spans.sort_unstable();
    spans.windows(2).any(|pair| pair[0].1 > pair[1].0)
}

/// Whether somebody's turn comes after another's that came after theirs.
fn come_back(turns: &[&str]) -> bool {
    let mut in_order = turns.to_vec();
    in_order.dedup();
    let different: BTreeSet<&str> = in_order.iter().copied().collect();
    in_order.len() > different.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_ends_when_the_next_begins_does_not_overlap() {
        assert!(!overlap(vec![(20, 30), (10, 20)]));
        assert!(overlap(vec![(10, 21), (20, 30)]));
        assert!(overlap(vec![(20, 30), (10, i64::MAX)]), "an open one lasts");
    }

    #[test]
    fn a_turn_that_comes_back_is_seen() {
        assert!(!come_back(&[]));
        assert!(!come_back(&["first", "first", "second"]));
        assert!(come_back(&["first", "second", "second", "first"]));
    }
}
