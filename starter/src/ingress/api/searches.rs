//! Searches: start them, follow them, steer them, take their leads.

use super::super::problem::Problem;
use super::Api;
use super::call::{Call, Endpoint, Incoming};
use super::document::Operation;
use super::events;
use super::input::{Id, Input, Query, json};
use super::output::Accepted;
use super::page::{Page, PageQuery};
use crate::brief_file;
use crate::commands::search::list::Row;
use crate::commands::search::report::{SearchReport, state};
use crate::launch::Start;
use crate::output::LeadRow;
use crate::rows::numbered_lead_rows;
use axum::Json;
use leadflow_activities::store::leads::SearchKey;
use leadflow_activities::store::searches::Search;
use leadflow_workflows::domain::brief::Brief;
use leadflow_workflows::domain::ids::SearchId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn operations(api: Api) -> Api {
    const ONE: &str = "/v1/searches/{search_id}";
    api.operation(Endpoint::post("/v1/searches", "startSearch", "Start a search from a brief"), start)
        .operation(Endpoint::get("/v1/searches", "listSearches", "List searches, the newest first"), list)
        .operation(Endpoint::get(ONE, "showSearch", "Show progress, personas, market, gaps and cost of a search"), show)
        .operation(
            Endpoint::get("/v1/searches/{search_id}/events", "followSearch", "Follow the progress of a search"),
            events::follow,
        )
        .operation(
            Endpoint::get(
                "/v1/searches/{search_id}/leads",
                "listSearchLeads",
                "List the leads of a search, the best first",
            ),
            leads,
        )
        .operation(
            Endpoint::post("/v1/searches/{search_id}/pause", "pauseSearch", "Have a search make no new calls"),
            pause,
        )
        .operation(Endpoint::post("/v1/searches/{search_id}/resume", "resumeSearch", "Let a search go on"), resume)
        .operation(
            Endpoint::post("/v1/searches/{search_id}/cancel", "cancelSearch", "End a search; what it found stays"),
            cancel,
        )
}

/// A brief, with the same rules as the file.
pub(super) struct CheckedBrief(Brief);

impl Input for CheckedBrief {
    fn read(incoming: &Incoming) -> Result<Self, Problem> {
        Ok(Self(brief_file::from_json(json(incoming)?)?))
    }

    fn describe(operation: &mut Operation<'_>) {
        operation.body::<Brief>("application/json");
    }
}

/// What a search is doing.
#[derive(Serialize, JsonSchema)]
struct SearchState {
    search_id: String,
    /// `completed`, `completed_with_gaps` or `cancelled` when it has ended, else what it is doing.
    status: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LeadQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most items of a page; 50 without.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// Only leads with this score or more.
    minimum_score: Option<u32>,
    /// Only leads with an email address, or only those without.
    has_email: Option<bool>,
    /// Only leads in this country: its two letters.
    country: Option<String>,
}

pub(super) async fn found(call: &Call, id: &str) -> Result<Search, Problem> {
    call.store.search(call.tenant(), id).await?.ok_or_else(|| Problem::unknown("search"))
}

async fn start(call: Call, CheckedBrief(brief): CheckedBrief) -> Result<Accepted<SearchState>, Problem> {
    let id = SearchId(call.new_id.clone());
    let id = call.launcher()?.start(Start { id: Some(id), ..Start::new(brief) }).await?;
    Ok(Accepted {
        location: format!("/v1/searches/{id}"),
        body: SearchState { search_id: id.0, status: "started".into() },
    })
}

async fn list(call: Call, Query(page): Query<PageQuery>) -> Result<Json<Page<Row>>, Problem> {
    let searches = call.store.searches(call.tenant(), u32::MAX).await?;
    let page = page.cut(searches, |search| (search.created_at_ms, search.id.clone()))?;
    let gate = call.site.gate(&call.store);
    let rows = page.items.into_iter().map(|search| Row::read(&call.store, &gate, search));
    let items = futures::future::try_join_all(rows).await?;
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

async fn show(call: Call, Id(id): Id) -> Result<Json<SearchReport>, Problem> {
    let search = found(&call, &id).await?;
    Ok(Json(SearchReport::read(&call.site, &call.store, &search).await?))
}

async fn leads(call: Call, (Id(id), Query(query)): (Id, Query<LeadQuery>)) -> Result<Json<Page<LeadRow>>, Problem> {
    let search = found(&call, &id).await?;
    let key = SearchKey { tenant: call.tenant(), id: &search.id };
    let mut rows = numbered_lead_rows(&call.store, key).await?;
    rows.retain(|(_, row)| {
        query.minimum_score.is_none_or(|minimum| row.score >= minimum)
            && query.has_email.is_none_or(|has| row.email.is_some() == has)
            && query.country.as_ref().is_none_or(|country| row.country.eq_ignore_ascii_case(country))
    });
    let page = PageQuery { cursor: query.cursor, limit: query.limit };
    // By score, and of equals by number: the order of the ranks, which themselves shift while a search runs.
    let order = |number: u32, score: u32| (i64::from(score) << 32) - i64::from(number);
    let page = page.cut(rows, |(number, row)| (order(*number, row.score), row.id.clone()))?;
    Ok(Json(page.map(|(_, row)| row)))
}

async fn pause(call: Call, Id(id): Id) -> Result<Json<SearchState>, Problem> {
    let search = found(&call, &id).await?;
    call.launcher()?.wish(&search, true).await?;
    now(&call, &id).await
}

async fn resume(call: Call, Id(id): Id) -> Result<Json<SearchState>, Problem> {
    let search = found(&call, &id).await?;
    call.launcher()?.wish(&search, false).await?;
    now(&call, &id).await
}

async fn cancel(call: Call, Id(id): Id) -> Result<Json<SearchState>, Problem> {
    let search = found(&call, &id).await?;
    if call.launcher()?.end(&search, "cancelled over the API").await? {
        return now(&call, &id).await;
    }
    Ok(Json(SearchState { search_id: id, status: "cancelling".into() }))
}

async fn now(call: &Call, id: &str) -> Result<Json<SearchState>, Problem> {
    let search = found(call, id).await?;
    let progress = call.store.progress(call.tenant(), id).await?;
    Ok(Json(SearchState { status: state(&search, progress.as_ref()), search_id: search.id }))
}
