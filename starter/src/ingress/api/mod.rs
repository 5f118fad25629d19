//! The HTTP API: what the commands do, for programs, for the tenant of the token.
//!
//! Every operation is registered once, with its handler; the OpenAPI document is made from the same registration and
//! from the types of the handler, so neither can have what the other lacks.

mod accounts;
mod call;
pub(super) mod caller;
mod campaigns;
mod document;
mod events;
mod health;
mod input;
mod keys;
mod leads;
mod output;
mod page;
mod searches;
mod sequences;
mod suppressions;
pub mod token;
mod usage;

use super::link::Link;
use super::problem::Problem;
use crate::site::Site;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use call::{Call, Endpoint, Incoming, answer};
use document::Document;
use futures::FutureExt;
use futures::future::BoxFuture;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use input::Input;
use leadflow_activities::store::Store;
use output::Output;
use serde_json::Value;
use std::num::NonZeroU32;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// Requests a minute that a token has unless it is set otherwise.
pub const REQUESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(600).expect("it is not zero");

/// What the API works with.
#[derive(Clone)]
pub struct ApiOptions {
    /// Its tenant is replaced by the token's.
    pub site: Site,
    pub link: Link,
    /// Of each token.
    pub requests_per_minute: NonZeroU32,
}

/// What every call can reach.
pub(super) struct Shared {
    site: Site,
    store: Store,
    link: Link,
    limiter: DefaultKeyedRateLimiter<String>,
    health: health::Health,
    /// Places for those who follow a search.
    streams: Arc<Semaphore>,
    /// The OpenAPI document, as text.
    document: String,
    /// True once the ingress ends.
    stop: watch::Receiver<bool>,
}

/// The routes of the API. `stop` ends what would otherwise go on for ever.
pub(super) fn router(options: ApiOptions, store: Store, stop: watch::Receiver<bool>) -> Router {
    let Api { router, document } = operations();
    let shared = Arc::new(Shared {
        site: options.site,
        store,
        link: options.link,
        limiter: RateLimiter::keyed(Quota::per_minute(options.requests_per_minute)),
        health: health::Health::default(),
        streams: Arc::new(Semaphore::new(events::MOST_STREAMS)),
        document: document.finish().to_string(),
        stop,
    });
    router.with_state(shared)
}

/// The OpenAPI document.
pub fn document() -> Value {
    operations().document.finish()
}

fn operations() -> Api {
    let api = Api { router: Router::new(), document: Document::new() };
    let api = searches::operations(api);
    let api = campaigns::operations(api);
    let api = leads::operations(api);
    let api = accounts::operations(api);
    let api = sequences::operations(api);
    let api = suppressions::operations(api);
    let api = usage::operations(api);
    let api = health::operations(api);
    document::operations(api)
}

/// Routes, and the document about them.
struct Api {
    router: Router<Arc<Shared>>,
    document: Document,
}

/// A handler whose types are forgotten.
type Handler = Arc<dyn Fn(Call, Incoming) -> BoxFuture<'static, Result<Response, Problem>> + Send + Sync>;

impl Api {
    fn operation<I, O, F, R>(mut self, endpoint: Endpoint, handler: F) -> Self
    where
        I: Input,
        O: Output,
        F: Fn(Call, I) -> R + Send + Sync + 'static,
        R: Future<Output = Result<O, Problem>> + Send + 'static,
    {
        self.document.add::<I, O>(&endpoint);
        let handler: Handler = Arc::new(move |call: Call, incoming: Incoming| match I::read(&incoming) {
            Ok(input) => {
                let answer = handler(call, input);
                async move { Ok(answer.await?.answer()) }.boxed()
            }
            Err(problem) => futures::future::ready(Err(problem)).boxed(),
        });
        let method = if endpoint.writes() { MethodFilter::POST } else { MethodFilter::GET };
        let served = async move |State(shared): State<Arc<Shared>>, request: Request| {
            answer(&shared, &endpoint, request, &handler).await.into_response()
        };
        self.router = self.router.route(endpoint.path, on(method, served));
        self
    }
}
