//! How good a lead is: a sum of named points, so that a person can see where each one came from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of a lead, as far as its score depends on it.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct ScoreFacts {
    /// Fit of the business persona to the offer, 0 to 100.
    pub business_match: u32,
    /// Whether the map's category names the industry that was searched.
    pub category_fits: bool,
    pub has_website: bool,
    /// Fit of the role to the offer, 0 to 100.
    pub role_match: u32,
    /// 0 for the best role, then 1, 2 and so on.
    pub role_position: u32,
    /// Whether the profile names this business as employer.
    pub employer_agrees: bool,
    /// Whether the profile's location speaks for this business; `None` when it shows none.
    pub place_agrees: Option<bool>,
    /// Ratings of the business on the map: many of them show that it is alive.
    pub rating_count: u32,
    pub has_profile: bool,
    pub email: EmailStatus,
}

/// What is known of a lead's work email.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmailStatus {
    /// Not looked for, or none found.
    #[default]
    None,
    /// The domain accepts every address, so nobody can tell.
    AcceptAll,
    /// Verified.
    Valid,
}

/// One named reason for points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Points {
    /// Which of the four parts it counts to.
    pub part: Part,
    /// Stable snake_case name.
    pub name: String,
    pub points: u32,
    pub of: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    BusinessFit,
    Role,
    Evidence,
    Reachable,
}

/// The score of a lead and where it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    pub points: Vec<Points>,
}

impl Score {
    /// 0 to 100.
    pub fn total(&self) -> u32 {
        self.points.iter().map(|points| points.points).sum()
    }

    /// Points of one part: at most 30, 30, 25 and 15 in the order of [`Part`].
    pub fn part(&self, part: Part) -> u32 {
        self.points.iter().filter(|points| points.part == part).map(|points| points.points).sum()
    }
}

/// The rule: at most 30, 30, 25 and 15 points for the parts, in the order of [`Part`].
pub fn score(facts: &ScoreFacts) -> Score {
    let mut points = Vec::new();
    let mut give = |part, name: &str, given: u32, of: u32| {
        points.push(Points { part, name: name.into(), points: given.min(of), of });
    };
    let when = |condition: bool, of: u32| if condition { of } else { 0 };
    let share = |percent: u32, of: u32| (percent.min(100) * of + 50) / 100;

    give(Part::BusinessFit, "persona_match", share(facts.business_match, 20), 20);
    give(Part::BusinessFit, "category_fits", when(facts.category_fits, 5), 5);
    give(Part::BusinessFit, "has_website", when(facts.has_website, 5), 5);

    give(Part::Role, "role_match", share(facts.role_match, 20), 20);
    give(Part::Role, "role_rank", 10u32.saturating_sub(2 * facts.role_position), 10);

    give(Part::Evidence, "employer_agrees", when(facts.employer_agrees, 10), 10);
    let place = match facts.place_agrees {
        Some(true) => 8,
        None => 3,
        Some(false) => 0,
    };
    give(Part::Evidence, "place_agrees", place, 8);
    let ratings = match facts.rating_count {
        0 => 0,
        1..=19 => 3,
        20..=99 => 5,
        _ => 7,
    };
    give(Part::Evidence, "business_is_rated", ratings, 7);

    give(Part::Reachable, "has_profile", when(facts.has_profile, 5), 5);
    let email = match facts.email {
        EmailStatus::None => 0,
        EmailStatus::AcceptAll => 6,
        EmailStatus::Valid => 10,
    };
    give(Part::Reachable, "work_email", email, 10);
    Score { points }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_best_lead_has_a_hundred_points() {
        let best = score(&ScoreFacts {
            business_match: 100,
            category_fits: true,
            has_website: true,
            role_match: 100,
            role_position: 0,
            employer_agrees: true,
            place_agrees: Some(true),
            rating_count: 500,
            has_profile: true,
            email: EmailStatus::Valid,
        });
        assert_eq!(best.total(), 100);
        let parts = [Part::BusinessFit, Part::Role, Part::Evidence, Part::Reachable].map(|part| best.part(part));
        assert_eq!(parts, [30, 30, 25, 15]);
    }

    proptest! {
        #[test]
        fn points_stay_in_bounds_and_the_parts_make_the_total(
            business_match in 0u32..1000, role_match in 0u32..1000, role_position in 0u32..50, rating_count: u32,
            flags in any::<[bool; 4]>(), place_agrees: Option<bool>, email in 0usize..3,
        ) {
            let email = [EmailStatus::None, EmailStatus::AcceptAll, EmailStatus::Valid][email];
            let result = score(&ScoreFacts {
                business_match, category_fits: flags[0], has_website: flags[1], role_match, role_position,
                employer_agrees: flags[2], place_agrees, rating_count, has_profile: flags[3], email,
            });
            prop_assert!(result.points.iter().all(|points| points.points <= points.of));
            let limits = [(Part::BusinessFit, 30), (Part::Role, 30), (Part::Evidence, 25), (Part::Reachable, 15)];
            for (part, limit) in limits {
                prop_assert!(result.part(part) <= limit);
                let of: u32 = result.points.iter().filter(|points| points.part == part).map(|points| points.of).sum();
                prop_assert_eq!(of, limit);
            }
            prop_assert_eq!(result.total(), limits.iter().map(|(part, _)| result.part(*part)).sum::<u32>());
        }

        #[test]
        fn better_facts_never_cost_points(role_position in 0u32..10, role_match in 0u32..100, rating_count in 0u32..500) {
            let facts = ScoreFacts { role_match, role_position, rating_count, ..ScoreFacts::default() };
            let better = ScoreFacts {
                role_match: role_match + 1, role_position: role_position.saturating_sub(1),
                rating_count: rating_count + 1, email: EmailStatus::Valid, ..facts.clone()
            };
            prop_assert!(score(&better).total() >= score(&facts).total());
        }
    }
}
