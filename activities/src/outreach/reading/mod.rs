//! Reads what happened on an account: what webhooks lost, what they tell late, and what became of contacts in doubt.

mod activity;
mod linkedin;
mod mail;
mod strangers;
#[cfg(test)]
mod tests;

use super::events::{By, TellError, Teller, record, tell};
use super::look::Inquiry;
use crate::senders::{AccountStatus, EventKind, ProviderEvent, SendError, Sender, Verdict};
use crate::store::accounts::{Account, defer_account, set_account_state};
use crate::store::enrollments::lock_account;
use crate::store::readings::Contact;
use crate::store::{Store, StoreError};
use futures::FutureExt;
use leadflow_clock::Clock;
use leadflow_workflows::contract::AccountAdvice;
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::domain::permits::DAY_MS;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// How far back of its mark a list is read again: what happened shows late.
const OVERLAP_MS: i64 = DAY_MS;
/// On average between two readings.
const PAUSE: Duration = Duration::from_hours(6);
/// So soon the lists are not read again when somebody unknown has written: providers take a few readings a day.
const LISTS_REST_MS: i64 = 4 * 3_600_000;
/// However fast the clock runs, an account is not read without pause.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);

/// The marks of an account: until when its lists were read, and when that was tried in vain.
const LISTS: &str = "lists";
const TRIED: &str = "tried";

/// What reading needs.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) store: &'a Store,
    pub(crate) sender: &'a dyn Sender,
    pub(crate) teller: &'a dyn Teller,
    pub(crate) clock: Clock,
    /// Real time that the reading of one profile may take.
    pub(crate) read_ms: u64,
}

/// What a reading brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Books {
    settled: u32,
    learnt: u32,
    /// When a look at somebody who wrote may be taken that is put off now.
    look_at_ms: Option<i64>,
}

/// Why a reading did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Tell(#[from] TellError),
}

impl Reader<'_> {
    /// Reads status and lists of an account, stores what is new, and says when to come back.
    ///
    /// Safe to repeat: every fact is stored under the provider's id of it, and the marks move only at the end.
    pub(crate) async fn read(&self, tenant: &str, account_id: &str) -> Result<AccountAdvice, ReadError> {
        let mut books = Books::default();
        let removed = AccountAdvice { state: "removed".into(), settled: 0, learnt: 0, sleep_ms: 0 };
        let Some(account) = self.store.account(tenant, account_id).await? else { return Ok(removed) };
        let mut wait = None;
        match self.sender.account(&account.provider_account_id).await {
            Ok(shown) => match self.read_all(&account, shown.status, &mut books).await {
                Ok(()) => {}
                Err(ReadError::Send(error)) => {
                    // Whatever is wrong with a list, the account itself was shown.
                    wait = self.put_up_with(&account, None, error).await?;
                    let now_ms = self.clock.now_ms();
                    let mut marks = account.marks.clone();
                    marks.insert(TRIED.to_owned(), now_ms);
                    self.store.account_was_read(tenant, account_id, &marks, now_ms).await?;
                }
                Err(error) => return Err(error),
            },
            Err(error) => wait = self.put_up_with(&account, state_by(error.verdict), error).await?,
        }
        let Some(account) = self.store.account(tenant, account_id).await? else { return Ok(removed) };
        let mut pause = wait.unwrap_or(PAUSE).mul_f64(rand::random_range(0.75..=1.25));
        if let Some(at_ms) = books.look_at_ms {
            let until_look = u64::try_from(at_ms - self.clock.now_ms()).unwrap_or(0);
            pause = pause.min(Duration::from_millis(until_look));
        }
        let sleep = self.clock.real_duration(pause).max(SHORTEST_PAUSE);
        Ok(AccountAdvice {
            state: account.state,
            settled: books.settled,
            learnt: books.learnt,
            sleep_ms: u64::try_from(sleep.as_millis()).unwrap_or(u64::MAX),
        })
    }

    async fn read_all(&self, account: &Account, status: AccountStatus, books: &mut Books) -> Result<(), ReadError> {
        let started_ms = self.clock.now_ms();
        self.note_status(account, status).await?;
        if status.can_send() != Some(true) || account.state == "restricted" {
            return Ok(());
        }
        let strangers = self.strangers(account).await?;
        self.recognise(account, &strangers, books).await?;
        let read_ms = [LISTS, TRIED].into_iter().filter_map(|mark| account.marks.get(mark)).max();
        let is_fresh = |read_ms: &i64| started_ms - read_ms < LISTS_REST_MS && account.state_at_ms < *read_ms;
        if !strangers.is_empty() && read_ms.is_some_and(is_fresh) {
            return Ok(());
        }
        let contacts = self.store.contacts(&account.tenant, &account.id).await?;
        match account.channel {
            Channel::Linkedin => self.read_linkedin(account, &contacts, books).await?,
            Channel::Email => self.read_mailbox(account, &contacts, books).await?,
        }
        let marks = BTreeMap::from([(LISTS.to_owned(), started_ms)]);
        Ok(self.store.account_was_read(&account.tenant, &account.id, &marks, started_ms).await?)
    }

    /// A look at a profile that is of nobody's enrollment.
    fn inquiry<'a>(&'a self, account: &'a Account) -> Inquiry<'a> {
        Inquiry {
            store: self.store,
            sender: self.sender,
            clock: self.clock,
            read_ms: self.read_ms,
            account,
            campaign_id: "",
            enrollment_id: "",
            person_id: "",
        }
    }

    /// The provider's present word about an account, which a webhook may have lost.
    async fn note_status(&self, account: &Account, status: AccountStatus) -> Result<(), ReadError> {
        let is_news = match status.can_send() {
            Some(true) => account.state == "disconnected",
            Some(false) => account.state == "active",
            None => false,
        };
        if is_news {
            let event = ProviderEvent {
                key: format!("account_status/{}/{}", account.provider_account_id, Uuid::now_v7()),
                account: account.provider_account_id.clone(),
                at_ms: None,
                what: EventKind::AccountStatus { status },
            };
            let own = leadflow_workflows::sender_account::workflow_id(&account.id.clone().into());
            // This reading is the look that the account would be told to take.
            self.note(account, &event, &mut Books::default(), Some(&own)).await?;
        }
        Ok(())
    }

    /// Stores and applies what a list shows, and has the workflows look.
    async fn note(
        &self,
        account: &Account,
        event: &ProviderEvent,
        books: &mut Books,
        but: Option<&str>,
    ) -> Result<bool, ReadError> {
        if self.store.knows_event(&account.tenant, &account.provider, &event.key).await? {
            return Ok(false);
        }
        let Some(received) = record(self.store, self.clock, &account.tenant, event, By::List).await? else {
            return Ok(false);
        };
        let workflows: Vec<String> = received.tell.into_iter().filter(|id| Some(id.as_str()) != but).collect();
        if !workflows.is_empty() || but.is_some() {
            tell(self.store, self.teller, self.clock, &account.tenant, &received.event_id, &workflows).await?;
        }
        books.learnt += u32::from(received.is_new);
        books.settled += u32::from(received.settled);
        Ok(true)
    }

    /// Goes on after an error of the provider, with the account in this state if there is one; how long to wait, when that is
    /// not the usual time. Errors that pass by themselves are returned, so that the reading is tried again soon.
    async fn put_up_with(
        &self,
        account: &Account,
        state: Option<&str>,
        error: SendError,
    ) -> Result<Option<Duration>, ReadError> {
        let now_ms = self.clock.now_ms();
        let wait = match error.verdict {
            Verdict::DeferAccount { wait, .. } | Verdict::DeferLead { wait } => Some(wait),
            // Shown as if it could work: it rests, and the next reading sees.
            Verdict::PauseAccount { .. } if state.is_none() => Some(PAUSE),
            Verdict::Backoff | Verdict::Unknown => return Err(error.into()),
            _ => None,
        };
        tracing::warn!(account = %account.id, kind = %error.kind, "an account could not be read");
        let reason = &error.to_string();
        self.store
            .write(|transaction| {
                async move {
                    lock_account(transaction, self.store.for_update(), &account.tenant, &account.id).await?;
                    if let Some(state) = state {
                        let reason = Some(reason.as_str());
                        set_account_state(transaction, &account.tenant, &account.id, state, reason, now_ms).await?;
                    }
                    if let Some(wait) = wait {
                        let until_ms = now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
                        defer_account(transaction, &account.tenant, &account.id, until_ms, reason).await?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await?;
        Ok(wait.map(|wait| wait.max(PAUSE)))
    }
}

/// The state of an account that the provider does not show.
fn state_by(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::PauseAccount { restricted: true } => Some("restricted"),
        // Of an account that is gone the provider knows nothing.
        Verdict::PauseAccount { restricted: false } | Verdict::Unreachable => Some("disconnected"),
        Verdict::NeedsPerson => Some("held"),
        _ => None,
    }
}

/// From when on the lists of an account are read.
fn since_ms(account: &Account) -> i64 {
    account.marks.get(LISTS).copied().unwrap_or(account.created_at_ms) - OVERLAP_MS
}

/// A contact by what a list shows of them.
fn contact_of<'a>(contacts: &'a [Contact], provider_id: Option<&str>, public_id: Option<&str>) -> Option<&'a Contact> {
    let same = |one: Option<&str>, other: Option<&str>| one.is_some() && one == other;
    contacts.iter().find(|contact| {
        same(contact.provider_id.as_deref(), provider_id) || same(contact.public_id.as_deref(), public_id)
    })
}
