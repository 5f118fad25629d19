//! `starter token`: who may use the HTTP API.

use super::account::words::time_span;
use super::{columns, instant, print, print_json, print_list, tell, the_one};
use crate::failure::Failure;
use crate::ingress::api::token;
use crate::output::{printable, terminal_width};
use crate::site::{GlobalArgs, Site};
use clap::{Args, Subcommand, ValueEnum};
use leadflow_activities::store::Store;
use leadflow_activities::store::api_tokens::{ApiToken, Scope};
use leadflow_activities::store::audit::NewAuditEntry;
use secrecy::ExposeSecret;
use serde_json::json;

/// Make tokens for the HTTP API, list and revoke them
#[derive(Subcommand, Debug)]
pub enum TokenCommand {
    Create(CreateArgs),
    /// List tokens, the newest first
    ///
    /// Example: starter token list
    List,
    /// Have a token no longer be valid, at once
    ///
    /// Example: starter token revoke shop
    Revoke(RevokeArgs),
}

/// Make a token and print it, this once
///
/// Example: starter token create shop --scope read --scope write --expires 90d
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// How you call it
    name: String,
    /// What it may be used for; may be repeated
    #[arg(long, value_enum, default_value = "read")]
    scope: Vec<ScopeWord>,
    /// How long it is valid; for ever without
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    expires: Option<i64>,
}

#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// Name, id or its beginning
    #[arg(value_name = "NAME")]
    token: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScopeWord {
    /// Ask for anything
    Read,
    /// Start, change and end things
    Write,
    /// Post events that are not signed
    Webhooks,
}

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Self {
        match word {
            ScopeWord::Read => Self::Read,
            ScopeWord::Write => Self::Write,
            ScopeWord::Webhooks => Self::Webhooks,
        }
    }
}

pub async fn run(command: TokenCommand, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    match command {
        TokenCommand::Create(args) => create(&site, &store, &args, global.json).await,
        TokenCommand::List => list(&site, &store, global.json).await,
        TokenCommand::Revoke(args) => revoke(&site, &store, &args, global.json).await,
    }
}

async fn create(site: &Site, store: &Store, args: &CreateArgs, json: bool) -> Result<(), Failure> {
    let name = args.name.trim();
    if name.is_empty() || name.contains(char::is_control) {
        return Err(Failure::Failed("the token needs a name\nhint: name it after whoever will use it".into()));
    }
    let known = store.api_tokens(site.tenant()).await?;
    if known.iter().any(|token| token.name == name && token.revoked_at_ms.is_none()) {
        return Err(Failure::Refused(format!(
            "there is a token `{}` already\nhint: choose another name, or revoke it first",
            printable(name)
        )));
    }
    let now_ms = site.clock.now_ms();
    let scopes = args.scope.iter().map(|word| Scope::from(*word)).collect();
    let expires_at_ms = args.expires.map(|span_ms| now_ms.saturating_add(span_ms));
    let (token, text) = token::new(site.tenant(), name, scopes, now_ms, expires_at_ms);
    note(site, store, "createToken", &token).await?;
    store.add_api_token(&token).await?;
    let text = text.expose_secret();
    if json {
        return print_json(&json!({
            "token": text, "token_id": token.id, "name": token.name, "scopes": token.scopes,
            "expires_at_ms": token.expires_at_ms,
        }));
    }
    print(&format!("{text}\n"))?;
    tell("keep it: only its hash is stored, and it is not shown again");
    Ok(())
}

async fn list(site: &Site, store: &Store, json: bool) -> Result<(), Failure> {
    let tokens = store.api_tokens(site.tenant()).await?;
    let none = "no tokens yet\nhint: `starter token create NAME` makes one";
    print_list(&tokens, json, false, none, || table(&tokens, site.clock.now_ms(), terminal_width()))
}

async fn revoke(site: &Site, store: &Store, args: &RevokeArgs, json: bool) -> Result<(), Failure> {
    let word = args.token.trim();
    let mut found = store.api_tokens(site.tenant()).await?;
    found.retain(|token| token.revoked_at_ms.is_none());
    let by_name = found.iter().any(|token| token.name == word || token.id == word);
    found.retain(|token| {
        let is_named = token.name == word || token.id == word;
        is_named || (!by_name && word.len() >= 4 && token.id.starts_with(word))
    });
    let token = the_one(found, "token", word, "`starter token list` shows them all", "give more of the id")?;
    note(site, store, "revokeToken", &token).await?;
    store.revoke_api_token(site.tenant(), &token.id, site.clock.now_ms()).await?;
    if json {
        return print_json(&json!({ "token_id": token.id, "name": token.name, "state": "revoked" }));
    }
    print(&format!("token {} is revoked\n", printable(&token.name)))
}

async fn note(site: &Site, store: &Store, action: &str, token: &ApiToken) -> Result<(), Failure> {
    let entry = NewAuditEntry {
        tenant: site.tenant(),
        actor: "cli",
        action,
        subject: Some(&token.id),
        request_id: None,
        now_ms: site.clock.now_ms(),
    };
    store.audit(entry).await?;
    Ok(())
}

fn table(tokens: &[ApiToken], now_ms: i64, width: u16) -> String {
    let rows = tokens.iter().map(|token| {
        let state = match (token.revoked_at_ms, token.expires_at_ms) {
            (Some(at_ms), _) => format!("revoked {}", instant(at_ms)),
            (None, Some(at_ms)) if at_ms <= now_ms => format!("expired {}", instant(at_ms)),
            (None, Some(at_ms)) => format!("valid until {}", instant(at_ms)),
            (None, None) => "valid".to_owned(),
        };
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
        let used = token.last_used_at_ms.map_or_else(|| "never".to_owned(), instant);
        vec![printable(&token.name), scopes.join(", "), state, used, token.id.clone()]
    });
    // An id that is broken over lines cannot be copied.
    columns(&["name", "scopes", "state", "last used", "id"], &[], rows, width.max(140))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stand_in_columns_without_their_secret() {
        let (mut token, text) =
            token::new("default", "shop", [Scope::Read, Scope::Write].into(), 0, Some(1_773_480_413_000));
        token.id = "0192f0c1-0000-7000-8000-0000000000a1".into();
        let revoked = ApiToken { revoked_at_ms: Some(1_773_480_413_000), last_used_at_ms: Some(0), ..token.clone() };
        let text = text.expose_secret();
        let shown = table(&[token.clone(), revoked, token.clone()], 1_773_480_413_000, 100);
        assert!(!shown.contains(text.rsplit('.').next().unwrap()) && !shown.contains(&token.hash));
        assert!(table(&[token.clone()], 0, 100).contains("valid until 2026-03-14"), "{shown}");
        insta::assert_snapshot!(shown, @r"
        name  scopes       state                            last used                id
        shop  read, write  expired 2026-03-14 09:26:53 UTC  never                    0192f0c1-0000-7000-8000-0000000000a1
        shop  read, write  revoked 2026-03-14 09:26:53 UTC  1970-01-01 00:00:00 UTC  0192f0c1-0000-7000-8000-0000000000a1
        shop  read, write  expired 2026-03-14 09:26:53 UTC  never                    0192f0c1-0000-7000-8000-0000000000a1
        ");
    }
}
