//! The command line as a user meets it: the program itself, on a real `starter dev`.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/journey.rs"]
mod journey;
#[path = "cli/site.rs"]
mod site;
