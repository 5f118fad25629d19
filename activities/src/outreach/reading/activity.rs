//! Reading as an activity.

use super::{ReadError, Reader};
use crate::outreach::activities::{OutreachWork, store_failure};
use crate::outreach::events::TellError;
use crate::search::alive;
use futures::{FutureExt, TryFutureExt};
use leadflow_workflows::contract::{AccountAdvice, AccountRef};
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

impl OutreachWork {
    /// Reads an account. What is stored when it is interrupted stays.
    pub(in crate::outreach) async fn read_account(
        &self,
        ctx: &ActivityContext,
        account: &AccountRef,
    ) -> Result<AccountAdvice, ActivityError> {
        let reader = Reader {
            store: &self.store,
            sender: &*self.sender,
            teller: &*self.workflows,
            clock: self.clock,
            read_ms: self.config.timings.touch_read_ms,
        };
        alive(ctx, reader.read(account.tenant.as_str(), account.account_id.as_str()).map_err(failure).boxed()).await
    }
}

fn failure(error: ReadError) -> ActivityError {
    match error {
        ReadError::Store(error) | ReadError::Tell(TellError::Store(error)) => store_failure(error),
        ReadError::Send(error) => {
            let kind = error.kind.clone();
            ApplicationFailure::builder(error.to_string()).type_name(kind).build().into()
        }
        ReadError::Tell(error) => {
            ApplicationFailure::builder(error.to_string()).type_name("temporal_unreachable".to_owned()).build().into()
        }
    }
}
