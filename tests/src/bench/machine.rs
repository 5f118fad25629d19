//! Where something was measured, and what.

use serde::Serialize;
use std::fmt;
use std::fs;
use std::process::Command;

#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    /// `release` or `debug`.
    pub build: &'static str,
    /// With `+` at the end when the checkout had changes.
    pub commit: String,
}

impl Machine {
    /// This machine, this build. What it does not tell is `unknown` or zero.
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let processor = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Self {
            processor: processor.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: super::process::kibibytes(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0) / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            commit: commit().unwrap_or_else(|| "unknown".into()),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, memory_mib, kernel, build, commit } = self;
        writeln!(formatter, "{processor}, {cores} cores, {memory_mib} MiB, Linux {kernel}")?;
        writeln!(formatter, "commit {commit}, {build} build")
    }
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = git(&["status", "--porcelain"]).is_none_or(|changes| !changes.is_empty());
    Some(git(&["rev-parse", "--short=12", "HEAD"])? + if changed { "+" } else { "" })
}
