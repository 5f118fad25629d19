//! The `starter` that can be told where to die.

use std::process::ExitCode;

fn main() -> ExitCode {
    leadflow_tests::kill_points::main()
}
