-- Changes that are no events of a plan: who did what to what, when and why. Never a secret, and
-- never the id of a user: lists of users say how many. Repeats within an hour are one row (`fold`),
-- with how often, when first and when last.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  type TEXT NOT NULL CHECK (length(type) BETWEEN 1 AND 64),
  at_ms INTEGER NOT NULL,
  last_at_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  target TEXT NOT NULL,
  reason TEXT NOT NULL,
  -- Users that were let in or taken out, all repeats together.
  users INTEGER NOT NULL CHECK (users >= 0),
  details_json TEXT CHECK (details_json IS NULL OR details_json GLOB '[[{]*'),
  repeat_count INTEGER NOT NULL CHECK (repeat_count >= 1),
  fold TEXT
) STRICT;
CREATE UNIQUE INDEX audit_fold ON audit (fold) WHERE fold IS NOT NULL;
CREATE INDEX audit_by_actor ON audit (actor, type, id);
CREATE INDEX audit_by_time ON audit (last_at_ms);
