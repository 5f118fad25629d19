//! Refusals as RFC 9457 has them.

use crate::failure::Failure;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use leadflow_activities::config::mistakes::Mistakes;
use leadflow_activities::store::StoreError;
use schemars::JsonSchema;
use serde::Serialize;

/// The media type of a problem.
pub(super) const PROBLEM: &str = "application/problem+json";

/// Why a request is refused. Its text holds nothing of the request's body.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    detail: String,
    errors: Vec<ProblemPart>,
    headers: HeaderMap,
}

/// A refusal, as RFC 9457 has it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct ProblemBody {
    /// `about:blank`: the status tells all.
    r#type: &'static str,
    /// The words of the status.
    title: &'static str,
    /// The HTTP status.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What was wrong, and what to do about it.
    detail: String,
    /// Each single thing that was wrong.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    errors: Vec<ProblemPart>,
}

/// One thing that is wrong with a request.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ProblemPart")]
pub(super) struct ProblemPart {
    /// Keys and zero-based positions from the root of the body, joined by dots; empty for all of it.
    pub(super) path: String,
    pub(super) detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: &str) -> Self {
        Self { status, detail: detail.to_owned(), errors: Vec::new(), headers: HeaderMap::new() }
    }

    /// The request's form is right and its content is not.
    pub(super) fn content(detail: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// There is no such thing for whoever asks, whether or not someone else has one.
    pub(super) fn unknown(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, &format!("there is no {what} with this id"))
    }

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(super) fn with_parts(mut self, errors: Vec<ProblemPart>) -> Self {
        self.errors = errors;
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Refused"),
            status: self.status.as_u16(),
            detail: self.detail,
            errors: self.errors,
        };
        let body = serde_json::to_string(&body).expect("a problem has text keys and no failing serialiser");
        (self.status, self.headers, [(header::CONTENT_TYPE, PROBLEM)], body).into_response()
    }
}

impl From<Failure> for Problem {
    /// The hints of failures speak of commands, so only those about what was sent are told.
    fn from(failure: Failure) -> Self {
        let told = |text: &str| text.split("\nhint:").next().unwrap_or_default().trim_end_matches(':').to_owned();
        match failure {
            Failure::Refused(text) => Self::new(StatusCode::CONFLICT, &told(&text)),
            Failure::Failed(text) => Self::content(&told(&text)),
            Failure::Input(mistakes) => (*mistakes).into(),
            Failure::Unavailable(text) => {
                tracing::error!(problem = told(&text), "a request could not be served");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "a part of the service does not answer; try again later")
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Failure::from(error).into()
    }
}

impl From<Mistakes> for Problem {
    fn from(mistakes: Mistakes) -> Self {
        let part = |mistake| {
            let leadflow_activities::config::mistakes::Mistake { path, message, hint, .. } = mistake;
            ProblemPart { path, detail: message, hint }
        };
        let errors: Vec<_> = mistakes.list.into_iter().map(part).collect();
        Self::content(&format!("the {} has mistakes", mistakes.file)).with_parts(errors)
    }
}
