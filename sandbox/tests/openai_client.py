#!/usr/bin/env python3
"""Drives the official `openai` package against a running sandbox.

Usage: pip install openai, start `sandbox`, then: python3 openai_client.py http://127.0.0.1:8787
"""

import json
import sys

import openai
from pydantic import BaseModel


class Reason(BaseModel):
    lead: int
    reason: str
    hook: str | None


class LeadReasons(BaseModel):
    reasons: list[Reason]


FACTS = {
    "sell": "yeast propagation kits for craft brewers",
    "leads": [
        {
            "lead": 7, "name": "Ada Lind", "role": "Head Brewer", "business": "Foam Works", "category": "Brewery",
            "city": "Burlington", "region": "Vermont", "rating": "4.6", "rating_count": 212,
            "evidence": ["Head Brewer named in a search result"], "persona": "Independent craft brewery",
        }
    ],
    "repair": None,
}
MESSAGES = [
    {"role": "developer", "content": "Say why each lead is worth contacting. Use only the given facts."},
    {"role": "user", "content": json.dumps(FACTS)},
]


def strict_schema() -> dict:
    reason = {
        "type": "object", "additionalProperties": False, "required": ["lead", "reason", "hook"],
        "properties": {
            "lead": {"type": "integer"}, "reason": {"type": "string"}, "hook": {"type": ["string", "null"]},
        },
    }
    return {
        "type": "object", "additionalProperties": False, "required": ["reasons"],
        "properties": {"reasons": {"type": "array", "items": reason}},
    }


def response_format(schema: dict) -> dict:
    return {"type": "json_schema", "json_schema": {"name": "lead_reasons", "strict": True, "schema": schema}}


def main(base_url: str) -> None:
    def client(key: str = "sandbox-key") -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{base_url}/openai/v1", api_key=key, max_retries=0)

    assert "gpt-5-mini" in [model.id for model in client().models.list()]

    completion = client().chat.completions.create(
        model="gpt-5-mini", messages=MESSAGES, response_format=response_format(strict_schema()),
        max_completion_tokens=4000, reasoning_effort="low",
    )
    answer = LeadReasons.model_validate_json(completion.choices[0].message.content)
    assert [reason.lead for reason in answer.reasons] == [7]
    assert "Foam Works" in answer.reasons[0].reason
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    print("structured answer:", answer.reasons[0].reason)

    # The package derives the strict schema from the type, and parses the answer into it.
    for name, parsed in [
        ("chat", client().chat.completions.parse(model="gpt-5-mini", messages=MESSAGES, response_format=LeadReasons)),
        ("responses", client().responses.parse(model="gpt-5-mini", input=MESSAGES, text_format=LeadReasons)),
    ]:
        found = parsed.output_parsed if name == "responses" else parsed.choices[0].message.parsed
        assert isinstance(found, LeadReasons), parsed
        print(f"{name} parsed: {len(found.reasons)} reasons")

    broken = strict_schema()
    broken["properties"]["reasons"]["items"]["required"].remove("hook")
    try:
        client().chat.completions.create(model="gpt-5-mini", messages=MESSAGES, response_format=response_format(broken))
    except openai.BadRequestError as error:
        assert error.code == "invalid_json_schema" and error.param == "response_format", error
        assert "In context=('properties', 'reasons', 'items'), 'required' is required" in error.message, error
        print("schema error:", error.message)
    else:
        raise AssertionError("a schema with a missing required key was accepted")

    for key, model, expected in [
        ("sk-wrong", "gpt-5-mini", openai.AuthenticationError),
        ("sandbox-key", "no-such-model", openai.NotFoundError),
    ]:
        try:
            client(key).chat.completions.create(model=model, messages=MESSAGES)
        except expected as error:
            print(f"{expected.__name__}: {error.message}")
        else:
            raise AssertionError(f"{expected.__name__} was expected")
    print("all good")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1].rstrip("/"))
