//! `starter campaign start`.

use super::super::account::{self, words};
use super::super::sequence::in_file;
use super::super::{confirm, print, print_json, tell};
use super::review::{Review, ReviewFacts, review};
use super::turn::NotEnrolled;
use crate::failure::Failure;
use crate::output::figures::count;
use crate::output::{SANDBOX_SOURCE, printable, terminal_width};
use crate::outreach::Outreach;
use crate::site::{GlobalArgs, Site};
use clap::Args;
use leadflow_activities::store::Store;
use leadflow_activities::store::accounts::Account;
use leadflow_activities::store::campaigns::Campaign;
use leadflow_activities::store::leads::{Lead, SearchKey};
use leadflow_activities::store::searches::Search;
use leadflow_workflows::domain::account::{CampaignSettings, Hours};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::domain::sequence::Sequence;
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Contact the leads of a search, the best first, as far as the accounts' limits allow
///
/// Everything is checked before anything is stored: every message is written for every lead. Real accounts ask first.
///
/// Example: starter campaign start spring --search last --sequence linkedin.toml --account anna --dry-run
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct StartArgs {
    /// How you call it
    name: String,
    /// The search or import whose ready leads take part: id or its beginning, name, or `last`
    #[arg(long, value_name = "ID")]
    search: String,
    /// A file, or a stored one as NAME or NAME@VERSION
    #[arg(long, value_name = "FILE|NAME")]
    sequence: String,
    /// An account that sends, by name; repeated, they take turns
    #[arg(long, value_name = "NAME", required = true)]
    account: Vec<String>,
    /// Most leads that each account begins with in a day; its limits hold besides
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    starts_per_day: Option<u32>,
    /// Only leads with this score or more
    #[arg(long, value_name = "N", default_value_t = 0)]
    minimum_score: u32,
    /// Most leads in all
    #[arg(long, value_name = "N")]
    leads: Option<u32>,
    /// Your postal address, for the end of every email
    #[arg(long, value_name = "TEXT")]
    postal_address: Option<String>,
    /// Where the data came from, for the end of every email
    #[arg(long, value_name = "TEXT")]
    source_notice: Option<String>,
    /// When leads may be contacted, by their own wall clock
    #[arg(long, value_name = "HOURS", value_parser = words::hours, default_value = "mon-fri 09:00-17:00")]
    lead_hours: Hours,
    /// Contact people on public holidays, too
    #[arg(long)]
    no_holidays: bool,
    /// A reply ends the campaign for everyone at the same company
    #[arg(long)]
    stop_company: bool,
    /// Take people who are in another campaign
    #[arg(long)]
    allow_parallel: bool,
    /// Open a channel that the country policy closes, such as `DE=email`; may be repeated
    #[arg(long, value_name = "CC=CHANNEL", value_parser = opened)]
    open: Vec<(String, Channel)>,
    /// Show what would happen; store and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) fn opened(text: &str) -> Result<(String, Channel), String> {
    let (country, channel) = text.split_once('=').unwrap_or((text, ""));
    let channel = Channel::named(channel.trim()).ok_or_else(|| {
        format!("`{text}` opens nothing\n  hint: write a country and `email` or `linkedin`, such as `DE=email`")
    })?;
    Ok((words::country(country)?, channel))
}

pub(super) async fn run(args: &StartArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let name = checked_name(&args.name)?;
    let site = Site::find(global)?;
    let store = site.store().await?;
    let order = Order {
        name: name.to_owned(),
        search: site.search(&store, &args.search).await?,
        sequence: find_sequence(&site, &store, &args.sequence).await?,
        accounts: find_accounts(&site, &store, &args.account).await?,
        settings: settings(args),
    };
    let review = order.review(&store).await?;
    if args.dry_run {
        return dry(&review, global);
    }
    refuse_problems(&review)?;
    if order.search.source != SANDBOX_SOURCE && !args.yes {
        ask(&review)?;
    }
    let outreach = site.outreach().await?;
    let campaign = order.start(&outreach, Uuid::now_v7().to_string()).await?;
    if global.json {
        return print_json(&json!({
            "campaign_id": campaign.id, "name": campaign.name, "source": campaign.source, "leads": review.leads,
        }));
    }
    tell(&review.text(terminal_width()));
    print(&format!("{}\n", campaign.id))?;
    tell(&format!("follow it: starter campaign show {}", printable(name)));
    Ok(())
}

/// A name that a campaign may have.
pub(crate) fn checked_name(name: &str) -> Result<&str, Failure> {
    let name = name.trim();
    if name.is_empty() || name == "last" || name.contains(char::is_control) {
        return Err(Failure::Failed("the campaign needs a name of its own\nhint: not `last`, and not empty".into()));
    }
    Ok(name)
}

/// A campaign to start, with all that it is made of found.
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) search: Search,
    pub(crate) sequence: Chosen,
    pub(crate) accounts: Vec<Account>,
    pub(crate) settings: CampaignSettings,
}

impl Order {
    /// What it would do, and what keeps it from starting.
    ///
    /// # Errors
    /// When its name is taken.
    pub(crate) async fn review(&self, store: &Store) -> Result<Review, Failure> {
        let known = store.campaigns(&self.search.tenant).await?;
        if known.iter().any(|campaign| campaign.name == self.name) {
            return Err(taken(&self.name));
        }
        let Self { name, search, sequence, accounts, settings } = self;
        reviewed(store, name, search, sequence.sequence(), accounts, settings).await
    }

    /// Stores it under this id and starts its workflow.
    pub(crate) async fn start(self, outreach: &Outreach, id: String) -> Result<Campaign, Failure> {
        let tenant = self.search.tenant.clone();
        let now_ms = outreach.clock.now_ms();
        let sequence_id = match self.sequence {
            Chosen::Stored { id, .. } => id,
            Chosen::File(sequence) => outreach.store.add_sequence(&tenant, &sequence, now_ms).await?.id,
        };
        let campaign = Campaign {
            id,
            tenant,
            name: self.name,
            search_id: self.search.id,
            sequence_id,
            source: self.search.source,
            settings: self.settings,
            state: "running".into(),
            created_at_ms: now_ms,
            ended_at_ms: None,
            accounts: self.accounts.into_iter().map(|account| account.id).collect(),
        };
        if outreach.start_campaign(&campaign).await? { Ok(campaign) } else { Err(taken(&campaign.name)) }
    }
}

/// A sequence that is stored, or a file that will be.
pub(crate) enum Chosen {
    Stored { id: String, sequence: Sequence },
    File(Sequence),
}

impl Chosen {
    fn sequence(&self) -> &Sequence {
        match self {
            Self::Stored { sequence, .. } | Self::File(sequence) => sequence,
        }
    }
}

async fn find_sequence(site: &Site, store: &Store, word: &str) -> Result<Chosen, Failure> {
    if let Some(sequence) = in_file(word)? {
        return Ok(Chosen::File(sequence));
    }
    let stored = super::find_sequence(site, store, word).await?;
    Ok(Chosen::Stored { id: stored.id, sequence: stored.sequence })
}

pub(super) async fn find_accounts(site: &Site, store: &Store, words: &[String]) -> Result<Vec<Account>, Failure> {
    let mut accounts: Vec<Account> = Vec::new();
    for word in words {
        let account = account::find(site, store, word).await?;
        if accounts.iter().all(|known| known.id != account.id) {
            accounts.push(account);
        }
    }
    Ok(accounts)
}

fn settings(args: &StartArgs) -> CampaignSettings {
    let mut policy: BTreeMap<String, BTreeMap<Channel, bool>> = BTreeMap::new();
    for (country, channel) in &args.open {
        policy.entry(country.clone()).or_default().insert(*channel, true);
    }
    CampaignSettings {
        lead_hours: args.lead_hours.clone(),
        keep_holidays: !args.no_holidays,
        stop_company: args.stop_company,
        allow_parallel: args.allow_parallel,
        starts_per_day: args.starts_per_day,
        minimum_score: args.minimum_score,
        leads: args.leads,
        postal_address: args.postal_address.clone(),
        source_notice: args.source_notice.clone(),
        policy,
    }
}

async fn reviewed(
    store: &Store,
    campaign: &str,
    search: &Search,
    sequence: &Sequence,
    accounts: &[Account],
    settings: &CampaignSettings,
) -> Result<Review, Failure> {
    let tenant = search.tenant.as_str();
    let leads = store.ready_leads(SearchKey { tenant, id: &search.id }).await?;
    let suppressed = suppressed(store, tenant, &leads).await?;
    // Nobody has replied yet since a campaign that is to begin.
    let answered = answered(store, tenant, &search.id, i64::MAX).await?;
    let others = store.people_in_campaigns(tenant, settings.allow_parallel).await?;
    let other_campaigns = others.into_iter().collect();
    Ok(review(&ReviewFacts {
        campaign,
        search,
        leads: &leads,
        sequence,
        accounts,
        settings,
        suppressed: &suppressed,
        answered: &answered,
        other_campaigns: &other_campaigns,
    }))
}

/// Those of the leads whom nobody may contact, with the reason.
pub(super) async fn suppressed(
    store: &Store,
    tenant: &str,
    leads: &[Lead],
) -> Result<BTreeMap<String, String>, Failure> {
    let mut suppressed = BTreeMap::new();
    if store.suppressions(tenant).await?.is_empty() {
        return Ok(suppressed);
    }
    for lead in leads {
        if let Some(entry) = store.suppression_of(tenant, &lead.person_id).await? {
            suppressed.insert(lead.person_id.clone(), entry.reason);
        }
    }
    Ok(suppressed)
}

/// Those of a search who have replied, or whose company has since then, by person.
pub(super) async fn answered(
    store: &Store,
    tenant: &str,
    search_id: &str,
    company_since_ms: i64,
) -> Result<BTreeMap<String, NotEnrolled>, Failure> {
    let answered = store.answered_in_search(tenant, search_id, company_since_ms).await?;
    let why = |themselves| if themselves { NotEnrolled::Replied } else { NotEnrolled::CompanyReplied };
    Ok(answered.into_iter().map(|(person_id, themselves)| (person_id, why(themselves))).collect())
}

fn dry(review: &Review, global: &GlobalArgs) -> Result<(), Failure> {
    if global.json {
        print_json(review)?;
    } else {
        print(&format!("dry run: nothing is stored or sent\n\n{}", review.text(terminal_width())))?;
    }
    refuse_problems(review)
}

/// Refuses when a review found what keeps the campaign from starting.
pub(crate) fn refuse_problems(review: &Review) -> Result<(), Failure> {
    if review.problems.is_empty() { Ok(()) } else { Err(refused(review)) }
}

fn refused(review: &Review) -> Failure {
    let problems: Vec<String> = review.problems.iter().map(|problem| format!("- {problem}")).collect();
    Failure::Failed(format!(
        "the campaign cannot start:\n{}\nhint: a token takes a default, as in `{{{{ lead.hook | default('…') }}}}`; \
         --dry-run shows everything and starts nothing",
        problems.join("\n")
    ))
}

/// Before the first real contact a person has seen what goes out, to how many, and from whom.
fn ask(review: &Review) -> Result<(), Failure> {
    let accounts: Vec<String> = review.accounts.iter().map(|account| printable(&account.name)).collect();
    let question = format!("contact {} real people through {}?", count(review.leads as u64), accounts.join(", "));
    tell(&review.text(terminal_width()));
    let unasked =
        format!("nobody can be asked here: {question}\nhint: give --yes once you have read what --dry-run shows");
    confirm(&question, &unasked, "nothing was stored or sent")
}

fn taken(name: &str) -> Failure {
    Failure::Refused(format!(
        "there is a campaign `{}` already\nhint: choose another name; `starter campaign list` shows them all",
        printable(name)
    ))
}
