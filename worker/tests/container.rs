//! Runs what the containers of `docker-compose.yml` run: the deploy scripts and the worker program, as they are there.

use leadflow_activities::store::testing::{postgres_server, skip_without};
use leadflow_starter::embedded::cli::{default_cache_dir, find_or_install};
use leadflow_starter::embedded::ports::free_port;
use leadflow_workflows::domain::timings::Timings;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Long, because it only ends a test that has failed anyway.
const LIMIT: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A dev server of the real CLI, ended with the test.
struct Server {
    child: Child,
    address: String,
    /// Folder of the CLI, for `PATH`.
    cli: PathBuf,
}

impl Server {
    async fn start() -> Self {
        let cli = find_or_install(&default_cache_dir(), &|_| ()).await.expect("a Temporal CLI");
        let port = free_port().expect("a free port");
        let child = Command::new(&cli.path)
            .args(["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--log-level", "error"])
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the CLI starts");
        let address = format!("127.0.0.1:{port}");
        Self { child, address, cli: cli.path.parent().expect("a folder").to_owned() }
    }

    fn script(&self, name: &str) -> std::process::Output {
        Command::new("sh")
            .arg(root().join("deploy/temporal").join(name))
            .env("PATH", format!("{}:{}", self.cli.display(), env::var("PATH").unwrap_or_default()))
            .env("TEMPORAL_ADDRESS", &self.address)
            .env("TEMPORAL_NAMESPACE", "leadflow")
            .output()
            .expect("sh runs")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The worker program with the environment of its container.
fn worker(server: &Server, store: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    command
        .env("TEMPORAL_ADDRESS", &server.address)
        .env("TEMPORAL_NAMESPACE", "leadflow")
        .env("LEADFLOW_STORE_URL", store)
        .env("NO_COLOR", "1")
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_namespace_job_repeats_and_the_worker_serves_until_sigterm() {
    let server = Server::start().await;
    for run in 1..=2 {
        let output = server.script("namespace.sh");
        assert!(output.status.success(), "run {run}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let list = Command::new(server.cli.join("temporal"))
        .args(["operator", "search-attribute", "list", "--namespace", "leadflow", "--address", &server.address])
        .output()
        .expect("the CLI runs");
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    for attribute in ["LeadflowTenant", "LeadflowCampaign", "LeadflowAccount", "LeadflowStage", "LeadflowProgress"] {
        assert!(list.contains(attribute), "{attribute} is missing in\n{list}");
    }

    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("sqlite:{}", folder.path().join("leadflow.db").display());
    let mut child =
        worker(&server, &store).args(["--metrics", "127.0.0.1:0", "--json-logs"]).spawn().expect("the worker starts");
    let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut says = |what: &str| {
        let line = log.by_ref().map_while(Result::ok).find(|line| line.contains(what));
        let line = line.unwrap_or_else(|| panic!("the log ended before `{what}`"));
        serde_json::from_str::<serde_json::Value>(&line).expect("a line of JSON")
    };
    let shown = says("metrics are shown");
    says("worker is polling");
    see_metrics(shown["address"].as_str().expect("an address")).await;
    let term = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(term.success());
    assert!(child.wait().expect("the worker ends").success(), "SIGTERM ends a worker with exit code 0");
}

/// Or else it would kill a worker whose calls in flight may still end.
#[test]
fn compose_waits_longer_than_a_worker_that_stops() {
    let compose = fs::read_to_string(root().join("docker-compose.yml")).expect("the file");
    let grace_s = compose
        .lines()
        .find_map(|line| line.trim().strip_prefix("stop_grace_period: ")?.strip_suffix('s')?.parse::<u64>().ok());
    let grace = Duration::from_secs(grace_s.expect("a period in seconds"));
    assert!(grace > Duration::from_millis(Timings::production().graceful_shutdown_ms), "{grace:?}");
}

/// One page has the installation's metrics, and those of the SDK as soon as it has polled.
async fn see_metrics(address: &str) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let deadline = Instant::now() + LIMIT;
    loop {
        let answer = client.get(format!("http://{address}/metrics")).send().await.expect("the worker answers");
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let text = answer.text().await.expect("a text");
        assert!(text.contains("\nleadflow_store_up 1\n"), "{text}");
        if ["temporal_num_pollers{", "temporal_worker_task_slots_available{"].iter().all(|series| text.contains(series))
        {
            return;
        }
        assert!(Instant::now() < deadline, "the SDK's metrics are missing in\n{text}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_its_namespace_says_what_to_do() {
    let server = Server::start().await;
    let deadline = Instant::now() + LIMIT;
    // The job waits for the server by `cluster health`; here the same command is the condition.
    while !Command::new(server.cli.join("temporal"))
        .args(["operator", "cluster", "health", "--address", &server.address])
        .output()
        .expect("the CLI runs")
        .status
        .success()
    {
        assert!(Instant::now() < deadline, "the server does not serve");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("sqlite:{}", folder.path().join("leadflow.db").display());
    let output = worker(&server, &store).output().expect("the worker runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("has no namespace `leadflow`") && text.contains("hint:"), "{text}");
}

#[test]
fn the_schema_job_updates_both_databases() {
    let folder = tempfile::tempdir().expect("a folder");
    // The real tool is in the image only; this one writes down how it was called.
    let tool = folder.path().join("temporal-sql-tool");
    let calls = folder.path().join("calls");
    fs::write(&tool, format!("#!/bin/sh\necho \"$@\" >> '{}'\n", calls.display())).expect("written");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("executable");
    let status = Command::new("sh")
        .arg(root().join("deploy/temporal/schema.sh"))
        .env("PATH", format!("{}:{}", folder.path().display(), env::var("PATH").unwrap_or_default()))
        .envs([("POSTGRES_SEEDS", "db"), ("DB_PORT", "5432"), ("POSTGRES_USER", "temporal"), ("SQL_PASSWORD", "x")])
        .status()
        .expect("sh runs");
    assert!(status.success());
    let calls = fs::read_to_string(calls).expect("calls");
    let expected: Vec<String> = [("temporal", "temporal"), ("temporal_visibility", "visibility")]
        .iter()
        .flat_map(|(database, schema)| {
            let to = format!("--plugin postgres12 --endpoint db --port 5432 --user temporal --database {database}");
            [
                format!("{to} create"),
                format!("{to} setup-schema --version 0.0"),
                format!("{to} update-schema --schema-dir /etc/temporal/schema/postgresql/v12/{schema}/versioned"),
            ]
        })
        .collect();
    assert_eq!(calls.lines().collect::<Vec<_>>(), expected);
}

/// The script names its role, its database and its server itself, so the test runs a copy with other names and removes
/// what it made.
#[test]
fn the_store_gets_its_own_role_and_database() {
    let server = postgres_server();
    // What a query brings; nothing when it fails.
    let psql = |sql: &str| {
        let options =
            ["--no-password", "--quiet", "--no-align", "--tuples-only", "--dbname", &server, "--command", sql];
        let output = Command::new("psql").args(options).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let user = psql("SELECT rolname FROM pg_roles WHERE rolname = current_user AND rolsuper");
    if user.is_empty() {
        return skip_without("PostgreSQL with a superuser and psql");
    }
    let name = format!("leadflow_container_{}", std::process::id());
    let script = fs::read_to_string(root().join("deploy/postgres/leadflow.sh")).expect("the script");
    let script = script
        .replace("--dbname=postgres", "--dbname=\"$SERVER\"")
        .replace("ROLE leadflow", &format!("ROLE {name}"))
        .replace("DATABASE leadflow OWNER leadflow", &format!("DATABASE {name} OWNER {name}"));
    let output = Command::new("sh")
        .args(["-c", &script])
        .envs([("SERVER", server.as_str()), ("POSTGRES_USER", user.as_str()), ("LEADFLOW_DB_PASSWORD", "secret")])
        .output()
        .expect("sh runs");
    let owner = psql(&format!("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{name}'"));
    for sql in [format!("DROP DATABASE IF EXISTS {name}"), format!("DROP ROLE IF EXISTS {name}")] {
        psql(&sql);
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(owner, name);
}
