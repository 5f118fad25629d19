//! What the vendors would bill, in micro-dollars. Every model of a vendor has the price of its default model.

/// OpenAI `gpt-5-mini`, per million uncached input tokens.
pub const OPENAI_INPUT: u64 = 250_000;
/// OpenAI `gpt-5-mini`, per million cached input tokens.
pub const OPENAI_CACHED_INPUT: u64 = 25_000;
/// OpenAI `gpt-5-mini`, per million output tokens; reasoning tokens are part of them.
pub const OPENAI_OUTPUT: u64 = 2_000_000;
/// `gemini-2.5-flash`, per million input tokens.
pub const GEMINI_INPUT: u64 = 300_000;
/// `gemini-2.5-flash`, per million output tokens, thoughts among them.
pub const GEMINI_OUTPUT: u64 = 2_500_000;
/// Gemini, per prompt that was grounded in web results.
pub const GEMINI_GROUNDED_PROMPT: u64 = 35_000;
/// Serper, per credit.
pub const SERPER_CREDIT: u64 = 1_000;
/// Hunter, per credit of the finder or of the domain search: one per address found, or per ten listed.
pub const HUNTER_CREDIT: u64 = 34_000;
/// Hunter, per finished verification.
pub const HUNTER_VERIFICATION: u64 = 17_000;

/// Cost of an OpenAI call. Rounded up once, over all kinds of tokens.
pub fn openai_call(input_tokens: u64, cached_tokens: u64, output_tokens: u64) -> u64 {
    let uncached_tokens = input_tokens.saturating_sub(cached_tokens);
    (uncached_tokens * OPENAI_INPUT + cached_tokens * OPENAI_CACHED_INPUT + output_tokens * OPENAI_OUTPUT)
        .div_ceil(1_000_000)
}

/// Cost of a Gemini call. Rounded up once, over all kinds of tokens.
pub fn gemini_call(input_tokens: u64, output_tokens: u64, grounded: bool) -> u64 {
    (input_tokens * GEMINI_INPUT + output_tokens * GEMINI_OUTPUT).div_ceil(1_000_000)
        + if grounded { GEMINI_GROUNDED_PROMPT } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_rounded_up_once() {
        assert_eq!(openai_call(1, 0, 0), 1);
        // 1 × 0.25 + 1 × 0.025 + 1 × 2 = 2.275: three roundings would give 4.
        assert_eq!(openai_call(2, 1, 1), 3);
        assert_eq!(openai_call(1_000_000, 0, 1_000_000), 2_250_000);
        assert_eq!(gemini_call(1, 1, false), 3);
        assert_eq!(gemini_call(0, 0, true), 35_000);
    }
}
