//! Tokens as their holders have them: `leadflow.TENANT.ID.SECRET`.
//!
//! The tenant stands in the token, so that even the look-up of a token asks for one tenant only.

use leadflow_activities::store::api_tokens::{ApiToken, Scope};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use subtle::ConstantTimeEq;
use uuid::Uuid;

const PREFIX: &str = "leadflow";

/// Makes a token: what is stored of it, and the text, which is told once.
pub fn new(
    tenant: &str,
    name: &str,
    scopes: BTreeSet<Scope>,
    now_ms: i64,
    expires_at_ms: Option<i64>,
) -> (ApiToken, SecretString) {
    let id = Uuid::now_v7();
    let text = format!("{PREFIX}.{tenant}.{}.{}", id.simple(), hexadecimal(&rand::random::<[u8; 32]>()));
    let token = ApiToken {
        id: id.to_string(),
        tenant: tenant.to_owned(),
        name: name.to_owned(),
        hash: hash(text.as_bytes()),
        scopes,
        created_at_ms: now_ms,
        expires_at_ms,
        revoked_at_ms: None,
        last_used_at_ms: None,
    };
    (token, text.into())
}

/// Tenant and id of a token; none when the text is no token.
pub(super) fn parts(text: &str) -> Option<(&str, String)> {
    let mut parts = text.split('.');
    let (prefix, tenant, id, secret) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_token = prefix == PREFIX && !tenant.is_empty() && !secret.is_empty() && parts.next().is_none();
    let id = Uuid::try_parse(id).ok().filter(|_| is_token)?;
    Some((tenant, id.to_string()))
}

/// Whether the text is the token with this hash; takes as long for one that is nearly right as for one that is not.
pub(super) fn is(text: &str, known_hash: &str) -> bool {
    hash(text.as_bytes()).as_bytes().ct_eq(known_hash.as_bytes()).into()
}

/// SHA-256 as hexadecimal digits. A secret of 256 random bits needs no slow hash.
pub(super) fn hash(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes any digits");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn only_the_whole_token_is_the_token() {
        let (token, text) = new("acme_1", "ci", BTreeSet::from([Scope::Read]), 5, None);
        let text = text.expose_secret();
        assert_eq!(parts(text), Some(("acme_1", token.id.clone())));
        assert!(is(text, &token.hash) && !token.hash.contains(text.rsplit('.').next().unwrap()));
        assert!(!is(&text.replacen("acme_1", "acme_2", 1), &token.hash), "the tenant is part of what is hashed");
        assert!(!is(&text[..text.len() - 1], &token.hash));
        for text in ["", "leadflow", "leadflow.acme.x.y", "leadflow.acme..", &format!("{text}.x"), &text[9..]] {
            assert_eq!(parts(text), None, "{text}");
        }
    }
}
