//! What people wrote back, on any channel, and what owners of accounts wrote by hand.

use super::{Store, StoreError};
use leadflow_workflows::domain::outreach::Channel;
use serde::Serialize;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

/// The kind of a message that the account's owner typed.
pub(crate) const OWNER: &str = "owner";

/// A message that came back. Instants are UTC milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reply {
    pub account_id: String,
    /// `linkedin` or `email`.
    pub channel: String,
    /// `reply`, `opt_out`, `out_of_office`, `bounce` or `owner`.
    pub kind: String,
    pub text: String,
    pub at_ms: i64,
}

pub(crate) struct NewReply<'a> {
    pub(crate) person_id: &'a str,
    pub(crate) account_id: &'a str,
    pub(crate) channel: Channel,
    pub(crate) kind: &'a str,
    pub(crate) provider_message_id: &'a str,
    pub(crate) text: &'a str,
    pub(crate) at_ms: i64,
}

impl Store {
    /// What a person wrote, and was written by hand, the oldest first.
    pub async fn replies(&self, tenant: &str, person_id: &str) -> Result<Vec<Reply>, StoreError> {
        let rows = sqlx::query(
            "SELECT account_id, channel, kind, text, at_ms FROM replies WHERE tenant = $1 AND person_id = $2 \
             ORDER BY at_ms, id",
        )
        .bind(tenant)
        .bind(person_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(Reply {
                account_id: row.try_get("account_id")?,
                channel: row.try_get("channel")?,
                kind: row.try_get("kind")?,
                text: row.try_get("text")?,
                at_ms: row.try_get("at_ms")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Whether a person, and no program of theirs, has ever written back.
pub(crate) async fn has_replied(
    transaction: &mut AnyConnection,
    tenant: &str,
    person_id: &str,
) -> Result<bool, StoreError> {
    let replies: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM replies WHERE tenant = $1 AND person_id = $2 AND kind = 'reply'")
            .bind(tenant)
            .bind(person_id)
            .fetch_one(transaction)
            .await?;
    Ok(replies > 0)
}

/// Stores a message once; `false` when it is known.
pub(crate) async fn add_reply(
    transaction: &mut AnyConnection,
    tenant: &str,
    new: &NewReply<'_>,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let added = sqlx::query(
        "INSERT INTO replies (id, tenant, person_id, account_id, channel, kind, provider_message_id, text, at_ms, \
         received_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(tenant)
    .bind(new.person_id)
    .bind(new.account_id)
    .bind(new.channel.name())
    .bind(new.kind)
    .bind(new.provider_message_id)
    .bind(new.text)
    .bind(new.at_ms)
    .bind(now_ms)
    .execute(transaction)
    .await?;
    Ok(added.rows_affected() == 1)
}
