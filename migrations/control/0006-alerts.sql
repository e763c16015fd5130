-- What became of alerts. What acted is known by its key without the token, so that a pair of senders
-- acts once; what was resolved, by the token that said so. Only these two are final. What was turned
-- down is judged again, and folded into one row for each token, feature, action, name and reason:
-- how often, when first and when last.
ALTER TABLE alert RENAME TO alert_before;
CREATE TABLE alert (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  state TEXT NOT NULL CHECK (state IN ('acted', 'resolved', 'inert')),
  dedupe_key TEXT NOT NULL,
  sender TEXT NOT NULL,
  -- What inert alerts are folded by; empty for the others.
  fold TEXT NOT NULL,
  name TEXT NOT NULL,
  feature TEXT NOT NULL,
  action TEXT NOT NULL CHECK (action IN ('rollback', 'pause', 'kill')),
  reason TEXT NOT NULL,
  why TEXT,
  starts_at_ms INTEGER NOT NULL,
  received_at_ms INTEGER NOT NULL,
  last_received_at_ms INTEGER NOT NULL,
  received_count INTEGER NOT NULL CHECK (received_count >= 1)
) STRICT;
CREATE UNIQUE INDEX alert_acted ON alert (feature, action, dedupe_key) WHERE state = 'acted';
CREATE UNIQUE INDEX alert_resolved ON alert (feature, action, dedupe_key, sender)
  WHERE state = 'resolved';
CREATE UNIQUE INDEX alert_inert ON alert (sender, fold) WHERE state = 'inert';
CREATE INDEX alert_by_sender ON alert (sender, state, id);
INSERT INTO alert (
  state, dedupe_key, sender, fold, name, feature, action, reason, why, starts_at_ms,
  received_at_ms, last_received_at_ms, received_count
)
SELECT 'acted', dedupe_key, '', '', name, feature, action, reason, NULL, starts_at_ms,
  received_at_ms, received_at_ms, 1
FROM alert_before
WHERE acted = 1;
DROP TABLE alert_before;
