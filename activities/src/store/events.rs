//! What providers told: each event once, with what it did and whom it concerns.

use super::searches::{from_json, to_json};
use super::{Backend, Store, StoreError};
use crate::telemetry::Untold;
use futures::FutureExt;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};

/// A stored event. Instants are UTC milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredEvent {
    pub id: String,
    /// The provider that told it.
    pub source: String,
    #[serde(rename = "key")]
    pub event_key: String,
    pub kind: String,
    pub account_id: Option<String>,
    /// `None`: nobody that is known here.
    pub person_id: Option<String>,
    /// The event as JSON.
    #[serde(skip)]
    pub body: String,
    /// Whether a pull has yet to confirm it.
    pub is_hint: bool,
    /// What it did, in words.
    pub effect: String,
    /// Ids of the workflows that it concerns.
    pub tell: Vec<String>,
    pub received_at_ms: i64,
    /// When these were told to look.
    pub signalled_at_ms: Option<i64>,
}

/// Which events are listed; by default all.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventFilter<'a> {
    pub source: Option<&'a str>,
    /// Those that concerned nobody known.
    pub only_unmatched: bool,
    /// Those that a pull has yet to confirm.
    pub only_unconfirmed: bool,
}

pub(crate) struct NewEvent<'a> {
    pub(crate) id: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) source: &'a str,
    pub(crate) event_key: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) account_id: Option<&'a str>,
    pub(crate) body: &'a str,
    pub(crate) is_hint: bool,
    pub(crate) now_ms: i64,
    /// Who stores it tells the workflows itself until then; afterwards whoever takes it does.
    pub(crate) lease_until_ms: i64,
    /// The span in which it came, for those who tell of it later.
    pub(crate) traceparent: Option<&'a str>,
}

/// An event whose workflows nobody has told.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) id: String,
    pub(crate) tenant: String,
    /// Ids of workflows.
    pub(crate) tell: Vec<String>,
    /// The span in which it came.
    pub(crate) traceparent: Option<String>,
}

/// What an event did.
pub(crate) struct Effect<'a> {
    pub(crate) account_id: Option<&'a str>,
    pub(crate) person_id: Option<&'a str>,
    pub(crate) text: &'a str,
    /// Ids of workflows.
    pub(crate) tell: &'a [String],
}

const COLUMNS: &str = "id, source, event_key, kind, account_id, person_id, body, is_hint, effect, tell, \
     received_at_ms, signalled_at_ms FROM events";

impl Store {
    /// Whether the database answers.
    pub async fn check(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(self.read()).await.map(drop).map_err(|error| self.error(error))
    }

    /// The newest events first.
    pub async fn events(&self, tenant: &str, only_unmatched: bool, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.filtered_events(tenant, &EventFilter { only_unmatched, ..EventFilter::default() }, limit).await
    }

    /// The newest events first that pass the filter.
    pub async fn filtered_events(
        &self,
        tenant: &str,
        filter: &EventFilter<'_>,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} WHERE tenant = $1 AND ($3 = '' OR source = $3) \
             AND ($4 = 0 OR (person_id IS NULL AND effect LIKE 'unmatched%')) AND ($5 = 0 OR is_hint = 1) \
             ORDER BY received_at_ms DESC, id DESC LIMIT $2"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(i64::from(limit))
            .bind(filter.source.unwrap_or_default())
            .bind(i64::from(filter.only_unmatched))
            .bind(i64::from(filter.only_unconfirmed))
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_event).collect()
    }

    /// Events whose id begins with `word`, the newest first; `last` is the newest.
    pub async fn matching_events(&self, tenant: &str, word: &str) -> Result<Vec<StoredEvent>, StoreError> {
        if word == "last" {
            return self.events(tenant, false, 1).await;
        }
        let sql = format!(
            "SELECT {COLUMNS} WHERE tenant = $1 AND SUBSTR(id, 1, LENGTH($2)) = $2 \
             ORDER BY received_at_ms DESC, id DESC LIMIT 10"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(word)
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_event).collect()
    }

    /// The newest messages to an account since then that concerned nobody and had this effect.
    pub(crate) async fn messages_of_nobody(
        &self,
        tenant: &str,
        account_id: &str,
        effect: &str,
        since_ms: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} WHERE tenant = $1 AND account_id = $2 AND person_id IS NULL AND effect = $3 \
             AND received_at_ms > $4 ORDER BY received_at_ms DESC, id DESC LIMIT $5"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(account_id)
            .bind(effect)
            .bind(since_ms)
            .bind(i64::from(limit))
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_event).collect()
    }

    /// Says anew what an event did that concerned nobody.
    pub(crate) async fn note_other_effect(&self, tenant: &str, id: &str, effect: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query("UPDATE events SET effect = $3 WHERE tenant = $1 AND id = $2 AND person_id IS NULL")
                    .bind(tenant)
                    .bind(id)
                    .bind(effect)
                    .execute(&mut **transaction)
                    .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Whether an event is stored and needs no second look: one that concerned nobody may concern somebody now.
    pub(crate) async fn knows_event(&self, tenant: &str, source: &str, event_key: &str) -> Result<bool, StoreError> {
        let known: Option<String> = sqlx::query_scalar(
            "SELECT id FROM events WHERE tenant = $1 AND source = $2 AND event_key = $3 \
             AND effect NOT LIKE 'unmatched%'",
        )
        .bind(tenant)
        .bind(source)
        .bind(event_key)
        .fetch_optional(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(known.is_some())
    }

    /// Moves an event that concerned nobody, because its account was nobody's, to the tenant who has the account now; whether
    /// there was one. The store has to be that of the whole installation.
    pub(crate) async fn take_over_event(
        &self,
        tenant: &str,
        source: &str,
        event_key: &str,
    ) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                let moved = sqlx::query(
                    "UPDATE events SET tenant = $1 WHERE source = $2 AND event_key = $3 AND tenant <> $1 \
                     AND account_id IS NULL AND person_id IS NULL AND effect LIKE 'unmatched%'",
                )
                .bind(tenant)
                .bind(source)
                .bind(event_key)
                .execute(&mut **transaction)
                .await?;
                Ok(moved.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }

    /// Takes the oldest events, of all tenants, whose workflows nobody has told, and keeps them from others until
    /// `lease_until_ms`.
    pub(crate) async fn take_untold(
        &self,
        at_most: u16,
        now_ms: i64,
        lease_until_ms: i64,
    ) -> Result<Vec<Left>, StoreError> {
        let unlocked = match self.backend() {
            Backend::Sqlite => "",
            Backend::Postgres => " FOR UPDATE SKIP LOCKED",
        };
        let sql = format!(
            "UPDATE events SET lease_until_ms = $2 WHERE id IN (SELECT id FROM events WHERE signalled_at_ms IS NULL \
             AND lease_until_ms <= $1 ORDER BY received_at_ms, id LIMIT $3{unlocked}) RETURNING id, tenant, tell, traceparent"
        );
        self.write(|transaction| {
            let sql = sql.clone();
            async move {
                let rows = sqlx::query(AssertSqlSafe(sql))
                    .bind(now_ms)
                    .bind(lease_until_ms)
                    .bind(i64::from(at_most))
                    .fetch_all(&mut **transaction)
                    .await?;
                let read = |row: &AnyRow| {
                    let tell = from_json(&row.try_get::<String, _>("tell")?)?;
                    let traceparent = row.try_get("traceparent")?;
                    Ok(Left { id: row.try_get("id")?, tenant: row.try_get("tenant")?, tell, traceparent })
                };
                rows.iter().map(read).collect()
            }
            .boxed()
        })
        .await
    }

    /// Events, of all tenants, whose workflows nobody has told; at most so many are counted.
    pub(crate) async fn untold(&self, at_most: i64) -> Result<Untold, StoreError> {
        let (events, oldest_at_ms) = sqlx::query_as(
            "SELECT COUNT(*), MIN(received_at_ms) FROM (SELECT received_at_ms FROM events \
             WHERE signalled_at_ms IS NULL ORDER BY received_at_ms LIMIT $1) AS untold",
        )
        .bind(at_most)
        .fetch_one(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(Untold { events, oldest_at_ms })
    }

    /// Forgets the events, of every tenant, that came before `before_ms` and concerned nobody.
    pub async fn forget_unmatched_events(&self, before_ms: i64) -> Result<u64, StoreError> {
        self.write(|transaction| {
            async move {
                let forget = "DELETE FROM events WHERE person_id IS NULL AND effect LIKE 'unmatched%' \
                     AND received_at_ms < $1 AND signalled_at_ms IS NOT NULL";
                Ok(sqlx::query(forget).bind(before_ms).execute(&mut **transaction).await?.rows_affected())
            }
            .boxed()
        })
        .await
    }

    /// Notes that the workflows of these events have been told.
    pub(crate) async fn note_told(&self, ids: &[&str], now_ms: i64) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let places: Vec<String> = (0..ids.len()).map(|index| format!("${}", index + 2)).collect();
        let sql = format!("UPDATE events SET signalled_at_ms = $1 WHERE id IN ({})", places.join(", "));
        self.write(|transaction| {
            let sql = sql.clone();
            async move {
                let query = sqlx::query(AssertSqlSafe(sql)).bind(now_ms);
                ids.iter().fold(query, |query, id| query.bind(*id)).execute(&mut **transaction).await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }
}

/// Stores an event whose effect is not written yet; `false` when its key is known. Of two at once one waits for the other.
pub(crate) async fn insert(transaction: &mut AnyConnection, new: &NewEvent<'_>) -> Result<bool, StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO events (id, tenant, source, event_key, kind, account_id, body, is_hint, effect, tell, received_at_ms, \
         lease_until_ms, traceparent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', '[]', $9, $10, $11) \
         ON CONFLICT DO NOTHING",
    )
    .bind(new.id)
    .bind(new.tenant)
    .bind(new.source)
    .bind(new.event_key)
    .bind(new.kind)
    .bind(new.account_id)
    .bind(new.body)
    .bind(i64::from(new.is_hint))
    .bind(new.now_ms)
    .bind(new.lease_until_ms)
    .bind(new.traceparent)
    .execute(transaction)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

pub(crate) async fn by_key(
    transaction: &mut AnyConnection,
    tenant: &str,
    source: &str,
    event_key: &str,
    for_update: &str,
) -> Result<Option<StoredEvent>, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE tenant = $1 AND source = $2 AND event_key = $3{for_update}");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(tenant).bind(source).bind(event_key);
    let row = query.fetch_optional(transaction).await?;
    row.as_ref().map(read_event).transpose()
}

/// Writes down what an event did; of one about somebody who asked not to be processed only that it came. With nobody to tell,
/// all are told. Gives the instant until which a call may begin that was claimed for the person or for an enrollment of these.
pub(crate) async fn note_effect(
    transaction: &mut AnyConnection,
    tenant: &str,
    id: &str,
    effect: &Effect<'_>,
    enrollments: &[&str],
    now_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let sql = format!(
        "UPDATE events SET account_id = $3, person_id = $4, effect = $5, tell = $6, signalled_at_ms = $7, \
         body = CASE WHEN EXISTS (SELECT 1 FROM persons WHERE tenant = $1 AND id = $4 AND removed_at_ms IS NOT NULL) \
         THEN '{{}}' ELSE body END WHERE tenant = $1 AND id = $2 RETURNING ({})",
        claimed_calls(4, 8, enrollments.len())
    );
    let update = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(tenant)
        .bind(id)
        .bind(effect.account_id)
        .bind(effect.person_id)
        .bind(effect.text)
        .bind(to_json(effect.tell))
        .bind(effect.tell.is_empty().then_some(now_ms));
    let update = enrollments.iter().fold(update, |update, id| update.bind(*id));
    Ok(update.fetch_optional(transaction).await?.flatten())
}

/// The instant until which a call may begin that was claimed for a person or for one of these enrollments.
pub(crate) async fn call_begins_by(
    connection: &mut AnyConnection,
    tenant: &str,
    person_id: Option<&str>,
    enrollments: &[&str],
) -> Result<Option<i64>, StoreError> {
    let select = sqlx::query_scalar(AssertSqlSafe(claimed_calls(2, 3, enrollments.len()))).bind(tenant).bind(person_id);
    let select = enrollments.iter().fold(select, |select, id| select.bind(*id));
    Ok(select.fetch_one(connection).await?)
}

/// With the tenant as the first parameter.
fn claimed_calls(person: usize, first_enrollment: usize, enrollments: usize) -> String {
    let places: Vec<String> = (0..enrollments).map(|index| format!(", ${}", first_enrollment + index)).collect();
    format!(
        "SELECT MAX(call_begin_by_ms) FROM touches WHERE tenant = $1 AND state = 'calling' \
         AND (person_id = ${person} OR enrollment_id IN (''{}))",
        places.concat()
    )
}

/// Forgets an event that concerns nobody here.
pub(crate) async fn discard(transaction: &mut AnyConnection, tenant: &str, id: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM events WHERE tenant = $1 AND id = $2").bind(tenant).bind(id).execute(transaction).await?;
    Ok(())
}

fn read_event(row: &AnyRow) -> Result<StoredEvent, StoreError> {
    Ok(StoredEvent {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        event_key: row.try_get("event_key")?,
        kind: row.try_get("kind")?,
        account_id: row.try_get("account_id")?,
        person_id: row.try_get("person_id")?,
        body: row.try_get("body")?,
        is_hint: row.try_get::<i64, _>("is_hint")? == 1,
        effect: row.try_get("effect")?,
        tell: from_json(&row.try_get::<String, _>("tell")?)?,
        received_at_ms: row.try_get("received_at_ms")?,
        signalled_at_ms: row.try_get("signalled_at_ms")?,
    })
}
