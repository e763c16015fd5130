CREATE TABLE account (
  budget TEXT NOT NULL,
  scope TEXT NOT NULL,
  window_start_ms INTEGER NOT NULL,
  spent_nanodollars INTEGER NOT NULL DEFAULT 0 CHECK (spent_nanodollars >= 0),
  reserved_nanodollars INTEGER NOT NULL DEFAULT 0 CHECK (reserved_nanodollars >= 0),
  alerted_percent INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (budget, scope, window_start_ms)
) STRICT, WITHOUT ROWID;
CREATE TABLE hold (
  request TEXT NOT NULL,
  budget TEXT NOT NULL,
  scope TEXT NOT NULL,
  window_start_ms INTEGER NOT NULL,
  nanodollars INTEGER NOT NULL CHECK (nanodollars >= 0),
  PRIMARY KEY (request, budget, scope, window_start_ms),
  FOREIGN KEY (budget, scope, window_start_ms)
    REFERENCES account (budget, scope, window_start_ms)
) STRICT, WITHOUT ROWID;
