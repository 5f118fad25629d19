//! Whether the keys of the providers work.

use leadflow_activities::providers::{Class, Clients, ProviderError};
use leadflow_activities::senders::unipile::Unipile;
use leadflow_workflows::domain::provider::Provider;

/// What a free call with the key of a provider showed.
pub(super) enum Key {
    Accepted,
    /// The provider has no free call, or no key is set.
    NotChecked,
    /// What needs it cannot work before somebody mends it.
    Refused(ProviderError),
    /// The provider cannot be asked now; what needs it tries again by itself.
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
        Provider::Serper | Provider::Unipile => return Key::NotChecked,
    };
    shown(checked)
}

/// [`check`] of the provider that sends.
pub(super) async fn check_sender(client: &Unipile) -> Key {
    shown(client.check_key().await)
}

fn shown(checked: Result<(), ProviderError>) -> Key {
    match checked {
        Ok(()) => Key::Accepted,
        Err(error) if matches!(error.class, Class::PauseProvider | Class::Never) => Key::Refused(error),
        Err(error) => Key::Unknown(error),
    }
}
