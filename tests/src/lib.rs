//! The tests of the whole: a laboratory with real servers and processes, and what is done in it.

pub mod bench;
pub mod books;
pub mod field;
pub mod ingress;
pub mod ingress_chaos;
pub mod ingress_outage;
pub mod kill;
pub mod kill_points;
pub mod lab;
pub mod outreach_kill;
pub mod reply_wins;
pub mod scenarios;
pub mod trace;
