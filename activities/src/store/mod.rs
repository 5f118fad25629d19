//! The store: everything leadflow remembers, in one SQLite file or one PostgreSQL database.
//!
//! One code path serves both: `$1` placeholders, columns BIGINT and TEXT only, queries checked by running them. Instants
//! are UTC milliseconds of the installation's clock, money is micro-dollars, ids are UUIDv7 text.
//!
//! Every query names its tenant. On PostgreSQL the database holds to it as well: through [`Store::for_tenant`] a statement
//! sees and changes rows of that tenant only, whatever it forgot to say.

pub mod accounts;
pub mod api_tokens;
pub mod audit;
pub mod businesses;
pub mod buyer_groups;
pub mod campaigns;
mod connect;
pub mod enrollments;
mod error;
pub mod events;
pub mod idempotency;
pub mod imports;
pub mod leads;
mod migrate;
pub(crate) mod person_changes;
pub mod personas;
pub mod persons;
pub mod readings;
pub mod replies;
pub mod searches;
pub mod sequences;
pub mod suppressions;
mod tenants;
#[doc(hidden)]
pub mod testing;
pub mod touches;
pub(crate) mod unsubscribe_links;

use crate::config::StoreConfig;
use connect::Target;
pub use error::{StoreError, StoreErrorKind};
use futures::future::BoxFuture;
use leadflow_clock::Clock;
use sqlx::{AnyConnection, AnyPool};
use std::sync::Arc;
use std::time::Duration;
use tenants::TenantPools;

/// An open transaction. Its lifetime is that of what the work of [`Store::write`] borrows.
pub type Transaction<'a> = sqlx::Transaction<'a, sqlx::Any>;

/// How often a transaction starts again after a lock or a serialisation conflict.
const WRITE_RETRIES: u32 = 3;

/// A connected, migrated store. Clones share their connections.
///
/// As opened it serves the whole installation. What works for one tenant does so through [`Store::for_tenant`].
#[derive(Clone, Debug)]
pub struct Store {
    readers: AnyPool,
    /// On SQLite one connection, so that the writers of a process queue here in order instead of polling the file's lock;
    /// on PostgreSQL the same pool as `readers`.
    writers: AnyPool,
    /// What [`Store::for_tenant`] hands out; `None` for a store that is narrowed already, and on SQLite, which cannot narrow.
    tenants: Option<Arc<TenantPools>>,
    backend: Backend,
    place: String,
}

/// Which database holds the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

impl Store {
    /// Opens the store and brings its tables up to date; several processes may do so at once.
    ///
    /// A SQLite file is created, with its folder, when missing. A store that a newer program has migrated is refused.
    pub async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        let target = Target::parse(config)?;
        connect::prepare(&target).await.map_err(|error| error.at(&target.place))?;
        let (readers, writers) = connect::pools(&target);
        let (backend, place) = (target.backend, target.place.clone());
        let tenants = (backend == Backend::Postgres).then(|| Arc::new(TenantPools::new(target)));
        Ok(Self { readers, writers, tenants, backend, place })
    }

    /// The pool for single statements that only read.
    pub fn read(&self) -> &AnyPool {
        &self.readers
    }

    /// Runs `work` in a transaction that no other writer can disturb, and commits when it returns `Ok`.
    ///
    /// `work` starts again from its beginning after a lock or a deadlock, so it must have no effect outside of its
    /// connection. On PostgreSQL it reads rows that it is going to change with [`Store::for_update`]. It must not call
    /// `write` itself, because SQLite has one writer.
    ///
    /// ```no_run
    /// # use futures::FutureExt;
    /// # use leadflow_activities::store::{Store, StoreError};
    /// # async fn forget(store: &Store, key: &str) -> Result<u64, StoreError> {
    /// store
    ///     .write(|transaction| {
    ///         async move {
    ///             let delete = sqlx::query("DELETE FROM installation WHERE key = $1").bind(key);
    ///             Ok(delete.execute(&mut **transaction).await?.rows_affected())
    ///         }
    ///         .boxed()
    ///     })
    ///     .await
    /// # }
    /// ```
    pub async fn write<'a, T, W>(&self, mut work: W) -> Result<T, StoreError>
    where
        W: for<'t> FnMut(&'t mut Transaction<'a>) -> BoxFuture<'t, Result<T, StoreError>>,
    {
        let mut retries = 0;
        loop {
            match self.try_write(&mut work).await {
                Err(error) if error.kind == StoreErrorKind::Locked && retries < WRITE_RETRIES => {
                    retries += 1;
                    // Of two writers that met in a deadlock the random part lets one go first.
                    let delay_ms = rand::random_range(5..=50 * u64::from(retries));
                    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
                }
                ended => return ended.map_err(|error| error.at(&self.place)),
            }
        }
    }

    async fn try_write<'a, T, W>(&self, work: &mut W) -> Result<T, StoreError>
    where
        W: for<'t> FnMut(&'t mut Transaction<'a>) -> BoxFuture<'t, Result<T, StoreError>>,
    {
        let mut transaction: Transaction<'a> = self.writers.begin_with(self.backend.begin()).await?;
        // Dropped on error, which rolls back.
        let value = work(&mut transaction).await?;
        transaction.commit().await?;
        Ok(value)
    }

    /// Ends a `SELECT` whose rows the transaction is going to change: `" FOR UPDATE"` on PostgreSQL, nothing on SQLite,
    /// where a writing transaction is alone anyway.
    pub fn for_update(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite => "",
            Backend::Postgres => " FOR UPDATE",
        }
    }

    /// As [`Store::for_update`], for rows that the transaction only reads and that have to stay as they are until it ends: who
    /// changes them waits, who reads them like this as well does not.
    pub(crate) fn for_share(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite => "",
            Backend::Postgres => " FOR SHARE",
        }
    }

    /// The present instant: of the database where several machines share one, so that they agree on what is due.
    pub(crate) async fn now_ms(&self, connection: &mut AnyConnection, clock: Clock) -> Result<i64, StoreError> {
        Ok(self.now_and_lead_ms(connection, clock).await?.0)
    }

    /// [`Self::now_ms`], and by how much this machine's clock is ahead of it.
    pub(crate) async fn now_and_lead_ms(
        &self,
        connection: &mut AnyConnection,
        clock: Clock,
    ) -> Result<(i64, i64), StoreError> {
        if self.backend == Backend::Postgres && clock.is_system() {
            let now = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
            let now_ms = sqlx::query_scalar(now).fetch_one(connection).await?;
            return Ok((now_ms, clock.now_ms() - now_ms));
        }
        Ok((clock.now_ms(), 0))
    }

    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Where the store is, without password: for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Adds this store's place to the error of a statement that ran on [`Store::read`].
    pub fn error(&self, error: sqlx::Error) -> StoreError {
        StoreError::from(error).at(&self.place)
    }

    /// Waits for running statements and closes all connections, a narrowed store those of its tenant; on SQLite this also
    /// tidies the write-ahead log away.
    pub async fn close(&self) {
        if let Some(tenants) = &self.tenants {
            tenants.close().await;
        }
        self.writers.close().await;
        self.readers.close().await;
    }
}

impl Backend {
    /// SQLite takes the write lock at once: a lock taken later cannot be waited for.
    fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }
}
