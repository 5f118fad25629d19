-- In which order changes of people count, and how often a hint about somebody was looked into.

-- When it happened, as told, but never later than it was told; null for what was told before this was kept.
ALTER TABLE person_changes ADD COLUMN occurred_at_ms BIGINT;
-- `state` has two more values: 'outdated' (something newer had had its effect) and 'given_up' (a hint that no look decided).
-- How many refreshes have looked at the person of a hint, and when the last one did.
ALTER TABLE person_changes ADD COLUMN looks BIGINT NOT NULL DEFAULT 0;
ALTER TABLE person_changes ADD COLUMN looked_at_ms BIGINT;

-- Companies are told by their names, in whatever case.
CREATE INDEX businesses_by_lower_name ON businesses (tenant, LOWER(name));
