//! What a workflow costs by the table of Temporal's cloud, counted from its histories.

use leadflow_starter::history::RunHistory;
use serde::Serialize;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

/// Billed actions of all runs of one workflow, or of several. Heartbeats are not in a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Actions {
    /// By a client or by continuing as new.
    pub starts: usize,
    pub activities: usize,
    /// Of activities.
    pub retries: usize,
    pub timers: usize,
    pub signals: usize,
    pub upserts: usize,
    pub total: usize,
}

impl Actions {
    /// # Errors
    /// The name of an event that none of leadflow's workflows makes, and that costs actions, too.
    pub fn of(runs: &[RunHistory]) -> Result<Self, String> {
        let mut actions = Self::default();
        for attributes in runs.iter().flat_map(|run| &run.events).filter_map(|event| event.attributes.as_ref()) {
            match attributes {
                Attributes::WorkflowExecutionStartedEventAttributes(_) => actions.starts += 1,
                Attributes::ActivityTaskScheduledEventAttributes(_) => actions.activities += 1,
                Attributes::ActivityTaskStartedEventAttributes(started) => {
                    actions.retries += usize::try_from(started.attempt - 1).unwrap_or(0);
                }
                Attributes::TimerStartedEventAttributes(_) => actions.timers += 1,
                Attributes::WorkflowExecutionSignaledEventAttributes(_) => actions.signals += 1,
                Attributes::UpsertWorkflowSearchAttributesEventAttributes(_) => actions.upserts += 1,
                Attributes::MarkerRecordedEventAttributes(_) => return Err("marker".into()),
                Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(_) => return Err("child".into()),
                Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(_) => {
                    return Err("signal to another workflow".into());
                }
                Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(_) => return Err("update".into()),
                Attributes::NexusOperationScheduledEventAttributes(_) => return Err("nexus operation".into()),
                _ => {}
            }
        }
        let Self { starts, activities, retries, timers, signals, upserts, .. } = actions;
        actions.total = starts + activities + retries + timers + signals + upserts;
        Ok(actions)
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            starts: self.starts + other.starts,
            activities: self.activities + other.activities,
            retries: self.retries + other.retries,
            timers: self.timers + other.timers,
            signals: self.signals + other.signals,
            upserts: self.upserts + other.upserts,
            total: self.total + other.total,
        }
    }
}
