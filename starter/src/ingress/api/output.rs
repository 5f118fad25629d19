//! What handlers give: each knows its answer, and how it stands in the document.

use super::document::Operation;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

pub(super) trait Output: Send + 'static {
    fn answer(self) -> Response;
    fn describe(operation: &mut Operation<'_>);
}

/// Something was made: 201.
pub(super) struct Created<T> {
    /// Where it is.
    pub(super) location: String,
    pub(super) body: T,
}

/// Something was begun: 202.
pub(super) struct Accepted<T> {
    /// Where it can be followed.
    pub(super) location: String,
    pub(super) body: T,
}

impl<T: Serialize + JsonSchema + Send + 'static> Output for Json<T> {
    fn answer(self) -> Response {
        self.into_response()
    }

    fn describe(operation: &mut Operation<'_>) {
        operation.answer::<T>(200, "Done, or found.");
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Output for Created<T> {
    fn answer(self) -> Response {
        (StatusCode::CREATED, [(header::LOCATION, self.location)], Json(self.body)).into_response()
    }

    fn describe(operation: &mut Operation<'_>) {
        operation.answer_at::<T>(201, "Made; the header Location says where it is.");
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Output for Accepted<T> {
    fn answer(self) -> Response {
        (StatusCode::ACCEPTED, [(header::LOCATION, self.location)], Json(self.body)).into_response()
    }

    fn describe(operation: &mut Operation<'_>) {
        operation.answer_at::<T>(202, "Begun; the header Location says where it can be followed.");
    }
}
