//! The Unipile client against the sandbox over HTTP: each row of the error table, each kind of call, the ways in which a
//! call breaks, and the events that come by webhook.

mod bench;
mod errors;
mod events;
mod lists;
mod sends;
mod webhooks;
