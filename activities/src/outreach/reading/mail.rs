//! A mailbox: what was sent, what came back.

use super::{Books, ReadError, Reader, since_ms};
use crate::senders::{EventKind, MailMessage, ProviderEvent};
use crate::store::accounts::Account;
use crate::store::readings::Contact;
use crate::store::touches::ByHand;
use leadflow_workflows::domain::outreach::Action;
use std::collections::BTreeSet;

impl Reader<'_> {
    pub(super) async fn read_mailbox(
        &self,
        account: &Account,
        contacts: &[Contact],
        books: &mut Books,
    ) -> Result<(), ReadError> {
        let since_ms = since_ms(account);
        let mut mails: Vec<MailMessage> = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.sender.emails(&account.provider_account_id, cursor.as_deref()).await?;
            let is_old = page.items.last().is_some_and(|last| last.at_ms.is_some_and(|at_ms| at_ms < since_ms));
            mails.extend(page.items.into_iter().filter(|mail| mail.at_ms.is_none_or(|at_ms| at_ms >= since_ms)));
            cursor = page.cursor;
            if cursor.is_none() || is_old {
                break;
            }
        }
        for mail in &mut mails {
            mail.is_ours |= account.writes_from(&mail.from);
        }
        let addresses: BTreeSet<&str> =
            contacts.iter().flat_map(|contact| contact.addresses.iter().map(String::as_str)).collect();
        let (known, others): (Vec<_>, Vec<_>) = mails.into_iter().partition(|mail| concerns(mail, &addresses));
        let by_hand = others.iter().filter(|mail| mail.is_ours).filter_map(|mail| {
            Some(ByHand {
                action: Action::Email,
                has_note: false,
                provider_message_id: mail.tracking_id.as_ref().unwrap_or(&mail.id),
                at_ms: mail.at_ms?,
            })
        });
        self.store.note_all_by_hand(&account.tenant, &account.id, by_hand, self.clock.now_ms()).await?;
        // In the order in which they were written.
        for mail in known.into_iter().rev() {
            let name = if mail.is_ours { "mail_sent" } else { "mail_received" };
            let event = ProviderEvent {
                key: format!("{name}/{}/{}", account.provider_account_id, mail.id),
                account: account.provider_account_id.clone(),
                at_ms: mail.at_ms,
                what: EventKind::Mail {
                    email_id: mail.id,
                    message_id: mail.message_id,
                    from: mail.from,
                    to: mail.to,
                    subject: mail.subject,
                    text: mail.body_plain,
                    in_reply_to: mail.in_reply_to,
                    tracking_id: mail.tracking_id,
                    is_ours: mail.is_ours,
                    auto_submitted: mail.auto_submitted,
                    may_be_automatic: mail.may_be_automatic,
                    bounced_address: mail.bounced_address,
                    complaint_address: mail.complaint_address,
                },
            };
            self.note(account, &event, books, None).await?;
        }
        Ok(())
    }
}

/// Whether a mail may be to or from a contact; who answers one of ours may do so from an address that nobody knows.
fn concerns(mail: &MailMessage, addresses: &BTreeSet<&str>) -> bool {
    let mut named =
        std::iter::once(&mail.from).chain(&mail.to).chain(&mail.bounced_address).chain(&mail.complaint_address);
    (!mail.is_ours && mail.in_reply_to.is_some())
        || named.any(|address| addresses.contains(address.to_lowercase().as_str()))
}
