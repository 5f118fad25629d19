//! What can go wrong with the store, in words for the person who runs it.

use std::fmt;

/// A failed operation of the store.
///
/// Its text has the place without password and the database's own words, but never a value of a row: the driver's error,
/// whose details quote such values, is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    pub kind: StoreErrorKind,
    place: String,
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// Another transaction was in the way, also after retries.
    Locked,
    /// The disk, or the size set for the file, is used up.
    Full,
    Corrupt,
    /// No server, no connection, or a refused log-in.
    Unreachable,
    /// A newer program has migrated this store.
    SchemaNewer,
    NotWritable,
    Other,
}

impl StoreErrorKind {
    /// Stable machine name, for failures in a history and for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Locked => "store_locked",
            Self::Full => "store_full",
            Self::Corrupt => "store_corrupt",
            Self::Unreachable => "store_unreachable",
            Self::SchemaNewer => "store_schema_newer",
            Self::NotWritable => "store_not_writable",
            Self::Other => "store_failed",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Locked => "is locked by another writer",
            Self::Full => "is full",
            Self::Corrupt => "is damaged or is not a leadflow store",
            Self::Unreachable => "cannot be reached",
            Self::SchemaNewer => "was migrated by a newer leadflow",
            Self::NotWritable => "cannot be written",
            Self::Other => "failed",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Locked => "end other programs that have it open, such as a database shell inside a transaction",
            Self::Full => "free space on the disk, or raise `max_mib` of the store in leadflow.toml",
            Self::Corrupt => "restore a backup, or set another path; the file is left as it is",
            Self::Unreachable => "check that the database runs, and address, user and password of the store",
            Self::SchemaNewer => "run the newer version of leadflow, or use another store",
            Self::NotWritable => "check owner and permissions of the file and its folder, or of the database user",
            Self::Other => "this is a fault of leadflow or of the database; the text before tells which statement",
        }
    }
}

impl StoreError {
    pub(super) fn new(kind: StoreErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, place: String::new(), detail: detail.into() }
    }

    /// The configured address is no address.
    pub(super) fn address(problem: &str) -> Self {
        Self::new(
            StoreErrorKind::Unreachable,
            format!("its address is wrong: {problem}; write `sqlite:PATH` or `postgres://USER@HOST/DATABASE`"),
        )
    }

    pub(super) fn folder(error: &std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
            _ => StoreErrorKind::NotWritable,
        };
        Self::new(kind, format!("its folder cannot be made: {error}"))
    }

    /// A column holds what this program never writes.
    pub(crate) fn unreadable(column: &str) -> Self {
        Self::new(StoreErrorKind::Corrupt, format!("the column `{column}` has a value that it cannot have"))
    }

    /// Says where, unless that is known already.
    #[must_use]
    pub(super) fn at(mut self, place: &str) -> Self {
        if self.place.is_empty() {
            place.clone_into(&mut self.place);
        }
        self
    }

    fn database(error: &dyn sqlx::error::DatabaseError) -> Self {
        let code = error.code().unwrap_or_default();
        // SQLite's codes are numbers of up to four digits, PostgreSQL's have five characters.
        let kind = if code.len() == 5 { postgres_kind(&code) } else { sqlite_kind(&code) };
        // Class 22 is about values, and quotes them.
        let text = if code.len() == 5 && code.starts_with("22") { "a value does not fit" } else { error.message() };
        Self::new(kind, format!("{text} [{code}]"))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, place, detail } = self;
        let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
        write!(formatter, "the store{place} {}: {detail}; hint: {}", kind.sentence(), kind.hint())
    }
}

impl std::error::Error for StoreError {}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => Self::database(&*error),
            // Not `Locked`: a server that is gone looks like this too, and there is no point in trying that at once.
            sqlx::Error::PoolTimedOut => Self::new(
                StoreErrorKind::Unreachable,
                "no connection within 10 seconds: it does not answer, or is busy",
            ),
            sqlx::Error::Io(error) => Self::new(StoreErrorKind::Unreachable, error.to_string()),
            sqlx::Error::Tls(error) => Self::new(StoreErrorKind::Unreachable, error.to_string()),
            sqlx::Error::Protocol(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::new(StoreErrorKind::Unreachable, error.to_string())
            }
            sqlx::Error::Configuration(error) => Self::address(&error.to_string()),
            other => Self::new(StoreErrorKind::Other, other.to_string()),
        }
    }
}

/// By the primary result code, the low byte of an extended one.
fn sqlite_kind(code: &str) -> StoreErrorKind {
    match code.parse::<u32>().unwrap_or_default() & 0xff {
        5 | 6 => StoreErrorKind::Locked,
        13 => StoreErrorKind::Full,
        11 | 26 => StoreErrorKind::Corrupt,
        3 | 8 | 14 | 23 => StoreErrorKind::NotWritable,
        _ => StoreErrorKind::Other,
    }
}

/// By SQLSTATE.
fn postgres_kind(code: &str) -> StoreErrorKind {
    match code {
        // Serialisation failure, deadlock, lock time-out.
        "40001" | "40P01" | "55P03" => StoreErrorKind::Locked,
        "53100" => StoreErrorKind::Full,
        "XX001" | "XX002" => StoreErrorKind::Corrupt,
        "25006" | "42501" => StoreErrorKind::NotWritable,
        // Too many connections, no such database, a server that starts or stops, an idle transaction that was ended.
        "53300" | "3D000" | "57P01" | "57P02" | "57P03" | "25P03" => StoreErrorKind::Unreachable,
        _ if code.starts_with("08") || code.starts_with("28") => StoreErrorKind::Unreachable,
        _ => StoreErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_have_their_kinds() {
        // 517 is SQLITE_BUSY_SNAPSHOT, 1555 a primary key violation, 1032 SQLITE_READONLY_DBMOVED.
        let sqlite = [("5", "store_locked"), ("517", "store_locked"), ("13", "store_full"), ("26", "store_corrupt")];
        let sqlite = sqlite.into_iter().chain([("14", "store_not_writable"), ("1032", "store_not_writable")]);
        for (code, name) in sqlite.chain([("1555", "store_failed")]) {
            assert_eq!(sqlite_kind(code).name(), name, "{code}");
        }
        let postgres = [("40P01", "store_locked"), ("40001", "store_locked"), ("53100", "store_full")];
        let postgres = postgres.into_iter().chain([("28P01", "store_unreachable"), ("08006", "store_unreachable")]);
        for (code, name) in postgres.chain([("42501", "store_not_writable"), ("23505", "store_failed")]) {
            assert_eq!(postgres_kind(code).name(), name, "{code}");
        }
    }

    #[test]
    fn the_text_says_what_where_and_what_to_do() {
        let error =
            StoreError::new(StoreErrorKind::Full, "database or disk is full [13]").at("sqlite:/data/leadflow.db");
        assert_eq!(
            error.to_string(),
            "the store at sqlite:/data/leadflow.db is full: database or disk is full [13]; \
             hint: free space on the disk, or raise `max_mib` of the store in leadflow.toml"
        );
    }
}
