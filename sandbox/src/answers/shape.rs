//! JSON that fits a schema: from a hint where the hint fits, invented where it does not.

use serde_json::{Map, Value, json};

use crate::openai::{resolve, types};
use crate::seed::Seed;

/// Deeper than this, optional parts are left out; a schema that is endless without them ends in null.
const MAX_DEPTH: usize = 8;
const MAX_FORCED_DEPTH: usize = 64;

/// A value for `schema` (OpenAI's subset, or Gemini's with upper-case types) that keeps as much of `hint` as fits.
pub(crate) fn shape(seed: Seed, schema: &Value, hint: &Value) -> Value {
    Shaper { root: schema }.node(seed, schema, hint, 0)
}

struct Shaper<'a> {
    root: &'a Value,
}

impl Shaper<'_> {
    fn node(&self, seed: Seed, schema: &Value, hint: &Value, depth: usize) -> Value {
        let (Some(node), true) = (schema.as_object(), depth < MAX_FORCED_DEPTH) else { return Value::Null };
        if let Some(target) =
            node.get("$ref").and_then(Value::as_str).and_then(|reference| resolve(self.root, reference))
        {
            return self.node(seed, target, hint, depth + 1);
        }
        if let Some(value) = node.get("const") {
            return value.clone();
        }
        if let Some(values) = node.get("enum").and_then(Value::as_array).filter(|values| !values.is_empty()) {
            return if values.contains(hint) { hint.clone() } else { seed.pick(values).clone() };
        }
        if let Some(branches) = node.get("anyOf").and_then(Value::as_array).filter(|branches| !branches.is_empty()) {
            return self.node(seed, self.branch(branches, hint, depth), hint, depth + 1);
        }
        match kind(node, hint, depth).as_str() {
            "object" => self.object(seed, node, hint, depth),
            "array" => self.array(seed, node, hint, depth),
            "string" => json!(hint.as_str().map_or_else(|| invented_text(seed, node), str::to_owned)),
            "integer" => json!(integer(seed, node, hint)),
            "number" => match hint {
                Value::Number(exact) if within(node, hint.as_f64()) => Value::Number(exact.clone()),
                _ => json!(number(seed, node, hint)),
            },
            "boolean" => json!(hint.as_bool().unwrap_or_else(|| seed.permille(500))),
            _ => Value::Null,
        }
    }

    fn object(&self, seed: Seed, node: &Map<String, Value>, hint: &Value, depth: usize) -> Value {
        let properties = node.get("properties").and_then(Value::as_object);
        let shaped = properties.into_iter().flatten().map(|(name, property)| {
            let value = self.node(seed.of(&[name]), property, hint.get(name).unwrap_or(&Value::Null), depth + 1);
            (name.clone(), value)
        });
        Value::Object(shaped.collect())
    }

    fn array(&self, seed: Seed, node: &Map<String, Value>, hint: &Value, depth: usize) -> Value {
        let length =
            |name: &str| node.get(name).and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
        let least = length("minItems").unwrap_or(0).min(1_000);
        let usual = hint.as_array().map_or(if depth < MAX_DEPTH { 2 } else { 0 }, |items| items.len() as u64);
        let count = usual.max(least).min(length("maxItems").unwrap_or(u64::MAX));
        let items = node.get("items").unwrap_or(&Value::Null);
        let shaped = (0..count).map(|index| {
            let hint = usize::try_from(index).ok().and_then(|index| hint.get(index)).unwrap_or(&Value::Null);
            self.node(seed.of(&[&index.to_string()]), items, hint, depth + 1)
        });
        shaped.collect()
    }

    /// The branch that the hint's type fits; else the first that is not null, or null when it is deep enough.
    fn branch<'a>(&self, branches: &'a [Value], hint: &Value, depth: usize) -> &'a Value {
        let kinds_of = |branch: &Value| -> Vec<String> {
            let target = branch["$ref"].as_str().and_then(|reference| resolve(self.root, reference));
            target.unwrap_or(branch).as_object().map(kinds).unwrap_or_default()
        };
        let of = |wanted: &str| branches.iter().find(|branch| kinds_of(branch).iter().any(|kind| kind == wanted));
        let by_hint = if hint.is_null() { None } else { names(hint).iter().find_map(|name| of(name)) };
        let at_the_end = if depth >= MAX_DEPTH { of("null") } else { None };
        let usual = || branches.iter().find(|branch| !kinds_of(branch).iter().all(|kind| kind == "null"));
        by_hint.or(at_the_end).or_else(usual).unwrap_or(&branches[0])
    }
}

/// One of the types that a node allows.
fn kind(node: &Map<String, Value>, hint: &Value, depth: usize) -> String {
    let kinds = kinds(node);
    let allows_null = kinds.iter().any(|kind| kind == "null");
    if let Some(name) = names(hint).iter().find(|name| kinds.iter().any(|kind| kind == *name)) {
        return (*name).to_owned();
    }
    if allows_null && depth >= MAX_DEPTH {
        return "null".into();
    }
    kinds.into_iter().find(|kind| kind != "null").unwrap_or_else(|| "null".into())
}

/// Types of a node, in lower case, with Gemini's `nullable` as null.
fn kinds(node: &Map<String, Value>) -> Vec<String> {
    let mut kinds: Vec<_> = types(node).into_iter().map(str::to_lowercase).collect();
    if node.get("nullable") == Some(&Value::Bool(true)) {
        kinds.push("null".into());
    }
    kinds
}

/// Names of the types that a value has.
fn names(value: &Value) -> &'static [&'static str] {
    match value {
        Value::Null => &["null"],
        Value::Bool(_) => &["boolean"],
        Value::Number(number) if number.is_f64() => &["number"],
        Value::Number(_) => &["integer", "number"],
        Value::String(_) => &["string"],
        Value::Array(_) => &["array"],
        Value::Object(_) => &["object"],
    }
}

fn bounds(node: &Map<String, Value>) -> (f64, f64) {
    let bound = |name: &str| node.get(name).and_then(Value::as_f64);
    let low = bound("minimum").or(bound("exclusiveMinimum").map(|low| low + 1.0));
    let high = bound("maximum").or(bound("exclusiveMaximum").map(|high| high - 1.0));
    match (low, high) {
        (Some(low), Some(high)) => (low, high.max(low)),
        (Some(low), None) => (low, low + 100.0),
        (None, Some(high)) => (high.min(0.0), high),
        (None, None) => (0.0, 100.0),
    }
}

fn within(node: &Map<String, Value>, number: Option<f64>) -> bool {
    let bounded = |name: &str| node.contains_key(name);
    let (low, high) = bounds(node);
    number.is_some_and(|number| {
        (number >= low || !(bounded("minimum") || bounded("exclusiveMinimum")))
            && (number <= high || !(bounded("maximum") || bounded("exclusiveMaximum")))
    })
}

fn integer(seed: Seed, node: &Map<String, Value>, hint: &Value) -> i64 {
    match hint.as_i64().filter(|_| within(node, hint.as_f64())) {
        Some(exact) => exact,
        #[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer there is")]
        None => number(seed, node, hint).round() as i64,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "at most a thousand steps"
)]
fn number(seed: Seed, node: &Map<String, Value>, hint: &Value) -> f64 {
    if let Some(number) = hint.as_f64().filter(|number| within(node, Some(*number))) {
        return number;
    }
    let (low, high) = bounds(node);
    let step = node.get("multipleOf").and_then(Value::as_f64).filter(|step| *step > 0.0).unwrap_or(1.0);
    let first = (low / step).ceil() * step;
    let steps = ((high - first) / step).floor().clamp(0.0, 1000.0) as usize;
    first + seed.below(steps + 1) as f64 * step
}

fn invented_text(seed: Seed, node: &Map<String, Value>) -> String {
    let hex = seed.hex(12);
    match node.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-15T09:30:00Z".into(),
        Some("date") => "2026-01-15".into(),
        Some("time") => "09:30:00Z".into(),
        Some("duration") => "P1D".into(),
        Some("email") => format!("sim-{hex}@people.example"),
        Some("hostname") => format!("sim-{hex}.example"),
        Some("ipv4") => "192.0.2.1".into(),
        Some("ipv6") => "2001:db8::1".into(),
        Some("uuid") => format!("00000000-0000-4000-8000-{hex}"),
        _ => (*seed.pick(&[
            "a plausible answer",
            "what the question is about",
            "as far as the facts say",
            "one of several",
        ]))
        .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(properties: &Value) -> Value {
        let required: Vec<_> = properties.as_object().expect("an object").keys().collect();
        json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
    }

    #[test]
    fn a_fitting_hint_is_kept_and_a_stray_one_replaced() {
        let schema = object(&json!({
            "name": {"type": "string"}, "score": {"type": "integer", "minimum": 0, "maximum": 10},
            "note": {"type": ["string", "null"]}, "kind": {"type": "string", "enum": ["a", "b"]},
            "tags": {"type": "array", "items": {"type": "string"}},
        }));
        let hint = json!({"name": "x", "score": 3, "note": null, "kind": "b", "tags": ["t"], "stray": 1});
        let mut kept = hint.clone();
        kept.as_object_mut().expect("an object").remove("stray");
        assert_eq!(shape(Seed(1), &schema, &hint), kept);

        let shaped = shape(Seed(1), &schema, &json!({"name": 7, "score": 11, "kind": "c", "tags": "t"}));
        assert!(shaped["name"].is_string() && shaped["tags"].is_array());
        assert!(shaped["score"].as_u64().is_some_and(|score| score <= 10));
        assert!(shaped["kind"] == "a" || shaped["kind"] == "b");
    }

    #[test]
    fn references_branches_and_recursion_end() {
        let mut schema = object(
            &json!({"tree": {"$ref": "#/$defs/node"}, "either": {"anyOf": [{"type": "null"}, {"type": "integer"}]}}),
        );
        schema["$defs"] = json!({"node": object(&json!({
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
        }))});
        let shaped = shape(Seed(1), &schema, &Value::Null);
        assert!(shaped["tree"]["next"].is_object() && shaped["either"].is_i64());
        assert!(shaped["tree"]["children"].as_array().is_some_and(|children| children.len() == 2));
        assert!(shaped.to_string().len() < 1_000_000);
    }

    #[test]
    fn bounds_are_kept() {
        for n in 0..50 {
            let seed = Seed(n);
            let schema = object(&json!({
                "even": {"type": "integer", "minimum": 3, "maximum": 9, "multipleOf": 2},
                "open": {"type": "number", "exclusiveMinimum": 0},
                "three": {"type": "array", "minItems": 3, "maxItems": 3, "items": {"type": "boolean"}},
            }));
            let shaped = shape(seed, &schema, &Value::Null);
            assert!(matches!(shaped["even"].as_i64(), Some(4 | 6 | 8)), "{shaped}");
            assert!(shaped["open"].as_f64().is_some_and(|number| number > 0.0));
            assert_eq!(shaped["three"].as_array().map(Vec::len), Some(3));
        }
    }

    #[test]
    fn gemini_writes_types_in_upper_case() {
        let schema = json!({"type": "OBJECT", "properties": {"name": {"type": "STRING", "nullable": true}, "list": {"type": "ARRAY", "items": {"type": "INTEGER"}}}});
        assert_eq!(shape(Seed(1), &schema, &json!({"name": null, "list": [1]})), json!({"name": null, "list": [1]}));
    }
}
