//! `starter sequence preview`: every message as a real lead would read it.

use super::super::{account, lead, print, print_json};
use super::{file_or_stored, words};
use crate::failure::Failure;
use crate::output::{printable, terminal_width, wrapped};
use crate::site::{GlobalArgs, Site};
use clap::Args;
use leadflow_activities::outreach::templates::{Draft, Tokens, draft, length};
use leadflow_activities::store::Store;
use leadflow_activities::store::accounts::Account;
use leadflow_activities::store::leads::Lead;
use leadflow_workflows::domain::outreach::Action;
use leadflow_workflows::domain::sequence::{Condition, Sequence, Step, StepKind};
use serde_json::json;
use std::collections::BTreeSet;

/// Write every message for a lead, with what is missing or too long; nothing is stored or sent
///
/// Ends with 1 if something on the lead's way cannot be sent.
///
/// Example: starter sequence preview sequence.toml --lead last/1
#[derive(Args, Debug)]
pub struct PreviewArgs {
    /// A file, or a stored sequence as NAME or NAME@VERSION
    #[arg(value_name = "FILE|NAME")]
    sequence: String,
    /// Id of the lead or its beginning, or SEARCH/RANK as in the list of a search
    #[arg(long, value_name = "ID")]
    lead: String,
    /// The account that would send; without it your name is left open
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
}

/// A step on a lead's way, and what it says.
pub(super) struct Shown<'a> {
    pub(super) step: &'a Step,
    pub(super) draft: Draft,
    /// Why it cannot be sent to this lead, each with a hint.
    pub(super) problems: Vec<String>,
}

pub(super) async fn run(args: &PreviewArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let sequence = file_or_stored(&site, &store, &args.sequence).await?;
    let lead = lead::find(&site, &store, &args.lead).await?;
    let account = find_account(&site, &store, args.account.as_deref()).await?;
    let shown = shown(&sequence, &lead, account.as_ref());
    if global.json {
        let steps = shown.iter().map(|shown| {
            json!({
                "step_id": shown.step.id, "action": shown.step.kind.action(), "message": shown.draft.message,
                "problems": shown.problems,
            })
        });
        print_json(&json!({ "lead_id": lead.id, "sequence": sequence.name, "steps": steps.collect::<Vec<_>>() }))?;
    } else {
        print(&text(&sequence, &lead, &shown, terminal_width()))?;
    }
    refuse_problems(&shown)
}

pub(super) fn refuse_problems(shown: &[Shown<'_>]) -> Result<(), Failure> {
    let unsendable: Vec<&str> =
        shown.iter().filter(|shown| !shown.problems.is_empty()).map(|shown| shown.step.id.as_str()).collect();
    if unsendable.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "cannot be sent to this lead: {}\nhint: mend the texts, or give another lead",
        unsendable.join(", ")
    )))
}

async fn find_account(site: &Site, store: &Store, word: Option<&str>) -> Result<Option<Account>, Failure> {
    match word {
        Some(word) => Ok(Some(account::find(site, store, word).await?)),
        None => Ok(None),
    }
}

/// Every step on the lead's ways. Without account, places are held for the sender's name and address.
pub(super) fn shown<'a>(sequence: &'a Sequence, lead: &Lead, account: Option<&Account>) -> Vec<Shown<'a>> {
    let name = account.map_or("[your name]", |account| account.settings.from_name.as_deref().unwrap_or(&account.name));
    let mut tokens = Tokens::of(lead, name, &sequence.name);
    let address = account.and_then(|account| account.address.clone());
    tokens.sender.address = address.unwrap_or_else(|| "[your address]".into());
    tokens.sender.is_free = account.is_some_and(|account| account.settings.is_free);
    let (has_email, has_profile) = (lead.email.is_some(), !lead.linkedin_public_id.is_empty());
    let reached = ways(sequence, has_email, has_profile);
    let steps = sequence.steps.iter().enumerate().filter(|(index, _)| reached.contains(index));
    steps
        .map(|(_, step)| {
            let draft = draft(step, &tokens);
            let missing = match step.kind.action() {
                Some(Action::Email) if !has_email => {
                    Some("this lead has no email address; hint: put a `branch` on `has_email` before it")
                }
                Some(Action::Message | Action::Inmail) if !has_profile => {
                    Some("this lead has no LinkedIn profile; hint: put a `branch` on `has_profile` before it")
                }
                _ => None,
            };
            let problems = draft.problems.iter().map(|error| format!("{}; hint: {}", error.problem, error.hint));
            let problems = missing.map(str::to_owned).into_iter().chain(problems).collect();
            Shown { step, draft, problems }
        })
        .collect()
}

/// Indexes of the steps that a lead with these can come to, connected or not.
fn ways(sequence: &Sequence, has_email: bool, has_profile: bool) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![0];
    while let Some(index) = open.pop() {
        let Some(step) = sequence.steps.get(index) else { continue };
        if !reached.insert(index) || step.end {
            continue;
        }
        let to = |target: &Option<String>| target.as_ref().and_then(|id| sequence.position(id)).unwrap_or(index + 1);
        match &step.kind {
            StepKind::End => {}
            StepKind::WaitForConnection { on_timeout, .. } => {
                open.extend(has_profile.then_some(index + 1));
                open.extend(on_timeout.as_ref().map(|_| to(on_timeout)));
            }
            StepKind::Branch { condition, then, otherwise } => match condition {
                Condition::Connected => {
                    open.extend(has_profile.then(|| to(then)));
                    open.push(to(otherwise));
                }
                Condition::HasEmail => open.push(to(if has_email { then } else { otherwise })),
                Condition::HasProfile => open.push(to(if has_profile { then } else { otherwise })),
            },
            _ => open.push(index + 1),
        }
    }
    reached
}

fn text(sequence: &Sequence, lead: &Lead, shown: &[Shown<'_>], width: u16) -> String {
    let who = format!("{} {}, {}, {}", lead.first_name, lead.last_name, lead.role, lead.business);
    let mut out = wrapped("", &format!("{} for {}", sequence.name, printable(&who)), width);
    for Shown { step, draft, problems } in shown {
        out.push('\n');
        out.push_str(&words::line(step, width));
        let message = &draft.message;
        if !message.text.is_empty() {
            out.push_str(&words::message(message.subject.as_deref(), &message.text, width));
            let count = length(&message.text);
            let free = matches!(step.kind, StepKind::Invite { .. }) && count > 200;
            let free = if free { "; a free LinkedIn account sends at most 200" } else { "" };
            out.push_str(&wrapped("    ", &format!("({count} characters{free})"), width));
        }
        for problem in problems {
            out.push_str(&wrapped("  ! ", problem, width));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use leadflow_activities::outreach::sequence_file;
    use std::path::Path;

    fn template(name: &str) -> Sequence {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/sequences");
        sequence_file::load(&folder.join(name)).unwrap()
    }

    fn lead() -> Lead {
        crate::commands::lead::tests::lead()
    }

    #[test]
    fn every_example_can_be_sent_to_an_ordinary_lead() {
        for name in ["linkedin.toml", "email.toml", "linkedin_then_email.toml"] {
            let sequence = template(name);
            for shown in shown(&sequence, &lead(), None) {
                assert_eq!(shown.problems, Vec::<String>::new(), "{name}");
                let is_note = matches!(shown.step.kind, StepKind::Invite { .. });
                assert!(!is_note || length(&shown.draft.message.text) <= 200, "{name}: too long for a free account");
            }
        }
    }

    #[test]
    fn every_message_is_shown_with_what_keeps_it_from_being_sent() {
        let text = |sequence: &Sequence, lead: &Lead| text(sequence, lead, &shown(sequence, lead, None), 100);
        insta::assert_snapshot!(text(&template("linkedin_then_email.toml"), &lead()));
        let strict =
            "name = \"x\"\n[[step]]\ninvite = \"Hi {{ lead.hook }}\"\n[[step]]\nsubject = \"a\"\nemail = \"b\"\n";
        let strict = sequence_file::parse("x.toml", strict, None).unwrap();
        let unknown = Lead { hook: None, email: None, ..lead() };
        insta::assert_snapshot!(text(&strict, &unknown));
        let failure = refuse_problems(&shown(&strict, &unknown, None)).unwrap_err();
        assert!(matches!(failure, Failure::Refused(text) if text.contains("invite, email")));
    }

    #[test]
    fn only_what_a_lead_can_come_to_is_shown() {
        let ids = |lead: &Lead| {
            let sequence = template("linkedin_then_email.toml");
            shown(&sequence, lead, None).iter().map(|shown| shown.step.id.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ids(&lead()), "look hello accepted thanks offer has-email mail done");
        assert_eq!(ids(&Lead { email: None, ..lead() }), "look hello accepted thanks offer has-email done");
        assert_eq!(
            ids(&Lead { linkedin_public_id: String::new(), ..lead() }),
            "look hello accepted has-email mail done"
        );
    }
}
