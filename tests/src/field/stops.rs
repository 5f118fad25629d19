//! After what nobody may be contacted any more.

use crate::lab::Lab;
use leadflow_activities::store::enrollments::Enrollment;
use std::collections::BTreeMap;

/// A reply or an opt-out whose event was answered with success.
pub(super) struct Stop {
    is_opt_out: bool,
    happened_at_ms: i64,
    /// In real Unix microseconds.
    pub(super) answered_us: i64,
}

impl Stop {
    /// An opt-out is for good; a reply ends what had begun by then.
    pub(super) fn ends(&self, enrollment: &Enrollment) -> bool {
        self.is_opt_out || self.happened_at_ms > enrollment.started_at_ms
    }
}

/// By person, in lower case.
pub(super) fn answered_stops(lab: &Lab) -> BTreeMap<String, Vec<Stop>> {
    let mut stops = BTreeMap::<_, Vec<_>>::new();
    for delivery in lab.sandbox().deliveries() {
        let is_opt_out = matches!(delivery.kind.as_str(), "opt_out" | "by_request");
        let is_stop = is_opt_out || matches!(delivery.kind.as_str(), "positive" | "negative" | "question");
        if let (true, Some(person), Some(answered_us), Some(200..=299)) =
            (is_stop, delivery.person, delivery.answered_real_us, delivery.status)
        {
            let stop = Stop { is_opt_out, happened_at_ms: delivery.happened_at_ms, answered_us };
            stops.entry(person.to_lowercase()).or_default().push(stop);
        }
    }
    stops
}
