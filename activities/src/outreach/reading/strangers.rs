//! Messages from people whom an account has never seen. The provider has another id of each person for every account, and the
//! event of a message tells no other: who answers another account than the one that wrote to them is nobody before a look.

use super::super::events::{FROM_NOBODY, learn, reprocess, tell};
use super::super::look::InquiryError;
use super::{Books, ReadError, Reader};
use crate::senders::{EventKind, ProviderEvent, SendError, Verdict};
use crate::store::accounts::Account;
use crate::store::events::StoredEvent;
use crate::store::searches::from_json;
use leadflow_workflows::domain::permits::{DAY_MS, WEEK_MS};
use std::collections::BTreeMap;

/// What [`FROM_NOBODY`] becomes by a look, so that nobody looks again at this sender for a day.
const LOOKED_AT: &str = "unmatched: by their profile, the sender is nobody known here";
/// What it becomes when the profile was not shown; these come after those that nobody has tried.
const NOT_SHOWN: &str = "unmatched: the sender's profile was not shown, and will be asked for again";
const AT_MOST: u32 = 100;
/// So soon a profile that was not shown is asked for again while its owner's message is young.
const AGAIN_MS: i64 = 3_600_000;

impl Reader<'_> {
    /// The messages of the last week whose senders are not known yet, the newest first. None where no answer is waited for:
    /// the event of a message has its account told only where one is.
    pub(super) async fn strangers(&self, account: &Account) -> Result<Vec<StoredEvent>, ReadError> {
        let since_ms = self.clock.now_ms() - WEEK_MS;
        let mut messages = Vec::new();
        for effect in [FROM_NOBODY, NOT_SHOWN] {
            messages
                .extend(self.store.messages_of_nobody(&account.tenant, &account.id, effect, since_ms, AT_MOST).await?);
        }
        messages.retain(|message| !message.tell.is_empty());
        Ok(messages)
    }

    /// Looks at their senders, as far as the account's limits allow. What somebody known has written is applied then.
    pub(super) async fn recognise(
        &self,
        account: &Account,
        messages: &[StoredEvent],
        books: &mut Books,
    ) -> Result<(), ReadError> {
        if messages.is_empty() || account.state != "active" {
            return Ok(());
        }
        let (store, tenant, now_ms) = (self.store, account.tenant.as_str(), self.clock.now_ms());
        if let Some(until_ms) = account.deferred_until_ms.filter(|until_ms| *until_ms > now_ms) {
            books.look_at_ms = Some(until_ms);
            return Ok(());
        }
        let looked_at = store.messages_of_nobody(tenant, &account.id, LOOKED_AT, now_ms - DAY_MS, AT_MOST).await?;
        let mut looked: BTreeMap<String, Looked> =
            looked_at.iter().filter_map(sender).map(|sender| (sender, Looked::Unknown)).collect();
        for message in messages {
            // What cannot be read, as after a change of its form, is nobody's.
            let Some(sender) = sender(message) else {
                store.note_other_effect(tenant, &message.id, LOOKED_AT).await?;
                continue;
            };
            let came = match looked.get(&sender) {
                Some(came) => *came,
                None => self.look_at(account, &sender).await?,
            };
            looked.insert(sender, came);
            match came {
                Looked::Known => {
                    if let Some(received) = reprocess(store, self.clock, tenant, message).await? {
                        tell(store, self.teller, self.clock, tenant, &received.event_id, &received.tell).await?;
                        books.learnt += 1;
                    }
                }
                Looked::Unknown => store.note_other_effect(tenant, &message.id, LOOKED_AT).await?,
                Looked::NotShown => {
                    store.note_other_effect(tenant, &message.id, NOT_SHOWN).await?;
                    if message.received_at_ms > now_ms - DAY_MS {
                        books.look_at_ms = Some(now_ms + AGAIN_MS);
                    }
                }
                Looked::NotBefore(at_ms) => {
                    books.look_at_ms = Some(at_ms);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn look_at(&self, account: &Account, sender: &str) -> Result<Looked, ReadError> {
        // Most of them are none of our business, so of whom it was nothing is kept.
        let profile = match self.inquiry(account).profile(sender).await {
            Ok(profile) => profile,
            Err(InquiryError::NotBefore(at_ms)) => return Ok(Looked::NotBefore(at_ms)),
            Err(InquiryError::Store(error)) => return Err(error.into()),
            Err(InquiryError::Send(error)) => return unseen(error),
        };
        let Some(public_id) = profile.public_id else { return Ok(Looked::Unknown) };
        let is_known = learn(self.store, account, sender, &public_id, self.clock.now_ms()).await?;
        Ok(if is_known { Looked::Known } else { Looked::Unknown })
    }
}

/// What came of a look.
#[derive(Clone, Copy)]
enum Looked {
    /// Somebody known here.
    Known,
    Unknown,
    NotShown,
    /// The limits allow no look now.
    NotBefore(i64),
}

/// A profile that is not shown: for good, for now, or because the account can do nothing.
fn unseen(error: SendError) -> Result<Looked, ReadError> {
    match error.verdict {
        Verdict::Unreachable | Verdict::Refused => Ok(Looked::Unknown),
        Verdict::PauseAccount { .. } | Verdict::DeferAccount { .. } => Err(error.into()),
        _ => Ok(Looked::NotShown),
    }
}

fn sender(message: &StoredEvent) -> Option<String> {
    match from_json(&message.body).ok()? {
        ProviderEvent { what: EventKind::Message { person_provider_id, .. }, .. } => person_provider_id,
        _ => None,
    }
}
