//! Going over to another version of a sequence.

use crate::store::enrollments::{Enrollment, lock_person, read_in};
use crate::store::touches::{Touch, of_enrollment, release_planned};
use crate::store::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::walk::{Decision, TouchFact};
use std::collections::BTreeMap;

/// An open enrollment that was found able to follow another version, and what that was judged by.
#[derive(Clone, Debug)]
pub struct Migrant {
    pub enrollment_id: String,
    person_id: String,
    sequence_id: String,
    /// What was done, by step.
    done: BTreeMap<String, TouchFact>,
    decisions: BTreeMap<String, Decision>,
}

impl Migrant {
    pub fn new(enrollment: &Enrollment, touches: &[Touch]) -> Self {
        let done = touches.iter().filter(|touch| !touch.state.is_plan());
        Self {
            enrollment_id: enrollment.id.clone(),
            person_id: enrollment.person_id.clone(),
            sequence_id: enrollment.sequence_id.clone(),
            done: done.map(|touch| (touch.step_id.clone(), touch.fact())).collect(),
            decisions: enrollment.decisions.clone(),
        }
    }

    /// Whether nothing has happened since.
    fn is_still(&self, enrollment: &Enrollment, touches: &[Touch]) -> bool {
        let now = Self::new(enrollment, touches);
        enrollment.is_open
            && (&now.person_id, &now.sequence_id) == (&self.person_id, &self.sequence_id)
            && (&now.done, &now.decisions) == (&self.done, &self.decisions)
    }
}

impl Store {
    /// Has new enrollments follow another version, and those of `migrants` to whom nothing has happened since they were
    /// judged; what these had reserved is given back. Returns who moved. Each moves in a transaction of its own, under the
    /// lock that a contact takes, so a call that breaks off may be made again for the rest.
    pub async fn migrate_campaign(
        &self,
        tenant: &str,
        id: &str,
        sequence_id: &str,
        migrants: &[Migrant],
    ) -> Result<Vec<String>, StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query("UPDATE campaigns SET sequence_id = $3 WHERE tenant = $1 AND id = $2")
                    .bind(tenant)
                    .bind(id)
                    .bind(sequence_id)
                    .execute(&mut **transaction)
                    .await?;
                Ok(())
            }
            .boxed()
        })
        .await?;
        let mut moved = Vec::new();
        for migrant in migrants {
            if self.migrate_enrollment(tenant, migrant, sequence_id).await? {
                moved.push(migrant.enrollment_id.clone());
            }
        }
        Ok(moved)
    }

    async fn migrate_enrollment(&self, tenant: &str, migrant: &Migrant, sequence_id: &str) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                lock_person(transaction, self.for_update(), tenant, &migrant.person_id).await?;
                let enrollment = read_in(transaction, self.for_update(), tenant, &migrant.enrollment_id).await?;
                let touches = of_enrollment(transaction, tenant, &migrant.enrollment_id).await?;
                if !enrollment.is_some_and(|enrollment| migrant.is_still(&enrollment, &touches)) {
                    return Ok(false);
                }
                sqlx::query("UPDATE enrollments SET sequence_id = $3 WHERE tenant = $1 AND id = $2")
                    .bind(tenant)
                    .bind(&migrant.enrollment_id)
                    .bind(sequence_id)
                    .execute(&mut **transaction)
                    .await?;
                release_planned(transaction, tenant, &migrant.enrollment_id).await?;
                Ok(true)
            }
            .boxed()
        })
        .await
    }
}
