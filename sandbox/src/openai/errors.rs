//! OpenAI's error answers.

use serde_json::{Value, json};

use crate::exchange::Reply;
use crate::faults::FailureVariant;

/// 400 with `code`, about the parameter `param`.
pub(crate) fn invalid(message: &str, param: Option<&str>, code: Option<&str>) -> Reply {
    error(400, message, "invalid_request_error", param, code)
}

pub(crate) fn missing_parameter(name: &str) -> Reply {
    invalid(&format!("Missing required parameter: '{name}'."), Some(name), Some("missing_required_parameter"))
}

pub(crate) fn invalid_value(name: &str, value: &Value, supported: &str) -> Reply {
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let message = format!("Invalid value: '{value}'. Supported values are: {supported}.");
    invalid(&message, Some(name), Some("invalid_value"))
}

pub(crate) fn unknown_model(model: &str) -> Reply {
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    error(404, &message, "invalid_request_error", None, Some("model_not_found"))
}

/// The answer to a wrong key, which is shown only in part, or to a missing one.
pub(crate) fn wrong_key(key: Option<&str>) -> Reply {
    let Some(key) = key else {
        let message = "You didn't provide an API key. You need to provide your API key in an Authorization header using \
                       Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";
        return error(401, message, "invalid_request_error", None, None);
    };
    let shown: String = key.chars().take(3).collect();
    let message = format!(
        "Incorrect API key provided: {shown}***. You can find your API key at https://platform.openai.com/account/api-keys."
    );
    error(401, &message, "invalid_request_error", None, Some("invalid_api_key"))
}

pub(crate) fn no_such_path(path: &str) -> Reply {
    error(404, &format!("Invalid URL (/v1/{path})"), "invalid_request_error", None, None)
}

/// What the API documents for `status`.
pub(crate) fn failure(status: u16, variant: Option<FailureVariant>) -> Reply {
    let limit_text = "Rate limit reached for gpt-5-mini in organization org-sandbox on tokens per min (TPM): Limit 2000000, \
                      Used 1999000, Requested 2000. Please try again in 2s. Visit \
                      https://platform.openai.com/account/rate-limits to learn more.";
    let quota_text = "You exceeded your current quota, please check your plan and billing details. For more information on \
                      this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.";
    match (status, variant) {
        (429, Some(FailureVariant::InsufficientQuota)) => {
            error(429, quota_text, "insufficient_quota", None, Some("insufficient_quota"))
        }
        (429, _) => error(429, limit_text, "tokens", None, Some("rate_limit_exceeded"))
            .with_header("retry-after", &2)
            .with_header("retry-after-ms", &2_000),
        (401, _) => wrong_key(Some("sk-")),
        (403, _) => {
            let code = Some("unsupported_country_region_territory");
            error(403, "Country, region, or territory not supported", "request_forbidden", None, code)
        }
        (404, _) => unknown_model("gpt-0"),
        (503, _) => {
            error(503, "The server is overloaded or not ready yet. Please slow down.", "server_error", None, None)
        }
        (500.., _) => {
            let message = "The server had an error while processing your request. Sorry about that!";
            error(status, message, "server_error", None, None)
        }
        _ => error(status, "Your request could not be processed.", "invalid_request_error", None, None),
    }
}

fn error(status: u16, message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Reply {
    Reply::free(status, json!({"error": {"message": message, "type": kind, "param": param, "code": code}}))
}
