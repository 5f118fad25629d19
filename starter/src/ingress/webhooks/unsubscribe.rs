//! The way out of all mail (RFC 8058): a mailbox posts to the link at one click; who opens it sees a page with a button.
//! Looking changes nothing, because programs look at links, too. No page says anything about anybody.

use super::super::Shared;
use super::{read, stored, unstored};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use leadflow_activities::outreach::events::{knows_unsubscribe_token, unsubscribe};

const QUESTION: &str = "<h1>No further mail?</h1>\
    <form method=\"post\"><input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\
    <button>Do not write to me again</button></form>";
const DONE: &str = "<h1>Done</h1><p>You will not hear from us again.</p>";
const UNKNOWN: &str = "<h1>Unknown link</h1>\
    <p>Check that the address is complete, or answer the mail with STOP.</p>";

/// For GET and HEAD.
pub(super) async fn show(State(shared): State<Shared>, Path(token): Path<String>) -> Response {
    match knows_unsubscribe_token(&shared.store, &token).await {
        Ok(true) => page(StatusCode::OK, QUESTION),
        Ok(false) => page(StatusCode::NOT_FOUND, UNKNOWN),
        Err(error) => unstored(&error),
    }
}

/// Acts whatever the body says: whoever posts to the link wants out, and a mailbox that words it otherwise does, too.
pub(super) async fn act(State(shared): State<Shared>, Path(token): Path<String>, body: Body) -> Response {
    // Read only so that the answer arrives.
    let _ = read(body).await;
    match unsubscribe(&shared.store, shared.clock, &token).await {
        Ok(Some(received)) => {
            stored(&shared, &[received]).await;
            page(StatusCode::OK, DONE)
        }
        Ok(None) => page(StatusCode::NOT_FOUND, UNKNOWN),
        Err(error) => unstored(&error),
    }
}

/// Loads nothing, is kept nowhere, and passes the link on to nobody.
fn page(status: StatusCode, content: &str) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
        (header::HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Mail</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <style>body{{font:1.2rem sans-serif;max-width:30rem;margin:4rem auto;padding:0 1rem}}\
         button{{font:inherit;padding:.5rem 1rem}}</style></head><body>{content}</body></html>\n"
    );
    (status, headers, Html(html)).into_response()
}
