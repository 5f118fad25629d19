//! The sandbox over real HTTP.

mod faults;
mod models;
mod search;
mod unipile;

use leadflow_sandbox::{API_KEY, LedgerEntry, Sandbox, SandboxConfig};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// A running sandbox and a client with a good key for every provider.
struct Fixture {
    sandbox: Sandbox,
    client: reqwest::Client,
}

impl Fixture {
    async fn start() -> Self {
        Self::with(SandboxConfig::default()).await
    }

    async fn with(config: SandboxConfig) -> Self {
        // Fails when another test of this process was first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Sandbox::start(config).await.expect("a free port");
        Self { sandbox, client: reqwest::Client::new() }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.base_url())
    }

    fn get(&self, path: &str) -> RequestBuilder {
        with_key(self.client.get(self.url(path)))
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        with_key(self.client.post(self.url(path))).json(body)
    }

    fn chat(&self, name: &str, schema: &Value, facts: &Value) -> RequestBuilder {
        self.post("/openai/v1/chat/completions", &chat_body(name, schema, facts))
    }

    /// The only entry of the ledger.
    fn only_entry(&self) -> LedgerEntry {
        let mut ledger = self.sandbox.ledger();
        assert_eq!(ledger.len(), 1, "{ledger:#?}");
        ledger.remove(0)
    }
}

fn with_key(request: RequestBuilder) -> RequestBuilder {
    request.bearer_auth(API_KEY).header("x-goog-api-key", API_KEY).header("x-api-key", API_KEY)
}

fn chat_body(name: &str, schema: &Value, facts: &Value) -> Value {
    json!({
        "model": "gpt-5-mini",
        "messages": [
            {"role": "developer", "content": "Use only the given facts."},
            {"role": "user", "content": facts.to_string()},
        ],
        "response_format": {"type": "json_schema", "json_schema": {"name": name, "strict": true, "schema": schema}},
    })
}

async fn sent(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.expect("an answer");
    (response.status(), response.json().await.expect("JSON"))
}

/// The JSON that a chat completion holds.
fn content(completion: &Value) -> Value {
    let text = completion["choices"][0]["message"]["content"].as_str().expect("content");
    serde_json::from_str(text).expect("JSON content")
}

fn object(properties: &Value) -> Value {
    let required: Vec<_> = properties.as_object().expect("an object").keys().collect();
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

fn reasons_schema() -> Value {
    let text = json!({"type": "string"});
    let reason = object(&json!({"lead": {"type": "integer"}, "reason": text, "hook": {"type": ["string", "null"]}}));
    object(&json!({"reasons": {"type": "array", "items": reason}}))
}

fn reasons_facts(leads: std::ops::RangeInclusive<u32>) -> Value {
    let leads: Vec<_> = leads
        .map(|n| {
            json!({
                "lead": n, "name": format!("Ada Number{n}"), "role": "Owner", "business": format!("Foam {n} Brewing"),
                "category": "Brewery", "city": "Burlington", "region": "Vermont", "rating": "4.6", "rating_count": 100 + n,
                "evidence": ["Owner named in a search result"], "persona": "Independent craft brewery",
            })
        })
        .collect();
    json!({"sell": "yeast propagation kits", "leads": leads, "repair": null})
}
