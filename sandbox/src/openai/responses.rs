//! `POST /responses`.

use serde_json::{Value, json};

use super::{Ask, Format, check_function, content_text, errors, json_schema, known_parameters, model, tokens};
use crate::World;
use crate::exchange::Reply;
use crate::faults::FaultKind;

const PARAMETERS: [&str; 24] = [
    "background",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "truncation",
    "user",
];

/// What the ledger calls the format: the name of the schema, or the kind of output.
pub(super) fn format_name(body: &Value) -> &str {
    let format = &body["text"]["format"];
    format["name"].as_str().or(format["type"].as_str()).unwrap_or("text")
}

pub(super) fn answer(world: &World, body: &Value, spoilt: Option<FaultKind>) -> Result<Reply, Reply> {
    let ask = read(body)?;
    let completion = ask.complete(world, spoilt);
    let content = match completion.refusal {
        Some(refusal) => json!({"type": "refusal", "refusal": refusal}),
        None => json!({"type": "output_text", "text": completion.content, "annotations": [], "logprobs": []}),
    };
    let status = if completion.is_cut { "incomplete" } else { "completed" };
    let now = world.clock.now_ms() / 1000;
    let reply = Reply::free(
        200,
        json!({
            "id": format!("resp_Sim{}", completion.id),
            "object": "response",
            "created_at": now,
            "completed_at": if completion.is_cut { Value::Null } else { json!(now) },
            "status": status,
            "error": null,
            "incomplete_details": completion.is_cut.then(|| json!({"reason": "max_output_tokens"})),
            "instructions": body["instructions"],
            "metadata": body.get("metadata").cloned().unwrap_or_else(|| json!({})),
            "model": ask.snapshot(),
            "output": [
                {"type": "reasoning", "id": format!("rs_Sim{}", completion.id), "summary": []},
                {
                    "type": "message", "id": format!("msg_Sim{}", completion.id), "role": "assistant", "status": status,
                    "content": [content],
                },
            ],
            "parallel_tool_calls": true,
            "temperature": null,
            "tool_choice": "auto",
            "tools": body.get("tools").cloned().unwrap_or_else(|| json!([])),
            "top_p": null,
            "max_output_tokens": ask.max_output_tokens,
            "text": body.get("text").cloned().unwrap_or_else(|| json!({"format": {"type": "text"}})),
            "usage": {
                "input_tokens": ask.prompt_tokens,
                "input_tokens_details": {"cached_tokens": completion.cached_tokens, "cache_write_tokens": 0},
                "output_tokens": completion.output_tokens,
                "output_tokens_details": {"reasoning_tokens": completion.reasoning_tokens},
                "total_tokens": ask.prompt_tokens + completion.output_tokens,
            },
            "service_tier": "default",
        }),
    );
    Ok(ask.bill(&completion, reply))
}

fn read(body: &Value) -> Result<Ask<'_>, Reply> {
    known_parameters(body, &PARAMETERS)?;
    let model = model(body)?;
    for name in ["stream", "background"] {
        if body[name] == json!(true) {
            let message = format!("Unsupported value: '{name}' does not support true in the sandbox.");
            return Err(errors::invalid(&message, Some(name), Some("unsupported_value")));
        }
    }
    for (index, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        check_function(tool, model, &format!("tools[{index}].parameters"))?;
    }
    let format = match &body["text"]["format"] {
        Value::Null => Format::Text,
        format => match format["type"].as_str() {
            Some("text") => Format::Text,
            Some("json_object") => Format::JsonObject,
            Some("json_schema") => json_schema(format, model, "text.format", "text.format.schema")?,
            _ => {
                let supported = "'json_object', 'json_schema', and 'text'";
                return Err(errors::invalid_value("text.format.type", &format["type"], supported));
            }
        },
    };
    let (facts, input_bytes) = match &body["input"] {
        Value::String(text) => (text.clone(), text.len()),
        Value::Array(items) => {
            let texts: Vec<_> = items.iter().map(|item| content_text(&item["content"])).collect();
            let last_user = items.iter().rposition(|item| item["role"] == "user");
            let facts = last_user.map(|index| texts[index].clone()).unwrap_or_default();
            (facts, texts.iter().map(String::len).sum())
        }
        _ => return Err(errors::missing_parameter("input")),
    };
    let instructions = body["instructions"].as_str().unwrap_or_default();
    let schema_bytes = if let Format::JsonSchema { schema, .. } = format { schema.to_string().len() } else { 0 };
    let all_bytes = input_bytes + instructions.len() + schema_bytes;
    Ok(Ask {
        model,
        prefix_tokens: tokens(all_bytes - facts.len()),
        prompt_tokens: tokens(all_bytes) + 8,
        whole: format!("{model}\n{}\n{instructions}\n{facts}", format_name(body)),
        facts,
        format,
        max_output_tokens: body["max_output_tokens"].as_u64(),
        reasoning_effort: body["reasoning"]["effort"].as_str(),
    })
}
