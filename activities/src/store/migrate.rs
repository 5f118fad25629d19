//! The tables, as numbered steps inside the program. A released step never changes; a new one is added.

use super::{Backend, StoreError, StoreErrorKind};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, Connection, SqlSafeStr};

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "gate", include_str!("migrations/0001_gate.sql")),
    (2, "lead search", include_str!("migrations/0002_lead_search.sql")),
    (3, "outreach", include_str!("migrations/0003_outreach.sql")),
    (4, "api", include_str!("migrations/0004_api.sql")),
    (5, "webhooks", include_str!("migrations/0005_webhooks.sql")),
    (6, "buyer groups", include_str!("migrations/0006_buyer_groups.sql")),
    (7, "replies", include_str!("migrations/0007_replies.sql")),
    (8, "traces", include_str!("migrations/0008_traces.sql")),
    (9, "person changes", include_str!("migrations/0009_person_changes.sql")),
    (10, "indexes by id", include_str!("migrations/0010_indexes_by_id.sql")),
];

const ROW_SECURITY: &str = include_str!("migrations/row_security.sql");

/// Applies what is missing, all of it or nothing; on PostgreSQL also row-level security for every table with a tenant.
///
/// The lock is held until the commit, so that a second process waits and then finds the work done.
pub(super) async fn run(connection: &mut AnyConnection, backend: Backend) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with(backend.begin()).await?;
    if backend == Backend::Postgres {
        let lock = "SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(7812400331);";
        sqlx::raw_sql(lock).execute(&mut *transaction).await?;
    }
    let steps = MIGRATIONS.iter().map(|&(version, description, sql)| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(steps.collect());
    // The migrator's own lock does nothing on SQLite and would end before the commit on PostgreSQL.
    migrator.set_locking(false);
    migrator.run(&mut *transaction).await?;
    if backend == Backend::Postgres {
        sqlx::raw_sql(ROW_SECURITY).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            MigrateError::VersionMissing(version) => Self::new(
                StoreErrorKind::SchemaNewer,
                format!(
                    "the store has migration {version}, this program ends at {}",
                    MIGRATIONS[MIGRATIONS.len() - 1].0
                ),
            ),
            other => Self::new(StoreErrorKind::Other, other.to_string()),
        }
    }
}
