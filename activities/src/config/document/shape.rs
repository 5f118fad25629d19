//! Holds a TOML table against the JSON schema of a Rust type.

use super::wording::{described, kind, kind_told, nearest, rewritten, told};
use super::{Finding, Mistake};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeFloat, DeInteger, DeTable, DeValue};

/// One walk over a document.
pub(super) struct Shape<'a> {
    root: &'a Value,
    /// Whether a key that is not there is a mistake; after a syntax error it may just not have been understood.
    missing_matters: bool,
    pub(super) mistakes: Vec<Mistake>,
    /// Where each key or entry stands, by its path.
    spans: BTreeMap<String, Range<usize>>,
    /// Paths of values that were taken out or made up.
    untrue: Vec<String>,
}

impl<'a> Shape<'a> {
    pub(super) fn new(schema: &'a Value, missing_matters: bool) -> Self {
        Self { root: schema, missing_matters, mistakes: vec![], spans: BTreeMap::new(), untrue: vec![] }
    }

    /// Finds the mistakes of the document and leaves a table that deserialises, filled up from the defaults.
    pub(super) fn read<'i>(&mut self, document: &mut Spanned<DeTable<'i>>, defaults: &DeTable<'i>) {
        self.table(self.root, document.get_mut(), &(0..0), Some(defaults), "");
    }

    /// Turns what rules found into mistakes with a place, leaving out those about values that were made up here.
    pub(super) fn place(&self, findings: Vec<Finding>) -> Vec<Mistake> {
        let true_ones =
            findings.into_iter().filter(|finding| !self.untrue.iter().any(|path| within(&finding.path, path)));
        let placed = true_ones.map(|Finding { path, message, hint }| {
            let parents = std::iter::successors(Some(path.as_str()), |path| Some(path.rsplit_once('.')?.0));
            let span = parents.into_iter().find_map(|path| self.spans.get(path).cloned()).unwrap_or(0..0);
            let message = format!("{} {message}", told(&path));
            Mistake { path, span: Some(span), message, hint: Some(hint) }
        });
        placed.collect()
    }

    /// Whether the value has its shape. If not, the mistake is listed, and the caller replaces the value.
    fn value<'i>(
        &mut self,
        schema: &'a Value,
        node: &mut Spanned<DeValue<'i>>,
        default: Option<&DeValue<'i>>,
        path: &str,
    ) -> bool {
        let span = node.span();
        self.spans.insert(path.into(), span.clone());
        let about = described(schema);
        let schema = self.resolve(schema, node.get_ref());
        let (wanted, found) = (kinds(schema), kind(node.get_ref()));
        if let Some(first) = wanted.first()
            && !wanted.contains(&found)
            && !(found == "integer" && wanted.contains(&"number"))
        {
            let message = format!("{} must be {}, not {}", told(path), kind_told(first), kind_told(found));
            let hint = rewritten(first, node.get_ref()).or(about);
            return self.wrong(path, span, message, hint);
        }
        match node.get_mut() {
            DeValue::Table(table) => {
                let default = default.and_then(|default| default.as_table());
                self.table(schema, table, &span, default, path);
                true
            }
            DeValue::Array(array) => {
                for (index, entry) in array.iter_mut().enumerate() {
                    let entry_path = format!("{path}.{index}");
                    if !self.value(&schema["items"], entry, None, &entry_path) {
                        *entry.get_mut() = self.neutral(&schema["items"]);
                        self.untrue.push(entry_path);
                    }
                }
                true
            }
            DeValue::String(text) => self.word(schema, text, span, path, about),
            DeValue::Integer(number) => {
                let value = i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX);
                #[expect(clippy::cast_precision_loss, reason = "only compared with limits far below 2^53")]
                let value = value as f64;
                self.number(schema, value, &number.to_string(), span, path, about)
            }
            DeValue::Float(number) => {
                let value = number.as_str().parse().unwrap_or(f64::NAN);
                self.number(schema, value, &number.to_string(), span, path, about)
            }
            DeValue::Boolean(_) | DeValue::Datetime(_) => true,
        }
    }

    fn table<'i>(
        &mut self,
        schema: &'a Value,
        table: &mut DeTable<'i>,
        span: &Range<usize>,
        defaults: Option<&DeTable<'i>>,
        path: &str,
    ) {
        let Some(properties) = schema["properties"].as_object() else {
            return self.entries(&schema["additionalProperties"], table, path);
        };
        let default = |key: &str| defaults.and_then(|defaults| defaults.get(key));
        let keys: Vec<_> = table.keys().map(|key| (key.get_ref().to_string(), key.span())).collect();
        for (key, key_span) in keys {
            let key_path = join(path, &key);
            let sound = if let Some(property) = properties.get(&key) {
                let node = table.get_mut(key.as_str()).expect("the key was listed");
                self.value(property, node, default(&key).map(Spanned::get_ref), &key_path)
            } else if schema["additionalProperties"] == false {
                let place = if path.is_empty() { String::new() } else { format!(" in [{path}]") };
                let hint = self.unknown_hint(&key, properties);
                // The key that was probably meant does not count as missing too.
                self.untrue.extend(nearest(&key, properties.keys().map(String::as_str)).map(|near| join(path, near)));
                self.wrong(&key_path, key_span, format!("unknown key `{key}`{place}"), Some(hint))
            } else {
                true
            };
            if !sound {
                table.remove(key.as_str());
                self.untrue.push(key_path);
            }
        }
        for (key, property) in properties {
            if table.contains_key(key.as_str()) {
                continue;
            }
            let value = if let Some(default) = default(key) {
                default.get_ref().clone()
            } else if schema["required"].as_array().is_some_and(|required| required.iter().any(|name| name == key)) {
                self.missing(&join(path, key), property, span);
                self.neutral(property)
            } else {
                continue;
            };
            table.insert(Spanned::new(0..0, Cow::Owned(key.clone())), Spanned::new(0..0, value));
        }
    }

    /// A table whose keys are names that the user chose, with values of one shape.
    fn entries(&mut self, schema: &'a Value, table: &mut DeTable<'_>, path: &str) {
        if !schema.is_object() {
            return;
        }
        let keys: Vec<_> = table.keys().map(|key| key.get_ref().to_string()).collect();
        for key in keys {
            let key_path = join(path, &key);
            let node = table.get_mut(key.as_str()).expect("the key was listed");
            if !self.value(schema, node, None, &key_path) {
                table.remove(key.as_str());
                self.untrue.push(key_path);
            }
        }
    }

    fn missing(&mut self, path: &str, property: &Value, span: &Range<usize>) {
        // A key of the wrong shape was taken out just now.
        if self.untrue.iter().any(|untrue| untrue == path) {
            return;
        }
        if self.missing_matters {
            let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
            let example = match kinds(self.resolve(property, &DeValue::Boolean(true))).first() {
                Some(&"object") => format!("add a table `[{path}]`"),
                Some(&"array") => format!("add `{key} = [\"...\"]`"),
                Some(&"string") => format!("add `{key} = \"...\"`"),
                _ => format!("add `{key} = ...`"),
            };
            let place = if parent.is_empty() { String::new() } else { format!(" in [{parent}]") };
            let hint = described(property).map_or(example.clone(), |about| format!("{example}: {about}"));
            self.wrong(path, span.clone(), format!("`{key}` is missing{place}"), Some(hint));
        }
        self.untrue.push(path.into());
    }

    fn word(&mut self, schema: &Value, text: &str, span: Range<usize>, path: &str, about: Option<String>) -> bool {
        let words = words(schema);
        if words.is_empty() || words.contains(&text) {
            return true;
        }
        let listed = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let hint = nearest(text, words).map(|word| format!("did you mean `{word}`?")).or(about);
        self.wrong(path, span, format!("{} must be one of {listed}", told(path)), hint)
    }

    fn number(
        &mut self,
        schema: &Value,
        number: f64,
        written: &str,
        span: Range<usize>,
        path: &str,
        about: Option<String>,
    ) -> bool {
        let least = schema["minimum"].as_f64();
        let most = schema["maximum"].as_f64().or((schema["format"] == "uint32").then_some(f64::from(u32::MAX)));
        if number.is_finite() && least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most) {
            return true;
        }
        let range = match (least, most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => "finite".into(),
        };
        self.wrong(path, span, format!("{} must be {range}, not {written}", told(path)), about)
    }

    fn wrong(&mut self, path: &str, span: Range<usize>, message: String, hint: Option<String>) -> bool {
        self.mistakes.push(Mistake { path: path.into(), span: Some(span), message, hint });
        false
    }

    fn unknown_hint(&self, key: &str, properties: &Map<String, Value>) -> String {
        let top = self.root["properties"].as_object();
        let elsewhere = top.into_iter().flatten().find(|(_, property)| {
            let table = self.resolve(property, &DeValue::Table(DeTable::new()));
            table["properties"].get(key).is_some()
        });
        if let Some((table, _)) = elsewhere {
            return format!("`{key}` belongs in [{table}]");
        }
        if let Some(near) = nearest(key, properties.keys().map(String::as_str)) {
            return format!("did you mean `{near}`?");
        }
        if top.is_some_and(|top| top.contains_key(key)) {
            return format!("`{key}` belongs at the top of the file, before the first [table]");
        }
        let known = properties.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        format!("the keys known here are {known}")
    }

    /// A value of the right shape, to be able to read the rest.
    fn neutral<'i>(&self, schema: &'a Value) -> DeValue<'i> {
        let schema = self.resolve(schema, &DeValue::Boolean(true));
        match kinds(schema).first() {
            Some(&"string") => DeValue::String(words(schema).first().map_or("", |word| word).to_owned().into()),
            Some(&"integer") => DeValue::Integer(DeInteger::default()),
            Some(&"number") => DeValue::Float(DeFloat::default()),
            Some(&"array") => DeValue::Array(DeArray::default()),
            Some(&"object") => {
                let mut table = DeTable::new();
                for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    let value = self.neutral(&schema["properties"][key]);
                    table.insert(Spanned::new(0..0, Cow::Owned(key.into())), Spanned::new(0..0, value));
                }
                DeValue::Table(table)
            }
            _ => DeValue::Boolean(false),
        }
    }

    /// Follows references, and of a choice takes the branch that the value can be meant for.
    fn resolve(&self, schema: &'a Value, value: &DeValue<'_>) -> &'a Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.root.pointer(reference.trim_start_matches('#'));
            return self.resolve(target.expect("a schema refers to itself only"), value);
        }
        let Some(branches) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) else {
            return schema;
        };
        if !words(schema).is_empty() {
            return schema;
        }
        let branches: Vec<_> = branches.iter().map(|branch| self.resolve(branch, value)).collect();
        let mut same_kind = branches.iter().filter(|branch| kinds(branch).contains(&kind(value))).peekable();
        if same_kind.peek().is_some() {
            // Without a branch for its tag, the deserialiser says which tags there are.
            return same_kind.find(|branch| has_tags_of(branch, value)).unwrap_or(&schema);
        }
        branches.iter().find(|branch| !kinds(branch).contains(&"null")).unwrap_or(&schema)
    }
}

/// The kinds of value that a schema allows besides null; empty when it does not say.
fn kinds(schema: &Value) -> Vec<&str> {
    let listed = schema["type"].as_array().map_or(std::slice::from_ref(&schema["type"]), Vec::as_slice);
    let kinds: Vec<_> = listed.iter().filter_map(Value::as_str).collect();
    match kinds.as_slice() {
        [] if !words(schema).is_empty() => vec!["string"],
        ["null"] => kinds,
        _ => kinds.into_iter().filter(|kind| *kind != "null").collect(),
    }
}

/// The words that a schema is an enumeration of; empty when it is none.
fn words(schema: &Value) -> Vec<&str> {
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).collect();
    }
    if let Some(word) = schema["const"].as_str() {
        return vec![word];
    }
    let branches = schema["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
    branches.iter().map(|branch| branch["const"].as_str()).collect::<Option<_>>().unwrap_or_default()
}

/// Whether the table has the fixed words that mark this branch of a choice.
fn has_tags_of(branch: &Value, value: &DeValue<'_>) -> bool {
    let (Some(properties), DeValue::Table(table)) = (branch["properties"].as_object(), value) else {
        return true;
    };
    properties
        .iter()
        .filter_map(|(key, property)| Some((key, property["const"].as_str()?)))
        .all(|(key, tag)| table.get(key.as_str()).and_then(|value| value.get_ref().as_str()) == Some(tag))
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}.{key}") }
}

fn within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
