CREATE TABLE captured_exchange (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  request TEXT NOT NULL,
  feature TEXT NOT NULL,
  stage TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  prompt TEXT NOT NULL,
  answer TEXT NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL
) STRICT;
CREATE INDEX captured_exchange_by_feature ON captured_exchange (feature, id);
CREATE INDEX captured_exchange_by_expiry ON captured_exchange (expires_at_ms);
