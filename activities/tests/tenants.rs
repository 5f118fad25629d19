//! Tenants apart: every statement names its tenant, and on PostgreSQL the database itself holds every table to it, also where
//! one forgets.
//!
//! Tables, columns and statements are read from the catalogue and the source, so a new one is tested without being named here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures::FutureExt;
use leadflow_activities::config::StoreConfig;
use leadflow_activities::store::testing::{each_config, skip_without};
use leadflow_activities::store::{Backend, Store, StoreError};
use secrecy::ExposeSecret;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};
use std::path::Path;

/// Tables that keep nothing of a tenant, and why.
const WITHOUT_TENANT: [(&str, &str); 1] = [("_sqlx_migrations", "which migrations have run, for the installation")];
/// Tables with rows of the installation (tenant ''), which every tenant reads and changes.
const SHARED: [&str; 2] = ["breakers", "budgets"];

/// Beginnings of statements whose conditions name no tenant, and why.
const WITHOUT_FILTER: [(&str, &str); 11] = [
    ("SELECT failures, open_until_ms, probe_call_id, probe_until_ms FROM breakers", "they belong to the installation"),
    ("UPDATE breakers SET", "they belong to the installation"),
    ("SELECT {ACCOUNT_COLUMNS} FROM accounts WHERE provider = $1", "it asks whose account a provider speaks of"),
    ("UPDATE events SET lease_until_ms", "whoever tells workflows serves all tenants, and each row says whose it is"),
    ("UPDATE events SET signalled_at_ms = $1 WHERE id IN", "these are rows of all tenants, which were taken before"),
    ("DELETE FROM events WHERE person_id IS NULL AND effect LIKE", "what concerned nobody is forgotten alike for all"),
    ("SELECT COUNT(*), MIN(received_at_ms) FROM (SELECT", "whoever tells workflows serves all tenants"),
    ("UPDATE events SET tenant = $1", "who has an account takes over what came before it was theirs"),
    ("SELECT tenant, person_id, account_id, address FROM unsubscribe_links", "a link says whose it is"),
    ("INSERT INTO touches (id, tenant, campaign_id", "the condition is that of an index"),
    ("SELECT rolsuper OR rolbypassrls FROM pg_roles", "roles belong to the server"),
];

/// Runs `test` on a new store on PostgreSQL; SQLite has no row-level security.
async fn on_postgres(test: impl AsyncFn(StoreConfig, Store)) {
    each_config(async |config| {
        let store = Store::connect(&config).await.unwrap();
        if store.backend() == Backend::Postgres {
            assert!(!store.relies_on_filters().await.unwrap(), "the tests run as a role that the policies hold for");
            test(config, store.clone()).await;
        }
        store.close().await;
    })
    .await;
}

/// The tables of the store, with or without a tenant.
async fn tables(store: &Store, with_tenant: bool) -> Vec<String> {
    let select = "SELECT CAST(relname AS TEXT) FROM pg_class WHERE relkind IN ('r', 'p')
                  AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
                  AND $1 = EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant')
                  ORDER BY relname";
    sqlx::query_scalar(select).bind(with_tenant).fetch_all(store.read()).await.unwrap()
}

/// Runs a statement in a transaction of `store`; how many rows it touched.
async fn execute(store: &Store, sql: &str) -> Result<u64, StoreError> {
    store
        .write(|transaction| {
            async move { Ok(sqlx::query(AssertSqlSafe(sql)).execute(&mut **transaction).await?.rows_affected()) }
                .boxed()
        })
        .await
}

/// Whose rows `store` sees in a table, without a filter, in order.
async fn seen(store: &Store, table: &str) -> Vec<String> {
    let select = format!("SELECT tenant FROM {table} ORDER BY tenant COLLATE \"C\"");
    sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(store.read()).await.unwrap()
}

/// An `INSERT` of one row of `tenant`: a text or number of its own in every column that must have one.
async fn insert(store: &Store, table: &str, tenant: &str) -> String {
    let select = "SELECT CAST(column_name AS TEXT) AS name, CAST(data_type AS TEXT) AS kind
                  FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1
                  AND (column_name = 'tenant' OR is_nullable = 'NO' AND column_default IS NULL) ORDER BY ordinal_position";
    let columns = sqlx::query(select).bind(table).fetch_all(store.read()).await.unwrap();
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in &columns {
        let name: String = column.try_get("name").unwrap();
        let kind: String = column.try_get("kind").unwrap();
        values.push(match (name.as_str(), kind.as_str()) {
            ("tenant", _) => format!("'{tenant}'"),
            (_, "text") => format!("'{name} of {tenant}'"),
            (_, "bigint") => tenant.len().to_string(),
            (name, kind) => panic!("{table}.{name} is {kind}; the store has columns BIGINT and TEXT only"),
        });
        names.push(name);
    }
    format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "))
}

fn is_refused(error: &StoreError) -> bool {
    error.to_string().contains("row-level security")
}

#[tokio::test]
async fn every_table_with_a_tenant_is_guarded_and_the_others_are_known() {
    on_postgres(async |_, store| {
        let expected: Vec<&str> = WITHOUT_TENANT.iter().map(|(table, _)| *table).collect();
        assert_eq!(tables(&store, false).await, expected, "a table needs a tenant, or a reason why it has none");

        let guarded = tables(&store, true).await;
        assert!(guarded.len() >= 28, "{guarded:?}");
        for table in guarded {
            let select = "SELECT relrowsecurity AND relforcerowsecurity
                          AND 1 = (SELECT COUNT(*) FROM pg_policies WHERE schemaname = current_schema()
                                   AND tablename = $1 AND cmd = 'ALL' AND permissive = 'PERMISSIVE')
                          FROM pg_class WHERE oid = CAST($1 AS regclass)";
            let is_guarded: bool = sqlx::query_scalar(select).bind(&table).fetch_one(store.read()).await.unwrap();
            assert!(is_guarded, "{table}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_tenant_sees_and_touches_its_own_rows_only() {
    on_postgres(async |_, store| {
        let [acme, globex] = ["acme", "globex"].map(|tenant| store.for_tenant(tenant));
        for table in tables(&store, true).await {
            let is_shared = SHARED.contains(&table.as_str());
            // What migrations put there belongs to the installation.
            let before = seen(&store, &table).await;
            assert!(before.iter().all(|tenant| is_shared && tenant.is_empty()), "{table}: {before:?}");
            execute(&acme, &insert(&store, &table, "acme").await).await.unwrap();
            execute(&globex, &insert(&store, &table, "globex").await).await.unwrap();
            let own = |tenant: &str| [before.clone(), vec![tenant.to_owned()]].concat();

            assert_eq!(seen(&acme, &table).await, own("acme"), "{table}");
            assert_eq!(seen(&globex, &table).await, own("globex"), "{table}");
            assert_eq!(seen(&store, &table).await, [own("acme"), vec!["globex".into()]].concat(), "{table}");

            let foreign = insert(&store, &table, "initech").await;
            assert!(is_refused(&execute(&acme, &foreign).await.unwrap_err()), "{table}: a row of another tenant");
            let give_away = format!("UPDATE {table} SET tenant = 'globex' WHERE tenant = 'acme'");
            assert!(is_refused(&execute(&acme, &give_away).await.unwrap_err()), "{table}: a row given away");
            let named = format!("DELETE FROM {table} WHERE tenant = 'globex'");
            assert_eq!(execute(&acme, &named).await.unwrap(), 0, "{table}: named by its tenant");

            let rows = own("acme").len() as u64;
            let update = format!("UPDATE {table} SET tenant = tenant");
            assert_eq!(execute(&acme, &update).await.unwrap(), rows, "{table}: updates without a filter");
            let delete = format!("DELETE FROM {table}");
            assert_eq!(execute(&acme, &delete).await.unwrap(), rows, "{table}: deletes without a filter");
            assert_eq!(seen(&store, &table).await, ["globex"], "{table}: what is left");
        }
    })
    .await;
}

#[tokio::test]
async fn who_names_no_tenant_sees_nothing() {
    on_postgres(async |config, store| {
        let mut stranger = AnyConnection::connect(config.url.expose_secret()).await.unwrap();
        for settings in ["SELECT 1", "SET leadflow.tenant = ''", "SET leadflow.installation = ''"] {
            sqlx::raw_sql(settings).execute(&mut stranger).await.unwrap();
            for table in tables(&store, true).await {
                execute(&store, &insert(&store, &table, "acme").await).await.unwrap();
                let count = format!("SELECT COUNT(*) FROM {table}");
                let count: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut stranger).await.unwrap();
                assert_eq!(count, 0, "{table} after {settings}");
                let insert = insert(&store, &table, "globex").await;
                let refused = sqlx::query(AssertSqlSafe(insert)).execute(&mut stranger).await.unwrap_err();
                assert!(refused.to_string().contains("row-level security"), "{table} after {settings}: {refused}");
                execute(&store, &format!("DELETE FROM {table} WHERE tenant = 'acme'")).await.unwrap();
            }
        }
        stranger.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_narrowed_store_stays_with_its_tenant() {
    on_postgres(async |_, store| {
        let acme = store.for_tenant("acme");
        let row = insert(&store, "searches", "globex").await;
        assert!(is_refused(&execute(&acme.for_tenant("globex"), &row).await.unwrap_err()));
        execute(&store, &row).await.unwrap();
        assert!(acme.for_tenant("globex").searches("globex", 10).await.unwrap().is_empty());
        assert!(seen(&acme, "searches").await.is_empty());

        // Closing ends one tenant's connections, and the next who needs them opens new ones.
        acme.close().await;
        assert_eq!(seen(&store.for_tenant("globex"), "searches").await, ["globex"]);
        assert!(seen(&store.for_tenant("acme"), "searches").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_role_that_passes_over_the_guard_is_found_out() {
    on_postgres(async |config, _| {
        // The tests step down from a superuser, where they have one.
        let Some((superuser, _)) = config.url.expose_secret().split_once("&options[role]=") else {
            return skip_without("PostgreSQL with a superuser");
        };
        let store = Store::connect(&StoreConfig { url: superuser.into(), max_mib: None }).await.unwrap();
        assert!(store.relies_on_filters().await.unwrap());
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_start_mends_a_table_that_lost_its_guard() {
    on_postgres(async |config, store| {
        let strip = "DROP POLICY tenant ON searches; ALTER TABLE leads NO FORCE ROW LEVEL SECURITY;
                     ALTER TABLE touches DISABLE ROW LEVEL SECURITY; CREATE TABLE letters (id BIGINT, tenant TEXT NOT NULL)";
        sqlx::raw_sql(strip).execute(store.read()).await.unwrap();
        Store::connect(&config).await.unwrap().close().await;

        for table in ["searches", "leads", "touches", "letters"] {
            execute(&store, &insert(&store, table, "globex").await).await.unwrap();
            assert!(seen(&store.for_tenant("acme"), table).await.is_empty(), "{table}");
            assert_eq!(seen(&store.for_tenant("globex"), table).await, ["globex"], "{table}");
        }
    })
    .await;
}

#[test]
fn every_condition_of_a_statement_names_its_tenant() {
    let mut texts = Vec::new();
    read_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
    let verbs = ["SELECT ", "UPDATE ", "DELETE ", "INSERT "];
    let statements: Vec<&String> = texts.iter().filter(|text| verbs.iter().any(|verb| text.contains(verb))).collect();
    assert!(statements.len() > 200, "only {} statements were found", statements.len());

    let excused = |text: &str| WITHOUT_FILTER.iter().any(|(beginning, _)| text.starts_with(beginning));
    // A condition that the next piece of text begins is not counted, and one behind `ON CONFLICT` holds for a row of the tenant.
    let nameless = |text: &str| {
        let names = text.matches("tenant = ").count() + text.matches("ON CONFLICT (tenant").count();
        text.matches("WHERE ").count() > names
    };
    let wrong: Vec<_> = statements.iter().filter(|text| nameless(text) && !excused(text)).collect();
    assert!(wrong.is_empty(), "these name no tenant in each condition:\n{wrong:#?}");
    for (beginning, _) in WITHOUT_FILTER {
        assert!(statements.iter().any(|text| text.starts_with(beginning)), "not there any more: {beginning}");
    }
}

/// The texts in quotes of all sources below a folder, each on one line, without comments and tests.
fn read_sources(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "tests" || name == "proofs" || name.ends_with("_tests") || name == "testing" {
            continue;
        }
        if path.is_dir() {
            read_sources(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            read_texts(&code.join("\n"), texts);
        }
    }
}

fn read_texts(code: &str, texts: &mut Vec<String>) {
    // A quote as a character, or inside of a text, begins none.
    let code = code.replace("'\"'", "").replace("\\\\", "").replace("\\\"", "").replace("\\\n", " ");
    // So every second piece is a text.
    let pieces = code.split('"').skip(1).step_by(2);
    texts.extend(pieces.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")));
}
