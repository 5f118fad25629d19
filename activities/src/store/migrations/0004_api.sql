-- Who may use the HTTP API, what was answered under which key, and who did what. Instants are UTC milliseconds.

CREATE TABLE api_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    -- What a person calls it.
    name TEXT NOT NULL,
    -- SHA-256 of the whole token, as hexadecimal digits; the token itself is nowhere.
    hash TEXT NOT NULL,
    -- 'read', 'write', 'webhooks', as a JSON list.
    scopes TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT,
    revoked_at_ms BIGINT,
    -- Written at most once a minute.
    last_used_at_ms BIGINT
);
CREATE INDEX api_tokens_by_tenant ON api_tokens (tenant, created_at_ms);

-- What was answered to a request that had an Idempotency-Key, for a day.
CREATE TABLE idempotency_keys (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    -- Method and path.
    route TEXT NOT NULL,
    -- SHA-256 of the body, as hexadecimal digits.
    request_hash TEXT NOT NULL,
    -- The id of whatever the request makes: a repeat after a crash makes the same thing.
    result_id TEXT NOT NULL,
    -- While there is no answer, nobody else may try before this.
    lease_until_ms BIGINT NOT NULL,
    -- The answer; null while the first request runs.
    status BIGINT,
    location TEXT,
    content_type TEXT,
    body TEXT,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (tenant, created_at_ms);

-- Who did what. Holds ids only, no personal data.
CREATE TABLE audit_log (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    -- Id of a token, or 'cli'.
    actor TEXT NOT NULL,
    -- The operation, as the OpenAPI document calls it.
    action TEXT NOT NULL,
    -- Id of what it was done to, or null.
    subject TEXT,
    request_id TEXT,
    -- HTTP status of the answer; null while it runs, and when the process died over it.
    status BIGINT
);
CREATE INDEX audit_log_by_time ON audit_log (tenant, at_ms);
