//! Profiles as one account sees them.

use serde_json::{Value, json};

use super::Answered;
use super::accounts::{Act, Kind, no_account};
use super::errors::error;
use super::invites::{DAY_MS, Ending};
use super::people::{self, Profile};
use super::state::State;
use crate::exchange::{Call, Reply};
use crate::ledger::{Effect, EffectKind};

/// Sections that are shown when asked for.
const SECTIONS: [&str; 3] = ["experience", "education", "skills"];

impl State {
    pub(super) fn get_profile(&mut self, call: &Call, identifier: &str) -> Answered {
        let now_ms = call.arrived_at_ms;
        let account = self.account_of(call, false)?;
        let (account_id, is_paid) = (account.id.clone(), account.kind == Kind::Paid);
        let by_id = self.visible(&account_id, identifier);
        let profile = by_id
            .or_else(|| self.person(identifier))
            .ok_or_else(|| error("invalid_resource_identifier", "Nobody has this identifier."))?;
        let mut effect = None;
        if call.parameter("notify") == Some("true") {
            let limits = self.options.limits.clone();
            let account = self.working_account(&account_id)?;
            if account.used(Act::ProfileView, now_ms, DAY_MS) >= limits.profile_views_per_day {
                return Err(error(limits.answer.error_type(), "The account has viewed too many profiles."));
            }
            account.count(Act::ProfileView, now_ms);
            effect = Some(Effect {
                account_id: account_id.clone(),
                person: profile.public_id.clone(),
                kind: EffectKind::ProfileView,
                text: None,
                message_id: None,
                invitation_id: None,
                idempotency_key: None,
            });
        }
        let body = self.view(call, &account_id, &profile, is_paid);
        Ok(Reply { effect, ..Reply::free(200, body) })
    }

    fn view(&self, call: &Call, account: &str, profile: &Profile, is_paid: bool) -> Value {
        let now_ms = call.arrived_at_ms;
        let person = &profile.public_id;
        let bond = self.bond(account, person, profile.degree);
        let is_connected = bond.connected_at_ms.is_some();
        let distance = match profile.degree {
            _ if is_connected => "FIRST_DEGREE",
            1 | 2 => "SECOND_DEGREE",
            _ => "THIRD_DEGREE",
        };
        let is_open = self.is_open_profile(person);
        let seed = self.world_seed.of(&["profile", person]);
        let mut view = json!({
            "object": "UserProfile", "provider": "LINKEDIN", "provider_id": people::provider_id(account, person),
            "public_identifier": person, "first_name": profile.first_name, "last_name": profile.last_name,
            "headline": profile.headline(), "location": profile.location, "websites": [], "contact_info": {},
            "is_premium": seed.permille(200), "is_open_profile": is_open,
            "can_send_inmail": is_open || (is_paid && self.takes_inmail(person)),
            "is_relationship": is_connected, "is_self": false, "network_distance": distance,
            "follower_count": 100 + seed.of(&["followers"]).below(4000),
            "connections_count": 50 + seed.of(&["connections"]).below(450),
            "shared_connections_count": seed.of(&["shared"]).below(20),
            "public_profile_url": format!("https://www.linkedin.com/in/{person}/"),
        });
        let is_shown_as_pending = bond.open_invitation(now_ms - self.options.list_lag_ms).is_some();
        let status = if is_connected {
            None
        } else if is_shown_as_pending && bond.open_invitation(now_ms).is_some() {
            Some("PENDING")
        } else {
            // A person who declines leaves no trace.
            bond.cool_down(now_ms).filter(|ending| *ending == Ending::Withdrawn).map(|_| "WITHDRAWN")
        };
        if let Some(status) = status {
            view["invitation"] = json!({"type": "SENT", "status": status});
        }
        if let Some(asked) = call.parameter("linkedin_sections") {
            self.add_sections(&mut view, profile, asked);
        }
        view
    }

    /// Full sections are throttled for one of five people, and then left empty and named; previews never are.
    fn add_sections(&self, view: &mut Value, profile: &Profile, asked: &str) {
        let is_throttled = self.seed.of(&["throttled", &profile.public_id]).permille(200);
        let wants =
            |section: &str| asked.split(',').any(|word| matches!(word, "*" | "*_preview") || word.starts_with(section));
        let mut throttled = Vec::new();
        for section in SECTIONS.into_iter().filter(|section| wants(section)) {
            let name = if section == "experience" { "work_experience" } else { section };
            let is_preview = asked.split(',').any(|word| word.ends_with("_preview"));
            view[name] = json!([]);
            if is_throttled && !is_preview {
                throttled.push(section);
            } else if section == "experience" {
                let company = if profile.company.is_empty() { "Independent" } else { &profile.company };
                view[name] = json!([{
                    "position": profile.title, "company": company, "location": profile.location, "current": true,
                    "start": "3/1/2021", "end": null,
                }]);
            }
        }
        view["throttled_sections"] = json!(throttled);
    }

    pub(super) fn is_open_profile(&self, person: &str) -> bool {
        self.world_seed.of(&["open profile", person]).permille(100)
    }

    pub(super) fn takes_inmail(&self, person: &str) -> bool {
        self.world_seed.of(&["inmail", person]).permille(800)
    }

    /// The person whom `account` sees under this provider id.
    pub(super) fn visible(&self, account: &str, provider_id: &str) -> Option<Profile> {
        self.person(&people::public_id_of(account, provider_id)?)
    }

    /// The person with this public identifier, for a control that names an account, too.
    pub(super) fn known(&self, account: &str, person: &str) -> Result<Profile, String> {
        if self.accounts.get(account).is_none_or(|account| account.kind == Kind::Mail) {
            return Err(no_account(account));
        }
        self.person(person)
            .ok_or_else(|| format!("nobody has the public identifier {person:?}; hint: all start with sim-"))
    }
}
