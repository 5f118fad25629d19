-- Events of vendors of people's data, and links by which people end their mail.

-- Whether a pull has yet to confirm the event, which anybody could have written.
ALTER TABLE events ADD COLUMN is_hint BIGINT NOT NULL DEFAULT 0;

-- One link for each email that was claimed. They stay valid.
CREATE TABLE unsubscribe_links (
    -- SHA-256 of what stands in the link, as hex.
    token_hash TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    person_id TEXT NOT NULL,
    -- Where the mail goes, in lower case.
    address TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX unsubscribe_links_by_person ON unsubscribe_links (tenant, person_id);
