//! The store on both databases: opening, migrating, transactions, and what it says when something is wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures::FutureExt;
use futures::future::join_all;
use leadflow_activities::config::StoreConfig;
use leadflow_activities::store::testing::{TemporaryFolder, each_backend, each_config};
use leadflow_activities::store::{Backend, Store, StoreError, StoreErrorKind};
use leadflow_workflows::domain::provider::Provider;
use std::future::Future;

fn config(url: impl Into<String>) -> StoreConfig {
    StoreConfig { url: url.into().into(), max_mib: None }
}

async fn put(store: &Store, key: &str, value: &str) -> Result<(), StoreError> {
    store
        .write(|transaction| {
            async move {
                sqlx::query("CREATE TABLE IF NOT EXISTS notes (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)")
                    .execute(&mut **transaction)
                    .await?;
                sqlx::query("INSERT INTO notes (key, value) VALUES ($1, $2)")
                    .bind(key)
                    .bind(value)
                    .execute(&mut **transaction)
                    .await?;
                Ok(())
            }
            .boxed()
        })
        .await
}

async fn get(store: &Store, key: &str) -> Option<String> {
    let sql = "SELECT value FROM notes WHERE key = $1";
    sqlx::query_scalar(sql).bind(key).fetch_optional(store.read()).await.unwrap()
}

#[tokio::test]
async fn processes_that_start_at_once_share_one_migration() {
    each_config(async |config| {
        let stores = join_all((0..6).map(|_| Store::connect(&config))).await;
        let stores: Vec<Store> = stores.into_iter().collect::<Result<_, _>>().unwrap();
        put(&stores[0], "greeting", "hello").await.unwrap();
        assert_eq!(get(&stores[5], "greeting").await.as_deref(), Some("hello"));
        join_all(stores.iter().map(Store::close)).await;

        let again = Store::connect(&config).await.unwrap();
        assert_eq!(get(&again, "greeting").await.as_deref(), Some("hello"));
        again.close().await;
    })
    .await;
}

#[tokio::test]
async fn every_provider_has_a_breaker() {
    each_backend(async |store| {
        let mut names: Vec<String> =
            sqlx::query_scalar("SELECT provider FROM breakers").fetch_all(store.read()).await.unwrap();
        names.sort_unstable();
        let mut expected = Provider::ALL.map(Provider::name);
        expected.sort_unstable();
        assert_eq!(names, expected);
    })
    .await;
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_refused_and_left_alone() {
    each_config(async |config| {
        let store = Store::connect(&config).await.unwrap();
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     SELECT 9999, 'from the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
        sqlx::raw_sql(newer).execute(store.read()).await.unwrap();
        store.close().await;

        let error = Store::connect(&config).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::SchemaNewer);
        assert!(error.to_string().contains("the store has migration 9999"), "{error}");
        assert!(error.to_string().contains("hint: run the newer version"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_failed_transaction_leaves_nothing() {
    each_backend(async |store| {
        put(&store, "taken", "first").await.unwrap();
        let refused = store
            .write(|transaction| {
                async move {
                    for key in ["new", "taken"] {
                        sqlx::query("INSERT INTO notes (key, value) VALUES ($1, 'second')")
                            .bind(key)
                            .execute(&mut **transaction)
                            .await?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await;
        assert_eq!(refused.unwrap_err().kind, StoreErrorKind::Other);
        assert_eq!(get(&store, "new").await, None);
        assert_eq!(get(&store, "taken").await.as_deref(), Some("first"));
    })
    .await;
}

/// Adds one to the number behind `key`, reading it first.
fn add_one<'a>(store: &'a Store, key: &'a str) -> impl Future<Output = Result<(), StoreError>> + Send + 'a {
    store.write(move |transaction| {
        async move {
            let select = format!("SELECT value FROM notes WHERE key = $1{}", store.for_update());
            let value: String =
                sqlx::query_scalar(sqlx::AssertSqlSafe(select)).bind(key).fetch_one(&mut **transaction).await?;
            let next = value.parse::<i64>().expect("only numbers are stored") + 1;
            sqlx::query("UPDATE notes SET value = $2 WHERE key = $1")
                .bind(key)
                .bind(next.to_string())
                .execute(&mut **transaction)
                .await?;
            Ok(())
        }
        .boxed()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_lose_no_update() {
    each_config(async |config| {
        // Two stores, as two processes have them.
        let stores = [Store::connect(&config).await.unwrap(), Store::connect(&config).await.unwrap()];
        put(&stores[0], "count", "0").await.unwrap();
        let tasks = (0..8).map(|task| {
            let store = stores[task % 2].clone();
            tokio::spawn(async move {
                for _ in 0..15 {
                    add_one(&store, "count").await.unwrap();
                }
            })
        });
        for ended in join_all(tasks).await {
            ended.unwrap();
        }
        assert_eq!(get(&stores[0], "count").await.as_deref(), Some("120"));
        join_all(stores.iter().map(Store::close)).await;
    })
    .await;
}

#[tokio::test]
async fn a_deadlock_is_tried_again() {
    each_backend(async |store| {
        put(&store, "a", "0").await.unwrap();
        put(&store, "b", "0").await.unwrap();
        let meeting = tokio::sync::Barrier::new(2);
        let both = async |first: &'static str, second: &'static str| {
            let (store, meeting) = (&store, &meeting);
            let mut tries = 0;
            let ended = store
                .write(|transaction| {
                    tries += 1;
                    let meet = tries == 1 && store.backend() == Backend::Postgres;
                    async move {
                        for key in [first, second] {
                            sqlx::query("UPDATE notes SET value = value || $2 WHERE key = $1")
                                .bind(key)
                                .bind(first)
                                .execute(&mut **transaction)
                                .await?;
                            if meet && key == first {
                                meeting.wait().await;
                            }
                        }
                        Ok(())
                    }
                    .boxed()
                })
                .await;
            (ended, tries)
        };
        let ((one, one_tries), (other, other_tries)) = tokio::join!(both("a", "b"), both("b", "a"));
        one.unwrap();
        other.unwrap();
        let expected_tries = if store.backend() == Backend::Postgres { 3 } else { 2 };
        assert_eq!(one_tries + other_tries, expected_tries);
        for key in ["a", "b"] {
            assert_eq!(get(&store, key).await.unwrap().len(), 3, "both writers changed `{key}` once");
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_file_gets_its_folder_and_its_settings() {
    let folder = TemporaryFolder::new();
    let path = folder.path.join("new folder/100%25 mine?#.db");
    let store = Store::connect(&config(format!("sqlite:{}", path.display()))).await.unwrap();
    assert!(path.is_file(), "the path is taken as it is");
    assert_eq!(store.place(), format!("sqlite:{}", path.display()));
    let text =
        async |pragma: &'static str| -> String { sqlx::query_scalar(pragma).fetch_one(store.read()).await.unwrap() };
    let number =
        async |pragma: &'static str| -> i64 { sqlx::query_scalar(pragma).fetch_one(store.read()).await.unwrap() };
    assert_eq!(text("PRAGMA journal_mode").await, "wal");
    assert_eq!(number("PRAGMA synchronous").await, 2);
    assert_eq!(number("PRAGMA foreign_keys").await, 1);
    assert_eq!(number("PRAGMA busy_timeout").await, 10_000);
    store.close().await;
}

#[tokio::test]
async fn a_full_file_says_so_and_can_still_be_read() {
    let folder = TemporaryFolder::new();
    let store = Store::connect(&StoreConfig { max_mib: Some(1), ..folder.config() }).await.unwrap();
    put(&store, "small", "kept").await.unwrap();
    let large = "x".repeat(300_000);
    let mut refused = None;
    for number in 0..5 {
        refused = put(&store, &number.to_string(), &large).await.err();
        if refused.is_some() {
            break;
        }
    }
    let error = refused.expect("1.5 MB do not fit into 1 MiB");
    assert_eq!(error.kind, StoreErrorKind::Full);
    assert!(error.to_string().contains("hint: free space on the disk, or raise `max_mib`"), "{error}");
    assert_eq!(get(&store, "small").await.as_deref(), Some("kept"));
    store.close().await;
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_left_alone() {
    let folder = TemporaryFolder::new();
    let path = folder.path.join("letter.db");
    let letter = "Dear reader, this is not a database. ".repeat(200);
    std::fs::write(&path, &letter).unwrap();
    let error = Store::connect(&config(format!("sqlite:{}", path.display()))).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Corrupt);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), letter);

    // A file where the folder should be.
    let error = Store::connect(&config(format!("sqlite:{}/store.db", path.display()))).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotWritable);
    assert!(error.to_string().contains("letter.db/store.db cannot be written"), "{error}");
}

#[tokio::test]
async fn a_missing_server_is_reported_at_once_and_without_its_password() {
    // Port 9 takes no connections: nobody runs the discard service any more.
    let error = Store::connect(&config("postgres://worker:open-sesame@127.0.0.1:9/leads?application_name=x"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreachable);
    let text = format!("{error} {error:?}");
    assert!(text.contains("postgres://worker@127.0.0.1:9/leads cannot be reached"), "{text}");
    assert!(!text.contains("open-sesame"), "{text}");
}

#[tokio::test]
async fn an_address_that_is_none_is_not_repeated() {
    for address in
        ["", "sqlite:", "sqlite::memory:", "mysql://open-sesame@db/x", "postgres://x:open-sesame@:/", "open-sesame"]
    {
        let error = Store::connect(&config(address)).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unreachable, "{address}");
        let text = format!("{error} {error:?}");
        assert!(text.contains("write `sqlite:PATH` or `postgres://"), "{address}: {text}");
        assert!(!text.contains("open-sesame"), "{text}");
    }
}
