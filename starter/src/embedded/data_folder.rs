//! The folder with everything an embedded leadflow keeps. One process at a time may use it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A data folder that this process holds; another may have it when this is dropped, or when this process ends.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    /// Held, not read: the lock ends with it.
    _lock: File,
}

/// How to reach the process that holds a data folder; kept in its `running.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub pid: u32,
    /// `HOST:PORT` of the Temporal server; `None` while it starts.
    pub temporal_address: Option<String>,
    pub ui_url: Option<String>,
    pub sandbox_url: Option<String>,
    /// Its clock as text, when that is not the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
}

/// A data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    #[error("{}", already_running(.path, .running.as_deref()))]
    AlreadyRunning {
        path: PathBuf,
        /// `None` when the other process has not yet said.
        running: Option<Box<Running>>,
    },
    #[error("the data folder `{path}` cannot be used: {source}\nhint: choose a folder of your own with --data")]
    Io { path: String, source: io::Error },
}

impl DataFolder {
    /// Creates the folder if need be and takes it for this process.
    ///
    /// # Errors
    /// [`DataFolderError::AlreadyRunning`] when another process has it, with what that process announced.
    pub fn open(path: &Path) -> Result<Self, DataFolderError> {
        let io_error = |source| DataFolderError::Io { path: path.display().to_string(), source };
        fs::create_dir_all(path.join("logs")).map_err(io_error)?;
        // Absolute, because child processes get its paths and may run elsewhere.
        let root = path.canonicalize().map_err(io_error)?;
        let lock = File::create(root.join("leadflow.lock")).map_err(io_error)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let running = read_running(&root).map(Box::new);
                return Err(DataFolderError::AlreadyRunning { path: path.to_owned(), running });
            }
            Err(TryLockError::Error(source)) => return Err(io_error(source)),
        }
        let folder = Self { root, _lock: lock };
        // Replaces what a killed process left behind.
        folder.announce(&Running::this_process()).map_err(io_error)?;
        Ok(folder)
    }

    /// Tells whoever tries to open the same folder how to reach this process.
    pub fn announce(&self, running: &Running) -> io::Result<()> {
        let draft = self.root.join("running.json.new");
        fs::write(&draft, serde_json::to_vec_pretty(running)?)?;
        fs::rename(draft, self.root.join("running.json"))
    }

    /// The absolute path of the folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The database of the embedded Temporal server.
    pub fn temporal_db(&self) -> PathBuf {
        self.root.join("temporal.db")
    }

    /// The folder for logs, which exists.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        // Left behind it would do no harm: the lock decides.
        let _ = fs::remove_file(self.root.join("running.json"));
    }
}

impl Running {
    /// This process, started now, which cannot be reached yet.
    pub fn this_process() -> Self {
        Self {
            pid: std::process::id(),
            temporal_address: None,
            ui_url: None,
            sandbox_url: None,
            clock: None,
            started_at: jiff::Timestamp::now().to_string(),
        }
    }
}

/// Who holds a folder right now; `None` when nobody does.
pub fn running_in(root: &Path) -> Option<Running> {
    let lock = File::open(root.join("leadflow.lock")).ok()?;
    matches!(lock.try_lock(), Err(TryLockError::WouldBlock)).then(|| read_running(root)).flatten()
}

fn read_running(root: &Path) -> Option<Running> {
    serde_json::from_slice(&fs::read(root.join("running.json")).ok()?).ok()
}

fn already_running(path: &Path, running: Option<&Running>) -> String {
    let path = path.display();
    let who = running.map_or_else(String::new, |running| {
        let places: Vec<String> = [
            running.temporal_address.as_ref().map(|address| format!("Temporal at {address}")),
            running.ui_url.as_ref().map(|url| format!("UI at {url}")),
            running.sandbox_url.as_ref().map(|url| format!("sandbox at {url}")),
        ]
        .into_iter()
        .flatten()
        .collect();
        let places = if places.is_empty() { "still starting".to_owned() } else { places.join(", ") };
        format!(" as pid {}, since {}; {places}", running.pid, running.started_at)
    });
    format!(
        "leadflow is already running on the data folder `{path}`{who}\n\
         hint: stop it with Ctrl-C there, or use another folder with --data OTHER"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_learns_how_to_reach_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::open(folder.path()).unwrap();
        let starting = DataFolder::open(folder.path()).unwrap_err().to_string();
        assert!(starting.contains("still starting"), "{starting}");

        let running = Running {
            temporal_address: Some("127.0.0.1:7233".to_owned()),
            ui_url: Some("http://127.0.0.1:8233".to_owned()),
            ..Running::this_process()
        };
        first.announce(&running).unwrap();
        let error = DataFolder::open(folder.path()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("already running on the data folder `{}`", folder.path().display())), "{text}");
        assert!(text.contains(&format!("as pid {}", std::process::id())), "{text}");
        assert!(text.contains("Temporal at 127.0.0.1:7233, UI at http://127.0.0.1:8233\nhint:"), "{text}");
        let DataFolderError::AlreadyRunning { running: Some(told), .. } = error else { panic!("{error:?}") };
        assert_eq!(*told, running);
    }

    #[test]
    fn the_folder_is_free_again_when_its_holder_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/data");
        drop(DataFolder::open(&path).unwrap());
        assert!(!path.join("running.json").exists());

        // What a killed process leaves: files, but no lock.
        fs::write(path.join("running.json"), "{ half a fi").unwrap();
        let again = open_when_free(&path);
        assert_eq!(read_running(again.path()).unwrap().pid, std::process::id());
        assert!(again.logs().is_dir());
        assert!(again.temporal_db().is_absolute());
    }

    /// A process that another test starts holds, until its program runs, a copy of every file that is open here.
    fn open_when_free(path: &Path) -> DataFolder {
        let begun = std::time::Instant::now();
        loop {
            match DataFolder::open(path) {
                Err(DataFolderError::AlreadyRunning { .. }) if begun.elapsed().as_secs() < 30 => {
                    std::thread::yield_now();
                }
                opened => return opened.unwrap(),
            }
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_with_a_hint() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataFolder::open(&file.path().join("data")).unwrap_err().to_string();
        assert!(error.starts_with("the data folder `") && error.contains("hint:"), "{error}");
    }
}
