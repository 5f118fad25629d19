//! `starter account add`.

use super::super::{print, print_json, tell};
use super::words::{self, LimitWord};
use crate::failure::Failure;
use crate::output::{SANDBOX_SOURCE, printable};
use crate::outreach::Outreach;
use crate::site::{GlobalArgs, Site};
use clap::Args;
use leadflow_activities::config::Config;
use leadflow_activities::senders::unipile::Unipile;
use leadflow_activities::senders::{AccountState, SendError, Sender, Verdict};
use leadflow_activities::store::accounts::{Account, NewAccount};
use leadflow_clock::Clock;
use leadflow_workflows::domain::account::{AccountSettings, Hours};
use leadflow_workflows::domain::outreach::{Action, Channel};
use leadflow_workflows::domain::permits::{Limits, WarmUp};
use uuid::Uuid;

/// Invitations with a note that LinkedIn gives a free account in a month.
const FREE_NOTES: u32 = 5;

/// Add a LinkedIn profile or a mailbox that is connected at Unipile
///
/// Its limits begin well below what providers tolerate, and during the warm-up at a fifth of that. Under the name of an account
/// that its owner has connected anew, that account goes on under the new id, with its limits and all that it did.
///
/// Example: starter account add --name anna --provider-account ab12 --zone Europe/Vienna --country AT
#[derive(Args, Debug)]
pub struct AddArgs {
    /// How you call it
    #[arg(long)]
    name: String,
    /// Its id at Unipile
    #[arg(long, value_name = "ID")]
    provider_account: String,
    /// Time zone in which it works, such as `Europe/Vienna`
    #[arg(long, value_parser = words::zone)]
    zone: String,
    /// Country whose public holidays it keeps, such as `AT`
    #[arg(long, value_name = "CC", value_parser = words::country)]
    country: String,
    /// When it works, by its own wall clock
    #[arg(long, value_parser = words::hours, default_value = "mon-fri 09:00-17:00")]
    hours: Hours,
    /// A LinkedIn account that pays nothing: 5 invitation notes in 30 days
    #[arg(long)]
    free: bool,
    /// `ACTION=N/day,N/week,gap=5m`; what is not named keeps its default; may be repeated
    #[arg(long, value_name = "LIMIT", value_parser = words::limit)]
    limit: Vec<LimitWord>,
    /// Time to grow into its limits, or `none`
    #[arg(long, value_name = "DAYS", value_parser = warm_up, default_value = "14d")]
    warm_up: Warming,
    /// Name in the From of its emails
    #[arg(long, value_name = "NAME")]
    from_name: Option<String>,
}

/// clap reads an `Option` as an argument that may be left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Warming(pub(crate) Option<u32>);

pub(crate) fn warm_up(text: &str) -> Result<Warming, String> {
    words::warm_up(text).map(Warming)
}

pub(super) async fn run(args: &AddArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let order = Order {
        name: args.name.clone(),
        provider_account: args.provider_account.clone(),
        zone: args.zone.clone(),
        country: args.country.clone(),
        hours: args.hours.clone(),
        is_free: args.free,
        limits: args.limit.clone(),
        warm_up_days: args.warm_up.0,
        from_name: args.from_name.clone(),
    };
    let order = order.checked()?;
    let linked = linked_account(&site.config, &order.provider_account).await?;
    let outreach = site.outreach().await?;
    let added = order.add(&outreach, linked, Uuid::now_v7().to_string()).await?;
    let Added { account: new, warnings } = &added;
    if global.json {
        return print_json(&serde_json::json!({
            "account_id": new.id, "name": new.name, "channel": new.channel, "source": new.source,
            "settings": new.settings,
        }));
    }
    print(&format!("{}\n", new.id))?;
    for warning in warnings {
        tell(&format!("warning: {warning}"));
    }
    tell(&format!("limits and their use: starter account show {}", new.name));
    Ok(())
}

/// An account to add, as a person describes it.
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) provider_account: String,
    pub(crate) zone: String,
    pub(crate) country: String,
    pub(crate) hours: Hours,
    pub(crate) is_free: bool,
    pub(crate) limits: Vec<LimitWord>,
    pub(crate) warm_up_days: Option<u32>,
    pub(crate) from_name: Option<String>,
}

/// An account that was added, or goes on under a new id, and what its owner should know.
pub(crate) struct Added {
    pub(crate) account: NewAccount,
    pub(crate) warnings: Vec<&'static str>,
}

impl Order {
    pub(crate) fn checked(mut self) -> Result<Self, Failure> {
        let name = self.name.trim();
        if name.is_empty() || name == "last" || name.contains(char::is_control) {
            return Err(Failure::Failed(
                "the account needs a name of its own\nhint: give one with --name, not `last`".into(),
            ));
        }
        self.name = name.to_owned();
        Ok(self)
    }

    /// Stores it under this id and starts the workflow that reads it; one that was connected anew goes on.
    pub(crate) async fn add(self, outreach: &Outreach, linked: AccountState, id: String) -> Result<Added, Failure> {
        let (channel, now_ms) = (linked.channel, outreach.clock.now_ms());
        let mut warnings = Vec::new();
        if linked.status.can_send() == Some(false) {
            warnings.push("it cannot send now\nhint: ask its owner to connect it again in the provider's dashboard");
        }
        if channel == Channel::Linkedin && !linked.is_premium && !self.is_free {
            warnings
                .push("LinkedIn shows no paid plan for it\nhint: a free one has few invitation notes; add it as free");
        }
        let limits = self.limits(channel, now_ms)?;
        let account = NewAccount {
            id,
            tenant: outreach.config.tenant.clone(),
            name: self.name,
            channel,
            provider: "unipile".into(),
            provider_account_id: linked.id,
            owner_provider_id: linked.owner_provider_id,
            address: linked.address,
            source: if outreach.config.unipile.sandbox { SANDBOX_SOURCE.into() } else { "live".into() },
            settings: AccountSettings {
                time_zone: self.zone,
                country: self.country,
                hours: self.hours,
                limits,
                is_free: self.is_free,
                from_name: self.from_name,
            },
            now_ms,
        };
        if outreach.start_account(&account).await? {
            return Ok(Added { account, warnings });
        }
        if let Some(known) = outreach.relink_account(&account).await? {
            warnings.push(
                "it was there already: it goes on under its new id, with its limits, hours and zone as they were",
            );
            let account = NewAccount { id: known.id, settings: known.settings, ..account };
            return Ok(Added { account, warnings });
        }
        Err(taken(&outreach.store.accounts(&account.tenant).await?, &account))
    }

    fn limits(&self, channel: Channel, now_ms: i64) -> Result<Limits, Failure> {
        let mut limits = Limits::standard();
        limits.actions.retain(|action, _| action.channel() == channel);
        for word in &self.limits {
            let limit = limits.actions.get_mut(&word.action).ok_or_else(|| {
                let actions: Vec<&str> =
                    Action::ALL.into_iter().filter(|action| action.channel() == channel).map(Action::name).collect();
                Failure::Failed(format!(
                    "a {} account makes no contact of the kind `{}`\nhint: limit {}",
                    channel.name(),
                    word.action.name(),
                    actions.join(", ")
                ))
            })?;
            word.apply(limit);
        }
        limits.warm_up = self.warm_up_days.map(|days| WarmUp { started_at_ms: now_ms, days });
        limits.notes_per_month = self.is_free.then_some(FREE_NOTES).filter(|_| channel == Channel::Linkedin);
        Ok(limits)
    }
}

/// Asks the provider for the account, so that nothing is stored that cannot work.
pub(crate) async fn linked_account(config: &Config, id: &str) -> Result<AccountState, Failure> {
    let unipile = Unipile::from_config(config, Clock::system()).map_err(|error| Failure::Failed(error.to_string()))?;
    let unipile = unipile.ok_or_else(|| {
        Failure::Failed(
            "Unipile is not set up\nhint: set UNIPILE_API_KEY and `base_url` of [unipile], or try everything on made-up \
             data with `starter dev`"
                .into(),
        )
    })?;
    match unipile.account(id).await {
        Ok(account) => Ok(account),
        Err(SendError { verdict: Verdict::Unreachable | Verdict::Refused, .. }) => {
            let known = unipile.accounts().await.unwrap_or_default();
            let known: Vec<String> = known.iter().take(10).map(|account| format!("`{}`", account.id)).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            let hint = format!("connect it in Unipile's dashboard first; connected are: {known}");
            Err(Failure::Failed(not_yours(id, &hint)))
        }
        Err(error) => Err(Failure::Unavailable(format!("{error}; nothing was stored"))),
    }
}

/// In the same words, whether nobody or another tenant has it: only the hint, which the API does not tell, says more.
fn not_yours(id: &str, hint: &str) -> String {
    format!("Unipile has no account `{}` for this tenant\nhint: {hint}", printable(id))
}

fn taken(accounts: &[Account], new: &NewAccount) -> Failure {
    let linked = accounts.iter().find(|account| account.provider_account_id == new.provider_account_id);
    let same = accounts.iter().find(|account| account.is_same(new));
    let named = accounts.iter().find(|account| account.name == new.name);
    match (linked, same, named) {
        (Some(linked), ..) => Failure::Refused(format!(
            "this account is there already, as `{}`\nhint: `starter account show {0}` shows it",
            printable(&linked.name)
        )),
        (_, Some(same), _) if same.name != new.name => Failure::Refused(format!(
            "this {} is there already, as `{name}`; by that name it can go on under its new id\nhint: `starter account add \
             --name {name} --provider-account {} --zone {} --country {}`",
            match same.channel {
                Channel::Linkedin => "LinkedIn profile",
                Channel::Email => "mailbox",
            },
            printable(&new.provider_account_id),
            same.settings.time_zone,
            same.settings.country,
            name = printable(&same.name),
        )),
        (_, None, Some(named)) => Failure::Refused(format!(
            "there is an account `{}` already\nhint: give another --name",
            printable(&named.name)
        )),
        _ => Failure::Failed(not_yours(
            &new.provider_account_id,
            "another tenant uses it, and an account belongs to one tenant",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::account::tests::account;

    #[test]
    fn what_is_taken_is_told_with_the_way_to_go_on() {
        let known = Account { owner_provider_id: Some("ACoAAanna".into()), ..account() };
        let new = |name: &str, provider_account_id: &str, owner: &str| NewAccount {
            id: "new".into(),
            tenant: known.tenant.clone(),
            name: name.into(),
            channel: known.channel,
            provider: known.provider.clone(),
            provider_account_id: provider_account_id.into(),
            owner_provider_id: Some(owner.into()),
            address: None,
            source: known.source.clone(),
            settings: known.settings.clone(),
            now_ms: 1,
        };
        let told = |new: NewAccount| match taken(std::slice::from_ref(&known), &new) {
            Failure::Refused(text) | Failure::Failed(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            told(new("kim", "cd34", "ACoAAanna")),
            "this LinkedIn profile is there already, as `anna`; by that name it can go on under its new id\nhint: `starter \
             account add --name anna --provider-account cd34 --zone Europe/Vienna --country AT`"
        );
        assert!(told(new("kim", "ab12", "ACoAAanna")).starts_with("this account is there already, as `anna`\nhint:"));
        assert!(told(new("anna", "cd34", "ACoAAkim")).starts_with("there is an account `anna` already\nhint:"));
        for name in ["anna", "kim"] {
            let owner = if name == "anna" { "ACoAAanna" } else { "ACoAAkim" };
            assert!(told(new(name, "cd34", owner)).starts_with("Unipile has no account `cd34` for this tenant\n"));
        }
    }
}
