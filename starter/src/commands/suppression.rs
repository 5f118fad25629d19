//! `starter suppression`: whom not to contact, on any channel.

use super::lead::tell_ended;
use super::{columns, instant, print, print_json, print_list, tell};
use crate::csv_file::{self, CsvFile};
use crate::failure::Failure;
use crate::output::figures::{count, counted};
use crate::output::{printable, terminal_width};
use crate::site::{GlobalArgs, Site};
use clap::{Args, Subcommand};
use leadflow_activities::config::mistakes::{Mistakes, read_text};
use leadflow_activities::store::suppressions::Suppression;
use leadflow_workflows::domain::suppression::{SuppressionOrigin, SuppressionTarget};
use serde_json::json;
use std::path::PathBuf;

/// Keep people from being contacted, on any channel
#[derive(Subcommand, Debug)]
pub enum SuppressionCommand {
    Add(AddArgs),
    /// List whom not to contact, the newest first
    ///
    /// Example: starter suppression list
    List,
    /// Take an entry off the list; outreach that it ended stays ended
    ///
    /// Example: starter suppression remove jane@brewery.example
    Remove(ValueArg),
    Import(ImportArgs),
}

/// Which entry.
#[derive(Args, Debug)]
pub struct ValueArg {
    /// Email address, domain, or LinkedIn profile
    #[arg(value_name = "VALUE")]
    value: String,
}

/// Add people by email address, LinkedIn profile or whole domain; what runs for them ends at once
///
/// Example: starter suppression add jane@brewery.example --reason "is a customer"
#[derive(Args, Debug)]
pub struct AddArgs {
    /// Email addresses, domains, or LinkedIn profiles
    #[arg(value_name = "VALUE", required = true)]
    values: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "added by hand")]
    reason: String,
}

/// Add a list: CSV with a column email, linkedin, domain or value, and perhaps a reason
///
/// Example: starter suppression import customers.csv
#[derive(Args, Debug)]
pub struct ImportArgs {
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// Why, for rows that say nothing
    #[arg(long, value_name = "TEXT", default_value = "imported")]
    reason: String,
}

pub async fn run(command: SuppressionCommand, global: &GlobalArgs) -> Result<(), Failure> {
    match command {
        SuppressionCommand::Add(args) => add(&args, global).await,
        SuppressionCommand::List => list(global).await,
        SuppressionCommand::Remove(args) => remove(&args, global).await,
        SuppressionCommand::Import(args) => import(&args, global).await,
    }
}

async fn add(args: &AddArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let reason = args.reason.trim();
    let targets = args.values.iter().map(|value| Ok((target(value)?, reason.to_owned())));
    let targets = targets.collect::<Result<Vec<_>, Failure>>()?;
    store(&targets, SuppressionOrigin::Person, global).await
}

async fn import(args: &ImportArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let text = read_text(&args.file, csv_file::LARGEST_BYTES)?;
    let targets = parse(&args.file.display().to_string(), &text, args.reason.trim())?;
    store(&targets, SuppressionOrigin::Import, global).await
}

async fn store(
    targets: &[(SuppressionTarget, String)],
    origin: SuppressionOrigin,
    global: &GlobalArgs,
) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let stored = store.add_suppressions(site.tenant(), targets, origin, site.clock.now_ms()).await?;
    tell_ended(&site, &store, &stored.ended).await?;
    if global.json {
        return print_json(&stored);
    }
    let known =
        if stored.known > 0 { format!(", {} on the list before", count(stored.known.into())) } else { String::new() };
    let ended = counted(stored.ended.len() as u64, "enrollment");
    print(&format!("{} added{known}; {ended} ended\n", count(stored.added.into())))
}

async fn list(global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let entries = site.store().await?.suppressions(site.tenant()).await?;
    let none = "nobody is suppressed\nhint: `starter suppression add VALUE` adds a person or a domain";
    print_list(&entries, global.json, false, none, || table(&entries, terminal_width()))
}

fn table(entries: &[Suppression], width: u16) -> String {
    let rows = entries.iter().map(|entry| {
        let origin = entry.origin.name().replace('_', " ");
        vec![
            entry.kind.name().to_owned(),
            printable(&entry.value),
            origin,
            instant(entry.created_at_ms),
            printable(&entry.reason),
        ]
    });
    columns(&["kind", "value", "by", "since", "reason"], &[], rows, width)
}

async fn remove(args: &ValueArg, global: &GlobalArgs) -> Result<(), Failure> {
    let target = target(&args.value)?;
    let site = Site::find(global)?;
    if !site.store().await?.remove_suppression(site.tenant(), &target).await? {
        return Err(Failure::Refused(format!(
            "`{target}` is not on the list\nhint: `starter suppression list` shows what is; an address may still be kept out \
             by its domain"
        )));
    }
    if global.json {
        return print_json(&json!({ "removed": target.to_string() }));
    }
    print(&format!("removed {target}\n"))?;
    tell("outreach that it ended stays ended: only new campaigns may take these people again");
    Ok(())
}

pub(crate) fn target(value: &str) -> Result<SuppressionTarget, Failure> {
    value.parse().map_err(|problem: leadflow_workflows::domain::exclude::ExclusionProblem| {
        Failure::Failed(format!("`{}` {}\nhint: {}", printable(value), problem.message, problem.hint))
    })
}

/// Every filled cell of a column that names people is one entry.
fn parse(file: &str, text: &str, default_reason: &str) -> Result<Vec<(SuppressionTarget, String)>, Mistakes> {
    let CsvFile { header, rows, mistakes: mut list } = csv_file::read(file, text)?;
    let header: Vec<String> = header.iter().map(|name| name.to_lowercase()).collect();
    let used: Vec<(usize, &str)> = ["email", "linkedin", "domain", "value"]
        .into_iter()
        .filter_map(|name| header.iter().position(|column| column == name).map(|index| (index, name)))
        .collect();
    if used.is_empty() {
        let hint = "name one of email, linkedin, domain or value";
        return Err(Mistakes::one(file, "the header names no column to suppress by", hint));
    }
    let reason = header.iter().position(|column| column == "reason");
    let mut targets = Vec::new();
    for row in &rows {
        let reason = reason.and_then(|column| row.cell(column)).unwrap_or(default_reason);
        for (index, column) in &used {
            let Some(cell) = row.cell(*index) else { continue };
            let text = if *column == "value" { cell.to_owned() } else { format!("{column}:{cell}") };
            match text.parse() {
                Ok(target) => targets.push((target, reason.to_owned())),
                Err(problem) => {
                    let problem: leadflow_workflows::domain::exclude::ExclusionProblem = problem;
                    list.push(row.mistake(format!("`{column}` {}", problem.message), problem.hint));
                }
            }
        }
    }
    list.sort_by_key(|mistake| mistake.span.as_ref().map(|span| span.start));
    if list.is_empty() { Ok(targets) } else { Err(Mistakes { file: file.into(), text: text.into(), list }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leadflow_workflows::domain::suppression::SuppressionKind;

    #[test]
    fn a_list_is_read_column_by_column() {
        let text = "Value,Reason,size\nmara@lowen.example,customer,3\nlowen.example,,\nsim-bo,,\n";
        let read: Vec<String> = parse("list.csv", text, "imported")
            .unwrap()
            .iter()
            .map(|(target, reason)| format!("{target} {reason}"))
            .collect();
        assert_eq!(
            read,
            ["email:mara@lowen.example customer", "domain:lowen.example imported", "linkedin:sim-bo imported"]
        );
        let bad = parse("list.csv", "email,domain\nmara@lowen.example,lowen\nmara,lowen.example\n", "").unwrap_err();
        let told: Vec<String> = bad.list.iter().map(|mistake| mistake.message.clone()).collect();
        assert_eq!(told, ["`domain` is not a domain", "`email` is not an email address"]);
        assert!(parse("list.csv", "colour\nred\n", "").unwrap_err().to_string().contains("no column to suppress by"));
    }

    #[test]
    fn entries_stand_in_columns() {
        let entry = |kind, value: &str, origin| Suppression {
            kind,
            value: value.into(),
            reason: "is a customer".into(),
            origin,
            created_at_ms: 1_773_480_413_000,
        };
        let entries = [
            entry(SuppressionKind::Email, "mara@lowen.example", SuppressionOrigin::OptOut),
            entry(SuppressionKind::Domain, "brewery.example", SuppressionOrigin::Person),
        ];
        insta::assert_snapshot!(table(&entries, 100));
    }
}
