//! `starter audit`: who did what.

use super::{columns, instant, print_list};
use crate::failure::Failure;
use crate::output::{printable, terminal_width};
use crate::site::{GlobalArgs, Site};
use clap::{Args, Subcommand};
use leadflow_activities::store::audit::AuditEntry;
use std::collections::BTreeMap;

/// See who did what
#[derive(Subcommand, Debug)]
pub enum AuditCommand {
    List(ListArgs),
}

/// List what was done over the API and with tokens, the newest first
///
/// Example: starter audit list --limit 20
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only what was done with this token, by its id, or by `cli`
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Most entries to list
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
}

pub async fn run(command: &AuditCommand, global: &GlobalArgs) -> Result<(), Failure> {
    let AuditCommand::List(args) = command;
    let site = Site::find(global)?;
    let store = site.store().await?;
    let entries = store.audit_entries(site.tenant(), args.actor.as_deref(), args.limit).await?;
    let tokens = store.api_tokens(site.tenant()).await?;
    let names: BTreeMap<String, String> = tokens.into_iter().map(|token| (token.id, token.name)).collect();
    let none = "nothing was done over the API or with tokens yet";
    print_list(&entries, global.json, args.actor.is_some(), none, || table(&entries, &names, terminal_width()))
}

/// `names` of tokens, by id.
fn table(entries: &[AuditEntry], names: &BTreeMap<String, String>, width: u16) -> String {
    let rows = entries.iter().map(|entry| {
        vec![
            instant(entry.at_ms),
            printable(names.get(&entry.actor).unwrap_or(&entry.actor)),
            entry.action.clone(),
            printable(entry.subject.as_deref().unwrap_or_default()),
            entry.status.map_or(String::new(), |status| status.to_string()),
            entry.request_id.clone().unwrap_or_default(),
        ]
    });
    let header = ["at", "who", "did", "to", "answer", "request"];
    // An id that is broken over lines cannot be copied.
    columns(&header, &["answer"], rows, width.max(150))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_in_columns_under_the_names_of_tokens() {
        let entry = AuditEntry {
            id: "e".into(),
            at_ms: 1_773_480_413_000,
            actor: "t1".into(),
            action: "startSearch".into(),
            subject: Some("s1".into()),
            request_id: Some("r1".into()),
            status: Some(202),
        };
        let by_hand = AuditEntry { actor: "cli".into(), action: "createToken".into(), status: None, ..entry.clone() };
        let names = BTreeMap::from([("t1".to_owned(), "shop".to_owned())]);
        insta::assert_snapshot!(table(&[entry, by_hand], &names, 100), @r"
        at                       who   did          to  answer  request
        2026-03-14 09:26:53 UTC  shop  startSearch  s1     202  r1
        2026-03-14 09:26:53 UTC  cli   createToken  s1          r1
        ");
    }
}
