-- An id belongs to one tenant, so a tenant before it in an index narrows nothing. But it makes the index look fit for any other
-- look of that tenant: PostgreSQL, as long as it has no statistics of a table that has just begun to grow, then reads all rows of
-- the tenant through it to find one.

DROP INDEX persons_by_email;
CREATE INDEX persons_by_email ON persons (email, tenant);
DROP INDEX persons_by_merge;
CREATE INDEX persons_by_merge ON persons (merged_into) WHERE merged_into IS NOT NULL;
DROP INDEX person_emails_by_person;
CREATE INDEX person_emails_by_person ON person_emails (person_id);
DROP INDEX leads_by_state;
CREATE INDEX leads_by_state ON leads (search_id, state, number, email_looked_up_at_ms);
DROP INDEX leads_by_person;
CREATE INDEX leads_by_person ON leads (person_id);

DROP INDEX enrollments_one_open;
CREATE UNIQUE INDEX enrollments_one_open ON enrollments (person_id) WHERE is_open = 1 AND is_exclusive = 1;
DROP INDEX enrollments_by_person;
CREATE INDEX enrollments_by_person ON enrollments (person_id);
DROP INDEX enrollments_overdue;
CREATE INDEX enrollments_overdue ON enrollments (campaign_id, is_open, wakes_at_ms);
DROP INDEX enrollments_by_account;
CREATE INDEX enrollments_by_account ON enrollments (linkedin_account_id, is_open);
DROP INDEX enrollment_transitions_by_enrollment;
CREATE INDEX enrollment_transitions_by_enrollment ON enrollment_transitions (enrollment_id, at_ms);

DROP INDEX touches_one_in_doubt;
CREATE UNIQUE INDEX touches_one_in_doubt ON touches (person_id)
    WHERE state IN ('calling', 'unknown') AND person_id <> '';
DROP INDEX touches_one_live_invite;
CREATE UNIQUE INDEX touches_one_live_invite ON touches (person_id) WHERE is_live_invite = 1 AND person_id <> '';
DROP INDEX touches_by_account;
CREATE INDEX touches_by_account ON touches (account_id, action, called_at_ms);
DROP INDEX touches_planned;
CREATE INDEX touches_planned ON touches (account_id, planned_at_ms) WHERE state = 'planned';
DROP INDEX touches_by_enrollment;
CREATE INDEX touches_by_enrollment ON touches (enrollment_id);
DROP INDEX touches_by_person;
CREATE INDEX touches_by_person ON touches (person_id);

DROP INDEX account_people_by_person;
CREATE INDEX account_people_by_person ON account_people (person_id);
DROP INDEX events_by_person;
CREATE INDEX events_by_person ON events (person_id);
DROP INDEX replies_by_person;
CREATE INDEX replies_by_person ON replies (person_id);
