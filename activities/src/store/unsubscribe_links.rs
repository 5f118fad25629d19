//! Links by which the recipient of an email ends all contact. The store knows only the hash of what stands in one.

use super::{Store, StoreError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, Row};

/// Whom a link is about, and what sent it.
#[derive(Clone, Debug)]
pub(crate) struct UnsubscribeLink {
    pub(crate) tenant: String,
    pub(crate) person_id: String,
    pub(crate) account_id: String,
    /// Where the mail went, in lower case.
    pub(crate) address: String,
}

/// 256 random bits, in the letters of an address.
pub(crate) fn new_token() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// Keeps a link for good: mail is opened late.
pub(crate) async fn add_link(
    transaction: &mut AnyConnection,
    token: &str,
    link: &UnsubscribeLink,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO unsubscribe_links (token_hash, tenant, person_id, account_id, address, created_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(hash(token))
    .bind(&link.tenant)
    .bind(&link.person_id)
    .bind(&link.account_id)
    .bind(link.address.to_lowercase())
    .bind(now_ms)
    .execute(transaction)
    .await?;
    Ok(())
}

impl Store {
    /// The link with this token, of whatever tenant: the token is all that its reader has.
    pub(crate) async fn unsubscribe_link(&self, token: &str) -> Result<Option<UnsubscribeLink>, StoreError> {
        let row =
            sqlx::query("SELECT tenant, person_id, account_id, address FROM unsubscribe_links WHERE token_hash = $1")
                .bind(hash(token))
                .fetch_optional(self.read())
                .await
                .map_err(|error| self.error(error))?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(UnsubscribeLink {
            tenant: row.try_get("tenant")?,
            person_id: row.try_get("person_id")?,
            account_id: row.try_get("account_id")?,
            address: row.try_get("address")?,
        }))
    }
}

fn hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}
