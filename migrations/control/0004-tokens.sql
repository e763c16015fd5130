-- A name is free again once its token is revoked, and a token knows when it was used last (to the
-- minute). SQLite cannot drop a constraint, so the table is made anew.
CREATE TABLE token_anew (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
  secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
  scopes TEXT NOT NULL,
  features_json TEXT CHECK (features_json IS NULL OR features_json GLOB '[[{]*'),
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER,
  revoked_at_ms INTEGER,
  last_used_at_ms INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO token_anew (
  id, name, secret_hash, scopes, features_json, created_at_ms, expires_at_ms, revoked_at_ms
)
SELECT
  id, name, secret_hash, scopes, features_json, created_at_ms, expires_at_ms, revoked_at_ms
FROM token;
DROP TABLE token;
ALTER TABLE token_anew RENAME TO token;
CREATE UNIQUE INDEX token_name_in_use ON token (name) WHERE revoked_at_ms IS NULL;
