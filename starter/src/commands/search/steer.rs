//! `starter search pause`, `resume` and `cancel`: what a person wants of a running search.

use super::super::{print, print_json};
use super::SearchArg;
use crate::failure::Failure;
use crate::launch::{Launcher, ended_before};
use crate::site::{GlobalArgs, Site};
use leadflow_activities::store::searches::Search;

pub(super) async fn pause(args: &SearchArg, global: &GlobalArgs) -> Result<(), Failure> {
    let (launcher, search) = running(args, global).await?;
    launcher.wish(&search, true).await?;
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
    launcher.wish(&search, false).await?;
    done(global, &search, "running", &format!("search {} goes on", search.id))
}

pub(super) async fn cancel(args: &SearchArg, global: &GlobalArgs) -> Result<(), Failure> {
    let (launcher, search) = running(args, global).await?;
    let id = &search.id;
    if launcher.end(&search, "cancelled by `starter search cancel`").await? {
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

fn done(global: &GlobalArgs, search: &Search, status: &str, text: &str) -> Result<(), Failure> {
    if global.json {
        return print_json(&serde_json::json!({ "search_id": search.id, "status": status }));
    }
    print(&format!("{text}\n"))
}
