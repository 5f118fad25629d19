-- Events of vendors of people's data, and links by which people end their mail.

-- Whether a pull has yet to confirm the event, which anybody could have written.
ALTER TABLE events ADD COLUMN is_hint BIGINT NOT NULL DEFAULT 0;

-- What is left to tell is taken over all tenants, the oldest first.
DROP INDEX events_unsignalled;
CREATE INDEX events_untold ON events (received_at_ms, id) WHERE signalled_at_ms IS NULL;

-- One link for each email that was claimed. They stay valid.
CREATE TABLE unsubscribe_links (
    -- SHA-256 of what stands in the link, in base64.
    token_hash TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    person_id TEXT NOT NULL,
    -- Whose mail it is in.
    account_id TEXT NOT NULL,
    -- Where the mail goes, in lower case.
    address TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX unsubscribe_links_by_person ON unsubscribe_links (tenant, person_id);
