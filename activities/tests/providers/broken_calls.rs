//! Calls without a complete answer, and clients that cannot be built.

use crate::table::{Bench, check_text};
use leadflow_activities::config::Config;
use leadflow_activities::providers::{Billed, Class, Clients, FinderQuery, ProviderError, SetUpError};
use leadflow_sandbox::{FaultKind, Provider};
use leadflow_workflows::domain::timings::Timings;
use std::time::Duration;
use temporalio_sdk::activities::ActivityError;

const QUERY: FinderQuery<'static> =
    FinderQuery { domain: "nordhafen.example", first_name: "Dana", last_name: "Whitlock" };

async fn find(bench: &Bench) -> ProviderError {
    let hunter = bench.clients.hunter.as_ref().expect("set up");
    hunter.find_email("call-1", QUERY).await.expect_err("broken")
}

/// The texts are checked with a call whose URL names a person.
fn check(error: ProviderError, kind: &str, billed: Billed) {
    assert_eq!((error.kind, error.billed, error.class), (kind, billed, Class::Backoff), "{error}");
    assert_eq!(error.status, None);
    assert!(error.counts_for_breaker());
    check_text(&error);
    let ActivityError::Application(failure) = error.into_failure(1, &Timings::test()) else {
        panic!("not an application failure");
    };
    assert!(!failure.is_non_retryable());
}

#[tokio::test]
async fn a_call_that_takes_too_long_may_have_been_paid_for() {
    let bench = Bench::with_call_timeout(Duration::from_millis(300)).await;
    for fault in [FaultKind::TimeoutBefore, FaultKind::TimeoutAfter] {
        bench.strike(Provider::Hunter, fault);
        check(find(&bench).await, "timed_out", Billed::Unknown);
    }
}

#[tokio::test]
async fn a_lost_connection_may_have_been_paid_for() {
    let bench = Bench::start().await;
    bench.strike(Provider::Hunter, FaultKind::Reset);
    check(find(&bench).await, "connection_lost", Billed::Unknown);
}

#[tokio::test]
async fn a_call_that_was_never_sent_costs_nothing() {
    let Bench { sandbox, clients } = Bench::start().await;
    sandbox.stop().await;
    let error = clients.hunter.expect("set up").find_email("call-1", QUERY).await.expect_err("nobody listens");
    check(error, "connection_failed", Billed::No);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let bench = Bench::start().await;
    bench.answer(Provider::Hunter, 200, &[], "x".repeat(9 * 1024 * 1024).into());
    let error = find(&bench).await;
    assert_eq!((error.kind, error.billed), ("unreadable_answer", Billed::Unknown));
    assert!(!error.counts_for_breaker());
}

#[test]
fn a_provider_without_key_has_no_client() {
    let mut config = Config::sandbox("http://127.0.0.1:1");
    config.hunter.api_key = None;
    let clients = Clients::from_config(&config).expect("good settings");
    assert!(clients.hunter.is_none());
    assert!(clients.openai.is_some() && clients.gemini.is_some() && clients.serper.is_some());
}

#[test]
fn wrong_settings_are_told_without_the_key() {
    let of = |change: fn(&mut Config)| {
        let mut config = Config::sandbox("http://127.0.0.1:1");
        change(&mut config);
        Clients::from_config(&config).err().expect("wrong settings")
    };
    let bad_key = of(|config| config.serper.api_key = Some("line\nbreak".into()));
    assert!(matches!(bad_key, SetUpError::BadKey(_)) && !bad_key.to_string().contains("break"), "{bad_key}");
    for base_url in ["not a url", "ftp://files.example", "data:text/plain,x"] {
        let mut config = Config::sandbox("http://127.0.0.1:1");
        config.gemini.base_url = base_url.into();
        let error = Clients::from_config(&config).err().expect("wrong settings");
        assert!(matches!(error, SetUpError::BadBaseUrl(_)), "{error}");
    }
}

/// Certificates are looked for only where they are needed.
#[test]
fn the_real_hosts_are_accepted_as_base_urls() {
    let mut config = Config::sandbox("https://providers.example");
    config.hunter.api_key = None;
    Clients::from_config(&config).expect("this machine has CA certificates");
}
