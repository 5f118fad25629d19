//! A folder with a running `starter dev`, and commands in it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Everything that a command may take from its surroundings.
const VARIABLES: [&str; 6] =
    ["LEADFLOW_DATA", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_CONFIG_FILE", "TEMPORAL_PROFILE", "NO_COLOR"];

/// A brief that brings 8 leads in a few seconds.
pub(crate) const BRIEF: &str = r#"
name = "breweries"
sell = "CRM for breweries: accounts, kegs and routes on one phone screen"
[ideal]
industries = ["brewery"]
roles = ["owner", "head brewer"]
personas = 1
[where]
places = ["Vermont, US"]
[want]
leads = 8
email = true
"#;

pub(crate) struct Site {
    folder: tempfile::TempDir,
    dev: Child,
    pub(crate) temporal_address: String,
    pub(crate) sandbox_url: String,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Site {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(folder.path());
        command.args(["dev", "--json", "--data"]).arg(folder.path().join("data")).env("LEADFLOW_TIMINGS", "test");
        let mut dev = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(dev.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let announced: Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| announced[name].as_str().unwrap().to_owned();
        std::fs::write(folder.path().join("brief.toml"), BRIEF).unwrap();
        Self { temporal_address: text("temporal_address"), sandbox_url: text("sandbox_url"), folder, dev }
    }

    /// The folder in which commands run; `dev` holds `data` in it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command that finds the running `dev`.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[("LEADFLOW_DATA", "data")])
    }

    /// A command with these variables and no others that matter.
    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = command(self.folder.path());
        let output = command.args(args).envs(variables.iter().copied()).output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The one document of a command that succeeds.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{args:?}: {error}: {ran:?}"))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.dev.id().try_into().unwrap()), Signal::SIGTERM);
        let _ = self.dev.wait();
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_starter"));
    command.current_dir(folder).stdin(Stdio::null());
    for name in VARIABLES.iter().chain(&leadflow_activities::config::VARIABLES) {
        command.env_remove(name);
    }
    command
}
