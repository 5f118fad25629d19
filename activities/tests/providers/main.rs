//! Every provider client against the sandbox over HTTP: each row of the provider's error table, each kind of answer, and
//! the ways in which a call breaks.

mod broken_calls;
mod gemini;
mod hunter;
mod openai;
mod serper;
mod table;
