//! One request from its arrival to its answer: who asks, whether they may, whether it was answered before, what was done.

use super::super::observe::REQUEST_ID;
use super::super::problem::Problem;
use super::caller::{Caller, authenticate};
use super::keys::{self, Repeat};
use super::{Handler, Shared};
use crate::launch::Launcher;
use crate::outreach::Outreach;
use crate::site::Site;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use leadflow_activities::store::Store;
use leadflow_activities::store::api_tokens::Scope;
use leadflow_activities::store::audit::NewAuditEntry;
use leadflow_activities::store::touches::Claimed;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Most bytes of a body.
const LARGEST_BODY: usize = 1024 * 1024;
/// Longest wait for a body.
const LONGEST_BODY: Duration = Duration::from_secs(10);
/// Longest wait for an answer. What was begun goes on all the same.
pub(super) const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// One operation of the API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    /// Its name in the document and in the audit log.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// None for what anybody may ask.
    pub(super) scope: Option<Scope>,
}

impl Endpoint {
    /// Answers a question.
    pub(super) fn get(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self { path, id, summary, scope: Some(Scope::Read) }
    }

    /// Does something.
    pub(super) fn post(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self { path, id, summary, scope: Some(Scope::Write) }
    }

    /// Answers anybody.
    pub(super) fn open(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self { path, id, summary, scope: None }
    }

    pub(super) fn writes(&self) -> bool {
        self.scope == Some(Scope::Write)
    }
}

/// What a handler gets beside its input.
pub(super) struct Call {
    /// With the tenant of the token.
    pub(super) site: Site,
    pub(super) store: Store,
    /// The id of whatever this request makes.
    pub(super) new_id: String,
    pub(super) headers: HeaderMap,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) shared: Arc<Shared>,
}

/// A request that was read.
pub(super) struct Incoming {
    /// The one parameter of the path; empty when it has none.
    pub(super) id: String,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Call {
    pub(super) fn tenant(&self) -> &str {
        self.site.tenant()
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.site.clock.now_ms()
    }

    pub(super) fn launcher(&self) -> Result<Launcher, Problem> {
        Ok(self.site.launcher_with(self.store.clone(), self.shared.link.client()?))
    }

    pub(super) fn outreach(&self) -> Result<Outreach, Problem> {
        Ok(self.site.outreach_with(self.store.clone(), self.shared.link.client()?))
    }
}

impl Call {
    /// The workflows of enrollments that were ended hear of it, and no contact of theirs begins after the answer.
    pub(super) async fn ended(&self, enrollments: &[String]) -> Result<(), Problem> {
        let told = match self.outreach() {
            Ok(outreach) => outreach.tell_enrollments(enrollments).await.is_ok(),
            Err(_) => false,
        };
        if !told {
            // It holds all the same: they see it when they wake next.
            tracing::warn!("the workflows of ended enrollments could not be told");
        }
        Ok(self.store.until_begun(self.site.clock, self.tenant(), Claimed::Enrollments(enrollments)).await?)
    }
}

/// Answers one request.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    endpoint: &Endpoint,
    request: Request,
    handler: &Handler,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let mut site = shared.site.clone();
    let caller = match endpoint.scope {
        Some(scope) => {
            let caller = authenticate(&shared.store, &parts.headers, site.clock.now_ms()).await?;
            caller.may(scope)?;
            limit(shared, &caller)?;
            site.config.tenant.clone_from(&caller.tenant);
            Some(caller)
        }
        None => None,
    };
    let id = path_id(&mut parts).await?;
    let body = read(body).await?;
    let Parts { uri, headers, .. } = parts;
    // An open endpoint has no tenant, and says nothing of any.
    let store = caller.as_ref().map_or_else(|| shared.store.clone(), |caller| shared.store.for_tenant(&caller.tenant));
    let call = Call {
        site,
        store,
        new_id: Uuid::now_v7().to_string(),
        headers: headers.clone(),
        stop: shared.stop.clone(),
        shared: Arc::clone(shared),
    };
    let incoming = Incoming { id, uri, headers, body };
    let work = match caller.filter(|_| endpoint.writes()) {
        Some(caller) => tokio::spawn(write(call, caller, *endpoint, incoming, Arc::clone(handler))),
        None => tokio::spawn(handler(call, incoming)),
    };
    finished(work).await
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    match tokio::time::timeout(LONGEST_BODY, to_bytes(body, LARGEST_BODY)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "a body has at most 1 MiB")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come within 10 s")),
    }
}

/// Waits for work that goes on when nobody waits for it any more: whoever hangs up has still said what they want.
async fn finished(work: JoinHandle<Result<Response, Problem>>) -> Result<Response, Problem> {
    match tokio::time::timeout(LONGEST_ANSWER, work).await {
        Ok(Ok(answered)) => answered,
        // The panic hook has told where; its text may hold anything, so it goes no further.
        Ok(Err(_)) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "this is a fault of the service")),
        Err(_) => {
            let detail = "it takes longer than 30 s; it goes on, and the same Idempotency-Key tells its outcome later";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
        }
    }
}

fn limit(shared: &Shared, caller: &Caller) -> Result<(), Problem> {
    let Err(until) = shared.limiter.check_key(&caller.token_id) else { return Ok(()) };
    let wait = until.wait_time_from(DefaultClock::default().now());
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let detail = "this token has made too many requests; wait as long as Retry-After says";
    Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).with(header::RETRY_AFTER, HeaderValue::from(seconds)))
}

async fn path_id(parts: &mut Parts) -> Result<String, Problem> {
    let refused = || Problem::new(StatusCode::BAD_REQUEST, "the path is not UTF-8");
    let pairs = Path::<Vec<(String, String)>>::from_request_parts(parts, &()).await.map_err(|_| refused())?.0;
    let id = pairs.into_iter().next().map(|(_, id)| id).unwrap_or_default();
    // No id has one, and PostgreSQL takes none.
    if id.contains('\0') { Err(Problem::unknown("such thing")) } else { Ok(id) }
}

/// Does what a request wants, once for each key, with a line in the audit log before and its outcome after.
async fn write(
    mut call: Call,
    caller: Caller,
    endpoint: Endpoint,
    incoming: Incoming,
    handler: Handler,
) -> Result<Response, Problem> {
    let key = match keys::claim(&call, &incoming).await? {
        Repeat::Answered(response) => return Ok(response),
        Repeat::First(key) => key,
    };
    if let Some(key) = &key {
        call.new_id.clone_from(&key.result_id);
    }
    let (store, tenant) = (call.store.clone(), caller.tenant.clone());
    let audit = store
        .audit(NewAuditEntry {
            tenant: &tenant,
            actor: &caller.token_id,
            action: endpoint.id,
            subject: Some(incoming.id.as_str()).filter(|id| !id.is_empty()),
            request_id: incoming.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()),
            now_ms: call.now_ms(),
        })
        .await;
    let response = match &audit {
        Ok(_) => handler(call, incoming).await.unwrap_or_else(IntoResponse::into_response),
        // What cannot be written down is not done.
        Err(error) => Problem::from(error.clone()).into_response(),
    };
    let made = response.headers().get(header::LOCATION).and_then(|path| path.to_str().ok());
    let made = made.and_then(|path| path.rsplit('/').next());
    if let Ok(audit) = &audit
        && let Err(error) = store.audit_answer(&tenant, audit, response.status().as_u16(), made).await
    {
        tracing::error!(kind = error.kind.name(), "the outcome of an operation is not in the audit log");
    }
    match key {
        Some(key) => key.settle(&store, &tenant, response).await,
        None => Ok(response),
    }
}
