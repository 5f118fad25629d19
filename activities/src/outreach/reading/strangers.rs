//! Messages from people whom an account has never seen. The provider has another id of each person for every account, and the
//! event of a message tells no other: who answers another account than the one that wrote to them is nobody before a look.

use super::super::events::{FROM_NOBODY, learn, reprocess, tell};
use super::super::look::{Inquiry, InquiryError};
use super::{Books, ReadError, Reader};
use crate::senders::{EventKind, ProviderEvent, Verdict};
use crate::store::accounts::Account;
use crate::store::searches::from_json;
use leadflow_workflows::domain::permits::DAY_MS;
use std::collections::BTreeMap;

/// What [`FROM_NOBODY`] becomes by a look, so that nobody looks again.
const LOOKED_AT: &str = "unmatched: by their profile, the sender is nobody known here";
/// Messages that one reading looks into.
const AT_MOST: u32 = 10;
/// So long after a contact somebody may still answer it.
const ANSWERED_WITHIN_MS: i64 = 90 * DAY_MS;

impl Reader<'_> {
    /// Looks once at the sender of each such message, the newest first, as far as the account's limits allow. What somebody
    /// known has written is applied then.
    pub(super) async fn recognise(&self, account: &Account, books: &mut Books) -> Result<(), ReadError> {
        let (store, tenant) = (self.store, account.tenant.as_str());
        let since_ms = self.clock.now_ms() - ANSWERED_WITHIN_MS;
        let messages = store.messages_of_nobody(tenant, &account.id, FROM_NOBODY, since_ms, AT_MOST).await?;
        let mut seen: BTreeMap<String, bool> = BTreeMap::new();
        for message in &messages {
            let event: ProviderEvent = from_json(&message.body)?;
            let EventKind::Message { person_provider_id: Some(sender), .. } = event.what else { continue };
            let is_known = match seen.get(&sender) {
                Some(is_known) => *is_known,
                None => match self.knows(account, &sender).await? {
                    Ok(is_known) => is_known,
                    Err(at_ms) => {
                        books.look_at_ms = Some(at_ms);
                        return Ok(());
                    }
                },
            };
            seen.insert(sender, is_known);
            if !is_known {
                store.note_other_effect(tenant, &message.id, LOOKED_AT).await?;
            } else if let Some(received) = reprocess(store, self.clock, tenant, message).await? {
                tell(store, self.teller, self.clock, tenant, &received.event_id, &received.tell).await?;
                books.learnt += 1;
            }
        }
        Ok(())
    }

    /// Whether a sender is somebody known here, by their profile; or when to look, if that is not now.
    async fn knows(&self, account: &Account, sender: &str) -> Result<Result<bool, i64>, ReadError> {
        let inquiry = Inquiry {
            store: self.store,
            sender: self.sender,
            clock: self.clock,
            read_ms: self.read_ms,
            account,
            // Most of them are none of our business, so of whom it was nothing is kept.
            campaign_id: "",
            enrollment_id: "",
            person_id: "",
        };
        let profile = match inquiry.profile(sender).await {
            Ok(profile) => profile,
            Err(InquiryError::NotBefore(at_ms)) => return Ok(Err(at_ms)),
            Err(InquiryError::Store(error)) => return Err(error.into()),
            Err(InquiryError::Send(error)) => match error.verdict {
                Verdict::PauseAccount { .. } | Verdict::DeferAccount { .. } => return Err(error.into()),
                Verdict::Backoff | Verdict::Unknown => return Ok(Err(self.clock.now_ms())),
                // A profile that cannot be seen holds no account.
                _ => return Ok(Ok(false)),
            },
        };
        match profile.public_id {
            Some(public_id) => {
                let now_ms = self.clock.now_ms();
                Ok(Ok(learn(self.store, account, sender, &public_id, now_ms).await?))
            }
            None => Ok(Ok(false)),
        }
    }
}
