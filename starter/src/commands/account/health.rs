//! How well an account does, with the reason: a pure rule over what is stored of it.

use crate::commands::instant;
use leadflow_activities::store::accounts::Account;
use leadflow_activities::store::campaigns::MailOutcomes;
use leadflow_workflows::domain::permits::DAY_MS;
use schemars::JsonSchema;
use serde::Serialize;

/// Fewer emails than this prove nothing.
const FEWEST_MAILS: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    Good,
    Warning,
    Bad,
}

/// One thing that tells of an account's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Sign {
    pub(super) level: Level,
    pub(super) text: String,
}

/// Shares of emails, in thousandths: from where on they are worrying, and bad.
struct Band {
    name: &'static str,
    warning: u32,
    bad: u32,
}

const BOUNCES: Band = Band { name: "bounced", warning: 20, bad: 50 };
/// Mailbox providers ask for less than 1 and refuse from 3 on.
const COMPLAINTS: Band = Band { name: "were marked as spam", warning: 1, bad: 3 };

/// The worst sign first; never empty.
pub(super) fn signs(account: &Account, mails: MailOutcomes, in_doubt: usize, now_ms: i64) -> Vec<Sign> {
    let mut signs = Vec::new();
    let mut sign = |level, text: String| signs.push(Sign { level, text });
    let reason = account.state_reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
    let since = instant(account.state_at_ms);
    match account.state.as_str() {
        "active" => {}
        "paused" => sign(Level::Warning, format!("paused since {since}{reason}")),
        "disconnected" => sign(
            Level::Bad,
            format!(
                "disconnected since {since}{reason}; its owner has to connect it again in the provider's dashboard"
            ),
        ),
        "restricted" => sign(
            Level::Bad,
            format!(
                "restricted by LinkedIn since {since}{reason}; its owner has to log in and look before it is resumed"
            ),
        ),
        _ => sign(Level::Bad, format!("held since {since}{reason}; resume it once that is mended")),
    }
    if let Some(until_ms) = account.deferred_until_ms.filter(|until_ms| *until_ms > now_ms) {
        let problem = account.deferred_reason.as_deref().unwrap_or("it did not say why");
        sign(Level::Warning, format!("the provider asked it to wait until {} ({problem})", instant(until_ms)));
    }
    for (band, number) in [(BOUNCES, mails.bounced), (COMPLAINTS, mails.complained)] {
        let share = u64::from(number) * 1_000 / u64::from(mails.sent.max(1));
        let level = match share {
            share if mails.sent < FEWEST_MAILS || share < u64::from(band.warning) => continue,
            share if share < u64::from(band.bad) => Level::Warning,
            _ => Level::Bad,
        };
        let percent = format!("{}.{} %", share / 10, share % 10);
        sign(level, format!("{percent} of the emails of the last 30 days {} ({number} of {})", band.name, mails.sent));
    }
    if in_doubt > 0 {
        sign(Level::Warning, format!("of {in_doubt} contacts it is not known yet whether they were made"));
    }
    let read_at_ms = account.read_at_ms.unwrap_or(account.created_at_ms);
    if now_ms - read_at_ms > DAY_MS && account.state == "active" {
        sign(Level::Warning, format!("its messages and connections were last read at {}", instant(read_at_ms)));
    }
    if signs.is_empty() {
        signs.push(Sign { level: Level::Good, text: "nothing speaks against it".into() });
    }
    signs.sort_by_key(|sign| std::cmp::Reverse(sign.level));
    signs
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::account;
    use super::*;

    const NOW_MS: i64 = 1_773_480_413_000;

    fn told(account: &Account, mails: MailOutcomes, in_doubt: usize) -> Vec<(Level, String)> {
        signs(account, mails, in_doubt, NOW_MS).into_iter().map(|sign| (sign.level, sign.text)).collect()
    }

    #[test]
    fn every_trouble_has_its_level_and_its_reason() {
        let none = MailOutcomes::default();
        let well = account();
        assert_eq!(told(&well, none, 0), [(Level::Good, "nothing speaks against it".into())]);
        let state = |state: &str, reason: Option<&str>| Account {
            state: state.into(),
            state_reason: reason.map(Into::into),
            ..account()
        };
        for (account, level, part) in [
            (
                state("paused", Some("a person paused it")),
                Level::Warning,
                "paused since 2026-03-14 09:26:53 UTC: a person",
            ),
            (state("disconnected", Some("credentials")), Level::Bad, "connect it again"),
            (state("restricted", None), Level::Bad, "restricted by LinkedIn since"),
            (
                state("held", Some("feature_not_subscribed")),
                Level::Bad,
                "held since 2026-03-14 09:26:53 UTC: feature_not",
            ),
            (
                Account {
                    deferred_until_ms: Some(NOW_MS + 1),
                    deferred_reason: Some("limit_exceeded".into()),
                    ..account()
                },
                Level::Warning,
                "wait until 2026-03-14 09:26:53 UTC (limit_exceeded)",
            ),
            (Account { read_at_ms: Some(NOW_MS - DAY_MS - 1), ..account() }, Level::Warning, "were last read at"),
        ] {
            let told = told(&account, none, 0);
            assert!(told[0].0 == level && told[0].1.contains(part), "{told:?}");
        }
        let over = Account { deferred_until_ms: Some(NOW_MS), ..account() };
        assert_eq!(told(&over, none, 0)[0].0, Level::Good);
        assert!(told(&well, none, 2)[0].1.contains("of 2 contacts it is not known"));
    }

    #[test]
    fn bounces_and_complaints_are_judged_in_bands() {
        for (sent, bounced, complained, level) in [
            (19, 19, 0, Level::Good),
            (100, 1, 0, Level::Good),
            (100, 2, 0, Level::Warning),
            (100, 5, 0, Level::Bad),
            (2_000, 0, 1, Level::Good),
            (1_000, 0, 1, Level::Warning),
            (1_000, 0, 3, Level::Bad),
        ] {
            let told = told(&account(), MailOutcomes { sent, bounced, complained }, 0);
            assert_eq!(told[0].0, level, "{told:?}");
        }
        let both = told(&account(), MailOutcomes { sent: 1_000, bounced: 21, complained: 3 }, 0);
        assert_eq!(both[0].1, "0.3 % of the emails of the last 30 days were marked as spam (3 of 1000)");
        assert_eq!(both[1].1, "2.1 % of the emails of the last 30 days bounced (21 of 1000)");
    }
}
