//! `starter buyer-group`: who decides together at a company, kept up to date.

use super::{columns, instant, print, print_json, print_list, tell, the_one};
use crate::failure::Failure;
use crate::output::figures::counted;
use crate::output::{SANDBOX_NOTICE, SANDBOX_SOURCE, printable, terminal_width};
use crate::site::{GlobalArgs, Site};
use clap::{Args, Subcommand};
use leadflow_activities::outreach::events::teller;
use leadflow_activities::store::Store;
use leadflow_activities::store::buyer_groups::{GroupSummary, Member, RefreshLog};
use leadflow_workflows::buyer_group::workflow_id;
use leadflow_workflows::domain::ids::BusinessId;
use serde_json::json;

/// Refreshes that `show` lists.
const LOGS: u32 = 5;

/// See who decides together at a company, and have that looked at again
#[derive(Subcommand, Debug)]
pub enum BuyerGroupCommand {
    /// Look at a company again: at once, or as soon as an hour has passed since the last time
    ///
    /// Example: starter buyer-group refresh "Maple Hill Brewing"
    Refresh(CompanyArg),
    /// Show the people of a company with their roles, and its last refreshes
    ///
    /// Example: starter buyer-group show maplehill.example
    Show(CompanyArg),
    List(ListArgs),
}

/// Which company.
#[derive(Args, Debug)]
pub struct CompanyArg {
    /// Name, domain, id or its beginning, or `last` for the one refreshed last
    #[arg(value_name = "COMPANY")]
    company: String,
}

/// List the companies whose groups are kept, the one refreshed last first
///
/// Example: starter buyer-group list --limit 20
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Most companies to list
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
}

pub async fn run(command: BuyerGroupCommand, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    match command {
        BuyerGroupCommand::Refresh(arg) => refresh(&site, &arg.company, global.json).await,
        BuyerGroupCommand::Show(arg) => show(&site, &arg.company, global.json).await,
        BuyerGroupCommand::List(args) => {
            let groups = site.store().await?.buyer_groups(site.tenant(), args.limit).await?;
            let none = "no buyer group is kept yet\nhint: `starter buyer-group refresh COMPANY` begins one";
            let sources = groups.iter().map(|group| group.source.as_str());
            print_list(&groups, global.json, false, none, || with_notice(table(&groups, terminal_width()), sources))
        }
    }
}

/// Writes the wish down and tells the workflow; a wish that could not be told is kept for the next telling.
async fn refresh(site: &Site, word: &str, json: bool) -> Result<(), Failure> {
    // Temporal first: a wish that no workflow hears of is half a job.
    let (client, _) = site.temporal().await?;
    let store = site.store().await?;
    let group = find(site, &store, word).await?;
    store.ask_for_refresh(site.tenant(), &group.business_id, "a person asked", site.clock.now_ms()).await?;
    let id = workflow_id(&BusinessId(group.business_id.clone()));
    let workflows = teller(client, &site.config);
    workflows.look(site.tenant(), &id).await.map_err(|error| {
        Failure::Failed(format!(
            "it is stored, but its workflow could not be told: {error}\nhint: the same command again tells it"
        ))
    })?;
    if json {
        return print_json(&json!({ "business_id": group.business_id, "business": group.business, "workflow_id": id }));
    }
    print(&format!("the buyer group of {} is looked at again\n", printable(&group.business)))?;
    tell(&format!("see it: starter buyer-group show {}", group.business_id));
    Ok(())
}

async fn show(site: &Site, word: &str, json: bool) -> Result<(), Failure> {
    let store = site.store().await?;
    let group = find(site, &store, word).await?;
    let members = store.members(site.tenant(), &group.business_id).await?;
    let logs = store.refresh_logs(site.tenant(), &group.business_id, LOGS).await?;
    if json {
        return print_json(&json!({ "group": group, "members": members, "refreshes": logs }));
    }
    print(&with_notice(page(&group, &members, &logs, terminal_width()), [group.source.as_str()].into_iter()))
}

async fn find(site: &Site, store: &Store, word: &str) -> Result<GroupSummary, Failure> {
    let found = store.matching_companies(site.tenant(), word).await?;
    let none = "give a name or domain in full, or four letters of an id or more; `starter buyer-group list` and \
                `starter search leads last --format json` show companies";
    the_one(found, "buyer group", word, none, "give its domain or its id")
}

fn with_notice<'a>(text: String, mut sources: impl Iterator<Item = &'a str>) -> String {
    if sources.any(|source| source == SANDBOX_SOURCE) { format!("{text}{SANDBOX_NOTICE}\n") } else { text }
}

fn table(groups: &[GroupSummary], width: u16) -> String {
    let rows = groups.iter().map(|group| {
        vec![
            group.business_id.clone(),
            printable(&group.business),
            group.members.to_string(),
            group.decision_makers.to_string(),
            group.pending.to_string(),
            group.refreshed_at_ms.map_or_else(|| "not yet".into(), instant),
        ]
    });
    let header = ["company", "name", "people", "deciders", "pending", "refreshed"];
    columns(&header, &["people", "deciders", "pending"], rows, width)
}

fn page(group: &GroupSummary, members: &[Member], logs: &[RefreshLog], width: u16) -> String {
    let pending = match group.pending {
        0 => String::new(),
        waiting => format!("; {} for the next refresh", counted(waiting.into(), "change")),
    };
    let facts = [
        ("company", group.business_id.clone()),
        ("name", printable(&group.business)),
        ("domain", group.domain.as_deref().map_or_else(|| "unknown".into(), printable)),
        ("refreshed", format!("{}{pending}", group.refreshed_at_ms.map_or_else(|| "not yet".into(), instant))),
    ];
    let mut text: String =
        facts.iter().flat_map(|(label, value)| [format!("{label:<12}"), value.clone(), "\n".into()]).collect();
    if !members.is_empty() {
        let rows = members.iter().map(|member| {
            let role = member.role.as_deref().unwrap_or("not judged yet").replace('_', " ");
            let by = member.role_by.as_deref().map_or(String::new(), |by| format!(" ({by})"));
            let reach =
                member.email.clone().or_else(|| member.linkedin_public_id.as_ref().map(|id| format!("in/{id}")));
            vec![
                printable(&member.name),
                printable(&member.title),
                match member.left_at_ms {
                    Some(at_ms) => format!("left by {}", instant(at_ms)),
                    None => format!("{role}{by}"),
                },
                printable(&reach.unwrap_or_default()),
            ]
        });
        text.push('\n');
        text.push_str(&columns(&["person", "title", "role", "contact"], &[], rows, width));
    }
    if !logs.is_empty() {
        let rows = logs.iter().map(|log| {
            let without =
                if log.problems.is_empty() { String::new() } else { format!(" without {}", log.problems.join(", ")) };
            let took = log.ended_at_ms.map_or_else(String::new, |ended_at_ms| seconds(ended_at_ms - log.started_at_ms));
            vec![
                instant(log.started_at_ms),
                log.changes.to_string(),
                format!("{}{}", log.outcome.replace('_', " "), printable(&without)),
                log.calls.to_string(),
                log.cost.to_string(),
                took,
                printable(&log.cause),
            ]
        });
        let header = ["refresh", "changes", "outcome", "calls", "cost", "took", "because"];
        text.push('\n');
        text.push_str(&columns(&header, &["changes", "calls", "cost", "took"], rows, width));
    }
    text
}

fn seconds(took_ms: i64) -> String {
    format!("{}.{} s", took_ms / 1_000, took_ms % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use leadflow_workflows::domain::money::MicroUsd;

    const NOON_MS: i64 = 1_773_489_600_000;

    fn group() -> GroupSummary {
        GroupSummary {
            business_id: "0190b8a0-0000-7000-8000-00000000000b".into(),
            business: "Maple Hill Brewing".into(),
            domain: Some("maplehill.example".into()),
            source: "sandbox".into(),
            members: 2,
            decision_makers: 1,
            pending: 3,
            refreshed_at_ms: Some(NOON_MS),
        }
    }

    fn member(name: &str, title: &str, role: &str) -> Member {
        Member {
            person_id: "p".into(),
            name: name.into(),
            title: title.into(),
            role: Some(role.into()),
            role_by: Some("model".into()),
            because: Some("the title decides".into()),
            linkedin_public_id: Some("sim-ada".into()),
            email: None,
            left_at_ms: None,
        }
    }

    #[test]
    fn a_page_shows_people_and_refreshes() {
        let gone = Member { left_at_ms: Some(NOON_MS), ..member("Kim Lee", "Head Brewer", "champion") };
        let members = [member("Ada Van Dyke", "Owner", "decision_maker"), gone];
        let log = RefreshLog {
            id: "r".into(),
            business_id: "b".into(),
            cause: "somebody has left the company".into(),
            changes: 199,
            outcome: "completed_with_gaps".into(),
            problems: vec!["roles: timed out".into()],
            members: 2,
            calls: 3,
            cost: MicroUsd(41_500),
            started_at_ms: NOON_MS - 4_250,
            ended_at_ms: Some(NOON_MS),
        };
        insta::assert_snapshot!(page(&group(), &members, &[log], 160));
    }

    #[test]
    fn a_list_has_one_line_for_each_company() {
        insta::assert_snapshot!(table(&[group(), GroupSummary { refreshed_at_ms: None, ..group() }], 140));
    }
}
