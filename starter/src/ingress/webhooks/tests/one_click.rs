//! The way out of all mail, as mailboxes, people and programs that look at links use it.

use super::*;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, Response, redirect};
use sha2::Digest;
use sqlx::AssertSqlSafe;

const TOKEN: &str = "Zm9yIHRoZSB0ZXN0cywgb25seSBmb3IgdGhlIHRlc3Rz";

/// Dana, a mailbox that wrote to her, and the link in that mail.
async fn set_up(store: &Store) {
    super::super::super::tests::add_account(store, "acc_7Qd").await;
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(TOKEN.as_bytes()));
    for sql in [
        "INSERT INTO persons (id, tenant, linkedin_public_id, first_name, last_name, title, company, location, email, source) \
         VALUES ('dana', 'default', 'dana-whitlock', 'Dana', 'Whitlock', '', '', '', 'dana@nordhafen.example', 'sandbox')"
            .to_owned(),
        format!(
            "INSERT INTO unsubscribe_links (token_hash, tenant, person_id, account_id, address, created_at_ms) \
             VALUES ('{hash}', 'default', 'dana', 'a1', 'dana@nordhafen.example', 0)"
        ),
    ] {
        sqlx::query(AssertSqlSafe(sql)).execute(store.read()).await.unwrap();
    }
}

async fn ask(ingress: &Ingress, method: Method, token: &str, body: Option<(&str, &str)>) -> Response {
    let _ = client();
    let client = reqwest::Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    let mut request = client.request(method, format!("http://{}/u/{token}", ingress.address()));
    if let Some((kind, body)) = body {
        request = request.header("content-type", kind).body(body.to_owned());
    }
    request.send().await.unwrap()
}

async fn suppressed(store: &Store) -> usize {
    store.suppressions("default").await.unwrap().len()
}

#[tokio::test]
async fn looking_changes_nothing_and_says_nothing_about_anybody() {
    each_backend(async |store| {
        set_up(&store).await;
        let ingress = open(&store).await;
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(&ingress, method.clone(), TOKEN, None).await;
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["cache-control"], "no-store");
            assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
            let page = answer.text().await.unwrap();
            assert_eq!(page.contains("<form method=\"post\">"), method == Method::GET);
            assert!(!page.contains("Dana") && !page.contains("nordhafen") && !page.contains("http"), "{page}");
        }
        let mut pages = Vec::new();
        for (method, token) in [(Method::GET, "unknown"), (Method::POST, "unknown"), (Method::GET, "%00%27")] {
            let answer = ask(&ingress, method, token, None).await;
            assert_eq!(answer.status(), 404);
            pages.push(answer.text().await.unwrap());
        }
        assert!(pages.iter().all(|page| *page == pages[0] && !page.contains("<form")));
        assert_eq!(suppressed(&store).await, 0);
        assert!(store.events("default", false, 1).await.unwrap().is_empty());
        ingress.stop().await;
    })
    .await;
}

#[tokio::test]
async fn one_click_suppresses_at_once_in_every_form_and_is_safe_to_repeat() {
    let parts = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    let forms = [
        Some(("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click")),
        Some(("multipart/form-data; boundary=b", parts)),
        None,
    ];
    each_backend(async |store| {
        set_up(&store).await;
        let log = Log::default();
        let guard = log.capture();
        let ingress = open(&store).await;
        for form in forms {
            sqlx::query("DELETE FROM suppressions").execute(store.read()).await.unwrap();
            for _ in 0..3 {
                let answer = ask(&ingress, Method::POST, TOKEN, form).await;
                assert_eq!(answer.status(), 200, "no redirect, no question");
                assert!(!answer.text().await.unwrap().contains("Dana"));
                assert_eq!(suppressed(&store).await, 2, "profile and address");
            }
        }
        let events = store.events("default", false, 10).await.unwrap();
        assert_eq!(events.len(), forms.len(), "one for each click that did something");
        ingress.stop().await;
        drop(guard);
        let log = log.text();
        let ours = || log.lines().filter(|line| line.contains("leadflow"));
        assert!(ours().all(|line| !line.contains(TOKEN) && !line.contains("nordhafen")), "{log}");
    })
    .await;
}
