//! Changes in people's working lives: what was told, what it did, and what is still a hint.

use super::buyer_groups::add_change;
use super::enrollments::{end_enrollment, lock_person};
use super::searches::{from_json, to_json};
use super::touches::release_planned;
use super::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::ids::{BusinessId, EnrollmentId};
use leadflow_workflows::domain::outreach::EnrollmentState;
use leadflow_workflows::domain::people::{Profile, is_same_business};
use leadflow_workflows::domain::person_change::{ChangeKind, Consequence, Verdict};
use leadflow_workflows::{buyer_group, enrollment};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Where a person works now, as somebody told it. What was not told is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NewJob<'a> {
    pub(crate) company: Option<&'a str>,
    /// A host without `www.`, in lower case.
    pub(crate) domain: Option<&'a str>,
    pub(crate) title: Option<&'a str>,
}

/// A change to write down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewChange<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) person_id: &'a str,
    pub(crate) kind: ChangeKind,
    pub(crate) source: &'a str,
    pub(crate) job: NewJob<'a>,
    /// Where they worked before, beside what is known here.
    pub(crate) left: NewJob<'a>,
    /// It counts when a pull has confirmed it.
    pub(crate) is_hint: bool,
    /// The company whose refresh has found it out, and which needs no telling.
    pub(crate) found_by: Option<&'a str>,
    pub(crate) now_ms: i64,
}

/// What a change did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangeEffect {
    pub(crate) text: String,
    /// Ids of the workflows that are to look.
    pub(crate) tell: Vec<String>,
}

/// A hint that a refresh is to look into.
#[derive(Clone, Debug)]
pub(crate) struct Hint {
    pub(crate) id: String,
    pub(crate) person_id: String,
    pub(crate) kind: ChangeKind,
    /// As they were known before.
    pub(crate) profile: Profile,
}

impl Store {
    /// The hints about people of a company that nobody has confirmed yet, the oldest first.
    pub(crate) async fn open_hints(&self, tenant: &str, business_id: &str) -> Result<Vec<Hint>, StoreError> {
        let rows = sqlx::query(
            "SELECT DISTINCT h.id, h.person_id, h.kind, h.told_at_ms, COALESCE(p.linkedin_public_id, '') AS public_id, \
             p.first_name, p.last_name, h.was_title AS title, h.was_company AS company, p.location \
             FROM person_changes h JOIN buyer_group_changes c ON c.person_change_id = h.id AND c.tenant = h.tenant \
             JOIN persons p ON p.id = h.person_id AND p.tenant = h.tenant \
             WHERE h.tenant = $1 AND c.business_id = $2 AND h.state = 'open' AND p.removed_at_ms IS NULL \
             ORDER BY h.told_at_ms, h.id",
        )
        .bind(tenant)
        .bind(business_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(read_hint).collect()
    }

    /// Decides a hint in a company's refresh by what the person's own profile shows, and lets it have its effect if that bears it out.
    ///
    /// Safe to repeat: a hint is decided once.
    pub(crate) async fn decide_hint(
        &self,
        tenant: &str,
        business_id: &str,
        hint: &Hint,
        verdict: Verdict,
        seen: &Profile,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                lock_person(transaction, self.for_update(), tenant, &hint.person_id).await?;
                let state: Option<String> =
                    sqlx::query_scalar("SELECT state FROM person_changes WHERE tenant = $1 AND id = $2")
                        .bind(tenant)
                        .bind(&hint.id)
                        .fetch_optional(&mut **transaction)
                        .await?;
                if state.as_deref() != Some("open") {
                    return Ok(());
                }
                let (state, effect) = match verdict {
                    Verdict::Open => return Ok(()),
                    Verdict::Refuted => {
                        let text = "the profile shows nothing of it".to_owned();
                        ("refuted", ChangeEffect { text, tell: Vec::new() })
                    }
                    Verdict::Confirmed => {
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
                            now_ms,
                        };
                        ("confirmed", take_effect(transaction, &new, &hint.id).await?)
                    }
                };
                note(transaction, tenant, &hint.id, state, &effect, Some(now_ms)).await
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

/// Writes down a change of a person whose row is locked, and lets it have its effect, unless it is a hint: then only the
/// companies are told, whose refresh looks into it.
pub(crate) async fn add_person_change(
    transaction: &mut AnyConnection,
    new: &NewChange<'_>,
) -> Result<ChangeEffect, StoreError> {
    let id = Uuid::now_v7().to_string();
    sqlx::query(
        "INSERT INTO person_changes (id, tenant, person_id, kind, source, company, company_domain, title, was_company, \
         was_title, state, effect, tell, told_at_ms) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, company, title, 'open', '', '[]', $9 FROM persons \
         WHERE tenant = $2 AND id = $3",
    )
    .bind(&id)
    .bind(new.tenant)
    .bind(new.person_id)
    .bind(new.kind.name())
    .bind(new.source)
    .bind(new.job.company)
    .bind(new.job.domain)
    .bind(new.job.title)
    .bind(new.now_ms)
    .execute(&mut *transaction)
    .await?;
    if !new.is_hint {
        let effect = take_effect(transaction, new, &id).await?;
        note(transaction, new.tenant, &id, "applied", &effect, Some(new.now_ms)).await?;
        return Ok(effect);
    }
    let cause = format!("a hint that somebody {}", new.kind);
    let mut tell = Vec::new();
    for company in companies(transaction, new).await?.all() {
        add_change(transaction, new.tenant, company, Some(&id), &cause, new.now_ms).await?;
        tell.push(buyer_group::workflow_id(&BusinessId(company.to_owned())));
    }
    let text = if tell.is_empty() {
        "a hint about somebody at no company known here: nothing is done on a hint alone".to_owned()
    } else {
        format!("a hint; the refresh of {} looks into it", counted(tell.len(), "company", "companies"))
    };
    let effect = ChangeEffect { text, tell };
    note(transaction, new.tenant, &id, "open", &effect, None).await?;
    Ok(effect)
}

/// Tells the companies of a name or domain that something has happened there; the ids of their workflows.
pub(crate) async fn add_company_change(
    transaction: &mut AnyConnection,
    tenant: &str,
    company: NewJob<'_>,
    cause: &str,
    now_ms: i64,
) -> Result<Vec<String>, StoreError> {
    let mut tell = Vec::new();
    for business_id in named(transaction, tenant, company, None).await? {
        add_change(transaction, tenant, &business_id, None, cause, now_ms).await?;
        tell.push(buyer_group::workflow_id(&BusinessId(business_id)));
    }
    Ok(tell)
}

/// The companies that a change concerns.
struct Companies {
    /// Where the person was, or is if they stay.
    old: BTreeSet<String>,
    /// Where they went.
    new: BTreeSet<String>,
}

impl Companies {
    fn all(&self) -> impl Iterator<Item = &str> {
        self.old.union(&self.new).map(String::as_str)
    }
}

/// Employment, enrollments and groups, in one transaction.
async fn take_effect(
    transaction: &mut AnyConnection,
    new: &NewChange<'_>,
    change_id: &str,
) -> Result<ChangeEffect, StoreError> {
    let companies = companies(transaction, new).await?;
    employ(transaction, new).await?;
    let cause = format!("the person {}", new.kind);
    let mut tell = Vec::new();
    let mut ended = 0;
    let leaves = new.kind.consequence() == Consequence::Stop;
    for (id, business_id) in open_enrollments(transaction, new.tenant, new.person_id).await? {
        let changed = if leaves {
            // Somebody who is a lead at the company they went to is right there.
            !companies.new.contains(&business_id) && stop(transaction, new, &id, &cause).await?
        } else {
            pause(transaction, new.tenant, &id, &cause).await?
        };
        if changed {
            ended += 1;
            tell.push(enrollment::workflow_id(&EnrollmentId(id)));
        }
    }
    for company in companies.all() {
        if leaves && companies.old.contains(company) {
            leave(transaction, new, company).await?;
        }
        if new.found_by == Some(company) {
            continue;
        }
        let cause = format!("somebody {}", new.kind);
        add_change(transaction, new.tenant, company, Some(change_id), &cause, new.now_ms).await?;
        tell.push(buyer_group::workflow_id(&BusinessId(company.to_owned())));
    }
    let done = if leaves { "stopped" } else { "paused" };
    let groups = counted(companies.all().count(), "company is", "companies are");
    let text = format!("{cause}: enrollments {done}: {ended}; {groups} looked at again");
    Ok(ChangeEffect { text, tell })
}

/// Where a person was and is, among the companies that are known here and have the person's source.
async fn companies(transaction: &mut AnyConnection, new: &NewChange<'_>) -> Result<Companies, StoreError> {
    let (source, employer): (String, String) =
        sqlx::query_as("SELECT source, company FROM persons WHERE tenant = $1 AND id = $2")
            .bind(new.tenant)
            .bind(new.person_id)
            .fetch_one(&mut *transaction)
            .await?;
    let went = match new.kind.consequence() {
        Consequence::Stop => named(transaction, new.tenant, new.job, Some(&source)).await?,
        Consequence::Pause => BTreeSet::new(),
    };
    let known: Vec<(String, String)> = sqlx::query_as(
        "SELECT b.id, b.name FROM businesses b WHERE b.tenant = $1 AND b.source = $3 AND b.id IN \
         (SELECT business_id FROM buyer_group_members WHERE tenant = $1 AND person_id = $2 AND left_at_ms IS NULL \
          UNION SELECT business_id FROM leads WHERE tenant = $1 AND person_id = $2) ORDER BY b.id",
    )
    .bind(new.tenant)
    .bind(new.person_id)
    .bind(&source)
    .fetch_all(&mut *transaction)
    .await?;
    // A lead of long ago, at a company that the person had left before, is no news there.
    let there = |name: &str| employer.is_empty() || is_same_business(&employer, name);
    let mut old: BTreeSet<String> = known.into_iter().filter(|(_, name)| there(name)).map(|(id, _)| id).collect();
    old.extend(named(transaction, new.tenant, new.left, Some(&source)).await?);
    old.retain(|id| !went.contains(id));
    Ok(Companies { old, new: went })
}

/// The companies of a domain, or else of a name.
async fn named(
    transaction: &mut AnyConnection,
    tenant: &str,
    job: NewJob<'_>,
    source: Option<&str>,
) -> Result<BTreeSet<String>, StoreError> {
    for (sql, key) in [
        ("SELECT id FROM businesses WHERE tenant = $1 AND domain = $2 AND ($3 IS NULL OR source = $3)", job.domain),
        (
            "SELECT id FROM businesses WHERE tenant = $1 AND LOWER(name) = LOWER($2) AND ($3 IS NULL OR source = $3)",
            job.company,
        ),
    ] {
        let Some(key) = key else { continue };
        let ids: Vec<String> =
            sqlx::query_scalar(sql).bind(tenant).bind(key).bind(source).fetch_all(&mut *transaction).await?;
        if !ids.is_empty() {
            return Ok(ids.into_iter().collect());
        }
    }
    Ok(BTreeSet::new())
}

/// Keeps where a person works now. Who has left, and nobody says whereto, works nowhere that is known.
async fn employ(transaction: &mut AnyConnection, new: &NewChange<'_>) -> Result<(), StoreError> {
    let left = new.kind == ChangeKind::LeftCompany && new.job.company.is_none();
    sqlx::query(
        "UPDATE persons SET company = CASE WHEN $5 = 1 THEN '' ELSE COALESCE($3, company) END, \
         title = CASE WHEN $5 = 1 THEN '' ELSE COALESCE($4, title) END WHERE tenant = $1 AND id = $2",
    )
    .bind(new.tenant)
    .bind(new.person_id)
    .bind(new.job.company)
    .bind(new.job.title)
    .bind(i64::from(left))
    .execute(transaction)
    .await?;
    Ok(())
}

/// The open enrollments of a person, with the company of each lead.
async fn open_enrollments(
    transaction: &mut AnyConnection,
    tenant: &str,
    person_id: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let open = sqlx::query_as(
        "SELECT e.id, COALESCE(l.business_id, '') FROM enrollments e \
         LEFT JOIN leads l ON l.id = e.lead_id AND l.tenant = e.tenant \
         WHERE e.tenant = $1 AND e.person_id = $2 AND e.is_open = 1 ORDER BY e.id",
    )
    .bind(tenant)
    .bind(person_id)
    .fetch_all(transaction)
    .await?;
    Ok(open)
}

async fn stop(
    transaction: &mut AnyConnection,
    new: &NewChange<'_>,
    enrollment_id: &str,
    cause: &str,
) -> Result<bool, StoreError> {
    end_enrollment(transaction, new.tenant, enrollment_id, EnrollmentState::Stopped, cause, new.now_ms).await
}

/// Holds an enrollment until somebody has looked; one that is held keeps its cause.
async fn pause(
    transaction: &mut AnyConnection,
    tenant: &str,
    enrollment_id: &str,
    cause: &str,
) -> Result<bool, StoreError> {
    let paused = sqlx::query(
        "UPDATE enrollments SET paused = $3 WHERE tenant = $1 AND id = $2 AND is_open = 1 AND paused IS NULL",
    )
    .bind(tenant)
    .bind(enrollment_id)
    .bind(cause)
    .execute(&mut *transaction)
    .await?;
    if paused.rows_affected() == 0 {
        return Ok(false);
    }
    release_planned(transaction, tenant, enrollment_id).await?;
    Ok(true)
}

async fn leave(transaction: &mut AnyConnection, new: &NewChange<'_>, business_id: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE buyer_group_members SET left_at_ms = $4 \
         WHERE tenant = $1 AND business_id = $2 AND person_id = $3 AND left_at_ms IS NULL",
    )
    .bind(new.tenant)
    .bind(business_id)
    .bind(new.person_id)
    .bind(new.now_ms)
    .execute(transaction)
    .await?;
    Ok(())
}

async fn note(
    transaction: &mut AnyConnection,
    tenant: &str,
    id: &str,
    state: &str,
    effect: &ChangeEffect,
    decided_at_ms: Option<i64>,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE person_changes SET state = $3, effect = $4, tell = $5, decided_at_ms = $6 WHERE tenant = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(id)
    .bind(state)
    .bind(&effect.text)
    .bind(to_json(&effect.tell))
    .bind(decided_at_ms)
    .execute(transaction)
    .await?;
    Ok(())
}

fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

fn read_hint(row: &AnyRow) -> Result<Hint, StoreError> {
    let kind: String = row.try_get("kind")?;
    Ok(Hint {
        id: row.try_get("id")?,
        person_id: row.try_get("person_id")?,
        kind: ChangeKind::named(&kind).ok_or_else(|| StoreError::unreadable("kind"))?,
        profile: Profile {
            linkedin_public_id: row.try_get("public_id")?,
            first_name: row.try_get("first_name")?,
            last_name: row.try_get("last_name")?,
            title: row.try_get("title")?,
            company: row.try_get("company")?,
            location: row.try_get("location")?,
        },
    })
}
