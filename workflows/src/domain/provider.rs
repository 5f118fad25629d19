//! The vendors that are called, and the task queue of each.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A vendor. Every one has a task queue of its own, so that the server can hold its rate limit over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    Openai,
    Gemini,
    Serper,
    Hunter,
    Unipile,
}

impl Provider {
    pub const ALL: [Self; 5] = [Self::Openai, Self::Gemini, Self::Serper, Self::Hunter, Self::Unipile];

    /// Those whose paid calls a lead search makes.
    pub const SEARCH: [Self; 4] = [Self::Openai, Self::Gemini, Self::Serper, Self::Hunter];

    /// Stable machine name: in the store, in metrics, in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Gemini => "gemini",
            Self::Serper => "serper",
            Self::Hunter => "hunter",
            Self::Unipile => "unipile",
        }
    }

    pub fn task_queue(self) -> &'static str {
        match self {
            Self::Openai => "leadflow-openai",
            Self::Gemini => "leadflow-gemini",
            Self::Serper => "leadflow-serper",
            Self::Hunter => "leadflow-hunter",
            Self::Unipile => "leadflow-unipile",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Openai => "OpenAI",
            Self::Gemini => "Gemini",
            Self::Serper => "Serper",
            Self::Hunter => "Hunter",
            Self::Unipile => "Unipile",
        })
    }
}
