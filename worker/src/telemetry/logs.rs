//! Log lines, each with what links it to the others of its request or its workflow.

use futures::FutureExt;
use leadflow_activities::telemetry::traces;
use opentelemetry::Context;
use std::io::IsTerminal;
use temporalio_sdk::activities::ActivityError;
use temporalio_sdk::interceptors::{ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, Next};
use tracing::{Instrument, Subscriber, debug, info, info_span};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// `RUST_LOG` says otherwise.
const FILTER: &str = "info,temporalio_sdk_core=warn,temporalio_sdk=warn,temporalio_client=warn";

/// Logs carry ids and counts; whoever logs sees to it that no personal data and no secret comes in.
pub(super) fn to_stderr(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    // Colours are for people, and not in files.
    let is_coloured =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // A second subscriber in one process keeps the first.
    let _ = if json {
        json_lines(filter, std::io::stderr).try_init().is_ok()
    } else {
        let readable = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_coloured);
        readable.with_writer(std::io::stderr).try_init().is_ok()
    };
}

/// One JSON object a line: the event's fields, and under `span` those of the request or the activity that it belongs to.
pub fn json_lines<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .finish()
}

/// Has every line of an activity say which one it is, and of which trace. It runs inside of the SDK's plugin, which knows
/// the trace.
pub(super) struct LogActivities;

impl ActivityInboundInterceptor for LogActivities {
    fn execute_activity<'a>(
        &'a self,
        input: ExecuteActivityInput,
        next: Next<'a, ExecuteActivityInput, ExecuteActivityOutput<'a>>,
    ) -> ExecuteActivityOutput<'a> {
        let attempt = input.activity_info().attempt;
        let work = async move {
            // The SDK's plugin has its trace here only while this is polled.
            let info = input.activity_info();
            let span = info_span!(
                "activity",
                trace_id = traces::trace_id(&Context::current()),
                workflow_id = info.workflow_id,
                run_id = info.workflow_run_id,
                activity_type = info.activity_type,
                attempt,
            );
            let logged = async {
                let result = next.run(input).await;
                match &result {
                    Ok(_) => debug!("done"),
                    Err(ActivityError::Application(failure)) => {
                        info!(kind = failure.type_name(), problem = %failure.source_error(), "not done");
                    }
                    Err(_) => info!("cancelled"),
                }
                result
            };
            logged.instrument(span).await
        };
        traces::as_attempt(attempt, work).boxed()
    }
}
