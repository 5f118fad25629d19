//! Where a channel is closed by law. A starting point that errs on the careful side, and no legal advice: whoever has the
//! consent that a country asks for opens it for a campaign.

use super::account::CampaignSettings;
use super::outreach::Channel;
use std::collections::BTreeMap;
use std::fmt;

/// Why a channel is closed for a country.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyBlock {
    pub reason: String,
}

/// A country that asks for consent before any cold email, also between businesses: code, name, and the law.
const EMAIL_NEEDS_CONSENT: [(&str, &str, &str); 8] = [
    ("AT", "Austria", "TKG 2021 § 174"),
    ("CA", "Canada", "CASL s. 6"),
    ("CH", "Switzerland", "UWG art. 3 (1) o"),
    ("DE", "Germany", "UWG § 7"),
    ("DK", "Denmark", "Markedsføringsloven § 10"),
    ("ES", "Spain", "LSSI art. 21"),
    ("IT", "Italy", "Codice privacy art. 130"),
    ("PL", "Poland", "Prawo komunikacji elektronicznej art. 398"),
];

/// Whether a person in a country may be contacted on a channel. `overrides` of the campaign win over the built-in table.
///
/// `country` is an ISO 3166-1 alpha-2 code in any case. Email to an unknown country is closed, because nobody can tell.
pub fn is_open(
    country: &str,
    channel: Channel,
    overrides: &BTreeMap<String, BTreeMap<Channel, bool>>,
) -> Result<(), PolicyBlock> {
    let code = country.trim().to_uppercase();
    let set =
        overrides.iter().find(|(key, _)| key.to_uppercase() == code).and_then(|(_, channels)| channels.get(&channel));
    match (set, channel) {
        (Some(true), _) | (None, Channel::Linkedin) => Ok(()),
        (Some(false), _) => Err(PolicyBlock { reason: format!("the campaign closes {} for {code}", channel.name()) }),
        (None, Channel::Email) if code.is_empty() => Err(PolicyBlock {
            reason: "the country is unknown, so nobody can tell whether cold email is lawful there".into(),
        }),
        (None, Channel::Email) => match EMAIL_NEEDS_CONSENT.iter().find(|(closed, ..)| *closed == code) {
            Some((_, name, law)) => Err(PolicyBlock {
                reason: format!("cold email to {name} needs consent, also between businesses ({law})"),
            }),
            None => Ok(()),
        },
    }
}

/// What a campaign lacks before it may send email, by the names of its settings: every cold email carries the sender's
/// postal address (CAN-SPAM) and says where the data came from (GDPR art. 14).
pub fn missing_for_email(settings: &CampaignSettings) -> Vec<&'static str> {
    let is_missing = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
    [("postal_address", &settings.postal_address), ("source_notice", &settings.source_notice)]
        .into_iter()
        .filter(|(_, text)| is_missing(text))
        .map(|(name, _)| name)
        .collect()
}

impl fmt::Display for PolicyBlock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::Hours;
    use super::*;

    #[test]
    fn linkedin_is_open_everywhere_and_email_where_no_consent_is_needed() {
        let none = BTreeMap::new();
        for country in ["DE", "de", "US", "", "CA"] {
            assert_eq!(is_open(country, Channel::Linkedin, &none), Ok(()), "{country}");
        }
        for country in ["US", "gb", "IE", "NZ"] {
            assert_eq!(is_open(country, Channel::Email, &none), Ok(()), "{country}");
        }
        let told = |country| is_open(country, Channel::Email, &none).unwrap_err().reason;
        assert!(told("de").contains("Germany") && told("DE").contains("UWG § 7"), "{}", told("de"));
        assert!(told("CA").contains("CASL"), "{}", told("CA"));
        assert!(told(" ").contains("unknown"), "{}", told(" "));
    }

    #[test]
    fn a_campaign_opens_and_closes_channels() {
        let set =
            |country: &str, channel, open| BTreeMap::from([(country.to_owned(), BTreeMap::from([(channel, open)]))]);
        assert_eq!(is_open("DE", Channel::Email, &set("de", Channel::Email, true)), Ok(()));
        assert!(is_open("DE", Channel::Email, &set("de", Channel::Linkedin, true)).is_err(), "one channel, not both");
        let closed = is_open("us", Channel::Linkedin, &set("US", Channel::Linkedin, false));
        assert_eq!(closed.unwrap_err().reason, "the campaign closes linkedin for US");
    }

    #[test]
    fn email_needs_an_address_and_a_source() {
        let mut settings = CampaignSettings {
            lead_hours: Hours::office(),
            keep_holidays: true,
            stop_company: false,
            allow_parallel: false,
            starts_per_day: None,
            minimum_score: 0,
            leads: None,
            postal_address: None,
            source_notice: Some("  ".into()),
            policy: BTreeMap::new(),
        };
        assert_eq!(missing_for_email(&settings), ["postal_address", "source_notice"]);
        settings.postal_address = Some("Brew CRM, 1 Main Street, Graz".into());
        settings.source_notice = Some("Your address is from your website.".into());
        assert_eq!(missing_for_email(&settings), [""; 0]);
    }
}
