//! What Unipile answers, in our words. Most fields may be missing or null, so that only those are asked for without which
//! an item means nothing; such an item is left out.

use super::mail::{self, Letter};
use super::times::{instant_ms, relative_ms};
use crate::senders::{
    AccountState, AccountStatus, Chat, ChatMessage, Distance, InvitationState, MailMessage, ProfileView, Relation,
    Sent, SentInvitation,
};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::domain::people::canonical_public_id;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A text that is not empty. No database stores the character zero, and no reader misses it.
pub(super) fn text(object: &Value, name: &str) -> Option<String> {
    Some(object[name].as_str()?.replace('\0', "")).filter(|text| !text.is_empty())
}

/// The public id of a profile, in the form in which ours are stored.
pub(super) fn public_id(object: &Value, name: &str) -> Option<String> {
    text(object, name).map(|id| canonical_public_id(&id)).filter(|id| !id.is_empty())
}

/// Flags are written as booleans or as 0 and 1.
pub(super) fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| value.as_i64().is_some_and(|number| number != 0))
}

/// 16 hexadecimal digits that tell texts apart without telling them.
pub(super) fn fingerprint(text: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    let (first, _) = digest.split_first_chunk().expect("32 bytes are more than 8");
    format!("{:016x}", u64::from_be_bytes(*first))
}

pub(super) fn sent(answer: &Value) -> Sent {
    Sent {
        message_id: text(answer, "message_id").or_else(|| text(answer, "tracking_id")),
        email_id: text(answer, "provider_id"),
        chat_id: text(answer, "chat_id"),
        invitation_id: text(answer, "invitation_id"),
        usage_percent: answer["usage"].as_u64().and_then(|percent| u32::try_from(percent).ok()),
        profile: None,
    }
}

pub(super) fn profile(answer: &Value) -> Option<ProfileView> {
    let distance = match answer["network_distance"].as_str() {
        Some("FIRST_DEGREE" | "DISTANCE_1") => Some(Distance::First),
        Some("SECOND_DEGREE" | "DISTANCE_2") => Some(Distance::Second),
        Some("THIRD_DEGREE" | "DISTANCE_3") => Some(Distance::Third),
        Some("OUT_OF_NETWORK") => Some(Distance::OutOfNetwork),
        _ => None,
    };
    let invitation = &answer["invitation"];
    let invitation = match (invitation["type"].as_str(), invitation["status"].as_str()) {
        (Some("RECEIVED"), Some("PENDING")) => Some(InvitationState::ReceivedPending),
        (Some("RECEIVED"), _) => None,
        (_, Some("PENDING")) => Some(InvitationState::Pending),
        (_, Some("IGNORED")) => Some(InvitationState::Ignored),
        (_, Some("WITHDRAWN")) => Some(InvitationState::Withdrawn),
        _ => flag(&answer["pending_invitation"]).then_some(InvitationState::Pending),
    };
    Some(ProfileView {
        provider_id: text(answer, "provider_id")?,
        public_id: public_id(answer, "public_identifier"),
        first_name: text(answer, "first_name"),
        last_name: text(answer, "last_name"),
        headline: text(answer, "headline"),
        distance,
        is_connection: flag(&answer["is_relationship"]) || distance == Some(Distance::First),
        invitation,
        is_open_profile: flag(&answer["is_open_profile"]),
        can_send_inmail: flag(&answer["can_send_inmail"]),
    })
}

pub(super) fn invitation(item: &Value, now_ms: i64) -> Option<SentInvitation> {
    let about = || relative_ms(item["date"].as_str()?, now_ms);
    Some(SentInvitation {
        id: text(item, "id")?,
        person_provider_id: text(item, "invited_user_id"),
        person_public_id: public_id(item, "invited_user_public_id"),
        text: text(item, "invitation_text"),
        at_ms: instant_ms(&item["parsed_datetime"]).or_else(|| instant_ms(&item["date"])).or_else(about),
    })
}

pub(super) fn relation(item: &Value) -> Option<Relation> {
    Some(Relation {
        provider_id: text(item, "member_id").or_else(|| text(item, "provider_id"))?,
        public_id: public_id(item, "public_identifier"),
        created_at_ms: instant_ms(&item["created_at"]),
    })
}

pub(super) fn chat(item: &Value) -> Option<Chat> {
    Some(Chat {
        id: text(item, "id")?,
        person_provider_id: text(item, "attendee_provider_id").filter(|_| item["type"].as_i64().unwrap_or(0) == 0),
        timestamp_ms: instant_ms(&item["timestamp"]),
    })
}

pub(super) fn chat_message(item: &Value) -> Option<ChatMessage> {
    Some(ChatMessage {
        id: text(item, "id")?,
        chat_id: text(item, "chat_id")?,
        sender_id: text(item, "sender_id"),
        is_ours: flag(&item["is_sender"]),
        text: text(item, "text"),
        at_ms: instant_ms(&item["timestamp"]),
    })
}

pub(super) fn mail_message(item: &Value) -> Option<MailMessage> {
    let letter = Letter::read(item);
    let report = mail::report(&letter);
    Some(MailMessage {
        id: text(item, "id").or_else(|| text(item, "email_id"))?,
        message_id: text(item, "message_id"),
        tracking_id: text(item, "tracking_id"),
        is_ours: letter.is_ours,
        in_reply_to: letter.in_reply_to.clone(),
        at_ms: instant_ms(&item["date"]),
        auto_submitted: report.auto_submitted,
        may_be_automatic: report.may_be_automatic,
        bounced_address: report.bounced_address,
        complaint_address: report.complaint_address,
        from: letter.from,
        to: letter.to,
        subject: letter.subject,
        body_plain: letter.text,
    })
}

/// `None` for a kind of account that outreach does not use.
pub(super) fn account(item: &Value) -> Option<AccountState> {
    let channel = match item["type"].as_str()? {
        "LINKEDIN" => Channel::Linkedin,
        "MAIL" | "IMAP" | "GOOGLE" | "GOOGLE_OAUTH" | "OUTLOOK" | "ICLOUD" | "EXCHANGE" => Channel::Email,
        _ => return None,
    };
    let name = text(item, "name").unwrap_or_default();
    let member = &item["connection_params"]["im"];
    let mailbox = &item["connection_params"]["mail"];
    let address = ["username", "imap_user", "smtp_user"]
        .iter()
        .filter_map(|field| text(mailbox, field))
        .chain([name.clone()])
        .find(|candidate| candidate.contains('@'));
    let features = member["premiumFeatures"].as_array().is_some_and(|features| !features.is_empty());
    Some(AccountState {
        id: text(item, "id")?,
        channel,
        status: status_of_sources(&item["sources"]),
        owner_provider_id: text(member, "id").filter(|_| channel == Channel::Linkedin),
        address: address.filter(|_| channel == Channel::Email),
        is_premium: features || text(member, "premiumContractId").is_some(),
        name,
    })
}

/// The first source that does not work speaks for the account.
fn status_of_sources(sources: &Value) -> AccountStatus {
    let statuses = sources.as_array().into_iter().flatten().map(|source| {
        // A status that is new to us must not let an account send.
        source["status"].as_str().and_then(account_status).unwrap_or(AccountStatus::Error)
    });
    let rank = |status: &AccountStatus| match status.can_send() {
        Some(false) => 0,
        None => 1,
        Some(true) => 2,
    };
    statuses.min_by_key(rank).unwrap_or(AccountStatus::Error)
}

/// Of a source or of an event.
pub(super) fn account_status(name: &str) -> Option<AccountStatus> {
    Some(match name {
        "OK" | "RECONNECTED" | "SYNC_SUCCESS" | "CREATION_SUCCESS" => AccountStatus::Ok,
        "CONNECTING" => AccountStatus::Connecting,
        "CREDENTIALS" => AccountStatus::Credentials,
        "PERMISSIONS" => AccountStatus::Permissions,
        "ERROR" => AccountStatus::Error,
        "STOPPED" => AccountStatus::Stopped,
        "DELETED" => AccountStatus::Deleted,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_spellings_of_distance_are_read() {
        let distance = |written: &str| {
            let view = profile(&json!({ "provider_id": "ACoA1", "network_distance": written })).expect("a profile");
            (view.distance, view.is_connection)
        };
        for written in ["FIRST_DEGREE", "DISTANCE_1"] {
            assert_eq!(distance(written), (Some(Distance::First), true), "{written}");
        }
        for written in ["SECOND_DEGREE", "DISTANCE_2"] {
            assert_eq!(distance(written), (Some(Distance::Second), false), "{written}");
        }
        for written in ["THIRD_DEGREE", "DISTANCE_3"] {
            assert_eq!(distance(written).0, Some(Distance::Third), "{written}");
        }
        assert_eq!(distance("OUT_OF_NETWORK").0, Some(Distance::OutOfNetwork));
        assert_eq!(distance("FAR"), (None, false));
    }

    #[test]
    fn an_invitation_of_theirs_is_not_one_of_ours() {
        let state = |invitation: Value| {
            profile(&json!({ "provider_id": "ACoA1", "invitation": invitation })).expect("a profile").invitation
        };
        assert_eq!(state(json!({ "type": "SENT", "status": "PENDING" })), Some(InvitationState::Pending));
        assert_eq!(state(json!({ "type": "RECEIVED", "status": "PENDING" })), Some(InvitationState::ReceivedPending));
        assert_eq!(state(json!({ "type": "SENT", "status": "IGNORED" })), Some(InvitationState::Ignored));
        assert_eq!(state(json!({ "type": "SENT", "status": "WITHDRAWN" })), Some(InvitationState::Withdrawn));
        assert_eq!(state(json!({ "type": "RECEIVED", "status": "IGNORED" })), None);
        assert_eq!(state(json!(null)), None);
    }

    #[test]
    fn ids_may_be_null_and_usage_may_be_there() {
        assert_eq!(sent(&json!({ "chat_id": null, "message_id": null })), Sent::default());
        let invited = sent(&json!({ "object": "UserInvitationSent", "invitation_id": "7291", "usage": 75 }));
        assert_eq!((invited.invitation_id.as_deref(), invited.usage_percent), (Some("7291"), Some(75)));
        let mailed = sent(&json!({ "tracking_id": "trk", "provider_id": "prov" }));
        assert_eq!((mailed.message_id.as_deref(), mailed.email_id.as_deref()), (Some("trk"), Some("prov")));
    }

    #[test]
    fn an_account_works_only_when_all_its_sources_do() {
        let status = |statuses: &[&str]| {
            let sources: Vec<_> = statuses.iter().map(|status| json!({ "id": "s", "status": status })).collect();
            account(&json!({ "id": "a", "type": "LINKEDIN", "name": "n", "sources": sources })).expect("used").status
        };
        assert_eq!(status(&["OK", "OK"]), AccountStatus::Ok);
        assert_eq!(status(&["OK", "CONNECTING"]), AccountStatus::Connecting);
        assert_eq!(status(&["CONNECTING", "CREDENTIALS"]), AccountStatus::Credentials);
        assert_eq!(status(&["ADDED_NEXT_YEAR"]), AccountStatus::Error);
        assert_eq!(status(&[]), AccountStatus::Error);
        assert_eq!(account(&json!({ "id": "a", "type": "WHATSAPP" })), None);
    }

    #[test]
    fn a_group_has_no_one_person() {
        let of =
            |kind: i64| chat(&json!({ "id": "c", "type": kind, "attendee_provider_id": "ACoA1" })).expect("a chat");
        assert_eq!(of(0).person_provider_id.as_deref(), Some("ACoA1"));
        assert_eq!(of(1).person_provider_id, None);
    }

    #[test]
    fn public_ids_come_in_the_form_of_ours() {
        let related =
            relation(&json!({ "member_id": "ACoA1", "public_identifier": "Jos%C3%A9-X" })).expect("a relation");
        assert_eq!(related.public_id.as_deref(), Some("josé-x"));
        let seen = profile(&json!({ "provider_id": "ACoA1", "public_identifier": "jos%c3%a9-x" })).expect("a profile");
        assert_eq!(seen.public_id.as_deref(), Some("josé-x"));
        let invited = invitation(&json!({ "id": "1", "invited_user_public_id": "JOSÉ-X" }), 0).expect("an invitation");
        assert_eq!(invited.person_public_id.as_deref(), Some("josé-x"));
        assert_eq!(public_id(&json!({ "public_identifier": "/" }), "public_identifier"), None);
    }

    #[test]
    fn an_item_without_its_id_is_left_out() {
        assert_eq!(invitation(&json!({ "invited_user_id": "ACoA1" }), 0), None);
        assert_eq!(relation(&json!({ "public_identifier": "dana" })), None);
        assert_eq!(chat_message(&json!({ "id": "m", "text": "hi" })), None);
        assert_eq!(mail_message(&json!({ "subject": "hi" })), None);
    }
}
