//! Who asks: the token of a request, held against the store.

use super::super::problem::Problem;
use super::token;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use leadflow_activities::store::Store;
use leadflow_activities::store::api_tokens::Scope;
use std::collections::BTreeSet;

/// How often it is written down that a token is in use.
const USE_NOTED_MS: i64 = 60_000;

/// Whose token came with a request.
#[derive(Debug)]
pub(in crate::ingress) struct Caller {
    pub(in crate::ingress) tenant: String,
    pub(super) token_id: String,
    scopes: BTreeSet<Scope>,
}

impl Caller {
    pub(in crate::ingress) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let detail = format!("this token lacks the scope `{}`", scope.name());
        Err(Problem::new(StatusCode::FORBIDDEN, &detail))
    }
}

/// The caller that the header `Authorization` names.
///
/// # Errors
/// 401, in the same words for a token that is missing, unknown, expired or revoked.
pub(in crate::ingress) async fn authenticate(
    store: &Store,
    headers: &HeaderMap,
    now_ms: i64,
) -> Result<Caller, Problem> {
    let refused = || {
        let detail = "this needs a valid token in the header `Authorization: Bearer TOKEN`";
        Problem::new(StatusCode::UNAUTHORIZED, detail)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    };
    let given = bearer(headers).ok_or_else(refused)?;
    let (tenant, id) = token::parts(given).ok_or_else(refused)?;
    let known = store.api_token(tenant, &id).await?.ok_or_else(refused)?;
    if !token::is(given, &known.hash) || !known.is_valid(now_ms) {
        return Err(refused());
    }
    if known.last_used_at_ms.is_none_or(|at_ms| now_ms - at_ms >= USE_NOTED_MS) {
        // That a use cannot be written down is no reason to refuse it.
        if let Err(error) = store.api_token_was_used(tenant, &id, now_ms).await {
            tracing::warn!(kind = error.kind.name(), "the use of a token is not noted");
        }
    }
    Ok(Caller { tenant: known.tenant, token_id: known.id, scopes: known.scopes })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
