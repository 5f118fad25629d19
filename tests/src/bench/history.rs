//! What a workflow leaves in its histories.

use leadflow_starter::history::RunHistory;
use prost::Message;
use serde::Serialize;
use std::collections::HashMap;
use temporalio_common::protos::temporal::api::common::v1::{Header, Payload, Payloads};
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

/// Sizes of all runs of one workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HistorySize {
    pub runs: usize,
    pub events: usize,
    /// Events of the longest run.
    pub longest_run_events: usize,
    /// Inputs, results, headers, search attributes, summaries and details, as they are encoded.
    pub payload_bytes: usize,
    /// Everything.
    pub bytes: usize,
}

impl HistorySize {
    pub fn of(runs: &[RunHistory]) -> Self {
        let events = || runs.iter().flat_map(|run| &run.events);
        Self {
            runs: runs.len(),
            events: events().count(),
            longest_run_events: runs.iter().map(|run| run.events.len()).max().unwrap_or(0),
            payload_bytes: events().map(payload_bytes).sum(),
            bytes: events().map(Message::encoded_len).sum(),
        }
    }
}

fn payload_bytes(event: &HistoryEvent) -> usize {
    let metadata = event.user_metadata.iter().flat_map(|metadata| [&metadata.summary, &metadata.details]);
    metadata.flatten().map(Message::encoded_len).sum::<usize>() + event.attributes.as_ref().map_or(0, attribute_bytes)
}

/// The events that carry payloads in the histories of a search; a failure carries texts only.
fn attribute_bytes(attributes: &Attributes) -> usize {
    match attributes {
        Attributes::WorkflowExecutionStartedEventAttributes(started) => {
            list(started.input.as_ref())
                + list(started.last_completion_result.as_ref())
                + header(started.header.as_ref())
                + started.search_attributes.as_ref().map_or(0, |attributes| map(&attributes.indexed_fields))
                + started.memo.as_ref().map_or(0, |memo| map(&memo.fields))
        }
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(continued) => {
            list(continued.input.as_ref())
                + header(continued.header.as_ref())
                + continued.search_attributes.as_ref().map_or(0, |attributes| map(&attributes.indexed_fields))
                + continued.memo.as_ref().map_or(0, |memo| map(&memo.fields))
        }
        Attributes::WorkflowExecutionCompletedEventAttributes(completed) => list(completed.result.as_ref()),
        Attributes::WorkflowExecutionSignaledEventAttributes(signaled) => {
            list(signaled.input.as_ref()) + header(signaled.header.as_ref())
        }
        Attributes::UpsertWorkflowSearchAttributesEventAttributes(upserted) => {
            upserted.search_attributes.as_ref().map_or(0, |attributes| map(&attributes.indexed_fields))
        }
        Attributes::ActivityTaskScheduledEventAttributes(scheduled) => {
            list(scheduled.input.as_ref()) + header(scheduled.header.as_ref())
        }
        Attributes::ActivityTaskCompletedEventAttributes(completed) => list(completed.result.as_ref()),
        Attributes::MarkerRecordedEventAttributes(marker) => {
            marker.details.values().map(Message::encoded_len).sum::<usize>() + header(marker.header.as_ref())
        }
        _ => 0,
    }
}

fn list(payloads: Option<&Payloads>) -> usize {
    payloads.map_or(0, Message::encoded_len)
}

fn header(header: Option<&Header>) -> usize {
    header.map_or(0, |header| map(&header.fields))
}

fn map(fields: &HashMap<String, Payload>) -> usize {
    fields.values().map(Message::encoded_len).sum()
}
