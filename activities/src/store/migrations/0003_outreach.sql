-- Sequences, sender accounts, campaigns, enrollments, touches and what comes back. Instants are UTC milliseconds; lists and
-- objects are JSON text; flags are 0 or 1.

-- A person may be known by an email address alone, so the LinkedIn id may be missing.
CREATE TABLE persons_new (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    linkedin_public_id TEXT,
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
    -- IANA name, when it is known better than from the business's place.
    timezone TEXT,
    source TEXT NOT NULL,
    -- When the person asked not to be processed: all but the key is erased then.
    removed_at_ms BIGINT,
    -- Turned out to be the same human as this person, who has everything since.
    merged_into TEXT,
    UNIQUE (tenant, linkedin_public_id)
);
INSERT INTO persons_new (id, tenant, linkedin_public_id, first_name, last_name, title, company, location, email,
    email_status, email_confidence, email_sources, source, removed_at_ms)
    SELECT id, tenant, linkedin_public_id, first_name, last_name, title, company, location, email, email_status,
    email_confidence, email_sources, source, removed_at_ms FROM persons;
DROP TABLE persons;
ALTER TABLE persons_new RENAME TO persons;
CREATE INDEX persons_by_email ON persons (tenant, email);
CREATE INDEX persons_by_merge ON persons (tenant, merged_into);

-- Whose address it is: one person's, who may have several.
CREATE TABLE person_emails (
    tenant TEXT NOT NULL,
    -- In lower case.
    email TEXT NOT NULL,
    person_id TEXT NOT NULL,
    PRIMARY KEY (tenant, email)
);
INSERT INTO person_emails (tenant, email, person_id)
    SELECT tenant, LOWER(email), MIN(id) FROM persons WHERE email IS NOT NULL GROUP BY tenant, LOWER(email);
CREATE INDEX person_emails_by_person ON person_emails (tenant, person_id);

-- Held by an import, so that those of a tenant follow each other.
CREATE TABLE import_locks (
    tenant TEXT NOT NULL PRIMARY KEY
);

-- Stored versions never change.
CREATE TABLE sequences (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    -- From 1.
    version BIGINT NOT NULL,
    -- The sequence as it was checked.
    document TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    UNIQUE (tenant, name, version)
);

-- A LinkedIn profile or a mailbox that sends.
CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    -- 'linkedin' or 'email'
    channel TEXT NOT NULL,
    -- Whose interface it is used through: 'unipile'.
    provider TEXT NOT NULL,
    provider_account_id TEXT NOT NULL,
    -- The provider's id of the account's own profile, to tell its messages from others'.
    owner_provider_id TEXT,
    -- Of a mailbox, in lower case.
    address TEXT,
    -- 'sandbox' or 'live'
    source TEXT NOT NULL,
    -- Zone, hours, limits, warm-up and what else a person sets.
    settings TEXT NOT NULL,
    -- 'active', 'paused', 'disconnected', 'restricted', 'held'
    state TEXT NOT NULL,
    -- Why it is not active, without personal data.
    state_reason TEXT,
    state_at_ms BIGINT NOT NULL,
    -- The provider asked to wait until then.
    deferred_until_ms BIGINT,
    deferred_reason TEXT,
    -- Up to when each list of the provider has been read, as a JSON object.
    marks TEXT NOT NULL,
    read_at_ms BIGINT,
    created_at_ms BIGINT NOT NULL,
    UNIQUE (tenant, name),
    UNIQUE (provider, provider_account_id)
);

CREATE TABLE campaigns (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The search or import whose ready leads it takes.
    search_id TEXT NOT NULL,
    -- New enrollments follow this version.
    sequence_id TEXT NOT NULL,
    source TEXT NOT NULL,
    settings TEXT NOT NULL,
    -- 'running', 'paused', 'stopped', 'completed'
    state TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    ended_at_ms BIGINT,
    UNIQUE (tenant, name)
);

-- The accounts among which a campaign rotates.
CREATE TABLE campaign_accounts (
    campaign_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    account_id TEXT NOT NULL,
    PRIMARY KEY (campaign_id, account_id)
);

-- One lead in one campaign, from its allotment on.
CREATE TABLE enrollments (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    campaign_id TEXT NOT NULL,
    lead_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    sequence_id TEXT NOT NULL,
    linkedin_account_id TEXT,
    email_account_id TEXT,
    -- 'scheduled', 'invite_sent', 'connected', 'messaged'; ended: 'completed', 'replied', 'declined', 'opted_out', 'bounced',
    -- 'failed', 'stopped'
    state TEXT NOT NULL,
    -- Why it is in this state.
    cause TEXT NOT NULL,
    state_at_ms BIGINT NOT NULL,
    is_open BIGINT NOT NULL,
    -- Whether the person may be in no other campaign meanwhile.
    is_exclusive BIGINT NOT NULL,
    -- Why a person or a message typed by hand holds it, or null.
    paused TEXT,
    -- Ways taken at branches and waits: step id to the id of the step that followed.
    decisions TEXT NOT NULL,
    started_at_ms BIGINT NOT NULL,
    -- The next step, when, and what holds it back: JSON of the last advice.
    advice TEXT,
    -- When its workflow wakes at the latest; past it the audit looks.
    wakes_at_ms BIGINT NOT NULL,
    -- Null until Temporal has confirmed the start.
    workflow_started_at_ms BIGINT,
    ended_at_ms BIGINT,
    UNIQUE (campaign_id, person_id)
);
CREATE UNIQUE INDEX enrollments_one_open ON enrollments (tenant, person_id) WHERE is_open = 1 AND is_exclusive = 1;
CREATE INDEX enrollments_by_person ON enrollments (tenant, person_id);
CREATE INDEX enrollments_overdue ON enrollments (tenant, campaign_id, is_open, wakes_at_ms);
CREATE INDEX enrollments_by_account ON enrollments (tenant, linkedin_account_id, is_open);

CREATE TABLE enrollment_transitions (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    enrollment_id TEXT NOT NULL,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    cause TEXT NOT NULL,
    at_ms BIGINT NOT NULL
);
CREATE INDEX enrollment_transitions_by_enrollment ON enrollment_transitions (tenant, enrollment_id, at_ms);

-- One outward contact. Limits are counted from these rows.
CREATE TABLE touches (
    -- Also the idempotency key at the provider.
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    campaign_id TEXT NOT NULL,
    enrollment_id TEXT NOT NULL,
    -- Empty once the person's data are erased; account, action and instants stay, so that no quota reappears.
    person_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    step_id TEXT NOT NULL,
    -- 'visit_profile', 'invite', 'message', 'inmail', 'email'
    action TEXT NOT NULL,
    -- Whether an invitation carries a note: free accounts have few of these.
    has_note BIGINT NOT NULL,
    -- 'planned', 'calling', 'sent', 'refused', 'unknown', 'released'
    state TEXT NOT NULL,
    -- For 'planned': when the call is to begin.
    planned_at_ms BIGINT,
    -- Names the attempt that may settle the touch.
    token TEXT,
    -- The rendered request, byte for byte.
    request TEXT,
    -- Why the provider wants it later, and until when.
    deferred_by TEXT,
    not_before_ms BIGINT,
    -- Of the first call; a touch counts from here on.
    called_at_ms BIGINT,
    -- The last call begins before this, or not at all; an event that comes in meanwhile is answered after it.
    call_begin_by_ms BIGINT,
    -- When the last call has surely ended.
    call_deadline_ms BIGINT,
    -- Calls made so far.
    calls BIGINT NOT NULL,
    settled_at_ms BIGINT,
    -- The provider's id of the message or invitation; each settles one touch.
    provider_message_id TEXT,
    provider_chat_id TEXT,
    -- Of an email its Message-ID header, which answers name.
    mail_message_id TEXT,
    -- When it was learnt that the invitation is gone without a connection.
    declined_at_ms BIGINT,
    -- An invitation that may still be accepted.
    is_live_invite BIGINT NOT NULL,
    -- How it was settled: 'answered', 'found', 'webhook', 'person', or the error's kind.
    settled_by TEXT,
    created_at_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX touches_one_a_step ON touches (campaign_id, person_id, step_id) WHERE person_id <> '';
CREATE UNIQUE INDEX touches_one_in_doubt ON touches (tenant, person_id)
    WHERE state IN ('calling', 'unknown') AND person_id <> '';
CREATE UNIQUE INDEX touches_one_live_invite ON touches (tenant, person_id) WHERE is_live_invite = 1 AND person_id <> '';
CREATE UNIQUE INDEX touches_by_message ON touches (account_id, provider_message_id) WHERE provider_message_id IS NOT NULL;
CREATE INDEX touches_by_account ON touches (tenant, account_id, action, called_at_ms);
CREATE INDEX touches_planned ON touches (tenant, account_id, planned_at_ms) WHERE state = 'planned';
CREATE INDEX touches_by_enrollment ON touches (tenant, enrollment_id);
CREATE INDEX touches_by_person ON touches (tenant, person_id);

-- A person as one account sees them: ids differ from account to account.
CREATE TABLE account_people (
    account_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    person_id TEXT NOT NULL,
    provider_id TEXT,
    provider_chat_id TEXT,
    -- When the connection was learnt of, and by what: 'webhook', 'list', 'profile', 'answer'.
    connected_at_ms BIGINT,
    connected_by TEXT,
    -- When the profile was last read.
    looked_at_ms BIGINT,
    PRIMARY KEY (account_id, person_id)
);
CREATE INDEX account_people_by_provider ON account_people (account_id, provider_id);
CREATE INDEX account_people_by_person ON account_people (tenant, person_id);

-- What providers told us, by webhook; a known key is not stored again.
CREATE TABLE events (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    -- 'unipile'
    source TEXT NOT NULL,
    event_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    account_id TEXT,
    -- Whom it concerns; null for someone unknown.
    person_id TEXT,
    body TEXT NOT NULL,
    -- What it did, in words for a person.
    effect TEXT NOT NULL,
    -- Ids of the workflows it concerns, as a JSON list.
    tell TEXT NOT NULL,
    received_at_ms BIGINT NOT NULL,
    -- When these were told; null while that is to be done.
    signalled_at_ms BIGINT,
    lease_until_ms BIGINT,
    UNIQUE (source, event_key)
);
CREATE INDEX events_unsignalled ON events (tenant, received_at_ms) WHERE signalled_at_ms IS NULL;
CREATE INDEX events_by_person ON events (tenant, person_id);

-- What people wrote back, on any channel, and what owners wrote by hand.
CREATE TABLE replies (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    person_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    -- 'linkedin' or 'email'
    channel TEXT NOT NULL,
    -- 'reply', 'opt_out', 'out_of_office', 'bounce', 'owner'
    kind TEXT NOT NULL,
    provider_message_id TEXT NOT NULL,
    text TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    received_at_ms BIGINT NOT NULL,
    UNIQUE (account_id, provider_message_id)
);
CREATE INDEX replies_by_person ON replies (tenant, person_id);

-- Whom not to contact, on any channel.
CREATE TABLE suppressions (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    -- 'linkedin' (public id), 'email', 'domain'
    kind TEXT NOT NULL,
    -- In lower case.
    value TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- 'person' (someone added it), 'opt_out', 'bounce', 'complaint', 'import', 'provider'
    origin TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    UNIQUE (tenant, kind, value)
);

-- Touches have a breaker, too.
INSERT INTO breakers (provider) VALUES ('unipile');
