//! The `starter` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    leadflow_starter::cli::main()
}
