//! What is seen of a real run: one trace over all processes, and nothing of the people in it or in the logs.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use leadflow_tests::trace::{MESSAGE, Span, WEBHOOK, record, tree};

/// From the call up to the webhook, by parents.
const CHAIN: [&str; 7] = [
    MESSAGE,
    "RunActivity:unipile.touch",
    "StartActivity:unipile.touch",
    "HandleSignal:look",
    "SignalWorkflow:look",
    "tell",
    WEBHOOK,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_leads_from_the_webhook_to_the_message_and_tells_nothing_of_the_person() {
    let recorded = record(Some(env!("CARGO_BIN_EXE_starter-under-test").into())).await.unwrap();
    let spans = &recorded.spans;
    println!("{}", tree(spans));

    let mut span = spans.iter().find(|span| span.name == MESSAGE).unwrap();
    let mut chain = vec![span];
    while let Some(parent) = spans.iter().find(|parent| parent.span_id == span.parent_id) {
        chain.push(parent);
        span = parent;
    }
    assert_eq!(chain.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), CHAIN);
    assert!(chain.iter().all(|span| span.trace_id == chain[0].trace_id));
    assert!(spans.iter().any(|span| span.name == "RunActivity:enrollment.advance"), "it looked in the same trace");
    assert!(chain[6].service == "leadflow-serve" && chain[0].service == "leadflow-worker");
    let call = &chain[0].attributes;
    assert_eq!(call["http.request.method"], "POST");
    assert_eq!(call["http.response.status_code"], "201");
    assert_eq!(call["server.address"], "127.0.0.1");
    assert_eq!(call["url.template"], "/chats");
    assert_eq!(call["http.request.resend_count"], "0");

    let in_logs: Vec<&str> = recorded.worker_log.lines().filter(|line| line.contains(&chain[0].trace_id)).collect();
    assert!(in_logs.iter().any(|line| line.contains("unipile.touch") && line.contains("workflow_id")), "{in_logs:#?}");
    for secret in &recorded.secrets {
        assert!(!recorded.worker_log.contains(secret.as_str()), "the worker's log has `{secret}`");
        assert!(!recorded.all.iter().any(|span| tells(span, secret)), "a span has `{secret}`");
    }
}

fn tells(span: &Span, secret: &str) -> bool {
    span.name.contains(secret)
        || span.notes.contains(secret)
        || span.attributes.values().any(|value| value.contains(secret))
}
