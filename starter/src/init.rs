//! `starter init`: writes commented files to start from.

use anyhow::{Context, Result};
use clap::Args;
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

/// Writes the files and lists on `out` what became of each. A file that is there stays as it is without `--force`.
pub fn run(args: &InitArgs, out: &mut impl Write) -> Result<()> {
    let folder = &args.folder;
    fs::create_dir_all(folder).with_context(|| {
        format!("cannot make the folder `{}`; hint: name a folder that you may write to", folder.display())
    })?;
    for (name, text) in templates() {
        let path = folder.join(name);
        let fate = if write(&path, &text, args.force)? { "wrote" } else { "kept " };
        writeln!(out, "{fate} {}", path.display())?;
    }
    writeln!(out, "next: edit {}, then run `starter search start {0}`", folder.join("brief.toml").display())?;
    Ok(())
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
fn write(path: &Path, text: &str, force: bool) -> Result<bool> {
    let mut options = OpenOptions::new();
    options.write(true);
    let opened =
        if force { options.create(true).truncate(true).open(path) } else { options.create_new(true).open(path) };
    match opened.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error)
            .with_context(|| format!("cannot write `{}`; hint: check its permissions and the disk", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leadflow_activities::config::Config;
    use leadflow_activities::outreach::sequence_file;

    fn init(folder: &Path, force: bool) -> String {
        let mut out = vec![];
        run(&InitArgs { folder: folder.into(), force }, &mut out).unwrap();
        String::from_utf8(out).unwrap().replace(&folder.display().to_string(), "FOLDER")
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
        assert!(init(folder.path(), true).starts_with("wrote FOLDER/brief.toml\n"));
        assert_ne!(fs::read_to_string(&brief).unwrap(), "mine");
    }
}
