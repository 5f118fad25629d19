//! Guarded child processes and the embedded Temporal server, as real processes.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use leadflow_starter::embedded::cli::{TemporalCli, default_cache_dir, find_or_install};
use leadflow_starter::embedded::guard::{GuardedChild, guarded_command, hold_lock};
use leadflow_starter::embedded::server::{DevServer, DevServerError, DevServerOptions, NAMESPACE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use temporalio_client::tonic::IntoRequest;
use temporalio_client::{Connection, ConnectionOptions, Url};
use temporalio_common::protos::temporal::api::common::v1::{
    Payload, SearchAttributes, WorkflowExecution, WorkflowType,
};
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, ListTaskQueuePartitionsRequest, StartWorkflowExecutionRequest,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

/// Long, because it only ends a test that has failed anyway.
const LIMIT: Duration = Duration::from_mins(1);

fn starter() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_starter"))
}

/// A guarded shell script.
fn guarded_shell(body: &str) -> Command {
    guarded_command(starter(), "sh", ["-c", body])
}

/// Starts a program and waits until it says `ready`.
async fn start_ready(mut command: Command) -> GuardedChild {
    let (reader, writer) = std::io::pipe().unwrap();
    command.stderr(writer);
    let child = GuardedChild::start(command).await.unwrap();
    let mut output = BufReader::new(pipe::Receiver::from_owned_fd(reader.into()).unwrap());
    let mut line = String::new();
    within(output.read_line(&mut line)).await.unwrap();
    assert_eq!(line, "ready\n");
    child
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("not within the limit")
}

fn send(signal: Signal, pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

fn is_gone(pid: u32) -> bool {
    kill(Pid::from_raw(pid.try_into().unwrap()), None).is_err()
}

#[tokio::test]
async fn a_guard_passes_on_arguments_output_and_exit_code() {
    let mut command = guarded_command(starter(), "sh", ["-c", "echo $0 \"$1\"; echo two >&2; exit 7", "one", "a  b"]);
    let output = tempfile::NamedTempFile::new().unwrap();
    command.stderr(output.reopen().unwrap());
    let mut child = GuardedChild::start(command).await.unwrap();
    assert_eq!(within(child.wait()).await.unwrap().code(), Some(7));
    assert_eq!(std::fs::read_to_string(output.path()).unwrap(), "one a  b\ntwo\n");
}

#[tokio::test]
async fn a_program_that_cannot_start_is_an_error() {
    let error = GuardedChild::start(guarded_command(starter(), "/no/such/program", [""; 0])).await.unwrap_err();
    assert_eq!(error.to_string(), "`/no/such/program` did not start: No such file or directory (os error 2)");

    let error = GuardedChild::start(guarded_command(Path::new("/bin/false"), "sh", [""; 0])).await.unwrap_err();
    assert_eq!(error.to_string(), "`sh` did not start: its guard ended before it answered");
}

#[tokio::test]
async fn stopping_is_gentle_and_killing_is_not() {
    let gentle = "trap 'exit 3' TERM; echo ready; sleep 1000 & wait";
    let child = start_ready(guarded_shell(gentle)).await;
    let pid = child.pid();
    assert_eq!(within(child.stop()).await.unwrap().code(), Some(3));
    assert!(is_gone(pid));

    let mut child = start_ready(guarded_shell(gentle)).await;
    let pid = child.pid();
    assert_eq!(within(child.kill()).await.unwrap().code(), Some(128 + 9));
    assert!(is_gone(pid));
}

#[tokio::test]
async fn killing_the_program_from_outside_ends_the_guard() {
    let mut child = GuardedChild::start(guarded_command(starter(), "sleep", ["1000"])).await.unwrap();
    send(Signal::SIGKILL, child.pid());
    assert_eq!(within(child.wait()).await.unwrap().code(), Some(128 + 9));
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_is_killed() {
    let child = start_ready(guarded_shell("trap '' TERM; echo ready; while :; do sleep 0.1; done")).await;
    assert_eq!(within(child.stop()).await.unwrap().code(), Some(128 + 9));
}

#[tokio::test]
async fn a_dropped_child_is_stopped() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = guarded_command(starter(), "sleep", ["1000"]);
    command.stderr(writer);
    drop(GuardedChild::start(command).await.unwrap());
    assert_eq!(until_closed(reader).await, "");
}

#[tokio::test]
async fn a_killed_parent_takes_its_program_with_it() {
    const ROLE: &str = "LEADFLOW_TEST_IS_PARENT";
    const NAME: &str = "a_killed_parent_takes_its_program_with_it";
    if std::env::var_os(ROLE).is_some() {
        let child = GuardedChild::start(guarded_command(starter(), "sleep", ["1000"])).await.unwrap();
        println!("\npid {}", child.pid());
        return std::future::pending().await;
    }

    // This same test once more, as a process that can be killed.
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", NAME, "--nocapture"]).env(ROLE, "1").kill_on_drop(true);
    let mut parent = command.stdout(Stdio::piped()).stderr(writer).spawn().unwrap();
    drop(command);
    let pid = within(announced_pid(&mut parent)).await;
    assert!(!is_gone(pid));

    parent.kill().await.unwrap();
    // The guard and its program are the last to hold the other end.
    until_closed(reader).await;
    assert!(is_gone(pid));
}

async fn announced_pid(parent: &mut Child) -> u32 {
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(pid) = line.strip_prefix("pid ") {
            return pid.parse().unwrap();
        }
    }
    panic!("the parent ended without a pid")
}

/// Reads until every process that has the other end is gone.
async fn until_closed(reader: std::io::PipeReader) -> String {
    let mut output = String::new();
    let mut reader = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
    within(reader.read_to_string(&mut output)).await.unwrap();
    output
}

#[tokio::test]
async fn a_lock_lets_the_second_program_start_after_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let (lock, order) = (folder.path().join("lock"), folder.path().join("order"));
    let locked = |body: &str| {
        let mut command = guarded_shell(body);
        command.env("ORDER", &order);
        hold_lock(&mut command, &lock);
        command
    };

    let first =
        start_ready(locked("trap 'sleep 0.5; echo end >> $ORDER; exit 0' TERM; echo ready; sleep 1000 & wait")).await;
    let second = async { GuardedChild::start(locked("echo start >> $ORDER")).await.unwrap().wait().await };
    let (second, first) = within(async { tokio::join!(second, first.stop()) }).await;
    assert!(second.unwrap().success() && first.unwrap().success());
    assert_eq!(std::fs::read_to_string(order).unwrap(), "end\nstart\n");
}

async fn temporal() -> TemporalCli {
    find_or_install(&default_cache_dir(), &|line| eprintln!("{line}")).await.unwrap()
}

async fn connect(server: &DevServer) -> Connection {
    let url = Url::parse(&format!("http://{}", server.address)).unwrap();
    Connection::connect(ConnectionOptions::new(url).identity("test".to_owned()).build()).await.unwrap()
}

#[tokio::test]
async fn a_server_serves_stops_and_keeps_its_workflows() {
    let folder = tempfile::tempdir().unwrap();
    let cli = temporal().await;
    let options = DevServerOptions {
        database: Some(folder.path().join("temporal.db")),
        log: Some(folder.path().join("logs/temporal.log")),
        ..DevServerOptions::default()
    };

    let server = DevServer::start(&cli, starter(), &options).await.unwrap();
    let ui_url = server.ui_url.clone().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let page = reqwest::get(&ui_url).await.unwrap().text().await.unwrap();
    assert!(page.to_ascii_lowercase().contains("<html"), "{page}");
    let connection = connect(&server).await;
    start_workflow(&connection).await;
    assert_eq!(partitions(&connection).await, (1, 1));
    let pid = server.pid();
    let status = within(server.stop()).await.unwrap();
    assert!(status.success(), "{status}");
    assert!(is_gone(pid));

    // Again, after SIGKILL this time, and without the UI.
    let options = DevServerOptions { headless: true, ..options };
    let mut server = DevServer::start(&cli, starter(), &options).await.unwrap();
    assert_eq!(server.ui_url, None);
    within(server.kill()).await.unwrap();
    let server = DevServer::start(&cli, starter(), &options).await.unwrap();
    assert_eq!(workflow_type(&connect(&server).await).await, "Anything");
    within(server.stop()).await.unwrap();
}

#[tokio::test]
async fn a_second_server_waits_until_the_first_has_left_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let cli = temporal().await;
    let options = DevServerOptions {
        database: Some(folder.path().join("temporal.db")),
        headless: true,
        ..DevServerOptions::default()
    };
    let first = DevServer::start(&cli, starter(), &options).await.unwrap();
    let pid = first.pid();
    // Told to stop, but not waited for, as when its parent is killed.
    drop(first);
    let second = DevServer::start(&cli, starter(), &options).await.unwrap();
    assert!(is_gone(pid));
    within(second.stop()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let cli = temporal().await;
    let database = folder.path().join("temporal.db");
    std::fs::write(&database, "not a database at all ".repeat(100)).unwrap();
    let options = DevServerOptions { database: Some(database), headless: true, ..DevServerOptions::default() };
    let error = DevServer::start(&cli, starter(), &options).await.unwrap_err().to_string();
    assert!(error.starts_with("the Temporal server ended with exit status: 1 before it served"), "{error}");
    assert!(error.contains("file is not a database") && error.contains("hint: `"), "{error}");
    assert!(error.ends_with("is damaged; move it away to start anew, or use another data folder"), "{error}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = Some(taken.local_addr().unwrap().port());
    let options = DevServerOptions { port, headless: true, ..DevServerOptions::default() };
    let error = DevServer::start(&cli, starter(), &options).await.unwrap_err();
    assert!(matches!(error, DevServerError::Port(_)), "{error}");
}

const WORKFLOW_ID: &str = "search/1";

/// Starts a workflow with all search attributes, which are refused unless registered.
async fn start_workflow(connection: &Connection) {
    let value = |json: &str| Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: json.as_bytes().to_vec(),
        ..Default::default()
    };
    let indexed_fields = [
        ("LeadflowTenant", "\"acme\""),
        ("LeadflowCampaign", "\"c1\""),
        ("LeadflowAccount", "\"a1\""),
        ("LeadflowStage", "\"new\""),
        ("LeadflowProgress", "7"),
    ]
    .map(|(name, json)| (name.to_owned(), value(json)))
    .into();
    let request = StartWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_id: WORKFLOW_ID.to_owned(),
        workflow_type: Some(WorkflowType { name: "Anything".to_owned() }),
        task_queue: Some(queue()),
        search_attributes: Some(SearchAttributes { indexed_fields }),
        request_id: "1".to_owned(),
        ..Default::default()
    };
    connection.workflow_service().start_workflow_execution(request.into_request()).await.unwrap();
}

async fn workflow_type(connection: &Connection) -> String {
    let request = DescribeWorkflowExecutionRequest {
        namespace: NAMESPACE.to_owned(),
        execution: Some(WorkflowExecution { workflow_id: WORKFLOW_ID.to_owned(), run_id: String::new() }),
    };
    let answer = connection.workflow_service().describe_workflow_execution(request.into_request()).await.unwrap();
    answer.into_inner().workflow_execution_info.unwrap().r#type.unwrap().name
}

/// How many partitions the queue has for workflows and for activities.
async fn partitions(connection: &Connection) -> (usize, usize) {
    let request = ListTaskQueuePartitionsRequest { namespace: NAMESPACE.to_owned(), task_queue: Some(queue()) };
    let answer = connection.workflow_service().list_task_queue_partitions(request.into_request()).await.unwrap();
    let answer = answer.into_inner();
    (answer.workflow_task_queue_partitions.len(), answer.activity_task_queue_partitions.len())
}

fn queue() -> TaskQueue {
    TaskQueue { name: "leadflow-openai".to_owned(), ..Default::default() }
}
