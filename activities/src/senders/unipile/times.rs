//! Instants as Unipile writes them.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value;

/// Unix milliseconds of an ISO text with an offset, or of a number of milliseconds.
pub(super) fn instant_ms(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => Some(text.trim().parse::<Timestamp>().ok()?.as_millisecond()),
        _ => None,
    }
}

/// Unix milliseconds of a text such as `2 days ago`, at most as exact as its unit.
pub(super) fn relative_ms(text: &str, now_ms: i64) -> Option<i64> {
    let text = text.trim().trim_start_matches("Sent ").to_lowercase();
    let ago = match text.as_str() {
        "today" | "just now" | "now" => Span::new(),
        "yesterday" => Span::new().try_days(-1).ok()?,
        text if text.ends_with(" ago") => text.parse::<Span>().ok()?,
        _ => return None,
    };
    let now = Timestamp::from_millisecond(now_ms).ok()?.to_zoned(TimeZone::UTC);
    Some(now.checked_add(ago).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn instants_are_texts_or_numbers() {
        let written =
            [json!("2026-01-15T09:31:04.120Z"), json!("2026-01-15T10:31:04.120+01:00"), json!(1_768_469_464_120_i64)];
        for value in written {
            assert_eq!(instant_ms(&value), Some(1_768_469_464_120), "{value}");
        }
        for value in [json!(null), json!("soon"), json!("2026-01-15"), json!({})] {
            assert_eq!(instant_ms(&value), None, "{value}");
        }
    }

    #[test]
    fn some_lists_tell_only_about_how_long_ago() {
        let now_ms = 1_768_469_464_120;
        for (text, hours) in [
            ("Today", 0),
            ("Yesterday", 24),
            ("2 days ago", 48),
            ("Sent 1 week ago", 7 * 24),
            ("3 hours ago", 3),
            ("1 month ago", 31 * 24),
        ] {
            assert_eq!(relative_ms(text, now_ms), Some(now_ms - hours * 3_600_000), "{text}");
        }
        for text in ["", "ago", "a while ago", "in 2 days"] {
            assert_eq!(relative_ms(text, now_ms), None, "{text}");
        }
    }
}
