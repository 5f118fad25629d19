//! What has to hold whatever happens, against the stand-in's ledger: limits, what follows from each error, and that a
//! repeated activity contacts nobody again; and whose turn it is in a campaign.

mod absences;
mod errors;
mod limits;
mod meanwhile;
mod one_click;
mod repeats;
mod second_looks;
mod turns;
mod world;
