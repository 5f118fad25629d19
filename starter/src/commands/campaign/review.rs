//! What a campaign would do, and everything that keeps it from starting, found at once: a pure function of what is stored.

use super::turn::{NotEnrolled, TurnFacts, kept_out};
use crate::output::figures::counted;
use crate::output::{SANDBOX_SOURCE, printable, wrapped};
use leadflow_activities::outreach::templates::{Message, Tokens, email_footer, render};
use leadflow_activities::store::accounts::Account;
use leadflow_activities::store::leads::Lead;
use leadflow_activities::store::searches::Search;
use leadflow_workflows::domain::account::CampaignSettings;
use leadflow_workflows::domain::outreach::{Action, Channel};
use leadflow_workflows::domain::policy;
use leadflow_workflows::domain::sequence::{Sequence, Step};
use leadflow_workflows::domain::walk::{Facts, Next, walk};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

const EXAMPLES: usize = 3;

/// What the review goes by.
pub(super) struct ReviewFacts<'a> {
    pub(super) campaign: &'a str,
    pub(super) search: &'a Search,
    /// Ready ones, the best first.
    pub(super) leads: &'a [Lead],
    pub(super) sequence: &'a Sequence,
    pub(super) accounts: &'a [Account],
    pub(super) settings: &'a CampaignSettings,
    /// By person: why nobody may contact them.
    pub(super) suppressed: &'a BTreeMap<String, String>,
    /// By person: who has replied.
    pub(super) answered: &'a BTreeMap<String, NotEnrolled>,
    /// By person: the campaign that has them to itself.
    pub(super) other_campaigns: &'a BTreeMap<String, String>,
}

#[derive(Debug, Serialize, JsonSchema)]
/// What a campaign would do, and what keeps it from starting.
#[schemars(rename = "CampaignReview")]
pub(crate) struct Review {
    pub(super) campaign: String,
    pub(super) sequence: String,
    pub(super) source: String,
    /// Contacts of the sequence: id of the step and action.
    pub(super) contacts: Vec<(String, Action)>,
    pub(super) ready: usize,
    /// Leads that will take part.
    pub(crate) leads: usize,
    pub(super) passed_over: Vec<Group>,
    pub(super) accounts: Vec<ReviewAccount>,
    pub(super) first: Option<First>,
    /// Worth knowing before the start.
    pub(super) notes: Vec<String>,
    /// What keeps the campaign from starting.
    pub(super) problems: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "PassedOver")]
pub(super) struct Group {
    pub(super) why: String,
    pub(super) leads: usize,
    /// Ids of some.
    pub(super) examples: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ReviewAccount {
    pub(super) name: String,
    pub(super) channel: Channel,
    pub(super) state: String,
}

/// The first message that goes out.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FirstMessage")]
pub(super) struct First {
    pub(super) account: String,
    pub(super) step: String,
    pub(super) action: Action,
    pub(super) to: String,
    pub(super) message: Message,
}

pub(super) fn review(facts: &ReviewFacts<'_>) -> Review {
    let ReviewFacts { search, sequence, accounts, settings, .. } = facts;
    let channels: BTreeSet<Channel> = accounts.iter().map(|account| account.channel).collect();
    let mut passed_over = Groups::default();
    let mut taking_part: Vec<&Lead> = Vec::new();
    for lead in facts.leads {
        let turn = TurnFacts {
            lead,
            sequence,
            settings,
            channels: &channels,
            suppressed: facts.suppressed.get(&lead.person_id).map(String::as_str),
            answered: facts.answered.get(&lead.person_id),
            other_campaign: facts.other_campaigns.get(&lead.person_id).map(String::as_str),
        };
        match kept_out(&turn) {
            None if settings.leads.is_some_and(|most| taking_part.len() >= most as usize) => {
                passed_over.add(NotEnrolled::Full { leads: settings.leads.unwrap_or(0) }.to_string(), lead);
            }
            None => taking_part.push(lead),
            // What is written about one person does not make a group.
            Some(NotEnrolled::ScoreTooLow { minimum, .. }) => {
                passed_over.add(format!("the score is below {minimum}"), lead);
            }
            Some(why) => passed_over.add(why.to_string(), lead),
        }
    }
    let mut problems = misfits(facts, &channels);
    problems.extend(unsendable(facts, &taking_part));
    if taking_part.is_empty() && search.is_finished() {
        problems.push("none of the leads can take part".into());
    }
    Review {
        campaign: facts.campaign.to_owned(),
        sequence: sequence.name.clone(),
        source: search.source.clone(),
        contacts: contacts(sequence).map(|(step, action)| (step.id.clone(), action)).collect(),
        ready: facts.leads.len(),
        leads: taking_part.len(),
        passed_over: passed_over.list(),
        accounts: accounts
            .iter()
            .map(|account| ReviewAccount {
                name: account.name.clone(),
                channel: account.channel,
                state: account.state.clone(),
            })
            .collect(),
        first: taking_part.first().and_then(|lead| first(facts, &channels, lead)),
        notes: notes(facts, &taking_part),
        problems,
    }
}

fn contacts(sequence: &Sequence) -> impl Iterator<Item = (&Step, Action)> {
    sequence.steps.iter().filter_map(|step| step.kind.action().map(|action| (step, action)))
}

/// What does not fit together: channels, sources, and what cold email requires.
fn misfits(facts: &ReviewFacts<'_>, channels: &BTreeSet<Channel>) -> Vec<String> {
    let needed: BTreeSet<Channel> = facts.sequence.actions().into_iter().map(Action::channel).collect();
    let mut problems = Vec::new();
    for channel in needed.difference(channels) {
        problems.push(format!(
            "the sequence sends by {0}, but there is no {0} account: add one with --account",
            channel.name()
        ));
    }
    for account in facts.accounts {
        let name = printable(&account.name);
        if !needed.contains(&account.channel) {
            problems.push(format!("the sequence has nothing to send by {} (account {name})", account.channel.name()));
        }
        if account.source != facts.search.source {
            problems.push(format!(
                "account {name} is {}, the leads are {}: made-up and real never mix",
                account.source, facts.search.source
            ));
        }
        for action in facts.sequence.actions().iter().filter(|action| action.channel() == account.channel) {
            if account.settings.limits.actions.get(action).is_none_or(|limit| limit.per_day.min(limit.per_week) == 0) {
                problems.push(format!("account {name} may make no {}", action.name().replace('_', " ")));
            }
        }
    }
    if needed.contains(&Channel::Email) {
        for missing in policy::missing_for_email(facts.settings) {
            let option = missing.replace('_', "-");
            problems.push(format!("cold email needs the sender's {}: give --{option}", missing.replace('_', " ")));
        }
    }
    problems
}

/// Messages that cannot be written for leads that take part, by step and problem.
fn unsendable(facts: &ReviewFacts<'_>, leads: &[&Lead]) -> Vec<String> {
    let mut groups = Groups::default();
    for (step, action) in contacts(facts.sequence) {
        // A free account's shorter notes have to do for all, because the accounts take turns.
        let senders = facts.accounts.iter().filter(|account| account.channel == action.channel());
        let Some(sender) = senders.max_by_key(|account| account.settings.is_free) else { continue };
        for lead in leads {
            if let Err(error) = render(step, &tokens(facts, lead, sender)) {
                groups.add(error.to_string(), lead);
            }
        }
    }
    let told = |group: Group| {
        let examples = group.examples.join(", ");
        format!("{}: {}; for example {examples}", counted(group.leads as u64, "lead"), group.why)
    };
    groups.list().into_iter().map(told).collect()
}

pub(super) fn sender_name(account: &Account) -> &str {
    account.settings.from_name.as_deref().unwrap_or(&account.name)
}

fn tokens(facts: &ReviewFacts<'_>, lead: &Lead, sender: &Account) -> Tokens {
    let mut tokens = Tokens::of(lead, sender_name(sender), facts.campaign);
    tokens.sender.address = sender.address.clone().unwrap_or_default();
    tokens.sender.is_free = sender.settings.is_free;
    tokens
}

/// The first thing that the best lead will read.
fn first(facts: &ReviewFacts<'_>, channels: &BTreeSet<Channel>, lead: &Lead) -> Option<First> {
    let known = Facts {
        has_profile: !lead.linkedin_public_id.is_empty() && channels.contains(&Channel::Linkedin),
        has_email: lead.email.is_some() && channels.contains(&Channel::Email),
        ..Facts::default()
    };
    let reached = match walk(facts.sequence, &known).next {
        Next::Touch { step, .. } | Next::Wait { step, .. } => facts.sequence.position(&step)?,
        _ => return None,
    };
    // A visit says nothing.
    let mut ahead = contacts(facts.sequence).filter(|(step, action)| {
        *action != Action::VisitProfile && facts.sequence.position(&step.id).is_some_and(|at| at >= reached)
    });
    let (step, action) = ahead.next()?;
    let sender = facts.accounts.iter().find(|account| account.channel == action.channel())?;
    let message = render(step, &tokens(facts, lead, sender)).ok()?;
    let message = match action {
        Action::Email => message.with_footer(&email_footer(facts.settings, None)),
        _ => message,
    };
    let to = format!("{} {}, {}", lead.first_name, lead.last_name, lead.business);
    Some(First { account: sender.name.clone(), step: step.id.clone(), action, to, message })
}

fn notes(facts: &ReviewFacts<'_>, leads: &[&Lead]) -> Vec<String> {
    let mut notes = Vec::new();
    if !facts.search.is_finished() {
        notes.push("the search is still running; its further leads take part as they get ready".to_owned());
    }
    for account in facts.accounts.iter().filter(|account| account.state != "active") {
        notes.push(format!(
            "account {} is {}; it contacts nobody until that ends",
            printable(&account.name),
            account.state
        ));
    }
    let mut closed: BTreeMap<String, usize> = BTreeMap::new();
    if facts.sequence.actions().contains(&Action::Email) {
        for lead in leads.iter().filter(|lead| lead.email.is_some()) {
            if let Err(block) = policy::is_open(&lead.country, Channel::Email, &facts.settings.policy) {
                *closed.entry(block.reason).or_default() += 1;
            }
        }
    }
    notes.extend(closed.into_iter().map(|(why, leads)| {
        format!(
            "{} without email: {why}; with the consent that it asks for, give --open CC=email",
            counted(leads as u64, "lead")
        )
    }));
    notes
}

/// Leads by what is said of them, the largest group first.
#[derive(Default)]
struct Groups(BTreeMap<String, Group>);

impl Groups {
    fn add(&mut self, why: String, lead: &Lead) {
        let empty = |why: &String| Group { why: why.clone(), leads: 0, examples: Vec::new() };
        let group = self.0.entry(why).or_insert_with_key(empty);
        group.leads += 1;
        if group.examples.len() < EXAMPLES {
            group.examples.push(lead.id.clone());
        }
    }

    fn list(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.0.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.leads));
        groups
    }
}

impl Review {
    pub(super) fn text(&self, width: u16) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            text.push_str(&wrapped(&format!("{label:<12}"), &printable(value), width));
        };
        line("campaign", &self.campaign);
        let steps: Vec<String> = self
            .contacts
            .iter()
            .map(|(step, action)| format!("{step} ({})", action.name().replace('_', " ")))
            .collect();
        line("sequence", &format!("{}: {}", self.sequence, steps.join(", ")));
        line("leads", &format!("{} of {} ready ones take part", self.leads, self.ready));
        for group in &self.passed_over {
            line("", &format!("{} not: {}; for example {}", group.leads, group.why, group.examples.join(", ")));
        }
        for (index, account) in self.accounts.iter().enumerate() {
            let label = if index == 0 { "accounts" } else { "" };
            line(label, &format!("{} ({}, {})", account.name, account.channel.name(), account.state));
        }
        if let Some(first) = &self.first {
            let action = first.action.name().replace('_', " ");
            line("first", &format!("step {}, {action} by {} to {}", first.step, first.account, first.to));
            if let Some(subject) = &first.message.subject {
                line("", &format!("subject: {subject}"));
            }
            for part in first.message.text.lines() {
                line("  |", part);
            }
            if first.message.text.is_empty() {
                line("  |", "(without a note)");
            }
        }
        for note in &self.notes {
            line("note", note);
        }
        for problem in &self.problems {
            line("problem", problem);
        }
        if self.source == SANDBOX_SOURCE {
            line("", crate::output::SANDBOX_NOTICE);
        }
        text
    }
}
