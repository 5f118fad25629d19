//! One call to one provider: key, fault, answer, ledger, latency.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, FromRequest, Multipart, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::faults::{FaultKind, FaultRule};
use crate::ledger::{Effect, LedgerEntry};
use crate::wire::Line;
use crate::{Provider, World};

/// Longer than any client waits.
const HELD_FOR: Duration = Duration::from_mins(10);
const MAX_BODY_BYTES: usize = 8 << 20;
const FORM: &[u8] = b"multipart/form-data";

/// What one provider has of its own.
pub(crate) trait Vendor: Sync {
    /// The ledger's name of what is called.
    fn operation(&self, call: &Call) -> String;

    /// The answer to a missing or wrong key.
    fn key_problem(&self, call: &Call) -> Option<Reply>;

    /// The answer to a call with a good key. `spoilt` is one of the faults in a model's content.
    fn answer(&self, world: &World, call: &Call, spoilt: Option<FaultKind>) -> Reply;

    /// What the provider documents for the status, variant or error type that `fault` names.
    fn failure(&self, fault: &FaultRule) -> Reply;
}

/// A request, read.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Below the provider's base URL, without a slash at the beginning.
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    /// The body's JSON, or an object of a form's fields (arrays where a field is repeated); null when there is none.
    pub(crate) body: Value,
    /// By the sandbox's clock.
    pub(crate) arrived_at_ms: i64,
    arrived_real_us: i64,
    text: String,
}

/// An answer, and what it would have cost.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
    pub(crate) billed_microusd: u64,
    pub(crate) units: BTreeMap<String, u64>,
    pub(crate) effect: Option<Effect>,
}

/// Answers a call, or injects the fault that is due.
pub(crate) async fn exchange(
    provider: Provider,
    State(world): State<Arc<World>>,
    ConnectInfo(line): ConnectInfo<Line>,
    Path(path): Path<String>,
    request: Request,
) -> Response {
    let _open = world.ledger.open(provider);
    let (arrived_at_ms, arrived_real_us) = (world.clock.now_ms(), real_us());
    let call = match Call::read(path, request).await {
        Ok(call) => Call { arrived_at_ms, arrived_real_us, ..call },
        Err(problem) => return text_response(StatusCode::BAD_REQUEST, problem),
    };
    tokio::select! {
        response = respond(provider, &world, &line, &call) => response,
        () = world.stopped() => hang_up(&line),
    }
}

async fn respond(provider: Provider, world: &World, line: &Line, call: &Call) -> Response {
    let vendor = provider.vendor();
    let operation = vendor.operation(call);
    let key_problem = vendor.key_problem(call);
    let fault = match key_problem {
        None => world.faults.strike(provider, &operation, &call.content()),
        Some(_) => None,
    };
    let outcome = match key_problem {
        Some(reply) => Outcome::Answered(reply),
        None => act(vendor, world, call, fault.as_ref()),
    };

    // On arrival and before the latency, because a client that leaves in between is billed all the same.
    world.ledger.record(LedgerEntry {
        seq: 0,
        at_ms: call.arrived_at_ms,
        real_at_us: call.arrived_real_us,
        provider,
        operation,
        call_id: call.header("x-client-request-id").map(str::to_owned),
        status: outcome.status(),
        billed_microusd: outcome.reply().map_or(0, |reply| reply.billed_microusd),
        units: outcome.reply().map(|reply| reply.units.clone()).unwrap_or_default(),
        request_hash: call.hash(),
        effect: outcome.reply().and_then(|reply| reply.effect.clone()),
        fault: fault.as_ref().map(|fault| fault.kind.name().to_owned()),
    });

    let extra = fault.as_ref().and_then(|fault| fault.latency_ms).map_or(Duration::ZERO, Duration::from_millis);
    tokio::time::sleep(world.latency(provider) + extra).await;
    match outcome {
        Outcome::Answered(reply) => {
            let spoilt = fault.as_ref().map(|fault| fault.kind).filter(|_| !provider.is_model());
            response(&reply, fault.as_ref(), spoilt)
        }
        Outcome::Reset => hang_up(line),
        Outcome::Held(_) => {
            tokio::time::sleep(HELD_FOR).await;
            hang_up(line)
        }
    }
}

/// How a call ends.
enum Outcome {
    Answered(Reply),
    /// Without an answer, after what the reply says has happened.
    Held(Option<Reply>),
    Reset,
}

impl Outcome {
    fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Answered(reply) | Self::Held(Some(reply)) => Some(reply),
            Self::Held(None) | Self::Reset => None,
        }
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(reply) => Some(reply.status),
            Self::Held(_) | Self::Reset => None,
        }
    }
}

fn act(vendor: &dyn Vendor, world: &World, call: &Call, fault: Option<&FaultRule>) -> Outcome {
    let answer = |spoilt| vendor.answer(world, call, spoilt);
    let Some(fault) = fault else { return Outcome::Answered(answer(None)) };
    let failure = || {
        let mut reply = vendor.failure(fault);
        if let Some(body) = &fault.body {
            reply.body = body.clone();
        }
        reply
    };
    match fault.kind {
        FaultKind::Status => Outcome::Answered(failure()),
        FaultKind::StatusAfter => {
            let Reply { billed_microusd, units, effect, .. } = answer(None);
            Outcome::Answered(Reply { billed_microusd, units, effect, ..failure() })
        }
        FaultKind::TimeoutBefore => Outcome::Held(None),
        FaultKind::TimeoutAfter => Outcome::Held(Some(answer(None))),
        FaultKind::Reset => Outcome::Reset,
        FaultKind::Latency => Outcome::Answered(answer(None)),
        FaultKind::Malformed | FaultKind::Cut | FaultKind::Refusal | FaultKind::WrongFacts => {
            Outcome::Answered(answer(Some(fault.kind)))
        }
    }
}

impl Call {
    async fn read(path: String, request: Request) -> Result<Self, &'static str> {
        let (parts, body) = request.into_parts();
        let Query(query) = Query::try_from_uri(&parts.uri).map_err(|_| "the query is not form-encoded")?;
        let bytes: Bytes =
            to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| "the body cannot be read, or exceeds 8 MiB")?;
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| "the body is not UTF-8")?;
        let is_form = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(FORM));
        let body = if is_form {
            let request = Request::from_parts(parts.clone(), Body::from(text.clone()));
            read_form(request).await.ok_or("the multipart form cannot be read")?
        } else {
            serde_json::from_str(&text).unwrap_or(Value::Null)
        };
        let (method, headers) = (parts.method, parts.headers);
        Ok(Self { method, path, query, headers, body, arrived_at_ms: 0, arrived_real_us: 0, text })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The token of `Authorization: Bearer`.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).map(str::trim)
    }

    /// A parameter of the query, if not empty.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A field of the body, if it is a text that is not empty.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// What `body_contains` of a fault looks into.
    fn content(&self) -> String {
        if self.method != Method::GET {
            return self.text.clone();
        }
        self.query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    pub(crate) fn hash(&self) -> String {
        let canonical = if self.method == Method::GET {
            let query = self.query.iter().filter(|(name, _)| !matches!(name.as_str(), "api_key" | "key"));
            canonical(&json!({"path": self.path, "query": query.collect::<BTreeMap<_, _>>()}))
        } else {
            canonical(&self.body)
        };
        Sha256::digest(canonical.as_bytes())
            .iter()
            .fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
    }
}

async fn read_form(request: Request) -> Option<Value> {
    let mut form = Multipart::from_request(request, &()).await.ok()?;
    let mut fields = serde_json::Map::new();
    while let Some(field) = form.next_field().await.ok()? {
        let name = field.name()?.to_owned();
        let text = Value::String(field.text().await.ok()?);
        match fields.get_mut(&name) {
            None => {
                fields.insert(name, text);
            }
            Some(Value::Array(texts)) => texts.push(text),
            Some(first) => *first = json!([first.take(), text]),
        }
    }
    Some(Value::Object(fields))
}

/// The system's clock, in Unix microseconds.
pub(crate) fn real_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// JSON with sorted keys, however the map type of this build sorts them.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            let fields: Vec<_> =
                sorted.into_iter().map(|(name, value)| format!("{}:{}", json!(name), canonical(value))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}

impl Reply {
    /// An answer that costs nothing.
    pub(crate) fn free(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body, billed_microusd: 0, units: BTreeMap::new(), effect: None }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &dyn Display) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn billed<const N: usize>(mut self, microusd: u64, units: [(&str, u64); N]) -> Self {
        self.billed_microusd = microusd;
        self.units = units.into_iter().filter(|(_, count)| *count > 0).map(|(name, n)| (name.to_owned(), n)).collect();
        self
    }
}

/// Keys that the sandbox takes for valid.
pub(crate) fn is_good_key(key: Option<&str>) -> bool {
    key.is_some_and(|key| key.starts_with("sandbox-"))
}

fn response(reply: &Reply, fault: Option<&FaultRule>, spoilt: Option<FaultKind>) -> Response {
    let mut text = reply.body.to_string();
    match spoilt {
        Some(FaultKind::Malformed) => text = "<html><body>upstream error</body></html>".into(),
        Some(FaultKind::Cut) => text.truncate(text.floor_char_boundary(text.len() / 2)),
        _ => {}
    }
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = text_response(status, text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    let added = fault.into_iter().flat_map(|fault| fault.headers.iter().map(|(name, value)| (name.as_str(), value)));
    for (name, value) in reply.headers.iter().map(|(name, value)| (*name, value)).chain(added) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            headers.insert(name, value);
        }
    }
    response
}

fn hang_up(line: &Line) -> Response {
    line.reset();
    Response::new(Body::empty())
}

fn text_response(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response
}
