//! `starter sequence`: the contacts of a campaign, their versions, and what a lead would read.

mod preview;
mod test;
mod words;

use super::{columns, instant, print, print_json, print_list, rfc3339, the_one};
use crate::failure::Failure;
use crate::output::terminal_width;
use crate::site::{GlobalArgs, Site};
use clap::{Args, Subcommand};
use leadflow_activities::config::mistakes::Mistakes;
use leadflow_activities::outreach::sequence_file;
use leadflow_activities::store::Store;
use leadflow_activities::store::sequences::StoredSequence;
use leadflow_workflows::domain::sequence::Sequence;
use preview::PreviewArgs;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::{Path, PathBuf};
use test::TestArgs;

/// Check sequences of contacts, keep their versions, and see what a lead would read
#[derive(Subcommand, Debug)]
pub enum SequenceCommand {
    /// Check a sequence file; nothing is stored
    ///
    /// Example: starter sequence validate sequence.toml
    Validate(FileArg),
    /// Store a sequence file as the next version of its name; an unchanged file is the version that is there
    ///
    /// Example: starter sequence add sequence.toml
    Add(FileArg),
    /// List stored sequences with their versions
    ///
    /// Example: starter sequence list
    List,
    /// Show the steps and texts of a stored sequence
    ///
    /// Example: starter sequence show first-contact@1
    Show(ShowArgs),
    Preview(PreviewArgs),
    Test(TestArgs),
}

#[derive(Args, Debug)]
pub struct FileArg {
    /// A sequence file, as `starter init` writes one
    file: PathBuf,
}

#[derive(Args, Debug)]
pub struct ShowArgs {
    /// NAME for the newest version, NAME@VERSION, id or its beginning, or `last`
    #[arg(value_name = "NAME")]
    sequence: String,
}

pub async fn run(command: SequenceCommand, global: &GlobalArgs) -> Result<(), Failure> {
    match command {
        SequenceCommand::Validate(args) => validate(&args, global.json),
        SequenceCommand::Add(args) => add(&args, global).await,
        SequenceCommand::List => list(global).await,
        SequenceCommand::Show(args) => show(&args, global).await,
        SequenceCommand::Preview(args) => preview::run(&args, global).await,
        SequenceCommand::Test(args) => test::run(&args, global).await,
    }
}

/// The one stored version that a word means.
async fn find(site: &Site, store: &Store, word: &str) -> Result<StoredSequence, Failure> {
    let found = store.matching_sequences(site.tenant(), word).await?;
    let none = "`starter sequence list` shows them all, `starter sequence add FILE` adds one";
    the_one(found, "sequence", word, none, "give NAME@VERSION, or more of the id")
}

/// A sequence from a file, or a stored one.
async fn file_or_stored(site: &Site, store: &Store, word: &str) -> Result<Sequence, Failure> {
    match in_file(word)? {
        Some(sequence) => Ok(sequence),
        None => Ok(find(site, store, word).await?.sequence),
    }
}

/// The sequence of a file; `None` when the word names a stored one.
pub(super) fn in_file(word: &str) -> Result<Option<Sequence>, Mistakes> {
    let path = Path::new(word);
    let is_file = path.is_file() || path.extension().is_some_and(|end| end == "toml");
    is_file.then(|| sequence_file::load(path)).transpose()
}

fn validate(args: &FileArg, json: bool) -> Result<(), Failure> {
    let sequence = sequence_file::load(&args.file)?;
    if json {
        return print_json(&sequence);
    }
    let head = format!("{} is sound: `{}`, {}\n", args.file.display(), sequence.name, contacts(&sequence));
    print(&(head + &words::steps(&sequence, false, terminal_width())))
}

async fn add(args: &FileArg, global: &GlobalArgs) -> Result<(), Failure> {
    let sequence = sequence_file::load(&args.file)?;
    let site = Site::find(global)?;
    let store = site.store().await?;
    let (stored, is_new) = keep(&store, site.tenant(), &sequence, site.clock.now_ms()).await?;
    if global.json {
        return print_json(&Document::added(stored, is_new));
    }
    let what = if is_new { "stored" } else { "unchanged, stored before" };
    print(&format!("{}@{}  {}  {what}\n", stored.name, stored.version, stored.id))
}

async fn list(global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let sequences = site.store().await?.sequences(site.tenant()).await?;
    let documents: Vec<Document> = sequences.iter().cloned().map(Document::of).collect();
    let none = "no sequences yet\nhint: `starter sequence add FILE` stores one";
    print_list(&documents, global.json, false, none, || table(&sequences, terminal_width()))
}

fn table(sequences: &[StoredSequence], width: u16) -> String {
    let rows = sequences.iter().map(|stored| {
        vec![
            format!("{}@{}", stored.name, stored.version),
            contacts(&stored.sequence),
            instant(stored.created_at_ms),
            stored.id.clone(),
        ]
    });
    columns(&["sequence", "contacts", "stored", "id"], &[], rows, width)
}

async fn show(args: &ShowArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let stored = find(&site, &store, &args.sequence).await?;
    if global.json {
        return print_json(&Document::of(stored));
    }
    let head = format!("{}@{}  {}  {}\n", stored.name, stored.version, stored.id, instant(stored.created_at_ms));
    print(&(head + &words::steps(&stored.sequence, true, terminal_width())))
}

/// A stored version of a sequence.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StoredSequence")]
pub(crate) struct Document {
    sequence_id: String,
    name: String,
    /// From 1.
    version: u32,
    created_at: String,
    sequence: Sequence,
    /// Of one that was added: whether it was not there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_new: Option<bool>,
}

impl Document {
    pub(crate) fn of(stored: StoredSequence) -> Self {
        Self {
            sequence_id: stored.id,
            name: stored.name,
            version: stored.version,
            created_at: rfc3339(stored.created_at_ms),
            sequence: stored.sequence,
            is_new: None,
        }
    }

    /// Of one that was added just now, or is found to be there.
    pub(crate) fn added(stored: StoredSequence, is_new: bool) -> Self {
        Self { is_new: Some(is_new), ..Self::of(stored) }
    }
}

/// Stores a sequence as the next version of its name, unless it is the newest already; then the second value is `false`.
pub(crate) async fn keep(
    store: &Store,
    tenant: &str,
    sequence: &Sequence,
    now_ms: i64,
) -> Result<(StoredSequence, bool), Failure> {
    let before = store.sequences(tenant).await?;
    let stored = store.add_sequence(tenant, sequence, now_ms).await?;
    let is_new = !before.iter().any(|known| known.id == stored.id);
    Ok((stored, is_new))
}

/// `1 invite, 2 messages`.
fn contacts(sequence: &Sequence) -> String {
    let mut counts: Vec<(&str, u32)> = vec![];
    for action in sequence.steps.iter().filter_map(|step| step.kind.action()) {
        match counts.iter_mut().find(|(name, _)| *name == action.name()) {
            Some((_, count)) => *count += 1,
            None => counts.push((action.name(), 1)),
        }
    }
    let told = counts.into_iter().map(|(name, count)| {
        let name = name.replace('_', " ");
        format!("{count} {name}{}", if count == 1 { "" } else { "s" })
    });
    told.collect::<Vec<_>>().join(", ")
}
