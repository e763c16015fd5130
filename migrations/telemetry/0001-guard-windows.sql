CREATE TABLE guard_window (
  feature TEXT NOT NULL,
  position INTEGER NOT NULL,
  stage_entered_at_ms INTEGER NOT NULL,
  metric TEXT NOT NULL,
  state BLOB NOT NULL,
  PRIMARY KEY (feature, position)
) STRICT, WITHOUT ROWID;
