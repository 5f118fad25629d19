//! Whether an event comes from who it says: over the bytes as they came, in constant time, with any of several secrets.
//!
//! The reference library for Standard Webhooks reads the system's clock, knows one secret and only its own header names; the
//! scheme itself is one HMAC.

use super::refusal::Reason;
use axum::http::HeaderMap;
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// How far a timestamp may be from now, either way.
pub(super) const TOLERANCE_MS: i64 = 300_000;
/// Vendors leave the padding out now and then.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key of an HMAC.
pub(super) type Key = SecretSlice<u8>;

/// What comes along with a message of Standard Webhooks, by the names of either family.
const FAMILIES: [[&str; 3]; 2] =
    [["webhook-id", "webhook-timestamp", "webhook-signature"], ["svix-id", "svix-timestamp", "svix-signature"]];

/// The key in a secret of Standard Webhooks; `None` when it is none.
pub(super) fn standard_key(secret: &SecretString) -> Option<Key> {
    let secret = secret.expose_secret();
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
    (!key.is_empty()).then(|| key.into())
}

/// The secret itself as a key.
pub(super) fn plain_key(secret: &SecretString) -> Key {
    secret.expose_secret().as_bytes().to_vec().into()
}

/// Standard Webhooks, symmetric. Returns the id of the message.
pub(super) fn standard(keys: &[Key], headers: &HeaderMap, body: &[u8], now_ms: i64) -> Result<String, Reason> {
    let [ours, theirs] = FAMILIES;
    let [id, timestamp, signature] =
        if headers.contains_key(theirs[0]) && !headers.contains_key(ours[0]) { theirs } else { ours };
    let (id, timestamp) = (text(headers, id)?, text(headers, timestamp)?);
    let signature = text(headers, signature)?;
    check_time(timestamp, now_ms)?;
    // Other versions of signatures are passed over.
    let given =
        signature.split(' ').filter_map(|one| one.strip_prefix("v1,")).filter_map(|one| BASE64.decode(one).ok());
    check_signature(keys, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body], given)?;
    Ok(id.to_owned())
}

/// HMAC-SHA256 as hex over `TIMESTAMP.BODY`, with the signature as `v1=HEX`.
pub(super) fn hmac_hex(
    keys: &[Key],
    (timestamp, signature): (&str, &str),
    headers: &HeaderMap,
    body: &[u8],
    now_ms: i64,
) -> Result<(), Reason> {
    let (timestamp, signature) = (text(headers, timestamp)?, text(headers, signature)?);
    check_time(timestamp, now_ms)?;
    let given = signature.split([' ', ',']).filter_map(|one| one.strip_prefix("v1=")).filter_map(unhex);
    check_signature(keys, &[timestamp.as_bytes(), b".", body], given)
}

/// What the second version of Unipile's interface sends: `t=TIMESTAMP,v0=HEX` in one header.
pub(super) fn unipile(keys: &[Key], header: &str, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Result<(), Reason> {
    let parts = || text(headers, header).map(|text| text.split(',').map(str::trim));
    let timestamp = parts()?.find_map(|part| part.strip_prefix("t=")).ok_or(Reason::BadTimestamp)?;
    check_time(timestamp, now_ms)?;
    let given = parts()?.filter_map(|part| part.strip_prefix("v0=")).filter_map(unhex);
    check_signature(keys, &[timestamp.as_bytes(), b".", body], given)
}

/// A secret that comes along. It takes as long for one that is nearly right as for one that is not.
pub(super) fn secret(secrets: &[SecretString], header: &str, headers: &HeaderMap) -> Result<(), Reason> {
    let given = headers.get(header).ok_or_else(|| Reason::MissingHeader(header.to_owned()))?.as_bytes();
    let is_known = secrets
        .iter()
        .map(|secret| given.ct_eq(secret.expose_secret().as_bytes()))
        .fold(Choice::from(0), |one, other| one | other);
    if is_known.into() { Ok(()) } else { Err(Reason::WrongSecret) }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Reason> {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    value.ok_or_else(|| Reason::MissingHeader(name.to_owned()))
}

fn check_time(timestamp: &str, now_ms: i64) -> Result<(), Reason> {
    let at_ms = timestamp.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
    let at_ms = at_ms.ok_or(Reason::BadTimestamp)?;
    let is_near = at_ms.checked_sub(now_ms).is_some_and(|off_ms| (-TOLERANCE_MS..=TOLERANCE_MS).contains(&off_ms));
    if is_near { Ok(()) } else { Err(Reason::ClockSkew) }
}

/// Whether one of the signatures is that of one of the keys.
fn check_signature(keys: &[Key], signed: &[&[u8]], given: impl Iterator<Item = Vec<u8>>) -> Result<(), Reason> {
    let given: Vec<Vec<u8>> = given.collect();
    for key in keys {
        let mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).expect("HMAC takes a key of any length");
        let mac = signed.iter().fold(mac, Mac::chain_update);
        if given.iter().any(|signature| mac.clone().verify_slice(signature).is_ok()) {
            return Ok(());
        }
    }
    Err(Reason::WrongSignature)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    base16ct::mixed::decode_vec(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    const FIRST: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn check(secrets: &[&str], names: [&'static str; 3], values: [&str; 3], body: &str) -> Result<String, Reason> {
        let headers =
            names.into_iter().zip(values).map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let keys: Vec<Key> = secrets.iter().map(|secret| standard_key(&(*secret).into()).unwrap()).collect();
        let now_ms = values[1].parse::<i64>().map_or(0, |seconds| seconds * 1_000);
        standard(&keys, &headers.collect(), body.as_bytes(), now_ms)
    }

    /// Of the reference libraries for JavaScript, Rust and Python.
    #[test]
    fn the_official_vectors_of_standard_webhooks_hold() {
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let first = [id, "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="];
        let body = r#"{"test": 2432232314}"#;
        assert_eq!(check(&[FIRST], NAMES, first, body).as_deref(), Ok(id));
        let unprefixed = FIRST.trim_start_matches("whsec_");
        assert!(check(&[unprefixed], NAMES, first, body).is_ok());
        assert_eq!(
            check(&[FIRST], NAMES, first, r#"{"test":2432232314}"#),
            Err(Reason::WrongSignature),
            "the very bytes"
        );
        let wrong = [id, "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="];
        assert_eq!(check(&[FIRST], NAMES, wrong, body), Err(Reason::WrongSignature));

        let id = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
        let second = [id, "1649367553", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="];
        let body = r#"{"email":"test@example.com","username":"test_user"}"#;
        assert_eq!(check(&["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"], NAMES, second, body).as_deref(), Ok(id));
    }

    #[test]
    fn one_of_several_secrets_and_signatures_is_enough_and_svix_has_its_own_names() {
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = r#"{"test": 2432232314}"#;
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        for signature in [
            format!("v1,AAAA {right}"),
            format!(
                "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg== {right}"
            ),
            right.trim_end_matches('=').to_owned(),
        ] {
            let values = [id, "1614265330", signature.as_str()];
            assert!(check(&["whsec_b3RoZXI=", FIRST], NAMES, values, body).is_ok(), "{signature}");
            assert!(check(&[FIRST], ["svix-id", "svix-timestamp", "svix-signature"], values, body).is_ok());
        }
        for signature in [
            "",
            "v1",
            "v1,",
            "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ] {
            assert!(check(&[FIRST], NAMES, [id, "1614265330", signature], body).is_err(), "{signature}");
        }
    }

    #[test]
    fn five_minutes_either_way_are_near_enough() {
        let now_ms = 1_000_000_000;
        for (timestamp, answer) in [
            ("1000300", Ok(())),
            ("999700", Ok(())),
            ("1000301", Err(Reason::ClockSkew)),
            ("999699", Err(Reason::ClockSkew)),
            ("-9223372036854775", Err(Reason::ClockSkew)),
            ("9223372036854775807", Err(Reason::BadTimestamp)),
            ("1000000.5", Err(Reason::BadTimestamp)),
            ("now", Err(Reason::BadTimestamp)),
        ] {
            assert_eq!(check_time(timestamp, now_ms), answer, "{timestamp}");
        }
    }
}
