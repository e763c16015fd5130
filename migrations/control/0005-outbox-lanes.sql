-- Every target has a lane of its own, and in it emergencies go before the rest: a dead target delays
-- nobody, and old news no rollback.
ALTER TABLE outbox ADD COLUMN is_urgent INTEGER NOT NULL DEFAULT 0 CHECK (is_urgent IN (0, 1));
UPDATE outbox
SET is_urgent = 1
WHERE event_id IN (
  SELECT id FROM plan_event WHERE type IN ('killed', 'rolled_back', 'held')
);
DROP INDEX outbox_due;
CREATE INDEX outbox_lane ON outbox (target, is_urgent, id)
  WHERE delivered_at_ms IS NULL AND given_up_at_ms IS NULL;
