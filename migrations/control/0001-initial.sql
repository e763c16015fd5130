-- Plans, their versions and history. Times are integer milliseconds UTC. JSON is checked by its
-- first character only: json_valid() is no function that trusted_schema = OFF allows in a CHECK.

CREATE TABLE plan (
  feature TEXT NOT NULL PRIMARY KEY CHECK (length(feature) BETWEEN 1 AND 128),
  version INTEGER NOT NULL CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

-- Every version a plan ever had; written once.
CREATE TABLE plan_version (
  feature TEXT NOT NULL REFERENCES plan (feature),
  version INTEGER NOT NULL CHECK (version >= 1),
  status TEXT NOT NULL
    CHECK (status IN ('draft', 'active', 'paused', 'completed', 'killed', 'archived')),
  stage TEXT NOT NULL,
  body_json TEXT NOT NULL CHECK (body_json GLOB '[[{]*'),
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (feature, version)
) STRICT, WITHOUT ROWID;

-- One line of history per version, chained by hash over all plans.
CREATE TABLE plan_event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  feature TEXT NOT NULL,
  version INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  type TEXT NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL,
  from_stage TEXT,
  from_status TEXT,
  to_stage TEXT NOT NULL,
  to_status TEXT NOT NULL,
  evidence_json TEXT CHECK (evidence_json IS NULL OR evidence_json GLOB '[[{]*'),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  UNIQUE (feature, version),
  FOREIGN KEY (feature, version) REFERENCES plan_version (feature, version)
) STRICT;

CREATE TRIGGER plan_version_is_append_only_update BEFORE UPDATE ON plan_version
BEGIN SELECT RAISE(ABORT, 'plan_version is append-only'); END;
CREATE TRIGGER plan_version_is_append_only_delete BEFORE DELETE ON plan_version
BEGIN SELECT RAISE(ABORT, 'plan_version is append-only'); END;
CREATE TRIGGER plan_event_is_append_only_update BEFORE UPDATE ON plan_event
BEGIN SELECT RAISE(ABORT, 'plan_event is append-only'); END;
CREATE TRIGGER plan_event_is_append_only_delete BEFORE DELETE ON plan_event
BEGIN SELECT RAISE(ABORT, 'plan_event is append-only'); END;

-- What must still be told to whom; written with the event it tells of.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id INTEGER NOT NULL REFERENCES plan_event (id),
  target TEXT NOT NULL,
  payload_json TEXT NOT NULL CHECK (payload_json GLOB '[[{]*'),
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at_ms INTEGER NOT NULL,
  delivered_at_ms INTEGER
) STRICT;
CREATE INDEX outbox_due ON outbox (next_attempt_at_ms) WHERE delivered_at_ms IS NULL;

-- Answers to requests with an Idempotency-Key, replayed to their repeats.
CREATE TABLE idempotency (
  key TEXT NOT NULL,
  scope TEXT NOT NULL,
  request_hash BLOB NOT NULL CHECK (length(request_hash) = 32),
  answer_json TEXT NOT NULL CHECK (answer_json GLOB '[[{]*'),
  expires_at_ms INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at_ms);

-- Who opted in to what.
CREATE TABLE cohort_member (
  cohort TEXT NOT NULL CHECK (length(cohort) BETWEEN 1 AND 128),
  user TEXT NOT NULL CHECK (length(CAST(user AS BLOB)) BETWEEN 1 AND 512),
  added_at_ms INTEGER NOT NULL,
  PRIMARY KEY (cohort, user)
) STRICT, WITHOUT ROWID;

-- Access tokens; only the SHA-256 of the secret is kept.
CREATE TABLE token (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 128),
  secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
  scopes TEXT NOT NULL,
  features_json TEXT CHECK (features_json IS NULL OR features_json GLOB '[[{]*'),
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER,
  revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Alerts received, kept before they are acted on, so that a repeat is known as one.
CREATE TABLE alert (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  dedupe_key TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  feature TEXT NOT NULL,
  action TEXT NOT NULL CHECK (action IN ('rollback', 'pause', 'kill')),
  reason TEXT NOT NULL,
  starts_at_ms INTEGER NOT NULL,
  received_at_ms INTEGER NOT NULL,
  acted INTEGER CHECK (acted IN (0, 1)),
  why TEXT
) STRICT;
