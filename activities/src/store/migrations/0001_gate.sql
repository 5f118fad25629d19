-- What the gate before every paid call keeps. Instants are UTC milliseconds, money is micro-dollars, days are UTC days
-- as YYYY-MM-DD. Rows of the whole installation have the tenant ''.

-- What is booked against each limit: real costs, and upper bounds of calls whose cost is not known (yet).
CREATE TABLE budgets (
    tenant TEXT NOT NULL,
    -- installation, tenant, search or lead.
    scope TEXT NOT NULL,
    -- The search or the lead, else ''.
    subject TEXT NOT NULL,
    -- The day of a daily budget, else ''.
    day TEXT NOT NULL,
    -- The limit of this row alone; without one the configured limit holds.
    limit_micro_usd BIGINT,
    booked_micro_usd BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, scope, subject, day)
);

-- One row for every call that was ever allowed to start, written before it starts.
CREATE TABLE api_usage_logs (
    -- Also sent to the provider, where it takes one.
    call_id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    search_id TEXT NOT NULL,
    -- The lead that the call serves alone.
    lead_id TEXT,
    provider TEXT NOT NULL,
    operation TEXT NOT NULL,
    -- reserved: running, or its process died; presumed: its answer never came; settled: its cost is known;
    -- failed: it cost nothing.
    state TEXT NOT NULL,
    -- ok, rejected (an answer that failed validation), or the kind of the provider's error; NULL while not known.
    outcome TEXT,
    -- HTTP status of a failure, when there was an answer.
    status BIGINT,
    -- What the call could cost at most.
    bound_micro_usd BIGINT NOT NULL,
    -- What is booked for it: the bound while reserved or presumed, the real cost when settled, 0 when failed.
    cost_micro_usd BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL DEFAULT 0,
    output_tokens BIGINT NOT NULL DEFAULT 0,
    credits BIGINT NOT NULL DEFAULT 0,
    -- Real time from the reservation to the answer.
    latency_ms BIGINT,
    -- The day whose budgets hold the cost: that of started_at_ms.
    day TEXT NOT NULL,
    started_at_ms BIGINT NOT NULL,
    ended_at_ms BIGINT,
    -- The attempt of the activity that made the call.
    workflow_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    activity_id TEXT NOT NULL,
    attempt BIGINT NOT NULL
);

CREATE INDEX api_usage_logs_by_search ON api_usage_logs (tenant, search_id);
CREATE INDEX api_usage_logs_by_day ON api_usage_logs (day);

-- Answers that may be used again, and requests whose answer is on its way.
CREATE TABLE results_cache (
    tenant TEXT NOT NULL,
    -- Within which equal requests share an answer: a search.
    scope TEXT NOT NULL,
    repair_round BIGINT NOT NULL,
    -- SHA-256 in hexadecimal over provider, operation and the full request.
    request_sha256 TEXT NOT NULL,
    -- pending or done.
    state TEXT NOT NULL,
    -- JSON of a done answer.
    value TEXT,
    -- The call that will bring or brought the answer, and the attempt of the activity that made it.
    call_id TEXT NOT NULL,
    workflow_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    activity_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    -- A pending row is free for anyone afterwards.
    lease_until_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, scope, repair_round, request_sha256)
);

-- Whether a provider is healthy enough to be called, for the whole installation.
CREATE TABLE breakers (
    provider TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL DEFAULT '',
    -- Failures in a row.
    failures BIGINT NOT NULL DEFAULT 0,
    -- No call before this instant; afterwards one probe at a time. NULL while healthy.
    open_until_ms BIGINT,
    -- The probe, and until when no other may start.
    probe_call_id TEXT,
    probe_until_ms BIGINT
);

-- Present from the start, because only rows that exist can be locked.
INSERT INTO breakers (provider) VALUES ('openai'), ('gemini'), ('serper'), ('hunter');
