//! Reads a sequence as its author writes it, and finds all its mistakes at once.

mod flow;
mod shape;

use super::templates::{self, Field};
use crate::config::document::{self, Finding};
use crate::config::mistakes::{Mistakes, read_text};
use leadflow_workflows::domain::permits::DAY_MS;
use leadflow_workflows::domain::sequence::{Sequence, Step, StepKind, StopOn};
use serde_json::Value;
pub use shape::Document;
use shape::StepTable;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

/// Largest file that a step may name.
const LARGEST_TEXT_BYTES: u64 = 256 * 1024;
const MOST_STEPS: usize = 100;
const LONGEST_WAIT_DAYS: i64 = 365;

/// Reads and checks a sequence file. Texts `file:NAME` are read from its folder.
///
/// # Errors
/// Every mistake that can be found at once, each with its place in the file.
pub fn load(path: &Path) -> Result<Sequence, Mistakes> {
    let folder = path.parent().unwrap_or(Path::new(""));
    checked(|check| document::load(path, check), &|name| beside(folder, name))
}

/// [`load`] for a text at hand, whose `file:` texts are in `folder`; without a folder there are none. `file` is its name
/// in the messages.
///
/// # Errors
/// As [`load`].
pub fn parse(file: &str, text: &str, folder: Option<&Path>) -> Result<Sequence, Mistakes> {
    checked(|check| document::parse(file, text, "", check), &|name| match folder {
        Some(folder) => beside(folder, name),
        None => Err(no_files()),
    })
}

/// A sequence as JSON, of the same shape as the file. Mistakes have a path and no place.
///
/// # Errors
/// As [`load`].
pub fn parse_json(text: &str) -> Result<Sequence, Mistakes> {
    const FILE: &str = "sequence";
    let no_json = |problem: String| Mistakes::one(FILE, problem, "send an object with `name` and a list `step`");
    let value: Value = serde_json::from_str(text).map_err(|error| no_json(format!("is not JSON: {error}")))?;
    if !value.is_object() {
        return Err(no_json("is not an object".into()));
    }
    checked(|check| document::from_json(FILE, value, check), &|_| Err(no_files()))
}

fn no_files() -> (String, String) {
    ("names a file, which cannot be read here".into(), "put the text itself here".into())
}

/// Text of a file that a step names, or what is wrong with it and what to do.
type ReadFile<'a> = &'a dyn Fn(&str) -> Result<String, (String, String)>;

fn checked(
    document: impl FnOnce(&dyn Fn(&Document) -> Vec<Finding>) -> Result<Document, Mistakes>,
    read_file: ReadFile<'_>,
) -> Result<Sequence, Mistakes> {
    let read = RefCell::new(None);
    document(&|document| {
        let mut reader = Reader { read_file, findings: vec![] };
        *read.borrow_mut() = Some(reader.sequence(document));
        reader.findings
    })?;
    Ok(read.into_inner().expect("a document without mistakes was checked"))
}

fn beside(folder: &Path, name: &str) -> Result<String, (String, String)> {
    let path = Path::new(name);
    let inside = !name.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)));
    // A link may lead out of the folder, too.
    let canonical = |path: &Path| path.canonicalize().ok();
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let escapes =
        canonical(&folder.join(path)).zip(canonical(folder)).is_some_and(|(file, folder)| !file.starts_with(folder));
    if !inside || escapes {
        let hint = "put the file beside the sequence file and write `file:NAME`";
        return Err((format!("names `{name}`, which is not in the folder of the sequence"), hint.into()));
    }
    read_text(&folder.join(path), LARGEST_TEXT_BYTES).map_err(|mistakes| {
        let mistake = mistakes.list.into_iter().next();
        let (message, hint) = mistake.map_or_else(Default::default, |mistake| (mistake.message, mistake.hint));
        (format!("names `{name}`: {message}"), hint.unwrap_or_default())
    })
}

struct Reader<'a> {
    read_file: ReadFile<'a>,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn sequence(&mut self, document: &Document) -> Sequence {
        if !is_id(&document.name) || document.name == "last" {
            self.find("name", "is not a name", "write 1 to 64 of a-z, 0-9, `_` and `-`; `last` is taken");
        }
        if document.step.len() > MOST_STEPS {
            self.find("step", &format!("has more than {MOST_STEPS} entries"), "split it into several sequences");
        }
        let mut of_kind: BTreeMap<&str, u32> = BTreeMap::new();
        let steps: Vec<Step> = document
            .step
            .iter()
            .enumerate()
            .map(|(index, table)| {
                let path = format!("step.{index}");
                let name = self.kind_name(&path, table);
                let number = of_kind.entry(name).or_default();
                *number += 1;
                let usual = if *number == 1 { name.to_owned() } else { format!("{name}-{number}") };
                Step {
                    id: table.id.clone().unwrap_or(usual),
                    after_ms: table
                        .after
                        .as_deref()
                        .map_or(0, |after| self.duration(&format!("{path}.after"), after, 0)),
                    kind: self.kind(&path, name, table),
                    end: table.end && name != END,
                }
            })
            .collect();
        self.ids(document, &steps);
        self.targets(&steps);
        if !steps.iter().any(|step| step.kind.action().is_some() && step.kind != StepKind::VisitProfile) {
            self.find("step", "contacts nobody", "add a step such as `invite = \"…\"` or `email = \"…\"`");
        }
        // Ways cannot be followed through steps that are not understood.
        if self.findings.is_empty() {
            self.findings.extend(flow::check(&steps));
        }
        let stop_on = document.stop_on.clone();
        let stop_on = stop_on.unwrap_or_else(|| BTreeSet::from([StopOn::Reply, StopOn::OptOut, StopOn::Bounce]));
        Sequence { name: document.name.clone(), stop_on, steps }
    }

    fn find(&mut self, path: &str, message: &str, hint: &str) {
        self.findings.push(Finding { path: path.into(), message: message.into(), hint: hint.into() });
    }

    /// Exactly one thing to do in each step.
    fn kind_name(&mut self, path: &str, table: &StepTable) -> &'static str {
        let named = table.kinds();
        let listed = || named.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
        match named.as_slice() {
            [] if table.end => END,
            [] => {
                let hint = "write one of `invite`, `message`, `inmail`, `email`, `visit_profile`, `wait`, \
                            `wait_for_connection`, `branch`, or `end = true`";
                self.find(path, "does nothing", hint);
                END
            }
            [name] => name,
            [name, ..] => {
                self.find(path, &format!("has {}", listed()), "write a `[[step]]` for each");
                name
            }
        }
    }

    fn kind(&mut self, path: &str, name: &str, table: &StepTable) -> StepKind {
        let takes_subject = matches!(name, "inmail" | "email");
        if table.subject.is_some() && !takes_subject {
            let hint = "only `email` and `inmail` have a subject: remove it";
            self.find(&format!("{path}.subject"), "has no place here", hint);
        }
        if table.end && matches!(name, "wait" | "wait_for_connection" | "branch") {
            let hint = format!("remove it, or remove `{name}`: there is nothing to wait for");
            self.find(&format!("{path}.end"), &format!("cannot stand beside `{name}`"), &hint);
        }
        if table.visit_profile == Some(false) {
            self.find(&format!("{path}.visit_profile"), "must be true", "write `visit_profile = true`, or remove it");
        }
        match name {
            "invite" => StepKind::Invite { note: self.text(path, name, Field::Note, table.invite.as_deref()) },
            "message" => StepKind::Message { text: self.text(path, name, Field::Message, table.message.as_deref()) },
            "inmail" => StepKind::Inmail {
                subject: self.subject(path, Field::InmailSubject, table),
                text: self.text(path, name, Field::Inmail, table.inmail.as_deref()),
            },
            "email" => StepKind::Email {
                subject: self.subject(path, Field::EmailSubject, table),
                text: self.text(path, name, Field::Email, table.email.as_deref()),
            },
            "visit_profile" => StepKind::VisitProfile,
            "wait" => StepKind::Wait {
                for_ms: self.duration(&format!("{path}.wait"), table.wait.as_deref().unwrap_or(""), 1),
            },
            "wait_for_connection" => {
                let wait = table.wait_for_connection.clone().unwrap_or_default();
                let timeout_ms = self.duration(&format!("{path}.wait_for_connection.timeout"), &wait.timeout, 1);
                StepKind::WaitForConnection { timeout_ms, on_timeout: wait.on_timeout }
            }
            "branch" => match table.branch.clone() {
                Some(branch) => {
                    if branch.then.is_none() && branch.otherwise.is_none() {
                        let hint = "name a step with `then` or `otherwise`; the one left out is the next step";
                        self.find(&format!("{path}.branch"), "leads to the next step either way", hint);
                    }
                    StepKind::Branch { condition: branch.condition, then: branch.then, otherwise: branch.otherwise }
                }
                None => StepKind::End,
            },
            _ => StepKind::End,
        }
    }

    fn subject(&mut self, path: &str, field: Field, table: &StepTable) -> String {
        if table.subject.is_none() {
            self.find(path, "has no subject", "add `subject = \"…\"`");
            return String::new();
        }
        self.text(path, "subject", field, table.subject.as_deref())
    }

    /// The text of a step, from its file if it names one.
    fn text(&mut self, path: &str, key: &str, field: Field, written: Option<&str>) -> String {
        let path = format!("{path}.{key}");
        let written = written.unwrap_or("");
        let (text, place) = match written.strip_prefix("file:") {
            None => (written.to_owned(), String::new()),
            Some(name) => match (self.read_file)(name.trim()) {
                Ok(text) => (text, format!("(`{}`) ", name.trim())),
                Err((message, hint)) => {
                    self.find(&path, &message, &hint);
                    return String::new();
                }
            },
        };
        for problem in templates::check(field, &text) {
            self.find(&path, &format!("{place}{}", problem.message), &problem.hint);
        }
        text
    }

    fn duration(&mut self, path: &str, written: &str, least_ms: i64) -> i64 {
        const HINT: &str = "write for example \"30m\", \"36h\" or \"7d\"";
        let Some(duration_ms) = shape::milliseconds(written) else {
            self.find(path, "is not a length of time", HINT);
            return least_ms;
        };
        if duration_ms < least_ms {
            self.find(path, if least_ms > 0 { "must be more than nothing" } else { "must not be negative" }, HINT);
        } else if duration_ms > LONGEST_WAIT_DAYS * DAY_MS {
            self.find(path, &format!("is longer than {LONGEST_WAIT_DAYS} days"), "write a shorter time");
        }
        duration_ms
    }

    fn ids(&mut self, document: &Document, steps: &[Step]) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, step) in steps.iter().enumerate() {
            let written = document.step[index].id.is_some();
            let path = if written { format!("step.{index}.id") } else { format!("step.{index}") };
            if !is_id(&step.id) {
                self.find(&path, "is not an id", "write 1 to 64 of a-z, 0-9, `_` and `-`");
            } else if let Some(first) = seen.insert(&step.id, index) {
                let message = format!("has the id `{}`, as step {} does", step.id, first + 1);
                self.find(&path, &message, "give one of the two another `id`");
            }
        }
    }

    /// Targets exist and lie ahead, so that every way ends.
    fn targets(&mut self, steps: &[Step]) {
        for (index, step) in steps.iter().enumerate() {
            let targets = match &step.kind {
                StepKind::WaitForConnection { on_timeout, .. } => {
                    vec![("wait_for_connection.on_timeout", on_timeout)]
                }
                StepKind::Branch { then, otherwise, .. } => {
                    vec![("branch.then", then), ("branch.otherwise", otherwise)]
                }
                _ => vec![],
            };
            for (key, target) in targets {
                let Some(target) = target else { continue };
                let path = format!("step.{index}.{key}");
                match steps.iter().position(|step| step.id == *target) {
                    Some(position) if position > index => {}
                    Some(_) => {
                        let hint = "name a later step: a sequence goes forward only";
                        self.find(&path, &format!("goes back to `{target}`"), hint);
                    }
                    None => {
                        let ahead = steps[index + 1..].iter().map(|step| step.id.as_str());
                        let hint = match document::nearest(target, ahead.clone()) {
                            Some(near) => format!("did you mean `{near}`?"),
                            None if ahead.len() == 0 => "there is no later step to name".into(),
                            None => format!("the later steps are {}", ahead.collect::<Vec<_>>().join(", ")),
                        };
                        self.find(&path, &format!("names `{target}`, which is no step"), &hint);
                    }
                }
            }
        }
    }
}

const END: &str = "end";

fn is_id(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(sound)
}

#[cfg(test)]
mod tests;
