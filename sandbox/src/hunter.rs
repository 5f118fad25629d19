//! Hunter: address finder, verifier, domain search and account.

use std::sync::PoisonError;

use axum::http::Method;
use serde_json::{Value, json};

use crate::data::{Business, DATA, Person, ascii, people_of};
use crate::exchange::{Call, Reply, Vendor, is_good_key};
use crate::faults::{FaultKind, FaultRule};
use crate::{World, prices};

/// When the known addresses were last verified.
const VERIFIED_ON: &str = "2026-01-10";

pub(crate) struct Hunter;

impl Vendor for Hunter {
    fn operation(&self, call: &Call) -> String {
        call.path.replace(['-', '/'], "_")
    }

    fn key_problem(&self, call: &Call) -> Option<Reply> {
        let key = call.header("x-api-key").or_else(|| call.bearer()).or_else(|| call.parameter("api_key"));
        let details = "No user found for the API key supplied";
        (!is_good_key(key)).then(|| error(401, "authentication_failed", details))
    }

    fn answer(&self, world: &World, call: &Call, _spoilt: Option<FaultKind>) -> Reply {
        match (&call.method, call.path.as_str()) {
            (&Method::GET, "email-finder") => find(world, call),
            (&Method::GET, "email-verifier") => verify(world, call),
            (&Method::GET, "domain-search") => list(world, call),
            (&Method::GET, "account") => account(),
            _ => error(404, "not_found", "The requested resource could not be found."),
        }
    }

    fn failure(&self, fault: &FaultRule) -> Reply {
        let status = fault.status_or_usual();
        match status {
            202 => still_running(),
            400 => error(400, "wrong_params", "A parameter is missing or wrong."),
            401 => error(401, "authentication_failed", "No user found for the API key supplied"),
            403 => error(403, "rate_limit", "You have reached the rate limit: 15 requests per second."),
            404 => error(404, "not_found", "The requested resource could not be found."),
            422 => error(422, "invalid", "The request is valid but could not be processed."),
            429 => error(429, "usage_exceeded", "You have used all the credits of this billing period."),
            451 => claimed(),
            _ => error(status, "server_error", "Something went wrong on our side."),
        }
    }
}

fn find(world: &World, call: &Call) -> Reply {
    let business = match business(call) {
        Ok(business) => business,
        Err(refusal) => return refusal,
    };
    let names = call
        .parameter("first_name")
        .zip(call.parameter("last_name"))
        .or_else(|| call.parameter("full_name").and_then(|name| name.rsplit_once(' ')));
    let Some((first, last)) = names else {
        return wrong_params("You are missing the first_name and last_name, or the full_name parameter");
    };
    let people = business.map(|business| people_of(world.seed, business)).unwrap_or_default();
    let is_meant =
        |person: &&Person| ascii(first) == ascii(&person.first_name) && ascii(last) == ascii(&person.last_name);
    let person = people.iter().find(is_meant);
    if person.is_some_and(|person| is_claimed(world, &person.public_id)) {
        return claimed();
    }
    let email = person.and_then(|person| person.email.as_deref());
    let data = json!({
        "first_name": person.map_or(first, |person| &person.first_name),
        "last_name": person.map_or(last, |person| &person.last_name),
        "email": email,
        "score": email.and(person).map(|person| person.score),
        "domain": business.map(|business| &business.sim_domain),
        "accept_all": email.is_some_and(|email| verdict(world, email).status == "accept_all"),
        "position": person.map(|person| &person.title),
        "company": business.map(|business| &business.name),
        "linkedin_url": person.map(|person| format!("https://www.linkedin.com/in/{}", person.public_id)),
        "twitter": null,
        "phone_number": null,
        "verification": {"date": email.map(|_| VERIFIED_ON), "status": email.map(|email| verdict(world, email).status)},
        "sources": email.and(business).map_or_else(|| json!([]), sources),
    });
    let credits = u64::from(email.is_some());
    wrapped(call, data).billed(credits * prices::HUNTER_CREDIT, [("credits", credits)])
}

fn verify(world: &World, call: &Call) -> Reply {
    let Some(email) = call.parameter("email").map(str::to_lowercase) else {
        return wrong_params("You are missing the email parameter");
    };
    let Some((local, domain)) =
        email.split_once('@').filter(|(local, domain)| !local.is_empty() && domain.contains('.'))
    else {
        return wrong_params("The email parameter is not an email address");
    };
    if is_claimed(world, &owner(world, local, domain).unwrap_or_else(|| email.clone())) {
        return claimed();
    }
    if world.seed.of(&["slow verification", &email]).permille(30)
        && world.verifications_begun.lock().unwrap_or_else(PoisonError::into_inner).insert(email.clone())
    {
        return still_running();
    }
    let verdict = verdict(world, &email);
    let is_reachable = verdict.status != "invalid";
    let data = json!({
        "status": verdict.status,
        "result": verdict.result,
        "score": verdict.score,
        "email": email,
        "regexp": true,
        "gibberish": false,
        "disposable": false,
        "webmail": false,
        "mx_records": true,
        "smtp_server": verdict.status != "unknown",
        "smtp_check": is_reachable && verdict.status != "unknown",
        "accept_all": verdict.status == "accept_all",
        "block": false,
        "sources": DATA.at_domain(domain).filter(|_| is_reachable).map_or_else(|| json!([]), sources),
    });
    wrapped(call, data).billed(prices::HUNTER_VERIFICATION, [("verifications", 1)])
}

fn list(world: &World, call: &Call) -> Reply {
    let business = match business(call) {
        Ok(Some(business)) => business,
        Ok(None) => {
            return wrapped(
                call,
                json!({"domain": call.parameter("domain"), "pattern": null, "organization": null, "emails": []}),
            );
        }
        Err(refusal) => return refusal,
    };
    let number = |name: &str, usual: usize| call.parameter(name).map_or(Some(usual), |text| text.parse().ok());
    let (Some(limit), Some(offset)) = (number("limit", 10), number("offset", 0)) else {
        return error(400, "pagination_error", "The limit and the offset must be numbers.");
    };
    let people = people_of(world.seed, business);
    let personal = |person: &Person| {
        let email = person.email.as_deref()?;
        Some(json!({
            "value": email, "type": "personal", "confidence": person.score, "first_name": person.first_name,
            "last_name": person.last_name, "position": person.title, "seniority": person.seniority.to_lowercase(),
            "department": person.department.to_lowercase(),
            "linkedin": format!("https://www.linkedin.com/in/{}", person.public_id), "twitter": null, "phone_number": null,
            "verification": {"date": VERIFIED_ON, "status": verdict(world, email).status}, "sources": sources(business),
        }))
    };
    let listed = people.iter().filter(|person| !is_claimed(world, &person.public_id)).filter_map(personal);
    let all: Vec<_> = listed.filter(|email| call.parameter("type").is_none_or(|kind| email["type"] == kind)).collect();
    let emails: Vec<_> = all.iter().skip(offset).take(limit.min(100)).cloned().collect();
    let credits = emails.len().div_ceil(10) as u64;
    let data = json!({
        "domain": business.sim_domain, "disposable": false, "webmail": false, "accept_all": false,
        "pattern": "{first}.{last}", "organization": business.name, "emails": emails,
    });
    let mut reply = wrapped(call, data);
    reply.body["meta"]["results"] = json!(all.len());
    reply.body["meta"]["limit"] = json!(limit);
    reply.body["meta"]["offset"] = json!(offset);
    reply.billed(credits * prices::HUNTER_CREDIT, [("credits", credits)])
}

fn account() -> Reply {
    let used = |available: u64| json!({"used": 0, "available": available});
    let data = json!({
        "first_name": "Sandbox", "last_name": "Account", "email": "account@sandbox.example", "plan_name": "Sandbox", "plan_level": 1,
        "reset_date": "2027-01-01", "team_id": 1, "calls": used(10_000),
        "requests": {"searches": used(10_000), "verifications": used(10_000)},
    });
    Reply::free(200, json!({"data": data}))
}

/// The business of the `domain`, or of the name in `company`; null when the data has none.
fn business(call: &Call) -> Result<Option<&'static Business>, Reply> {
    match (call.parameter("domain"), call.parameter("company")) {
        (Some(domain), _) => Ok(DATA.at_domain(domain)),
        (None, Some(company)) => Ok(DATA.named(company).next()),
        (None, None) => Err(wrong_params("You are missing the domain parameter")),
    }
}

struct Verdict {
    status: &'static str,
    result: &'static str,
    score: usize,
}

/// Drawn from the address: mostly valid.
fn verdict(world: &World, email: &str) -> Verdict {
    let seed = world.seed.of(&["verdict", email]);
    let (status, result, least) = match seed.below(100) {
        0..82 => ("valid", "deliverable", 88),
        82..91 => ("accept_all", "risky", 50),
        91..96 => ("invalid", "undeliverable", 0),
        _ => ("unknown", "risky", 30),
    };
    Verdict { status, result, score: least + seed.of(&["score"]).below(12) }
}

/// Whether the person has asked not to be processed: one of two hundred.
fn is_claimed(world: &World, who: &str) -> bool {
    world.seed.of(&["claimed", who]).permille(5)
}

/// Public id of the person with this address.
fn owner(world: &World, local: &str, domain: &str) -> Option<String> {
    let email = format!("{local}@{domain}");
    let people = people_of(world.seed, DATA.at_domain(domain)?);
    people.into_iter().find(|person| person.email.as_deref() == Some(&email)).map(|person| person.public_id)
}

fn sources(business: &Business) -> Value {
    let uri = format!("https://{}/team", business.sim_domain);
    json!([{
        "domain": business.sim_domain, "uri": uri, "extracted_on": "2025-11-02", "last_seen_on": "2026-01-08", "still_on_page": true,
    }])
}

fn still_running() -> Reply {
    Reply::free(
        202,
        json!({"data": {"message": "The verification is still in progress. Please try again in a few seconds."}}),
    )
}

fn claimed() -> Reply {
    let details = "The person owning this email address asked us directly or indirectly to stop the processing of their personal \
                   data. For this reason, you shouldn't process it yourself in any way.";
    error(451, "claimed_email", details)
}

fn wrong_params(details: &str) -> Reply {
    error(400, "wrong_params", details)
}

fn wrapped(call: &Call, data: Value) -> Reply {
    let params: serde_json::Map<_, _> = call
        .query
        .iter()
        .filter(|(name, _)| *name != "api_key")
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let wrapped = [("data".to_owned(), data), ("meta".to_owned(), json!({"params": params}))];
    Reply::free(200, Value::Object(wrapped.into_iter().collect()))
}

fn error(status: u16, id: &str, details: &str) -> Reply {
    Reply::free(status, json!({"errors": [{"id": id, "code": status, "details": details}]}))
}
