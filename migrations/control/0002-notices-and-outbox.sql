-- What people should hear of that is no change of a plan. `after_event_id` places it in the one
-- order that listeners of the event stream see.
CREATE TABLE notice (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  after_event_id INTEGER NOT NULL CHECK (after_event_id >= 0),
  feature TEXT NOT NULL CHECK (length(feature) BETWEEN 1 AND 128),
  plan_version INTEGER NOT NULL CHECK (plan_version >= 1),
  at_ms INTEGER NOT NULL,
  type TEXT NOT NULL,
  sentence TEXT NOT NULL,
  evidence_json TEXT CHECK (evidence_json IS NULL OR evidence_json GLOB '[[{]*')
) STRICT;
CREATE INDEX notice_by_event ON notice (after_event_id, id);

-- The first outbox held copies of payloads and was never written to. This one points to what is to
-- be told, in the same transaction that made it.
DROP TABLE outbox;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  target TEXT NOT NULL CHECK (length(target) BETWEEN 1 AND 128),
  event_id INTEGER REFERENCES plan_event (id),
  notice_id INTEGER REFERENCES notice (id) ON DELETE CASCADE,
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at_ms INTEGER NOT NULL,
  delivered_at_ms INTEGER,
  given_up_at_ms INTEGER,
  last_error TEXT,
  CHECK ((event_id IS NULL) <> (notice_id IS NULL)),
  UNIQUE (target, event_id),
  UNIQUE (target, notice_id)
) STRICT;
CREATE INDEX outbox_due ON outbox (next_attempt_at_ms)
  WHERE delivered_at_ms IS NULL AND given_up_at_ms IS NULL;
CREATE INDEX outbox_notice ON outbox (notice_id) WHERE notice_id IS NOT NULL;
