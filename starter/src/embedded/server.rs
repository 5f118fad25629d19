//! The embedded Temporal server: `temporal server start-dev` under a guard, with all that leadflow's workflows expect.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use temporalio_client::tonic::IntoRequest;
use temporalio_client::{Connection, ConnectionOptions, Url};
use temporalio_common::protos::temporal::api::operatorservice::v1::ListSearchAttributesRequest;
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeNamespaceRequest;

use super::cli::TemporalCli;
use super::guard::{GuardError, GuardedChild, guarded_command, hold_lock};
use super::ports::{free_port, taken_port_problem};

/// Search attributes that every workflow of leadflow may set, with their types.
pub const SEARCH_ATTRIBUTES: [(&str, &str); 5] = [
    ("LeadflowTenant", "Keyword"),
    ("LeadflowCampaign", "Keyword"),
    ("LeadflowAccount", "Keyword"),
    ("LeadflowStage", "Keyword"),
    ("LeadflowProgress", "Int"),
];

/// The namespace that a dev server always has.
pub const NAMESPACE: &str = "default";

/// A task queue's rate limit is divided by its partitions, so a provider's limit only holds on one. In production only
/// the providers' queues are set so; here all are, which costs nothing at this size.
///
/// Timers are late by up to the clocks' difference between the hosts of a cluster, a second unless told otherwise: on a fast
/// clock that is hours, and here there is one host.
const DYNAMIC_CONFIG: [&str; 5] = [
    "history.timerProcessorMaxTimeShift=\"1ms\"",
    "matching.enableFairness=true",
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
    "system.forceSearchAttributesCacheRefreshOnRead=true",
];

const START_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Another program may take a port between our choosing it and the server's binding it.
const PORT_ATTEMPTS: u32 = 5;

/// How a dev server is to run. The default: free ports, web UI, in memory, no log kept.
#[derive(Clone, Debug, Default)]
pub struct DevServerOptions {
    /// The SQLite file that keeps workflows from run to run; in memory without one.
    pub database: Option<PathBuf>,
    /// Port of the gRPC service; a free one without.
    pub port: Option<u16>,
    /// Port of the web UI; a free one without.
    pub ui_port: Option<u16>,
    /// Without the web UI.
    pub headless: bool,
    /// File to which the server's log is appended.
    pub log: Option<PathBuf>,
}

/// A dev server that serves. Dropping it has it stopped, without waiting for its end.
#[derive(Debug)]
pub struct DevServer {
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// Where a browser shows the workflows.
    pub ui_url: Option<String>,
    child: GuardedChild,
}

/// The dev server did not come up.
#[derive(Debug, thiserror::Error)]
pub enum DevServerError {
    /// A fixed port is taken; the text says which.
    #[error("{0}")]
    Port(String),
    #[error("the Temporal server cannot be started: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error("the Temporal server {problem}; its log ends with\n{log}\nhint: {hint}")]
    NotServing { problem: String, log: String, hint: String },
}

impl DevServer {
    /// Starts a dev server and waits until it serves; `starter` is an executable that answers `internal guard`.
    ///
    /// On one database file a server waits for its predecessor to end.
    pub async fn start(cli: &TemporalCli, starter: &Path, options: &DevServerOptions) -> Result<Self, DevServerError> {
        for port in [options.port, options.ui_port].into_iter().flatten() {
            taken_port_problem(port).map_or(Ok(()), |problem| Err(DevServerError::Port(problem)))?;
        }
        let mut attempt = 1;
        loop {
            match Self::try_start(cli, starter, options).await {
                Err(DevServerError::NotServing { log, .. })
                    if attempt < PORT_ATTEMPTS && log.contains("address already in use") =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_start(cli: &TemporalCli, starter: &Path, options: &DevServerOptions) -> Result<Self, DevServerError> {
        let port = options.port.map_or_else(free_port, Ok)?;
        let ui_port = if options.headless { None } else { Some(options.ui_port.map_or_else(free_port, Ok)?) };
        let address = format!("127.0.0.1:{port}");
        let log = Log::open(options.log.as_deref())?;

        let mut command = guarded_command(starter, &cli.path, arguments(options, port, ui_port));
        command.stderr(log.writer()?);
        if let Some(database) = &options.database {
            hold_lock(&mut command, &database.with_extension("lock"));
        }
        let serving = tokio::time::timeout(START_TIMEOUT, async {
            let mut child = GuardedChild::start(command).await?;
            tokio::select! {
                () = until_it_serves(&address) => Ok(child),
                status = child.wait() => Err(log.not_serving(ended(status), options)),
            }
        });
        let too_late = |_| log.not_serving(format!("does not serve after {} s", START_TIMEOUT.as_secs()), options);
        let mut child = serving.await.map_err(too_late)??;
        // When another server has the port, that one has answered.
        if let Some(status) = child.try_wait()? {
            return Err(log.not_serving(ended(Ok(status)), options));
        }
        Ok(Self { address, ui_url: ui_port.map(|port| format!("http://127.0.0.1:{port}")), child })
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Waits until the server ends by itself, which it should not.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Stops the server and waits for its end.
    pub async fn stop(self) -> io::Result<ExitStatus> {
        self.child.stop().await
    }

    /// Kills the server with SIGKILL, for tests of what survives that.
    pub async fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill().await
    }
}

fn arguments(options: &DevServerOptions, port: u16, ui_port: Option<u16>) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["server", "start-dev", "--ip", "127.0.0.1", "--log-level", "warn", "--color", "never"]
            .map(str::to_owned)
            .into();
    arguments.push(format!("--port={port}"));
    match ui_port {
        Some(ui_port) => arguments.extend([format!("--ui-port={ui_port}"), "--ui-disable-news-fetch".to_owned()]),
        None => arguments.push("--headless".to_owned()),
    }
    arguments.extend(options.database.iter().map(|file| format!("--db-filename={}", file.display())));
    arguments.extend(SEARCH_ATTRIBUTES.map(|(name, kind)| format!("--search-attribute={name}={kind}")));
    arguments.extend(DYNAMIC_CONFIG.map(|setting| format!("--dynamic-config-value={setting}")));
    arguments
}

/// Returns once the server answers for the namespace and knows all search attributes.
async fn until_it_serves(address: &str) {
    while !serves(address).await {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn serves(address: &str) -> bool {
    let Ok(url) = Url::parse(&format!("http://{address}")) else {
        return false;
    };
    let options = ConnectionOptions::new(url).identity("leadflow-embedded".to_owned()).dns_load_balancing(None).build();
    let Ok(connection) = Connection::connect(options).await else {
        return false;
    };
    let namespace = DescribeNamespaceRequest { namespace: NAMESPACE.to_owned(), ..Default::default() };
    if connection.workflow_service().describe_namespace(namespace.into_request()).await.is_err() {
        return false;
    }
    let attributes = ListSearchAttributesRequest { namespace: NAMESPACE.to_owned() };
    let known = connection.operator_service().list_search_attributes(attributes.into_request()).await;
    known.is_ok_and(|known| {
        let known = known.into_inner().custom_attributes;
        SEARCH_ATTRIBUTES.iter().all(|(name, _)| known.contains_key(*name))
    })
}

fn ended(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("ended with {status} before it served"),
        Err(error) => format!("was lost before it served: {error}"),
    }
}

/// The server's output: a file of the user, or one that goes away.
struct Log {
    path: PathBuf,
    /// Where this start begins in a file that is appended to.
    start: u64,
    _temporary: Option<tempfile::TempPath>,
}

impl Log {
    const LAST_LINES: usize = 12;

    fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else {
            let temporary = tempfile::NamedTempFile::with_prefix("leadflow-temporal-")?.into_temp_path();
            return Ok(Self { path: temporary.to_path_buf(), start: 0, _temporary: Some(temporary) });
        };
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let start = fs::metadata(path).map_or(0, |metadata| metadata.len());
        Ok(Self { path: path.to_owned(), start, _temporary: None })
    }

    fn writer(&self) -> io::Result<fs::File> {
        OpenOptions::new().create(true).append(true).open(&self.path)
    }

    fn not_serving(&self, problem: String, options: &DevServerOptions) -> DevServerError {
        let log = self.last_lines();
        let hint = match &options.database {
            Some(file) if log.contains("file is not a database") || log.contains("malformed") => {
                format!("`{}` is damaged; move it away to start anew, or use another data folder", file.display())
            }
            Some(file) if log.contains("database is locked") || log.contains("SQLITE_BUSY") => {
                format!("another program has `{}` open; end it, or use another data folder", file.display())
            }
            Some(file) if log.contains("database file") => {
                format!("check that the folder of `{}` exists and is writable", file.display())
            }
            _ => "try again; if it stays so, run `temporal server start-dev` by hand to see why".to_owned(),
        };
        DevServerError::NotServing { problem, log, hint }
    }

    fn last_lines(&self) -> String {
        let bytes = fs::read(&self.path).unwrap_or_default();
        let start = usize::try_from(self.start).map_or(bytes.len(), |start| start.min(bytes.len()));
        let text = String::from_utf8_lossy(&bytes[start..]);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        if lines.is_empty() {
            return "  (nothing)".to_owned();
        }
        // A panic says why in its first line, above the calls that led to it.
        let panic = lines.iter().position(|line| line.starts_with("panic:"));
        let from = panic.unwrap_or(lines.len().saturating_sub(Self::LAST_LINES));
        lines[from..].iter().take(Self::LAST_LINES).map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    }
}
