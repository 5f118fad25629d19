//! Everything in one place, for `dev` and `demo`: Temporal server, sandbox and worker, over one data folder.

use crate::embedded::cli::{default_cache_dir, find_or_install};
use crate::embedded::data_folder::{DataFolder, Running};
use crate::embedded::guard::{GuardedChild, guarded_command};
use crate::embedded::server::{DevServer, DevServerOptions};
use crate::failure::Failure;
use crate::ingress::{Doors, Ingress, IngressOptions};
use crate::launch::Launcher;
use crate::site::in_folder;
use leadflow_activities::config::{Config, VARIABLES};
use leadflow_activities::gate::Gate;
use leadflow_activities::outreach::events::teller;
use leadflow_activities::senders::Sender;
use leadflow_activities::senders::unipile::Unipile;
use leadflow_activities::store::Store;
use leadflow_clock::Clock;
use leadflow_sandbox::{Sandbox, SandboxConfig};
use leadflow_worker::temporal::connect_to;
use leadflow_workflows::domain::provider::Provider;
use secrecy::ExposeSecret;
use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Instant;
use temporalio_client::Client;
use uuid::Uuid;

/// How to build a stack.
#[derive(Clone, Debug)]
pub struct StackOptions {
    pub data: PathBuf,
    pub config: Config,
    pub sandbox: SandboxConfig,
    pub clock: Clock,
    /// Port of the web UI; a free one without.
    pub ui_port: Option<u16>,
    /// Port of Temporal; a free one without.
    pub port: Option<u16>,
    pub headless: bool,
    /// Variables for the worker beside the configuration: the tests name their kill points there.
    pub worker_env: Vec<(String, String)>,
    /// The program that is started again as guard and worker; this one without.
    pub program: Option<PathBuf>,
}

impl StackOptions {
    pub fn new(data: PathBuf, config: Config) -> Self {
        Self {
            data,
            config,
            sandbox: SandboxConfig::default(),
            clock: Clock::system(),
            ui_port: None,
            port: None,
            headless: false,
            worker_env: Vec::new(),
            program: None,
        }
    }
}

/// A running stack. Dropping it ends all of its processes, without waiting.
pub struct Stack {
    pub folder: DataFolder,
    pub server: DevServer,
    /// Present when a provider has no key of its own.
    pub sandbox: Option<Sandbox>,
    /// Takes the events of the stand-in for Unipile, when that is in use.
    pub ingress: Option<Ingress>,
    pub config: Config,
    pub store: Store,
    pub client: Client,
    pub clock: Clock,
    /// When the Temporal CLI was there.
    pub ready_to_start: Instant,
    /// Variables of the next worker that is started, beside the configuration.
    pub worker_env: Vec<(String, String)>,
    worker: Option<GuardedChild>,
    program: PathBuf,
}

impl Stack {
    /// Starts the parts in order; `say` hears what takes time.
    pub async fn start(options: StackOptions, say: &(dyn Fn(&str) + Sync)) -> Result<Self, Failure> {
        let program = match options.program {
            Some(program) => program,
            None => std::env::current_exe()?,
        };
        let folder = DataFolder::open(&options.data).map_err(|error| match error {
            running @ crate::embedded::data_folder::DataFolderError::AlreadyRunning { .. } => {
                Failure::Refused(running.to_string())
            }
            other => Failure::Failed(other.to_string()),
        })?;
        let cli =
            find_or_install(&default_cache_dir(), say).await.map_err(|error| Failure::Failed(error.to_string()))?;
        let ready_to_start = Instant::now();

        let mut config = in_folder(options.config, folder.path());
        let needs_sandbox = Provider::ALL.iter().any(|provider| config.provider(*provider).api_key.is_none());
        let sandbox = if needs_sandbox {
            let sandbox = Sandbox::start(SandboxConfig { clock: options.clock, ..options.sandbox }).await?;
            config = config.with_sandbox(&sandbox.base_url());
            Some(sandbox)
        } else {
            None
        };
        // The store first: when it cannot be opened, nothing else should have started.
        let store = Store::connect(&config.store).await?;
        let server = DevServerOptions {
            database: Some(folder.temporal_db()),
            port: options.port,
            ui_port: options.ui_port,
            headless: options.headless,
            log: Some(folder.logs().join("temporal.log")),
        };
        let server = DevServer::start(&cli, &program, &server).await;
        let server = server.map_err(|error| Failure::Failed(error.to_string()))?;
        let (client, _) = connect_to(&server.address).await?;
        let ingress = if config.unipile.sandbox {
            Some(take_events(&mut config, &store, &client, options.clock).await?)
        } else {
            None
        };
        let mut stack = Self {
            folder,
            server,
            sandbox,
            ingress,
            store: store.for_tenant(&config.tenant),
            config,
            client,
            clock: options.clock,
            ready_to_start,
            worker: None,
            worker_env: options.worker_env,
            program,
        };
        stack.announce()?;
        stack.start_worker().await?;
        Ok(stack)
    }

    /// Tells commands beside this process where everything is.
    fn announce(&self) -> std::io::Result<()> {
        self.folder.announce(&Running {
            temporal_address: Some(self.server.address.clone()),
            ui_url: self.server.ui_url.clone(),
            sandbox_url: self.sandbox.as_ref().map(Sandbox::base_url),
            clock: (!self.clock.is_system()).then(|| self.clock.to_string()),
            ..Running::this_process()
        })
    }

    pub fn launcher(&self) -> Launcher {
        Launcher {
            config: self.config.clone(),
            store: self.store.clone(),
            gate: Gate::new(self.store.clone(), self.clock, self.config.budgets.clone(), self.config.timings),
            client: self.client.clone(),
            clock: self.clock,
        }
    }

    /// Starts the worker process, with its log in the data folder.
    pub async fn start_worker(&mut self) -> Result<(), Failure> {
        self.worker = Some(self.spawn_worker(&self.worker_env).await?);
        Ok(())
    }

    /// Makes `worker` the one of this stack, and returns the one before.
    pub fn replace_worker(&mut self, worker: GuardedChild) -> Option<GuardedChild> {
        self.worker.replace(worker)
    }

    /// Starts one more worker process, which the caller keeps.
    pub async fn spawn_worker(&self, env: &[(String, String)]) -> Result<GuardedChild, Failure> {
        let file = self.folder.path().join("worker.toml");
        fs::write(&file, self.config.to_toml())?;
        let clock = self.clock.to_string();
        let temporal = self.server.address.as_str();
        let args =
            ["internal", "worker", "--clock", clock.as_str(), "--temporal", temporal, "--config"].map(Into::into);
        let args = args.into_iter().chain([file.into_os_string()]);
        let mut command = guarded_command(&self.program, &self.program, args);
        // The worker gets this stack's settings and no other: what the environment says is in them already.
        for name in VARIABLES.iter().copied().chain(["TEMPORAL_DEPLOYMENT_NAME", "TEMPORAL_WORKER_BUILD_ID"]) {
            command.env_remove(name);
        }
        for (name, secret) in self.config.secret_env() {
            command.env(name, secret.expose_secret());
        }
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command.stderr(log_file(&self.folder.logs().join("worker.log"))?);
        GuardedChild::start(command).await.map_err(|error| Failure::Failed(error.to_string()))
    }

    /// Kills the worker process with SIGKILL, in the middle of whatever it does.
    pub async fn kill_worker(&mut self) -> Result<(), Failure> {
        if let Some(mut worker) = self.worker.take() {
            worker.kill().await?;
        }
        Ok(())
    }

    /// Has the worker, and commands beside it, go by the system's clock from now on.
    pub async fn use_system_clock(&mut self) -> Result<(), Failure> {
        self.clock = Clock::system();
        self.announce()?;
        self.kill_worker().await?;
        self.start_worker().await
    }

    /// Process id of the worker.
    pub fn worker_pid(&self) -> Option<u32> {
        self.worker.as_ref().map(GuardedChild::pid)
    }

    /// Waits until a part ends by itself, which none should.
    pub async fn ended(&mut self) -> Part {
        let worker = async {
            match &mut self.worker {
                Some(worker) => drop(worker.wait().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.server.ended() => Part::Server,
            () = worker => Part::Worker,
        }
    }

    /// Stops the parts in order: worker, ingress, server, sandbox, store.
    pub async fn stop(mut self) -> Result<(), Failure> {
        if let Some(worker) = self.worker.take() {
            worker.stop().await?;
        }
        if let Some(ingress) = self.ingress {
            ingress.stop().await;
        }
        drop(self.client);
        self.server.stop().await?;
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
        self.store.close().await;
        Ok(())
    }
}

/// Starts an ingress of its own and has the stand-in for Unipile post to it. Nobody else knows its secret.
async fn take_events(config: &mut Config, store: &Store, client: &Client, clock: Clock) -> Result<Ingress, Failure> {
    let secret = Uuid::now_v7().to_string();
    config.webhooks.unipile_secrets = vec![secret.clone().into()];
    let ingress = Ingress::start(IngressOptions {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        store: store.clone(),
        teller: teller(client.clone(), config),
        clock,
        tenant: config.tenant.clone(),
        doors: Doors::from_config(config)?,
        api: None,
    })
    .await?;
    let failed = |error: String| Failure::Failed(format!("the stand-in for Unipile takes no webhook: {error}"));
    let sender = Unipile::from_config(config, clock).map_err(|error| failed(error.to_string()))?;
    if let Some(sender) = sender {
        let registered = sender.register_webhook(&ingress.unipile_url(), &secret, &[]).await;
        registered.map_err(|error| failed(error.to_string()))?;
    }
    Ok(ingress)
}

/// A process of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Server,
    Worker,
}

/// The last lines of a log, for an error message.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn log_file(path: &Path) -> std::io::Result<std::process::Stdio> {
    Ok(OpenOptions::new().create(true).append(true).open(path)?.into())
}
