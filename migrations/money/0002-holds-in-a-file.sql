DROP TABLE hold;
ALTER TABLE account RENAME TO account_1;
CREATE TABLE account (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  budget TEXT NOT NULL,
  scope TEXT NOT NULL,
  window_start_ms INTEGER NOT NULL,
  spent_nanodollars INTEGER NOT NULL DEFAULT 0 CHECK (spent_nanodollars >= 0),
  alerted_percent INTEGER NOT NULL DEFAULT 0,
  UNIQUE (budget, scope, window_start_ms)
) STRICT;
INSERT INTO account (budget, scope, window_start_ms, spent_nanodollars, alerted_percent)
SELECT budget, scope, window_start_ms, spent_nanodollars + reserved_nanodollars,
  alerted_percent
FROM account_1;
DROP TABLE account_1;
CREATE TABLE flush (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  number INTEGER NOT NULL
) STRICT;
INSERT INTO flush (only_row, number) VALUES (1, 0);
