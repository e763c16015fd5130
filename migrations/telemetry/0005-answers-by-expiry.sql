ALTER TABLE cached_answer RENAME TO cached_answer_1;
DROP INDEX cached_answer_by_age;
CREATE TABLE cached_answer (
  key BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 32),
  feature TEXT NOT NULL,
  text TEXT NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  stored_at_ms INTEGER NOT NULL,
  fresh_until_ms INTEGER NOT NULL,
  stale_until_ms INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX cached_answer_by_age ON cached_answer (stored_at_ms, size_bytes);
CREATE INDEX cached_answer_by_expiry ON cached_answer (max(fresh_until_ms, stale_until_ms));
CREATE TABLE cached_size (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  bytes INTEGER NOT NULL
) STRICT;
INSERT INTO cached_size (only_row, bytes) VALUES (1, 0);
CREATE TRIGGER cached_answer_added AFTER INSERT ON cached_answer BEGIN
  UPDATE cached_size SET bytes = bytes + new.size_bytes;
END;
CREATE TRIGGER cached_answer_changed AFTER UPDATE ON cached_answer BEGIN
  UPDATE cached_size SET bytes = bytes + new.size_bytes - old.size_bytes;
END;
CREATE TRIGGER cached_answer_removed AFTER DELETE ON cached_answer BEGIN
  UPDATE cached_size SET bytes = bytes - old.size_bytes;
END;
INSERT INTO cached_answer
SELECT key, feature, text, model, provider, stored_at_ms, fresh_until_ms, stale_until_ms,
  length(CAST(text AS BLOB))
FROM cached_answer_1;
DROP TABLE cached_answer_1;
