//! Takes traces in as a collector does: OTLP over HTTP, in protobuf.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as wire;
use prost::Message;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A span that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub trace_id: String,
    pub span_id: String,
    /// Empty at the top.
    pub parent_id: String,
    pub service: String,
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    /// What happened in it, and its status, as text.
    pub notes: String,
    /// Unix nanoseconds.
    pub began_ns: u64,
    pub ended_ns: u64,
}

/// Dropping it ends it.
pub struct Collector {
    address: SocketAddr,
    spans: Spans,
    server: JoinHandle<()>,
}

type Spans = Arc<Mutex<Vec<Span>>>;

impl Collector {
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = listener.local_addr()?;
        let spans = Spans::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap_or_default() });
        Ok(Self { address, spans, server })
    }

    /// Where traces are sent to.
    pub fn url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// What came so far, in the order of its beginning.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone();
        spans.sort_by_key(|span| (span.began_ns, span.ended_ns));
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(spans): State<Spans>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let mut spans = spans.lock().unwrap_or_else(PoisonError::into_inner);
    for of_process in request.resource_spans {
        let resource = of_process.resource.map(|resource| attributes(resource.attributes)).unwrap_or_default();
        let service = resource.get("service.name").cloned().unwrap_or_default();
        let came = of_process.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
        spans.extend(came.map(|span| read(span, &service)));
    }
    StatusCode::OK
}

fn read(span: wire::Span, service: &str) -> Span {
    let notes = format!("{:?} {:?}", span.events, span.status);
    Span {
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
        service: service.to_owned(),
        name: span.name,
        attributes: attributes(span.attributes),
        notes,
        began_ns: span.start_time_unix_nano,
        ended_ns: span.end_time_unix_nano,
    }
}

fn attributes(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|attribute| (attribute.key, text(attribute.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
