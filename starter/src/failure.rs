//! How a command ends when it does not succeed.

use crate::diagnostic::{Look, render};
use leadflow_activities::config::mistakes::Mistakes;
use leadflow_activities::store::StoreError;
use leadflow_worker::temporal::ConnectError;
use std::io::{self, Write};
use std::process::ExitCode;

/// Why a command did not do what it was asked. Every text says what, where and what to do about it.
#[derive(Debug)]
pub enum Failure {
    /// Nothing matched, it was cancelled, or what was asked is not possible in this state. Exit code 1.
    Refused(String),
    /// Bad input or a failure. Exit code 2.
    Failed(String),
    /// The store or Temporal does not do its part; later it may. Exit code 2.
    Unavailable(String),
    /// A file that the user wrote. Exit code 2.
    Input(Box<Mistakes>),
}

impl Failure {
    /// Tells the user on standard error, and gives the exit code.
    pub fn report(self) -> ExitCode {
        let (text, code) = match self {
            Self::Refused(text) => (format!("{}\n", with_hint_below(&text)), 1),
            Self::Failed(text) | Self::Unavailable(text) => (format!("error: {}\n", with_hint_below(&text)), 2),
            Self::Input(mistakes) => (render(&mistakes, Look::of_stderr()), 2),
        };
        // When even standard error is gone, the exit code has to do.
        let _ = io::stderr().write_all(text.as_bytes());
        ExitCode::from(code)
    }
}

/// Errors that also go into logs and histories have their hint in the same line; a person gets it on a line of its own.
fn with_hint_below(text: &str) -> String {
    match text.rsplit_once("; hint: ") {
        Some((problem, hint)) if !text.contains("\nhint: ") => format!("{problem}\nhint: {hint}"),
        _ => text.to_owned(),
    }
}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        Self::Input(Box::new(mistakes))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Unreachable { .. } => Self::Unavailable(error.to_string()),
            // Time mends none of these.
            ConnectError::Configuration(_) | ConnectError::NoNamespace { .. } | ConnectError::Refused { .. } => {
                Self::Failed(error.to_string())
            }
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_gets_the_hint_on_a_line_of_its_own() {
        for (text, told) in [
            ("the store is full: no space; hint: free some", "the store is full: no space\nhint: free some"),
            ("- a; hint: b\n- c\nhint: d", "- a; hint: b\n- c\nhint: d"),
            ("it ended", "it ended"),
        ] {
            assert_eq!(with_hint_below(text), told);
        }
    }
}
