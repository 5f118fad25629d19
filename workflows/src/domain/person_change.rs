//! What follows from a change in somebody's working life, and when a hint of one counts.

use super::people::{Profile, is_same_business};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    JobChanged,
    Promoted,
    LeftCompany,
    ProfileChanged,
}

/// What becomes of the open enrollments of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// They were for somebody at a company where the person is no longer.
    Stop,
    /// What was written for them may not fit any more: a person looks first.
    Pause,
}

/// What a look at the person's own profile says about a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Confirmed,
    Refuted,
    /// The look showed nothing that decides it.
    Open,
}

impl ChangeKind {
    pub const ALL: [Self; 4] = [Self::JobChanged, Self::Promoted, Self::LeftCompany, Self::ProfileChanged];

    /// Stable machine name.
    pub fn name(self) -> &'static str {
        match self {
            Self::JobChanged => "job_changed",
            Self::Promoted => "promoted",
            Self::LeftCompany => "left_company",
            Self::ProfileChanged => "profile_changed",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub fn consequence(self) -> Consequence {
        match self {
            Self::JobChanged | Self::LeftCompany => Consequence::Stop,
            Self::Promoted | Self::ProfileChanged => Consequence::Pause,
        }
    }

    /// Whether a look at the profile bears a hint out. `company` and `title` are what was known before.
    pub fn verdict(self, company: &str, title: &str, seen: Option<&Profile>) -> Verdict {
        let Some(seen) = seen else { return Verdict::Open };
        match self.consequence() {
            // No company beside the name is no proof that they have left one.
            Consequence::Stop if seen.company.is_empty() || company.is_empty() => Verdict::Open,
            Consequence::Stop if is_same_business(&seen.company, company) => Verdict::Refuted,
            Consequence::Pause if seen.title.trim().eq_ignore_ascii_case(title.trim()) => Verdict::Refuted,
            Consequence::Stop | Consequence::Pause => Verdict::Confirmed,
        }
    }
}

/// As in `the person …`.
impl fmt::Display for ChangeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::JobChanged => "has changed their job",
            Self::Promoted => "was promoted",
            Self::LeftCompany => "has left the company",
            Self::ProfileChanged => "has changed their profile",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn profile(title: &str, company: &str) -> Profile {
        Profile { title: title.into(), company: company.into(), ..Profile::default() }
    }

    #[test]
    fn a_look_at_the_profile_decides_a_hint() {
        use ChangeKind::{JobChanged, LeftCompany, ProfileChanged, Promoted};
        let moved = profile("Head Brewer", "Otter Creek Brewing");
        let still = profile("Head Brewer", "Maple Hill Brewing Co.");
        let silent = profile("Head Brewer", "");
        let risen = profile("Managing Director", "Maple Hill Brewing");
        for (kind, seen, expected) in [
            (JobChanged, Some(&moved), Verdict::Confirmed),
            (LeftCompany, Some(&moved), Verdict::Confirmed),
            (JobChanged, Some(&still), Verdict::Refuted),
            (LeftCompany, Some(&still), Verdict::Refuted),
            (LeftCompany, Some(&silent), Verdict::Open),
            (LeftCompany, None, Verdict::Open),
            (Promoted, Some(&risen), Verdict::Confirmed),
            (Promoted, Some(&still), Verdict::Refuted),
            (ProfileChanged, Some(&risen), Verdict::Confirmed),
            (ProfileChanged, None, Verdict::Open),
        ] {
            assert_eq!(kind.verdict("Maple Hill Brewing", "Head Brewer", seen), expected, "{kind:?} {seen:?}");
        }
        assert_eq!(JobChanged.verdict("", "", Some(&moved)), Verdict::Open, "nobody knows what they left");
    }

    #[test]
    fn every_kind_has_its_name() {
        for kind in ChangeKind::ALL {
            assert_eq!(ChangeKind::named(kind.name()), Some(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.name()));
        }
    }

    proptest! {
        #[test]
        fn nothing_that_was_not_seen_decides(company: String, title: String) {
            for kind in ChangeKind::ALL {
                prop_assert_eq!(kind.verdict(&company, &title, None), Verdict::Open);
            }
        }

        #[test]
        fn who_is_seen_where_they_were_has_not_left(company in "[A-Z][a-z]{3,9} [A-Z][a-z]{3,9}", title: String) {
            let seen = profile(&title, &format!("{company} LLC"));
            prop_assert_eq!(ChangeKind::LeftCompany.verdict(&company, &title, Some(&seen)), Verdict::Refuted);
        }
    }
}
