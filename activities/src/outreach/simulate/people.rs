//! Leads that behave as people do: some accept, some reply, after a while.

use crate::outreach::places;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The country of leads that are made up: it has cities in many zones.
const COUNTRY: &str = "US";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedLead {
    /// 0 to 100.
    pub score: u32,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// IANA name.
    pub time_zone: String,
    pub has_profile: bool,
    pub has_email: bool,
}

/// How people behave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Share of invitations that are accepted.
    pub accept: f64,
    /// Mean time until that is known.
    pub accept_after_ms: i64,
    /// Share of messages and mails that are replied to.
    pub reply: f64,
    /// Mean time until a reply.
    pub reply_after_ms: i64,
}

impl Default for Rates {
    fn default() -> Self {
        let day_ms = 24 * 3_600_000;
        Self { accept: 0.3, accept_after_ms: 2 * day_ms, reply: 0.1, reply_after_ms: day_ms }
    }
}

/// Made-up leads in the larger cities of one country, as many in each as its share of people.
pub fn synthetic(count: usize, seed: u64) -> Vec<SimulatedLead> {
    let cities = places::cities(COUNTRY);
    let mut random = StdRng::seed_from_u64(seed);
    let people: u64 = cities.iter().map(|city| city.population).sum();
    let lead = |_| {
        let mut number = random.random_range(0..people);
        let city = cities.iter().find(|city| {
            let is_here = number < city.population;
            number = number.saturating_sub(city.population);
            is_here
        });
        SimulatedLead {
            score: random.random_range(40..=100),
            country: COUNTRY.into(),
            time_zone: city.map_or("Etc/UTC", |city| &city.time_zone).into(),
            has_profile: true,
            has_email: random.random_bool(0.8),
        }
    };
    (0..count).map(lead).collect()
}

/// The draws of one lead: in their order, whatever the others do.
pub(super) struct Draws(StdRng);

impl Draws {
    pub(super) fn new(seed: u64, lead: usize) -> Self {
        let lead = u64::try_from(lead).unwrap_or(u64::MAX);
        Self(StdRng::seed_from_u64(seed.wrapping_add(lead.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }

    pub(super) fn jitter(&mut self) -> u64 {
        self.0.random()
    }

    /// After how long it happens, if it does: exponentially distributed, at least a minute.
    pub(super) fn delay_ms(&mut self, share: f64, mean_ms: i64) -> Option<i64> {
        let (is_so, part): (f64, f64) = (self.0.random(), self.0.random());
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "milliseconds do not matter here"
        )]
        let delay_ms = (-(1.0 - part).ln() * mean_ms as f64) as i64;
        (is_so < share).then_some(delay_ms.max(60_000))
    }
}
