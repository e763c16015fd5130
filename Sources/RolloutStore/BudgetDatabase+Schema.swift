extension BudgetDatabase {
  static let schema = [
    Migration(
      number: 1, name: "budget-1",
      sql: """
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
        """),
    // Holds move into a file of their own; those that are left count in full.
    Migration(
      number: 2, name: "budget-2",
      sql: """
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
        """),
    Migration(
      number: 3, name: "budget-3",
      sql: """
        CREATE TABLE loss (
          only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
          since_ms INTEGER NOT NULL,
          why TEXT NOT NULL
        ) STRICT;
        CREATE TABLE acceptance (
          id INTEGER PRIMARY KEY AUTOINCREMENT,
          budget TEXT,
          at_ms INTEGER NOT NULL,
          actor TEXT NOT NULL,
          reason TEXT NOT NULL
        ) STRICT;
        """),
  ]
}
