//! Every operation that the document lists, with no token, bad tokens, each missing scope, and another tenant's ids.

use crate::world::{Answer, OTHER, Owned, SEQUENCE, TENANT, World, brief, campaign};
use leadflow_activities::store::api_tokens::Scope;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

/// One operation of the document.
struct Operation {
    id: String,
    method: String,
    /// With the ids of the other tenant in it.
    path: String,
    has_id: bool,
    scope: Option<Scope>,
}

fn operations(document: &Value, owned: &Owned) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (template, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let path = template
                .replace("{search_id}", &owned.search_id)
                .replace("{lead_id}", &owned.lead_id)
                .replace("{account_id}", &owned.account_id)
                .replace("{sequence_id}", &owned.sequence_id)
                .replace("{campaign_id}", &owned.campaign_id);
            assert!(!path.contains('{'), "this test knows no id for {template}");
            let scope = operation["security"][0]["token"][0].as_str();
            let scope = scope.map(|name| Scope::ALL.into_iter().find(|scope| scope.name() == name).unwrap());
            operations.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.clone(),
                has_id: path != *template,
                path,
                scope,
            });
        }
    }
    operations
}

/// A request that would succeed for whoever owns what it names.
fn complete(operation: &Operation, owned: &Owned, request: RequestBuilder) -> RequestBuilder {
    match operation.id.as_str() {
        "startSearch" => request.json(&brief()),
        "startCampaign" => request.json(&campaign("theirs", &owned.search_id, &owned.sequence_id, &owned.account_id)),
        "addAccount" => request.json(&json!({
            "name": "theirs", "provider_account": "acc_li_1", "zone": "Europe/Vienna", "country": "AT",
        })),
        "addSequence" | "validateSequence" => request.header("content-type", "application/toml").body(SEQUENCE),
        "addSuppressions" => request.json(&json!({ "values": ["ada@hop.example"], "reason": "asked" })),
        "removeSuppression" => request.json(&json!({ "value": "mara@lowen.example" })),
        "stopLead" => request.json(&json!({ "reason": "met them at the fair" })),
        "showUsage" => request.query(&[("search_id", owned.search_id.as_str())]),
        _ => request,
    }
}

async fn ask(world: &World, operation: &Operation, owned: &Owned, token: Option<&str>) -> Answer {
    let Operation { method, path, .. } = operation;
    world.answer(method, path, complete(operation, owned, world.request(method, path, token))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_what_is_not_theirs() {
    let world = World::start().await;
    let mine = world.token(TENANT, &Scope::ALL, None).await;
    let owned = world.owned(&mine).await;
    let operations = operations(&world.document, &owned);
    assert!(operations.len() > 30, "the document lists every operation, not {}", operations.len());

    without_a_valid_token(&world, &operations, &owned, &mine).await;
    without_the_scope(&world, &operations, &owned).await;
    of_another_tenant(&world, &operations, &owned).await;
    world.stop().await;
}

async fn without_a_valid_token(world: &World, operations: &[Operation], owned: &Owned, mine: &str) {
    let expired = world.token(TENANT, &Scope::ALL, Some(1)).await;
    let revoked = world.token(TENANT, &Scope::ALL, None).await;
    let id = world.store().api_tokens(TENANT).await.unwrap()[0].id.clone();
    assert!(world.store().revoke_api_token(TENANT, &id, 1).await.unwrap());
    let moved = mine.replacen(&format!(".{TENANT}."), &format!(".{OTHER}."), 1);
    let wrong = format!("{}0", &mine[..mine.len() - 1]);
    let wrong = if wrong == mine { format!("{}1", &mine[..mine.len() - 1]) } else { wrong };
    let bad = [None, Some(""), Some("x"), Some(&expired), Some(&revoked), Some(&moved), Some(&wrong)];
    for operation in operations.iter().filter(|operation| operation.scope.is_some()) {
        for token in bad {
            let answer = ask(world, operation, owned, token).await;
            assert_eq!(answer.status, 401, "{} with {token:?}", operation.id);
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    for operation in operations.iter().filter(|operation| operation.scope.is_none()) {
        assert!(ask(world, operation, owned, None).await.status < 400, "{}", operation.id);
    }
}

async fn without_the_scope(world: &World, operations: &[Operation], owned: &Owned) {
    for missing in Scope::ALL {
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| *scope != missing).collect();
        let token = world.token(TENANT, &others, None).await;
        for operation in operations.iter().filter(|operation| operation.scope == Some(missing)) {
            let answer = ask(world, operation, owned, Some(&token)).await;
            assert_eq!(answer.status, 403, "{}", operation.id);
        }
    }
}

async fn of_another_tenant(world: &World, operations: &[Operation], owned: &Owned) {
    let theirs = world.token(OTHER, &Scope::ALL, None).await;
    let lead = world.store().lead(TENANT, &owned.lead_id).await.unwrap().unwrap();
    let secrets = [
        &owned.search_id,
        &owned.lead_id,
        &owned.account_id,
        &owned.sequence_id,
        &owned.campaign_id,
        &lead.last_name,
        &lead.business,
    ];
    let before = snapshot(world).await;
    for operation in operations {
        let answer = ask(world, operation, owned, Some(&theirs)).await;
        let expected: &[u16] = match operation.id.as_str() {
            _ if operation.has_id => &[404],
            // What they name belongs to someone else.
            "startCampaign" | "removeSuppression" | "showUsage" => &[404],
            "addAccount" => &[422],
            "startSearch" => &[202],
            "addSequence" => &[201],
            "validateSequence" | "addSuppressions" | "listSearches" | "listCampaigns" | "listAccounts"
            | "listSequences" | "listSuppressions" | "health" | "readiness" | "showDocument" => &[200],
            other => panic!("say here what {other} answers to another tenant"),
        };
        assert!(expected.contains(&answer.status), "{}: {} {}", operation.id, answer.status, answer.text);
        for secret in secrets {
            assert!(!answer.text.contains(secret.as_str()), "{} tells {secret}: {}", operation.id, answer.text);
        }
        assert!(!answer.text.contains("lowen.example"), "{}: {}", operation.id, answer.text);
    }
    assert_eq!(snapshot(world).await, before, "nothing of this tenant was changed by the other");
    assert!(!world.store().searches(OTHER, 10).await.unwrap().is_empty(), "the other tenant has its own");
}

/// What the tenant has, in words.
async fn snapshot(world: &World) -> String {
    let store = world.store();
    let searches: Vec<_> =
        store.searches(TENANT, 100).await.unwrap().into_iter().map(|one| (one.id, one.status)).collect();
    let campaigns: Vec<_> = store.campaigns(TENANT).await.unwrap().into_iter().map(|one| (one.id, one.state)).collect();
    let accounts: Vec<_> = store.accounts(TENANT).await.unwrap().into_iter().map(|one| (one.id, one.state)).collect();
    let sequences = store.sequences(TENANT).await.unwrap().len();
    let suppressions = store.suppressions(TENANT).await.unwrap();
    format!("{searches:?} {campaigns:?} {accounts:?} {sequences} {suppressions:?}")
}
