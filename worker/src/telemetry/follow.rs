//! Lets what a signal sets off belong to the trace of the signal.
//!
//! A workflow may sleep for weeks. By itself all that it does belongs to the trace in which it was started, and a signal's
//! trace ends where the workflow hears of it. So from a signal on, activities belong to the trace of the signal, through the
//! next sleep: the contact that a new connection allows is made hours after the webhook that told of it. With the sleep
//! after that, the workflow goes back to its own trace, so that no trace grows for ever.

use opentelemetry::Context;
use std::cell::RefCell;
use temporalio_sdk::TimerResult;
use temporalio_sdk::workflow_interceptors::{
    CancellableWorkflowOutboundFuture, HandleSignalInput, HandleSignalResult, ScheduleActivityInput,
    ScheduleActivityResult, StartTimerInput, WorkflowInterceptor, WorkflowInterceptorContext,
    WorkflowInterceptorFuture, WorkflowNext,
};

/// Sleeps through which a signal's trace goes on.
const SLEEPS: u8 = 1;

/// Of one run of a workflow. It depends on nothing but the history, and changes no command.
#[derive(Default)]
pub(super) struct FollowSignals {
    followed: RefCell<Option<Followed>>,
}

struct Followed {
    signal: Context,
    sleeps: u8,
}

impl WorkflowInterceptor for FollowSignals {
    fn handle_signal<'a>(
        &'a self,
        _ctx: WorkflowInterceptorContext,
        input: HandleSignalInput,
        next: WorkflowNext<'a, HandleSignalInput, WorkflowInterceptorFuture<'a, HandleSignalResult>>,
    ) -> WorkflowInterceptorFuture<'a, HandleSignalResult> {
        // Within the SDK's plugin, so this is the span in which the workflow hears of the signal.
        *self.followed.borrow_mut() = Some(Followed { signal: Context::current(), sleeps: 0 });
        next.run(input)
    }

    fn start_timer(
        &self,
        _ctx: WorkflowInterceptorContext,
        input: StartTimerInput,
        next: WorkflowNext<'static, StartTimerInput, CancellableWorkflowOutboundFuture<TimerResult>>,
    ) -> CancellableWorkflowOutboundFuture<TimerResult> {
        self.followed.borrow_mut().take_if(|followed| {
            followed.sleeps += 1;
            followed.sleeps > SLEEPS
        });
        next.run(input)
    }

    fn schedule_activity(
        &self,
        _ctx: WorkflowInterceptorContext,
        input: ScheduleActivityInput,
        next: WorkflowNext<'static, ScheduleActivityInput, CancellableWorkflowOutboundFuture<ScheduleActivityResult>>,
    ) -> CancellableWorkflowOutboundFuture<ScheduleActivityResult> {
        // On the way out the SDK's plugin comes after this, and begins its span under the current one.
        let signal = self.followed.borrow().as_ref().map(|followed| followed.signal.clone());
        let _current = signal.map(Context::attach);
        next.run(input)
    }
}
