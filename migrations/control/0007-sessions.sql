-- Who is signed in with a browser; only the SHA-256 of what the cookie holds is kept.
CREATE TABLE session (
  hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
  token_id TEXT NOT NULL REFERENCES token (id),
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_expiry ON session (expires_at_ms);
