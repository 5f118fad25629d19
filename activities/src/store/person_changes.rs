//! Changes in people's working lives: what was told, what it did, and what is still a hint.

mod hints;

pub(crate) use hints::{Hint, Look};

use super::StoreError;
use super::buyer_groups::add_change;
use super::enrollments::end_enrollment;
use super::searches::to_json;
use super::touches::release_planned;
use leadflow_workflows::domain::ids::{BusinessId, EnrollmentId};
use leadflow_workflows::domain::outreach::EnrollmentState;
use leadflow_workflows::domain::people::is_same_business;
use leadflow_workflows::domain::person_change::{ChangeKind, Consequence};
use leadflow_workflows::{buyer_group, enrollment};
use sqlx::AnyConnection;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Companies that one name or domain may mean. More are a chain's branches: nobody knows which of them is meant, and every
/// one of them would be refreshed for money.
const ALIKE_AT_MOST: u8 = 3;

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
    /// When it happened; never later than now.
    pub(crate) occurred_at_ms: i64,
    pub(crate) now_ms: i64,
}

/// What a change did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangeEffect {
    pub(crate) text: String,
    /// Ids of the workflows that are to look.
    pub(crate) tell: Vec<String>,
}

/// Writes down a change of a person whose row is locked, and lets it have its effect, unless something newer has had its own.
/// Of a hint only the companies are told, whose refresh looks into it.
pub(crate) async fn add_person_change(
    transaction: &mut AnyConnection,
    new: &NewChange<'_>,
) -> Result<ChangeEffect, StoreError> {
    let id = Uuid::now_v7().to_string();
    sqlx::query(
        "INSERT INTO person_changes (id, tenant, person_id, kind, source, company, company_domain, title, was_company, \
         was_title, state, effect, tell, told_at_ms, occurred_at_ms) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, company, title, 'open', '', '[]', $9, $10 FROM persons \
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
    .bind(new.occurred_at_ms)
    .execute(&mut *transaction)
    .await?;
    if is_outdated(transaction, new).await? {
        let text = "older than what is known of the person by now: it is only noted".to_owned();
        let effect = ChangeEffect { text, tell: Vec::new() };
        note(transaction, new.tenant, &id, "outdated", &effect, Some(new.now_ms)).await?;
        return Ok(effect);
    }
    if !new.is_hint {
        let effect = take_effect(transaction, new, &id).await?;
        note(transaction, new.tenant, &id, "applied", &effect, Some(new.now_ms)).await?;
        return Ok(effect);
    }
    let cause = format!("a hint that somebody {}", new.kind);
    let mut tell = Vec::new();
    let companies = companies(transaction, new).await?;
    for company in companies.all() {
        add_change(transaction, new.tenant, company, Some(&id), &cause, new.now_ms).await?;
        tell.push(buyer_group::workflow_id(&BusinessId(company.to_owned())));
    }
    let text = if tell.is_empty() && companies.is_unclear {
        format!("a hint: {}", unclear_company())
    } else if tell.is_empty() {
        "a hint about somebody at no company known here: nothing is done on a hint alone".to_owned()
    } else {
        format!("a hint; the refresh of {} looks into it", counted(tell.len(), "company", "companies"))
    };
    let effect = ChangeEffect { text, tell };
    note(transaction, new.tenant, &id, "open", &effect, None).await?;
    Ok(effect)
}

/// Tells the companies of a name or domain that something has happened there; the ids of their workflows. `None` when too
/// many go by it, of which none is told.
pub(crate) async fn add_company_change(
    transaction: &mut AnyConnection,
    tenant: &str,
    company: NewJob<'_>,
    cause: &str,
    now_ms: i64,
) -> Result<Option<Vec<String>>, StoreError> {
    let Named::These(ids) = named(transaction, tenant, company, None).await? else { return Ok(None) };
    let mut tell = Vec::new();
    for business_id in ids {
        add_change(transaction, tenant, &business_id, None, cause, now_ms).await?;
        tell.push(buyer_group::workflow_id(&BusinessId(business_id)));
    }
    Ok(Some(tell))
}

/// Why no company is told.
pub(crate) fn unclear_company() -> String {
    format!("more than {ALIKE_AT_MOST} companies here go by what was told, and none is looked at for it")
}

/// Whether something newer of the person has had its effect, since vendors deliver in any order. What does not say where they
/// work makes no change of that old; a look at their profile showed what held at that moment.
async fn is_outdated(transaction: &mut AnyConnection, new: &NewChange<'_>) -> Result<bool, StoreError> {
    let is_about_work = new.kind.consequence() == Consequence::Stop;
    let newest_ms: Option<i64> = sqlx::query_scalar(
        "SELECT MAX(CASE state WHEN 'confirmed' THEN decided_at_ms ELSE COALESCE(occurred_at_ms, told_at_ms) END) \
         FROM person_changes WHERE tenant = $1 AND person_id = $2 AND state IN ('applied', 'confirmed') \
         AND ($3 = 0 OR kind IN ('job_changed', 'left_company') OR company IS NOT NULL)",
    )
    .bind(new.tenant)
    .bind(new.person_id)
    .bind(i64::from(is_about_work))
    .fetch_one(transaction)
    .await?;
    Ok(newest_ms.is_some_and(|newest_ms| new.occurred_at_ms < newest_ms))
}

/// The companies that a change concerns.
struct Companies {
    /// Where the person was, or is if they stay.
    old: BTreeSet<String>,
    /// Where they went.
    new: BTreeSet<String>,
    /// Too many go by what was told.
    is_unclear: bool,
}

/// The companies that somebody means by a domain or a name.
enum Named {
    These(BTreeSet<String>),
    /// More than [`ALIKE_AT_MOST`].
    TooMany,
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
    let mut text = format!("{cause}: enrollments {done}: {ended}; {groups} looked at again");
    if companies.is_unclear {
        text = format!("{text}; {}", unclear_company());
    }
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
        Consequence::Pause => Named::These(BTreeSet::new()),
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
    let mut is_unclear = false;
    let went = match went {
        Named::These(ids) => ids,
        Named::TooMany => {
            is_unclear = true;
            // One of them for certain: where the person is known.
            ids_of(&known, |name| new.job.company.is_some_and(|company| is_same_business(company, name)))
        }
    };
    // A lead of long ago, at a company that the person had left before, is no news there.
    let mut old = ids_of(&known, |name| employer.is_empty() || is_same_business(&employer, name));
    match named(transaction, new.tenant, new.left, Some(&source)).await? {
        Named::These(ids) => old.extend(ids),
        Named::TooMany => is_unclear |= old.is_empty(),
    }
    old.retain(|id| !went.contains(id));
    Ok(Companies { old, new: went, is_unclear })
}

/// Of companies by id and name, the ids of those whose name is meant.
fn ids_of(companies: &[(String, String)], is_meant: impl Fn(&str) -> bool) -> BTreeSet<String> {
    companies.iter().filter(|(_, name)| is_meant(name)).map(|(id, _)| id.clone()).collect()
}

/// The companies of a domain, or else of a name, unless too many go by it.
async fn named(
    transaction: &mut AnyConnection,
    tenant: &str,
    job: NewJob<'_>,
    source: Option<&str>,
) -> Result<Named, StoreError> {
    let mut found = Named::These(BTreeSet::new());
    for (sql, key) in [
        (
            "SELECT id FROM businesses WHERE tenant = $1 AND domain = $2 AND ($3 IS NULL OR source = $3) LIMIT $4",
            job.domain,
        ),
        (
            "SELECT id FROM businesses WHERE tenant = $1 AND LOWER(name) = LOWER($2) AND ($3 IS NULL OR source = $3) \
             LIMIT $4",
            job.company,
        ),
    ] {
        let Some(key) = key else { continue };
        let ids: Vec<String> = sqlx::query_scalar(sql)
            .bind(tenant)
            .bind(key)
            .bind(source)
            .bind(i64::from(ALIKE_AT_MOST) + 1)
            .fetch_all(&mut *transaction)
            .await?;
        if ids.len() > usize::from(ALIKE_AT_MOST) {
            found = Named::TooMany;
        } else if !ids.is_empty() {
            return Ok(Named::These(ids.into_iter().collect()));
        }
    }
    Ok(found)
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
