//! For tests: the same test on a new SQLite file and in a new schema of a PostgreSQL server.

use super::Store;
use crate::config::StoreConfig;
use futures::FutureExt;
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use uuid::Uuid;

/// Address of a PostgreSQL server for tests; its user may create schemas.
pub const POSTGRES_VARIABLE: &str = "LEADFLOW_TEST_POSTGRES";
const POSTGRES_DEFAULT: &str = "postgres://root@127.0.0.1:5432/postgres";

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
}

impl PostgresSchema {
    /// `None` when no server answers.
    async fn create() -> Option<Self> {
        let server = std::env::var(POSTGRES_VARIABLE).unwrap_or_else(|_| POSTGRES_DEFAULT.to_owned());
        let schema = Self { server, name: format!("leadflow_test_{}", Uuid::now_v7().simple()) };
        match schema.execute(format!("CREATE SCHEMA {}", schema.name)).await {
            Ok(()) => Some(schema),
            Err(sqlx::Error::Io(_)) => {
                // The default has no password; an address of one's own may have one.
                assert!(std::env::var_os("CI").is_none(), "no PostgreSQL answers, and CI has to use one");
                let place = if schema.server == POSTGRES_DEFAULT { POSTGRES_DEFAULT } else { POSTGRES_VARIABLE };
                eprintln!("skipped: no PostgreSQL at {place}; start one and set {POSTGRES_VARIABLE} to run this");
                None
            }
            Err(error) => panic!("the PostgreSQL server for tests refuses: {error}"),
        }
    }

    fn config(&self) -> StoreConfig {
        let separator = if self.server.contains('?') { '&' } else { '?' };
        let url = format!("{}{separator}options[search_path]={}", self.server, self.name);
        StoreConfig { url: url.into(), max_mib: None }
    }

    async fn drop(self) {
        let dropped = self.execute(format!("DROP SCHEMA {} CASCADE", self.name)).await;
        dropped.expect("a schema made here can be dropped");
    }

    async fn execute(&self, sql: String) -> Result<(), sqlx::Error> {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&self.server).await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        connection.close().await
    }
}
