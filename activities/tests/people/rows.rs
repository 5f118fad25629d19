//! Rows for the tests, and short ways to read some back.

use futures::FutureExt;
use leadflow_activities::store::Store;
use leadflow_activities::store::imports::{ImportRow, Imported, NewImport};
use leadflow_activities::store::leads::{Lead, SearchKey};
use sqlx::AssertSqlSafe;

pub(crate) const TENANT: &str = "acme";
/// 2026-03-14 12:00 UTC.
pub(crate) const NOON_MS: i64 = 1_773_489_600_000;

/// A person at Elm Cider, by address, profile, or both; empty for none.
pub(crate) fn row(email: &str, linkedin: &str) -> ImportRow {
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    ImportRow {
        line: 2,
        email: given(email),
        linkedin: given(linkedin),
        first_name: "Ada".into(),
        last_name: "Dyke".into(),
        role: "Owner".into(),
        business: "Elm Cider".into(),
        domain: Some("elm.example".into()),
        country: "us".into(),
        score: Some(70),
        ..ImportRow::default()
    }
}

pub(crate) fn list(name: &str, rows: Vec<ImportRow>) -> NewImport {
    NewImport { tenant: TENANT.into(), name: name.into(), source: "sandbox", rows, now_ms: NOON_MS }
}

pub(crate) async fn import(store: &Store, name: &str, rows: Vec<ImportRow>) -> Imported {
    store.import_leads(&list(name, rows)).await.unwrap()
}

pub(crate) async fn leads(store: &Store, search_id: &str) -> Vec<Lead> {
    store.all_leads(SearchKey { tenant: TENANT, id: search_id }).await.unwrap()
}

pub(crate) async fn execute(store: &Store, sql: &str) {
    let sql = &sql.to_owned();
    let run = store.write(|transaction| {
        async move {
            sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut **transaction).await?;
            Ok(())
        }
        .boxed()
    });
    run.await.unwrap();
}

pub(crate) async fn count(store: &Store, rest: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT COUNT(*) FROM {rest}"))).fetch_one(store.read()).await.unwrap()
}

/// An open enrollment that has its person to itself.
pub(crate) async fn enroll(store: &Store, id: &str, campaign: &str, lead: &Lead, started_at_ms: i64) {
    execute(
        store,
        &format!(
            "INSERT INTO enrollments (id, tenant, campaign_id, lead_id, person_id, sequence_id, state, cause, state_at_ms, \
             is_open, is_exclusive, decisions, started_at_ms, wakes_at_ms) VALUES ('{id}', '{TENANT}', '{campaign}', '{}', \
             '{}', 's', 'scheduled', 'c', 0, 1, 1, '{{}}', {started_at_ms}, 0)",
            lead.id, lead.person_id
        ),
    )
    .await;
}

/// A touch of an enrollment; one that counts was called at noon.
pub(crate) async fn touch(store: &Store, id: &str, enrollment: &str, step: &str, state: &str) {
    let called = matches!(state, "calling" | "sent" | "unknown");
    let (called_at, live) =
        (if called { NOON_MS.to_string() } else { "NULL".into() }, i64::from(called && step == "invite"));
    execute(
        store,
        &format!(
            "INSERT INTO touches (id, tenant, campaign_id, enrollment_id, person_id, account_id, step_id, action, has_note, \
             state, request, called_at_ms, call_deadline_ms, calls, is_live_invite, created_at_ms) \
             SELECT '{id}', tenant, campaign_id, id, person_id, 'account', '{step}', \
             CASE WHEN '{step}' = 'invite' THEN 'invite' ELSE 'message' END, 0, '{state}', 'Hi Ada', {called_at}, {called_at}, \
             0, {live}, 0 FROM enrollments WHERE id = '{enrollment}'"
        ),
    )
    .await;
}

/// State, cause and person of an enrollment.
pub(crate) async fn enrollment(store: &Store, id: &str) -> (String, String, String) {
    let found = store.enrollment(TENANT, id).await.unwrap().unwrap();
    assert_eq!(found.is_open, !found.state.is_end());
    (found.state.name().to_owned(), found.cause, found.person_id)
}

/// State, person and enrollment of a touch.
pub(crate) async fn touch_row(store: &Store, id: &str) -> (String, String, String) {
    sqlx::query_as("SELECT state, person_id, enrollment_id FROM touches WHERE id = $1")
        .bind(id)
        .fetch_one(store.read())
        .await
        .unwrap()
}
