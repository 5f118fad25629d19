//! Who plays which part when a company decides: read off the title alone.

use serde_json::{Value, json};

use crate::data::contains_words;

const PARTS: [(&str, &[&str]); 4] = [
    ("blocker", &["purchasing", "procurement", "legal", "counsel", "compliance", "controller"]),
    ("introducer", &["assistant", "receptionist", "office"]),
    ("decision_maker", &["owner", "founder", "chief", "president", "managing director", "general manager"]),
    ("champion", &["head", "director", "manager", "lead"]),
];

/// One part for each member, without doubt where a word of the title says it.
pub(super) fn buyer_group_roles(facts: &Value) -> Value {
    let members = facts["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    let members: Vec<_> = members
        .iter()
        .map(|member| {
            let title = member["title"].as_str().unwrap_or_default();
            let part = PARTS.iter().find(|(_, words)| words.iter().any(|word| contains_words(title, word)));
            let role = part.map_or("influencer", |(role, _)| role);
            let reason = format!("The title {title:?} points to this part.");
            json!({"member": member["member"], "role": role, "is_certain": part.is_some(), "reason": reason})
        })
        .collect();
    json!({"members": members})
}
