-- The span in which an event came, as the header `traceparent` has it: its workflows are told of it later, perhaps by another
-- process.
ALTER TABLE events ADD COLUMN traceparent TEXT;
