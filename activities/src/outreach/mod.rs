//! Outreach: planning, making and settling contacts, and learning what came of them.
//!
//! A contact is claimed in the store before it is made, and settled after it. Whoever finds a claim that is not settled asks
//! the provider what became of it; nothing is sent again on a guess.

mod activities;
pub mod allot;
pub mod calendar;
mod decide;
pub mod events;
mod look;
pub mod places;
pub mod planner;
#[cfg(test)]
mod proofs;
pub mod reading;
mod reconcile;
mod reply_reading;
mod round;
pub mod sequence_file;
mod settle;
pub mod simulate;
mod situation;
mod start;
pub mod templates;
mod touch;

pub use activities::{OutreachActivities, OutreachWork, UnipileActivities};
pub use reply_reading::{ReplyActivities, ReplyReader};
