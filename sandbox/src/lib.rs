//! Local stand-ins for the providers that leadflow calls: OpenAI, Gemini, Serper, Hunter and Unipile on one port.
//!
//! They answer from real businesses and invented people, alike for the same seed, refuse what the providers refuse, fail
//! where a fault is injected, and keep a ledger of every call and of what it would have cost. They never call any host.

mod answers;
mod control;
mod data;
mod exchange;
mod faults;
mod gemini;
mod hunter;
mod ledger;
mod openai;
pub mod prices;
mod seed;
mod serper;
mod unipile;
mod wire;

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::routing::{any, get};
use leadflow_clock::Clock;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::exchange::Vendor;
use crate::faults::FaultSwitch;
use crate::ledger::Ledger;
use crate::seed::Seed;
use crate::unipile::Network;

pub use crate::faults::{FailureVariant, FaultKind, FaultRule, Faults};
pub use crate::ledger::{Effect, EffectEntry, EffectKind, LedgerEntry, ProviderStats};
pub use crate::unipile::{
    Accept, AccountChange, Behaviour, Delivery, EnforcedLimits, OverLimit, PlannedReply, ReplyKind, ReplyRule,
    UnipileOptions, WebhookOptions,
};

/// A key that every provider of the sandbox accepts, as it does any other that starts with `sandbox-`.
pub const API_KEY: &str = "sandbox-key";

/// Who is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    OpenAi,
    Gemini,
    Serper,
    Hunter,
    Unipile,
}

/// Every error that Unipile answers with: its status, and its type without the prefix `errors/`.
pub const UNIPILE_ERRORS: &[(u16, &str)] = &unipile::ERRORS;

/// How to start a [`Sandbox`].
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Decides all that is invented.
    pub seed: u64,
    /// Dates answers and ledger.
    pub clock: Clock,
    /// Time that a call to Serper, Hunter or Unipile takes: real, but for Unipile by the clock.
    pub search_latency: Duration,
    /// Real time that a call to a model takes.
    pub model_latency: Duration,
    pub faults: Faults,
    pub unipile: UnipileOptions,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: 1,
            clock: Clock::system(),
            search_latency: Duration::ZERO,
            model_latency: Duration::ZERO,
            faults: Faults::default(),
            unipile: UnipileOptions::default(),
        }
    }
}

/// What a person's profile shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub full_name: String,
    pub title: String,
    /// Name of the employer.
    pub company: String,
}

/// A running sandbox. Dropping it ends it, too.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    world: Arc<World>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Sandbox {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the address is taken or may not be used.
    pub async fn start(config: SandboxConfig) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.address).await.with_context(|| {
            format!(
                "the sandbox cannot listen on {}; hint: choose another address, or port 0 for a free one",
                config.address
            )
        })?;
        let address = listener.local_addr().context("the sandbox's listener has no address")?;
        // The first call should not have to wait for the tables.
        tokio::task::spawn_blocking(move || {
            LazyLock::force(&data::DATA);
            unipile::make_ready(Seed(config.seed));
        });
        let (stop, mut stopped) = watch::channel(false);
        let world = Arc::new(World::new(&config, stopped.clone()));
        tokio::spawn(unipile::live(Arc::clone(&world)));
        let serve = axum::serve(
            wire::Listener(listener),
            router(Arc::clone(&world)).into_make_service_with_connect_info::<wire::Line>(),
        )
        .with_graceful_shutdown(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        let server = tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the sandbox's server ended");
            }
        });
        Ok(Self { address, world, stop, server })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every call since the start, or since the ledger was cleared, in the order of arrival.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.world.ledger.entries()
    }

    /// Everything that reached a person, in the order of arrival: what the ledger's entries did.
    pub fn effects(&self) -> Vec<EffectEntry> {
        self.world.ledger.effects()
    }

    /// How busy each provider was.
    pub fn stats(&self) -> BTreeMap<Provider, ProviderStats> {
        self.world.ledger.stats()
    }

    /// Replaces all faults.
    pub fn set_faults(&self, faults: Faults) {
        self.world.faults.set(faults);
    }

    /// Gives a person another job, as their profile shows it from now on.
    pub fn set_job(&self, public_id: &str, job: Job) {
        let mut jobs = self.world.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.insert(public_id.to_lowercase(), job);
    }

    /// Ends it: open calls lose their connection, the port is free when this returns.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.server.await;
    }
}

/// What all calls share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: Seed,
    pub(crate) clock: Clock,
    pub(crate) ledger: Ledger,
    pub(crate) faults: FaultSwitch,
    /// Addresses whose verification takes a second look, and has had the first.
    pub(crate) verifications_begun: Mutex<HashSet<String>>,
    /// People who do something else than the tables say, by public identifier.
    pub(crate) jobs: Mutex<BTreeMap<String, Job>>,
    pub(crate) unipile: Network,
    search_latency: Duration,
    model_latency: Duration,
    stopped: watch::Receiver<bool>,
}

impl World {
    fn new(config: &SandboxConfig, stopped: watch::Receiver<bool>) -> Self {
        let faults = FaultSwitch::default();
        faults.set(config.faults.clone());
        Self {
            seed: Seed(config.seed),
            clock: config.clock,
            ledger: Ledger::default(),
            faults,
            verifications_begun: Mutex::default(),
            jobs: Mutex::default(),
            unipile: Network::new(Seed(config.seed), config.unipile.clone()),
            search_latency: config.search_latency,
            model_latency: config.model_latency,
            stopped,
        }
    }

    pub(crate) fn latency(&self, provider: Provider) -> Duration {
        match provider {
            // What its accounts do is spaced by the sandbox's clock.
            Provider::Unipile => self.clock.real_duration(self.search_latency),
            _ if provider.is_model() => self.model_latency,
            _ => self.search_latency,
        }
    }

    /// Returns when the sandbox is told to end.
    pub(crate) async fn stopped(&self) {
        let _ = self.stopped.clone().wait_for(|stop| *stop).await;
    }
}

impl Provider {
    pub(crate) fn is_model(self) -> bool {
        matches!(self, Self::OpenAi | Self::Gemini)
    }

    pub(crate) fn vendor(self) -> &'static dyn Vendor {
        match self {
            Self::OpenAi => &openai::OpenAi,
            Self::Gemini => &gemini::Gemini,
            Self::Serper => &serper::Serper,
            Self::Hunter => &hunter::Hunter,
            Self::Unipile => &unipile::Unipile,
        }
    }
}

fn router(world: Arc<World>) -> Router {
    let provider =
        |provider| any(move |state, line, path, request| exchange::exchange(provider, state, line, path, request));
    Router::new()
        .route("/", get(control::about))
        .route("/openai/v1/{*path}", provider(Provider::OpenAi))
        .route("/gemini/{*path}", provider(Provider::Gemini))
        .route("/serper/{*path}", provider(Provider::Serper))
        .route("/hunter/v2/{*path}", provider(Provider::Hunter))
        .route("/unipile/api/v1/{*path}", provider(Provider::Unipile))
        .nest("/__sandbox", control::router())
        .with_state(world)
}
