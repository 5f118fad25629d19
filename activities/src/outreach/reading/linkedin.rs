//! A LinkedIn account: pending invitations, connections, messages.

use super::super::events::{TellError, tell_one};
use super::super::look::{Inquiry, InquiryError};
use super::{Books, OVERLAP_MS, ReadError, Reader, contact_of, since_ms};
use crate::senders::{ChatMessage, EventKind, InvitationState, ProviderEvent, SentInvitation, Verdict};
use crate::store::accounts::Account;
use crate::store::readings::{Contact, OpenInvite};
use crate::store::touches::ByHand;
use leadflow_workflows::domain::ids::EnrollmentId;
use leadflow_workflows::domain::outreach::Action;
use leadflow_workflows::enrollment::workflow_id;
use std::collections::{BTreeMap, BTreeSet};

impl Reader<'_> {
    pub(super) async fn read_linkedin(
        &self,
        account: &Account,
        contacts: &[Contact],
        books: &mut Books,
    ) -> Result<(), ReadError> {
        // Read before the connections, so that an invitation that is accepted meanwhile shows in one of the two.
        let pending = self.pending(account).await?;
        self.count_invites_by_hand(account, &pending, contacts).await?;
        let open = self.store.open_invites(&account.tenant, &account.id).await?;
        let mut gone = Vec::new();
        for invite in open {
            let contact = contacts.iter().find(|contact| contact.person_id == invite.person_id);
            match pending.iter().find(|invitation| contact.is_some_and(|contact| is_to(invitation, contact))) {
                Some(invitation) if invite.in_doubt => self.settle_pending(account, &invite, invitation, books).await?,
                Some(_) => {}
                None => gone.push((invite, contact)),
            }
        }
        let whole = gone.iter().any(|(invite, _)| !invite.in_doubt);
        let connected = self.read_relations(account, contacts, whole, books).await?;
        for (invite, contact) in gone {
            if let Some(contact) = contact
                && !connected.contains(&invite.person_id)
                && !invite.in_doubt
                && invite.at_ms + OVERLAP_MS < self.clock.now_ms()
            {
                self.confirm_declined(account, &invite, contact, books).await?;
            }
        }
        self.read_messages(account, contacts, books).await
    }

    async fn pending(&self, account: &Account) -> Result<Vec<SentInvitation>, ReadError> {
        let mut pending = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.sender.sent_invitations(&account.provider_account_id, cursor.as_deref()).await?;
            pending.extend(page.items);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(pending);
            }
        }
    }

    /// The owner's own invitations; of one without an instant nobody knows whether it still counts.
    async fn count_invites_by_hand(
        &self,
        account: &Account,
        pending: &[SentInvitation],
        contacts: &[Contact],
    ) -> Result<(), ReadError> {
        let by_hand = pending
            .iter()
            .filter(|invitation| !contacts.iter().any(|contact| contact.is_invited && is_to(invitation, contact)));
        let by_hand = by_hand.filter_map(|invitation| {
            Some(ByHand {
                action: Action::Invite,
                has_note: invitation.text.as_deref().is_some_and(|text| !text.is_empty()),
                provider_message_id: &invitation.id,
                at_ms: invitation.at_ms?,
            })
        });
        Ok(self.store.note_all_by_hand(&account.tenant, &account.id, by_hand, self.clock.now_ms()).await?)
    }

    async fn settle_pending(
        &self,
        account: &Account,
        invite: &OpenInvite,
        invitation: &SentInvitation,
        books: &mut Books,
    ) -> Result<(), ReadError> {
        let now_ms = self.clock.now_ms();
        if self.store.settle_found_invite(&account.tenant, invite, &invitation.id, now_ms).await? {
            books.settled += 1;
            self.tell_enrollment(account, &invite.enrollment_id).await?;
        }
        Ok(())
    }

    /// Notes new connections with our contacts, and gives all that show. The whole list is read only when an invitation is
    /// gone, because nothing says in which order it comes.
    async fn read_relations(
        &self,
        account: &Account,
        contacts: &[Contact],
        whole: bool,
        books: &mut Books,
    ) -> Result<BTreeSet<String>, ReadError> {
        let since_ms = since_ms(account);
        let mut connected = BTreeSet::new();
        let mut cursor = None;
        loop {
            let page = self.sender.relations(&account.provider_account_id, cursor.as_deref()).await?;
            let is_old = page.items.last().is_some_and(|last| last.created_at_ms.is_some_and(|at_ms| at_ms < since_ms));
            for relation in page.items {
                let contact = contact_of(contacts, Some(&relation.provider_id), relation.public_id.as_deref());
                let Some(contact) = contact else { continue };
                connected.insert(contact.person_id.clone());
                if !contact.is_connected {
                    let event = ProviderEvent {
                        key: format!("new_relation/{}/{}", account.provider_account_id, relation.provider_id),
                        account: account.provider_account_id.clone(),
                        at_ms: relation.created_at_ms,
                        what: EventKind::Connected { provider_id: relation.provider_id, public_id: relation.public_id },
                    };
                    self.note(account, &event, books, None).await?;
                }
            }
            cursor = page.cursor;
            if cursor.is_none() || (is_old && !whole) {
                return Ok(connected);
            }
        }
    }

    /// An invitation that shows nowhere any more: the profile says what became of it, as lists lag behind each other.
    async fn confirm_declined(
        &self,
        account: &Account,
        invite: &OpenInvite,
        contact: &Contact,
        books: &mut Books,
    ) -> Result<(), ReadError> {
        let Some(person) = contact.provider_id.as_deref().or(contact.public_id.as_deref()) else { return Ok(()) };
        let OpenInvite { campaign_id, enrollment_id, person_id, .. } = invite;
        let inquiry = Inquiry { campaign_id, enrollment_id, person_id, ..self.inquiry(account) };
        let profile = match inquiry.profile(person).await {
            Ok(profile) => profile,
            // A later reading asks.
            Err(InquiryError::NotBefore(_)) => return Ok(()),
            // A member who has left LinkedIn has no invitation either.
            Err(InquiryError::Send(error)) if error.verdict == Verdict::Unreachable => {
                return self.decline(account, invite, books).await;
            }
            Err(InquiryError::Send(error)) => return Err(error.into()),
            Err(InquiryError::Store(error)) => return Err(error.into()),
        };
        if profile.is_connection {
            let event = ProviderEvent {
                key: format!("new_relation/{}/{}", account.provider_account_id, profile.provider_id),
                account: account.provider_account_id.clone(),
                at_ms: None,
                what: EventKind::Connected { provider_id: profile.provider_id, public_id: profile.public_id },
            };
            self.note(account, &event, books, None).await?;
        } else if profile.invitation != Some(InvitationState::Pending) {
            self.decline(account, invite, books).await?;
        }
        Ok(())
    }

    async fn decline(&self, account: &Account, invite: &OpenInvite, books: &mut Books) -> Result<(), ReadError> {
        if self.store.note_declined(&account.tenant, invite, self.clock.now_ms()).await? {
            books.learnt += 1;
            self.tell_enrollment(account, &invite.enrollment_id).await?;
        }
        Ok(())
    }

    async fn tell_enrollment(&self, account: &Account, id: &str) -> Result<(), TellError> {
        let id = workflow_id(&EnrollmentId(id.to_owned()));
        tell_one(self.store, self.teller, &account.tenant, &id).await
    }

    async fn read_messages(&self, account: &Account, contacts: &[Contact], books: &mut Books) -> Result<(), ReadError> {
        let since_ms = since_ms(account);
        let mut messages: Vec<ChatMessage> = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.sender.messages(&account.provider_account_id, cursor.as_deref()).await?;
            let is_old = page.items.last().is_some_and(|last| last.at_ms.is_some_and(|at_ms| at_ms < since_ms));
            messages
                .extend(page.items.into_iter().filter(|message| message.at_ms.is_none_or(|at_ms| at_ms >= since_ms)));
            cursor = page.cursor;
            if cursor.is_none() || is_old {
                break;
            }
        }
        let chats = self.chats_with(account, contacts, &messages).await?;
        let person_of = |message: &ChatMessage| {
            let sender = message.sender_id.clone().filter(|_| !message.is_ours);
            sender.or_else(|| chats.get(&message.chat_id).cloned())
        };
        let (known, others): (Vec<_>, Vec<_>) =
            messages.into_iter().map(|message| (person_of(&message), message)).partition(|(person, message)| {
                contacts.iter().any(|contact| contact.chat_id.as_deref() == Some(&message.chat_id))
                    || contact_of(contacts, person.as_deref(), None).is_some()
            });
        // In a chat whose other party is not told, it may be one of ours.
        let by_hand = others.iter().filter(|(person, message)| message.is_ours && person.is_some());
        let by_hand = by_hand.filter_map(|(_, message)| {
            Some(ByHand {
                action: Action::Message,
                has_note: false,
                provider_message_id: &message.id,
                at_ms: message.at_ms?,
            })
        });
        self.store.note_all_by_hand(&account.tenant, &account.id, by_hand, self.clock.now_ms()).await?;
        // In the order in which they were written.
        for (person, message) in known.into_iter().rev() {
            let event = ProviderEvent {
                key: format!("message_received/{}/{}", account.provider_account_id, message.id),
                account: account.provider_account_id.clone(),
                at_ms: message.at_ms,
                what: EventKind::Message {
                    person_provider_id: person,
                    chat_id: message.chat_id,
                    message_id: message.id,
                    sender_provider_id: message.sender_id.unwrap_or_default(),
                    is_ours: message.is_ours,
                    text: message.text.unwrap_or_default(),
                },
            };
            self.note(account, &event, books, None).await?;
        }
        Ok(())
    }

    /// With whom the chats are that messages of ours belong to: a message tells only its sender.
    async fn chats_with(
        &self,
        account: &Account,
        contacts: &[Contact],
        messages: &[ChatMessage],
    ) -> Result<BTreeMap<String, String>, ReadError> {
        let known: BTreeSet<&str> = contacts.iter().filter_map(|contact| contact.chat_id.as_deref()).collect();
        let ours = messages.iter().filter(|message| message.is_ours).map(|message| message.chat_id.as_str());
        let mut unknown: BTreeSet<&str> = ours.filter(|chat| !known.contains(chat)).collect();
        let mut chats = BTreeMap::new();
        let mut cursor = None;
        while !unknown.is_empty() {
            let page = self.sender.chats(&account.provider_account_id, cursor.as_deref()).await?;
            for chat in page.items {
                unknown.remove(chat.id.as_str());
                chats.extend(chat.person_provider_id.map(|person| (chat.id, person)));
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(chats)
    }
}

fn is_to(invitation: &SentInvitation, contact: &Contact) -> bool {
    let one = std::slice::from_ref(contact);
    contact_of(one, invitation.person_provider_id.as_deref(), invitation.person_public_id.as_deref()).is_some()
}
