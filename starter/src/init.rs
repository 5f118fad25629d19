//! `starter init`: writes commented files to start from.

use crate::commands::{print, print_json};
use crate::failure::Failure;
use clap::Args;
use serde::Serialize;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Write a commented brief.toml, sequence.toml and leadflow.toml
///
/// Example: starter init my-campaign
#[derive(Args, Debug)]
pub struct InitArgs {
    /// Folder to write to; made if it is not there
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,
}

/// What became of a file.
#[derive(Serialize)]
struct Fate {
    file: String,
    /// Else it was there already, and stays as it is.
    wrote: bool,
}

/// Writes the files and lists what became of each. A file that is there stays as it is without `--force`.
pub fn run(args: &InitArgs, json: bool) -> Result<(), Failure> {
    let fates = write_all(args)?;
    if json { print_json(&fates) } else { print(&text(&args.folder, &fates)) }
}

fn write_all(args: &InitArgs) -> Result<Vec<Fate>, Failure> {
    let folder = &args.folder;
    fs::create_dir_all(folder).map_err(|error| {
        Failure::Failed(format!(
            "cannot make the folder `{}`: {error}\nhint: name a folder that you may write to",
            folder.display()
        ))
    })?;
    let mut fates = Vec::new();
    for (name, text) in templates() {
        let path = folder.join(name);
        fates.push(Fate { wrote: write(&path, &text, args.force)?, file: path.display().to_string() });
    }
    Ok(fates)
}

fn text(folder: &Path, fates: &[Fate]) -> String {
    let line = |fate: &Fate| format!("{} {}\n", if fate.wrote { "wrote" } else { "kept " }, fate.file);
    let lines: Vec<String> = fates.iter().map(line).collect();
    let brief = folder.join("brief.toml");
    format!("{}next: edit {1}, then run `starter search start {1}`\n", lines.concat(), brief.display())
}

/// Name and text of each file.
fn templates() -> [(&'static str, String); 3] {
    [
        ("brief.toml", include_str!("../templates/brief.toml").into()),
        ("sequence.toml", include_str!("../templates/sequences/linkedin_then_email.toml").into()),
        ("leadflow.toml", leadflow_activities::config::template()),
    ]
}

/// Whether the file was written; `false` when it was there already.
fn write(path: &Path, text: &str, force: bool) -> Result<bool, Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    let opened =
        if force { options.create(true).truncate(true).open(path) } else { options.create_new(true).open(path) };
    match opened.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Failure::Failed(format!(
            "cannot write `{}`: {error}\nhint: check its permissions and the disk",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leadflow_activities::config::Config;
    use leadflow_activities::outreach::sequence_file;

    fn init(folder: &Path, force: bool) -> String {
        let fates = write_all(&InitArgs { folder: folder.into(), force }).unwrap();
        text(folder, &fates).replace(&folder.display().to_string(), "FOLDER")
    }

    #[test]
    fn what_it_writes_is_read_without_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/deep");
        insta::assert_snapshot!(init(&folder, false), @r"
        wrote FOLDER/brief.toml
        wrote FOLDER/sequence.toml
        wrote FOLDER/leadflow.toml
        next: edit FOLDER/brief.toml, then run `starter search start FOLDER/brief.toml`
        ");
        let brief = crate::brief_file::load(&folder.join("brief.toml")).unwrap();
        assert_eq!((brief.want.leads, brief.places.len()), (Some(60), 2));
        let config = Config::from_sources(Some(&folder.join("leadflow.toml")), |_| None).unwrap();
        assert_eq!(config.to_toml(), Config::default().to_toml());

        let sequence = sequence_file::load(&folder.join("sequence.toml")).unwrap();
        assert_eq!((sequence.name.as_str(), sequence.steps.len()), ("first-contact", 8));
    }

    #[test]
    fn a_file_of_the_user_is_replaced_by_force_only() {
        let folder = tempfile::tempdir().unwrap();
        let brief = folder.path().join("brief.toml");
        fs::write(&brief, "mine").unwrap();
        assert!(init(folder.path(), false).starts_with("kept  FOLDER/brief.toml\nwrote FOLDER/sequence.toml\n"));
        assert_eq!(fs::read_to_string(&brief).unwrap(), "mine");
        let kept = write_all(&InitArgs { folder: folder.path().into(), force: false }).unwrap();
        assert_eq!(serde_json::to_value(&kept[0]).unwrap(), serde_json::json!({ "file": brief, "wrote": false }));
        assert!(init(folder.path(), true).starts_with("wrote FOLDER/brief.toml\n"));
        assert_ne!(fs::read_to_string(&brief).unwrap(), "mine");
    }
}
