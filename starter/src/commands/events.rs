//! `starter events`: what providers told, and what it did.

use super::{columns, instant, print, print_json, print_list, rfc3339, tell as say, the_one};
use crate::failure::Failure;
use crate::output::{printable, terminal_width};
use crate::site::{GlobalArgs, Site};
use clap::{Args, Subcommand};
use leadflow_activities::outreach::events::{reprocess, tell, teller};
use leadflow_activities::store::Store;
use leadflow_activities::store::events::{EventFilter, StoredEvent};
use serde_json::{Value, json};

/// See what providers told, and what it did
#[derive(Subcommand, Debug)]
pub enum EventsCommand {
    List(ListArgs),
    Show(ShowArgs),
    Reprocess(ReprocessArgs),
}

/// List events, the newest first
///
/// Example: starter events list --unmatched
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only those of this source: `unipile`, `unsubscribe`, or a vendor of people's data by its name
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only those that concerned nobody known
    #[arg(long)]
    unmatched: bool,
    /// Only hints, which count when a pull has confirmed them
    #[arg(long)]
    unconfirmed: bool,
    /// Most events to list
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
}

/// Show one event and what it did
///
/// Example: starter events show last
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Id of the event or its beginning, or `last`
    #[arg(value_name = "ID")]
    event: String,
}

/// Apply an event again that concerned nobody known when it came
///
/// Example: starter events reprocess 0190b8a0
#[derive(Args, Debug)]
pub struct ReprocessArgs {
    /// Id of the event or its beginning, or `last`
    #[arg(value_name = "ID")]
    event: String,
}

pub async fn run(command: EventsCommand, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    match command {
        EventsCommand::List(args) => {
            let filter = EventFilter {
                source: args.source.as_deref(),
                only_unmatched: args.unmatched,
                only_unconfirmed: args.unconfirmed,
            };
            let events = store.filtered_events(site.tenant(), &filter, args.limit).await?;
            let documents: Vec<Value> = events.iter().map(document).collect();
            let is_narrowed = args.source.is_some() || args.unmatched || args.unconfirmed;
            let none = "no events yet\nhint: `starter serve` takes them in";
            print_list(&documents, global.json, is_narrowed, none, || table(&events, terminal_width()))
        }
        EventsCommand::Show(args) => {
            let event = find(&site, &store, &args.event).await?;
            if global.json { print_json(&document(&event)) } else { print(&text(&event)) }
        }
        EventsCommand::Reprocess(args) => {
            let event = find(&site, &store, &args.event).await?;
            again(&site, &store, &event, global.json).await
        }
    }
}

async fn again(site: &Site, store: &Store, event: &StoredEvent, json: bool) -> Result<(), Failure> {
    // Before anything is written: an effect that no workflow hears of is half a job.
    let (client, _) = site.temporal().await?;
    let Some(received) = reprocess(store, site.clock, site.tenant(), event).await? else {
        return Err(Failure::Refused(format!(
            "event {} has had its effect: {}\nhint: only events that concerned nobody are applied again",
            event.id,
            printable(&event.effect)
        )));
    };
    if !received.tell.is_empty() {
        let workflows = teller(client, &site.config);
        let told = tell(store, &*workflows, site.clock, site.tenant(), &received.event_id, &received.tell).await;
        told.map_err(|error| Failure::Failed(error.to_string()))?;
    }
    let Some(event) = store.matching_events(site.tenant(), &event.id).await?.pop() else {
        say(&format!("event {} was applied, and is now with the tenant who has its account", event.id));
        return Ok(());
    };
    if json {
        return print_json(&document(&event));
    }
    say(&format!("event {} was applied again", event.id));
    print(&text(&event))
}

async fn find(site: &Site, store: &Store, word: &str) -> Result<StoredEvent, Failure> {
    let found = if word.len() < 4 { Vec::new() } else { store.matching_events(site.tenant(), word).await? };
    let none = "`starter events list` shows them; give four letters of the id or more";
    the_one(found, "event", word, none, "give more of the id")
}

/// Without the message itself, which is a person's.
fn document(event: &StoredEvent) -> Value {
    json!({
        "id": event.id, "source": event.source, "kind": event.kind, "account_id": event.account_id,
        "person_id": event.person_id, "is_hint": event.is_hint, "effect": event.effect, "received_at": rfc3339(event.received_at_ms),
        "told_at": event.signalled_at_ms.map(rfc3339), "workflows": event.tell,
    })
}

fn table(events: &[StoredEvent], width: u16) -> String {
    let rows = events.iter().map(|event| {
        let StoredEvent { id, source, kind, effect, .. } = event;
        vec![id.clone(), instant(event.received_at_ms), source.clone(), kind.clone(), printable(effect)]
    });
    columns(&["event", "received", "source", "kind", "effect"], &[], rows, width)
}

fn text(event: &StoredEvent) -> String {
    let told = match event.signalled_at_ms {
        _ if event.tell.is_empty() => "nobody is to be told".to_owned(),
        Some(at_ms) => format!("{} at {}", event.tell.join(", "), instant(at_ms)),
        None => format!("not yet: {}", event.tell.join(", ")),
    };
    let rows = [
        ("event", event.id.clone()),
        ("source", event.source.clone()),
        ("kind", if event.is_hint { format!("{}, a hint", event.kind) } else { event.kind.clone() }),
        ("received", instant(event.received_at_ms)),
        ("account", event.account_id.clone().unwrap_or_else(|| "none known".into())),
        ("person", event.person_id.clone().unwrap_or_else(|| "nobody known".into())),
        ("effect", printable(&event.effect)),
        ("told", told),
    ];
    rows.iter().flat_map(|(label, value)| [format!("{label:<10}"), value.clone(), "\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> StoredEvent {
        StoredEvent {
            id: "0190b8a0-0000-7000-8000-000000000001".into(),
            source: "unipile".into(),
            event_key: "message_received/acc_1/msg_1".into(),
            kind: "message".into(),
            account_id: Some("0190b8a0-0000-7000-8000-00000000000a".into()),
            person_id: None,
            body: "{\"text\":\"secret\"}".into(),
            is_hint: false,
            effect: "unmatched: the message is from nobody known here".into(),
            tell: vec![],
            received_at_ms: 1_772_000_000_000,
            signalled_at_ms: Some(1_772_000_000_000),
        }
    }

    #[test]
    fn an_event_is_shown_without_its_message() {
        let shown = format!("{}{}{}", text(&event()), table(&[event()], 160), document(&event()));
        assert!(!shown.contains("secret"), "{shown}");
        insta::assert_snapshot!(text(&event()));
    }
}
