//! What a paid call costs, and the most that it can cost.

use super::model::TokenUsage;
use super::serper::{MAPS_CREDITS_AT_MOST, SEARCH_CREDITS_AT_MOST};
use crate::config::Models;
use leadflow_workflows::domain::money::MicroUsd;

/// What one call used of its provider.
///
/// Before a call, the `…_at_most` constructors give the upper bound that its budgets reserve; after it, the variants
/// are built from the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    OpenAi(TokenUsage),
    Gemini { tokens: TokenUsage, searched: bool },
    Serper { credits: u32 },
    HunterFinder { found: bool },
    HunterVerifier,
}

impl Usage {
    /// A token is at least a byte, so the bytes of the request bound its tokens.
    pub fn openai_at_most(request_bytes: usize, max_output_tokens: u32) -> Self {
        Self::OpenAi(tokens_at_most(request_bytes, max_output_tokens))
    }

    /// `grounded`: with web search, whose results are not billed as input.
    pub fn gemini_at_most(request_bytes: usize, max_output_tokens: u32, grounded: bool) -> Self {
        Self::Gemini { tokens: tokens_at_most(request_bytes, max_output_tokens), searched: grounded }
    }

    pub const fn serper_maps_at_most() -> Self {
        Self::Serper { credits: MAPS_CREDITS_AT_MOST }
    }

    pub const fn serper_search_at_most() -> Self {
        Self::Serper { credits: SEARCH_CREDITS_AT_MOST }
    }

    pub const fn hunter_finder_at_most() -> Self {
        Self::HunterFinder { found: true }
    }

    /// Rounded up once, over the whole call.
    pub fn cost(self, models: &Models) -> MicroUsd {
        match self {
            Self::OpenAi(tokens) => {
                let cached = tokens.cached_input.min(tokens.input);
                per_million([
                    (tokens.input - cached, models.openai_input_per_million),
                    (cached, models.openai_cached_input_per_million),
                    (tokens.output, models.openai_output_per_million),
                ])
            }
            Self::Gemini { tokens, searched } => {
                let grounding = if searched { models.gemini_grounding } else { MicroUsd::ZERO };
                grounding
                    + per_million([
                        (tokens.input, models.gemini_input_per_million),
                        (tokens.output, models.gemini_output_per_million),
                    ])
            }
            Self::Serper { credits } => MicroUsd(models.serper_credit.0.saturating_mul(credits.into())),
            Self::HunterFinder { found: false } => MicroUsd::ZERO,
            Self::HunterFinder { found: true } => models.hunter_finder,
            Self::HunterVerifier => models.hunter_verifier,
        }
    }
}

fn tokens_at_most(request_bytes: usize, max_output_tokens: u32) -> TokenUsage {
    let input = u64::try_from(request_bytes).unwrap_or(u64::MAX);
    TokenUsage { input, cached_input: 0, output: max_output_tokens.into() }
}

fn per_million<const PARTS: usize>(parts: [(u64, MicroUsd); PARTS]) -> MicroUsd {
    let product = |(units, price): (u64, MicroUsd)| u128::from(units) * u128::try_from(price.0).unwrap_or(0);
    let total = parts.into_iter().map(product).fold(0, u128::saturating_add);
    MicroUsd(i64::try_from(total.div_ceil(1_000_000)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Prices of gpt-5-mini and of Gemini 2.5 Flash.
    fn models() -> Models {
        Models {
            openai_model: "gpt-5-mini".into(),
            openai_input_per_million: MicroUsd(250_000),
            openai_cached_input_per_million: MicroUsd(25_000),
            openai_output_per_million: MicroUsd(2_000_000),
            gemini_model: "gemini-2.5-flash".into(),
            gemini_input_per_million: MicroUsd(300_000),
            gemini_output_per_million: MicroUsd(2_500_000),
            gemini_grounding: MicroUsd(35_000),
            serper_credit: MicroUsd(1_000),
            hunter_finder: MicroUsd(34_000),
            hunter_verifier: MicroUsd(17_000),
        }
    }

    #[test]
    fn a_call_is_rounded_up_once() {
        // 2 * 0.25 + 1 * 0.025 + 1 * 2 = 2.525 micro-dollars; rounded part by part it would be 4.
        let tokens = TokenUsage { input: 3, cached_input: 1, output: 1 };
        assert_eq!(Usage::OpenAi(tokens).cost(&models()), MicroUsd(3));
        // 118 * 0.25 + 64 * 2 = 157.5
        let tokens = TokenUsage { input: 118, cached_input: 0, output: 64 };
        assert_eq!(Usage::OpenAi(tokens).cost(&models()), MicroUsd(158));
    }

    #[test]
    fn other_calls_cost_what_the_configuration_says() {
        let tokens = TokenUsage { input: 21, cached_input: 0, output: 49 };
        // 21 * 0.3 + 49 * 2.5 = 128.8
        for (usage, micro_usd) in [
            (Usage::Gemini { tokens, searched: false }, 129),
            (Usage::Gemini { tokens, searched: true }, 35_129),
            (Usage::Serper { credits: 3 }, 3_000),
            (Usage::serper_search_at_most(), 2_000),
            (Usage::HunterFinder { found: false }, 0),
            (Usage::hunter_finder_at_most(), 34_000),
            (Usage::HunterVerifier, 17_000),
        ] {
            assert_eq!(usage.cost(&models()), MicroUsd(micro_usd), "{usage:?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_within_its_limits_costs_more_than_the_bound(
            bytes in 0..1_000_000_usize, cached: u64, output_limit: u32, output: u32, used in 0.0..=1.0_f64
        ) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
                     reason = "a part of a small number")]
            let input = (bytes as f64 * used) as u64;
            let tokens = TokenUsage { input, cached_input: cached, output: output.min(output_limit).into() };
            let models = models();
            prop_assert!(Usage::OpenAi(tokens).cost(&models) <= Usage::openai_at_most(bytes, output_limit).cost(&models));
            for searched in [false, true] {
                let bound = Usage::gemini_at_most(bytes, output_limit, true).cost(&models);
                let cost = Usage::Gemini { tokens, searched }.cost(&models);
                prop_assert!(cost <= bound);
            }
        }

        #[test]
        fn absurd_numbers_do_not_overflow(input: u64, cached_input: u64, output: u64) {
            let tokens = TokenUsage { input, cached_input, output };
            prop_assert!(Usage::OpenAi(tokens).cost(&models()) >= MicroUsd::ZERO);
        }
    }
}
