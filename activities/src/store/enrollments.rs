//! Enrollments: one lead in one campaign, with its state, the cause of each change, and what comes next.

use super::searches::{from_json, to_json};
use super::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::contract::Advice;
use leadflow_workflows::domain::outreach::EnrollmentState;
use leadflow_workflows::domain::walk::Decision;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::BTreeMap;
use uuid::Uuid;

/// One lead in one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Enrollment {
    pub id: String,
    pub tenant: String,
    pub campaign_id: String,
    pub lead_id: String,
    pub person_id: String,
    pub sequence_id: String,
    pub linkedin_account_id: Option<String>,
    pub email_account_id: Option<String>,
    pub state: EnrollmentState,
    pub cause: String,
    pub state_at_ms: i64,
    pub is_open: bool,
    /// Why a person, or a message typed by hand, holds it.
    pub paused: Option<String>,
    /// Ways taken, by the id of the step that was left.
    pub decisions: BTreeMap<String, Decision>,
    pub started_at_ms: i64,
    pub advice: Option<Advice>,
    pub wakes_at_ms: i64,
    pub workflow_started_at_ms: Option<i64>,
    pub ended_at_ms: Option<i64>,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Transition {
    pub from: EnrollmentState,
    pub to: EnrollmentState,
    pub cause: String,
    pub at_ms: i64,
}

/// A lead that enters a campaign.
#[derive(Clone, Debug)]
pub(crate) struct NewEnrollment<'a> {
    pub(crate) campaign_id: &'a str,
    pub(crate) lead_id: &'a str,
    pub(crate) person_id: &'a str,
    pub(crate) sequence_id: &'a str,
    pub(crate) linkedin_account_id: Option<&'a str>,
    pub(crate) email_account_id: Option<&'a str>,
    pub(crate) is_exclusive: bool,
    /// From when on its steps are reckoned.
    pub(crate) started_at_ms: i64,
}

const COLUMNS: &str = "e.id, e.tenant, e.campaign_id, e.lead_id, e.person_id, e.sequence_id, e.linkedin_account_id, \
     e.email_account_id, e.state, e.cause, e.state_at_ms, e.is_open, e.paused, e.decisions, e.started_at_ms, e.advice, \
     e.wakes_at_ms, e.workflow_started_at_ms, e.ended_at_ms FROM enrollments e";

impl Store {
    pub async fn enrollment(&self, tenant: &str, id: &str) -> Result<Option<Enrollment>, StoreError> {
        Ok(self.enrollments_where(tenant, "AND e.id = $2", id).await?.pop())
    }

    /// The enrollments of one person or campaign, the oldest first.
    pub async fn enrollments_of_person(&self, tenant: &str, person_id: &str) -> Result<Vec<Enrollment>, StoreError> {
        self.enrollments_where(tenant, "AND e.person_id = $2 ORDER BY e.id", person_id).await
    }

    pub async fn enrollments_of_campaign(&self, tenant: &str, id: &str) -> Result<Vec<Enrollment>, StoreError> {
        self.enrollments_where(tenant, "AND e.campaign_id = $2 ORDER BY e.id", id).await
    }

    /// Open enrollments that use this account.
    pub async fn open_enrollments_of_account(&self, tenant: &str, id: &str) -> Result<Vec<Enrollment>, StoreError> {
        let rest = "AND (e.linkedin_account_id = $2 OR e.email_account_id = $2) AND e.is_open = 1 ORDER BY e.id";
        self.enrollments_where(tenant, rest, id).await
    }

    async fn enrollments_where(&self, tenant: &str, rest: &str, value: &str) -> Result<Vec<Enrollment>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} WHERE e.tenant = $1 {rest}")))
            .bind(tenant)
            .bind(value)
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_enrollment).collect()
    }

    /// How the states of an enrollment followed each other.
    pub async fn transitions(&self, tenant: &str, enrollment_id: &str) -> Result<Vec<Transition>, StoreError> {
        let rows = sqlx::query(
            "SELECT from_state, to_state, cause, at_ms FROM enrollment_transitions \
             WHERE tenant = $1 AND enrollment_id = $2 ORDER BY at_ms, id",
        )
        .bind(tenant)
        .bind(enrollment_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let read = |row: &AnyRow| {
            Ok(Transition {
                from: state(row, "from_state")?,
                to: state(row, "to_state")?,
                cause: row.try_get("cause")?,
                at_ms: row.try_get("at_ms")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Holds the open enrollments of a person, or lets them go on when there is no cause; the ids of those that it changed.
    pub async fn hold_person(
        &self,
        tenant: &str,
        person_id: &str,
        cause: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        self.write(|transaction| {
            async move {
                lock_person(transaction, self.for_update(), tenant, person_id).await?;
                let ids: Vec<String> = sqlx::query_scalar(
                    "UPDATE enrollments SET paused = $3 WHERE tenant = $1 AND person_id = $2 AND is_open = 1 \
                     AND (paused IS NULL) = ($4 = 1) RETURNING id",
                )
                .bind(tenant)
                .bind(person_id)
                .bind(cause)
                .bind(i64::from(cause.is_some()))
                .fetch_all(&mut **transaction)
                .await?;
                for id in &ids {
                    super::touches::release_planned(transaction, tenant, id).await?;
                }
                Ok(ids)
            }
            .boxed()
        })
        .await
    }

    /// Notes that Temporal has confirmed the start of an enrollment's workflow.
    pub(crate) async fn note_workflow_started(&self, tenant: &str, id: &str, now_ms: i64) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query("UPDATE enrollments SET workflow_started_at_ms = $3 WHERE tenant = $1 AND id = $2")
                    .bind(tenant)
                    .bind(id)
                    .bind(now_ms)
                    .execute(&mut **transaction)
                    .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Notes that the workflow of an enrollment was not there to be told. Of an open one it was ended by force, and the
    /// campaign's next round starts it again.
    pub async fn note_workflow_gone(&self, tenant: &str, id: &str) -> Result<(), StoreError> {
        // Nearly all have ended by themselves, and looking is cheaper than writing.
        let is_open: Option<i64> =
            sqlx::query_scalar("SELECT is_open FROM enrollments WHERE tenant = $1 AND id = $2 AND is_open = 1")
                .bind(tenant)
                .bind(id)
                .fetch_optional(self.read())
                .await
                .map_err(|error| self.error(error))?;
        if is_open.is_none() {
            return Ok(());
        }
        self.write(|transaction| {
            async move {
                // Its wait is over: what it was to be told may have ended that.
                sqlx::query(
                    "UPDATE enrollments SET workflow_started_at_ms = NULL, wakes_at_ms = started_at_ms \
                     WHERE tenant = $1 AND id = $2 AND is_open = 1 AND workflow_started_at_ms IS NOT NULL",
                )
                .bind(tenant)
                .bind(id)
                .execute(&mut **transaction)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Open enrollments of a campaign whose workflow was never confirmed, or that should have woken before `overdue_ms`.
    pub(crate) async fn forgotten_enrollments(
        &self,
        tenant: &str,
        campaign_id: &str,
        overdue_ms: i64,
    ) -> Result<Vec<Enrollment>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} WHERE e.tenant = $1 AND e.campaign_id = $2 AND e.is_open = 1 \
             AND (e.workflow_started_at_ms IS NULL OR e.wakes_at_ms < $3) ORDER BY e.id LIMIT 500"
        )))
        .bind(tenant)
        .bind(campaign_id)
        .bind(overdue_ms)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(read_enrollment).collect()
    }
}

/// Locks the row of a person: whoever contacts them, or learns of them, waits here for the other.
pub(crate) async fn lock_person(
    transaction: &mut AnyConnection,
    for_update: &str,
    tenant: &str,
    person_id: &str,
) -> Result<(), StoreError> {
    lock(transaction, for_update, "persons", tenant, person_id).await
}

/// Locks the row of an account. Always after the person's, so that two transactions never wait for each other.
pub(crate) async fn lock_account(
    transaction: &mut AnyConnection,
    for_update: &str,
    tenant: &str,
    account_id: &str,
) -> Result<(), StoreError> {
    lock(transaction, for_update, "accounts", tenant, account_id).await
}

async fn lock(
    transaction: &mut AnyConnection,
    for_update: &str,
    table: &str,
    tenant: &str,
    id: &str,
) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(format!("SELECT id FROM {table} WHERE tenant = $1 AND id = $2{for_update}")))
        .bind(tenant)
        .bind(id)
        .fetch_optional(transaction)
        .await?;
    Ok(())
}

/// Reads an enrollment that the transaction is going to change.
pub(crate) async fn read_in(
    transaction: &mut AnyConnection,
    for_update: &str,
    tenant: &str,
    id: &str,
) -> Result<Option<Enrollment>, StoreError> {
    let row = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} WHERE e.tenant = $1 AND e.id = $2{for_update}")))
        .bind(tenant)
        .bind(id)
        .fetch_optional(transaction)
        .await?;
    row.as_ref().map(read_enrollment).transpose()
}

/// Adds an enrollment, unless the person is in this campaign already, or in another while one has them to itself.
pub(crate) async fn enroll(
    transaction: &mut AnyConnection,
    tenant: &str,
    new: &NewEnrollment<'_>,
    now_ms: i64,
) -> Result<Option<String>, StoreError> {
    let taken: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM enrollments WHERE tenant = $1 AND person_id = $2 \
         AND (campaign_id = $3 OR (is_open = 1 AND (is_exclusive = 1 OR $4 = 1)))",
    )
    .bind(tenant)
    .bind(new.person_id)
    .bind(new.campaign_id)
    .bind(i64::from(new.is_exclusive))
    .fetch_one(&mut *transaction)
    .await?;
    if taken > 0 {
        return Ok(None);
    }
    let id = Uuid::now_v7().to_string();
    sqlx::query(
        "INSERT INTO enrollments (id, tenant, campaign_id, lead_id, person_id, sequence_id, linkedin_account_id, \
         email_account_id, state, cause, state_at_ms, is_open, is_exclusive, decisions, started_at_ms, wakes_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'scheduled', 'its turn in the campaign', $9, 1, $10, '{}', $11, $11)",
    )
    .bind(&id)
    .bind(tenant)
    .bind(new.campaign_id)
    .bind(new.lead_id)
    .bind(new.person_id)
    .bind(new.sequence_id)
    .bind(new.linkedin_account_id)
    .bind(new.email_account_id)
    .bind(now_ms)
    .bind(i64::from(new.is_exclusive))
    .bind(new.started_at_ms)
    .execute(&mut *transaction)
    .await?;
    Ok(Some(id))
}

/// Keeps what was decided and advised.
pub(crate) async fn note_advice(
    transaction: &mut AnyConnection,
    enrollment: &Enrollment,
    decisions: &BTreeMap<String, Decision>,
    advice: &Advice,
    wakes_at_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE enrollments SET decisions = $3, advice = $4, wakes_at_ms = $5 WHERE tenant = $1 AND id = $2 AND is_open = 1",
    )
    .bind(&enrollment.tenant)
    .bind(&enrollment.id)
    .bind(to_json(decisions))
    .bind(to_json(advice))
    .bind(wakes_at_ms)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Moves an open enrollment on to another open state.
pub(crate) async fn change_state(
    transaction: &mut AnyConnection,
    enrollment: &Enrollment,
    state: EnrollmentState,
    cause: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let changed = sqlx::query(
        "UPDATE enrollments SET state = $3, cause = $4, state_at_ms = $5 \
         WHERE tenant = $1 AND id = $2 AND is_open = 1 AND state <> $3",
    )
    .bind(&enrollment.tenant)
    .bind(&enrollment.id)
    .bind(state.name())
    .bind(cause)
    .bind(now_ms)
    .execute(&mut *transaction)
    .await?;
    if changed.rows_affected() == 1 {
        note_transition(transaction, &enrollment.tenant, &enrollment.id, enrollment.state, state, cause, now_ms)
            .await?;
    }
    Ok(())
}

/// Ends an enrollment, notes why, and gives its reservations back. Whether it was open.
pub(crate) async fn end_enrollment(
    transaction: &mut AnyConnection,
    tenant: &str,
    enrollment_id: &str,
    state: EnrollmentState,
    cause: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    debug_assert!(state.is_end(), "{state:?} is no end");
    // The update below decides; this only tells where it came from.
    let Some(enrollment) = read_in(transaction, "", tenant, enrollment_id).await?.filter(|found| found.is_open) else {
        return Ok(false);
    };
    let ended = sqlx::query(
        "UPDATE enrollments SET state = $3, cause = $4, state_at_ms = $5, is_open = 0, ended_at_ms = $5, advice = NULL \
         WHERE tenant = $1 AND id = $2 AND is_open = 1",
    )
    .bind(tenant)
    .bind(enrollment_id)
    .bind(state.name())
    .bind(cause)
    .bind(now_ms)
    .execute(&mut *transaction)
    .await?;
    if ended.rows_affected() == 0 {
        return Ok(false);
    }
    super::touches::release_planned(transaction, tenant, enrollment_id).await?;
    note_transition(transaction, tenant, enrollment_id, enrollment.state, state, cause, now_ms).await?;
    Ok(true)
}

async fn note_transition(
    transaction: &mut AnyConnection,
    tenant: &str,
    enrollment_id: &str,
    from: EnrollmentState,
    to: EnrollmentState,
    cause: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO enrollment_transitions (id, tenant, enrollment_id, from_state, to_state, cause, at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(tenant)
    .bind(enrollment_id)
    .bind(from.name())
    .bind(to.name())
    .bind(cause)
    .bind(now_ms)
    .execute(transaction)
    .await?;
    Ok(())
}

fn state(row: &AnyRow, column: &str) -> Result<EnrollmentState, StoreError> {
    let name: String = row.try_get(column)?;
    EnrollmentState::named(&name).ok_or_else(|| StoreError::unreadable(column))
}

fn read_enrollment(row: &AnyRow) -> Result<Enrollment, StoreError> {
    Ok(Enrollment {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        campaign_id: row.try_get("campaign_id")?,
        lead_id: row.try_get("lead_id")?,
        person_id: row.try_get("person_id")?,
        sequence_id: row.try_get("sequence_id")?,
        linkedin_account_id: row.try_get("linkedin_account_id")?,
        email_account_id: row.try_get("email_account_id")?,
        state: state(row, "state")?,
        cause: row.try_get("cause")?,
        state_at_ms: row.try_get("state_at_ms")?,
        is_open: row.try_get::<i64, _>("is_open")? == 1,
        paused: row.try_get("paused")?,
        decisions: from_json(&row.try_get::<String, _>("decisions")?)?,
        started_at_ms: row.try_get("started_at_ms")?,
        advice: match row.try_get::<Option<String>, _>("advice")? {
            Some(advice) => Some(from_json(&advice)?),
            None => None,
        },
        wakes_at_ms: row.try_get("wakes_at_ms")?,
        workflow_started_at_ms: row.try_get("workflow_started_at_ms")?,
        ended_at_ms: row.try_get("ended_at_ms")?,
    })
}
