//! Who belongs to a group: found by a search, known from a list, judged, looked up, gone.

use super::Company;
use crate::store::enrollments::lock_person;
use crate::store::leads::{FoundEmail, store_address};
use crate::store::persons::{FoundPerson, store_person};
use crate::store::searches::{from_json, to_json};
use crate::store::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::buyer_group::BuyerRole;
use leadflow_workflows::domain::people::{Profile, is_same_business};
use leadflow_workflows::domain::permits::DAY_MS;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeSet;

/// How long a search may show somebody at a company that they have left.
const SHOWN_AFTER_LEAVING_MS: i64 = 90 * DAY_MS;

/// A member who is there now.
#[derive(Clone, Debug)]
pub(crate) struct AtCompany {
    pub(crate) person_id: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) title: String,
    pub(crate) has_address: bool,
    /// Connected with an account of ours, or has answered.
    pub(crate) knows_us: bool,
    pub(crate) role: Option<BuyerRole>,
    pub(crate) asked_title: Option<String>,
    pub(crate) looked_up: bool,
}

/// A role that a member has been given.
#[derive(Clone, Debug)]
pub(crate) struct GivenRole {
    pub(crate) person_id: String,
    pub(crate) role: BuyerRole,
    /// `rule` or `model`.
    pub(crate) by: &'static str,
    pub(crate) because: String,
    pub(crate) asked: Asked,
}

/// Whether a model has been asked about a title.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Now(String),
    /// As before.
    NotNow,
}

impl Store {
    /// What the last search for people of a company found, and when, if it was made with this query.
    pub(crate) async fn group_search(
        &self,
        tenant: &str,
        cid: &str,
        query: &str,
    ) -> Result<Option<(Vec<Profile>, i64)>, StoreError> {
        let found: Option<(String, i64)> = sqlx::query_as(
            "SELECT profiles, searched_at_ms FROM people_searches WHERE tenant = $1 AND cid = $2 AND query = $3",
        )
        .bind(tenant)
        .bind(cid)
        .bind(query)
        .fetch_optional(self.read())
        .await
        .map_err(|error| self.error(error))?;
        found.map(|(profiles, at_ms)| Ok((from_json(&profiles)?, at_ms))).transpose()
    }

    /// When the newest change of a company was told; of those that are taken into a refresh or wait for one.
    pub(crate) async fn newest_change_ms(&self, tenant: &str, business_id: &str) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar(
            "SELECT MAX(at_ms) FROM buyer_group_changes \
             WHERE tenant = $1 AND business_id = $2 AND person_change_id IS NOT NULL",
        )
        .bind(tenant)
        .bind(business_id)
        .fetch_one(self.read())
        .await
        .map_err(|error| self.error(error))
    }

    /// Stores the people that a search found at a company, and those who are known there from leads.
    ///
    /// Safe to repeat: a person is once in a group, and keeps their role.
    pub(crate) async fn store_group(
        &self,
        tenant: &str,
        company: &Company,
        found: &[Profile],
        searched_at_ms: i64,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                let gone = gone_from(transaction, tenant, company, now_ms).await?;
                for profile in found.iter().filter(|profile| !gone.shown.contains(&profile.linkedin_public_id)) {
                    let person = FoundPerson { profile, email: None, timezone: None, source: &company.source };
                    let stored = store_person(transaction, self.for_update(), tenant, &person, now_ms).await?;
                    if !stored.is_removed {
                        join(transaction, tenant, &company.id, &stored.id, Some(searched_at_ms), now_ms).await?;
                    }
                }
                for (person_id, employer) in of_leads(transaction, tenant, &company.id).await? {
                    // A lead whose person has gone elsewhere since belongs to that group, and one who has left to none.
                    let is_there = employer.is_empty() || is_same_business(&employer, &company.name);
                    if is_there && !gone.leads.contains(&person_id) {
                        join(transaction, tenant, &company.id, &person_id, None, now_ms).await?;
                    }
                }
                leave_elsewhere(transaction, tenant, company, now_ms).await
            }
            .boxed()
        })
        .await
    }

    /// The members of a group who are there now, in the order in which they joined.
    pub(crate) async fn members_now(&self, tenant: &str, business_id: &str) -> Result<Vec<AtCompany>, StoreError> {
        let rows = sqlx::query(
            "SELECT m.person_id, p.first_name, p.last_name, p.title, p.email, m.role, m.asked_title, \
             m.looked_up_at_ms, \
             (SELECT COUNT(*) FROM account_people a WHERE a.tenant = $1 AND a.person_id = m.person_id \
              AND a.connected_at_ms IS NOT NULL) + \
             (SELECT COUNT(*) FROM replies r WHERE r.tenant = $1 AND r.person_id = m.person_id AND r.kind = 'reply') \
             AS knows_us \
             FROM buyer_group_members m JOIN persons p ON p.id = m.person_id AND p.tenant = m.tenant \
             WHERE m.tenant = $1 AND m.business_id = $2 AND m.left_at_ms IS NULL AND p.removed_at_ms IS NULL \
             ORDER BY m.joined_at_ms, m.person_id",
        )
        .bind(tenant)
        .bind(business_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let read = |row: &sqlx::any::AnyRow| {
            let role: Option<String> = row.try_get("role")?;
            Ok(AtCompany {
                person_id: row.try_get("person_id")?,
                first_name: row.try_get("first_name")?,
                last_name: row.try_get("last_name")?,
                title: row.try_get("title")?,
                has_address: row.try_get::<Option<String>, _>("email")?.is_some(),

                knows_us: row.try_get::<i64, _>("knows_us")? > 0,
                role: role.as_deref().and_then(BuyerRole::named),
                asked_title: row.try_get("asked_title")?,
                looked_up: row.try_get::<Option<i64>, _>("looked_up_at_ms")?.is_some(),
            })
        };
        rows.iter().map(read).collect()
    }

    pub(crate) async fn give_roles(
        &self,
        tenant: &str,
        business_id: &str,
        given: &[GivenRole],
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                for GivenRole { person_id, role, by, because, asked } in given {
                    let asked_title = match asked {
                        Asked::Now(title) => Some(title.as_str()),
                        Asked::NotNow => None,
                    };
                    sqlx::query(
                        "UPDATE buyer_group_members SET role = $4, role_by = $5, because = $6, \
                         asked_title = COALESCE($7, asked_title) \
                         WHERE tenant = $1 AND business_id = $2 AND person_id = $3",
                    )
                    .bind(tenant)
                    .bind(business_id)
                    .bind(person_id)
                    .bind(role.name())
                    .bind(*by)
                    .bind(because)
                    .bind(asked_title)
                    .execute(&mut **transaction)
                    .await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Notes what the look-up of a member's address brought, once. Returns the ids of the enrollments that ended because two
    /// persons turned out to be one.
    pub(crate) async fn store_contact(
        &self,
        tenant: &str,
        business_id: &str,
        person_id: &str,
        found: &FoundEmail,
        now_ms: i64,
    ) -> Result<Vec<String>, StoreError> {
        self.write(|transaction| {
            async move {
                let ended = match &found.email {
                    Some(email) => {
                        store_address(transaction, self.for_update(), tenant, person_id, email, found, now_ms).await?
                    }
                    None => Vec::new(),
                };
                sqlx::query(
                    "UPDATE buyer_group_members SET looked_up_at_ms = COALESCE(looked_up_at_ms, $4) \
                     WHERE tenant = $1 AND business_id = $2 AND person_id = $3",
                )
                .bind(tenant)
                .bind(business_id)
                .bind(person_id)
                .bind(now_ms)
                .execute(&mut **transaction)
                .await?;
                Ok(ended)
            }
            .boxed()
        })
        .await
    }

    /// Takes a person out who asked the address provider not to be processed. Returns the ids of the enrollments that this
    /// ended.
    pub(crate) async fn remove_member(
        &self,
        tenant: &str,
        person_id: &str,
        now_ms: i64,
    ) -> Result<Vec<String>, StoreError> {
        self.write(|transaction| {
            async move {
                lock_person(transaction, self.for_update(), tenant, person_id).await?;
                crate::store::persons::erase(transaction, tenant, person_id, now_ms).await
            }
            .boxed()
        })
        .await
    }

    pub(crate) async fn store_group_search(
        &self,
        tenant: &str,
        company: &Company,
        query: &str,
        profiles: &[Profile],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                // Of a search that found the company, because the table is read together with that.
                sqlx::query(
                    "INSERT INTO people_searches (tenant, cid, query, search_id, profiles, searched_at_ms) \
                     VALUES ($1, $2, $3, (SELECT COALESCE(MAX(search_id), '') FROM search_businesses \
                     WHERE tenant = $1 AND business_id = $6), $4, $5) \
                     ON CONFLICT (tenant, cid, query) DO UPDATE SET profiles = $4, searched_at_ms = $5",
                )
                .bind(tenant)
                .bind(&company.cid)
                .bind(query)
                .bind(to_json(profiles))
                .bind(now_ms)
                .bind(&company.id)
                .execute(&mut **transaction)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }
}

/// Who is a lead at a company, and where they work now.
async fn of_leads(
    transaction: &mut AnyConnection,
    tenant: &str,
    business_id: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let people = sqlx::query_as(
        "SELECT DISTINCT p.id, p.company FROM leads l JOIN persons p ON p.id = l.person_id AND p.tenant = l.tenant \
         WHERE l.tenant = $1 AND l.business_id = $2 AND p.removed_at_ms IS NULL AND p.merged_into IS NULL ORDER BY p.id",
    )
    .bind(tenant)
    .bind(business_id)
    .fetch_all(transaction)
    .await?;
    Ok(people)
}

/// Those who are known to have left a company, and of whom nothing newer is known.
#[derive(Debug, Default)]
struct Gone {
    /// Public ids of those who left lately: the web shows them there for a while.
    shown: BTreeSet<String>,
    /// Ids of those who are leads there, whenever they left: an old lead does not bring them back.
    leads: BTreeSet<String>,
}

async fn gone_from(
    transaction: &mut AnyConnection,
    tenant: &str,
    company: &Company,
    now_ms: i64,
) -> Result<Gone, StoreError> {
    let lately_ms = now_ms - SHOWN_AFTER_LEAVING_MS;
    // Where they went counts only as somebody signed it; of a hint a look has seen the truth, which is not here.
    let rows = sqlx::query(
        "SELECT h.person_id, p.linkedin_public_id, h.was_company, h.decided_at_ms, \
         CASE h.state WHEN 'applied' THEN h.company END AS went_to, \
         CASE h.state WHEN 'applied' THEN h.company_domain END AS went_to_domain FROM person_changes h \
         JOIN persons p ON p.id = h.person_id AND p.tenant = h.tenant \
         WHERE h.tenant = $1 AND h.kind IN ('job_changed', 'left_company') AND h.state IN ('applied', 'confirmed') \
         AND (h.decided_at_ms > $2 OR h.person_id IN \
         (SELECT person_id FROM leads WHERE tenant = $1 AND business_id = $3)) \
         AND NOT EXISTS (SELECT 1 FROM person_changes n WHERE n.tenant = h.tenant AND n.person_id = h.person_id \
         AND n.kind IN ('job_changed', 'left_company') AND n.state IN ('applied', 'confirmed') \
         AND n.decided_at_ms > h.decided_at_ms)",
    )
    .bind(tenant)
    .bind(lately_ms)
    .bind(&company.id)
    .fetch_all(transaction)
    .await?;
    let mut gone = Gone::default();
    for row in &rows {
        let went_to: Option<String> = row.try_get("went_to")?;
        let went_to_domain: Option<String> = row.try_get("went_to_domain")?;
        let came = went_to.is_some_and(|name| is_same_business(&name, &company.name))
            || (went_to_domain.is_some() && went_to_domain == company.domain);
        let was_at: String = row.try_get("was_company")?;
        let was_here = is_same_business(&was_at, &company.name);
        if came || !(was_here || was_at.is_empty()) {
            continue;
        }
        gone.leads.insert(row.try_get("person_id")?);
        if was_here
            && row.try_get::<i64, _>("decided_at_ms")? > lately_ms
            && let Some(public_id) = row.try_get::<Option<String>, _>("linkedin_public_id")?
        {
            gone.shown.insert(public_id);
        }
    }
    Ok(gone)
}

/// Whoever is known to work at another company by now has left this one.
async fn leave_elsewhere(
    transaction: &mut AnyConnection,
    tenant: &str,
    company: &Company,
    now_ms: i64,
) -> Result<(), StoreError> {
    let members: Vec<(String, String)> = sqlx::query_as(
        "SELECT m.person_id, p.company FROM buyer_group_members m \
         JOIN persons p ON p.id = m.person_id AND p.tenant = m.tenant \
         WHERE m.tenant = $1 AND m.business_id = $2 AND m.left_at_ms IS NULL AND p.company <> ''",
    )
    .bind(tenant)
    .bind(&company.id)
    .fetch_all(&mut *transaction)
    .await?;
    for (person_id, _) in members.iter().filter(|(_, employer)| !is_same_business(employer, &company.name)) {
        sqlx::query(
            "UPDATE buyer_group_members SET left_at_ms = $4 WHERE tenant = $1 AND business_id = $2 AND person_id = $3",
        )
        .bind(tenant)
        .bind(&company.id)
        .bind(person_id)
        .bind(now_ms)
        .execute(&mut *transaction)
        .await?;
    }
    Ok(())
}

/// Puts a person into a group. One who has left comes back only when a search shows them there after that.
async fn join(
    transaction: &mut AnyConnection,
    tenant: &str,
    business_id: &str,
    person_id: &str,
    seen_at_ms: Option<i64>,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO buyer_group_members (tenant, business_id, person_id, joined_at_ms, seen_at_ms) \
         VALUES ($1, $2, $3, $5, $4) ON CONFLICT (tenant, business_id, person_id) DO UPDATE SET \
         left_at_ms = CASE WHEN excluded.seen_at_ms > buyer_group_members.left_at_ms THEN NULL \
                           ELSE buyer_group_members.left_at_ms END, \
         seen_at_ms = COALESCE(excluded.seen_at_ms, buyer_group_members.seen_at_ms)",
    )
    .bind(tenant)
    .bind(business_id)
    .bind(person_id)
    .bind(seen_at_ms)
    .bind(now_ms)
    .execute(transaction)
    .await?;
    Ok(())
}
