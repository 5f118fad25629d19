//! Serper: maps, places and web search.

mod maps;
mod web;

use axum::http::Method;
use serde_json::{Value, json};

use crate::exchange::{Call, Reply, Vendor, is_good_key};
use crate::faults::{FailureVariant, FaultKind, FaultRule};
use crate::{World, prices};

/// Most requests in one batch.
const MAX_BATCH: usize = 100;

pub(crate) struct Serper;

impl Vendor for Serper {
    fn operation(&self, call: &Call) -> String {
        call.path.replace('/', "_")
    }

    fn key_problem(&self, call: &Call) -> Option<Reply> {
        (!is_good_key(call.header("x-api-key"))).then(|| error(403, "Unauthorized."))
    }

    fn answer(&self, world: &World, call: &Call, _spoilt: Option<FaultKind>) -> Reply {
        let search: fn(&World, &Ask<'_>) -> Value = match (&call.method, call.path.as_str()) {
            (&Method::POST, "maps") => maps::maps,
            (&Method::POST, "places") => maps::places,
            (&Method::POST, "search") => web::search,
            _ => return error(404, "Not Found"),
        };
        let answers = match &call.body {
            Value::Array(requests) if requests.is_empty() || requests.len() > MAX_BATCH => {
                Err(format!("A batch must have 1 to {MAX_BATCH} queries"))
            }
            Value::Array(requests) => requests.iter().map(|request| answer_one(world, call, request, search)).collect(),
            request => answer_one(world, call, request, search).map(|answer| vec![answer]),
        };
        match answers {
            Err(message) => error(400, &message),
            Ok(mut answers) => {
                let credits = answers.iter().filter_map(|answer| answer["credits"].as_u64()).sum();
                let body = if call.body.is_array() { Value::Array(answers) } else { answers.remove(0) };
                Reply::free(200, body).billed(credits * prices::SERPER_CREDIT, [("credits", credits)])
            }
        }
    }

    fn failure(&self, fault: &FaultRule) -> Reply {
        let (status, variant) = (fault.status_or_usual(), fault.variant);
        let message = match (status, variant) {
            (400, Some(FailureVariant::NotEnoughCredits)) => "Not enough credits",
            (400, Some(FailureVariant::QueryNotAllowed)) => "Query not allowed",
            (400, _) => "Bad request",
            (403, _) => "Unauthorized.",
            (404, _) => "Not Found",
            (429, _) => "Too many requests",
            _ => "Internal server error",
        };
        error(status, message)
    }
}

/// One query of a request.
struct Ask<'a> {
    query: &'a str,
    location: Option<&'a str>,
    country: &'a str,
    /// From 1.
    page: usize,
    /// Results per page, for web searches.
    count: usize,
}

impl<'a> Ask<'a> {
    fn read(request: &'a Value) -> Result<Self, String> {
        let text = |name: &str| request[name].as_str().map(str::trim).filter(|text| !text.is_empty());
        let number = |name: &str, usual: u64, range: std::ops::RangeInclusive<u64>| match &request[name] {
            Value::Null => Ok(usual),
            value => value
                .as_u64()
                .filter(|number| range.contains(number))
                .ok_or_else(|| format!("Invalid parameter {name}: expected {} to {}", range.start(), range.end())),
        };
        Ok(Self {
            query: text("q").ok_or("Missing query parameter")?,
            location: text("location"),
            country: text("gl").unwrap_or("us"),
            page: usize::try_from(number("page", 1, 1..=1_000)?).expect("at most 1,000"),
            count: usize::try_from(number("num", 10, 1..=100)?).expect("at most 100"),
        })
    }
}

fn answer_one(
    world: &World,
    call: &Call,
    request: &Value,
    search: fn(&World, &Ask<'_>) -> Value,
) -> Result<Value, String> {
    let ask = Ask::read(request)?;
    if call.path == "maps" && ask.page > 1 && request["ll"].as_str().is_none_or(str::is_empty) {
        return Err("Missing ll parameter: it is required for page > 1".into());
    }
    let mut answer = search(world, &ask);
    let mut parameters =
        json!({"q": ask.query, "gl": ask.country, "type": call.path, "engine": "google", "page": ask.page});
    for name in ["hl", "location", "num", "ll"] {
        if let Some(value) = request.get(name) {
            parameters[name] = value.clone();
        }
    }
    answer["searchParameters"] = parameters;
    Ok(answer)
}

fn error(status: u16, message: &str) -> Reply {
    Reply::free(status, json!({"message": message, "statusCode": status}))
}
