//! Takes webhooks in: checked, stored and applied before they are answered; workflows hear of them afterwards. Beside them
//! stands the HTTP API.

pub mod api;
mod link;
mod observe;
mod polite;
mod problem;
mod telling;
#[cfg(test)]
mod tests;
mod webhooks;

use crate::failure::Failure;
use api::ApiOptions;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use leadflow_activities::outreach::events::Teller;
use leadflow_activities::store::Store;
use leadflow_clock::Clock;
pub use link::Link;
use polite::Pace;
use problem::Problem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use telling::{Nudge, Telling};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
pub use webhooks::{Doors, UNIPILE_PATH};

/// How long requests may take that are under way when the program is to end.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// What the ingress works with.
pub struct IngressOptions {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    pub store: Store,
    /// Reaches the workflows: a Temporal client.
    pub teller: Arc<dyn Teller>,
    pub clock: Clock,
    /// Whose the events of unknown accounts are, and of sources that name no tenant.
    pub tenant: String,
    pub doors: Doors,
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
    doors: Arc<Doors>,
    nudge: Nudge,
    pace: Pace,
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
        let pace = Pace::default();
        let (telling, nudge) = Telling::start(options.store.clone(), options.teller, options.clock, pace.clone());
        let api = options.api.map(|api| api::router(api, options.store.clone(), stopped.clone()));
        let shared = Shared {
            store: options.store,
            clock: options.clock,
            tenant: options.tenant.into(),
            doors: Arc::new(options.doors),
            nudge,
            pace,
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
        let Self { stop, mut server, telling, .. } = self;
        let _ = stop.send(true);
        // Only that it ends matters. Whoever never ends a request is not waited for.
        if timeout(STOP_WITHIN, &mut server).await.is_err() {
            server.abort();
        }
        telling.stop().await;
    }
}

fn router(shared: Shared, api: Router) -> Router {
    Router::new()
        .merge(webhooks::router())
        .with_state(shared)
        .merge(api)
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method"))
        .layer(middleware::from_fn(observe::observe))
}
