//! `starter search pause`, `resume` and `cancel`: what a person wants of a running search.

use super::super::{print, print_json};
use super::SearchArg;
use crate::failure::Failure;
use crate::launch::Launcher;
use crate::site::{GlobalArgs, Site};
use crate::watch::workflow_has_ended;
use leadflow_activities::store::searches::Search;
use std::time::{Duration, Instant};

/// Calls in flight are cut short and the books closed well within this.
const CANCEL_LIMIT: Duration = Duration::from_secs(15);

pub(super) async fn pause(args: &SearchArg, global: &GlobalArgs) -> Result<(), Failure> {
    let (launcher, search) = running(args, global).await?;
    wish(&launcher, &search, true).await?;
    let id = &search.id;
    done(
        global,
        &search,
        "paused",
        &format!("search {id} is paused: calls in flight end, no new ones begin; `starter search resume {id}` goes on"),
    )
}

pub(super) async fn resume(args: &SearchArg, global: &GlobalArgs) -> Result<(), Failure> {
    let (launcher, search) = running(args, global).await?;
    wish(&launcher, &search, false).await?;
    done(global, &search, "running", &format!("search {} goes on", search.id))
}

pub(super) async fn cancel(args: &SearchArg, global: &GlobalArgs) -> Result<(), Failure> {
    let (launcher, search) = running(args, global).await?;
    launcher.cancel(&search, "cancelled by `starter search cancel`").await?;
    let id = &search.id;
    if ended(&launcher, &search).await? {
        return done(global, &search, "cancelled", &format!("search {id} is cancelled; what was found stays"));
    }
    done(
        global,
        &search,
        "cancelling",
        &format!("search {id} will be cancelled as soon as a worker takes it up; what was found stays"),
    )
}

/// A search that has not ended, and the means to steer it.
async fn running(args: &SearchArg, global: &GlobalArgs) -> Result<(Launcher, Search), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let search = site.search(&store, &args.search).await?;
    if search.is_finished() {
        return Err(ended_before(&search));
    }
    Ok((site.launcher(store).await?, search))
}

async fn wish(launcher: &Launcher, search: &Search, pause: bool) -> Result<(), Failure> {
    if !launcher.store.wish(&search.tenant, &search.id, pause).await? {
        return Err(ended_before(search));
    }
    launcher.look(search).await
}

fn ended_before(search: &Search) -> Failure {
    Failure::Refused(format!(
        "search {} has ended already\nhint: `starter search show {0}` tells how, `starter search leads {0}` lists what it \
         found",
        search.id
    ))
}

/// Waits until the search has closed its books. Where no workflow is left to close them, it is done here.
async fn ended(launcher: &Launcher, search: &Search) -> Result<bool, Failure> {
    let Launcher { store, gate, client, clock, .. } = launcher;
    let (tenant, id) = (search.tenant.as_str(), search.id.as_str());
    let begun = Instant::now();
    let mut looks = tokio::time::interval(Duration::from_millis(200));
    while begun.elapsed() < CANCEL_LIMIT {
        looks.tick().await;
        // In this order: a workflow ends after its books are closed.
        let workflow_ended = workflow_has_ended(client, id).await;
        if store.search(tenant, id).await?.is_none_or(|search| search.is_finished()) {
            return Ok(true);
        }
        if workflow_ended {
            gate.presume_open(tenant, id).await?;
            store.finish_search(tenant, id, true, clock.now_ms()).await?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn done(global: &GlobalArgs, search: &Search, status: &str, text: &str) -> Result<(), Failure> {
    if global.json {
        return print_json(&serde_json::json!({ "search_id": search.id, "status": status }));
    }
    print(&format!("{text}\n"))
}
