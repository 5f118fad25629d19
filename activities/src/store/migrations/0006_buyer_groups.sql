-- Who decides together at a company, and what is heard of changes among them. Instants are UTC milliseconds.

-- A company whose group has been asked for. Also the lock under which its changes are taken.
CREATE TABLE buyer_groups (
    business_id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    -- When the last refresh ended; null before the first.
    refreshed_at_ms BIGINT
);
CREATE INDEX buyer_groups_by_time ON buyer_groups (tenant, refreshed_at_ms);

-- A person at a company, with their part in its decisions.
CREATE TABLE buyer_group_members (
    tenant TEXT NOT NULL,
    business_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    -- 'decision_maker', 'champion', 'influencer', 'blocker', 'introducer'; null before the first judgement.
    role TEXT,
    -- 'rule' or 'model'
    role_by TEXT,
    -- Why, in words.
    because TEXT,
    -- The title about which a model has been asked, so that it is not asked again.
    asked_title TEXT,
    joined_at_ms BIGINT NOT NULL,
    -- When a search last showed them there; null for one known from a list.
    seen_at_ms BIGINT,
    -- When it was learnt that they have left.
    left_at_ms BIGINT,
    -- When an address was looked for, so that it is paid for once.
    looked_up_at_ms BIGINT,
    PRIMARY KEY (tenant, business_id, person_id)
);
CREATE INDEX buyer_group_members_by_person ON buyer_group_members (tenant, person_id);

-- What vendors tell of people, or a refresh finds out.
CREATE TABLE person_changes (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    person_id TEXT NOT NULL,
    -- 'job_changed', 'promoted', 'left_company', 'profile_changed'
    kind TEXT NOT NULL,
    -- Who told it.
    source TEXT NOT NULL,
    -- Where the person works now and as what, as told; null when that was not told.
    company TEXT,
    company_domain TEXT,
    title TEXT,
    -- Where they worked and as what when it was told.
    was_company TEXT NOT NULL,
    was_title TEXT NOT NULL,
    -- 'open' (a hint that nobody has confirmed), 'applied', 'confirmed', 'refuted'
    state TEXT NOT NULL,
    -- What it did, in words.
    effect TEXT NOT NULL,
    -- Ids of the workflows that are to look, as a JSON list.
    tell TEXT NOT NULL,
    told_at_ms BIGINT NOT NULL,
    decided_at_ms BIGINT
);
CREATE INDEX person_changes_by_person ON person_changes (tenant, person_id);

-- Reasons to refresh a company. The refresh that takes one is in its row.
CREATE TABLE buyer_group_changes (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    business_id TEXT NOT NULL,
    -- Null when a person asked, or an earlier refresh had to do without something.
    person_change_id TEXT,
    -- In words, for the log.
    cause TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    refresh_id TEXT
);
CREATE INDEX buyer_group_changes_by_company ON buyer_group_changes (tenant, business_id, refresh_id);
CREATE INDEX buyer_group_changes_by_change ON buyer_group_changes (tenant, person_change_id);

-- One row for each refresh.
CREATE TABLE buyer_group_refresh_logs (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    business_id TEXT NOT NULL,
    -- The causes of its changes, each once, in words.
    cause TEXT NOT NULL,
    changes BIGINT NOT NULL,
    -- 'running', 'completed', 'completed_with_gaps'
    outcome TEXT NOT NULL,
    -- JSON list: what each stage had to do without.
    problems TEXT NOT NULL,
    members BIGINT NOT NULL DEFAULT 0,
    -- Paid calls that were made, and what is booked for them.
    calls BIGINT NOT NULL DEFAULT 0,
    cost_micro_usd BIGINT NOT NULL DEFAULT 0,
    started_at_ms BIGINT NOT NULL,
    ended_at_ms BIGINT
);
CREATE INDEX buyer_group_refresh_logs_by_company ON buyer_group_refresh_logs (tenant, business_id, started_at_ms);
-- A company has one refresh at a time.
CREATE UNIQUE INDEX buyer_group_refresh_logs_one_running ON buyer_group_refresh_logs (tenant, business_id)
    WHERE outcome = 'running';
