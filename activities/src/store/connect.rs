//! From an address in the configuration to open, migrated connections.

use super::migrate;
use super::{Backend, StoreError, StoreErrorKind};
use crate::config::StoreConfig;
use secrecy::ExposeSecret;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Longest wait for a free connection, and on PostgreSQL for a lock.
const WAIT: Duration = Duration::from_secs(10);
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 10;
/// Of one tenant.
const TENANT_CONNECTIONS: u32 = 5;
/// A tenant that nobody works for has no connection after this time.
const TENANT_IDLE: Duration = Duration::from_mins(1);
/// A connection that was idle for so long is asked whether it still lives.
const ASK_AFTER: Duration = Duration::from_secs(1);
/// Size of a SQLite page unless a file was made otherwise.
const PAGES_PER_MIB: u64 = 256;

/// Whose rows a connection may see. PostgreSQL's row-level security holds it to that, by the policies of
/// `migrations/row_security.sql`; a connection that is told nothing sees no row.
#[derive(Clone, Debug)]
pub(super) enum Sight {
    /// Those of all tenants.
    Installation,
    Tenant(String),
}

/// A parsed address.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) backend: Backend,
    /// The address without password and options.
    pub(super) place: String,
    options: AnyConnectOptions,
    /// The SQLite file.
    file: Option<PathBuf>,
    /// Run on every new connection.
    session_sql: String,
}

impl Target {
    pub(super) fn parse(config: &StoreConfig) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let url = config.url.expose_secret();
        match url.strip_prefix("sqlite:") {
            Some(path) => Self::sqlite(path.strip_prefix("//").unwrap_or(path), config.max_mib),
            None if url.starts_with("postgres:") || url.starts_with("postgresql:") => Self::postgres(url),
            // The text is not repeated: what is not an address may still contain a password.
            None => Err(StoreError::address("it starts with neither `sqlite:` nor `postgres:`")),
        }
    }

    fn sqlite(path: &str, max_mib: Option<u32>) -> Result<Self, StoreError> {
        if path.is_empty() || path.starts_with(':') {
            return Err(StoreError::address("`sqlite:` is followed by no path"));
        }
        let file = std::path::absolute(path).map_err(|error| StoreError::address(&error.to_string()))?;
        // The driver decodes `%`, which this address does not use as an escape.
        let escaped = file.to_string_lossy().replace('%', "%25");
        let url = SqliteConnectOptions::new().filename(escaped).create_if_missing(true).to_url_lossy();
        // A limit of zero changes nothing.
        let max_pages = max_mib.map_or(0, |max_mib| u64::from(max_mib) * PAGES_PER_MIB);
        Ok(Self {
            backend: Backend::Sqlite,
            place: format!("sqlite:{}", file.display()),
            options: AnyConnectOptions::from_url(&url).map_err(StoreError::from)?,
            file: Some(file),
            // What was answered to a provider, and a claim whose call went out, are there after a loss of power, too.
            session_sql: format!(
                "PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                 PRAGMA max_page_count = {max_pages}"
            ),
        })
    }

    fn postgres(url: &str) -> Result<Self, StoreError> {
        let options = AnyConnectOptions::from_str(url).map_err(|error| StoreError::address(&error.to_string()))?;
        let mut place = options.database_url.clone();
        place.set_query(None);
        // Refused only for an address without host, which has no place for a password.
        let _ = place.set_password(None);
        Ok(Self {
            backend: Backend::Postgres,
            place: place.to_string(),
            options,
            file: None,
            // A process that is stopped inside a transaction must not hold the budget rows of all others for ever.
            session_sql: "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '20s'".to_owned(),
        })
    }
}

/// Creates what is missing and migrates, on one connection outside of any pool: a pool would keep knocking at a closed
/// port until its time is over, and hide the reason.
pub(super) async fn prepare(target: &Target) -> Result<(), StoreError> {
    if let Some(folder) = target.file.as_deref().and_then(Path::parent) {
        std::fs::create_dir_all(folder).map_err(|error| StoreError::folder(&error))?;
    }
    let opened = tokio::time::timeout(WAIT, open(target)).await;
    let mut connection =
        opened.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Unreachable, "no answer within 10 seconds")))?;
    migrate::run(&mut connection, target.backend).await?;
    connection.close().await?;
    Ok(())
}

async fn open(target: &Target) -> Result<AnyConnection, StoreError> {
    loop {
        match try_open(target).await {
            // SQLite refuses at once, without its busy timeout, when two processes change the journal of a new file.
            Err(error) if error.kind == StoreErrorKind::Locked => tokio::time::sleep(Duration::from_millis(50)).await,
            ended => return ended,
        }
    }
}

async fn try_open(target: &Target) -> Result<AnyConnection, StoreError> {
    let mut connection = AnyConnection::connect_with(&target.options).await?;
    set_up(&mut connection, &target.session_sql, target.backend, &Sight::Installation).await?;
    if target.backend == Backend::Sqlite {
        // Kept in the file, so that later connections find it.
        sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(&mut connection).await?;
    }
    Ok(connection)
}

/// What every new connection is told.
async fn set_up(
    connection: &mut AnyConnection,
    session_sql: &str,
    backend: Backend,
    sight: &Sight,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(session_sql)).execute(&mut *connection).await?;
    if backend == Backend::Postgres {
        let (setting, value) = match sight {
            Sight::Installation => ("leadflow.installation", "on"),
            Sight::Tenant(tenant) => ("leadflow.tenant", tenant.as_str()),
        };
        let set = sqlx::query("SELECT set_config($1, $2, false)").bind(setting).bind(value);
        set.execute(connection).await?;
    }
    Ok(())
}

/// The pools of the installation for reading and for writing; they connect when first used.
pub(super) fn pools(target: &Target) -> (AnyPool, AnyPool) {
    let options = AnyPoolOptions::new();
    match target.backend {
        Backend::Sqlite => {
            let pool = |connections| pool(target, options.clone().max_connections(connections), Sight::Installation);
            (pool(SQLITE_READERS), pool(1))
        }
        Backend::Postgres => {
            let shared = pool(target, options.max_connections(POSTGRES_CONNECTIONS), Sight::Installation);
            (shared.clone(), shared)
        }
    }
}

/// A pool on PostgreSQL whose connections see the rows of one tenant.
pub(super) fn tenant_pool(target: &Target, tenant: &str) -> AnyPool {
    let options = AnyPoolOptions::new().max_connections(TENANT_CONNECTIONS).idle_timeout(TENANT_IDLE);
    pool(target, options, Sight::Tenant(tenant.to_owned()))
}

fn pool(target: &Target, options: AnyPoolOptions, sight: Sight) -> AnyPool {
    let (session_sql, backend) = (target.session_sql.clone(), target.backend);
    options
        .acquire_timeout(WAIT)
        // To ask a connection that was just in use whether it still lives doubles the trips of a short transaction.
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for > ASK_AFTER {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            let (session_sql, sight) = (session_sql.clone(), sight.clone());
            Box::pin(async move { set_up(connection, &session_sql, backend, &sight).await })
        })
        .connect_lazy_with(target.options.clone())
}
