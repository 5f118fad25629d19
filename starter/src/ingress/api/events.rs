//! The progress of a search as server-sent events.

use super::super::problem::Problem;
use super::call::Call;
use super::caller::authenticate;
use super::document::Operation;
use super::input::Id;
use super::output::Output;
use super::searches::found;
use crate::commands::search::report::state;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream::BoxStream;
use leadflow_activities::store::StoreError;
use leadflow_activities::store::searches::Progress;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, interval};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How soon the stream of a token that is no longer valid ends.
const AUTHENTICATE_EVERY: Duration = Duration::from_secs(5);
/// Over all tokens.
pub(super) const MOST_STREAMS: usize = 200;

/// Events until the search has ended.
pub(super) struct Events(BoxStream<'static, Result<Event, Infallible>>);

/// What an event tells.
#[derive(Clone, PartialEq, Serialize, JsonSchema)]
struct SearchEvent {
    search_id: String,
    /// `completed`, `completed_with_gaps` or `cancelled` when it has ended, else what it is doing.
    status: String,
    progress: Progress,
}

impl Output for Events {
    fn answer(self) -> Response {
        Sse::new(self.0).keep_alive(KeepAlive::default()).into_response()
    }

    fn describe(operation: &mut Operation<'_>) {
        let told = operation.schema::<SearchEvent>();
        // OpenAPI 3.1 has no word for the items of a stream, so the schema is that of each event.
        let event = json!({
            "type": "object",
            "properties": {
                "event": { "enum": ["progress", "end"] },
                "id": { "type": "string" },
                "data": { "type": "string", "contentMediaType": "application/json", "contentSchema": told },
            },
            "required": ["event", "id", "data"],
        });
        let description = "Events `progress`, one for each change, and at last `end`; the schema is that of one event. Whoever \
                           comes back with Last-Event-ID hears of later changes only.";
        operation.answer_of(200, description, "text/event-stream", &event, false);
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever would tell is gone only when everything is.
    let _ = stop.wait_for(|stop| *stop).await;
}

struct Following {
    call: Call,
    id: String,
    ticks: Interval,
    /// Of the last change that the other side knows.
    known: Option<String>,
    ended: bool,
    authenticated: Instant,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn follow(call: Call, Id(id): Id) -> Result<Events, Problem> {
    found(&call, &id).await?;
    let busy = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many searches are followed at the moment");
    let place = Arc::clone(&call.shared.streams).try_acquire_owned().map_err(busy)?;
    let known = call.headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let (ticks, authenticated) = (interval(LOOK_EVERY), Instant::now());
    let following = Following { call, id, ticks, known, ended: false, authenticated, _place: place };
    Ok(Events(
        futures::stream::unfold(following, async |mut following| {
            let event = following.next().await?;
            Some((Ok(event), following))
        })
        .boxed(),
    ))
}

impl Following {
    /// Waits for the next change; none once the search or this process has ended, or the token is no longer valid.
    async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        loop {
            tokio::select! {
                _ = self.ticks.tick() => {}
                () = stopped(&mut self.call.stop) => return None,
            }
            if self.authenticated.elapsed() >= AUTHENTICATE_EVERY {
                authenticate(&self.call.shared.store, &self.call.headers, self.call.now_ms()).await.ok()?;
                self.authenticated = Instant::now();
            }
            let (seen, ended) = match self.look().await {
                Ok(looked) => looked?,
                Err(error) => {
                    tracing::error!(kind = error.kind.name(), "a search can no longer be followed");
                    return None;
                }
            };
            let text = serde_json::to_string(&seen).expect("an event has text keys");
            let id = super::token::hash(text.as_bytes())[..16].to_owned();
            self.ended = ended;
            if self.known.as_ref() != Some(&id) || ended {
                self.known = Some(id.clone());
                let name = if ended { "end" } else { "progress" };
                return Some(Event::default().event(name).id(id).data(text));
            }
        }
    }

    async fn look(&self) -> Result<Option<(SearchEvent, bool)>, StoreError> {
        let (store, tenant) = (&self.call.store, self.call.tenant());
        // In this order: progress does not change after the end.
        let Some(search) = store.search(tenant, &self.id).await? else { return Ok(None) };
        let Some(progress) = store.progress(tenant, &self.id).await? else { return Ok(None) };
        let status = state(&search, Some(&progress));
        Ok(Some((SearchEvent { search_id: search.id.clone(), status, progress }, search.is_finished())))
    }
}
