//! Starts the workflow of an enrollment at the time of its first step.

use super::activities::{OutreachWork, store_failure};
use super::events::TellError;
use crate::failpoint::fail_point;
use crate::store::enrollments::Enrollment;
use leadflow_workflows::QUEUE_LONG;
use leadflow_workflows::contract::EnrollmentRef;
use leadflow_workflows::domain::ids::{EnrollmentId, TenantId};
use leadflow_workflows::enrollment::{EnrollmentInput, OPEN, workflow_id};
use leadflow_workflows::lead_search::{STAGE, TENANT};
use leadflow_workflows::shell::{ACCOUNT, CAMPAIGN, EVENTS_PER_RUN};
use std::time::Duration;
use temporalio_common::error::ApplicationFailure;
use temporalio_common::protos::coresdk::AsJsonPayloadExt;
use temporalio_common::protos::temporal::api::common::v1::{Payloads, Priority, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::{WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
use temporalio_common::protos::temporal::api::sdk::v1::UserMetadata;
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflowservice::v1::StartWorkflowExecutionRequest;
use temporalio_common::search_attributes::SearchAttributes;
use temporalio_sdk::activities::ActivityError;
use uuid::Uuid;

/// Longest start delay; a later first step is slept for by the workflow itself.
const LONGEST_DELAY: Duration = Duration::from_hours(24);

impl OutreachWork {
    /// Starts the workflow of an enrollment, `delay_ms` of real time from now. One that runs already is left alone; one that
    /// was ended by force starts again.
    ///
    /// The typed client knows no start delay; a first timer would cost each enrollment one more action and five events.
    pub(super) async fn start_enrollment(&self, enrollment: &Enrollment, delay_ms: u64) -> Result<(), ActivityError> {
        let id = EnrollmentId(enrollment.id.clone());
        let input = EnrollmentInput {
            enrollment: EnrollmentRef { tenant: TenantId(enrollment.tenant.clone()), enrollment_id: id.clone() },
            timings: self.config.timings,
            events_per_run: EVENTS_PER_RUN,
        };
        let account = enrollment.linkedin_account_id.as_ref().or(enrollment.email_account_id.as_ref());
        let attributes = SearchAttributes::new([
            TENANT.value_set(enrollment.tenant.clone()),
            CAMPAIGN.value_set(enrollment.campaign_id.clone()),
            ACCOUNT.value_set(account.cloned().unwrap_or_default()),
            STAGE.value_set(OPEN.into()),
        ]);
        let input = input.as_json_payload().map_err(|error| unencodable(&error))?;
        let summary = "takes one lead through its sequence".as_json_payload().map_err(|error| unencodable(&error))?;
        let details = format!("`starter lead explain {}` shows what happens next, and why.", enrollment.lead_id);
        let details = details.as_json_payload().map_err(|error| unencodable(&error))?;
        let request = StartWorkflowExecutionRequest {
            workflow_id: workflow_id(&id),
            workflow_type: Some(WorkflowType { name: "Enrollment".into() }),
            task_queue: Some(TaskQueue { name: QUEUE_LONG.into(), ..TaskQueue::default() }),
            input: Some(Payloads { payloads: vec![input] }),
            // A new one each time: the server answers a known one with the run that it started, even an ended one.
            request_id: Uuid::now_v7().to_string(),
            workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicateFailedOnly.into(),
            workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting.into(),
            search_attributes: Some(attributes.into_proto()),
            user_metadata: Some(UserMetadata { summary: Some(summary), details: Some(details) }),
            priority: Some(Priority { fairness_key: enrollment.tenant.clone(), ..Priority::default() }),
            workflow_start_delay: Duration::from_millis(delay_ms).min(LONGEST_DELAY).try_into().ok(),
            ..StartWorkflowExecutionRequest::default()
        };
        fail_point("round-before-start").await;
        let started = self.workflows.start(request).await;
        fail_point("round-after-start").await;
        started.map_err(unreached)
    }
}

/// Temporal, or the store, could not be reached: tried again.
pub(super) fn unreached(error: TellError) -> ActivityError {
    let error = match error {
        TellError::Store(error) => return store_failure(error),
        TellError::Temporal(_) => error,
    };
    ApplicationFailure::builder(error.to_string()).type_name("temporal_unreachable".to_owned()).build().into()
}

fn unencodable(error: &dyn std::fmt::Display) -> ActivityError {
    super::activities::fault("unencodable", &error.to_string())
}
