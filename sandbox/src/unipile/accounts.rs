//! The accounts that are linked from the start, and their state.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Answered;
use super::errors::error;
use super::options::AccountChange;
use super::pages::{Bounds, page, timestamp};
use super::state::State;
use super::webhooks::{Announcement, Source};
use crate::exchange::{Call, Reply};

const STATUSES: [&str; 6] = ["OK", "CREDENTIALS", "ERROR", "STOPPED", "PERMISSIONS", "CONNECTING"];
/// When all accounts were linked: 1 October 2025.
const LINKED_AT_MS: i64 = 1_759_276_800_000;
const LINKED_IN_ACCOUNTS: usize = 20;
const FREE_ACCOUNTS: usize = 4;
const MAIL_ACCOUNTS: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Paid,
    Free,
    Mail,
}

/// What an account did that LinkedIn counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    Invite,
    Note,
    Message,
    ProfileView,
    InMail,
}

#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Counts within its kind.
    number: usize,
    status: String,
    is_restricted: bool,
    acts: BTreeMap<Act, Vec<i64>>,
}

impl Account {
    pub(super) fn all() -> BTreeMap<String, Self> {
        let series = |prefix: &'static str, kind, count| {
            (1..=count).map(move |number| Self {
                id: format!("{prefix}{number}"),
                kind,
                number,
                status: "OK".to_owned(),
                is_restricted: false,
                acts: BTreeMap::new(),
            })
        };
        let accounts = series("acc_li_", Kind::Paid, LINKED_IN_ACCOUNTS)
            .chain(series("acc_li_free_", Kind::Free, FREE_ACCOUNTS))
            .chain(series("acc_mail_", Kind::Mail, MAIL_ACCOUNTS));
        accounts.map(|account| (account.id.clone(), account)).collect()
    }

    pub(super) fn owner_name(&self) -> String {
        let free = if self.kind == Kind::Free { "Free " } else { "" };
        format!("Sandbox {free}Owner {}", self.number)
    }

    /// LinkedIn's id of the owner, as the account itself sees it.
    pub(super) fn owner_id(&self) -> String {
        let free = if self.kind == Kind::Free { "Free" } else { "" };
        format!("ACoAAowner{free}{:04}", self.number)
    }

    pub(super) fn address(&self) -> String {
        format!("owner{}@senders.example", self.number)
    }

    pub(super) fn type_name(&self) -> &'static str {
        if self.kind == Kind::Mail { "MAIL" } else { "LINKEDIN" }
    }

    pub(super) fn count(&mut self, act: Act, at_ms: i64) {
        self.acts.entry(act).or_default().push(at_ms);
    }

    /// How often it did `act` in the `window_ms` before `now_ms`.
    pub(super) fn used(&self, act: Act, now_ms: i64, window_ms: i64) -> usize {
        let after_ms = now_ms.saturating_sub(window_ms);
        self.acts.get(&act).map_or(0, |acts| acts.iter().filter(|at_ms| **at_ms > after_ms).count())
    }

    fn view(&self) -> Value {
        let connection = if self.kind == Kind::Mail {
            json!({"mail": {
                "imap_host": "imap.senders.example", "imap_port": 993, "imap_user": self.address(),
                "smtp_host": "smtp.senders.example", "smtp_port": 465, "smtp_user": self.address(),
            }})
        } else {
            let features = if self.kind == Kind::Paid { json!(["premium"]) } else { json!([]) };
            let contract = (self.kind == Kind::Paid).then(|| format!("contract-{}", self.number));
            json!({"im": {
                "id": self.owner_id(), "username": self.owner_name(), "publicIdentifier": format!("sandbox-{}", self.id),
                "premiumContractId": contract, "premiumFeatures": features,
            }})
        };
        let name = if self.kind == Kind::Mail { self.address() } else { self.owner_name() };
        json!({
            "object": "Account", "id": self.id, "type": self.type_name(), "name": name,
            "created_at": timestamp(LINKED_AT_MS), "connection_params": connection, "groups": [],
            "sources": [{"id": format!("{}_source", self.id), "status": self.status}],
        })
    }
}

impl State {
    /// The account that a call names, if it is of the right kind and able to work.
    pub(super) fn account_of(&mut self, call: &Call, is_mail: bool) -> Result<&mut Account, Reply> {
        let named = call.parameter("account_id").or_else(|| call.field("account_id"));
        let id = named.ok_or_else(|| error("missing_parameters", "account_id is required"))?.to_owned();
        let account = self.working_account(&id)?;
        if (account.kind == Kind::Mail) != is_mail {
            return Err(error("invalid_account", "The account cannot do this."));
        }
        Ok(account)
    }

    pub(super) fn working_account(&mut self, id: &str) -> Result<&mut Account, Reply> {
        let unknown = || error("resource_not_found", "No account has this id.");
        let account = self.accounts.get_mut(id).ok_or_else(unknown)?;
        if account.is_restricted {
            return Err(error("account_restricted", "LinkedIn has restricted the account."));
        }
        if account.status != "OK" {
            return Err(error("disconnected_account", "The account must be connected again."));
        }
        Ok(account)
    }

    pub(super) fn list_accounts(&mut self, call: &Call) -> Answered {
        let accounts: Vec<_> = self.accounts.values().collect();
        let total = accounts.len();
        let mut reply = page(call, "AccountList", Bounds::USUAL, accounts, Account::view)?;
        let of_status = |status| self.accounts.values().filter(|account| account.status == status).count();
        let counts =
            ["OK", "CONNECTING", "CREDENTIALS", "STOPPED"].map(|status| (status.to_owned(), json!(of_status(status))));
        reply.body["total_count"] = json!(total);
        reply.body["status_counts"] = Value::Object(counts.into_iter().collect());
        Ok(reply)
    }

    pub(super) fn get_account(&mut self, id: &str) -> Answered {
        let unknown = || error("resource_not_found", "No account has this id.");
        Ok(Reply::free(200, self.accounts.get(id).ok_or_else(unknown)?.view()))
    }

    /// Applies `change` and announces the new status.
    pub(super) fn change_account(&mut self, at_ms: i64, id: &str, change: &AccountChange) -> Result<(), String> {
        let account = self.accounts.get_mut(id).ok_or_else(|| no_account(id))?;
        if let Some(restricted) = change.restricted {
            account.is_restricted = restricted;
            account.status = String::from(if restricted { "ERROR" } else { "OK" });
        }
        if let Some(status) = &change.status {
            if !STATUSES.contains(&status.as_str()) {
                return Err(format!("{status:?} is no status of an account; hint: one of {}", STATUSES.join(", ")));
            }
            account.status.clone_from(status);
        }
        let (status, type_name) = (account.status.clone(), account.type_name());
        let number = self.number();
        self.announce(
            at_ms,
            &Announcement {
                account: id.to_owned(),
                source: Source::AccountStatus,
                event: "account_status",
                person: None,
                kind: status.clone(),
                message_id: None,
                key: format!("status {id} {number}"),
                delay_ms: 0,
                body: json!({"AccountStatus": {"account_id": id, "account_type": type_name, "message": status}}),
            },
        );
        Ok(())
    }
}

pub(super) fn no_account(id: &str) -> String {
    format!(
        "no account is called {id:?}; hint: acc_li_1 to acc_li_{LINKED_IN_ACCOUNTS}, acc_li_free_1 to \
         acc_li_free_{FREE_ACCOUNTS}, acc_mail_1 to acc_mail_{MAIL_ACCOUNTS}"
    )
}
