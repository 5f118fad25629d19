//! Named points at which the kill tests end the process. Empty code without the feature `failpoints`.

/// Every point, in the order in which a search, then an enrollment, first passes them.
pub const POINTS: [&str; 16] = [
    "gate-after-reserve",
    "gate-after-call",
    "gate-after-settle",
    "maps-before-store",
    "people-before-number",
    "reasons-before-store",
    "finish-before-store",
    "round-before-start",
    "round-after-start",
    "touch-before-claim",
    "touch-after-claim",
    "touch-before-call",
    "touch-after-call",
    "touch-before-settle",
    "touch-after-settle",
    "touch-in-reconcile",
];

/// Passes the point `name`. It waits on a thread of its own, so that heartbeats go on.
#[cfg(feature = "failpoints")]
pub(crate) async fn fail_point(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "{name} is not listed");
    let passed = tokio::task::spawn_blocking(move || fail::fail_point!(name)).await;
    if let Some(panic) = passed.err().and_then(|ended| ended.try_into_panic().ok()) {
        std::panic::resume_unwind(panic);
    }
}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn fail_point(_name: &'static str) -> std::future::Ready<()> {
    std::future::ready(())
}
