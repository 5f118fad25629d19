//! What the two model providers have in common: a call, an answer, the tokens used.

use serde_json::Value;

/// A question to a model whose answer must fit a JSON schema.
#[derive(Clone, Copy, Debug)]
pub struct StructuredCall<'a> {
    /// Visible ASCII; the same for every attempt of one call.
    pub call_id: &'a str,
    /// Letters, digits, `_` and `-`; at most 64.
    pub schema_name: &'a str,
    pub schema: &'a Value,
    /// What to do: fixed text of ours.
    pub instructions: &'a str,
    /// What it is about, sent as JSON text.
    pub facts: &'a Value,
    /// Upper limit of what is paid for, hidden reasoning included.
    pub max_output_tokens: u32,
}

/// A question to a model that may search the web first.
#[derive(Clone, Copy, Debug)]
pub struct GroundedCall<'a> {
    /// Visible ASCII; the same for every attempt of one call.
    pub call_id: &'a str,
    /// What to do: fixed text of ours.
    pub instructions: &'a str,
    /// What it is about, sent as JSON text.
    pub facts: &'a Value,
    /// Upper limit of what is paid for, hidden reasoning included.
    pub max_output_tokens: u32,
}

/// What a model answered. All of it was paid for, whatever the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelAnswer {
    pub content: Content,
    pub usage: TokenUsage,
}

/// The ways in which a model can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Text(String),
    /// The model declined; the same prompt will be declined again.
    Refusal,
    /// The output limit was reached; half a JSON text is no answer.
    Cut,
    /// The provider withheld the answer, or blocked the prompt.
    Filtered,
}

/// Tokens of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// All of the input, cached or not.
    pub input: u64,
    /// The part of the input that was cached.
    pub cached_input: u64,
    /// All that was written, hidden reasoning included.
    pub output: u64,
}
