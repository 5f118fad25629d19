//! What a process has used, as Linux counts it.

use std::fs;
use std::io;

/// Linux shows times of processes in hundredths of a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessUsage {
    /// User and system time of all its threads.
    pub cpu_seconds: f64,
    /// Most memory that it ever had resident.
    pub peak_kib: u64,
}

impl ProcessUsage {
    /// # Errors
    /// When the process has ended, or on a system without `/proc`.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let unreadable = || io::Error::other(format!("/proc/{pid} has a form that is not known"));
        Ok(Self {
            cpu_seconds: cpu_seconds(&stat).ok_or_else(unreadable)?,
            peak_kib: kibibytes(&status, "VmHWM:").ok_or_else(unreadable)?,
        })
    }
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    // The second field is the program's name in brackets and may contain spaces; user time is the 14th, system time the
    // 15th.
    let (_, after_name) = stat.rsplit_once(") ")?;
    let ticks: Vec<f64> = after_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    (ticks.len() == 2).then(|| (ticks[0] + ticks[1]) / TICKS_PER_SECOND)
}

/// The number of a line such as `VmHWM:   1234 kB`.
pub(super) fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_does_not_shift_the_fields() {
        let stat = "4711 (a (b) c) S 1 4711 4711 0 -1 4194304 5000 0 10 0 250 50 0 0 20 0 9 0 1 2";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("4711"), None);
        assert_eq!(kibibytes("Name:\tx\nVmHWM:\t  2048 kB\n", "VmHWM:"), Some(2048));
    }

    #[test]
    fn this_process_has_used_something() {
        let usage = ProcessUsage::of(std::process::id()).unwrap();
        assert!(usage.peak_kib > 500, "{usage:?}");
        assert!(usage.cpu_seconds < 3_600.0, "{usage:?}");
    }
}
