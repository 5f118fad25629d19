//! What providers told: each event once, with what it did and whom it concerns.

use super::searches::{from_json, to_json};
use super::{Store, StoreError};
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
    /// What it did, in words.
    pub effect: String,
    /// Ids of the workflows that it concerns.
    pub tell: Vec<String>,
    pub received_at_ms: i64,
    /// When these were told to look.
    pub signalled_at_ms: Option<i64>,
}

pub(crate) struct NewEvent<'a> {
    pub(crate) id: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) source: &'a str,
    pub(crate) event_key: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) account_id: Option<&'a str>,
    pub(crate) body: &'a str,
    pub(crate) now_ms: i64,
    /// Who stores it tells the workflows itself until then.
    pub(crate) lease_until_ms: i64,
    /// The span in which it came, for those who tell of it later.
    pub(crate) traceparent: Option<&'a str>,
}

/// An event whose workflows nobody has told.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) id: String,
    /// Ids of workflows.
    pub(crate) tell: Vec<String>,
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

const COLUMNS: &str = "id, source, event_key, kind, account_id, person_id, body, effect, tell, received_at_ms, \
     signalled_at_ms FROM events";

impl Store {
    /// Whether the database answers.
    pub async fn check(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(self.read()).await.map(drop).map_err(|error| self.error(error))
    }

    /// The newest events first.
    pub async fn events(&self, tenant: &str, only_unmatched: bool, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let rest = if only_unmatched { "AND person_id IS NULL AND effect LIKE 'unmatched%'" } else { "" };
        let sql = format!("SELECT {COLUMNS} WHERE tenant = $1 {rest} ORDER BY received_at_ms DESC, id DESC LIMIT $2");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(i64::from(limit))
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
            "SELECT {COLUMNS} WHERE tenant = $1 AND id >= $2 AND id < $3 ORDER BY received_at_ms DESC, id DESC LIMIT 10"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(word)
            .bind(format!("{word}\u{7f}"))
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_event).collect()
    }

    /// Whether an event is stored and needs no second look: one that concerned nobody may concern somebody now.
    pub(crate) async fn knows_event(&self, source: &str, event_key: &str) -> Result<bool, StoreError> {
        let known: Option<String> = sqlx::query_scalar(
            "SELECT id FROM events WHERE source = $1 AND event_key = $2 AND effect NOT LIKE 'unmatched%'",
        )
        .bind(source)
        .bind(event_key)
        .fetch_optional(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(known.is_some())
    }

    /// Takes events whose workflows nobody has told, and keeps them from others until `lease_until_ms`.
    pub(crate) async fn take_untold(
        &self,
        tenant: &str,
        now_ms: i64,
        lease_until_ms: i64,
    ) -> Result<Vec<Left>, StoreError> {
        let for_update = self.for_update();
        self.write(|transaction| {
            async move {
                let rows = sqlx::query(AssertSqlSafe(format!(
                    "SELECT id, tell, traceparent FROM events WHERE tenant = $1 AND signalled_at_ms IS NULL AND lease_until_ms < $2 \
                     ORDER BY received_at_ms LIMIT 200{for_update}"
                )))
                .bind(tenant)
                .bind(now_ms)
                .fetch_all(&mut **transaction)
                .await?;
                let mut taken = Vec::with_capacity(rows.len());
                for row in &rows {
                    let id: String = row.try_get("id")?;
                    sqlx::query("UPDATE events SET lease_until_ms = $3 WHERE tenant = $1 AND id = $2")
                        .bind(tenant)
                        .bind(&id)
                        .bind(lease_until_ms)
                        .execute(&mut **transaction)
                        .await?;
                    let tell = from_json(&row.try_get::<String, _>("tell")?)?;
                    taken.push(Left { id, tell, traceparent: row.try_get("traceparent")? });
                }
                Ok(taken)
            }
            .boxed()
        })
        .await
    }

    /// Events whose workflows nobody has told, of which at most so many are counted.
    pub(crate) async fn untold(&self, tenant: &str, at_most: i64) -> Result<Untold, StoreError> {
        let (events, oldest_at_ms) = sqlx::query_as(
            "SELECT COUNT(*), MIN(received_at_ms) FROM (SELECT received_at_ms FROM events WHERE tenant = $1 \
             AND signalled_at_ms IS NULL ORDER BY received_at_ms LIMIT $2) AS untold",
        )
        .bind(tenant)
        .bind(at_most)
        .fetch_one(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(Untold { events, oldest_at_ms })
    }

    pub(crate) async fn note_told(&self, tenant: &str, id: &str, now_ms: i64) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query("UPDATE events SET signalled_at_ms = $3 WHERE tenant = $1 AND id = $2")
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
}

/// Stores an event whose effect is not written yet; `false` when its key is known. Of two at once one waits for the other.
pub(crate) async fn insert(transaction: &mut AnyConnection, new: &NewEvent<'_>) -> Result<bool, StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO events (id, tenant, source, event_key, kind, account_id, body, effect, tell, received_at_ms, \
         lease_until_ms, traceparent) VALUES ($1, $2, $3, $4, $5, $6, $7, '', '[]', $8, $9, $10) ON CONFLICT DO NOTHING",
    )
    .bind(new.id)
    .bind(new.tenant)
    .bind(new.source)
    .bind(new.event_key)
    .bind(new.kind)
    .bind(new.account_id)
    .bind(new.body)
    .bind(new.now_ms)
    .bind(new.lease_until_ms)
    .bind(new.traceparent)
    .execute(transaction)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

pub(crate) async fn by_key(
    transaction: &mut AnyConnection,
    source: &str,
    event_key: &str,
    for_update: &str,
) -> Result<Option<StoredEvent>, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE source = $1 AND event_key = $2{for_update}");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(source).bind(event_key).fetch_optional(transaction).await?;
    row.as_ref().map(read_event).transpose()
}

/// Writes down what an event did. With nobody to tell, all are told.
pub(crate) async fn note_effect(
    transaction: &mut AnyConnection,
    tenant: &str,
    id: &str,
    effect: &Effect<'_>,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE events SET account_id = $3, person_id = $4, effect = $5, tell = $6, signalled_at_ms = $7 \
         WHERE tenant = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(id)
    .bind(effect.account_id)
    .bind(effect.person_id)
    .bind(effect.text)
    .bind(to_json(effect.tell))
    .bind(effect.tell.is_empty().then_some(now_ms))
    .execute(transaction)
    .await?;
    Ok(())
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
        effect: row.try_get("effect")?,
        tell: from_json(&row.try_get::<String, _>("tell")?)?,
        received_at_ms: row.try_get("received_at_ms")?,
        signalled_at_ms: row.try_get("signalled_at_ms")?,
    })
}
