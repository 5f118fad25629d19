//! OpenAI's strict subset of JSON Schema: the first rule that a schema breaks, in the API's own words.
//!
//! The words of the limits on characters and enum values, of unknown types and of array-typed roots are not documented;
//! those here are in the API's style.

use serde_json::{Map, Value};

const MAX_PROPERTIES: usize = 5_000;
const MAX_LEVELS: usize = 10;
const MAX_NAME_CHARACTERS: usize = 120_000;
const MAX_ENUM_VALUES: usize = 1_000;
/// An enum of strings with more values than this has a limit on their characters, too.
const LARGE_ENUM_VALUES: usize = 250;
const MAX_LARGE_ENUM_CHARACTERS: usize = 15_000;

const FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];
const TYPES: [&str; 7] = ["object", "array", "string", "integer", "number", "boolean", "null"];
const KEYWORDS: [&str; 23] = [
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "const",
    "definitions",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "multipleOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
];
/// Refused by fine-tuned models in addition.
const NOT_FINE_TUNED: [&str; 9] = [
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "multipleOf",
    "pattern",
];

/// What is wrong with `schema`; null when the API accepts it.
pub(crate) fn strict_problem(schema: &Value, fine_tuned: bool) -> Option<String> {
    let mut check = Check { root: schema, fine_tuned, path: Vec::new(), totals: Totals::default() };
    check.root().and_then(|()| check.totals.check()).err()
}

struct Check<'a> {
    root: &'a Value,
    fine_tuned: bool,
    path: Vec<&'a str>,
    totals: Totals,
}

impl<'a> Check<'a> {
    fn root(&mut self) -> Result<(), String> {
        let Some(node) = self.root.as_object() else { return Err(root_type_problem("None")) };
        self.keywords(node)?;
        match node.get("type") {
            Some(Value::String(kind)) if kind == "object" => {}
            Some(Value::String(kind)) => return Err(root_type_problem(kind)),
            Some(kind) => return Err(root_type_problem(&kind.to_string())),
            None => return Err(root_type_problem("None")),
        }
        self.node(self.root, 0)?;
        for keyword in ["$defs", "definitions"] {
            for (name, definition) in node.get(keyword).and_then(Value::as_object).into_iter().flatten() {
                self.totals.name_characters += name.chars().count();
                self.step(&[keyword, name], |check| check.node(definition, 0))?;
            }
        }
        Ok(())
    }

    /// Checks one schema that stands `level` steps into properties or items.
    fn node(&mut self, schema: &'a Value, level: usize) -> Result<(), String> {
        self.totals.levels = self.totals.levels.max(level);
        let Some(node) = schema.as_object() else { return Err(self.problem("schema must have a 'type' key.")) };
        if let Some(reference) = node.get("$ref") {
            return self.reference(node, reference);
        }
        self.keywords(node)?;
        self.totals.count_values(node);
        if let Some(branches) = node.get("anyOf").and_then(Value::as_array) {
            for (index, branch) in branches.iter().enumerate() {
                let index: &str = INDICES.get(index).copied().unwrap_or("…");
                self.step(&["anyOf", index], |check| check.node(branch, level))?;
            }
        } else if !node.contains_key("type") {
            return Err(self.problem("schema must have a 'type' key."));
        }
        let kinds = types(node);
        if let Some(unknown) = kinds.iter().find(|kind| !TYPES.contains(kind)) {
            return Err(self.problem(&format!("'{unknown}' is not a valid type.")));
        }
        if let Some(format) =
            node.get("format").filter(|format| !format.as_str().is_some_and(|name| FORMATS.contains(&name)))
        {
            return Err(self.problem(&format!("'{}' is not a valid format.", format.as_str().unwrap_or_default())));
        }
        if kinds.contains(&"object") {
            self.object(node, level)?;
        }
        if kinds.contains(&"array") {
            let Some(items) = node.get("items") else { return Err(self.problem("array schema missing items.")) };
            self.step(&["items"], |check| check.node(items, level + 1))?;
        }
        Ok(())
    }

    fn object(&mut self, node: &'a Map<String, Value>, level: usize) -> Result<(), String> {
        if node.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Err(self.problem("'additionalProperties' is required to be supplied and to be false."));
        }
        let Some(properties) = node.get("properties").and_then(Value::as_object) else {
            return Err(self.problem("object schema missing properties."));
        };
        let required: Vec<_> =
            node.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let sentence = "'required' is required to be supplied and to be an array including every key in properties.";
        if let Some(missing) = properties.keys().find(|name| !required.contains(&name.as_str())) {
            return Err(self.problem(&format!("{sentence} Missing '{missing}'.")));
        }
        if let Some(extra) = required.iter().find(|name| !properties.contains_key(**name)) {
            return Err(self.problem(&format!("{sentence} Extra required key '{extra}' supplied.")));
        }
        for (name, property) in properties {
            self.totals.properties += 1;
            self.totals.name_characters += name.chars().count();
            self.step(&["properties", name], |check| check.node(property, level + 1))?;
        }
        Ok(())
    }

    fn reference(&self, node: &Map<String, Value>, reference: &Value) -> Result<(), String> {
        let siblings: Vec<_> = node.keys().filter(|name| *name != "$ref").map(|name| format!("'{name}'")).collect();
        if !siblings.is_empty() {
            return Err(self.problem(&format!("$ref cannot have keywords {{{}}}.", siblings.join(", "))));
        }
        let target = reference.as_str().unwrap_or_default();
        if resolve(self.root, target).is_none() {
            return Err(self.problem(&format!("reference to component '{target}' which was not found in the schema.")));
        }
        Ok(())
    }

    fn keywords(&self, node: &Map<String, Value>) -> Result<(), String> {
        let is_refused = |name: &str| {
            !KEYWORDS.contains(&name)
                || (self.fine_tuned && NOT_FINE_TUNED.contains(&name))
                || (matches!(name, "$defs" | "definitions" | "$schema") && !self.path.is_empty())
        };
        match node.keys().find(|name| is_refused(name)) {
            Some(refused) => Err(self.problem(&format!("'{refused}' is not permitted."))),
            None => Ok(()),
        }
    }

    fn step(&mut self, steps: &[&'a str], check: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<(), String> {
        self.path.extend(steps);
        check(self)?;
        self.path.truncate(self.path.len() - steps.len());
        Ok(())
    }

    /// The path is printed as a Python tuple.
    fn problem(&self, text: &str) -> String {
        let steps: Vec<_> = self.path.iter().map(|step| format!("'{step}'")).collect();
        let comma = if steps.len() == 1 { "," } else { "" };
        format!("In context=({}{comma}), {text}", steps.join(", "))
    }
}

/// Names of the first branches of an `anyOf`.
const INDICES: [&str; 16] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"];

/// The schema that `$ref` points to: `#`, `#/$defs/NAME` or `#/definitions/NAME`.
pub(crate) fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// The types that a schema allows; empty when it names none.
pub(crate) fn types(node: &Map<String, Value>) -> Vec<&str> {
    match node.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn root_type_problem(kind: &str) -> String {
    format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'.")
}

#[derive(Default)]
struct Totals {
    properties: usize,
    levels: usize,
    /// Of properties, definitions, enum and const values.
    name_characters: usize,
    enum_values: usize,
    /// Values and characters of the first enum that is too large.
    large_enum: Option<(usize, usize)>,
}

impl Totals {
    fn count_values(&mut self, node: &Map<String, Value>) {
        let characters =
            |value: &Value| value.as_str().map_or_else(|| value.to_string().len(), |text| text.chars().count());
        let values = node.get("enum").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let enum_characters: usize = values.iter().map(characters).sum();
        self.enum_values += values.len();
        self.name_characters += enum_characters + node.get("const").map_or(0, characters);
        if values.len() > LARGE_ENUM_VALUES && enum_characters > MAX_LARGE_ENUM_CHARACTERS {
            self.large_enum.get_or_insert((values.len(), enum_characters));
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.properties > MAX_PROPERTIES {
            return Err(format!("{} parameters exceeds limit of {MAX_PROPERTIES}.", self.properties));
        }
        if self.levels > MAX_LEVELS {
            return Err(format!("{} levels of nesting exceeds limit of {MAX_LEVELS}.", self.levels));
        }
        if self.name_characters > MAX_NAME_CHARACTERS {
            return Err(format!(
                "{} characters in names and values exceeds limit of {MAX_NAME_CHARACTERS}.",
                self.name_characters
            ));
        }
        if self.enum_values > MAX_ENUM_VALUES {
            return Err(format!("{} enum values exceeds limit of {MAX_ENUM_VALUES}.", self.enum_values));
        }
        match self.large_enum {
            Some((values, characters)) => Err(format!(
                "enum of {values} values has {characters} characters, which exceeds limit of {MAX_LARGE_ENUM_CHARACTERS}."
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The problem of an object whose one property `field` has this schema.
    #[expect(clippy::needless_pass_by_value, reason = "reads better in the tests")]
    fn problem_of(field: Value) -> Option<String> {
        strict_problem(&object(&json!({"field": field})), false)
    }

    fn object(properties: &Value) -> Value {
        let required: Vec<_> = properties.as_object().expect("an object").keys().collect();
        json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
    }

    fn accepts(schema: &Value) {
        assert_eq!(strict_problem(schema, false), None, "{schema}");
    }

    fn refuses(schema: &Value, text: &str) {
        assert_eq!(strict_problem(schema, false).as_deref(), Some(text), "{schema}");
    }

    #[test]
    fn rules_1_and_2_the_root_is_an_object() {
        let text = |kind| format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'.");
        accepts(&object(&json!({})));
        refuses(&json!({"type": "array", "items": {"type": "string"}}), &text("array"));
        refuses(&json!({}), &text("None"));
        refuses(&json!({"anyOf": [object(&json!({}))]}), &text("None"));
        refuses(&json!({"oneOf": [object(&json!({}))]}), "In context=(), 'oneOf' is not permitted.");
    }

    #[test]
    fn rule_3_no_additional_properties_at_any_level() {
        let text = "'additionalProperties' is required to be supplied and to be false.";
        refuses(&json!({"type": "object", "properties": {}, "required": []}), &format!("In context=(), {text}"));
        let mut inner = object(&json!({}));
        accepts(&object(&json!({"inner": inner})));
        inner["additionalProperties"] = json!({"type": "string"});
        let schema = object(&json!({"list": {"type": "array", "items": inner}}));
        refuses(&schema, &format!("In context=('properties', 'list', 'items'), {text}"));
    }

    #[test]
    fn rules_4_and_5_required_names_exactly_the_properties() {
        let sentence = "'required' is required to be supplied and to be an array including every key in properties.";
        let mut inner = object(&json!({"name": {"type": "string"}, "role": {"type": "string"}}));
        accepts(&object(&json!({"target": inner})));
        inner["required"] = json!(["name"]);
        let text = format!("In context=('properties', 'target'), {sentence} Missing 'role'.");
        refuses(&object(&json!({"target": inner})), &text);
        inner["required"] = json!(["name", "role", "x"]);
        let text = format!("In context=('properties', 'target'), {sentence} Extra required key 'x' supplied.");
        refuses(&object(&json!({"target": inner})), &text);
        inner.as_object_mut().expect("an object").remove("required");
        refuses(&inner, &format!("In context=(), {sentence} Missing 'name'."));
    }

    #[test]
    fn rule_6_every_node_has_a_type() {
        for field in [json!({"enum": ["a"]}), json!({"const": 1}), json!({}), json!(true)] {
            let text = "In context=('properties', 'field'), schema must have a 'type' key.";
            assert_eq!(problem_of(field).as_deref(), Some(text));
        }
        assert_eq!(problem_of(json!({"type": "string", "enum": ["a"]})), None);
        let text = "In context=('properties', 'field'), 'text' is not a valid type.";
        assert_eq!(problem_of(json!({"type": "text"})).as_deref(), Some(text));
    }

    #[test]
    fn rule_7_arrays_have_items() {
        let text = "In context=('properties', 'field'), array schema missing items.";
        assert_eq!(problem_of(json!({"type": "array"})).as_deref(), Some(text));
        assert_eq!(problem_of(json!({"type": "array", "items": {"type": "string"}})), None);
    }

    #[test]
    fn rule_8_optional_is_nullable() {
        assert_eq!(problem_of(json!({"type": ["string", "null"]})), None);
        assert_eq!(problem_of(json!({"anyOf": [{"type": "string"}, {"type": "null"}]})), None);
    }

    #[test]
    fn rules_9_and_10_refused_keywords() {
        for keyword in [
            "oneOf",
            "allOf",
            "not",
            "if",
            "then",
            "else",
            "dependentRequired",
            "dependentSchemas",
            "uniqueItems",
            "minLength",
            "maxLength",
            "patternProperties",
            "propertyNames",
            "minProperties",
            "maxProperties",
            "unevaluatedProperties",
            "unevaluatedItems",
            "contains",
            "minContains",
            "maxContains",
            "default",
        ] {
            let mut field = json!({"type": "string"});
            field[keyword] = json!(1);
            let text = format!("In context=('properties', 'field'), '{keyword}' is not permitted.");
            assert_eq!(problem_of(field), Some(text));
        }
    }

    #[test]
    fn rule_11_formats() {
        for format in FORMATS {
            assert_eq!(problem_of(json!({"type": "string", "format": format})), None);
        }
        for format in ["uri", "uint32"] {
            let text = format!("In context=('properties', 'field'), '{format}' is not a valid format.");
            assert_eq!(problem_of(json!({"type": "string", "format": format})), Some(text));
        }
        assert_eq!(problem_of(json!({"type": "string", "pattern": "^a"})), None);
    }

    #[test]
    fn rules_12_to_14_allowed_keywords() {
        for field in [
            json!({"type": "integer", "minimum": 0, "maximum": 9, "multipleOf": 3}),
            json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
            json!({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3}),
            json!({"type": "string", "const": "a", "title": "A", "description": "An a"}),
        ] {
            assert_eq!(problem_of(field), None);
        }
        let text = "In context=('properties', 'field', 'anyOf', '1'), schema must have a 'type' key.";
        assert_eq!(problem_of(json!({"anyOf": [{"type": "string"}, {}]})).as_deref(), Some(text));
    }

    #[test]
    fn rules_15_and_16_references() {
        let mut schema = object(&json!({"tree": {"$ref": "#/$defs/tree"}, "self": {"$ref": "#"}}));
        schema["$defs"] =
            json!({"tree": object(&json!({"next": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]}}))});
        accepts(&schema);
        schema["properties"]["tree"]["description"] = json!("a tree");
        refuses(&schema, "In context=('properties', 'tree'), $ref cannot have keywords {'description'}.");
        let text =
            "In context=('properties', 'field'), reference to component '#/$defs/x' which was not found in the schema.";
        assert_eq!(problem_of(json!({"$ref": "#/$defs/x"})).as_deref(), Some(text));
        schema = object(&json!({}));
        schema["$defs"] = json!({"bad": {"type": "array"}});
        refuses(&schema, "In context=('$defs', 'bad'), array schema missing items.");
    }

    fn many(count: usize) -> Value {
        let properties: Map<_, _> = (0..count).map(|n| (format!("p{n}"), json!({"type": "string"}))).collect();
        object(&Value::Object(properties))
    }

    #[test]
    fn rule_17_properties_in_total() {
        accepts(&many(5_000));
        refuses(&many(6_000), "6000 parameters exceeds limit of 5000.");
    }

    #[test]
    fn rule_18_levels() {
        let nested = |levels| (0..levels).fold(json!({"type": "string"}), |inner, _| object(&json!({"inner": inner})));
        accepts(&nested(10));
        refuses(&nested(14), "14 levels of nesting exceeds limit of 10.");
    }

    #[test]
    fn rules_19_to_21_characters_and_enums() {
        let values = |count: usize, width: usize| {
            (0..count).map(|n| format!("{}{n:04}", "v".repeat(width - 4))).collect::<Vec<_>>()
        };
        let of = |count, width| problem_of(json!({"type": "string", "enum": values(count, width)}));
        assert_eq!(of(250, 100), None);
        assert_eq!(of(1_000, 15), None);
        assert_eq!(
            of(251, 60).as_deref(),
            Some("enum of 251 values has 15060 characters, which exceeds limit of 15000.")
        );
        assert_eq!(of(1_001, 4).as_deref(), Some("1001 enum values exceeds limit of 1000."));
        assert_eq!(of(1, 120_000).as_deref(), Some("120005 characters in names and values exceeds limit of 120000."));
        assert_eq!(of(1, 119_995), None);
    }

    #[test]
    fn rule_22_fine_tuned_models_accept_less() {
        let schema = object(&json!({"field": {"type": "integer", "minimum": 0}}));
        accepts(&schema);
        let text = "In context=('properties', 'field'), 'minimum' is not permitted.";
        assert_eq!(strict_problem(&schema, true).as_deref(), Some(text));
    }
}
