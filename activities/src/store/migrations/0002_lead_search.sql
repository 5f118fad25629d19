-- Lead searches and what they find. Instants are UTC milliseconds; lists and objects are JSON text.

CREATE TABLE searches (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    -- 'sandbox' or 'live': what the data of this search came from. The two never mix in a campaign.
    source TEXT NOT NULL,
    -- The brief as it was checked, and the exclusions from a file beside it.
    brief TEXT NOT NULL,
    exclusions TEXT NOT NULL,
    -- 'started', 'running', 'completed', 'completed_with_gaps', 'cancelled'
    status TEXT NOT NULL,
    -- What a person wants: 'run' or 'pause'.
    wish TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    started_at_ms BIGINT,
    finished_at_ms BIGINT
);
CREATE INDEX searches_by_time ON searches (tenant, created_at_ms);

-- One row a search: what a list or a progress bar shows, changed in the transaction that stores what it counts.
CREATE TABLE search_progress (
    search_id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    phase TEXT NOT NULL,
    percent BIGINT NOT NULL,
    businesses BIGINT NOT NULL,
    businesses_searched BIGINT NOT NULL,
    leads BIGINT NOT NULL,
    leads_looked_up BIGINT NOT NULL,
    leads_ready BIGINT NOT NULL,
    gaps BIGINT NOT NULL,
    -- JSON object: phase to the last problem in it.
    problems TEXT NOT NULL,
    first_lead_at_ms BIGINT,
    updated_at_ms BIGINT NOT NULL
);

-- Business personas (role_rank 0) and decision-maker personas (role_rank from 1) of business persona `rank`.
CREATE TABLE personas (
    search_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    rank BIGINT NOT NULL,
    role_rank BIGINT NOT NULL,
    title TEXT NOT NULL,
    match_score BIGINT NOT NULL,
    -- The model's answer, or null when the brief stands in for it.
    body TEXT,
    PRIMARY KEY (search_id, rank, role_rank)
);

CREATE TABLE market_insights (
    search_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    rank BIGINT NOT NULL,
    -- The grounded answer and its sources, then its structure.
    facts TEXT NOT NULL,
    sources TEXT NOT NULL,
    body TEXT,
    PRIMARY KEY (search_id, rank)
);

-- Pages of the map search that are stored, so that a repeated activity does not number their businesses again.
CREATE TABLE map_pages (
    search_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    rank BIGINT NOT NULL,
    place BIGINT NOT NULL,
    page BIGINT NOT NULL,
    places_on_page BIGINT NOT NULL,
    viewport TEXT,
    PRIMARY KEY (search_id, rank, place, page)
);

-- A company, once per tenant; `cid` is the map service's key.
CREATE TABLE businesses (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    cid TEXT NOT NULL,
    name TEXT NOT NULL,
    domain TEXT,
    website TEXT,
    phone TEXT,
    category TEXT NOT NULL,
    address TEXT NOT NULL,
    city TEXT NOT NULL,
    region TEXT NOT NULL,
    country TEXT NOT NULL,
    rating_tenths BIGINT,
    rating_count BIGINT NOT NULL,
    source TEXT NOT NULL,
    UNIQUE (tenant, cid)
);
CREATE INDEX businesses_by_domain ON businesses (tenant, domain);
CREATE INDEX businesses_by_name ON businesses (tenant, name);

-- A business in a search. `number` is its place in the canonical order, null when it is left out.
CREATE TABLE search_businesses (
    search_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    business_id TEXT NOT NULL,
    rank BIGINT NOT NULL,
    place BIGINT NOT NULL,
    page BIGINT NOT NULL,
    position BIGINT NOT NULL,
    number BIGINT,
    -- Why it is left out, or null.
    left_out TEXT,
    searched_at_ms BIGINT,
    PRIMARY KEY (search_id, business_id)
);
CREATE UNIQUE INDEX search_businesses_by_number ON search_businesses (search_id, number);

-- The people that one web search found, kept for later searches of the same business and roles.
CREATE TABLE people_searches (
    tenant TEXT NOT NULL,
    cid TEXT NOT NULL,
    query TEXT NOT NULL,
    search_id TEXT NOT NULL,
    profiles TEXT NOT NULL,
    searched_at_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, cid, query)
);

-- One human, once per tenant.
CREATE TABLE persons (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    linkedin_public_id TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    title TEXT NOT NULL,
    company TEXT NOT NULL,
    location TEXT NOT NULL,
    email TEXT,
    email_status TEXT,
    email_confidence BIGINT,
    -- Where the address was seen: JSON list. People have a right to know.
    email_sources TEXT,
    source TEXT NOT NULL,
    -- When the person asked not to be processed: all but the key is erased then.
    removed_at_ms BIGINT,
    UNIQUE (tenant, linkedin_public_id)
);
CREATE INDEX persons_by_email ON persons (tenant, email);

-- A person at a business in a search. `number` is its place in the canonical order, null when it is no lead of it.
CREATE TABLE leads (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    search_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    business_id TEXT NOT NULL,
    number BIGINT,
    -- 'found', 'ready', 'spare', 'left_out', 'quarantined'
    state TEXT NOT NULL,
    -- Why it is left out or quarantined, or null.
    problem TEXT,
    rank BIGINT NOT NULL,
    role_rank BIGINT NOT NULL,
    role TEXT NOT NULL,
    evidence TEXT NOT NULL,
    email_looked_up_at_ms BIGINT,
    score BIGINT,
    -- JSON list of named points.
    points TEXT,
    reason TEXT,
    hook TEXT,
    created_at_ms BIGINT NOT NULL,
    ready_at_ms BIGINT,
    UNIQUE (tenant, search_id, person_id)
);
CREATE UNIQUE INDEX leads_by_number ON leads (search_id, number);
-- Also what the progress row counts, so that counting reads no rows.
CREATE INDEX leads_by_state ON leads (tenant, search_id, state, number, email_looked_up_at_ms);
CREATE INDEX leads_by_person ON leads (tenant, person_id);

-- What a search lacks, item by item, with the reason.
CREATE TABLE gaps (
    search_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    stage TEXT NOT NULL,
    item TEXT NOT NULL,
    problem TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (search_id, stage, item)
);
