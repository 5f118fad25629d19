//! The webhooks that we register, one for each source of events.

use super::{Unipile, read, wire};
use crate::providers::http::{Body, Call};
use crate::senders::SendError;
use crate::senders::unipile::errors;
use reqwest::Method;
use serde_json::{Value, json};

/// Carries the secret of a webhook; Unipile signs nothing.
pub const SECRET_HEADER: &str = "Unipile-Auth";

/// Each source with the events that are asked for; without any, its usual ones.
const SOURCES: [(&str, &[&str]); 4] = [
    ("messaging", &["message_received"]),
    ("users", &["new_relation"]),
    ("email", &["mail_received", "mail_sent"]),
    ("account_status", &[]),
];

struct Registered {
    id: String,
    name: String,
}

impl Unipile {
    /// The name says for which secret and accounts a webhook was made, because the list does not tell.
    pub(super) async fn register(&self, url: &str, secret: &str, accounts: &[String]) -> Result<(), SendError> {
        let ours = |item: &Value| {
            let name = wire::text(item, "name").filter(|name| name.starts_with("leadflow-"))?;
            (item["request_url"].as_str() == Some(url)).then_some(Registered { id: wire::text(item, "id")?, name })
        };
        let registered = self.all(&["webhooks"], ours).await?;
        let names = SOURCES.map(|(source, _)| format!("leadflow-{source}-{}", mark(secret, accounts)));
        for ((source, events), name) in SOURCES.iter().zip(&names) {
            if registered.iter().all(|webhook| webhook.name != *name) {
                self.create(url, secret, accounts, source, events, name).await?;
            }
        }
        // Last, so that no event is lost between the two; whatever comes twice is known by its key.
        for webhook in registered.iter().filter(|webhook| !names.contains(&webhook.name)) {
            let path = ["webhooks", &webhook.id];
            let call = Call { method: Method::DELETE, path: &path, query: &[], body: None, id: None };
            self.manage(call).await?;
        }
        Ok(())
    }

    async fn create(
        &self,
        url: &str,
        secret: &str,
        accounts: &[String],
        source: &str,
        events: &[&str],
        name: &str,
    ) -> Result<(), SendError> {
        // Without a content type of its own Unipile declares none.
        let headers = json!([
            { "key": "Content-Type", "value": "application/json" },
            { "key": SECRET_HEADER, "value": secret },
        ]);
        let mut body = json!({
            "request_url": url, "source": source, "name": name, "format": "json", "enabled": true, "headers": headers,
        });
        if !events.is_empty() {
            body["events"] = json!(events);
        }
        if !accounts.is_empty() {
            body["account_ids"] = json!(accounts);
        }
        let body = Some(Body::Json(body.to_string().into_bytes()));
        self.manage(Call { method: Method::POST, path: &["webhooks"], query: &[], body, id: None }).await
    }

    /// A call that nobody outside sees, so it may be repeated like a read.
    async fn manage(&self, call: Call<'_>) -> Result<(), SendError> {
        let answer = self.reads.send(call).await.map_err(|error| errors::broken(&error, false))?;
        read(&answer, false).map(drop)
    }
}

/// Changes with the secret and the accounts, and tells neither.
fn mark(secret: &str, accounts: &[String]) -> String {
    let mut accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
    accounts.sort_unstable();
    wire::fingerprint(json!([secret, accounts]).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_follows_secret_and_accounts_but_not_their_order() {
        let of = |secret: &str, accounts: &[&str]| {
            mark(secret, &accounts.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(of("s", &["a", "b"]), of("s", &["b", "a"]));
        assert_ne!(of("s", &["a"]), of("t", &["a"]));
        assert_ne!(of("s", &["a"]), of("s", &[]));
    }
}
