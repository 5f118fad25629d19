//! What is wrong with a file that a user wrote, all of it at once.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::Path;

/// The mistakes of one file. `Display` is plain text, a line or two for each, for logs: it quotes nothing of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    /// The file as the user named it.
    pub file: String,
    /// What the file contains; empty when it could not be read. May hold secrets that do not belong there.
    pub text: String,
    /// In the order of the file; never empty.
    pub list: Vec<Mistake>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Keys and zero-based positions from the root, joined by dots; empty for a mistake of the whole file.
    pub path: String,
    /// Bytes of the text to point at; `None` when the mistake is not in the text.
    pub span: Option<Range<usize>>,
    /// Lower case, without final stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Mistakes {
    /// A single mistake of a whole file, or of something that is not in a file.
    pub fn one(file: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let mistake = Mistake { path: String::new(), span: None, message: message.into(), hint: Some(hint.into()) };
        Self { file: file.into(), text: String::new(), list: vec![mistake] }
    }

    /// Line and column of a byte, both from 1; columns count characters.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(byte)];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            match &mistake.span {
                Some(span) => {
                    let (line, column) = self.position(span.start);
                    write!(formatter, "{}:{line}:{column}: {}", self.file, mistake.message)?;
                }
                None => write!(formatter, "{}: {}", self.file, mistake.message)?,
            }
            if let Some(hint) = &mistake.hint {
                write!(formatter, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// Reads a UTF-8 file of at most `largest_bytes`.
///
/// # Errors
/// The file is missing, a folder, not readable, too large, or not UTF-8; the last is pointed at.
pub fn read_text(path: &Path, largest_bytes: u64) -> Result<String, Mistakes> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    // One byte more than allowed, so that an endless device does not fill the memory.
    let read = File::open(path).and_then(|file| file.take(largest_bytes + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Err(match error.kind() {
            ErrorKind::NotFound => Mistakes::one(
                name,
                "there is no such file",
                "check the path, or run `starter init` to write a first one",
            ),
            ErrorKind::IsADirectory => Mistakes::one(name, "is a folder, not a file", "name the file in it"),
            ErrorKind::PermissionDenied => {
                Mistakes::one(name, "may not be read by this user", "check the permissions of the file and its folder")
            }
            _ => Mistakes::one(name, format!("cannot be read: {error}"), "check the disk and the path"),
        });
    }
    if bytes.len() as u64 > largest_bytes {
        let message = format!("is larger than {} MiB", largest_bytes / (1024 * 1024));
        return Err(Mistakes::one(name, message, "check that this is the right file"));
    }
    String::from_utf8(bytes).map_err(|error| not_utf8(name, &error))
}

fn not_utf8(file: String, error: &std::string::FromUtf8Error) -> Mistakes {
    let start = error.utf8_error().valid_up_to();
    let byte = error.as_bytes()[start];
    // Replacement characters come at or after the first bad byte, so its position stays the same.
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let hint = if error.as_bytes().starts_with(&[0xFF, 0xFE]) || error.as_bytes().starts_with(&[0xFE, 0xFF]) {
        "the file looks like UTF-16: save it as UTF-8"
    } else {
        "save the file as UTF-8"
    };
    let mistake = Mistake {
        path: String::new(),
        span: Some(start..start + char::REPLACEMENT_CHARACTER.len_utf8()),
        message: format!("is not UTF-8: byte {} of the file is 0x{byte:02X}", start + 1),
        hint: Some(hint.into()),
    };
    Mistakes { file, text, list: vec![mistake] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST_BYTES: u64 = 1024 * 1024;

    fn mistake(path: &Path) -> String {
        let text = read_text(path, LARGEST_BYTES).expect_err("the file is not sound").to_string();
        text.replace(&path.display().to_string(), "FILE")
    }

    #[test]
    fn files_that_are_no_text_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(mistake(folder.path()), "FILE: is a folder, not a file\n  hint: name the file in it");
        let file = folder.path().join("brief.toml");
        assert_eq!(
            mistake(&file),
            "FILE: there is no such file\n  hint: check the path, or run `starter init` to write a first one"
        );
        std::fs::write(&file, vec![b'#'; 10 * 1024 * 1024]).unwrap();
        assert_eq!(mistake(&file), "FILE: is larger than 1 MiB\n  hint: check that this is the right file");
        std::fs::write(&file, b"# caf\xC3\xA9\nname = \"caf\xE9\"\n").unwrap();
        assert_eq!(
            mistake(&file),
            "FILE:2:12: is not UTF-8: byte 20 of the file is 0xE9\n  hint: save the file as UTF-8"
        );
        std::fs::write(&file, b"\xFF\xFEn\0").unwrap();
        assert_eq!(
            mistake(&file),
            "FILE:1:1: is not UTF-8: byte 1 of the file is 0xFF\n  hint: the file looks like UTF-16: save it as UTF-8"
        );
        std::fs::write(&file, vec![b'#'; 1024 * 1024]).unwrap();
        assert!(read_text(&file, LARGEST_BYTES).is_ok());
    }
}
