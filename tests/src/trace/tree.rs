//! A trace as text: one line a span, each under what caused it.

use super::Span;
use std::fmt::Write;

/// Attributes that say most, by their names in OpenTelemetry, and as the tree calls them.
const SHOWN: [(&str, &str); 5] = [
    ("server.address", "host"),
    ("http.response.status_code", "status"),
    ("http.request.resend_count", "retries"),
    ("temporalWorkflowID", "workflow"),
    ("temporalActivityID", "activity"),
];

/// `spans` are those of one trace, in the order of their beginning. Times are milliseconds since the first began.
pub fn tree(spans: &[Span]) -> String {
    let origin_ns = spans.iter().map(|span| span.began_ns).min().unwrap_or_default();
    let mut text = String::new();
    let is_known = |id: &str| spans.iter().any(|span| span.span_id == id);
    for top in spans.iter().filter(|span| !is_known(&span.parent_id)) {
        branch(&mut text, spans, top, origin_ns, &mut Vec::new());
    }
    text
}

/// `lasts` says for each level whether it is the last of its siblings.
fn branch(text: &mut String, spans: &[Span], span: &Span, origin_ns: u64, lasts: &mut Vec<bool>) {
    let lead: String = match lasts.split_last() {
        Some((is_last, above)) => {
            let above = above.iter().map(|is_last| if *is_last { "   " } else { "│  " });
            above.chain([if *is_last { "└─ " } else { "├─ " }]).collect()
        }
        None => String::new(),
    };
    let head = format!("{lead}{}", span.name);
    let at_ms = milliseconds(span.began_ns.saturating_sub(origin_ns));
    let took_ms = milliseconds(span.ended_ns.saturating_sub(span.began_ns));
    let shown = SHOWN.iter().filter_map(|(name, word)| Some(format!("{word}={}", span.attributes.get(*name)?)));
    let shown: Vec<String> = shown.collect();
    let line = format!("{head:<58} {at_ms:>8} ms {took_ms:>8} ms  {:<16} {}", span.service, shown.join(" "));
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{}", line.trim_end());
    let children: Vec<&Span> = spans.iter().filter(|child| child.parent_id == span.span_id).collect();
    for (number, child) in children.iter().enumerate() {
        lasts.push(number + 1 == children.len());
        branch(text, spans, child, origin_ns, lasts);
        lasts.pop();
    }
}

fn milliseconds(nanoseconds: u64) -> String {
    format!("{}.{}", nanoseconds / 1_000_000, nanoseconds / 100_000 % 10)
}
