//! Takes webhooks in: checked, stored and applied before they are answered; workflows hear of them afterwards. Beside them
//! stands the HTTP API.

pub mod api;
mod problem;
mod telling;
#[cfg(test)]
mod tests;

use crate::failure::Failure;
use api::ApiOptions;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use leadflow_activities::outreach::events::{ReceiveError, Teller, receive};
use leadflow_activities::senders::unipile::SECRET_HEADER;
use leadflow_activities::store::Store;
use leadflow_clock::Clock;
use problem::Problem;
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use telling::Telling;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Where Unipile posts to.
pub const UNIPILE_PATH: &str = "/webhooks/unipile";
/// Most bytes of one event.
const LARGEST_BODY: usize = 1024 * 1024;

/// What the ingress works with.
pub struct IngressOptions {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    pub store: Store,
    /// Reaches the workflows: a Temporal client.
    pub teller: Arc<dyn Teller>,
    pub clock: Clock,
    /// Whose the events of unknown accounts are.
    pub tenant: String,
    /// What the provider sends along with every event.
    pub secret: SecretString,
    /// Without it only webhooks are served.
    pub api: Option<ApiOptions>,
}

/// A running ingress. Dropping it ends it, too; what was not told then is told at the next start.
pub struct Ingress {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    telling: Telling,
}

#[derive(Clone)]
struct Shared {
    store: Store,
    clock: Clock,
    tenant: Arc<str>,
    secret: Arc<SecretString>,
    telling: telling::Queue,
}

impl Ingress {
    /// Starts to listen, and tells the workflows what an earlier ingress left over.
    ///
    /// # Errors
    /// When the address is taken or may not be used.
    pub async fn start(options: IngressOptions) -> Result<Self, Failure> {
        let listener = TcpListener::bind(options.listen).await.map_err(|error| {
            Failure::Failed(format!(
                "the ingress cannot listen on {}: {error}\nhint: choose another address with --listen",
                options.listen
            ))
        })?;
        let address = listener.local_addr()?;
        let (stop, mut stopped) = watch::channel(false);
        let (telling, queue) =
            Telling::start(options.store.clone(), options.teller, options.clock, options.tenant.clone());
        let api = options.api.map(|api| api::router(api, options.store.clone(), stopped.clone()));
        let shared = Shared {
            store: options.store,
            clock: options.clock,
            tenant: options.tenant.into(),
            secret: Arc::new(options.secret),
            telling: queue,
        };
        let serve = axum::serve(listener, router(shared, api.unwrap_or_default())).with_graceful_shutdown(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        let server = tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the ingress ended");
            }
        });
        Ok(Self { address, stop, server, telling })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where Unipile is to post to, on this machine.
    pub fn unipile_url(&self) -> String {
        format!("http://{}{UNIPILE_PATH}", self.address)
    }

    /// Answers what has come in, tells the workflows, and ends.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        // Only that it ends matters.
        let _ = self.server.await;
        self.telling.stop().await;
    }
}

fn router(shared: Shared, api: Router) -> Router {
    Router::new()
        .route(UNIPILE_PATH, post(unipile))
        .with_state(shared)
        .merge(api)
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method"))
        .layer(axum::middleware::from_fn(api::with_request_id))
}

async fn unipile(State(shared): State<Shared>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    if !knows_secret(&parts.headers, &shared.secret) {
        let detail = format!("the header `{SECRET_HEADER}` does not hold the secret of this installation's webhooks");
        return Problem::new(StatusCode::UNAUTHORIZED, &detail).into_response();
    }
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "an event has at most 1 MiB").into_response();
    };
    match receive(&shared.store, shared.clock, &shared.tenant, &body).await {
        Ok(received) => {
            if !received.tell.is_empty() {
                shared.telling.tell(received.event_id, received.tell);
            }
            if let Some(at_ms) = received.answer_at_ms {
                tokio::time::sleep(shared.clock.real_until(shared.clock.now_ms(), at_ms)).await;
            }
            (StatusCode::OK, axum::Json(serde_json::json!({}))).into_response()
        }
        Err(ReceiveError::Event(error)) => Problem::new(StatusCode::BAD_REQUEST, &error.to_string()).into_response(),
        Err(ReceiveError::Store(error)) => unstored(&error),
    }
}

/// The provider tries again later.
fn unstored(error: &leadflow_activities::store::StoreError) -> Response {
    tracing::error!(kind = error.kind.name(), "an event could not be stored");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store does not take events at the moment").into_response()
}

/// Takes as long for a secret that is nearly right as for one that is not.
fn knows_secret(headers: &HeaderMap, secret: &SecretString) -> bool {
    let given = headers.get(SECRET_HEADER).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
    given.ct_eq(secret.expose_secret().as_bytes()).into()
}
