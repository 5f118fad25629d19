//! Lists in pages, and how instants are written.

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Answered;
use super::errors::error;
use crate::exchange::{Call, Reply};

/// What a list says of `limit`.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    most: usize,
    usual: usize,
}

impl Bounds {
    pub(super) const USUAL: Self = Self { most: 250, usual: 100 };
    pub(super) const RELATIONS: Self = Self { most: 1000, usual: 100 };
    pub(super) const INVITATIONS: Self = Self { most: 100, usual: 10 };
}

/// The page of `items` that the call's `cursor` and `limit` name.
pub(super) fn page<T>(call: &Call, object: &str, bounds: Bounds, items: Vec<T>, view: impl Fn(T) -> Value) -> Answered {
    let limit = match call.parameter("limit").map(str::parse::<usize>) {
        None => bounds.usual,
        Some(Ok(limit)) if (1..=bounds.most).contains(&limit) => limit,
        Some(Ok(limit)) if limit > bounds.most => return Err(error("limit_too_high", "The limit is too high.")),
        Some(_) => return Err(error("invalid_parameters", "The limit must be a positive number.")),
    };
    let (start, limit) = match call.parameter("cursor") {
        None => (0, limit),
        Some(cursor) => opened(cursor).ok_or_else(|| error("invalid_parameters", "The cursor is not one of ours."))?,
    };
    let end = start.saturating_add(limit);
    let cursor = (end < items.len()).then(|| STANDARD.encode(json!({"start": end, "limit": limit}).to_string()));
    let items: Vec<_> = items.into_iter().skip(start).take(limit).map(view).collect();
    Ok(Reply::free(200, json!({"object": object, "items": items, "cursor": cursor})))
}

fn opened(cursor: &str) -> Option<(usize, usize)> {
    let cursor: Value = serde_json::from_slice(&STANDARD.decode(cursor).ok()?).ok()?;
    let number = |name| usize::try_from(cursor[name].as_u64()?).ok();
    Some((number("start")?, number("limit")?))
}

/// The instants that the parameters `after` and `before` leave: the first excluded, the second, too.
pub(super) fn asked_period(call: &Call) -> Result<(i64, i64), Reply> {
    let read = |name, usual| match call.parameter(name) {
        None => Ok(usual),
        Some(text) => text
            .parse::<jiff::Timestamp>()
            .map(jiff::Timestamp::as_millisecond)
            .map_err(|_| error("invalid_parameters", "after and before must be instants in ISO 8601.")),
    };
    Ok((read("after", i64::MIN)?, read("before", i64::MAX)?))
}

/// ISO 8601 with milliseconds, in UTC.
pub(super) fn timestamp(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| String::new(), |instant| format!("{instant:.3}"))
}

/// As LinkedIn words it: `Today`, `3 days ago`.
pub(super) fn ago(since_ms: i64) -> impl Display {
    match since_ms / 86_400_000 {
        ..=0 => "Today".to_owned(),
        1 => "1 day ago".to_owned(),
        days @ 2..=13 => format!("{days} days ago"),
        days => format!("{} weeks ago", days / 7),
    }
}
