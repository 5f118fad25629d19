//! What a search will roughly call, cost and take: a pure function of its brief, for a look before anything is paid.
//!
//! Nobody knows beforehand how many businesses a place has or how many people a profile search shows, so every number
//! is a range, and [`ASSUMPTIONS`] says what it rests on.

use super::brief::Brief;
use super::money::MicroUsd;
use super::provider::Provider;
use super::search_plan::{LAST_PAGE, PAGE_SIZE, REASON_BATCH};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::{Add, Mul};

/// What the ranges rest on, to be shown beside them.
pub const ASSUMPTIONS: [&str; 6] = [
    "a business brings 1 to 3 leads, typically 2",
    "a map page brings up to 20 businesses and costs 1 to 3 credits, a people search costs 1",
    "one model call writes the reasons of 5 to 20 leads; model answers are as long as usual or, at most, as allowed",
    "an email is found for half of the leads or more; some have to be verified",
    "calls repeated after a bad answer, and businesses and people that turn out to be known, are not counted",
    "time is what the rate limits alone ask for, with no other search beside this one",
];

/// From the least to the most to expect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Span<T> {
    pub low: T,
    pub high: T,
}

/// Prices of the installation, in micro-dollars.
#[derive(Clone, Copy, Debug)]
pub struct Prices {
    /// Per million tokens.
    pub openai_input: MicroUsd,
    pub openai_output: MicroUsd,
    pub gemini_input: MicroUsd,
    pub gemini_output: MicroUsd,
    /// Per grounded prompt.
    pub gemini_grounding: MicroUsd,
    pub serper_credit: MicroUsd,
    pub hunter_finder: MicroUsd,
    pub hunter_verifier: MicroUsd,
}

/// What to expect of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    pub businesses: Span<u64>,
    pub leads: Span<u64>,
    /// Only the providers that the brief needs.
    pub calls: BTreeMap<Provider, Span<u64>>,
    pub cost: Span<MicroUsd>,
    /// Real seconds that the calls take at the rate limits, whatever their latency.
    pub seconds_at_the_limits: Span<u64>,
}

/// `calls_per_minute` is the limit of each provider.
pub fn estimate(brief: &Brief, prices: &Prices, calls_per_minute: impl Fn(Provider) -> u32) -> Estimate {
    let size = Size::of(brief);
    let mut calls = BTreeMap::new();
    let mut cost = Span::same(MicroUsd::ZERO);
    for (provider, provider_calls, provider_cost) in
        [openai(brief, &size, prices), gemini(brief, prices), serper(&size, prices), hunter(brief, &size, prices)]
    {
        if provider_calls.high > 0 {
            calls.insert(provider, provider_calls);
            cost = cost + provider_cost;
        }
    }
    // The first call starts at once.
    let seconds = |provider: Provider, calls: u64| {
        (calls.saturating_sub(1) * 60).div_ceil(u64::from(calls_per_minute(provider)).max(1))
    };
    let slowest = |end: fn(&Span<u64>) -> u64| {
        calls.iter().map(|(provider, calls)| seconds(*provider, end(calls))).max().unwrap_or(0)
    };
    let seconds_at_the_limits = Span { low: slowest(|calls| calls.low), high: slowest(|calls| calls.high) };
    Estimate { businesses: size.businesses, leads: size.leads, calls, cost, seconds_at_the_limits }
}

/// How much a search is likely to find.
struct Size {
    businesses: Span<u64>,
    leads: Span<u64>,
    /// Pages of map results.
    pages: Span<u64>,
}

const LEADS_PER_BUSINESS: Span<u64> = Span { low: 1, high: 3 };

impl Size {
    fn of(brief: &Brief) -> Self {
        let streams = u64::from(brief.ideal.personas) * brief.places.len() as u64;
        let page_size = u64::from(PAGE_SIZE);
        let last_page = u64::from(LAST_PAGE);
        // Half a page in every stream at least, all pages full at most.
        let there = Span { low: streams * page_size / 2, high: streams * last_page * page_size };
        let allowed = brief.want.businesses.map_or(u64::MAX, u64::from);
        let (businesses, leads) = if let Some(wanted) = brief.want.leads.map(u64::from) {
            let needed = Span { low: wanted.div_ceil(LEADS_PER_BUSINESS.high), high: wanted / LEADS_PER_BUSINESS.low };
            let businesses = needed.at_most(there.high.min(allowed));
            let found =
                Span { low: businesses.low * LEADS_PER_BUSINESS.low, high: businesses.high * LEADS_PER_BUSINESS.high };
            (businesses, Span { low: wanted, high: wanted }.at_most(found.high))
        } else {
            let businesses = there.at_most(allowed);
            (businesses, businesses * LEADS_PER_BUSINESS)
        };
        // A stream ends with a page that is not full, so small streams cost a page each.
        let pages = Span {
            low: businesses.low.div_ceil(page_size).max(1),
            high: (businesses.high.div_ceil(page_size) + streams).min(streams * last_page),
        };
        Self { businesses, leads, pages }
    }
}

type Share = (Provider, Span<u64>, Span<MicroUsd>);

/// Tokens of one persona, market or reason: usual, and the most that a call may write.
const PERSONA_OUTPUT: Span<u64> = Span { low: 1_000, high: 4_000 };
const PERSONA_INPUT: Span<u64> = Span { low: 800, high: 1_500 };
const MARKET_OUTPUT: Span<u64> = Span { low: 300, high: 4_000 };
const MARKET_INPUT: Span<u64> = Span { low: 100, high: 4_000 };
const REASON_OUTPUT: Span<u64> = Span { low: 90, high: 250 };
const REASON_INPUT: Span<u64> = Span { low: 90, high: 200 };
/// What every batch of reasons has beside its leads.
const BATCH_TOKENS: u64 = 500;
const SMALL_BATCH: u64 = 5;

fn openai(brief: &Brief, size: &Size, prices: &Prices) -> Share {
    // Roles are asked for when the businesses of their persona come into sight.
    let personas = Span { low: 2, high: 1 + u64::from(brief.ideal.personas) };
    let batches =
        Span { low: size.leads.low.div_ceil(REASON_BATCH.into()), high: size.leads.high.div_ceil(SMALL_BATCH) };
    let input = personas * PERSONA_INPUT + batches * Span::same(BATCH_TOKENS) + size.leads * REASON_INPUT;
    let output = personas * PERSONA_OUTPUT + size.leads * REASON_OUTPUT;
    let cost = tokens(input, prices.openai_input) + tokens(output, prices.openai_output);
    (Provider::Openai, personas + batches, cost)
}

fn gemini(brief: &Brief, prices: &Prices) -> Share {
    if !brief.want.insights {
        return (Provider::Gemini, Span::default(), Span::default());
    }
    let personas = u64::from(brief.ideal.personas);
    // Personas of one industry share their market.
    let markets = Span { low: personas.min(brief.ideal.industries.len() as u64), high: personas };
    // Each is asked about once with the web and once for its structure.
    let calls = markets * Span::same(2);
    let cost = each(markets, prices.gemini_grounding)
        + tokens(calls * MARKET_INPUT, prices.gemini_input)
        + tokens(calls * MARKET_OUTPUT, prices.gemini_output);
    (Provider::Gemini, calls, cost)
}

fn serper(size: &Size, prices: &Prices) -> Share {
    let credits = size.pages * Span { low: 1, high: 3 } + size.businesses;
    (Provider::Serper, size.pages + size.businesses, each(credits, prices.serper_credit))
}

fn hunter(brief: &Brief, size: &Size, prices: &Prices) -> Share {
    if !brief.want.email {
        return (Provider::Hunter, Span::default(), Span::default());
    }
    let leads = size.leads;
    let found = Span { low: leads.low.div_ceil(2), high: leads.high };
    let verified = Span { low: leads.low / 10, high: leads.high };
    let cost = each(found, prices.hunter_finder) + each(verified, prices.hunter_verifier);
    (Provider::Hunter, Span { low: found.low, high: leads.high } + verified, cost)
}

fn tokens(tokens: Span<u64>, per_million: MicroUsd) -> Span<MicroUsd> {
    Span { low: MicroUsd::for_units(tokens.low, per_million), high: MicroUsd::for_units(tokens.high, per_million) }
}

fn each(units: Span<u64>, price: MicroUsd) -> Span<MicroUsd> {
    let cost = |units: u64| MicroUsd(price.0.saturating_mul(signed(units)));
    Span { low: cost(units.low), high: cost(units.high) }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl<T: Copy + Ord> Span<T> {
    fn same(value: T) -> Self {
        Self { low: value, high: value }
    }

    fn at_most(self, limit: T) -> Self {
        Self { low: self.low.min(limit), high: self.high.min(limit) }
    }
}

impl<T: Add<Output = T>> Add for Span<T> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }
}

impl Mul for Span<u64> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self { low: self.low * other.low, high: self.high * other.high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::brief::{Ideal, Want};
    use proptest::prelude::*;

    const PRICES: Prices = Prices {
        openai_input: MicroUsd(250_000),
        openai_output: MicroUsd(2_000_000),
        gemini_input: MicroUsd(300_000),
        gemini_output: MicroUsd(2_500_000),
        gemini_grounding: MicroUsd(35_000),
        serper_credit: MicroUsd(1_000),
        hunter_finder: MicroUsd(34_000),
        hunter_verifier: MicroUsd(17_000),
    };

    fn brief(leads: Option<u32>, businesses: Option<u32>, email: bool, insights: bool) -> Brief {
        Brief {
            name: "breweries".into(),
            sell: "CRM for breweries".into(),
            ideal: Ideal { industries: vec!["brewery".into()], roles: vec![], exclude: vec![], personas: 3 },
            places: vec!["Vermont, US".into(), "New Hampshire, US".into(), "Maine, US".into()],
            want: Want { leads, businesses, email, insights, budget_usd: None },
        }
    }

    fn of(brief: &Brief) -> Estimate {
        let limit = |provider| match provider {
            Provider::Openai => 50,
            Provider::Gemini => 60,
            Provider::Serper => 3_000,
            Provider::Hunter => 600,
            Provider::Unipile => 120,
        };
        estimate(brief, &PRICES, limit)
    }

    #[test]
    fn a_search_that_was_measured_lies_within_its_estimate() {
        // `starter demo`: 60 leads from 36 businesses, 8 + 6 + 40 + 71 calls, 2.02 dollars.
        let estimate = of(&brief(Some(60), None, true, true));
        let measured = [(Provider::Openai, 8), (Provider::Gemini, 6), (Provider::Serper, 40), (Provider::Hunter, 71)];
        for (provider, calls) in measured {
            let span = estimate.calls[&provider];
            assert!((span.low..=span.high).contains(&calls), "{provider}: {span:?}");
        }
        assert!((estimate.cost.low..=estimate.cost.high).contains(&MicroUsd(2_020_000)), "{:?}", estimate.cost);
        assert_eq!(estimate.businesses, Span { low: 20, high: 60 });
        assert_eq!(estimate.leads, Span { low: 60, high: 60 });
        // OpenAI is the slowest: 5 and 16 calls at 50 a minute.
        assert_eq!(estimate.seconds_at_the_limits, Span { low: 5, high: 18 });
    }

    #[test]
    fn providers_that_are_not_needed_are_left_out() {
        let estimate = of(&brief(Some(10), None, false, false));
        assert_eq!(estimate.calls.keys().copied().collect::<Vec<_>>(), [Provider::Openai, Provider::Serper]);
        let with_email = of(&brief(Some(10), None, true, false));
        assert!(with_email.cost.high > estimate.cost.high && with_email.calls.contains_key(&Provider::Hunter));
    }

    #[test]
    fn without_a_target_the_places_are_the_limit_or_the_brief() {
        let all = of(&brief(None, None, false, false));
        assert_eq!(all.businesses, Span { low: 90, high: 3_600 });
        assert_eq!(all.leads, Span { low: 90, high: 10_800 });
        let few = of(&brief(None, Some(50), false, false));
        assert_eq!(few.businesses, Span { low: 50, high: 50 });
        assert_eq!(few.leads, Span { low: 50, high: 150 });
    }

    proptest! {
        #[test]
        fn every_range_is_a_range_and_more_leads_never_cost_less(
            leads in proptest::option::of(1_u32..10_000), businesses in proptest::option::of(1_u32..10_000),
            email: bool, insights: bool,
        ) {
            let estimate = of(&brief(leads, businesses, email, insights));
            prop_assert!(estimate.cost.low <= estimate.cost.high && estimate.cost.low > MicroUsd::ZERO);
            prop_assert!(estimate.businesses.low <= estimate.businesses.high);
            prop_assert!(estimate.leads.low <= estimate.leads.high);
            prop_assert!(estimate.calls.values().all(|calls| calls.low <= calls.high && calls.low > 0));
            prop_assert!(estimate.seconds_at_the_limits.low <= estimate.seconds_at_the_limits.high);
            if let Some(leads) = leads {
                let more = of(&brief(Some(leads + 1), businesses, email, insights));
                prop_assert!(more.cost.high >= estimate.cost.high);
            }
        }
    }
}
