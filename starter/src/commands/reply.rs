//! `starter reply`: what people wrote back, and how they take it.

use super::{columns, instant, print, print_json, print_list, the_one};
use crate::failure::Failure;
use crate::output::{printable, terminal_width, wrapped};
use crate::site::{GlobalArgs, Site};
use clap::{Args, Subcommand};
use leadflow_activities::store::Store;
use leadflow_activities::store::replies::Reply;
use leadflow_workflows::domain::answers::{ReplyClass, ReplyLabel};

/// See what came back, and how people take it
#[derive(Subcommand, Debug)]
pub enum ReplyCommand {
    List(ListArgs),
    Show(ShowArgs),
}

/// List what came back, positive replies first
///
/// Example: starter reply list --limit 20
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Most replies to list
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
}

/// Show one reply with its text
///
/// Example: starter reply show 0190b8a0
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Id of the reply or its beginning
    #[arg(value_name = "ID")]
    reply: String,
}

/// Letters of a text in a list.
const EXCERPT: usize = 60;

pub async fn run(command: ReplyCommand, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    match command {
        ReplyCommand::List(args) => {
            let replies = store.latest_replies(site.tenant(), args.limit).await?;
            let none = "nothing came back yet\nhint: `starter campaign list` shows how far the campaigns are";
            print_list(&replies, global.json, false, none, || table(&replies, terminal_width()))
        }
        ReplyCommand::Show(args) => {
            let reply = find(&site, &store, &args.reply).await?;
            if global.json { print_json(&reply) } else { print(&text(&reply, terminal_width())) }
        }
    }
}

async fn find(site: &Site, store: &Store, word: &str) -> Result<Reply, Failure> {
    let found = if word.len() < 4 { Vec::new() } else { store.matching_replies(site.tenant(), word).await? };
    let none = "`starter reply list` shows them; give four letters of the id or more";
    the_one(found, "reply", word, none, "give more of the id")
}

/// What a model says, in words; how sure it is, where that matters.
pub(crate) fn labelled(label: ReplyLabel) -> String {
    let ReplyLabel { kind, tone, confidence } = label;
    let class = match kind {
        ReplyClass::Human => return format!("{} ({confidence} % sure)", tone.name()),
        ReplyClass::OptOut => "asks for no further contact",
        ReplyClass::OutOfOffice => "an out-of-office note",
        ReplyClass::Automatic => "written by a program",
    };
    format!("a model takes it for: {class} ({confidence} % sure)")
}

/// What it is: by the rules, and of a person's reply by a model.
fn meaning(reply: &Reply) -> String {
    match (reply.label, &reply.not_read) {
        (Some(label), _) => labelled(label),
        (None, Some(why)) => format!("not read ({why})"),
        (None, None) if reply.kind == "reply" => "not read".into(),
        (None, None) => String::new(),
    }
}

fn table(replies: &[Reply], width: u16) -> String {
    let rows = replies.iter().map(|reply| {
        let excerpt: String =
            reply.text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(EXCERPT).collect();
        vec![
            reply.id.clone(),
            instant(reply.at_ms),
            printable(&reply.person),
            reply.kind.replace('_', " "),
            printable(&meaning(reply)),
            printable(&excerpt),
        ]
    });
    columns(&["reply", "came", "person", "kind", "tone", "text"], &[], rows, width)
}

fn text(reply: &Reply, width: u16) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        text.push_str(&wrapped(&format!("{label:<10}"), &printable(value), width));
    };
    line("reply", &reply.id);
    line("person", if reply.person.is_empty() { &reply.person_id } else { &reply.person });
    line("came", &format!("{} on {}", instant(reply.at_ms), reply.channel));
    line("kind", &reply.kind.replace('_', " "));
    if !meaning(reply).is_empty() {
        line("tone", &meaning(reply));
    }
    text.push('\n');
    for line in reply.text.lines() {
        text.push_str(&wrapped("", &printable(line), width));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use leadflow_workflows::domain::replies::Tone;

    fn reply(kind: &str, label: Option<ReplyLabel>, not_read: Option<&str>) -> Reply {
        Reply {
            id: "0190b8a0-0000-7000-8000-000000000001".into(),
            person_id: "p".into(),
            person: "Dana Whitlock".into(),
            account_id: "a".into(),
            channel: "email".into(),
            kind: kind.into(),
            text: "Good idea,\ncall me on Tuesday.\n".into(),
            at_ms: 1_772_000_000_000,
            label,
            not_read: not_read.map(str::to_owned),
            address: None,
        }
    }

    #[test]
    fn a_reply_is_shown_with_what_a_model_says_of_it() {
        let label = |kind, tone| Some(ReplyLabel { kind, tone, confidence: 97 });
        let replies = [
            reply("reply", label(ReplyClass::Human, Tone::Positive), None),
            reply("reply", label(ReplyClass::OutOfOffice, Tone::Neutral), None),
            reply("reply", None, Some("over budget: the installation's day")),
            reply("reply", None, None),
            reply("automatic", None, None),
        ];
        insta::assert_snapshot!(format!("{}\n{}", table(&replies, 200), text(&replies[0], 80)));
    }
}
