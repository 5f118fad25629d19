//! What belongs together over processes and days: spans, and the way from one to the next as W3C Trace Context writes it.
//!
//! Context is OpenTelemetry's own, as in the SDK's plugin, so that its spans and ours are one tree. Log lines get the id of
//! their trace from here. Without a tracer, as in commands that only ask, all of this does nothing.

use opentelemetry::trace::{
    FutureExt, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue, global};
use std::future::Future;
use tracing::Instrument;

/// Whose spans they are.
const SCOPE: &str = "leadflow";

tokio::task_local! {
    static ATTEMPT: u32;
}

/// The trace that this code runs in, as 32 hexadecimal digits; empty without one.
pub fn trace_id(context: &Context) -> String {
    let span = context.span();
    let span = span.span_context();
    if span.is_valid() { span.trace_id().to_string() } else { String::new() }
}

/// The span that this code runs in, as the header `traceparent` has it; `None` without one.
pub fn traceparent() -> Option<String> {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    let flags = span.trace_flags().to_u8();
    span.is_valid().then(|| format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id()))
}

/// The span that a `traceparent` names, as a parent for others; nothing when it names none.
pub fn parent(traceparent: Option<&str>) -> Context {
    match traceparent.and_then(parse) {
        Some(span) => Context::new().with_remote_span_context(span),
        None => Context::new(),
    }
}

/// Version 00, and later ones as far as they begin alike.
fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_written_well = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let has_rest = version == "00" && parts.next().is_some();
    if has_rest || version == "ff" || !is_written_well(version, 2) || !is_written_well(flags, 2) {
        return None;
    }
    if !is_written_well(trace, 32) || !is_written_well(span, 16) {
        return None;
    }
    // Only the flag of sampling is known.
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & TraceFlags::SAMPLED.to_u8());
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

/// Begins a span under `parent`. It ends when its last context is dropped, or at `context.span().end()`.
pub fn begin(parent: &Context, name: String, kind: SpanKind, attributes: Vec<KeyValue>) -> Context {
    let builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
    parent.with_span(global::tracer(SCOPE).build_with_context(builder, parent))
}

/// Does `work`, which goes on after what began it has ended, in a span of its own of the same trace. Its log lines name the
/// trace.
pub async fn go_on<T>(traceparent: Option<&str>, name: &'static str, work: impl Future<Output = T>) -> T {
    let context = begin(&parent(traceparent), name.to_owned(), SpanKind::Internal, Vec::new());
    let log = tracing::info_span!("work", trace_id = trace_id(&context), doing = name);
    work.with_context(context).instrument(log).await
}

/// Does `work` as an attempt of an activity, from 1, which spans of provider calls then name.
pub async fn as_attempt<T>(attempt: u32, work: impl Future<Output = T>) -> T {
    ATTEMPT.scope(attempt, work).await
}

/// The attempt of the activity that this code belongs to; 1 outside of one.
pub(super) fn attempt() -> u32 {
    ATTEMPT.try_with(|attempt| *attempt).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_as_the_specification_has_it() {
        assert_eq!(trace_id(&parent(Some(GOOD))), "4bf92f3577b34da6a3ce929d0e0e4736");
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert_eq!(trace_id(&parent(Some(later))), "4bf92f3577b34da6a3ce929d0e0e4736");
        let unsampled = parent(Some(&GOOD.replace("-01", "-00")));
        assert!(unsampled.span().span_context().is_valid() && !unsampled.span().span_context().is_sampled());
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(trace_id(&parent(Some(bad))), "", "{bad}");
        }
        assert_eq!(trace_id(&parent(None)), "");
    }

    #[tokio::test]
    async fn what_goes_on_later_is_of_the_same_trace() {
        assert_eq!(traceparent(), None);
        let later = go_on(Some(GOOD), "tell", async { traceparent() }).await;
        assert_eq!(&later.expect("a trace")[3..35], "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[tokio::test]
    async fn an_attempt_is_known_inside_its_activity() {
        assert_eq!(attempt(), 1);
        assert_eq!(as_attempt(4, async { attempt() }).await, 4);
    }
}
