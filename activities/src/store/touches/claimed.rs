//! Calls that were claimed before something forbade them.

use crate::store::{Store, StoreError};
use leadflow_clock::Clock;
use sqlx::AssertSqlSafe;
use std::time::Duration;

/// Whose contacts are forbidden now.
#[derive(Clone, Copy, Debug)]
pub enum Claimed<'a> {
    Campaign(&'a str),
    Account(&'a str),
    Enrollments(&'a [String]),
}

impl Store {
    /// Waits until every call that was claimed before has begun or never will, so that whoever is answered afterwards can
    /// rely on it: no contact begins any more.
    pub async fn until_begun(&self, clock: Clock, tenant: &str, claimed: Claimed<'_>) -> Result<(), StoreError> {
        let (condition, ids): (String, Vec<&str>) = match claimed {
            Claimed::Campaign(id) => ("campaign_id = $2".into(), vec![id]),
            Claimed::Account(id) => ("account_id = $2".into(), vec![id]),
            Claimed::Enrollments([]) => return Ok(()),
            Claimed::Enrollments(ids) => {
                let places: Vec<String> = (0..ids.len()).map(|index| format!("${}", index + 2)).collect();
                let ids = ids.iter().map(String::as_str).collect();
                (format!("enrollment_id IN ({})", places.join(", ")), ids)
            }
        };
        let sql = format!(
            "SELECT MAX(call_begin_by_ms) FROM touches WHERE tenant = $1 AND state = 'calling' AND {condition}"
        );
        let mut connection = self.read().acquire().await.map_err(|error| self.error(error))?;
        let select =
            ids.iter().fold(sqlx::query_scalar(AssertSqlSafe(sql)).bind(tenant), |select, id| select.bind(*id));
        let begin_by_ms: Option<i64> = select.fetch_one(&mut *connection).await.map_err(|error| self.error(error))?;
        let Some(begin_by_ms) = begin_by_ms else { return Ok(()) };
        let now_ms = self.now_ms(&mut connection, clock).await?;
        drop(connection);
        let wait: Duration = clock.real_until(now_ms, begin_by_ms);
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
