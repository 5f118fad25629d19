//! One human is one person: known by LinkedIn public id, by email addresses, or by both.

mod erase;
mod merge;

use super::enrollments::lock_person;
use super::suppressions::{end_open, is_bounced};
use super::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::outreach::EnrollmentState;
use leadflow_workflows::domain::people::{Profile, canonical_public_id, merge_profiles};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

pub use erase::Erased;
pub(crate) use erase::erase;

impl Store {
    /// Every address that is a person's, in lower case.
    pub async fn emails_of(&self, tenant: &str, person_id: &str) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar("SELECT email FROM person_emails WHERE tenant = $1 AND person_id = $2 ORDER BY email")
            .bind(tenant)
            .bind(person_id)
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))
    }

    /// Ends whatever outreach is open for a person, without suppressing them. Returns the ids of the enrollments.
    pub async fn stop_person(
        &self,
        tenant: &str,
        person_id: &str,
        cause: &str,
        now_ms: i64,
    ) -> Result<Vec<String>, StoreError> {
        self.write(|transaction| {
            async move {
                lock_person(transaction, self.for_update(), tenant, person_id).await?;
                end_open(transaction, tenant, person_id, EnrollmentState::Stopped, cause, now_ms).await
            }
            .boxed()
        })
        .await
    }
}

/// What a search or a file says of somebody. At least one of public id and email is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundPerson<'a> {
    /// With an empty public id when only the email is known.
    pub(crate) profile: &'a Profile,
    pub(crate) email: Option<&'a str>,
    /// IANA name.
    pub(crate) timezone: Option<&'a str>,
    /// `sandbox` or `live`.
    pub(crate) source: &'a str,
}

/// The person whom a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredPerson {
    pub(crate) id: String,
    /// What is known of them by now; empty for one who asked not to be processed.
    pub(crate) profile: Profile,
    /// They asked not to be processed: nothing was kept but the key.
    pub(crate) is_removed: bool,
    /// Why they did not get the address that was found.
    pub(crate) email_refused: Option<EmailRefused>,
    /// Ids of enrollments that ended because two persons turned out to be one.
    pub(crate) ended: Vec<String>,
}

/// Why an address does not become somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EmailRefused {
    /// It belongs to somebody with another LinkedIn profile, and stays theirs.
    Taken,
    /// Mail to it came back.
    Bounced,
}

/// Whose an address is, after somebody claimed it.
pub(crate) struct ClaimedEmail {
    pub(crate) person_id: String,
    pub(crate) refused: Option<EmailRefused>,
    pub(crate) ended: Vec<String>,
}

/// Stores what was found of a person, new or known. Two persons whom it shows to be one are merged.
pub(crate) async fn store_person(
    transaction: &mut AnyConnection,
    for_update: &str,
    tenant: &str,
    found: &FoundPerson<'_>,
    now_ms: i64,
) -> Result<StoredPerson, StoreError> {
    let new_id = Uuid::now_v7().to_string();
    let public_id = canonical_public_id(&found.profile.linkedin_public_id);
    let by_profile = match public_id.as_str() {
        "" => None,
        public_id => Some(insert(transaction, tenant, &new_id, Some(public_id), found.source).await?),
    };
    let (id, email_refused, ended) = match (by_profile, found.email) {
        (Some(id), None) => (id, None, Vec::new()),
        (Some(id), Some(email)) => {
            let claimed = claim_email(transaction, for_update, tenant, &id, email, now_ms).await?;
            if id == new_id && claimed.person_id != id {
                let delete = sqlx::query("DELETE FROM persons WHERE tenant = $1 AND id = $2").bind(tenant).bind(&id);
                delete.execute(&mut *transaction).await?;
            }
            (claimed.person_id, claimed.refused, claimed.ended)
        }
        (None, email) => {
            let email = email.expect("a person is found by a profile or an address");
            let owner = owner_of(transaction, tenant, email, &new_id).await?;
            if owner == new_id {
                insert(transaction, tenant, &new_id, None, found.source).await?;
            } else {
                lock_person(transaction, for_update, tenant, &owner).await?;
            }
            (owner, None, Vec::new())
        }
    };
    let row = sqlx::query(
        "SELECT COALESCE(linkedin_public_id, '') AS public_id, first_name, last_name, title, company, location, \
         removed_at_ms FROM persons WHERE tenant = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(&id)
    .fetch_one(&mut *transaction)
    .await?;
    let is_removed = row.try_get::<Option<i64>, _>("removed_at_ms")?.is_some();
    let known = read_profile(&row)?;
    if is_removed {
        return Ok(StoredPerson { id, profile: known, is_removed, email_refused, ended });
    }
    let profile = merge_profiles(&known, &Profile { linkedin_public_id: public_id, ..found.profile.clone() });
    sqlx::query(
        "UPDATE persons SET first_name = $3, last_name = $4, title = $5, company = $6, location = $7, \
         email = COALESCE(email, $8), timezone = COALESCE($9, timezone) WHERE tenant = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(&id)
    .bind(&profile.first_name)
    .bind(&profile.last_name)
    .bind(&profile.title)
    .bind(&profile.company)
    .bind(&profile.location)
    .bind(found.email.filter(|_| email_refused.is_none()).map(str::to_lowercase))
    .bind(found.timezone)
    .execute(&mut *transaction)
    .await?;
    Ok(StoredPerson { id, profile, is_removed, email_refused, ended })
}

/// Notes that an address is that of a person whose row is locked, unless mail to it came back. When it is known as somebody's
/// without LinkedIn profile, the two are one; when its owner has another profile, it stays with them: colleagues may share a
/// mailbox, and it is written to for one of them.
pub(crate) async fn claim_email(
    transaction: &mut AnyConnection,
    for_update: &str,
    tenant: &str,
    person_id: &str,
    email: &str,
    now_ms: i64,
) -> Result<ClaimedEmail, StoreError> {
    let unmerged = |refused| ClaimedEmail { person_id: person_id.to_owned(), refused, ended: Vec::new() };
    if is_bounced(transaction, tenant, email).await? {
        return Ok(unmerged(Some(EmailRefused::Bounced)));
    }
    let owner = owner_of(transaction, tenant, email, person_id).await?;
    if owner == person_id {
        return Ok(unmerged(None));
    }
    // The older one stays.
    let (keep, gone) =
        if owner.as_str() < person_id { (owner.as_str(), person_id) } else { (person_id, owner.as_str()) };
    lock_person(transaction, for_update, tenant, keep).await?;
    lock_person(transaction, for_update, tenant, gone).await?;
    let profiles: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM persons WHERE tenant = $1 AND id IN ($2, $3) AND linkedin_public_id IS NOT NULL",
    )
    .bind(tenant)
    .bind(keep)
    .bind(gone)
    .fetch_one(&mut *transaction)
    .await?;
    if profiles == 2 {
        return Ok(unmerged(Some(EmailRefused::Taken)));
    }
    let ended = merge::merge(transaction, tenant, keep, gone, now_ms).await?;
    Ok(ClaimedEmail { person_id: keep.to_owned(), refused: None, ended })
}

/// The person with this LinkedIn public id, or a new one, locked until the transaction ends.
async fn insert(
    transaction: &mut AnyConnection,
    tenant: &str,
    new_id: &str,
    public_id: Option<&str>,
    source: &str,
) -> Result<String, StoreError> {
    let id = sqlx::query_scalar(
        "INSERT INTO persons (id, tenant, linkedin_public_id, first_name, last_name, title, company, location, source) \
         VALUES ($1, $2, $3, '', '', '', '', '', $4) \
         ON CONFLICT (tenant, linkedin_public_id) DO UPDATE SET linkedin_public_id = excluded.linkedin_public_id \
         RETURNING id",
    )
    .bind(new_id)
    .bind(tenant)
    .bind(public_id)
    .bind(source)
    .fetch_one(transaction)
    .await?;
    Ok(id)
}

/// The person whose address it is: `person_id`, if it was nobody's. Whoever claims it at the same time waits.
async fn owner_of(
    transaction: &mut AnyConnection,
    tenant: &str,
    email: &str,
    person_id: &str,
) -> Result<String, StoreError> {
    let owner = sqlx::query_scalar(
        "INSERT INTO person_emails (tenant, email, person_id) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant, email) DO UPDATE SET person_id = person_emails.person_id RETURNING person_id",
    )
    .bind(tenant)
    .bind(email.to_lowercase())
    .bind(person_id)
    .fetch_one(transaction)
    .await?;
    Ok(owner)
}

/// The profile in a row that has the public id as `public_id`.
pub(super) fn read_profile(row: &AnyRow) -> Result<Profile, StoreError> {
    Ok(Profile {
        linkedin_public_id: row.try_get("public_id")?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
        title: row.try_get("title")?,
        company: row.try_get("company")?,
        location: row.try_get("location")?,
    })
}

/// Whether a person asked not to be processed: all but their keys is erased.
pub(crate) async fn is_removed(
    transaction: &mut AnyConnection,
    tenant: &str,
    person_id: &str,
) -> Result<bool, StoreError> {
    let removed_at_ms: Option<Option<i64>> =
        sqlx::query_scalar("SELECT removed_at_ms FROM persons WHERE tenant = $1 AND id = $2")
            .bind(tenant)
            .bind(person_id)
            .fetch_optional(transaction)
            .await?;
    Ok(removed_at_ms.flatten().is_some())
}

/// Takes an address that does not work off a person, who keeps their others.
pub(crate) async fn bury_email(
    transaction: &mut AnyConnection,
    tenant: &str,
    person_id: &str,
    address: &str,
) -> Result<(), StoreError> {
    let address = address.to_lowercase();
    sqlx::query("DELETE FROM person_emails WHERE tenant = $1 AND person_id = $2 AND email = $3")
        .bind(tenant)
        .bind(person_id)
        .bind(&address)
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "UPDATE persons SET email_status = NULL, email_confidence = NULL, email_sources = NULL, \
         email = (SELECT MIN(email) FROM person_emails WHERE tenant = $1 AND person_id = $2) \
         WHERE tenant = $1 AND id = $2 AND LOWER(email) = $3",
    )
    .bind(tenant)
    .bind(person_id)
    .bind(&address)
    .execute(transaction)
    .await?;
    Ok(())
}
