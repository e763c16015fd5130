CREATE TABLE cached_answer (
  key BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 32),
  feature TEXT NOT NULL,
  text TEXT NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  stored_at_ms INTEGER NOT NULL,
  fresh_until_ms INTEGER NOT NULL,
  stale_until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX cached_answer_by_age ON cached_answer (stored_at_ms);
