//! Sequences and their versions. A stored version never changes.

use super::searches::{from_json, small, to_json};
use super::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::sequence::Sequence;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use uuid::Uuid;

/// One version of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSequence {
    pub id: String,
    pub name: String,
    /// From 1.
    pub version: u32,
    pub sequence: Sequence,
    pub created_at_ms: i64,
}

const SELECT: &str = "SELECT id, name, version, document, created_at_ms FROM sequences";

/// The sequence that an enrollment follows, inside a transaction.
pub(crate) async fn sequence_of(
    transaction: &mut AnyConnection,
    tenant: &str,
    enrollment_id: &str,
) -> Result<Option<Sequence>, StoreError> {
    let document: Option<String> = sqlx::query_scalar(
        "SELECT s.document FROM sequences s JOIN enrollments e ON e.tenant = s.tenant AND e.sequence_id = s.id \
         WHERE e.tenant = $1 AND e.id = $2",
    )
    .bind(tenant)
    .bind(enrollment_id)
    .fetch_optional(transaction)
    .await?;
    document.map(|document| from_json(&document)).transpose()
}

impl Store {
    /// Stores a sequence as the next version of its name. The document of the newest version again is that version.
    pub async fn add_sequence(
        &self,
        tenant: &str,
        sequence: &Sequence,
        now_ms: i64,
    ) -> Result<StoredSequence, StoreError> {
        let id = Uuid::now_v7().to_string();
        self.write(|transaction| {
            let id = &id;
            async move {
                loop {
                    let newest = newest(transaction, tenant, &sequence.name).await?;
                    if let Some(newest) = newest.as_ref().filter(|newest| newest.sequence == *sequence) {
                        return Ok(newest.clone());
                    }
                    let version = newest.map_or(0, |newest| newest.version) + 1;
                    let added = sqlx::query(
                        "INSERT INTO sequences (id, tenant, name, version, document, created_at_ms) \
                         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, name, version) DO NOTHING",
                    )
                    .bind(id)
                    .bind(tenant)
                    .bind(&sequence.name)
                    .bind(i64::from(version))
                    .bind(to_json(sequence))
                    .bind(now_ms)
                    .execute(&mut **transaction)
                    .await?;
                    // Otherwise another writer took this number just now.
                    if added.rows_affected() == 1 {
                        return Ok(StoredSequence {
                            id: id.clone(),
                            name: sequence.name.clone(),
                            version,
                            sequence: sequence.clone(),
                            created_at_ms: now_ms,
                        });
                    }
                }
            }
            .boxed()
        })
        .await
    }

    pub async fn sequence(&self, tenant: &str, id: &str) -> Result<Option<StoredSequence>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE tenant = $1 AND id = $2")))
            .bind(tenant)
            .bind(id)
            .fetch_optional(self.read())
            .await
            .map_err(|error| self.error(error))?;
        row.map(|row| read_row(&row)).transpose()
    }

    /// All versions, the newest first.
    pub async fn sequences(&self, tenant: &str) -> Result<Vec<StoredSequence>, StoreError> {
        let sql = format!("{SELECT} WHERE tenant = $1 ORDER BY created_at_ms DESC, id DESC");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_row).collect()
    }

    /// Versions that a person may mean: `last`, `NAME` for its newest version, `NAME@VERSION`, or the beginning of an id.
    pub async fn matching_sequences(&self, tenant: &str, word: &str) -> Result<Vec<StoredSequence>, StoreError> {
        let word = word.trim();
        let mut sequences = self.sequences(tenant).await?;
        if word == "last" {
            sequences.truncate(1);
            return Ok(sequences);
        }
        if let Some((name, version)) = word.rsplit_once('@') {
            let version = version.parse::<u32>().ok();
            sequences.retain(|sequence| sequence.name == name && Some(sequence.version) == version);
            return Ok(sequences);
        }
        let of_name = sequences.iter().filter(|sequence| sequence.name == word);
        if let Some(newest) = of_name.max_by_key(|sequence| sequence.version) {
            return Ok(vec![newest.clone()]);
        }
        sequences.retain(|sequence| sequence.id == word || (word.len() >= 4 && sequence.id.starts_with(word)));
        Ok(sequences)
    }
}

async fn newest(
    transaction: &mut AnyConnection,
    tenant: &str,
    name: &str,
) -> Result<Option<StoredSequence>, StoreError> {
    let sql = format!("{SELECT} WHERE tenant = $1 AND name = $2 ORDER BY version DESC LIMIT 1");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(tenant).bind(name).fetch_optional(transaction).await?;
    row.map(|row| read_row(&row)).transpose()
}

fn read_row(row: &AnyRow) -> Result<StoredSequence, StoreError> {
    Ok(StoredSequence {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        version: small(row.try_get("version")?),
        sequence: from_json(&row.try_get::<String, _>("document")?)?,
        created_at_ms: row.try_get("created_at_ms")?,
    })
}
