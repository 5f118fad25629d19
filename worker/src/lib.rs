//! Hosts the workflows and activities on their task queues.

pub mod cli;
pub mod telemetry;
pub mod temporal;

use anyhow::Context;
use leadflow_activities::buyer_groups::{BuyerGroupActivities, BuyerGroupPaidActivities, BuyerGroupWork};
use leadflow_activities::config::Config;
use leadflow_activities::gate::Gate;
use leadflow_activities::outreach::events::teller;
use leadflow_activities::outreach::{
    OutreachActivities, OutreachWork, ReplyActivities, ReplyReader, UnipileActivities,
};
use leadflow_activities::providers::Clients;
use leadflow_activities::search::{PaidActivities, SearchActivities, SearchWork};
use leadflow_activities::senders::unipile::Unipile;
use leadflow_activities::store::Store;
use leadflow_activities::telemetry::Metrics;
use leadflow_clock::Clock;
use leadflow_workflows::buyer_group::BuyerGroupRefresh;
use leadflow_workflows::campaign::Campaign;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::enrollment::Enrollment;
use leadflow_workflows::lead_search::LeadSearch;
use leadflow_workflows::reply_reading::ReplyReading;
use leadflow_workflows::sender_account::SenderAccount;
use leadflow_workflows::{QUEUE, QUEUE_BUYER_GROUPS, QUEUE_LONG};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{MetricsEndpoint, SdkMetrics};
use temporalio_client::Client;
use temporalio_common::worker::{VersioningBehavior, WorkerDeploymentOptions, WorkerDeploymentVersion};
use temporalio_sdk::runtime::RuntimeOptions;
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tracing::{info, warn};

/// Runs one worker on every task queue until `stop` ends, then lets calls in flight end.
///
/// # Errors
/// When the store cannot be opened, a provider is set up wrongly, the server refuses a worker, or metrics cannot be shown.
pub async fn run(
    config: Config,
    client: Client,
    clock: Clock,
    metrics: Option<SocketAddr>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let store = Store::connect(&config.store).await?;
    let gate = Gate::new(store.clone(), clock, config.budgets.clone(), config.timings);
    let clients = Clients::from_config(&config)?;
    let config = Arc::new(config);
    let outreach = outreach(&config, &store, &gate, &client, clock)?;
    let own = Metrics { store: store.clone(), gate: gate.clone(), clock, tenant: config.tenant.clone() };
    let workflows = teller(client.clone(), &config);
    let work = SearchWork::new(store.clone(), gate, clients, Arc::clone(&config), clock, Arc::clone(&workflows));
    let work = Arc::new(work);
    let groups = Arc::new(BuyerGroupWork { search: Arc::clone(&work), workflows: Arc::clone(&workflows) });
    let sdk = metrics.map(|_| SdkMetrics::start()).transpose()?;
    let runtime = sdk.as_ref().map_or_else(|| Ok(RuntimeOptions::default()), SdkMetrics::runtime)?;
    let runtime = Runtime::from_current_tokio(runtime)?;
    let _endpoint = match metrics {
        Some(address) => Some(MetricsEndpoint::start(address, own, sdk.as_ref()).await?),
        None => None,
    };

    let timings = config.timings;
    let of_behavior = |queue, behavior| {
        WorkerOptions::new(queue)
            .deployment_options(deployment(behavior))
            .graceful_shutdown_period(Duration::from_millis(timings.graceful_shutdown_ms))
            .sticky_queue_schedule_to_start_timeout(Duration::from_millis(timings.sticky_ms))
            .max_heartbeat_throttle_interval(timings.heartbeat() / 2)
    };
    let options = |queue| of_behavior(queue, VersioningBehavior::Pinned);
    let mut workers = Vec::new();
    let search = options(QUEUE)
        .register_workflow::<LeadSearch>()?
        .register_workflow::<ReplyReading>()?
        .register_workflow::<BuyerGroupRefresh>()?
        .register_activities(SearchActivities(Arc::clone(&work)))
        .register_activities(BuyerGroupActivities(Arc::clone(&groups)))
        .build();
    workers.push(Worker::new(&runtime, client.clone(), search)?);
    for provider in Provider::SEARCH {
        let per_minute = f64::from(config.provider(provider).calls_per_minute);
        let mut paid = options(provider.task_queue())
            .max_task_queue_activities_per_second(per_minute / 60.0)
            .register_activities(PaidActivities(Arc::clone(&work)))
            .register_activities(BuyerGroupPaidActivities(Arc::clone(&groups)));
        if provider == Provider::Openai {
            let reader = ReplyReader { models: Arc::clone(&work), workflows: Arc::clone(&workflows) };
            paid = paid.register_activities(ReplyActivities(Arc::new(reader)));
        }
        workers.push(Worker::new(&runtime, client.clone(), paid.build())?);
    }
    let per_minute = f64::from(config.buyer_groups.refreshes_per_minute);
    let groups = options(QUEUE_BUYER_GROUPS)
        .max_task_queue_activities_per_second(per_minute / 60.0)
        .register_activities(BuyerGroupActivities(groups))
        .build();
    workers.push(Worker::new(&runtime, client.clone(), groups)?);
    if let Some(outreach) = outreach {
        // Runs that live for weeks go on with the newest build.
        let long = of_behavior(QUEUE_LONG, VersioningBehavior::AutoUpgrade)
            .register_workflow::<Campaign>()?
            .register_workflow::<Enrollment>()?
            .register_workflow::<SenderAccount>()?
            .register_activities(OutreachActivities(Arc::clone(&outreach)))
            .build();
        workers.push(Worker::new(&runtime, client.clone(), long)?);
        let per_minute = f64::from(config.unipile.calls_per_minute);
        let unipile = options(Provider::Unipile.task_queue())
            .max_task_queue_activities_per_second(per_minute / 60.0)
            .register_activities(UnipileActivities(outreach))
            .build();
        workers.push(Worker::new(&runtime, client.clone(), unipile)?);
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

/// What contacts people; `None` while no account can be used, because Unipile has no key.
fn outreach(
    config: &Arc<Config>,
    store: &Store,
    gate: &Gate,
    client: &Client,
    clock: Clock,
) -> anyhow::Result<Option<Arc<OutreachWork>>> {
    let Some(sender) = Unipile::from_config(config, clock)? else { return Ok(None) };
    Ok(Some(Arc::new(OutreachWork {
        store: store.clone(),
        gate: gate.clone(),
        sender: Arc::new(sender),
        config: Arc::clone(config),
        clock,
        workflows: teller(client.clone(), config),
    })))
}

/// A worker deployment names itself in the environment, as the Worker Controller for Kubernetes does; its runs then stay
/// on the build that began them, or go on with the newest, as `behavior` says. Without these variables the worker is unversioned.
fn deployment(behavior: VersioningBehavior) -> WorkerDeploymentOptions {
    let name = std::env::var("TEMPORAL_DEPLOYMENT_NAME").ok().filter(|name| !name.is_empty());
    let build = std::env::var("TEMPORAL_WORKER_BUILD_ID").ok().filter(|build| !build.is_empty());
    let versioned = name.is_some() && build.is_some();
    let version = WorkerDeploymentVersion::builder()
        .deployment_name(name.unwrap_or_else(|| "leadflow".into()))
        .build_id(build.unwrap_or_else(|| env!("CARGO_PKG_VERSION").into()))
        .build();
    WorkerDeploymentOptions::new(version)
        .use_worker_versioning(versioned)
        .maybe_default_versioning_behavior(versioned.then_some(behavior))
        .build()
}
