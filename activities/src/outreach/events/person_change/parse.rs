//! From what a vendor posts to the canonical shape: one event in an object, or a list of bare notes.

use super::{ChangeKind, ChangedPerson, PersonChange, Position};
use crate::senders::EventError;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use leadflow_workflows::domain::suppression::SuppressionTarget;
use serde_json::Value;

/// Each is stored by itself before the vendor is answered.
const MOST_NOTES: usize = 1_000;

/// How a body came in.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The name of the vendor in the configuration.
    pub source: &'a str,
    /// The id that the vendor gave the message, the same over all its attempts.
    pub id: Option<&'a str>,
    pub received_at_ms: i64,
    /// Whether nothing proves that the vendor wrote it.
    pub is_hint: bool,
}

/// Reads a checked body. A list is split into one event for each entry, in its order.
///
/// # Errors
/// The body is no JSON object or list of objects, or lacks a field without which it means nothing.
pub fn parse_person_changes(delivery: &Delivery<'_>, body: &[u8]) -> Result<Vec<PersonChange>, EventError> {
    match serde_json::from_slice(body).map_err(|_| EventError::NotJson)? {
        Value::Array(notes) if notes.len() > MOST_NOTES => Err(EventError::TooMany { most: MOST_NOTES }),
        Value::Array(notes) => notes.iter().map(|note| bare_note(delivery, note)).collect(),
        event @ Value::Object(_) => event_of(delivery, &event).map(|change| vec![change]),
        _ => Err(EventError::NotJson),
    }
}

/// The event of an object: our own shape, which Standard Webhooks' payload is a part of.
fn event_of(delivery: &Delivery<'_>, event: &Value) -> Result<PersonChange, EventError> {
    let kind = match event["type"].as_str().ok_or(EventError::Missing { field: "type" })? {
        "person.job_changed" => ChangeKind::JobChanged,
        "person.promoted" => ChangeKind::Promoted,
        "person.left_company" => ChangeKind::LeftCompany,
        "person.profile_changed" => ChangeKind::ProfileChanged,
        "company.hiring" => ChangeKind::CompanyHiring,
        "company.funding" => ChangeKind::CompanyFunding,
        _ => ChangeKind::Other,
    };
    let id = text(event, "id").or_else(|| delivery.id.map(str::to_owned)).ok_or(EventError::Missing { field: "id" })?;
    let id = EventError::check_id(id, "id")?;
    let data = &event["data"];
    if !data.is_object() {
        return Err(EventError::Missing { field: "data" });
    }
    let occurred_at_ms = instant_ms(&event["occurred_at"]).or_else(|| instant_ms(&event["timestamp"]));
    Ok(PersonChange {
        event_key: id,
        kind,
        occurred_at_ms: occurred_at_ms.unwrap_or(delivery.received_at_ms),
        person: person(&data["person"]),
        previous: position(&data["previous"]),
        current: position(&data["current"]),
        confidence: data["confidence"].as_f64().filter(|share| (0.0..=1.0).contains(share)),
        is_hint: delivery.is_hint,
    })
}

/// An entry as Coresignal has it: somebody's id and that something changed. It has no id of its own.
fn bare_note(delivery: &Delivery<'_>, note: &Value) -> Result<PersonChange, EventError> {
    let required = |field| EventError::check_id(text(note, field).ok_or(EventError::Missing { field })?, field);
    let (member_id, status) = (required("member_id")?, required("status")?);
    let received = Timestamp::from_millisecond(delivery.received_at_ms).unwrap_or_default();
    let day = received.to_zoned(TimeZone::UTC).date();
    Ok(PersonChange {
        event_key: format!("{}/{member_id}/{day}/{status}", delivery.source),
        kind: if status == "changed" { ChangeKind::ProfileChanged } else { ChangeKind::Other },
        occurred_at_ms: delivery.received_at_ms,
        person: ChangedPerson { external_id: Some(member_id), ..ChangedPerson::default() },
        previous: None,
        current: None,
        confidence: None,
        is_hint: true,
    })
}

fn person(person: &Value) -> ChangedPerson {
    let profile = text(person, "linkedin_url").and_then(|url| target("linkedin", &url));
    let emails = person["emails"].as_array().into_iter().flatten().filter_map(Value::as_str);
    ChangedPerson {
        external_id: text(person, "external_id"),
        full_name: text(person, "full_name"),
        linkedin_public_id: profile,
        emails: emails.filter_map(|email| target("email", email)).collect(),
    }
}

fn position(position: &Value) -> Option<Position> {
    position.is_object().then(|| Position {
        title: text(position, "title"),
        company: text(position, "company"),
        domain: text(position, "company_domain").and_then(|domain| target("domain", &domain)),
        started_on: text(position, "started_on"),
        ended_on: text(position, "ended_on"),
    })
}

/// In the one form in which people and companies are compared.
fn target(kind: &str, value: &str) -> Option<String> {
    format!("{kind}:{value}").parse::<SuppressionTarget>().ok().map(|target| target.value)
}

/// A text that is not empty, or a number as one.
fn text(object: &Value, field: &str) -> Option<String> {
    match &object[field] {
        // No database stores the character zero.
        Value::String(text) => Some(text.replace('\0', "").trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn instant_ms(value: &Value) -> Option<i64> {
    Some(value.as_str()?.trim().parse::<Timestamp>().ok()?.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_MS: i64 = 1_768_478_400_000;

    fn parse(body: &str, id: Option<&str>) -> Result<Vec<PersonChange>, EventError> {
        let delivery = Delivery { source: "peopledata", id, received_at_ms: NOON_MS, is_hint: false };
        parse_person_changes(&delivery, body.as_bytes())
    }

    const EVENT: &str = r#"{"id":"evt_1","type":"person.job_changed","occurred_at":"2026-01-15T09:30:00Z","source":"peopledata-sim",
        "data":{"person":{"external_id":"p_90412","full_name":"Dana Whitlock","linkedin_url":"https://www.linkedin.com/in/Dana-Whitlock/","emails":["Dana@Nordhafen.example"]},
        "previous":{"title":"Planner","company":"Oldhafen AG","company_domain":"oldhafen.example","ended_on":"2025-12-31"},
        "current":{"title":"Head of Planning","company":"Nordhafen Logistics","company_domain":"https://www.nordhafen.example/","started_on":"2026-01-02"},
        "confidence":0.93}}"#;

    #[test]
    fn an_event_names_person_and_both_jobs() {
        let change = parse(EVENT, Some("msg_1")).unwrap().remove(0);
        assert_eq!((change.event_key.as_str(), change.kind), ("evt_1", ChangeKind::JobChanged));
        assert_eq!(change.occurred_at_ms, 1_768_469_400_000);
        assert_eq!(change.person.linkedin_public_id.as_deref(), Some("dana-whitlock"));
        assert_eq!(change.person.emails, ["dana@nordhafen.example"]);
        assert_eq!(change.previous.unwrap().domain.as_deref(), Some("oldhafen.example"));
        assert_eq!(change.current.unwrap().domain.as_deref(), Some("nordhafen.example"));
        assert_eq!((change.confidence, change.is_hint), (Some(0.93), false));
    }

    #[test]
    fn the_payload_of_standard_webhooks_takes_its_id_from_the_header() {
        let body = r#"{"type":"person.promoted","timestamp":"2026-01-15T09:30:00Z","data":{"person":{}}}"#;
        let change = parse(body, Some("msg_1")).unwrap().remove(0);
        assert_eq!((change.event_key.as_str(), change.occurred_at_ms), ("msg_1", 1_768_469_400_000));
        assert_eq!(parse(body, None), Err(EventError::Missing { field: "id" }));
    }

    #[test]
    fn a_list_is_split_and_its_keys_follow_member_day_and_status() {
        let body = r#"[{"member_id":90412,"status":"changed"},{"member_id":7,"status":"stopped_matching_query","changed_fields":null}]"#;
        let changes = parse(body, None).unwrap();
        let keys: Vec<_> = changes.iter().map(|change| change.event_key.as_str()).collect();
        assert_eq!(keys, ["peopledata/90412/2026-01-15/changed", "peopledata/7/2026-01-15/stopped_matching_query"]);
        assert!(changes.iter().all(|change| change.is_hint), "nobody signed what changed");
        assert_eq!(changes[0].kind, ChangeKind::ProfileChanged);
        assert_eq!(parse("[]", None).unwrap(), []);
    }

    #[test]
    fn what_means_nothing_is_refused_by_its_field() {
        let missing = |field| Err(EventError::Missing { field });
        assert_eq!(parse(r#"{"id":"e"}"#, None), missing("type"));
        assert_eq!(parse(r#"{"id":"e","type":"person.promoted"}"#, None), missing("data"));
        assert_eq!(parse(r#"[{"status":"changed"}]"#, None), missing("member_id"));
        assert_eq!(parse(r#"[{"member_id":1}]"#, None), missing("status"));
        for body in ["", "7", "null", "{", &"[".repeat(50_000)] {
            assert_eq!(parse(body, None), Err(EventError::NotJson));
        }
    }

    #[test]
    fn what_is_unreadable_in_an_event_is_left_out() {
        let body = r#"{"id":"e","type":"person.teleported","occurred_at":"soon","data":{"person":{"linkedin_url":"https://example.com/x","emails":["nobody",7]},"confidence":7}}"#;
        let change = parse(body, None).unwrap().remove(0);
        assert_eq!((change.kind, change.occurred_at_ms), (ChangeKind::Other, NOON_MS));
        assert_eq!((change.person, change.confidence), (ChangedPerson::default(), None));
    }
}
