//! Registering webhooks, and what then arrives.

use crate::bench::{ACCOUNT, Bench, DANA, MAILBOX};
use leadflow_activities::senders::unipile::{SECRET_HEADER, parse_event};
use leadflow_activities::senders::{AccountStatus, EventKind, ProviderEvent, Sender};
use leadflow_sandbox::AccountChange;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Takes one delivery, answers 200, and returns its head in small letters and its body.
async fn receive(listener: &TcpListener) -> (String, Vec<u8>) {
    let (mut stream, _) = listener.accept().await.expect("a delivery");
    let mut request = Vec::new();
    loop {
        read_some(&mut stream, &mut request).await;
        let text = String::from_utf8_lossy(&request);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let (head, start) = (head.to_lowercase(), head.len() + 4);
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let length: usize = length.expect("a length");
        while request.len() < start + length {
            read_some(&mut stream, &mut request).await;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.expect("answered");
        return (head, request.split_off(start));
    }
}

async fn read_some(stream: &mut TcpStream, request: &mut Vec<u8>) {
    let read = stream.read_buf(request).await.expect("readable");
    assert!(read > 0, "the delivery ended early");
}

async fn registered(bench: &Bench) -> Vec<Value> {
    let url = format!("{}/unipile/api/v1/webhooks?limit=250", bench.sandbox.base_url());
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
    let listed = client.get(url).header("x-api-key", "sandbox-key").send().await.expect("answered");
    let listed: Value = serde_json::from_str(&listed.text().await.expect("a body")).expect("JSON");
    listed["items"].as_array().expect("items").clone()
}

fn names(webhooks: &[Value]) -> Vec<String> {
    let mut names: Vec<_> = webhooks.iter().filter_map(|webhook| Some(webhook["name"].as_str()?.to_owned())).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn registering_again_changes_nothing_and_a_new_secret_replaces_the_old() {
    let bench = Bench::start().await;
    let url = "http://127.0.0.1:9/webhooks/unipile";
    bench.unipile.register_webhook(url, "secret-1", &[]).await.expect("registered");
    let first = registered(&bench).await;
    let sources: Vec<_> = first.iter().filter_map(|webhook| webhook["source"].as_str()).collect();
    assert_eq!(sources.len(), 4);
    for source in ["messaging", "users", "email", "account_status"] {
        assert!(sources.contains(&source), "{source}");
    }
    bench.unipile.register_webhook(url, "secret-1", &[]).await.expect("registered");
    assert_eq!(registered(&bench).await, first);

    let elsewhere = "http://127.0.0.1:9/other";
    bench.unipile.register_webhook(elsewhere, "secret-1", &[]).await.expect("registered");
    bench.unipile.register_webhook(url, "secret-2", &[ACCOUNT.to_owned()]).await.expect("registered");
    let all = registered(&bench).await;
    let (here, there): (Vec<_>, Vec<_>) = all.into_iter().partition(|webhook| webhook["request_url"] == url);
    assert_eq!((here.len(), there.len()), (4, 4), "another url keeps its own");
    assert_ne!(names(&here), names(&first));
    assert!(here.iter().all(|webhook| webhook["account_ids"].as_array().is_some_and(|ids| ids.len() == 1)));
    assert!(names(&here).iter().all(|name| !name.contains("secret")));
}

#[tokio::test]
async fn what_arrives_carries_the_secret_and_is_understood() {
    let bench = Bench::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/webhooks/unipile", listener.local_addr().expect("bound"));
    bench.unipile.register_webhook(&url, "secret-1", &[]).await.expect("registered");
    let next = async || -> ProviderEvent {
        let (head, body) = receive(&listener).await;
        assert!(head.contains(&format!("{}: secret-1", SECRET_HEADER.to_lowercase())), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        parse_event(&body).expect("understood")
    };

    let id = bench.sandbox.unipile_reply(ACCOUNT, DANA, "What does it cost?").expect("written");
    let event = next().await;
    let EventKind::Message { message_id, is_ours: false, person_provider_id: Some(person), .. } = event.what else {
        panic!("{event:?}");
    };
    assert_eq!((message_id, event.account.as_str()), (id, ACCOUNT));
    assert_eq!(person, bench.profile(DANA).await.provider_id);

    bench.sandbox.unipile_owner_message(ACCOUNT, DANA, "Nothing at first.").expect("written");
    let event = next().await;
    let EventKind::Message { is_ours: true, person_provider_id: Some(about), .. } = event.what else {
        panic!("{event:?}")
    };
    assert_eq!(about, person);

    bench.sandbox.unipile_reply(MAILBOX, "dana@nordhafen.example", "Hello").expect("written");
    let event = next().await;
    let EventKind::Mail { from, is_ours: false, auto_submitted: false, .. } = event.what else { panic!("{event:?}") };
    assert_eq!(from, "dana@nordhafen.example");

    let change = AccountChange { status: Some("CREDENTIALS".into()), restricted: None };
    bench.sandbox.change_unipile_account(ACCOUNT, &change).expect("changed");
    let event = next().await;
    assert_eq!(event.what, EventKind::AccountStatus { status: AccountStatus::Credentials });
}
