//! Whether the keys of the providers work.

use leadflow_activities::providers::{Class, Clients, ProviderError};
use leadflow_workflows::domain::provider::Provider;

/// What a free call with the key of a provider showed.
pub(super) enum Key {
    Accepted,
    /// The provider has no free call, or no key is set.
    NotChecked,
    /// Searches that need it cannot work before somebody mends it.
    Refused(ProviderError),
    /// The provider cannot be asked now; searches try again by themselves.
    Unknown(ProviderError),
}

pub(super) async fn check(clients: &Clients, provider: Provider) -> Key {
    let checked = match provider {
        Provider::Openai => match &clients.openai {
            Some(client) => client.check_key().await,
            None => return Key::NotChecked,
        },
        Provider::Gemini => match &clients.gemini {
            Some(client) => client.check_key().await,
            None => return Key::NotChecked,
        },
        Provider::Hunter => match &clients.hunter {
            Some(client) => client.check_key().await,
            None => return Key::NotChecked,
        },
        Provider::Serper => return Key::NotChecked,
    };
    match checked {
        Ok(()) => Key::Accepted,
        Err(error) if matches!(error.class, Class::PauseProvider | Class::Never) => Key::Refused(error),
        Err(error) => Key::Unknown(error),
    }
}
