//! What handlers take: each knows how to be read from a request, and how it stands in the document.

use super::super::problem::Problem;
use super::call::Incoming;
use super::document::Operation;
use axum::http::{HeaderMap, StatusCode, header};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) trait Input: Sized + Send + 'static {
    fn read(incoming: &Incoming) -> Result<Self, Problem>;
    fn describe(operation: &mut Operation<'_>);
}

/// The one parameter of the path.
pub(super) struct Id(pub(super) String);

/// The part of the address after `?`.
pub(super) struct Query<T>(pub(super) T);

/// A body of JSON.
pub(super) struct Json<T>(pub(super) T);

impl Input for () {
    fn read(_: &Incoming) -> Result<Self, Problem> {
        Ok(())
    }

    fn describe(_: &mut Operation<'_>) {}
}

impl Input for Id {
    fn read(incoming: &Incoming) -> Result<Self, Problem> {
        Ok(Self(incoming.id.clone()))
    }

    // The path tells it.
    fn describe(_: &mut Operation<'_>) {}
}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Input for Query<T> {
    fn read(incoming: &Incoming) -> Result<Self, Problem> {
        let refused = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, detail);
        let read = axum::extract::Query::<T>::try_from_uri(&incoming.uri);
        let value = read.map_err(|error| refused(&error.body_text()))?.0;
        let query = incoming.uri.query().unwrap_or_default();
        if query.contains("%00") { Err(refused("no value may hold the character NUL")) } else { Ok(Self(value)) }
    }

    fn describe(operation: &mut Operation<'_>) {
        operation.query::<T>();
    }
}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Input for Json<T> {
    fn read(incoming: &Incoming) -> Result<Self, Problem> {
        let value = json(incoming)?;
        serde_json::from_value(value).map(Self).map_err(|error| {
            Problem::content(&format!("the body does not fit: {}", without_values(&error.to_string())))
        })
    }

    fn describe(operation: &mut Operation<'_>) {
        operation.body::<T>("application/json");
    }
}

impl<A: Input, B: Input> Input for (A, B) {
    fn read(incoming: &Incoming) -> Result<Self, Problem> {
        Ok((A::read(incoming)?, B::read(incoming)?))
    }

    fn describe(operation: &mut Operation<'_>) {
        A::describe(operation);
        B::describe(operation);
    }
}

/// What the reader says of a body, without the texts in it: refusals are kept with their keys.
fn without_values(problem: &str) -> String {
    problem.replace("\\\"", "").split('"').step_by(2).collect::<Vec<_>>().join("…")
}

/// The body as a JSON value that the store can hold.
pub(super) fn json(incoming: &Incoming) -> Result<Value, Problem> {
    if media_type(&incoming.headers) != Some("application/json") {
        return Err(unsupported("application/json"));
    }
    // Positions only: what was sent may be about people.
    let value = serde_json::from_slice(&incoming.body).map_err(|error| {
        let detail = format!("the body is not JSON (line {}, column {})", error.line(), error.column());
        Problem::new(StatusCode::BAD_REQUEST, &detail)
    })?;
    if holds_nul(&value) { Err(Problem::content("no text may hold the character NUL")) } else { Ok(value) }
}

pub(super) fn unsupported(wanted: &str) -> Problem {
    let detail = format!("the body must be {wanted}, and the header Content-Type must say so");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, &detail)
}

/// `Content-Type` without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    text.split(';').next().map(str::trim)
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(entries) => entries.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_repeats_no_text_of_the_body() {
        for text in ["dana@lowen.example", "a \"quoted\" name", "\\\"", ""] {
            let error = serde_json::from_value::<u32>(text.into()).unwrap_err().to_string();
            assert_eq!(without_values(&error), "invalid type: string …, expected u32", "{error}");
        }
    }
}
