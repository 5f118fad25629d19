//! Everything a laptop needs to run leadflow without a cluster: the Temporal command line, its dev server, and child
//! processes that end with us.

pub mod cli;
pub mod data_folder;
pub mod guard;
mod install;
pub mod ports;
pub mod server;
