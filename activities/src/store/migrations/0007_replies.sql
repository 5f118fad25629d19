-- What a model says of replies, and until when people are away.

-- An absence note says so, or else a usual time is taken; null for nobody known to be away.
ALTER TABLE persons ADD COLUMN absent_until_ms BIGINT;

-- Beside `kind`, which the rules give ('automatic' is new there), what the model says: 'human', 'opt_out', 'out_of_office',
-- 'automatic'. Null until it has read the reply.
ALTER TABLE replies ADD COLUMN label TEXT;
-- 'positive', 'negative', 'neutral'
ALTER TABLE replies ADD COLUMN tone TEXT;
-- How sure the model is of both: 0 to 100.
ALTER TABLE replies ADD COLUMN confidence BIGINT;
ALTER TABLE replies ADD COLUMN read_at_ms BIGINT;
-- Why the model has not read it, without personal data.
ALTER TABLE replies ADD COLUMN not_read TEXT;
-- From which a mail came.
ALTER TABLE replies ADD COLUMN address TEXT;
