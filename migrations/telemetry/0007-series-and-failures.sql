CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  feature TEXT NOT NULL,
  step_ms INTEGER NOT NULL CHECK (step_ms > 0),
  at_ms INTEGER NOT NULL,
  stage TEXT NOT NULL,
  version INTEGER NOT NULL CHECK (version >= 0),
  arm TEXT NOT NULL,
  cell BLOB NOT NULL,
  UNIQUE (feature, step_ms, at_ms, stage, version, arm)
) STRICT;
CREATE INDEX series_by_age ON series (step_ms, at_ms);
CREATE TABLE failure (
  id INTEGER PRIMARY KEY,
  feature TEXT NOT NULL,
  step_ms INTEGER NOT NULL CHECK (step_ms > 0),
  at_ms INTEGER NOT NULL,
  arm TEXT NOT NULL,
  kind TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  failure_count INTEGER NOT NULL CHECK (failure_count > 0),
  UNIQUE (feature, step_ms, at_ms, arm, kind, provider, model)
) STRICT;
CREATE INDEX failure_by_age ON failure (step_ms, at_ms);
CREATE TABLE recent_failure (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  feature TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  arm TEXT NOT NULL,
  request_id TEXT,
  kind TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  status INTEGER,
  latency_ms INTEGER
) STRICT;
CREATE INDEX recent_failure_by_feature ON recent_failure (feature, id);
