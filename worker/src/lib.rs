//! Hosts the workflows and activities on their task queues.

pub mod cli;
pub mod temporal;

use anyhow::Context;
use leadflow_activities::config::Config;
use leadflow_activities::gate::Gate;
use leadflow_activities::providers::Clients;
use leadflow_activities::search::{PaidActivities, SearchActivities, SearchWork};
use leadflow_activities::store::Store;
use leadflow_clock::Clock;
use leadflow_workflows::QUEUE;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::lead_search::LeadSearch;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use temporalio_client::Client;
use temporalio_common::worker::{VersioningBehavior, WorkerDeploymentOptions, WorkerDeploymentVersion};
use temporalio_sdk::runtime::RuntimeOptions;
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tracing::{info, warn};

/// Runs one worker on every task queue until `stop` ends, then lets calls in flight end.
///
/// # Errors
/// When the store cannot be opened, a provider is set up wrongly, or the server refuses a worker.
pub async fn run(config: Config, client: Client, clock: Clock, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let store = Store::connect(&config.store).await?;
    let gate = Gate::new(store.clone(), clock, config.budgets.clone(), config.timings);
    let clients = Clients::from_config(&config)?;
    let config = Arc::new(config);
    let work = Arc::new(SearchWork::new(store.clone(), gate, clients, Arc::clone(&config), clock));
    let runtime = Runtime::from_current_tokio(RuntimeOptions::default())?;

    let timings = config.timings;
    let options = |queue| {
        WorkerOptions::new(queue)
            .deployment_options(deployment())
            .graceful_shutdown_period(Duration::from_millis(timings.graceful_shutdown_ms))
            .sticky_queue_schedule_to_start_timeout(Duration::from_millis(timings.sticky_ms))
            .max_heartbeat_throttle_interval(timings.heartbeat() / 2)
    };
    let mut workers = Vec::new();
    let search = options(QUEUE)
        .register_workflow::<LeadSearch>()?
        .register_activities(SearchActivities(Arc::clone(&work)))
        .build();
    workers.push(Worker::new(&runtime, client.clone(), search)?);
    for provider in Provider::ALL {
        let per_minute = f64::from(config.provider(provider).calls_per_minute);
        let paid = options(provider.task_queue())
            .max_task_queue_activities_per_second(per_minute / 60.0)
            .register_activities(PaidActivities(Arc::clone(&work)))
            .build();
        workers.push(Worker::new(&runtime, client.clone(), paid)?);
    }
    let stops: Vec<_> = workers.iter().map(Worker::shutdown_handle).collect();
    info!(store = store.place(), queues = workers.len(), "worker is polling");

    let mut running = std::pin::pin!(futures::future::try_join_all(workers.iter_mut().map(Worker::run)));
    tokio::select! {
        ended = &mut running => { ended.context("a worker ended by itself")?; }
        () = stop => {
            info!("worker is stopping; calls in flight may end");
            for stop in &stops {
                stop();
            }
            // An activity that ignores its cancellation must not keep the process for ever.
            let longest = Duration::from_millis(config.timings.graceful_shutdown_ms) + Duration::from_secs(5);
            if let Ok(ended) = tokio::time::timeout(longest, &mut running).await {
                ended?;
            } else {
                warn!("calls in flight were cut off; the server will try them again");
            }
        }
    }
    store.close().await;
    Ok(())
}

/// A worker deployment names itself in the environment, as the Worker Controller for Kubernetes does; its runs then stay
/// on the build that began them. Without these variables the worker is unversioned.
fn deployment() -> WorkerDeploymentOptions {
    let name = std::env::var("TEMPORAL_DEPLOYMENT_NAME").ok().filter(|name| !name.is_empty());
    let build = std::env::var("TEMPORAL_WORKER_BUILD_ID").ok().filter(|build| !build.is_empty());
    let versioned = name.is_some() && build.is_some();
    let version = WorkerDeploymentVersion::builder()
        .deployment_name(name.unwrap_or_else(|| "leadflow".into()))
        .build_id(build.unwrap_or_else(|| env!("CARGO_PKG_VERSION").into()))
        .build();
    WorkerDeploymentOptions::new(version)
        .use_worker_versioning(versioned)
        .maybe_default_versioning_behavior(versioned.then_some(VersioningBehavior::Pinned))
        .build()
}
