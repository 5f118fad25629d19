//! People in search results: the query that finds them, the profile that a result shows, the role that it fills.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// What stands in a profile's address other than as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// The one form in which public ids of LinkedIn profiles are stored and compared: percent-decoded, in lower case, without
/// the slashes, query or fragment around them in an address. The form of a canonical id is that id.
///
/// Browsers and search results write `jos%C3%A9-x` for the profile that LinkedIn calls `josé-x`.
pub fn canonical_public_id(text: &str) -> String {
    let id = text.trim().trim_start_matches('/').split(['/', '?', '#']).next().unwrap_or_default();
    // What would end the id, or could be decoded once more, is no part of one and stays encoded.
    let is_foreign = |letter: char| letter.is_control() || letter.is_whitespace() || "%/?#:@".contains(letter);
    let decoded = percent_decode_str(id).decode_utf8().ok().filter(|decoded| !decoded.contains(is_foreign));
    decoded.as_deref().unwrap_or(id).to_lowercase()
}

/// The address of the profile with this canonical public id.
pub fn profile_url(public_id: &str) -> String {
    format!("https://www.linkedin.com/in/{}", utf8_percent_encode(public_id, ENCODED))
}

/// The one web search for a business, asking for all roles at once.
pub fn people_query<'a>(business: &str, roles: impl IntoIterator<Item = &'a str>) -> String {
    let roles: Vec<String> = roles
        .into_iter()
        .map(|role| {
            let role = role.trim().to_lowercase().replace('"', "");
            if role.contains(char::is_whitespace) { format!("\"{role}\"") } else { role }
        })
        .collect();
    format!("site:linkedin.com/in \"{}\" ({})", business.replace('"', ""), roles.join(" OR "))
}

/// The web search for the profile of one person.
pub fn person_query(first_name: &str, last_name: &str) -> String {
    format!("site:linkedin.com/in \"{}\"", format!("{first_name} {last_name}").trim().replace('"', ""))
}

/// What a web search result says of one person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The part of the profile's address after `/in/`, as [`canonical_public_id`] has it; the stable key of a person.
    pub linkedin_public_id: String,
    pub first_name: String,
    pub last_name: String,
    /// Job title as written.
    pub title: String,
    /// Employer as written; empty when the result does not show one.
    pub company: String,
    /// `City, Region, Country` or less, as written; empty when the result does not show one.
    pub location: String,
}

/// Reads one result of [`people_query`]; `None` when it is no person's profile or shows no job title.
///
/// Titles of such results read `First Last - Title - Company | LinkedIn`; snippets begin with the location and ` · `.
pub fn parse_profile(title: &str, link: &str, snippet: &str) -> Option<Profile> {
    let (_, address) = link.split_once("linkedin.com/in/")?;
    let public_id = Some(canonical_public_id(address)).filter(|id| !id.is_empty())?;
    let title = title
        .rsplit_once('|')
        .map_or(title, |(before, site)| if site.trim().eq_ignore_ascii_case("linkedin") { before } else { title });
    let normalised = title.replace(" – ", " - ").replace(" — ", " - ");
    let mut parts = normalised.split(" - ").map(str::trim);
    let (first_name, last_name) = split_name(parts.next()?)?;
    let job = parts.next().filter(|job| !job.is_empty())?.to_owned();
    let company = parts.collect::<Vec<_>>().join(" - ");
    // Some results fold the employer into the title: `Owner at Maple Brewing`.
    let (job, company) = match job.split_once(" at ") {
        Some((job, employer)) if company.is_empty() => (job.trim().to_owned(), employer.trim().to_owned()),
        _ => (job, company),
    };
    let location = snippet.split(" · ").next().filter(|first| first.contains(',')).unwrap_or_default();
    Some(Profile {
        linkedin_public_id: public_id,
        first_name,
        last_name,
        title: job,
        company,
        location: location.trim().to_owned(),
    })
}

fn split_name(full: &str) -> Option<(String, String)> {
    let mut words = full.split_whitespace();
    let first = words.next()?.to_owned();
    let last = words.collect::<Vec<_>>().join(" ");
    (!last.is_empty()).then_some((first, last))
}

/// Index of the first role that the title fills: every word of the role stands in the title.
///
/// `owner` fits `Co-Owner & Head Brewer`; `head of sales` does not fit `Head Brewer`.
pub fn fitting_role<'a>(title: &str, roles: impl IntoIterator<Item = &'a str>) -> Option<usize> {
    let title = words(title);
    roles.into_iter().position(|role| {
        let role = words(role);
        !role.is_empty() && role.iter().all(|word| title.contains(word))
    })
}

/// Whether a profile's employer is this business: one name holds the other, word for word, legal forms aside.
pub fn is_same_business(employer: &str, business: &str) -> bool {
    let employer = business_words(employer);
    let business = business_words(business);
    if employer.is_empty() || business.is_empty() {
        return false;
    }
    let (short, long) = if employer.len() <= business.len() { (&employer, &business) } else { (&business, &employer) };
    long.windows(short.len()).any(|window| window == short.as_slice())
}

/// Whether a profile's location speaks for this business: `None` when the profile shows none or the business has none.
pub fn is_same_place(location: &str, city: &str, region: &str) -> Option<bool> {
    let location = words(location);
    let known: Vec<Vec<String>> = [city, region].into_iter().map(words).filter(|place| !place.is_empty()).collect();
    if location.is_empty() || known.is_empty() {
        return None;
    }
    Some(known.iter().any(|place| location.windows(place.len()).any(|window| window == place.as_slice())))
}

/// Two records of one person become one: what the newer one knows wins, what it does not know stays.
pub fn merge_profiles(known: &Profile, newer: &Profile) -> Profile {
    let pick = |new: &str, old: &str| {
        if new.trim().is_empty() { old.to_owned() } else { new.to_owned() }
    };
    Profile {
        linkedin_public_id: pick(&newer.linkedin_public_id, &known.linkedin_public_id),
        first_name: pick(&newer.first_name, &known.first_name),
        last_name: pick(&newer.last_name, &known.last_name),
        title: pick(&newer.title, &known.title),
        company: pick(&newer.company, &known.company),
        location: pick(&newer.location, &known.location),
    }
}

/// Lower-case words; everything that is neither letter nor digit separates.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

fn business_words(name: &str) -> Vec<String> {
    const LEGAL_FORMS: [&str; 12] = ["inc", "llc", "ltd", "co", "gmbh", "ag", "plc", "corp", "the", "sa", "bv", "kg"];
    words(name).into_iter().filter(|word| !LEGAL_FORMS.contains(&word.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_query_asks_for_all_roles() {
        assert_eq!(
            people_query("Maple \"Hill\" Brewing", ["Owner", "Head Brewer"]),
            "site:linkedin.com/in \"Maple Hill Brewing\" (owner OR \"head brewer\")"
        );
    }

    #[test]
    fn a_result_becomes_a_profile() {
        let profile = parse_profile(
            "Ada Van Dyke - Co-Owner - Maple Hill Brewing | LinkedIn",
            "https://www.linkedin.com/in/sim-ada-van-dyke-1?trk=x",
            "Burlington, Vermont, United States · Co-Owner at Maple Hill Brewing · 120+ connections",
        )
        .expect("a profile");
        assert_eq!(profile.linkedin_public_id, "sim-ada-van-dyke-1");
        assert_eq!((profile.first_name.as_str(), profile.last_name.as_str()), ("Ada", "Van Dyke"));
        assert_eq!((profile.title.as_str(), profile.company.as_str()), ("Co-Owner", "Maple Hill Brewing"));
        assert_eq!(profile.location, "Burlington, Vermont, United States");
    }

    #[test]
    fn a_public_id_has_one_form() {
        for (text, id) in [
            ("jos%C3%A9-x", "josé-x"),
            ("jos%c3%a9-x/?trk=x", "josé-x"),
            (" /JOSÉ-X#about", "josé-x"),
            ("Ada.Lind_1", "ada.lind_1"),
            // No UTF-8, no letters of an id, encoded twice, not encoded at all.
            ("jos%E9", "jos%e9"),
            ("a%2Fb%00", "a%2fb%00"),
            ("jos%25C3%25A9", "jos%25c3%25a9"),
            ("100%", "100%"),
            ("/?x", ""),
        ] {
            assert_eq!(canonical_public_id(text), id, "{text}");
            assert_eq!(canonical_public_id(id), id);
        }
        assert_eq!(profile_url("josé-x_1.a"), "https://www.linkedin.com/in/jos%C3%A9-x_1.a");
        let link = "https://at.linkedin.com/in/Jos%C3%A9-X?trk=/in/y";
        let profile = parse_profile("José Li - Owner - Elm Cider | LinkedIn", link, "").expect("a profile");
        assert_eq!(profile.linkedin_public_id, "josé-x");
    }

    #[test]
    fn employer_inside_the_title_is_found() {
        let profile =
            parse_profile("Bo Li – Owner at Elm Cider", "https://linkedin.com/in/sim-bo/", "").expect("a profile");
        assert_eq!((profile.title.as_str(), profile.company.as_str()), ("Owner", "Elm Cider"));
    }

    #[test]
    fn what_is_no_profile_is_rejected() {
        let link = "https://www.linkedin.com/in/sim-x";
        assert_eq!(parse_profile("Maple - Jobs | LinkedIn", "https://www.linkedin.com/company/maple", ""), None);
        assert_eq!(parse_profile("Ada - Owner - Maple | LinkedIn", link, ""), None, "one name is no full name");
        assert_eq!(parse_profile("Ada Dyke | LinkedIn", link, ""), None, "no job title");
    }

    #[test]
    fn roles_fit_word_by_word() {
        let roles = ["head of sales", "owner", "head brewer"];
        assert_eq!(fitting_role("Co-Owner & Head Brewer", roles), Some(1));
        assert_eq!(fitting_role("Head Brewer", roles), Some(2));
        assert_eq!(fitting_role("Homeowner", roles), None);
    }

    #[test]
    fn businesses_agree_by_name_without_legal_form() {
        assert!(is_same_business("Maple Hill Brewing Co.", "Maple Hill Brewing"));
        assert!(is_same_business("Maple Hill", "The Maple Hill LLC"));
        assert!(!is_same_business("Maple Valley Brewing", "Maple Hill Brewing"));
        assert!(!is_same_business("", "Maple Hill Brewing"));
    }

    #[test]
    fn places_agree_by_city_or_region() {
        assert_eq!(is_same_place("Burlington, Vermont, United States", "Stowe", "Vermont"), Some(true));
        assert_eq!(is_same_place("Austin, Texas, United States", "Stowe", "Vermont"), Some(false));
        assert_eq!(is_same_place("", "Stowe", "Vermont"), None);
    }

    #[test]
    fn merging_keeps_what_the_newer_record_lacks() {
        let known = parse_profile("Ada Dyke - Owner - Maple | LinkedIn", "https://linkedin.com/in/sim-a", "A, B · x");
        let newer = parse_profile("Ada Dyke - Founder - Maple | LinkedIn", "https://linkedin.com/in/sim-a", "");
        let merged = merge_profiles(&known.expect("known"), &newer.expect("newer"));
        assert_eq!((merged.title.as_str(), merged.location.as_str()), ("Founder", "A, B"));
    }
}
