//! One table of everything that users and their machines get wrong: each has a clear message with a hint, the right exit
//! code, and leaves nothing behind.

use crate::site::{BRIEF, Ran, Site};
use leadflow_activities::config::StoreConfig;
use leadflow_activities::store::Store;
use sqlx::{Connection, SqliteConnection};
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

/// A command that cannot do what it is asked.
struct Case<'a> {
    name: &'a str,
    args: Vec<&'a str>,
    /// Instead of the data folder of the running `dev`.
    variables: Option<Vec<(&'a str, &'a str)>>,
    code: i32,
    says: &'a str,
}

#[tokio::test]
async fn every_mistake_has_a_message_a_hint_and_an_exit_code_and_leaves_nothing_behind() {
    let site = Site::start();
    write_files(&site);
    let lock = locked_store(&site).await;
    full_store(&site).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();

    // A site without `dev`: the same Temporal and sandbox, named one by one.
    let url = |path: &str| format!("{}/{path}", site.sandbox_url);
    let (openai, gemini, serper, hunter) = (url("openai/v1"), url("gemini/v1beta"), url("serper"), url("hunter/v2"));
    let (address, key) = (site.temporal_address.as_str(), "sandbox-key");
    let alone = |changes: &[(&'static str, &'static str)]| {
        let mut variables = BTreeMap::from([
            ("LEADFLOW_OPENAI_URL", openai.as_str()),
            ("LEADFLOW_GEMINI_URL", gemini.as_str()),
            ("LEADFLOW_SERPER_URL", serper.as_str()),
            ("LEADFLOW_HUNTER_URL", hunter.as_str()),
            ("OPENAI_API_KEY", key),
            ("GEMINI_API_KEY", key),
            ("SERPER_API_KEY", key),
            ("HUNTER_API_KEY", key),
            ("LEADFLOW_STORE_URL", "sqlite:never.db"),
            ("TEMPORAL_ADDRESS", address),
        ]);
        variables.extend(changes.iter().copied());
        Some(variables.into_iter().collect::<Vec<_>>())
    };
    let start = |file| vec!["search", "start", file];
    let case = |name, args, code, says| Case { name, args, variables: None, code, says };
    let elsewhere = |name, variables, says| Case { name, args: start("brief.toml"), variables, code: 2, says };

    let cases = vec![
        case("unknown key", start("unknown-key.toml"), 2, "unknown key `leeds`"),
        case("missing field", start("missing-field.toml"), 2, "missing"),
        case("wrong type", start("wrong-type.toml"), 2, "number"),
        case("absurd number", start("absurd-number.toml"), 2, "10000"),
        case("negative budget", start("negative-budget.toml"), 2, "0.01"),
        case("empty industry", start("empty-industry.toml"), 2, "industries"),
        case("10 MB", start("large.toml"), 2, "is larger than 1 MiB"),
        case("not UTF-8", start("not-utf8.toml"), 2, "is not UTF-8"),
        case("no such brief", start("none.toml"), 2, "there is no such file"),
        case("a folder as brief", start("."), 2, "is a folder, not a file"),
        case(
            "bad exclude list",
            vec!["search", "start", "brief.toml", "--exclude", "exclude.csv"],
            2,
            "no column to exclude by",
        ),
        case("bad brief, dry run", vec!["search", "start", "unknown-key.toml", "--dry-run"], 2, "unknown key `leeds`"),
        case("bad settings", vec!["search", "list", "--config", "bad-settings.toml"], 2, "unknown key"),
        case("no such data folder", vec!["search", "list", "--data", "nowhere"], 2, "there is no data folder"),
        case("unknown search", vec!["search", "show", "zzzzzzzz"], 1, "no search matches `zzzzzzzz`"),
        case("unknown lead", vec!["lead", "explain", "zzzzzzzz"], 1, "no lead matches `zzzzzzzz`"),
        case("no lead in a state", vec!["lead", "list", "--state", "bounced"], 1, "nothing matches these options"),
        case("no event of a source", vec!["events", "list", "--source", "crm"], 1, "nothing matches these options"),
        case("nothing done by a token", vec!["audit", "list", "--actor", "t"], 1, "nothing matches these options"),
        case("unknown budget", vec!["budget", "raise", "galaxy", "5"], 2, "there is no budget `galaxy`"),
        case("negative limit", vec!["budget", "raise", "tenant", "-5"], 2, "is not an amount"),
        case("no number as limit", vec!["budget", "raise", "tenant", "much"], 2, "invalid value 'much'"),
        case("no history", vec!["history", "replay", "brief.toml"], 2, "this is no exported history"),
        case("unknown command word", vec!["serch"], 2, "unrecognized subcommand 'serch'"),
        case("unknown option", vec!["search", "list", "--jsno"], 2, "unexpected argument '--jsno'"),
        case("no brief", vec!["search", "start"], 2, "required arguments"),
        case("data folder in use", vec!["dev", "--data", "data"], 1, "is already running on the data folder"),
        case("port taken", vec!["dev", "--data", "other", "--port", &taken], 2, "is already taken by another program"),
        case(
            "locked database",
            vec!["search", "start", "brief.toml", "--config", "locked.toml"],
            2,
            "is locked by another writer",
        ),
        case(
            "full database",
            vec!["search", "start", "brief.toml", "--exclude", "long.csv", "--config", "full.toml"],
            2,
            "is full",
        ),
        case(
            "corrupt database",
            vec!["search", "start", "brief.toml", "--config", "corrupt.toml"],
            2,
            "is damaged or is not a leadflow store",
        ),
        elsewhere(
            "unreachable Temporal",
            alone(&[("TEMPORAL_ADDRESS", "127.0.0.1:1")]),
            "Temporal cannot be reached at",
        ),
        elsewhere(
            "misspelt temporal.toml",
            alone(&[("TEMPORAL_CONFIG_FILE", "temporal.toml")]),
            "the Temporal configuration is wrong",
        ),
        elsewhere("wrong namespace", alone(&[("TEMPORAL_NAMESPACE", "nope")]), "has no namespace `nope`"),
        elsewhere("wrong OpenAI key", alone(&[("OPENAI_API_KEY", "sk-wrong")]), "OpenAI does not accept the key"),
        elsewhere("wrong Gemini key", alone(&[("GEMINI_API_KEY", "wrong")]), "Gemini does not accept the key"),
        elsewhere("wrong Hunter key", alone(&[("HUNTER_API_KEY", "wrong")]), "Hunter does not accept the key"),
        elsewhere("bad timings", alone(&[("LEADFLOW_TIMINGS", "slow")]), "LEADFLOW_TIMINGS is not a set of timings"),
        elsewhere("bad store address", alone(&[("LEADFLOW_STORE_URL", "mysql:x")]), "is not the address of a store"),
    ];

    let before = files(site.folder());
    // At once, because the locked database takes its time.
    let (cases, site) = (&cases, &site);
    let failed: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = cases.iter().map(|case| (case, scope.spawn(|| check(site, case)))).collect();
        runs.into_iter().filter_map(|(_, run)| run.join().unwrap().err()).collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));

    lock.close().await.unwrap();
    assert_eq!(site.json(&["search", "list"]), serde_json::json!([]));
    assert_eq!(site.json(&["usage"])["total"]["calls"], 0);
    for store in ["locked.db", "full.db"] {
        assert_eq!(searches(&site.path(store)).await, 0, "{store}");
    }
    let after = files(site.folder());
    for (file, bytes) in &before {
        assert_eq!(after.get(file), Some(bytes), "{file} has changed");
    }
    let new: Vec<&String> = after.keys().filter(|file| !before.contains_key(*file)).collect();
    assert!(new.is_empty(), "new files: {new:?}");
}

fn check(site: &Site, case: &Case<'_>) -> Result<(), String> {
    let ran = match &case.variables {
        None => site.run(&case.args),
        Some(variables) => site.run_with(&case.args, variables),
    };
    let Ran { code, out, err } = &ran;
    let wrong = |what: &str| Err(format!("{}: {what}\n{ran:#?}", case.name));
    // Messages are broken at the width of the terminal.
    let words = err.split_whitespace().filter(|word| !matches!(*word, "|" | "│")).collect::<Vec<_>>().join(" ");
    if *code != case.code {
        return wrong(&format!("exit code {code} instead of {}", case.code));
    }
    if !words.contains(case.says) {
        return wrong(&format!("does not say `{}`", case.says));
    }
    if !words.contains("hint: ") {
        return wrong("has no hint");
    }
    if words.contains("panicked") || words.contains("RUST_BACKTRACE") || words.contains("sk-wrong") {
        return wrong("shows its inside");
    }
    if !out.is_empty() {
        return wrong("writes a result");
    }
    Ok(())
}

fn write_files(site: &Site) {
    let write = |name: &str, text: &str| fs::write(site.path(name), text).unwrap();
    write("unknown-key.toml", &BRIEF.replace("leads =", "leeds ="));
    write("missing-field.toml", &BRIEF.replace("sell =", "# sell ="));
    write("wrong-type.toml", &BRIEF.replace("leads = 8", "leads = \"twelve\""));
    write("absurd-number.toml", &BRIEF.replace("leads = 8", "leads = 1000000000000"));
    write("negative-budget.toml", &format!("{BRIEF}budget_usd = -1\n"));
    write("empty-industry.toml", &BRIEF.replace("[\"brewery\"]", "[\"\"]"));
    write("exclude.csv", "colour,size\nred,3\n");
    write("long.csv", &(0..2_000).fold("domain\n".to_owned(), |list, row| format!("{list}host-{row}.example\n")));
    write("bad-settings.toml", "[store]\nadress = \"x\"\n");
    write("temporal.toml", "[profile.default]\nadress = \"127.0.0.1:7233\"\n");
    write("large.toml", &"#".repeat(10 * 1024 * 1024));
    fs::write(site.path("not-utf8.toml"), b"name = \"caf\xE9\"\n").unwrap();
    write("corrupt.db", &"not a database at all ".repeat(500));
    for store in ["locked", "full", "corrupt"] {
        let url = site.path(&format!("{store}.db"));
        write(&format!("{store}.toml"), &format!("[store]\nurl = \"sqlite:{}\"\nmax_mib = 1\n", url.display()));
    }
}

/// A store in which another program holds a transaction open.
async fn locked_store(site: &Site) -> SqliteConnection {
    new_store(&site.path("locked.db")).await;
    let mut connection = open(&site.path("locked.db")).await;
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut connection).await.unwrap();
    connection
}

/// A store without a free page.
async fn full_store(site: &Site) {
    new_store(&site.path("full.db")).await;
    let mut connection = open(&site.path("full.db")).await;
    sqlx::raw_sql("PRAGMA max_page_count = 256").execute(&mut connection).await.unwrap();
    sqlx::raw_sql("CREATE TABLE filler (text TEXT)").execute(&mut connection).await.unwrap();
    for bytes in [65_536, 3_000] {
        loop {
            let fill = sqlx::query("INSERT INTO filler (text) VALUES ($1)").bind("x".repeat(bytes));
            if let Err(error) = fill.execute(&mut connection).await {
                assert!(error.to_string().contains("full"), "{error}");
                break;
            }
        }
    }
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut connection).await.unwrap();
    let free: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut connection).await.unwrap();
    assert_eq!((pages, free), (256, 0));
    // Moves everything into the file, so that later readers leave it as it is.
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn new_store(path: &Path) {
    let url = format!("sqlite:{}", path.display()).into();
    Store::connect(&StoreConfig { url, max_mib: None }).await.unwrap().close().await;
}

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

async fn searches(path: &Path) -> i64 {
    let mut connection = open(path).await;
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM searches").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    count
}

/// The bytes of every file beside the data folders, which `dev` writes all the time.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // The side files of a database come and go with whoever reads it.
        if path.is_file() && !name.ends_with("-wal") && !name.ends_with("-shm") {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}
