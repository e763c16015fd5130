DROP TABLE guard_window;
CREATE TABLE feature_state (
  feature TEXT NOT NULL PRIMARY KEY,
  state BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE outcome_chunk (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  feature TEXT NOT NULL,
  outcome_count INTEGER NOT NULL CHECK (outcome_count > 0),
  at_ms INTEGER NOT NULL,
  outcomes BLOB NOT NULL
) STRICT;
CREATE INDEX outcome_chunk_by_feature ON outcome_chunk (feature, id);
