//! A stack with an API, two tenants, and a client that holds every answer against the OpenAPI document.

use leadflow_activities::config::Config;
use leadflow_activities::outreach::events::teller;
use leadflow_activities::store::Store;
use leadflow_activities::store::api_tokens::Scope;
use leadflow_clock::Clock;
use leadflow_starter::ingress::api::{ApiOptions, REQUESTS_PER_MINUTE, document, token};
use leadflow_starter::ingress::{Doors, Ingress, IngressOptions};
use leadflow_starter::site::Site;
use leadflow_starter::stack::{Stack, StackOptions};
use leadflow_workflows::domain::timings::Timings;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Long, because it only ends a test that has failed anyway.
const LIMIT: Duration = Duration::from_mins(2);

pub(crate) const TENANT: &str = "default";
pub(crate) const OTHER: &str = "other";

pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) ingress: Ingress,
    pub(crate) document: Value,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

/// What was answered, and fits the document.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with_rate(REQUESTS_PER_MINUTE.saturating_mul(NonZeroU32::new(100).unwrap())).await
    }

    pub(crate) async fn with_rate(requests_per_minute: NonZeroU32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { timings: Timings::test(), ..Config::default() };
        config.openai.calls_per_minute = 60_000;
        config.serper.calls_per_minute = 60_000;
        let options = StackOptions {
            headless: true,
            program: Some(env!("CARGO_BIN_EXE_starter").into()),
            ..StackOptions::new(folder.path().join("data"), config)
        };
        let stack = Stack::start(options, &|_| {}).await.unwrap();
        let site = Site { config: stack.config.clone(), data: None, running: None, clock: Clock::system() };
        let ingress = Ingress::start(IngressOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            store: stack.store.clone(),
            teller: teller(stack.client.clone(), &stack.config),
            clock: Clock::system(),
            tenant: TENANT.into(),
            doors: Doors::from_config(&stack.config).unwrap(),
            api: Some(ApiOptions { site, link: stack.client.clone().into(), requests_per_minute }),
        })
        .await
        .unwrap();
        Self { stack, ingress, document: document(), client: reqwest::Client::new(), _folder: folder }
    }

    pub(crate) async fn stop(self) {
        self.ingress.stop().await;
        self.stack.stop().await.unwrap();
    }

    pub(crate) fn store(&self) -> &Store {
        &self.stack.store
    }

    /// Makes a token; also an expired one.
    pub(crate) async fn token(&self, tenant: &str, scopes: &[Scope], expires_at_ms: Option<i64>) -> String {
        let scopes = scopes.iter().copied().collect();
        let now_ms = self.stack.clock.now_ms();
        let (token, text) = token::new(tenant, "test", scopes, now_ms, expires_at_ms);
        self.store().add_api_token(&token).await.unwrap();
        text.expose_secret().to_owned()
    }

    pub(crate) fn request(&self, method: &str, path: &str, token: Option<&str>) -> RequestBuilder {
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let request = self.client.request(method, format!("http://{}{path}", self.ingress.address()));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.answer("get", path, self.request("get", path, Some(token))).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.answer("post", path, self.request("post", path, Some(token)).json(body)).await
    }

    /// Sends a request; the answer must be one that the document describes.
    pub(crate) async fn answer(&self, method: &str, path: &str, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Answer { status, headers, text, json };
        self.check(method, path, &answer);
        answer
    }

    fn check(&self, method: &str, path: &str, answer: &Answer) {
        let path = path.split('?').next().unwrap();
        let paths = self.document["paths"].as_object().unwrap();
        let (_, operations) = paths
            .iter()
            .filter(|(template, _)| fits(template, path))
            .min_by_key(|(template, _)| template.matches('{').count())
            .unwrap_or_else(|| panic!("the document has no path for {path}"));
        let described = &operations[method]["responses"][answer.status.to_string()];
        let described = match described["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => described,
        };
        assert!(described.is_object(), "{method} {path}: {} is not described: {}", answer.status, answer.text);
        for (name, header) in described["headers"].as_object().into_iter().flatten() {
            let is_there = answer.headers.contains_key(name.as_str());
            assert!(is_there || header["required"] != true, "{method} {path} answers without {name}");
        }
        let kind = answer.headers["content-type"].to_str().unwrap();
        let schema = &described["content"][kind]["schema"];
        assert!(schema.is_object(), "{method} {path}: {kind} is not described for {}", answer.status);
    }

    /// Asks again and again until `found` finds what it waits for.
    pub(crate) async fn until<T>(&self, path: &str, token: &str, found: impl Fn(&Answer) -> Option<T>) -> T {
        let begun = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let answer = self.get(path, token).await;
            if let Some(found) = found(&answer) {
                return found;
            }
            assert!(begun.elapsed() < LIMIT, "waited in vain: {}", answer.text);
        }
    }

    /// Starts a search and waits until it has ended.
    pub(crate) async fn search(&self, token: &str) -> String {
        let started = self.post("/v1/searches", token, &brief()).await;
        assert_eq!(started.status, 202, "{}", started.text);
        let path = started.headers["location"].to_str().unwrap().to_owned();
        self.until(&path, token, |answer| (!answer.json["finished_at"].is_null()).then_some(())).await;
        started.json["search_id"].as_str().unwrap().to_owned()
    }
}

/// Whether a path of the document is that of an address.
fn fits(template: &str, path: &str) -> bool {
    let (mut left, mut right) = (template.split('/'), path.split('/'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(left), Some(right)) if left == right || left.starts_with('{') => {}
            _ => return false,
        }
    }
}

/// A brief that brings a few leads in a few seconds.
pub(crate) fn brief() -> Value {
    json!({
        "name": "breweries",
        "sell": "CRM for breweries: accounts, kegs and routes on one phone screen",
        "ideal": { "industries": ["brewery"], "roles": ["owner", "head brewer"], "personas": 1 },
        "where": { "places": ["Vermont, US"] },
        "want": { "leads": 6, "insights": false },
    })
}

pub(crate) const SEQUENCE: &str = r#"
name = "hello"
[[step]]
id = "invite"
invite = "Hi {{ lead.first_name }}, {{ business.name }} caught my eye."
[[step]]
wait_for_connection = { timeout = "7d" }
"#;

/// What the tenant has: one of each.
#[expect(clippy::struct_field_names, reason = "each is the id of another kind of thing")]
pub(crate) struct Owned {
    pub(crate) search_id: String,
    pub(crate) lead_id: String,
    pub(crate) account_id: String,
    pub(crate) sequence_id: String,
    pub(crate) campaign_id: String,
}

impl World {
    pub(crate) async fn owned(&self, token: &str) -> Owned {
        let text = |answer: &Answer, name: &str| {
            answer.json[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", answer.text)).to_owned()
        };
        let search_id = self.search(token).await;
        let leads = self.get(&format!("/v1/searches/{search_id}/leads"), token).await;
        let lead_id = leads.json["items"][0]["id"].as_str().unwrap().to_owned();
        let new = json!({
            "name": "robin", "provider_account": "acc_li_1", "zone": "America/New_York", "country": "US", "warm_up": "none",
            "hours": "mon-sun 00:00-24:00",
        });
        let account_id = text(&self.post("/v1/accounts", token, &new).await, "account_id");
        let request = self.request("post", "/v1/sequences", Some(token));
        let request = request.header("content-type", "application/toml").body(SEQUENCE);
        let sequence_id = text(&self.answer("post", "/v1/sequences", request).await, "sequence_id");
        let new = campaign("spring", &search_id, &sequence_id, &account_id);
        let campaign_id = text(&self.post("/v1/campaigns", token, &new).await, "campaign_id");
        let new = json!({ "values": ["mara@lowen.example", "lowen.example"], "reason": "is a customer" });
        assert_eq!(self.post("/v1/suppressions", token, &new).await.json["added"], 2);
        Owned { search_id, lead_id, account_id, sequence_id, campaign_id }
    }
}

pub(crate) fn campaign(name: &str, search_id: &str, sequence_id: &str, account_id: &str) -> Value {
    json!({
        "name": name, "search_id": search_id, "sequence_id": sequence_id, "account_ids": [account_id],
        "lead_hours": "mon-sun 00:00-24:00", "no_holidays": true,
    })
}
