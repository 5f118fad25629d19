//! Strict schemas out of Rust types, and answers back into them.

use leadflow_workflows::domain::answers::Checked;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Why an answer cannot be used. The text is told to the model in the next repair round; it quotes nothing of the
/// answer but names of fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerProblem {
    #[error("the answer is not JSON: {0}")]
    NotJson(String),
    #[error("the answer does not fit the schema: {0}")]
    NotSchema(String),
    #[error("the answer is wrong: {0}")]
    NotSound(String),
}

impl AnswerProblem {
    /// Stable snake_case name, for the store and for counts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "answer_not_json",
            Self::NotSchema(_) => "answer_not_schema",
            Self::NotSound(_) => "answer_not_sound",
        }
    }
}

/// The schema of a type within OpenAI's strict subset: closed objects, every property required, optional as nullable,
/// and no keyword beyond `type`, `properties`, `required`, `additionalProperties`, `items`, `enum`, `anyOf` and
/// `description`.
///
/// It says less than the type does; [`parse_checked`] checks the rest.
pub fn strict_schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
        settings.transforms.push(Box::new(RecursiveTransform(make_strict)));
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn make_strict(schema: &mut Schema) {
    for keyword in ["default", "format", "maximum", "minimum", "title"] {
        schema.remove(keyword);
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        let every_property = properties.keys().cloned().collect::<Vec<_>>();
        schema.insert("required".into(), json!(every_property));
        schema.insert("additionalProperties".into(), json!(false));
    }
}

/// Reads a model's answer and checks what its schema cannot say.
///
/// # Errors
/// The first thing wrong: it is not JSON, does not fit the schema, or fails its own check.
pub fn parse_checked<T: Checked + DeserializeOwned>(text: &str, asked: &T::Asked) -> Result<T, AnswerProblem> {
    let json = serde_json::from_str::<Value>(text).map_err(|error| AnswerProblem::NotJson(error.to_string()))?;
    let answer = serde_path_to_error::deserialize::<_, T>(json)
        .map_err(|error| AnswerProblem::NotSchema(without_values(&error)))?;
    match answer.problem(asked) {
        Some(problem) => Err(AnswerProblem::NotSound(problem)),
        None => Ok(answer),
    }
}

/// Where and what, without the value found there, which may be a person's name.
fn without_values(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let message = error.inner().to_string();
    let path = error.path();
    if let Some((found, expected)) = message.rsplit_once(", expected ") {
        // The path to an unknown field ends with its name, which the model chose.
        return if found.starts_with("unknown field") {
            format!("unknown field, expected {expected}")
        } else {
            format!("at `{path}`: expected {expected}")
        };
    }
    if message.starts_with("missing field") || message.starts_with("duplicate field") {
        return format!("at `{path}`: {message}");
    }
    format!("at `{path}`: unexpected value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use leadflow_workflows::domain::answers::{
        AskedReasons, BusinessPersonas, BuyerGroupRoles, DecisionMakerPersonas, LeadReason, LeadReasons, MarketInsight,
        ReplyLabel,
    };
    use std::collections::BTreeSet;

    /// The first breach of OpenAI's strict subset.
    fn breach(schema: &Value, path: &str) -> Option<String> {
        const ALLOWED: [&str; 8] =
            ["type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "description"];
        let Some(object) = schema.as_object() else {
            return Some(format!("{path}: not an object"));
        };
        if let Some(keyword) = object.keys().find(|keyword| !ALLOWED.contains(&keyword.as_str())) {
            return Some(format!("{path}: `{keyword}` is not permitted"));
        }
        if let Some(branches) = object.get("anyOf") {
            let branches = branches.as_array().into_iter().flatten().enumerate();
            return branches.map(|(index, branch)| breach(branch, &format!("{path}.anyOf[{index}]"))).find_map(|b| b);
        }
        let types = match object.get("type") {
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => return Some(format!("{path}: must have a type")),
        };
        if types.contains(&"array") {
            match object.get("items") {
                Some(items) => return breach(items, &format!("{path}[]")),
                None => return Some(format!("{path}: array without items")),
            }
        }
        if types.contains(&"object") {
            if object.get("additionalProperties") != Some(&Value::Bool(false)) {
                return Some(format!("{path}: additionalProperties must be false"));
            }
            let Some(properties) = object.get("properties").and_then(Value::as_object) else {
                return Some(format!("{path}: object without properties"));
            };
            let required = object.get("required").and_then(Value::as_array).into_iter().flatten();
            let required = required.filter_map(Value::as_str).collect::<BTreeSet<_>>();
            if required != properties.keys().map(String::as_str).collect() {
                return Some(format!("{path}: required must name every property"));
            }
            return properties.iter().find_map(|(name, property)| breach(property, &format!("{path}.{name}")));
        }
        None
    }

    fn assert_strict<T: JsonSchema>() -> Value {
        let schema = strict_schema::<T>();
        assert_eq!(schema["type"], "object", "the root must be an object");
        assert_eq!(breach(&schema, "$"), None, "{schema:#}");
        schema
    }

    #[test]
    fn every_answer_type_obeys_the_strict_subset() {
        let business = assert_strict::<BusinessPersonas>();
        let decision_maker = assert_strict::<DecisionMakerPersonas>();
        assert_strict::<LeadReasons>();
        assert_strict::<MarketInsight>();
        assert_strict::<ReplyLabel>();
        assert_strict::<BuyerGroupRoles>();
        for schema in [business, decision_maker] {
            // A property may be called like a keyword.
            assert_eq!(schema["properties"]["personas"]["items"]["properties"]["title"]["type"], "string");
            assert_eq!(schema["properties"]["personas"]["items"]["properties"]["rank"], {
                let mut rank = json!({ "type": "integer" });
                rank["description"] =
                    schema["properties"]["personas"]["items"]["properties"]["rank"]["description"].clone();
                rank
            });
        }
    }

    #[test]
    fn no_answer_type_is_forgotten() {
        let source = include_str!("../../../workflows/src/domain/answers.rs");
        let answer_types = source.lines().filter(|line| line.starts_with("impl Checked for ")).count();
        assert_eq!(answer_types, 6, "a new answer type belongs into `every_answer_type_obeys_the_strict_subset`");
    }

    #[test]
    fn optional_means_nullable_and_required() {
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "only its schema is read")]
        struct Outer {
            count: Option<u32>,
            inner: Option<Inner>,
        }
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "only its schema is read")]
        struct Inner {
            text: String,
        }
        let schema = assert_strict::<Outer>();
        assert_eq!(schema["properties"]["count"]["type"], json!(["integer", "null"]));
        assert_eq!(schema["properties"]["inner"]["type"], json!(["object", "null"]));
        assert_eq!(schema["required"], json!(["count", "inner"]));
    }

    #[test]
    fn three_kinds_of_bad_answers_are_told_apart() {
        let asked = AskedReasons { leads: vec![(1, "Brauhaus".into())] };
        let parse = |text: &str| parse_checked::<LeadReasons>(text, &asked);
        let problem = |text: &str| parse(text).expect_err("a bad answer");

        let good = r#"{"reasons":[{"lead":1,"reason":"Brauhaus is opening a second taproom.","hook":null}]}"#;
        let reason = "Brauhaus is opening a second taproom.".to_owned();
        assert_eq!(parse(good), Ok(LeadReasons { reasons: vec![LeadReason { lead: 1, reason, hook: None }] }));

        for text in [r#"{"reasons":["#, &format!("{good} {good}"), "", &format!("```json\n{good}\n```")] {
            assert_eq!(problem(text).kind(), "answer_not_json", "{text}");
        }
        assert_eq!(
            problem("Dana Whitlock says no").to_string(),
            "the answer is not JSON: expected value at line 1 column 1"
        );

        for (text, expected) in [
            (
                r#"{"reasons":[{"lead":"Dana Whitlock","reason":"x","hook":null}]}"#,
                "at `reasons[0].lead`: expected u32",
            ),
            (r#"{"reasons":[{"lead":1,"hook":null}]}"#, "at `reasons[0]`: missing field `reason`"),
            (
                r#"{"reasons":[{"lead":1,"reason":"x","hook":null,"Dana Whitlock":1}]}"#,
                "unknown field, expected one of `lead`, `reason`, `hook`",
            ),
            (r#"{"reasons":"Dana Whitlock, expected soon"}"#, "at `reasons`: expected a sequence"),
        ] {
            let problem = problem(text);
            assert_eq!(problem.kind(), "answer_not_schema");
            assert_eq!(problem.to_string(), format!("the answer does not fit the schema: {expected}"));
        }

        let unsound = problem(r#"{"reasons":[]}"#);
        assert_eq!(unsound.kind(), "answer_not_sound");
        assert_eq!(unsound.to_string(), "the answer is wrong: lead 1 must have exactly one reason");
    }
}
