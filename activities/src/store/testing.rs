//! For tests: the same test on a new SQLite file and in a new schema of a PostgreSQL server, there as a role that
//! row-level security holds for.

use super::Store;
use crate::config::StoreConfig;
use futures::FutureExt;
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use uuid::Uuid;

/// Address of a PostgreSQL server for tests; its user may create schemas, and a role too if it is a superuser.
const POSTGRES_VARIABLE: &str = "LEADFLOW_TEST_POSTGRES";
const POSTGRES_DEFAULT: &str = "postgres://root@127.0.0.1:5432/postgres";
/// Whom a superuser steps down to, because row-level security does not hold for it.
const PLAIN_ROLE: &str = "leadflow_test";
/// The role stays: other tests on the server may be using it.
const STEP_DOWN: &str = "DO $$ BEGIN CREATE ROLE leadflow_test; \
     EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";

/// Address of the PostgreSQL server for tests, whether or not one is there.
pub fn postgres_server() -> String {
    std::env::var(POSTGRES_VARIABLE).unwrap_or_else(|_| POSTGRES_DEFAULT.to_owned())
}

/// Says that something is skipped because there is no such `server`, for example `PostgreSQL`.
///
/// # Panics
/// When `CI` is set: there nothing may be skipped.
pub fn skip_without(server: &str) {
    assert!(std::env::var_os("CI").is_none(), "there is no {server}, and CI has to use one");
    // The default has no password; an address of one's own may have one.
    let place = if postgres_server() == POSTGRES_DEFAULT { POSTGRES_DEFAULT } else { POSTGRES_VARIABLE };
    eprintln!("skipped: no {server} at {place}; start one and set {POSTGRES_VARIABLE} to run this");
}

/// Runs `test` on a new, migrated store of each kind. Without a PostgreSQL server it says so and runs on SQLite alone.
pub async fn each_backend(test: impl AsyncFn(Store)) {
    each_config(async |config| {
        let store = Store::connect(&config).await.expect("a new store opens");
        test(store.clone()).await;
        store.close().await;
    })
    .await;
}

/// As [`each_backend`], for tests that open the store themselves, or more than once.
pub async fn each_config(test: impl AsyncFn(StoreConfig)) {
    let folder = TemporaryFolder::new();
    test(folder.config()).await;
    if let Some(schema) = PostgresSchema::create().await {
        let ended = AssertUnwindSafe(test(schema.config())).catch_unwind().await;
        schema.drop().await;
        ended.unwrap_or_else(|panic| resume_unwind(panic));
    }
}

/// A folder that is removed when this value is dropped.
pub struct TemporaryFolder {
    pub path: PathBuf,
}

impl TemporaryFolder {
    #[expect(clippy::new_without_default, reason = "makes a folder")]
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("leadflow-test-{}", Uuid::now_v7()));
        std::fs::create_dir(&path).expect("the folder for temporary files is writable");
        Self { path }
    }

    /// A store that is not there yet.
    pub fn config(&self) -> StoreConfig {
        StoreConfig { url: format!("sqlite:{}", self.path.join("store.db").display()).into(), max_mib: None }
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // What is left over in a folder for temporary files does no harm.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

struct PostgresSchema {
    server: String,
    name: String,
    /// Whom the tests step down to.
    role: Option<&'static str>,
}

impl PostgresSchema {
    /// `None` when no server answers.
    async fn create() -> Option<Self> {
        let server = postgres_server();
        let mut schema = Self { server, name: format!("leadflow_test_{}", Uuid::now_v7().simple()), role: None };
        match schema.make().await {
            Ok(()) => Some(schema),
            Err(sqlx::Error::Io(_)) => {
                skip_without("PostgreSQL");
                None
            }
            Err(error) => panic!("the PostgreSQL server for tests refuses: {error}"),
        }
    }

    async fn make(&mut self) -> Result<(), sqlx::Error> {
        let mut connection = self.open().await?;
        let bypasses = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
        let mut create = format!("CREATE SCHEMA {}", self.name);
        if sqlx::query_scalar(bypasses).fetch_one(&mut connection).await? {
            sqlx::raw_sql(STEP_DOWN).execute(&mut connection).await?;
            self.role = Some(PLAIN_ROLE);
            create.push_str(" AUTHORIZATION ");
            create.push_str(PLAIN_ROLE);
        }
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await?;
        connection.close().await
    }

    fn config(&self) -> StoreConfig {
        let separator = if self.server.contains('?') { '&' } else { '?' };
        let mut url = format!("{}{separator}options[search_path]={}", self.server, self.name);
        if let Some(role) = self.role {
            url.push_str("&options[role]=");
            url.push_str(role);
        }
        StoreConfig { url: url.into(), max_mib: None }
    }

    async fn drop(self) {
        let sql = format!("DROP SCHEMA {} CASCADE", self.name);
        let mut connection = self.open().await.expect("a server that answered answers again");
        let dropped = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
        dropped.expect("a schema made here can be dropped");
    }

    async fn open(&self) -> Result<AnyConnection, sqlx::Error> {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.server).await
    }
}
