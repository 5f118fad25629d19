//! Every door over HTTP: what opens it, what does not, and that a refusal leaves no trace of anybody.

mod one_click;

use super::super::api::token;
use super::super::tests::{Told, client, start_with};
use super::Doors;
use crate::ingress::Ingress;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use leadflow_activities::config::Config;
use leadflow_activities::store::Store;
use leadflow_activities::store::api_tokens::Scope;
use leadflow_activities::store::testing::each_backend;
use leadflow_clock::Clock;
use secrecy::ExposeSecret;
use sha2::Sha256;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

/// When the published vectors were signed.
const CLOCK_MS: i64 = 1_768_469_400_000;
const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const HMAC_SECRET: &str = "psk_demo_0123456789abcdef";
const PLAIN_SECRET: &str = "plain-shared-secret";
const UNIPILE_SECRET: &str = "a-long-random-text";
const SIGNING_SECRET: &str = "unipile-signing-secret";

const SETTINGS: &str = r#"
[webhooks.sources.signed]
mode = "standard"
[webhooks.sources.peopledata]
mode = "hmac"
[webhooks.sources.plain]
mode = "secret_header"
"#;

/// The old secret of each source, and the new one beside it.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("LEADFLOW_WEBHOOK_SECRET_SIGNED", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
    ("LEADFLOW_WEBHOOK_SECRET_PEOPLEDATA", "psk_demo_0123456789abcdef psk_new"),
    ("LEADFLOW_WEBHOOK_SECRET_PLAIN", "plain-shared-secret plain-new"),
    ("UNIPILE_WEBHOOK_SECRET", "a-long-random-text unipile-new"),
    ("UNIPILE_SIGNING_SECRET", "unipile-signing-secret signing-new"),
];

const CHANGE: &str = r#"{"id":"evt_01JOBCHG0001","type":"person.job_changed","occurred_at":"2026-01-15T09:30:00Z","data":{"person":{"full_name":"Dana Whitlock"}}}"#;
const NOTES: &str = r#"[{"member_id":904127713355,"status":"changed"}]"#;
const RELATION: &str = r#"{"event":"new_relation","account_id":"acc_7Qd","user_full_name":"Dana Whitlock","user_provider_id":"ACoAAAsim001","user_public_identifier":"dana-whitlock"}"#;

/// What must not be seen in the log.
const PRIVATE: [&str; 10] = [
    "Dana",
    "Whitlock",
    "dana-whitlock",
    "ACoAAAsim001",
    "904127713355",
    "evt_01",
    "whsec_",
    HMAC_SECRET,
    PLAIN_SECRET,
    UNIPILE_SECRET,
];

/// A way to prove who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Unipile,
    UnipileSigned,
    Standard,
    Svix,
    Hmac,
    Plain,
}

const WAYS: [Way; 6] = [Way::Unipile, Way::UnipileSigned, Way::Standard, Way::Svix, Way::Hmac, Way::Plain];

/// A request before it is sent.
#[derive(Clone, Debug)]
struct Posted {
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Way {
    fn body(self) -> &'static str {
        match self {
            Self::Unipile | Self::UnipileSigned => RELATION,
            Self::Standard | Self::Svix | Self::Hmac => CHANGE,
            Self::Plain => NOTES,
        }
    }

    fn secrets(self) -> (&'static str, &'static str) {
        match self {
            Self::Unipile => (UNIPILE_SECRET, "unipile-new"),
            Self::UnipileSigned => (SIGNING_SECRET, "signing-new"),
            Self::Standard | Self::Svix => (STANDARD_SECRET, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
            Self::Hmac => (HMAC_SECRET, "psk_new"),
            Self::Plain => (PLAIN_SECRET, "plain-new"),
        }
    }

    fn is_signed(self) -> bool {
        !matches!(self, Self::Unipile | Self::Plain)
    }

    /// With all headers, which say that it was sent at `at_s`.
    fn post(self, secret: &str, at_s: i64, body: impl Into<Vec<u8>>) -> Posted {
        let body = body.into();
        let stamped = |prefix: &str| [prefix.as_bytes(), at_s.to_string().as_bytes(), b".", &body].concat();
        let (path, headers) = match self {
            Self::Unipile => ("/webhooks/unipile", vec![("unipile-auth", secret.to_owned())]),
            Self::UnipileSigned => {
                let signature = format!("t={at_s},v0={}", hex(&mac(secret.as_bytes(), &stamped(""))));
                ("/webhooks/unipile", vec![("unipile-signature", signature)])
            }
            Self::Standard | Self::Svix => {
                let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
                let signature = format!("v1a,AAAA v1,{}", STANDARD.encode(mac(&key, &stamped("msg_demo_0001."))));
                let names = if self == Self::Svix {
                    ["svix-id", "svix-timestamp", "svix-signature"]
                } else {
                    ["webhook-id", "webhook-timestamp", "webhook-signature"]
                };
                let values = ["msg_demo_0001".to_owned(), at_s.to_string(), signature];
                ("/webhooks/person-change/signed", names.into_iter().zip(values).collect())
            }
            Self::Hmac => {
                let signature = format!("v1={}", hex(&mac(secret.as_bytes(), &stamped(""))));
                let headers = vec![("x-signal-timestamp", at_s.to_string()), ("x-signal-signature", signature)];
                ("/webhooks/person-change/peopledata", headers)
            }
            Self::Plain => ("/webhooks/person-change/plain", vec![("x-webhook-secret", secret.to_owned())]),
        };
        Posted { path, headers, body }
    }

    fn good(self) -> Posted {
        self.post(self.secrets().0, CLOCK_MS / 1_000, self.body())
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// What would be wrong with a request of this way, each with its status and the reason in the log.
fn bad(way: Way) -> Vec<(&'static str, Posted, u16, &'static str)> {
    let ((secret, _), now_s, good) = (way.secrets(), CLOCK_MS / 1_000, way.good());
    let with = |body: &[u8]| way.post(secret, now_s, body);
    let wrong = if way.is_signed() { "wrong_signature" } else { "wrong_secret" };
    let another = match way {
        Way::Standard | Way::Svix => "whsec_b3RoZXIgc2VjcmV0IG90aGVyIHNlY3JldCE=",
        _ => "another-secret",
    };
    let deep = ["[".repeat(20_000), "]".repeat(20_000)].concat();
    let deep = format!("{{\"id\":\"x\",\"type\":\"person.promoted\",\"event\":\"new_relation\",\"data\":{deep}}}");
    let mut bad = vec![
        ("a wrong secret", way.post(another, now_s, way.body()), 401, wrong),
        ("6 MB", with(&vec![b' '; 6_000_000]), 413, "body_too_large"),
        ("deep JSON", with(deep.as_bytes()), 400, "no_event"),
        ("invalid UTF-8", with(b"{\"type\":\"\xff\xfe Dana\"}"), 400, "no_event"),
        ("an empty body", with(b""), 400, "no_event"),
        ("half a body", with(&way.body().as_bytes()[..30]), 400, "no_event"),
        ("an event without what it is about", with(b"{\"data\":{}}"), 400, "no_event"),
    ];
    for (nth, (name, _)) in good.headers.iter().enumerate() {
        let mut headers = good.headers.clone();
        headers.remove(nth);
        bad.push(("a missing header", Posted { headers, ..good.clone() }, 401, "missing_header"));
        let mut headers = good.headers.clone();
        headers[nth].1.clear();
        let reason = if way.is_signed() && *name != "unipile-auth" { "missing_header" } else { "wrong_secret" };
        bad.push(("an empty header", Posted { headers, ..good.clone() }, 401, reason));
    }
    if way.is_signed() {
        let mut tampered = good.clone();
        tampered.body = way.body().replace("Dana", "Dona").into_bytes();
        bad.push(("a tampered body", tampered, 401, "wrong_signature"));
        bad.push(("an old timestamp", way.post(secret, now_s - 301, way.body()), 401, "clock_skew"));
        bad.push(("a future timestamp", way.post(secret, now_s + 900, way.body()), 401, "clock_skew"));
        bad.push(("the end of time", way.post(secret, i64::MAX, way.body()), 401, "bad_timestamp"));
        let mut undated = good;
        for (_, value) in &mut undated.headers {
            *value = value.replace(&now_s.to_string(), "yesterday");
        }
        bad.push(("a timestamp in words", undated, 401, "bad_timestamp"));
    }
    bad
}

/// Everything that is logged on this thread while it lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        tracing::subscriber::set_default(subscriber.with_writer(self.clone()).finish())
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn doors() -> Doors {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("leadflow.toml");
    std::fs::write(&file, SETTINGS).unwrap();
    let variable =
        |name: &str| ENVIRONMENT.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Doors::from_config(&Config::from_sources(Some(&file), variable).unwrap()).unwrap()
}

async fn open(store: &Store) -> Ingress {
    start_with(store, Arc::<Told>::default(), Clock::fast(CLOCK_MS, 1.0), doors()).await
}

async fn send(ingress: &Ingress, posted: &Posted) -> u16 {
    let request = client().post(format!("http://{}{}", ingress.address(), posted.path)).body(posted.body.clone());
    let request = posted.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    assert!(PRIVATE.iter().all(|private| !text.contains(private)), "{text}");
    status
}

#[tokio::test]
async fn what_is_not_proven_or_no_event_is_refused_and_leaves_no_trace() {
    each_backend(async |store| {
        let log = Log::default();
        let guard = log.capture();
        let ingress = open(&store).await;
        let mut tried = 0;
        for way in WAYS {
            for (what, posted, status, reason) in bad(way) {
                let before = log.text().len();
                assert_eq!(send(&ingress, &posted).await, status, "{way:?}: {what}");
                let logged = log.text().split_off(before);
                assert!(logged.contains(reason), "{way:?}: {what}: {reason} is not in {logged}");
                tried += 1;
            }
        }
        let nowhere = Posted { path: "/webhooks/person-change/nobody", ..Way::Plain.good() };
        assert_eq!(send(&ingress, &nowhere).await, 404);
        assert!(tried > 60, "{tried}");
        assert!(store.events("default", false, 10).await.unwrap().is_empty());
        ingress.stop().await;
        drop(guard);
        // What HTTP itself logs is not ours, and is switched off in every log of ours.
        let log = log.text();
        let ours: Vec<&str> = log.lines().filter(|line| line.contains("leadflow")).collect();
        assert!(ours.len() > tried, "{ours:?}");
        for line in ours {
            let shown = PRIVATE.iter().find(|private| line.contains(**private));
            assert_eq!(shown, None, "{line}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_good_event_is_stored_once_whatever_its_content_type_and_with_either_secret() {
    each_backend(async |store| {
        let ingress = open(&store).await;
        for way in WAYS {
            let (old, new) = way.secrets();
            for secret in [old, new, old] {
                for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
                    let mut posted = way.post(secret, CLOCK_MS / 1_000 - 200, way.body());
                    posted.headers.push(("content-type", kind.into()));
                    assert_eq!(send(&ingress, &posted).await, 200, "{way:?} {kind}");
                }
            }
        }
        ingress.stop().await;
        let events = store.events("default", false, 10).await.unwrap();
        let mut kept: Vec<(&str, &str, bool)> =
            events.iter().map(|event| (event.source.as_str(), event.event_key.as_str(), event.is_hint)).collect();
        kept.sort_unstable();
        assert_eq!(
            kept,
            [
                ("peopledata", "evt_01JOBCHG0001", false),
                ("plain", "plain/904127713355/2026-01-15/changed", true),
                ("signed", "evt_01JOBCHG0001", false),
                ("unipile", "new_relation/acc_7Qd/ACoAAAsim001", false),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn the_published_vectors_open_their_doors() {
    each_backend(async |store| {
        let ingress = open(&store).await;
        let standard = Posted {
            path: "/webhooks/person-change/signed",
            headers: vec![
                ("webhook-id", "msg_demo_0001".into()),
                ("webhook-timestamp", "1768469400".into()),
                ("webhook-signature", "v1,guEXjDJFJd6ek5wbMn+xlxs9Ebk6mZVRh2bRoDQuKxI=".into()),
            ],
            body: CHANGE.into(),
        };
        assert_eq!(send(&ingress, &standard).await, 200);
        let hmac = Posted {
            path: "/webhooks/person-change/peopledata",
            headers: vec![
                ("x-signal-timestamp", "1768469400".into()),
                ("x-signal-signature", "v1=8f3e70f9f5768073b49474b0afa6812b5393c4dfc5d113e4c7020ef9d61da87d".into()),
            ],
            body: CHANGE.into(),
        };
        assert_eq!(send(&ingress, &hmac).await, 200);
        assert_eq!(store.events("default", false, 10).await.unwrap().len(), 2);
        ingress.stop().await;
    })
    .await;
}

#[test]
fn a_source_without_a_secret_or_with_a_useless_one_is_told_at_the_start() {
    let told = |mode: &str, secret: Option<&str>| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("leadflow.toml");
        std::fs::write(&file, format!("[webhooks.sources.one-two]\nmode = \"{mode}\"\n")).unwrap();
        let variable = |name: &str| secret.filter(|_| name == "LEADFLOW_WEBHOOK_SECRET_ONE_TWO").map(ToOwned::to_owned);
        let config = Config::from_sources(Some(&file), variable).unwrap();
        Doors::from_config(&config).err().map(|failure| format!("{failure:?}"))
    };
    for mode in ["standard", "hmac", "secret_header"] {
        let missing = told(mode, None).unwrap();
        assert!(missing.contains("LEADFLOW_WEBHOOK_SECRET_ONE_TWO") && missing.contains("hint:"), "{missing}");
    }
    for useless in ["whsec_", "whsec_%%%%", "whpk_%%%% whsec_b3RoZXI="] {
        let told = told("standard", Some(useless)).unwrap();
        assert!(told.contains("Standard Webhooks") && !told.contains("%%%%"), "{told}");
    }
    assert_eq!(told("standard", Some("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")), None, "padding may be missing");
}

/// What a token's owner posts is a hint, and its tenant's.
#[tokio::test]
async fn an_event_that_is_not_signed_comes_in_by_a_token_with_its_scope() {
    each_backend(async |store| {
        let ingress = open(&store).await;
        for (scope, path, status) in [
            (Scope::Write, "signed", 403),
            (Scope::Webhooks, "nobody", 404),
            (Scope::Webhooks, "signed", 200),
            (Scope::Webhooks, "signed", 200),
        ] {
            let (token, text) = token::new("brewery", "vendor", [scope].into(), CLOCK_MS, None);
            store.add_api_token(&token).await.unwrap();
            let url = format!("http://{}/webhooks/person-change/{path}", ingress.address());
            let request = client().post(url).bearer_auth(text.expose_secret()).body(CHANGE);
            assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{scope:?} {path}");
        }
        let url = format!("http://{}/webhooks/person-change/signed", ingress.address());
        let forged = client().post(url).bearer_auth("lf.brewery.0.1").body(CHANGE).send().await.unwrap();
        assert_eq!(forged.status().as_u16(), 401);
        ingress.stop().await;
        let events = store.events("brewery", false, 10).await.unwrap();
        assert_eq!(events.iter().map(|event| event.is_hint).collect::<Vec<_>>(), [true]);
        assert!(store.events("default", false, 10).await.unwrap().is_empty());
    })
    .await;
}
