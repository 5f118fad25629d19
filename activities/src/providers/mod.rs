//! Provider clients: one call each, typed answers, typed errors. When to retry is decided by [`crate::retry`].

mod cost;
pub(crate) mod error;
mod gemini;
pub(crate) mod http;
mod hunter;
mod model;
mod openai;
pub mod schema;
mod serper;

pub use cost::Usage;
pub use error::{Billed, Class, ProviderError};
pub use gemini::{Gemini, GroundedAnswer, Source};
pub use http::SetUpError;
pub use hunter::{EmailSource, Finder, FinderQuery, Hunter, Verifier};
pub use model::{Content, GroundedCall, ModelAnswer, StructuredCall, TokenUsage};
pub use openai::OpenAi;
pub use serper::{MapsAnswer, MapsQuery, Organic, Place, SearchAnswer, SearchQuery, Serper};

use crate::config::{Config, ProviderConfig};
use std::time::Duration;

/// The clients of all providers that are set up; `None` for one without a key.
pub struct Clients {
    pub openai: Option<OpenAi>,
    pub gemini: Option<Gemini>,
    pub serper: Option<Serper>,
    pub hunter: Option<Hunter>,
}

impl Clients {
    pub fn from_config(config: &Config) -> Result<Self, SetUpError> {
        let model_call = Duration::from_millis(config.timings.model_call_ms);
        let search_call = Duration::from_millis(config.timings.search_call_ms);
        let models = &config.models;
        Ok(Self {
            openai: if_set_up(&config.openai, |openai| OpenAi::new(openai, &models.openai_model, model_call))?,
            gemini: if_set_up(&config.gemini, |gemini| Gemini::new(gemini, &models.gemini_model, model_call))?,
            serper: if_set_up(&config.serper, |serper| Serper::new(serper, search_call))?,
            hunter: if_set_up(&config.hunter, |hunter| Hunter::new(hunter, search_call))?,
        })
    }
}

fn if_set_up<Client>(
    config: &ProviderConfig,
    new: impl FnOnce(&ProviderConfig) -> Result<Client, SetUpError>,
) -> Result<Option<Client>, SetUpError> {
    config.api_key.as_ref().map(|_| new(config)).transpose()
}
