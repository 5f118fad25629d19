//! `POST /chat/completions`.

use serde_json::{Value, json};

use super::{
    Ask, Format, check_function, content_text, errors, is_reasoning_model, json_schema, known_parameters, model, tokens,
};
use crate::World;
use crate::exchange::Reply;
use crate::faults::FaultKind;

const PARAMETERS: [&str; 33] = [
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
];
const ROLES: [&str; 6] = ["assistant", "developer", "function", "system", "tool", "user"];

/// What the ledger calls the format: the name of the schema, or the kind of output.
pub(super) fn format_name(body: &Value) -> &str {
    let format = &body["response_format"];
    format["json_schema"]["name"].as_str().or(format["type"].as_str()).unwrap_or("text")
}

pub(super) fn answer(world: &World, body: &Value, spoilt: Option<FaultKind>) -> Result<Reply, Reply> {
    let ask = read(body)?;
    let completion = ask.complete(world, spoilt);
    let message = json!({
        "role": "assistant", "content": completion.content, "refusal": completion.refusal, "annotations": [],
    });
    let reply = Reply::free(
        200,
        json!({
            "id": format!("chatcmpl-Sim{}", completion.id),
            "object": "chat.completion",
            "created": world.clock.now_ms() / 1000,
            "model": ask.snapshot(),
            "choices": [{
                "index": 0,
                "finish_reason": if completion.is_cut { "length" } else { "stop" },
                "logprobs": null,
                "message": message,
            }],
            "usage": {
                "prompt_tokens": ask.prompt_tokens,
                "completion_tokens": completion.output_tokens,
                "total_tokens": ask.prompt_tokens + completion.output_tokens,
                "prompt_tokens_details": {"cached_tokens": completion.cached_tokens, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": completion.reasoning_tokens, "audio_tokens": 0,
                    "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
                },
            },
            "service_tier": "default",
        }),
    );
    Ok(ask.bill(&completion, reply))
}

fn read(body: &Value) -> Result<Ask<'_>, Reply> {
    known_parameters(body, &PARAMETERS)?;
    let model = model(body)?;
    let messages = body["messages"].as_array().ok_or_else(|| errors::missing_parameter("messages"))?;
    if messages.is_empty() {
        let message =
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.";
        return Err(errors::invalid(message, Some("messages"), Some("empty_array")));
    }
    for (index, message) in messages.iter().enumerate() {
        if !message["role"].as_str().is_some_and(|role| ROLES.contains(&role)) {
            let supported = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'";
            return Err(errors::invalid_value(&format!("messages[{index}].role"), &message["role"], supported));
        }
    }
    check_sampling(body, model)?;
    for (index, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        check_function(&tool["function"], model, &format!("tools[{index}].function.parameters"))?;
    }
    refuse_unplayed(body)?;

    let texts: Vec<_> = messages.iter().map(|message| content_text(&message["content"])).collect();
    let format = format(body, model, &texts)?;
    let last_user = messages.iter().rposition(|message| message["role"] == "user");
    let facts = last_user.map(|index| texts[index].clone()).unwrap_or_default();
    let schema_bytes = if let Format::JsonSchema { schema, .. } = format { schema.to_string().len() } else { 0 };
    let all_bytes: usize = texts.iter().map(String::len).sum();
    Ok(Ask {
        model,
        prefix_tokens: tokens(all_bytes - facts.len() + schema_bytes),
        prompt_tokens: tokens(all_bytes + schema_bytes) + 4 * messages.len() as u64,
        facts,
        format,
        max_output_tokens: body["max_completion_tokens"].as_u64().or(body["max_tokens"].as_u64()),
        reasoning_effort: body["reasoning_effort"].as_str(),
        whole: format!("{model}\n{}\n{}", format_name(body), texts.join("\n")),
    })
}

fn format<'a>(body: &'a Value, model: &str, texts: &[String]) -> Result<Format<'a>, Reply> {
    let format = &body["response_format"];
    match format["type"].as_str() {
        None if format.is_null() => Ok(Format::Text),
        Some("text") => Ok(Format::Text),
        Some("json_object") if texts.iter().any(|text| text.to_lowercase().contains("json")) => Ok(Format::JsonObject),
        Some("json_object") => {
            let message =
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
            Err(errors::invalid(message, Some("messages"), None))
        }
        Some("json_schema") if format["json_schema"].is_null() => {
            Err(errors::missing_parameter("response_format.json_schema"))
        }
        Some("json_schema") => {
            json_schema(&format["json_schema"], model, "response_format.json_schema", "response_format")
        }
        _ => {
            let supported = "'json_object', 'json_schema', and 'text'";
            Err(errors::invalid_value("response_format.type", &format["type"], supported))
        }
    }
}

fn check_sampling(body: &Value, model: &str) -> Result<(), Reply> {
    if !is_reasoning_model(model) {
        return Ok(());
    }
    if !body["max_tokens"].is_null() {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        return Err(errors::invalid(message, Some("max_tokens"), Some("unsupported_parameter")));
    }
    for name in ["temperature", "top_p"] {
        let value = &body[name];
        if !value.is_null() && value.as_f64() != Some(1.0) {
            let message = format!(
                "Unsupported value: '{name}' does not support {value} with this model. Only the default (1) value is supported."
            );
            return Err(errors::invalid(&message, Some(name), Some("unsupported_value")));
        }
    }
    Ok(())
}

/// The sandbox plays one complete answer per call and no function calls.
fn refuse_unplayed(body: &Value) -> Result<(), Reply> {
    let refuse = |name: &str, value: &Value| {
        let message = format!("Unsupported value: '{name}' does not support {value} in the sandbox.");
        Err(errors::invalid(&message, Some(name), Some("unsupported_value")))
    };
    if body["stream"] == json!(true) {
        return refuse("stream", &body["stream"]);
    }
    if body["n"].as_u64().is_some_and(|n| n != 1) {
        return refuse("n", &body["n"]);
    }
    let choice = &body["tool_choice"];
    if choice == "required" || choice.is_object() {
        return refuse("tool_choice", choice);
    }
    Ok(())
}
