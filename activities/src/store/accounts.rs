//! Sender accounts: how each works, in what state it is, and up to when its lists have been read.

use super::searches::{from_json, to_json};
use super::{Store, StoreError, StoreErrorKind};
use futures::FutureExt;
use leadflow_workflows::domain::account::AccountSettings;
use leadflow_workflows::domain::outreach::Channel;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::BTreeMap;

/// A LinkedIn profile or a mailbox that sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: String,
    pub tenant: String,
    pub name: String,
    pub channel: Channel,
    /// Whose interface it is used through.
    pub provider: String,
    pub provider_account_id: String,
    /// The provider's id of the account's own profile.
    pub owner_provider_id: Option<String>,
    /// Of a mailbox, in lower case.
    pub address: Option<String>,
    /// `sandbox` or `live`.
    pub source: String,
    pub settings: AccountSettings,
    /// `active`, `paused`, `disconnected`, `restricted` or `held`.
    pub state: String,
    /// Why it is not active, without personal data.
    pub state_reason: Option<String>,
    pub state_at_ms: i64,
    /// The provider asked to wait until then.
    pub deferred_until_ms: Option<i64>,
    pub deferred_reason: Option<String>,
    /// Up to when each list of the provider has been read.
    pub marks: BTreeMap<String, i64>,
    pub read_at_ms: Option<i64>,
    pub created_at_ms: i64,
}

impl Account {
    /// Whether a mail from this address is one of the account's own.
    pub(crate) fn writes_from(&self, address: &str) -> bool {
        self.address.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(address.trim()))
    }

    /// Whether a new account is the same LinkedIn profile or mailbox, whatever the provider calls it.
    pub fn is_same(&self, new: &NewAccount) -> bool {
        let is_profile = self.owner_provider_id.is_some() && self.owner_provider_id == new.owner_provider_id;
        let is_mailbox = new.address.as_ref().is_some_and(|address| self.writes_from(address));
        (&self.provider, self.channel, &self.source) == (&new.provider, new.channel, &new.source)
            && (is_profile || is_mailbox)
    }
}

/// What a new account begins with.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub id: String,
    pub tenant: String,
    pub name: String,
    pub channel: Channel,
    pub provider: String,
    pub provider_account_id: String,
    pub owner_provider_id: Option<String>,
    pub address: Option<String>,
    pub source: String,
    pub settings: AccountSettings,
    pub now_ms: i64,
}

/// Columns that [`read_account_row`] needs.
pub(crate) const ACCOUNT_COLUMNS: &str = "id, tenant, name, channel, provider, provider_account_id, owner_provider_id, \
     address, source, settings, state, state_reason, state_at_ms, deferred_until_ms, deferred_reason, marks, read_at_ms, \
     created_at_ms";

impl Store {
    /// Stores an account; `false` when its name, or the account at the provider, is taken, or the tenant has the same profile
    /// or mailbox already: under two ids it would have its limits twice.
    pub async fn add_account(&self, new: &NewAccount) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                let known = lock_accounts(transaction, self.for_update(), &new.tenant).await?;
                if known.iter().any(|account| account.is_same(new)) {
                    return Ok(false);
                }
                let added = sqlx::query(
                    "INSERT INTO accounts (id, tenant, name, channel, provider, provider_account_id, owner_provider_id, \
                     address, source, settings, state, state_at_ms, marks, created_at_ms) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'active', $11, '{}', $11) ON CONFLICT DO NOTHING",
                )
                .bind(&new.id)
                .bind(&new.tenant)
                .bind(&new.name)
                .bind(new.channel.name())
                .bind(&new.provider)
                .bind(&new.provider_account_id)
                .bind(new.owner_provider_id.as_deref())
                .bind(new.address.as_deref().map(str::to_lowercase))
                .bind(&new.source)
                .bind(to_json(&new.settings))
                .bind(new.now_ms)
                .execute(&mut **transaction)
                .await?;
                Ok(added.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }

    /// Has the account of this name go on under the provider's new id, when it is the same profile or mailbox, which its owner
    /// has connected anew. All that it did and knows stays, but for its chats, which have other ids now. The account, or `None`
    /// when there is none such under another id, or the new id is taken.
    pub async fn relink_account(&self, new: &NewAccount) -> Result<Option<Account>, StoreError> {
        self.write(|transaction| {
            async move {
                let known = lock_accounts(transaction, self.for_update(), &new.tenant).await?;
                let account = known.into_iter().find(|account| {
                    account.name == new.name
                        && account.is_same(new)
                        && account.provider_account_id != new.provider_account_id
                });
                let Some(account) = account else { return Ok(None) };
                let relinked =
                    sqlx::query("UPDATE accounts SET provider_account_id = $3 WHERE tenant = $1 AND id = $2")
                        .bind(&new.tenant)
                        .bind(&account.id)
                        .bind(&new.provider_account_id)
                        .execute(&mut **transaction)
                        .await;
                // Perhaps by another tenant, whose accounts do not show here.
                if let Err(sqlx::Error::Database(error)) = &relinked
                    && error.is_unique_violation()
                {
                    return Ok(None);
                }
                relinked?;
                sqlx::query("UPDATE account_people SET provider_chat_id = NULL WHERE tenant = $1 AND account_id = $2")
                    .bind(&new.tenant)
                    .bind(&account.id)
                    .execute(&mut **transaction)
                    .await?;
                Ok(Some(Account { provider_account_id: new.provider_account_id.clone(), ..account }))
            }
            .boxed()
        })
        .await
    }

    /// Removes an account whose workflow could not be started.
    pub async fn discard_account(&self, tenant: &str, id: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query("DELETE FROM accounts WHERE tenant = $1 AND id = $2")
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

    pub async fn account(&self, tenant: &str, id: &str) -> Result<Option<Account>, StoreError> {
        let sql = format!("SELECT {ACCOUNT_COLUMNS} FROM accounts WHERE tenant = $1 AND id = $2");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(id)
            .fetch_optional(self.read())
            .await
            .map_err(|error| self.error(error))?;
        row.map(|row| read_account_row(&row)).transpose()
    }

    /// All accounts, by name.
    pub async fn accounts(&self, tenant: &str) -> Result<Vec<Account>, StoreError> {
        let sql = format!("SELECT {ACCOUNT_COLUMNS} FROM accounts WHERE tenant = $1 ORDER BY name");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant)
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_account_row).collect()
    }

    /// Accounts that a person may mean: `last`, a name, or the beginning of an id.
    pub async fn matching_accounts(&self, tenant: &str, word: &str) -> Result<Vec<Account>, StoreError> {
        let mut accounts = self.accounts(tenant).await?;
        let word = word.trim();
        if word == "last" {
            return Ok(accounts.into_iter().max_by_key(|account| account.created_at_ms).into_iter().collect());
        }
        if accounts.iter().any(|account| account.name == word || account.id == word) {
            accounts.retain(|account| account.name == word || account.id == word);
        } else {
            accounts.retain(|account| word.len() >= 4 && account.id.starts_with(word));
        }
        Ok(accounts)
    }

    /// As `set_account_state`, in a transaction of its own.
    pub async fn set_account_state(
        &self,
        tenant: &str,
        id: &str,
        state: &str,
        reason: Option<&str>,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move { set_account_state(transaction, tenant, id, state, reason, now_ms).await }.boxed()
        })
        .await
    }

    /// Stops an account from contacting anyone: what it had reserved is given back. `false` when it was paused already.
    pub async fn pause_account(&self, tenant: &str, id: &str, now_ms: i64) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                let paused = sqlx::query(
                    "UPDATE accounts SET state = 'paused', state_reason = 'a person paused it', state_at_ms = $3 \
                     WHERE tenant = $1 AND id = $2 AND state <> 'paused'",
                )
                .bind(tenant)
                .bind(id)
                .bind(now_ms)
                .execute(&mut **transaction)
                .await?;
                sqlx::query(
                    "UPDATE touches SET state = 'released', planned_at_ms = NULL WHERE tenant = $1 AND account_id = $2 AND state = 'planned'",
                )
                .bind(tenant)
                .bind(id)
                .execute(&mut **transaction)
                .await?;
                Ok(paused.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }

    /// Lets an account go on, whatever held it, also before the time that the provider asked it to wait. `false` when
    /// nothing held it.
    pub async fn resume_account(&self, tenant: &str, id: &str, now_ms: i64) -> Result<bool, StoreError> {
        self.write(|transaction| {
            async move {
                let resumed = sqlx::query(
                    "UPDATE accounts SET state = 'active', state_reason = NULL, state_at_ms = $3, \
                     deferred_until_ms = NULL, deferred_reason = NULL \
                     WHERE tenant = $1 AND id = $2 AND (state <> 'active' OR deferred_until_ms IS NOT NULL)",
                )
                .bind(tenant)
                .bind(id)
                .bind(now_ms)
                .execute(&mut **transaction)
                .await?;
                Ok(resumed.rows_affected() == 1)
            }
            .boxed()
        })
        .await
    }

    /// Notes up to when each list of the provider has been read.
    pub async fn account_was_read(
        &self,
        tenant: &str,
        id: &str,
        marks: &BTreeMap<String, i64>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query("UPDATE accounts SET marks = $3, read_at_ms = $4 WHERE tenant = $1 AND id = $2")
                    .bind(tenant)
                    .bind(id)
                    .bind(to_json(marks))
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

/// All accounts of a tenant, locked, so that of two that are added at once one sees the other.
async fn lock_accounts(
    transaction: &mut AnyConnection,
    for_update: &str,
    tenant: &str,
) -> Result<Vec<Account>, StoreError> {
    let lock = format!("SELECT id FROM accounts WHERE tenant = $1 ORDER BY id{for_update}");
    sqlx::query(AssertSqlSafe(lock)).bind(tenant).fetch_all(&mut *transaction).await?;
    // Another statement, because one that waits for a lock does not see what was added meanwhile.
    let read = format!("SELECT {ACCOUNT_COLUMNS} FROM accounts WHERE tenant = $1 ORDER BY id");
    let rows = sqlx::query(AssertSqlSafe(read)).bind(tenant).fetch_all(transaction).await?;
    rows.iter().map(read_account_row).collect()
}

/// Writes what the provider tells of an account; `true` when that is new. An account that a person paused stays so, unless
/// what is told needs a person as well: a provider's "all is well" does not overrule anybody.
pub(crate) async fn set_account_state(
    transaction: &mut AnyConnection,
    tenant: &str,
    id: &str,
    state: &str,
    reason: Option<&str>,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let set = sqlx::query(
        "UPDATE accounts SET state = $3, state_reason = $4, state_at_ms = $5 WHERE tenant = $1 AND id = $2 \
         AND state <> $3 AND (state <> 'paused' OR $3 IN ('restricted', 'held'))",
    )
    .bind(tenant)
    .bind(id)
    .bind(state)
    .bind(reason)
    .bind(now_ms)
    .execute(transaction)
    .await?;
    Ok(set.rows_affected() == 1)
}

/// Has an account wait because the provider asked for it; the longest wait counts.
pub(crate) async fn defer_account(
    transaction: &mut AnyConnection,
    tenant: &str,
    id: &str,
    until_ms: i64,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE accounts SET deferred_until_ms = $3, deferred_reason = $4 \
         WHERE tenant = $1 AND id = $2 AND (deferred_until_ms IS NULL OR deferred_until_ms < $3)",
    )
    .bind(tenant)
    .bind(id)
    .bind(until_ms)
    .bind(reason)
    .execute(transaction)
    .await?;
    Ok(())
}

pub(crate) fn read_account_row(row: &AnyRow) -> Result<Account, StoreError> {
    let channel: String = row.try_get("channel")?;
    let channel = Channel::named(&channel)
        .ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, "a stored account has an unknown channel"))?;
    Ok(Account {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        name: row.try_get("name")?,
        channel,
        provider: row.try_get("provider")?,
        provider_account_id: row.try_get("provider_account_id")?,
        owner_provider_id: row.try_get("owner_provider_id")?,
        address: row.try_get("address")?,
        source: row.try_get("source")?,
        settings: from_json(&row.try_get::<String, _>("settings")?)?,
        state: row.try_get("state")?,
        state_reason: row.try_get("state_reason")?,
        state_at_ms: row.try_get("state_at_ms")?,
        deferred_until_ms: row.try_get("deferred_until_ms")?,
        deferred_reason: row.try_get("deferred_reason")?,
        marks: from_json(&row.try_get::<String, _>("marks")?)?,
        read_at_ms: row.try_get("read_at_ms")?,
        created_at_ms: row.try_get("created_at_ms")?,
    })
}
