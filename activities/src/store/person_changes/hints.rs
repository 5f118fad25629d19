//! Hints: what anybody could have written of somebody, until a look at their own profile decides it.

use super::{ChangeEffect, NewChange, NewJob, note, take_effect};
use crate::store::enrollments::lock_person;
use crate::store::persons::read_profile;
use crate::store::searches::from_json;
use crate::store::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::people::Profile;
use leadflow_workflows::domain::person_change::{ChangeKind, Verdict};
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::BTreeSet;

/// Refreshes that look into a hint before it is given up.
const LOOKS_AT_MOST: i64 = 3;

/// A hint that a refresh is to look into.
#[derive(Clone, Debug)]
pub(crate) struct Hint {
    pub(crate) id: String,
    pub(crate) person_id: String,
    pub(crate) kind: ChangeKind,
    /// As they were known before.
    pub(crate) profile: Profile,
}

/// What a refresh has seen of the person of a hint. Instants are UTC milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    /// Their profile, or why there is none that could decide the hint, without personal data.
    pub(crate) seen: Result<&'a Profile, &'static str>,
    /// When the refresh began.
    pub(crate) since_ms: i64,
    pub(crate) now_ms: i64,
}

impl Store {
    /// The hints about people of a company that the refresh which began at `since_ms` is to look into: those that have
    /// waited longest for a look, at most so many over all attempts of the refresh.
    pub(crate) async fn open_hints(
        &self,
        tenant: &str,
        business_id: &str,
        since_ms: i64,
        at_most: u8,
    ) -> Result<Vec<Hint>, StoreError> {
        // What an earlier attempt has looked into comes first, so that it counts.
        let rows = sqlx::query(
            "SELECT h.id, h.person_id, h.kind, h.state, h.looked_at_ms, \
             COALESCE(p.linkedin_public_id, '') AS public_id, p.first_name, p.last_name, h.was_title AS title, \
             h.was_company AS company, p.location FROM person_changes h \
             JOIN persons p ON p.id = h.person_id AND p.tenant = h.tenant \
             WHERE h.tenant = $1 AND p.removed_at_ms IS NULL AND (h.state = 'open' OR h.looked_at_ms >= $3) AND h.id IN \
             (SELECT person_change_id FROM buyer_group_changes WHERE tenant = $1 AND business_id = $2) \
             ORDER BY CASE WHEN h.looked_at_ms >= $3 THEN 0 ELSE 1 END, COALESCE(h.looked_at_ms, 0), h.told_at_ms, h.id \
             LIMIT $4",
        )
        .bind(tenant)
        .bind(business_id)
        .bind(since_ms)
        .bind(i64::from(at_most))
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let mut due = Vec::new();
        for row in &rows {
            let looked_at_ms: Option<i64> = row.try_get("looked_at_ms")?;
            if row.try_get::<String, _>("state")? == "open" && looked_at_ms.is_none_or(|at_ms| at_ms < since_ms) {
                due.push(read_hint(row)?);
            }
        }
        Ok(due)
    }

    /// Notes that a company's refresh has looked into a hint, and decides it by what was seen: it has its effect if the
    /// person's own profile bears it out, and is given up when no look decides it.
    ///
    /// Safe to repeat: a refresh looks once, and a hint is decided once.
    pub(crate) async fn note_look(
        &self,
        tenant: &str,
        business_id: &str,
        hint: &Hint,
        look: Look<'_>,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                lock_person(transaction, self.for_update(), tenant, &hint.person_id).await?;
                let looks: Option<i64> = sqlx::query_scalar(
                    "UPDATE person_changes SET looks = looks + 1, looked_at_ms = $3 WHERE tenant = $1 AND id = $2 \
                     AND state = 'open' AND (looked_at_ms IS NULL OR looked_at_ms < $4) RETURNING looks",
                )
                .bind(tenant)
                .bind(&hint.id)
                // This machine's clock may be behind that of the one where the refresh began.
                .bind(look.now_ms.max(look.since_ms))
                .bind(look.since_ms)
                .fetch_optional(&mut **transaction)
                .await?;
                let Some(looks) = looks else { return Ok(()) };
                let verdict = hint.kind.verdict(&hint.profile.company, &hint.profile.title, look.seen.ok());
                let nobody_told = |text: String| ChangeEffect { text, tell: Vec::new() };
                let (state, effect) = match (verdict, look.seen) {
                    (Verdict::Confirmed, Ok(seen)) => {
                        let job = NewJob {
                            company: Some(seen.company.as_str()).filter(|text| !text.is_empty()),
                            domain: None,
                            title: Some(seen.title.as_str()).filter(|text| !text.is_empty()),
                        };
                        let new = NewChange {
                            tenant,
                            person_id: &hint.person_id,
                            kind: hint.kind,
                            source: "",
                            job,
                            left: NewJob::default(),
                            is_hint: false,
                            found_by: Some(business_id),
                            occurred_at_ms: look.now_ms,
                            now_ms: look.now_ms,
                        };
                        ("confirmed", take_effect(transaction, &new, &hint.id).await?)
                    }
                    (Verdict::Refuted, _) => ("refuted", nobody_told("the profile shows nothing of it".to_owned())),
                    _ if looks < LOOKS_AT_MOST => return Ok(()),
                    (_, seen) => {
                        let why = seen.err().unwrap_or("the profile shows no employer");
                        ("given_up", nobody_told(format!("given up after {looks} looks: {why}")))
                    }
                };
                note(transaction, tenant, &hint.id, state, &effect, Some(look.now_ms)).await
            }
            .boxed()
        })
        .await
    }

    /// The workflows that hints of a company have concerned since `since_ms`: told once more by a repeat.
    pub(crate) async fn decided_since(
        &self,
        tenant: &str,
        business_id: &str,
        since_ms: i64,
    ) -> Result<BTreeSet<String>, StoreError> {
        let tells: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT h.tell FROM person_changes h JOIN buyer_group_changes c \
             ON c.person_change_id = h.id AND c.tenant = h.tenant \
             WHERE h.tenant = $1 AND c.business_id = $2 AND h.state = 'confirmed' AND h.decided_at_ms >= $3",
        )
        .bind(tenant)
        .bind(business_id)
        .bind(since_ms)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let mut all = BTreeSet::new();
        for tell in &tells {
            all.extend(from_json::<Vec<String>>(tell)?);
        }
        Ok(all)
    }
}

fn read_hint(row: &AnyRow) -> Result<Hint, StoreError> {
    let kind: String = row.try_get("kind")?;
    Ok(Hint {
        id: row.try_get("id")?,
        person_id: row.try_get("person_id")?,
        kind: ChangeKind::named(&kind).ok_or_else(|| StoreError::unreadable("kind"))?,
        profile: read_profile(row)?,
    })
}
