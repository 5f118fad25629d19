//! What `starter account show` tells: limits, what is used of them, warm-up and health.

use super::health::{Level, Sign, signs};
use super::words::shown_hours;
use crate::commands::{columns, instant};
use crate::failure::Failure;
use crate::output::figures::duration;
use crate::output::{SANDBOX_NOTICE, SANDBOX_SOURCE, printable, wrapped};
use leadflow_activities::store::Store;
use leadflow_activities::store::accounts::Account;
use leadflow_workflows::domain::outreach::{Action, Channel, Hold};
use leadflow_workflows::domain::permits::{ActionLimit, DAY_MS, Use, next_free};
use schemars::JsonSchema;
use serde::Serialize;

/// Health looks so far back.
const HEALTH_MS: i64 = 30 * DAY_MS;

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AccountReport {
    pub(super) account_id: String,
    pub(super) name: String,
    pub(super) channel: Channel,
    pub(super) provider_account_id: String,
    pub(super) source: String,
    pub(super) state: String,
    pub(super) works: String,
    pub(super) time_zone: String,
    pub(super) country: String,
    pub(super) is_free: bool,
    pub(super) limits: Vec<LimitUse>,
    /// Days of warm-up that are over, and all of them, while it lasts.
    pub(super) warm_up: Option<(i64, u32)>,
    /// Notes with invitations in the last 30 days, and their limit.
    pub(super) notes: Option<(usize, u32)>,
    pub(super) health: Vec<Sign>,
    pub(super) open_enrollments: usize,
    pub(super) added_at_ms: i64,
}

/// One action's limit, and what is used of it.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct LimitUse {
    pub(super) action: Action,
    #[serde(flatten)]
    pub(super) limit: ActionLimit,
    /// What the warm-up leaves of the limit of a day for now.
    pub(super) per_day_now: u32,
    /// And of that of 7 days.
    pub(super) per_week_now: u32,
    pub(super) used_day: usize,
    pub(super) used_week: usize,
    /// Reserved for later.
    pub(super) reserved: usize,
    pub(super) next_free_at_ms: i64,
    /// Why not now.
    pub(super) hold: Option<Hold>,
}

impl AccountReport {
    pub(crate) async fn read(store: &Store, account: Account, now_ms: i64) -> Result<Self, Failure> {
        let (tenant, id) = (account.tenant.as_str(), account.id.as_str());
        let uses = store.account_uses(tenant, id, now_ms).await?;
        let mails = store.mail_outcomes(tenant, id, now_ms - HEALTH_MS).await?;
        let in_doubt = store.touches_in_doubt(tenant, id).await?.len();
        let open_enrollments = store.open_enrollments_of_account(tenant, id).await?.len();
        let health = signs(&account, mails, in_doubt, now_ms);
        Ok(Self::of(account, &uses, health, open_enrollments, now_ms))
    }

    fn of(account: Account, uses: &[Use], health: Vec<Sign>, open_enrollments: usize, now_ms: i64) -> Self {
        let settings = &account.settings;
        let made = |since_ms: i64| uses.iter().filter(move |used| used.from_ms <= now_ms && used.until_ms > since_ms);
        let notes = settings.limits.notes_per_month.map(|limit| {
            (made(now_ms - HEALTH_MS).filter(|used| used.action == Action::Invite && used.has_note).count(), limit)
        });
        let warm_up = settings.limits.warm_up.and_then(|warm_up| {
            let over = (now_ms - warm_up.started_at_ms) / DAY_MS;
            (over < i64::from(warm_up.days)).then_some((over, warm_up.days))
        });
        let now = |full| settings.limits.warm_up.map_or(full, |warm_up| warm_up.share(full, now_ms));
        let limits = settings.limits.actions.iter().map(|(action, limit)| {
            let count = |since_ms| made(since_ms).filter(|used| used.action == *action).count();
            let (next_free_at_ms, hold) = next_free(&settings.limits, *action, false, uses, now_ms);
            LimitUse {
                action: *action,
                limit: *limit,
                per_day_now: now(limit.per_day),
                per_week_now: now(limit.per_week),
                used_day: count(now_ms - DAY_MS),
                used_week: count(now_ms - 7 * DAY_MS),
                reserved: uses.iter().filter(|used| used.from_ms > now_ms && used.action == *action).count(),
                next_free_at_ms,
                hold: hold.filter(|_| next_free_at_ms > now_ms),
            }
        });
        Self {
            limits: limits.collect(),
            works: shown_hours(&settings.hours),
            time_zone: settings.time_zone.clone(),
            country: settings.country.clone(),
            is_free: settings.is_free,
            warm_up,
            notes,
            health,
            open_enrollments,
            added_at_ms: account.created_at_ms,
            account_id: account.id,
            name: account.name,
            channel: account.channel,
            provider_account_id: account.provider_account_id,
            source: account.source,
            state: account.state,
        }
    }

    pub(super) fn text(&self, width: u16) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            text.push_str(&wrapped(&format!("{label:<12}"), &printable(value), width));
        };
        line("account", &format!("{}  {}", self.account_id, self.name));
        let free = if self.is_free { ", a free one" } else { "" };
        line("channel", &format!("{}{free}, {} at Unipile", self.channel.name(), self.provider_account_id));
        line("state", &self.state);
        for sign in &self.health {
            let level = match sign.level {
                Level::Good => "good",
                Level::Warning => "warning",
                Level::Bad => "bad",
            };
            line("health", &format!("{level}: {}", sign.text));
        }
        line("works", &format!("{} in {}, holidays of {}", self.works, self.time_zone, self.country));
        if let Some((over, days)) = self.warm_up {
            line("warm-up", &format!("day {} of {days}; limits grow every day", over + 1));
        }
        if let Some((used, limit)) = self.notes {
            line("notes", &format!("{used} of {limit} invitation notes used in 30 days"));
        }
        line("in use by", &format!("{} open enrollments", self.open_enrollments));
        line("added", &instant(self.added_at_ms));
        text.push('\n');
        let rows = self.limits.iter().map(|limit| {
            let warm = if limit.per_day_now < limit.limit.per_day { "*" } else { "" };
            let next = match &limit.hold {
                Some(_) if limit.next_free_at_ms == i64::MAX => "never".to_owned(),
                Some(hold) => format!("{}: {hold}", instant(limit.next_free_at_ms)),
                None => "now".to_owned(),
            };
            vec![
                limit.action.name().replace('_', " "),
                format!("{}/{}{warm}", limit.used_day, limit.per_day_now),
                format!("{}/{}{warm}", limit.used_week, limit.per_week_now),
                duration(limit.limit.gap_ms.unsigned_abs()),
                limit.reserved.to_string(),
                next,
            ]
        });
        let header = ["action", "24 hours", "7 days", "gap", "reserved", "next free by its limits"];
        text.push_str(&columns(&header, &["24 hours", "7 days", "gap", "reserved"], rows, width));
        if self.limits.iter().any(|limit| limit.per_day_now < limit.limit.per_day) {
            text.push_str("* while it warms up\n");
        }
        if self.source == SANDBOX_SOURCE {
            text.push_str(SANDBOX_NOTICE);
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
pub(in crate::commands) mod tests {
    use super::*;
    use leadflow_workflows::domain::account::{AccountSettings, Hours};
    use leadflow_workflows::domain::permits::{Limits, WarmUp};
    use std::collections::BTreeMap;

    const NOW_MS: i64 = 1_773_480_413_000;

    pub(in crate::commands) fn account() -> Account {
        let mut limits = Limits::standard();
        limits.actions.remove(&Action::Email);
        Account {
            id: "0192f0c1-0000-7000-8000-0000000000a1".into(),
            tenant: "default".into(),
            name: "anna".into(),
            channel: Channel::Linkedin,
            provider: "unipile".into(),
            provider_account_id: "ab12".into(),
            owner_provider_id: None,
            address: None,
            source: "sandbox".into(),
            settings: AccountSettings {
                time_zone: "Europe/Vienna".into(),
                country: "AT".into(),
                hours: Hours::office(),
                limits,
                is_free: false,
                from_name: None,
            },
            state: "active".into(),
            state_reason: None,
            state_at_ms: NOW_MS,
            deferred_until_ms: None,
            deferred_reason: None,
            marks: BTreeMap::new(),
            read_at_ms: Some(NOW_MS),
            created_at_ms: NOW_MS,
        }
    }

    #[test]
    fn limits_show_what_is_used_and_when_they_are_free() {
        let mut account = account();
        account.settings.is_free = true;
        account.settings.limits.notes_per_month = Some(5);
        account.settings.limits.warm_up = Some(WarmUp { started_at_ms: NOW_MS - 3 * DAY_MS, days: 14 });
        let at = |ago_ms: i64, action, has_note| Use {
            action,
            has_note,
            from_ms: NOW_MS - ago_ms,
            until_ms: NOW_MS - ago_ms,
        };
        let uses = [
            at(20 * DAY_MS, Action::Invite, true),
            at(3 * DAY_MS, Action::Invite, false),
            at(60_000, Action::Invite, true),
            at(-DAY_MS, Action::Invite, false),
            at(7_200_000, Action::Message, false),
        ];
        let health = signs(&account, leadflow_activities::store::campaigns::MailOutcomes::default(), 0, NOW_MS);
        let report = AccountReport::of(account, &uses, health, 7, NOW_MS);
        let invites = report.limits.iter().find(|limit| limit.action == Action::Invite).unwrap();
        assert_eq!((invites.used_day, invites.used_week, invites.reserved), (1, 2, 1));
        assert_eq!(invites.next_free_at_ms, NOW_MS + 4 * 60_000, "the gap after the last");
        assert_eq!(report.notes, Some((2, 5)));
        insta::assert_snapshot!(report.text(110));
    }
}
