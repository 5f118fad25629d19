//! The connection to Temporal: its target comes from the SDK's own configuration (`TEMPORAL_*`, `temporal.toml`).

use crate::telemetry;
use std::time::Duration;
use temporalio_client::envconfig::LoadClientConfigProfileOptions;
use temporalio_client::grpc::WorkflowService;
use temporalio_client::tonic::{Code, IntoRequest};
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions};
use temporalio_common::protos::temporal::api::workflowservice::v1::DescribeNamespaceRequest;

use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where Temporal is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// With scheme and port.
    pub address: String,
    pub namespace: String,
}

/// Why there is no connection. Each text says where, and ends with a hint.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(
        "the Temporal configuration is wrong: {0}\nhint: see `temporal.toml` and the TEMPORAL_* variables; keys are written as in the Temporal CLI"
    )]
    Configuration(String),
    #[error("Temporal cannot be reached at {address}\nhint: start it with `starter dev`, or set TEMPORAL_ADDRESS")]
    Unreachable { address: String },
    #[error(
        "Temporal at {address} has no namespace `{namespace}`\nhint: set TEMPORAL_NAMESPACE, or create it with `temporal operator namespace create -n {namespace}`"
    )]
    NoNamespace { address: String, namespace: String },
    #[error(
        "Temporal at {address} refuses the connection: {problem}\nhint: check TEMPORAL_API_KEY and the TEMPORAL_TLS_* variables"
    )]
    Refused { address: String, problem: String },
}

/// Connects to where the SDK's configuration says, and checks that the namespace is there; the SDK would find out only
/// at its first call.
///
/// # Errors
/// A misspelt key in the configuration, an address where nothing answers, a namespace that is not there, wrong keys.
pub async fn connect() -> Result<(Client, Target), ConnectError> {
    let options = LoadClientConfigProfileOptions::builder().config_file_strict(true).build();
    let (connection, client) =
        ClientOptions::load_from_config(options).map_err(|error| ConnectError::Configuration(error.to_string()))?;
    open(connection, client.namespace).await
}

/// Connects to a plain server at `host:port`, for the embedded mode.
///
/// # Errors
/// As [`connect`].
pub async fn connect_to(address: &str) -> Result<(Client, Target), ConnectError> {
    let url = format!("http://{address}").parse::<Url>();
    let url = url.map_err(|error| ConnectError::Configuration(format!("`{address}`: {error}")))?;
    open(ConnectionOptions::new(url).build(), "default".to_owned()).await
}

async fn open(mut connection: ConnectionOptions, namespace: String) -> Result<(Client, Target), ConnectError> {
    let client = ClientOptions::new(namespace.clone()).plugins(telemetry::plugins()).build();
    let target = Target { address: connection.target.to_string(), namespace };
    connection.connect_timeout = Some(CONNECT_TIMEOUT);
    connection.identity = format!("leadflow@{}", std::process::id());
    let unreachable = || ConnectError::Unreachable { address: target.address.clone() };
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, Connection::connect(connection));
    let connection = connecting.await.map_err(|_| unreachable())?.map_err(|_| unreachable())?;
    let request = DescribeNamespaceRequest { namespace: target.namespace.clone(), ..Default::default() };
    let described = connection.clone().describe_namespace(request.into_request()).await;
    if let Err(status) = described {
        return Err(match status.code() {
            Code::NotFound => {
                ConnectError::NoNamespace { address: target.address.clone(), namespace: target.namespace.clone() }
            }
            Code::Unavailable | Code::DeadlineExceeded => unreachable(),
            code => ConnectError::Refused { address: target.address.clone(), problem: format!("{code:?}") },
        });
    }
    let client = Client::new(connection, client)
        .map_err(|error| ConnectError::Refused { address: target.address.clone(), problem: error.to_string() })?;
    Ok((client, target))
}
