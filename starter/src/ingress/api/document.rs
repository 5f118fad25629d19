//! The OpenAPI 3.1 document, made from the operations and their types.
//!
//! The schemas come from the types that are read and written, as everywhere in this program. What every operation has in
//! common (token, problems, request id, Idempotency-Key) is added here, once.

use super::super::problem::{PROBLEM, Problem, ProblemBody};
use super::Api;
use super::call::{Call, Endpoint};
use super::input::Input;
use super::output::Output;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

pub(super) fn operations(api: Api) -> Api {
    api.operation(Endpoint::open("/v1/openapi.json", "showDocument", "Show this document"), show)
}

async fn show(call: Call, (): ()) -> Result<Text, Problem> {
    Ok(Text(call.shared.document.clone()))
}

/// The document itself.
struct Text(String);

impl Output for Text {
    fn answer(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }

    fn describe(operation: &mut Operation<'_>) {
        operation.answer_of(200, "An OpenAPI document.", "application/json", &json!({ "type": "object" }), false);
    }
}

pub(super) struct Document {
    paths: Map<String, Value>,
    schemas: SchemaGenerator,
}

/// One operation while it is described.
pub(super) struct Operation<'a> {
    value: Map<String, Value>,
    schemas: &'a mut SchemaGenerator,
}

impl Document {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self { paths: Map::new(), schemas: settings.into_generator() }
    }

    pub(super) fn add<I: Input, O: Output>(&mut self, endpoint: &Endpoint) {
        let mut operation = Operation { value: Map::new(), schemas: &mut self.schemas };
        operation.value.insert("operationId".into(), endpoint.id.into());
        operation.value.insert("summary".into(), endpoint.summary.into());
        let security = endpoint.scope.map_or_else(|| json!([]), |scope| json!([{ "token": [scope.name()] }]));
        operation.value.insert("security".into(), security);
        operation.value.insert("parameters".into(), Value::Array(common_parameters(endpoint)));
        operation.value.insert("responses".into(), json!({}));
        I::describe(&mut operation);
        O::describe(&mut operation);
        operation.problems(endpoint);
        let method = if endpoint.writes() { "post" } else { "get" };
        let path = self.paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[method] = Value::Object(operation.value);
    }

    pub(super) fn finish(mut self) -> Value {
        let problem = self.schemas.subschema_for::<ProblemBody>();
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "leadflow",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Finds leads and contacts them. Everything belongs to the tenant of the token. Instants are \
                                UTC: RFC 3339, or milliseconds where the name ends in `_ms`.",
            },
            "paths": self.paths,
            "components": {
                "schemas": self.schemas.take_definitions(true),
                "responses": {
                    "Problem": {
                        "description": "Why the request was refused, as RFC 9457 has it.",
                        "headers": headers(false),
                        "content": { PROBLEM: { "schema": problem } },
                    },
                    "TooManyRequests": {
                        "description": "The token has made too many requests.",
                        "headers": {
                            "x-request-id": request_id(),
                            "retry-after": {
                                "description": "Seconds to wait.", "required": true,
                                "schema": { "type": "integer", "minimum": 1 },
                            },
                        },
                        "content": { PROBLEM: { "schema": problem } },
                    },
                },
                "securitySchemes": {
                    "token": {
                        "type": "http", "scheme": "bearer",
                        "description": "Made by `starter token create`. The list beside it names the scope that is needed.",
                    },
                },
            },
        })
    }
}

impl Operation<'_> {
    /// The fields of `T` as parameters behind the `?`.
    pub(super) fn query<T: JsonSchema>(&mut self) {
        let schema = T::json_schema(self.schemas).to_value();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let fields = schema["properties"].as_object().into_iter().flatten();
        let parameters: Vec<Value> = fields
            .map(|(name, field)| {
                json!({
                    "name": name, "in": "query", "required": required.contains(&name.as_str()),
                    "description": field["description"], "schema": without_null(field),
                })
            })
            .collect();
        self.parameters().extend(parameters);
    }

    pub(super) fn body<T: JsonSchema>(&mut self, media_type: &str) {
        let schema = self.schemas.subschema_for::<T>().to_value();
        self.body_of(media_type, &schema);
    }

    /// A body with a schema at hand; several media types may be added.
    pub(super) fn body_of(&mut self, media_type: &str, schema: &Value) {
        let body = self.value.entry("requestBody").or_insert_with(|| json!({ "required": true, "content": {} }));
        body["content"][media_type] = json!({ "schema": schema });
    }

    /// Adds the schema of a type that no body or answer names.
    pub(super) fn schema<T: JsonSchema>(&mut self) -> Value {
        self.schemas.subschema_for::<T>().to_value()
    }

    pub(super) fn answer<T: JsonSchema>(&mut self, status: u16, description: &str) {
        let schema = self.schema::<T>();
        self.answer_of(status, description, "application/json", &schema, false);
    }

    /// An answer with the header `Location`.
    pub(super) fn answer_at<T: JsonSchema>(&mut self, status: u16, description: &str) {
        let schema = self.schema::<T>();
        self.answer_of(status, description, "application/json", &schema, true);
    }

    pub(super) fn answer_of(
        &mut self,
        status: u16,
        description: &str,
        media_type: &str,
        schema: &Value,
        has_location: bool,
    ) {
        self.value["responses"][status.to_string()] = json!({
            "description": description,
            "headers": headers(has_location),
            "content": { media_type: { "schema": schema } },
        });
    }

    /// The refusals that are possible for an operation of this kind.
    fn problems(&mut self, endpoint: &Endpoint) {
        let mut statuses = vec![500, 503];
        if endpoint.scope.is_some() {
            statuses.extend([400, 401, 403, 408, 413]);
            self.value["responses"]["429"] = json!({ "$ref": "#/components/responses/TooManyRequests" });
        }
        if endpoint.path.contains('{') {
            statuses.push(404);
        }
        if endpoint.writes() {
            statuses.extend([404, 409, 422]);
        }
        if self.value.contains_key("requestBody") {
            statuses.push(415);
        }
        if self.parameters().iter().any(|parameter| parameter["in"] == "query") {
            statuses.push(404);
        }
        for status in statuses {
            self.value["responses"][status.to_string()] = json!({ "$ref": "#/components/responses/Problem" });
        }
    }

    fn parameters(&mut self) -> &mut Vec<Value> {
        self.value["parameters"].as_array_mut().expect("every operation has a list of parameters")
    }
}

/// What the path names, and the key of whatever does something.
fn common_parameters(endpoint: &Endpoint) -> Vec<Value> {
    let named = endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = named
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if endpoint.writes() {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "The same request with the same key is done once and answered alike for 24 h.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$" },
        }));
    }
    parameters
}

fn headers(has_location: bool) -> Value {
    let mut headers = json!({ "x-request-id": request_id() });
    if has_location {
        headers["location"] = json!({ "required": true, "schema": { "type": "string" } });
    }
    headers
}

fn request_id() -> Value {
    json!({
        "description": "Id of the request: the one that it came with, or a new one.",
        "required": true, "schema": { "type": "string" },
    })
}

/// A parameter that may be left out is not null.
fn without_null(field: &Value) -> Value {
    let mut field = field.clone();
    if let Some(kinds) = field.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if kinds.len() == 1 {
            field["type"] = kinds.remove(0);
        }
    }
    if let Some(kinds) = field.get_mut("anyOf").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind["type"] != "null");
        if kinds.len() == 1 {
            return kinds.remove(0);
        }
    }
    if let Some(values) = field.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|value| !value.is_null());
    }
    field
}
