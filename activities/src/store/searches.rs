//! Searches: their briefs, their state, and the one row that shows how far each is.

use super::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::brief::Brief;
use leadflow_workflows::domain::exclude::{ExcludeList, Exclusion};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::BTreeMap;

/// A search as it is stored.
#[derive(Clone, Debug)]
pub struct Search {
    pub id: String,
    pub tenant: String,
    pub name: String,
    /// `sandbox` or `live`.
    pub source: String,
    pub brief: Brief,
    pub exclusions: Vec<Exclusion>,
    pub status: String,
    pub paused: bool,
    pub created_at_ms: i64,
    pub started_at_ms: Option<i64>,
    pub finished_at_ms: Option<i64>,
}

impl Search {
    /// Everything to leave out: the brief's words and the rows of the file beside it.
    pub fn exclude_list(&self) -> ExcludeList {
        let words = self.brief.ideal.exclude.iter().filter_map(|text| text.parse().ok());
        words.chain(self.exclusions.iter().cloned()).collect()
    }

    pub fn is_finished(&self) -> bool {
        self.finished_at_ms.is_some()
    }
}

/// What a new search begins with.
#[derive(Clone, Debug)]
pub struct NewSearch {
    pub id: String,
    pub tenant: String,
    pub source: &'static str,
    pub brief: Brief,
    pub exclusions: Vec<Exclusion>,
    pub now_ms: i64,
}

/// How far a search is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Progress {
    pub phase: String,
    pub percent: u32,
    pub businesses: u32,
    pub businesses_searched: u32,
    pub leads: u32,
    pub leads_looked_up: u32,
    pub leads_ready: u32,
    pub gaps: u32,
    /// Phase to the last problem in it.
    pub problems: BTreeMap<String, String>,
    pub first_lead_at_ms: Option<i64>,
    pub updated_at_ms: i64,
}

/// A hole in a search, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gap {
    pub stage: String,
    pub item: String,
    pub problem: String,
}

const COLUMNS: &str =
    "id, tenant, name, source, brief, exclusions, status, wish, created_at_ms, started_at_ms, finished_at_ms";

impl Store {
    /// Stores a search; does nothing when its id is there already.
    pub async fn create_search(&self, new: &NewSearch) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                let created = sqlx::query(
                    "INSERT INTO searches (id, tenant, name, source, brief, exclusions, status, wish, created_at_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6, 'started', 'run', $7) ON CONFLICT (id) DO NOTHING",
                )
                .bind(&new.id)
                .bind(&new.tenant)
                .bind(&new.brief.name)
                .bind(new.source)
                .bind(to_json(&new.brief))
                .bind(to_json(&new.exclusions))
                .bind(new.now_ms)
                .execute(&mut **transaction)
                .await?;
                if created.rows_affected() == 1 {
                    sqlx::query(
                    "INSERT INTO search_progress (search_id, tenant, phase, percent, businesses, businesses_searched, \
                     leads, leads_looked_up, leads_ready, gaps, problems, updated_at_ms) \
                     VALUES ($1, $2, 'started', 0, 0, 0, 0, 0, 0, 0, '{}', $3)",
                )
                .bind(&new.id)
                .bind(&new.tenant)
                .bind(new.now_ms)
                .execute(&mut **transaction)
                .await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }

    pub async fn search(&self, tenant: &str, id: &str) -> Result<Option<Search>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} FROM searches WHERE tenant = $1 AND id = $2")))
            .bind(tenant)
            .bind(id)
            .fetch_optional(self.read())
            .await
            .map_err(|error| self.error(error))?;
        row.map(|row| read_search(&row)).transpose()
    }

    /// The newest searches first.
    pub async fn searches(&self, tenant: &str, at_most: u32) -> Result<Vec<Search>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM searches WHERE tenant = $1 ORDER BY created_at_ms DESC, id DESC LIMIT $2"
        )))
        .bind(tenant)
        .bind(i64::from(at_most))
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        rows.iter().map(read_search).collect()
    }

    /// Searches that a person may mean: `last`, a name, or the beginning of an id. The newest first.
    pub async fn matching_searches(&self, tenant: &str, word: &str) -> Result<Vec<Search>, StoreError> {
        let word = word.trim();
        let mut searches = self.searches(tenant, 10_000).await?;
        if word == "last" {
            searches.truncate(1);
            return Ok(searches);
        }
        if let Some(exact) = searches.iter().position(|search| search.id == word) {
            return Ok(vec![searches.swap_remove(exact)]);
        }
        if searches.iter().any(|search| search.name == word) {
            searches.retain(|search| search.name == word);
        } else {
            searches.retain(|search| word.len() >= 4 && search.id.starts_with(word));
        }
        Ok(searches)
    }

    /// Removes a search whose workflow could not be started.
    pub async fn discard_search(&self, tenant: &str, id: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                for table in ["search_progress WHERE tenant = $1 AND search_id", "searches WHERE tenant = $1 AND id"] {
                    sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} = $2")))
                        .bind(tenant)
                        .bind(id)
                        .execute(&mut **transaction)
                        .await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Marks a search as running; the first start counts.
    pub async fn start_search(&self, tenant: &str, id: &str, now_ms: i64) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query(
                    "UPDATE searches SET status = 'running', started_at_ms = COALESCE(started_at_ms, $3) \
                 WHERE tenant = $1 AND id = $2 AND finished_at_ms IS NULL",
                )
                .bind(tenant)
                .bind(id)
                .bind(now_ms)
                .execute(&mut **transaction)
                .await?;
                refresh_progress(transaction, tenant, id, None, now_ms).await
            }
            .boxed()
        })
        .await
    }

    /// Writes what a person wants; `false` when the search has ended.
    pub async fn wish(&self, tenant: &str, id: &str, pause: bool) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                let changed = sqlx::query(
                    "UPDATE searches SET wish = $3 WHERE tenant = $1 AND id = $2 AND finished_at_ms IS NULL",
                )
                .bind(tenant)
                .bind(id)
                .bind(if pause { "pause" } else { "run" })
                .execute(&mut **transaction)
                .await?;
                Ok(changed.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }

    /// Ends a search once; a repeat changes nothing and returns the same status. Leads that were numbered but not needed
    /// become spare, so that each says why it was not taken.
    pub async fn finish_search(
        &self,
        tenant: &str,
        id: &str,
        cancelled: bool,
        now_ms: i64,
    ) -> Result<String, StoreError> {
        self.write(|transaction| async move {
            let (status, finished): (String, Option<i64>) =
                sqlx::query_as("SELECT status, finished_at_ms FROM searches WHERE tenant = $1 AND id = $2")
                    .bind(tenant)
                    .bind(id)
                    .fetch_one(&mut **transaction)
                    .await?;
            if finished.is_some() {
                return Ok(status);
            }
            let why = if cancelled { "the search was cancelled before its turn came" } else { "the search had enough leads" };
            sqlx::query(
                "UPDATE leads SET state = 'spare', problem = $3 WHERE tenant = $1 AND search_id = $2 AND state = 'found'",
            )
            .bind(tenant)
            .bind(id)
            .bind(why)
            .execute(&mut **transaction)
            .await?;
            refresh_progress(transaction, tenant, id, None, now_ms).await?;
            let gaps: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM gaps WHERE tenant = $1 AND search_id = $2")
                .bind(tenant)
                .bind(id)
                .fetch_one(&mut **transaction)
                .await?;
            let status = match (cancelled, gaps) {
                (true, _) => "cancelled",
                (false, 0) => "completed",
                (false, _) => "completed_with_gaps",
            };
            sqlx::query("UPDATE searches SET status = $3, finished_at_ms = $4 WHERE tenant = $1 AND id = $2")
                .bind(tenant)
                .bind(id)
                .bind(status)
                .bind(now_ms)
                .execute(&mut **transaction)
                .await?;
            sqlx::query("UPDATE search_progress SET phase = $3, percent = CASE WHEN $3 = 'cancelled' THEN percent ELSE 100 END WHERE tenant = $1 AND search_id = $2")
                .bind(tenant)
                .bind(id)
                .bind(status)
                .execute(&mut **transaction)
                .await?;
            Ok(status.to_owned())
        }.boxed())
        .await
    }

    pub async fn progress(&self, tenant: &str, id: &str) -> Result<Option<Progress>, StoreError> {
        let row = sqlx::query(
            "SELECT phase, percent, businesses, businesses_searched, leads, leads_looked_up, leads_ready, gaps, problems, \
             first_lead_at_ms, updated_at_ms FROM search_progress WHERE tenant = $1 AND search_id = $2",
        )
        .bind(tenant)
        .bind(id)
        .fetch_optional(self.read())
        .await
        .map_err(|error| self.error(error))?;
        row.map(|row| {
            Ok(Progress {
                phase: row.try_get("phase")?,
                percent: count(&row, "percent")?,
                businesses: count(&row, "businesses")?,
                businesses_searched: count(&row, "businesses_searched")?,
                leads: count(&row, "leads")?,
                leads_looked_up: count(&row, "leads_looked_up")?,
                leads_ready: count(&row, "leads_ready")?,
                gaps: count(&row, "gaps")?,
                problems: from_json(&row.try_get::<String, _>("problems")?)?,
                first_lead_at_ms: row.try_get("first_lead_at_ms")?,
                updated_at_ms: row.try_get("updated_at_ms")?,
            })
        })
        .transpose()
    }

    pub async fn gaps(&self, tenant: &str, search_id: &str) -> Result<Vec<Gap>, StoreError> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT stage, item, problem FROM gaps WHERE tenant = $1 AND search_id = $2 ORDER BY created_at_ms, stage, item",
        )
        .bind(tenant)
        .bind(search_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(rows.into_iter().map(|(stage, item, problem)| Gap { stage, item, problem }).collect())
    }

    /// Notes the last problem of a phase, for the progress bar; `phase_now` says what the search does about it.
    pub async fn note_problem(
        &self,
        tenant: &str,
        search_id: &str,
        phase: &str,
        problem: &str,
        phase_now: Option<&str>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                add_problem(transaction, tenant, search_id, phase, problem).await?;
                refresh_progress(transaction, tenant, search_id, phase_now, now_ms).await
            }
            .boxed()
        })
        .await
    }

    /// Shows a phase that no count tells, such as `paused`; `None` goes back to what the counts say.
    pub async fn show_phase(&self, tenant: &str, id: &str, phase: Option<&str>, now_ms: i64) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query(
                    "UPDATE search_progress SET phase = 'running' WHERE tenant = $1 AND search_id = $2 \
                     AND phase IN ('paused', 'over_budget', 'refused')",
                )
                .bind(tenant)
                .bind(id)
                .execute(&mut **transaction)
                .await?;
                refresh_progress(transaction, tenant, id, phase, now_ms).await
            }
            .boxed()
        })
        .await
    }
}

/// Writes a gap down, once for each stage and item, and returns the number of gaps that the search has.
pub(crate) async fn add_gap(
    transaction: &mut AnyConnection,
    tenant: &str,
    search_id: &str,
    stage: &str,
    item: &str,
    problem: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO gaps (search_id, tenant, stage, item, problem, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (search_id, stage, item) DO NOTHING",
    )
    .bind(search_id)
    .bind(tenant)
    .bind(stage)
    .bind(item)
    .bind(problem)
    .bind(now_ms)
    .execute(&mut *transaction)
    .await?;
    add_problem(transaction, tenant, search_id, stage, problem).await
}

pub(crate) async fn gap_count(
    transaction: &mut AnyConnection,
    tenant: &str,
    search_id: &str,
) -> Result<u32, StoreError> {
    let gaps: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM gaps WHERE tenant = $1 AND search_id = $2")
        .bind(tenant)
        .bind(search_id)
        .fetch_one(transaction)
        .await?;
    Ok(small(gaps))
}

async fn add_problem(
    transaction: &mut AnyConnection,
    tenant: &str,
    search_id: &str,
    phase: &str,
    problem: &str,
) -> Result<(), StoreError> {
    lock_progress(transaction, tenant, search_id).await?;
    let problems: String =
        sqlx::query_scalar("SELECT problems FROM search_progress WHERE tenant = $1 AND search_id = $2")
            .bind(tenant)
            .bind(search_id)
            .fetch_one(&mut *transaction)
            .await?;
    let mut problems: BTreeMap<String, String> = from_json(&problems)?;
    problems.insert(phase.to_owned(), problem.to_owned());
    sqlx::query("UPDATE search_progress SET problems = $3 WHERE tenant = $1 AND search_id = $2")
        .bind(tenant)
        .bind(search_id)
        .bind(to_json(&problems))
        .execute(&mut *transaction)
        .await?;
    Ok(())
}

/// Lets the transactions of one search count and note one after the other. On PostgreSQL a statement that had to wait
/// for a row still counts by what it saw before the wait, so the lock is a statement of its own.
async fn lock_progress(transaction: &mut AnyConnection, tenant: &str, search_id: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE search_progress SET updated_at_ms = updated_at_ms WHERE tenant = $1 AND search_id = $2")
        .bind(tenant)
        .bind(search_id)
        .execute(transaction)
        .await?;
    Ok(())
}

/// Counts again what the progress row shows: what is counted is what is stored, so the two cannot drift apart. A search
/// that has ended keeps its last phase.
pub(crate) async fn refresh_progress(
    transaction: &mut AnyConnection,
    tenant: &str,
    search_id: &str,
    phase: Option<&str>,
    now_ms: i64,
) -> Result<(), StoreError> {
    lock_progress(transaction, tenant, search_id).await?;
    sqlx::query(
        "UPDATE search_progress SET updated_at_ms = $3, \
         businesses = (SELECT COALESCE(MAX(b.number) + 1, 0) FROM search_businesses b WHERE b.tenant = $1 AND b.search_id = $2), \
         businesses_searched = (SELECT COUNT(*) FROM search_businesses b WHERE b.tenant = $1 AND b.search_id = $2 AND b.number IS NOT NULL \
             AND b.searched_at_ms IS NOT NULL), \
         leads = (SELECT COALESCE(MAX(l.number) + 1, 0) FROM leads l WHERE l.tenant = $1 AND l.search_id = $2), \
         leads_looked_up = (SELECT COUNT(*) FROM leads l WHERE l.tenant = $1 AND l.search_id = $2 AND l.email_looked_up_at_ms IS NOT NULL), \
         leads_ready = (SELECT COUNT(*) FROM leads l WHERE l.tenant = $1 AND l.search_id = $2 AND l.state = 'ready'), \
         gaps = (SELECT COUNT(*) FROM gaps g WHERE g.tenant = $1 AND g.search_id = $2), \
         first_lead_at_ms = COALESCE(first_lead_at_ms, \
             (SELECT MIN(l.ready_at_ms) FROM leads l WHERE l.tenant = $1 AND l.search_id = $2)) \
         WHERE tenant = $1 AND search_id = $2",
    )
    .bind(tenant)
    .bind(search_id)
    .bind(now_ms)
    .execute(&mut *transaction)
    .await?;
    let row = sqlx::query(
        "SELECT p.phase, p.businesses, p.businesses_searched, p.leads, p.leads_ready, s.brief FROM search_progress p \
         JOIN searches s ON s.id = p.search_id WHERE p.tenant = $1 AND p.search_id = $2",
    )
    .bind(tenant)
    .bind(search_id)
    .fetch_one(&mut *transaction)
    .await?;
    let (businesses, searched) = (count(&row, "businesses")?, count(&row, "businesses_searched")?);
    let (leads, ready) = (count(&row, "leads")?, count(&row, "leads_ready")?);
    let brief: Brief = from_json(&row.try_get::<String, _>("brief")?)?;
    let share = |part: u32, of: u32| (part.min(of) * 99).checked_div(of).unwrap_or(0);
    let percent = match (brief.want.leads, brief.want.businesses) {
        (Some(wanted), _) => share(ready, wanted),
        (None, Some(wanted)) => share(searched, wanted).min(share(ready, leads)),
        (None, None) => share(searched, businesses).min(share(ready, leads)),
    };
    // What a search waits for stays in sight while its last calls still store their results.
    let waits: &str = row.try_get("phase")?;
    let waits = Some(waits).filter(|phase| matches!(*phase, "paused" | "over_budget" | "refused"));
    let phase = phase.or(waits).unwrap_or(match (businesses, leads, ready) {
        (0, _, _) => "personas",
        (_, 0, _) => "people",
        (_, _, 0) => "leads",
        _ => "reasons",
    });
    let sql = "UPDATE search_progress SET percent = $3, phase = $4 WHERE tenant = $1 AND search_id = $2 \
               AND phase NOT IN ('completed', 'completed_with_gaps', 'cancelled')";
    sqlx::query(sql)
        .bind(tenant)
        .bind(search_id)
        .bind(i64::from(percent))
        .bind(phase)
        .execute(&mut *transaction)
        .await?;
    Ok(())
}

fn read_search(row: &AnyRow) -> Result<Search, StoreError> {
    Ok(Search {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        name: row.try_get("name")?,
        source: row.try_get("source")?,
        brief: from_json(&row.try_get::<String, _>("brief")?)?,
        exclusions: from_json(&row.try_get::<String, _>("exclusions")?)?,
        status: row.try_get("status")?,
        paused: row.try_get::<String, _>("wish")? == "pause",
        created_at_ms: row.try_get("created_at_ms")?,
        started_at_ms: row.try_get("started_at_ms")?,
        finished_at_ms: row.try_get("finished_at_ms")?,
    })
}

pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("stored values have string keys and no failing serialiser")
}

/// Reads a column that this program wrote; anything else there is a damaged store.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| {
        StoreError::new(
            super::StoreErrorKind::Corrupt,
            format!("a stored value does not read back (line {}, column {})", error.line(), error.column()),
        )
    })
}

pub(crate) fn count(row: &AnyRow, column: &str) -> Result<u32, StoreError> {
    Ok(small(row.try_get(column)?))
}

/// A count or number column; they never come near the limit of the type.
pub(crate) fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(if number < 0 { 0 } else { u32::MAX })
}
