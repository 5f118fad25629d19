//! The command line of leadflow.

pub mod brief_file;
pub mod cli;
pub mod commands;
pub mod csv_file;
pub mod demo;
pub mod dev;
pub mod diagnostic;
pub mod embedded;
pub mod failure;
pub mod history;
pub mod ingress;
pub mod init;
pub mod launch;
pub mod output;
pub mod outreach;
pub mod rows;
pub mod site;
pub mod stack;
pub mod watch;
